/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The writer without a checkpoint: the tests play the folder, on a thread of its own, and say when it meets what. */
#include "broker/store/writer.h"

#include "tests/unit/store_model.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define SEGMENT_BYTES ((size_t)64 << 10)
#define WAITS_MAX 3000 /* of at most 10 ms each: a hang ends, a slow machine passes */

struct fixture {
    char *path;
    struct journal journal;
    struct writer writer;
    int64_t seq;
};

static atomic_bool disk_is_full;

static int reserve_or_fail(int file, off_t bytes) {
    errno = ENOSPC;
    return atomic_load(&disk_is_full) ? -1 : disk_real.reserve(file, bytes);
}

static int sync_at_once(int file) {
    (void)file;
    return 0;
}

static const struct disk disk = {.sync = sync_at_once, .reserve = reserve_or_fail, .write_at = pwritev};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->path = directory_create();
    atomic_store(&disk_is_full, false);
    struct store_options options;
    store_options_default(&options);
    options.segment_bytes = SEGMENT_BYTES;
    options.journal_bytes_max = 16 * SEGMENT_BYTES;
    options.disk = &disk;
    assert_int_equal(journal_open(&fixture->journal, fixture->path), RESULT_OK);
    assert_int_equal(writer_start(&fixture->writer, &options, &fixture->journal, &(struct store_metrics){0}), RESULT_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    (void)writer_stop(&fixture->writer);
    writer_fini(&fixture->writer);
    journal_close(&fixture->journal);
    directory_destroy(fixture->path);
    free(fixture);
    return 0;
}

static enum result append(struct fixture *fixture, size_t bytes) {
    uint8_t *records = calloc(1, bytes);
    enum result result = writer_append(&fixture->writer, span_of(records, bytes), fixture->seq + 1, fixture->seq + 1);
    fixture->seq += result == RESULT_OK;
    free(records);
    return result;
}

static bool has_spare(struct fixture *fixture) {
    return faccessat(fixture->journal.directory, SEGMENT_SPARE_NAME, F_OK, 0) == 0;
}

static struct store_metrics metrics_of(struct fixture *fixture) {
    struct store_metrics metrics;
    writer_metrics(&fixture->writer, &metrics);
    return metrics;
}

/* A closed segment, a current one with less than a quarter left, a spare, and a disk that has no more. */
static void fill_two_segments(struct fixture *fixture) {
    assert_int_equal(append(fixture, writer_room(&fixture->writer)), RESULT_OK);
    for (int i = 0; i < WAITS_MAX && metrics_of(fixture).journal_bytes < 2 * SEGMENT_BYTES; i++) {
        usleep(10000);
    }
    assert_int_equal(append(fixture, SEGMENT_BYTES * 7 / 8), RESULT_OK);
    for (int i = 0; i < WAITS_MAX && metrics_of(fixture).journal_bytes < 3 * SEGMENT_BYTES; i++) {
        usleep(10000);
    }
    atomic_store(&disk_is_full, true);
    assert_true(has_spare(fixture));
}

static void clear_event(struct fixture *fixture) {
    uint64_t events;
    (void)!read(fixture->writer.event, &events, sizeof events);
}

static bool has_event(struct fixture *fixture) {
    struct pollfd poll_fd = {.fd = fixture->writer.event, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

/* ---- the folder ---- */

struct fold {
    struct fixture *fixture;
    enum result result;
};

static void *fold_one(void *argument) {
    struct fold *fold = argument;
    struct writer *writer = &fold->fixture->writer;
    struct segment *segment = writer_fold_next(writer);
    assert(segment != NULL);
    if (fold->result == RESULT_OK) {
        (void)unlinkat(fold->fixture->journal.directory, segment->name, 0);
    }
    writer_fold_done(writer, segment, fold->result, 1, segment->seq_last, 0);
    return NULL;
}

/* On return it is done. */
static void fold(struct fixture *fixture, enum result result) {
    struct fold fold = {fixture, result};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fold_one, &fold), 0);
    pthread_join(thread, NULL);
}

/* ---- room ---- */

static void room_that_was_granted_outlives_a_folder_without_space(void **state) {
    struct fixture *fixture = *state;
    fill_two_segments(fixture);
    size_t granted = writer_room(&fixture->writer);
    assert_int_equal(granted, segment_room_new(SEGMENT_BYTES));
    fold(fixture, RESULT_NO_SPACE);
    assert_int_equal(append(fixture, granted), RESULT_OK);
    assert_int_equal(writer_room(&fixture->writer), 0);
    assert_true(metrics_of(fixture).full);
}

static void the_spare_goes_when_room_is_asked_for_again(void **state) {
    struct fixture *fixture = *state;
    fill_two_segments(fixture);
    assert_true(writer_room(&fixture->writer) > 0);
    clear_event(fixture);
    fold(fixture, RESULT_NO_SPACE);
    assert_true(has_event(fixture)); /* whoever was granted room is woken */
    assert_true(has_spare(fixture));
    assert_false(metrics_of(fixture).full);
    assert_int_equal(writer_room(&fixture->writer), 0);
    assert_false(has_spare(fixture));
    assert_true(metrics_of(fixture).full);
    assert_int_equal(append(fixture, 8), RESULT_NO_SPACE);
    atomic_store(&disk_is_full, false);
    fold(fixture, RESULT_OK);
    for (int i = 0; i < WAITS_MAX && writer_room(&fixture->writer) == 0; i++) {
        usleep(10000);
    }
    assert_int_equal(append(fixture, segment_room_new(SEGMENT_BYTES)), RESULT_OK);
}

static void a_folder_that_must_wait_takes_no_spare(void **state) {
    struct fixture *fixture = *state;
    fill_two_segments(fixture);
    fold(fixture, RESULT_AGAIN);
    assert_int_equal(writer_room(&fixture->writer), segment_room_new(SEGMENT_BYTES));
    fold(fixture, RESULT_IO);
    assert_int_equal(writer_room(&fixture->writer), segment_room_new(SEGMENT_BYTES));
}

/* ---- a folder that fails ---- */

static void folding_is_broken_after_some_failures_and_mended_by_a_success(void **state) {
    struct fixture *fixture = *state;
    fill_two_segments(fixture);
    int failures = 0;
    while (!metrics_of(fixture).fold_broken) {
        assert_in_range(failures, 0, 4);
        clear_event(fixture);
        fold(fixture, RESULT_IO);
        assert_int_equal(metrics_of(fixture).io_errors, ++failures);
    }
    assert_true(failures > 1);
    assert_true(has_event(fixture));
    clear_event(fixture);
    fold(fixture, RESULT_OK);
    assert_true(has_event(fixture));
    assert_false(metrics_of(fixture).fold_broken);
    assert_int_equal(metrics_of(fixture).folds, 1);
}

static void damage_is_told_at_once_and_counted_once(void **state) {
    struct fixture *fixture = *state;
    fill_two_segments(fixture);
    for (int i = 1; i <= 2; i++) {
        fold(fixture, RESULT_DAMAGED);
        assert_true(metrics_of(fixture).fold_broken);
        assert_int_equal(metrics_of(fixture).io_errors, i);
        assert_int_equal(metrics_of(fixture).damaged, 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(room_that_was_granted_outlives_a_folder_without_space),
        TEST(the_spare_goes_when_room_is_asked_for_again),
        TEST(a_folder_that_must_wait_takes_no_spare),
        TEST(folding_is_broken_after_some_failures_and_mended_by_a_success),
        TEST(damage_is_told_at_once_and_counted_once),
    };
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
