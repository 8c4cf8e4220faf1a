/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/store.h"

#include "tests/unit/store_model.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>

#define SEGMENT_BYTES ((size_t)64 << 10)
#define WAITS_MAX 3000 /* of at most 10 ms each: a hang ends, a slow machine passes */

struct fixture {
    char *path;
    struct store_options options;
    struct store *store;
    struct store_report report;
    struct model model; /* as loaded */
    int64_t seq;        /* last appended */
};

static atomic_bool reserve_hangs; /* a disk that does not answer */

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->path = directory_create();
    store_options_default(&fixture->options);
    fixture->options.path = fixture->path;
    fixture->options.segment_bytes = SEGMENT_BYTES;
    fixture->options.journal_bytes_max = 16 * SEGMENT_BYTES;
    fixture->options.boot_id = "boot one";
    *state = fixture;
    return 0;
}

/* Of every file of this process; the checkpoint is the only one as large. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    atomic_store(&reserve_hangs, false);
    limit_files(RLIM_INFINITY);
    if (fixture->store != NULL) {
        store_close(fixture->store);
    }
    (void)umount(fixture->path); /* of a test that failed half-way */
    directory_destroy(fixture->path);
    free(fixture);
    return 0;
}

/* ---- one run ---- */

static enum result load(struct fixture *fixture) {
    fixture->model = (struct model){0};
    struct record records[LOADED_AT_ONCE];
    size_t count;
    enum result result;
    while ((result = store_load(fixture->store, records, LOADED_AT_ONCE, &count)) == RESULT_OK) {
        assert_in_range(count, 1, LOADED_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            model_take(&fixture->model, &records[i]);
        }
    }
    return result;
}

static void start(struct fixture *fixture) {
    char detail[300];
    assert_int_equal(store_open(&fixture->store, &fixture->options, &fixture->report, detail, sizeof detail), RESULT_OK);
    assert_int_equal(load(fixture), RESULT_NOT_FOUND);
    fixture->seq = fixture->model.seq_last;
    assert_int_equal(store_loaded(fixture->store, fixture->seq, &fixture->report), RESULT_OK);
    assert_int_equal(store_start(fixture->store), RESULT_OK);
}

static void stop(struct fixture *fixture) {
    store_close(fixture->store);
    fixture->store = NULL;
}

static enum result append(struct fixture *fixture, int64_t count) {
    struct buffer buffer;
    buffer_init(&buffer, SEGMENT_BYTES);
    for (int64_t seq = fixture->seq + 1; seq <= fixture->seq + count; seq++) {
        model_put(&buffer, seq);
    }
    assert_false(buffer.failed);
    enum result result = store_append(fixture->store, buffer_span(&buffer), fixture->seq + 1, fixture->seq + count);
    fixture->seq += result == RESULT_OK ? count : 0;
    buffer_fini(&buffer);
    return result;
}

static void append_turns(struct fixture *fixture, int turns) {
    for (int i = 0; i < turns; i++) {
        for (int waits = 0; store_room(fixture->store) < 20000 && waits < WAITS_MAX; waits++) {
            usleep(10000);
        }
        assert_int_equal(append(fixture, 1 + i % 20), RESULT_OK);
    }
}

static bool is_durable(struct fixture *fixture) {
    return store_durable_seq(fixture->store) == fixture->seq;
}

static bool has_room(struct fixture *fixture) {
    return store_room(fixture->store) > 0;
}

static void wait_until(struct fixture *fixture, bool (*holds)(struct fixture *fixture)) {
    for (int i = 0; i < WAITS_MAX && !holds(fixture); i++) {
        struct pollfd poll_fd = {.fd = store_event_fd(fixture->store), .events = POLLIN};
        uint64_t events;
        if (poll(&poll_fd, 1, 10) == 1) {
            assert_int_equal(read(poll_fd.fd, &events, sizeof events), sizeof events);
        }
        (void)store_room(fixture->store); /* as the loop does when it is woken */
    }
    assert_true(holds(fixture));
}

/* Runs `work` in a process of its own that then dies without a word. */
static void in_a_process_that_dies(struct fixture *fixture, void (*work)(struct fixture *fixture)) {
    pid_t child = fork();
    if (child == 0) {
        work(fixture);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void start_and_append(struct fixture *fixture) {
    start(fixture);
    append_turns(fixture, 100);
}

static void start_and_append_little(struct fixture *fixture) {
    start(fixture);
    append_turns(fixture, 5);
}

/* Flips a bit of each place in the file that holds the text. */
static void flip_text(const char *name, const char *text) {
    int file = open(name, O_RDWR);
    struct stat status;
    assert_int_equal(fstat(file, &status), 0);
    size_t size = (size_t)status.st_size;
    char *bytes = malloc(size);
    assert_int_equal(pread(file, bytes, size, 0), size);
    char *hit = memmem(bytes, size, text, strlen(text));
    assert_non_null(hit);
    for (; hit != NULL; hit = memmem(bytes, size, text, strlen(text))) {
        hit[1] ^= 1;
    }
    assert_int_equal(pwrite(file, bytes, size, 0), size);
    free(bytes);
    close(file);
}

/* ---- round trips and epochs ---- */

static void a_clean_stop_keeps_everything_and_the_epoch(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    assert_true(fixture->report.epoch_is_new);
    assert_string_equal(fixture->report.epoch_reason, "first start");
    assert_int_equal(strlen(fixture->report.epoch), 12);
    char epoch[sizeof fixture->report.epoch];
    memcpy(epoch, fixture->report.epoch, sizeof epoch);
    append_turns(fixture, 200);
    int64_t seq = fixture->seq;
    stop(fixture);
    start(fixture);
    model_expect(&fixture->model, seq);
    assert_false(fixture->report.epoch_is_new);
    assert_string_equal(fixture->report.epoch_reason, "clean");
    assert_string_equal(fixture->report.epoch, epoch);
    assert_int_equal(fixture->report.damaged, 0);
}

static void a_clean_stop_keeps_the_epoch_across_a_boot(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    append_turns(fixture, 10);
    stop(fixture);
    fixture->options.boot_id = "boot two";
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "clean");
}

static void a_killed_process_loses_nothing_and_keeps_the_epoch(void **state) {
    struct fixture *fixture = *state;
    fixture->options.sync = SYNC_OFF;
    in_a_process_that_dies(fixture, start_and_append);
    start(fixture);
    assert_false(fixture->report.epoch_is_new);
    assert_string_equal(fixture->report.epoch_reason, "killed");
    model_expect(&fixture->model, 1045 + 5); /* 5 times 1 + 2 + … + 20 */
}

static void a_power_loss_takes_a_new_epoch(void **state) {
    struct fixture *fixture = *state;
    in_a_process_that_dies(fixture, start_and_append);
    fixture->options.boot_id = "boot two";
    start(fixture);
    assert_true(fixture->report.epoch_is_new);
    assert_string_equal(fixture->report.epoch_reason, "power loss");
    model_expect(&fixture->model, 1050);
    char epoch[sizeof fixture->report.epoch];
    memcpy(epoch, fixture->report.epoch, sizeof epoch);
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch, epoch);
}

static void without_a_boot_id_a_kill_may_have_been_a_power_loss(void **state) {
    struct fixture *fixture = *state;
    fixture->options.boot_id = "";
    in_a_process_that_dies(fixture, start_and_append_little);
    start(fixture);
    assert_true(fixture->report.epoch_is_new);
    assert_string_equal(fixture->report.epoch_reason, "power loss");
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "clean");
}

/* A change with a key, and a newer one of the same topic. */
static void append_keyed(struct fixture *fixture) {
    struct buffer buffer;
    struct timespec now;
    buffer_init(&buffer, SEGMENT_BYTES);
    clock_gettime(CLOCK_REALTIME, &now);
    struct record record = {.topic = span_of_text("room/keyed"),
                            .data = span_of("\x80", 1),
                            .key = span_of("p\0k", 3),
                            .seq = 1,
                            .fresh_ms = -1,
                            .expire_ms = -1,
                            .accepted_at = (int64_t)now.tv_sec * 1000};
    record_put(&buffer, &record);
    record.key = (struct span){0};
    record.accepted_at = 0;
    record.seq = 2;
    record_put(&buffer, &record);
    assert_int_equal(store_append(fixture->store, buffer_span(&buffer), 1, 2), RESULT_OK);
    buffer_fini(&buffer);
}

static void start_and_append_keyed(struct fixture *fixture) {
    start(fixture);
    append_keyed(fixture);
}

/* The seq of the key; `alone`: it came without its topic. */
static int64_t seq_of_key(struct fixture *fixture, bool *alone) {
    char detail[300];
    int64_t seq = 0;
    struct record record;
    assert_int_equal(store_open(&fixture->store, &fixture->options, &fixture->report, detail, sizeof detail), RESULT_OK);
    while (store_load(fixture->store, &record, 1, &(size_t){0}) == RESULT_OK) {
        if (record.key.bytes > 0) {
            assert_true(span_equal(record.key, span_of("p\0k", 3)));
            seq = record.seq;
            *alone = record.topic.bytes == 0;
        }
    }
    assert_int_equal(store_loaded(fixture->store, 2, &fixture->report), RESULT_OK);
    return seq;
}

static void keys_outlive_a_kill_a_fold_and_a_clean_stop(void **state) {
    struct fixture *fixture = *state;
    bool alone = true;
    in_a_process_that_dies(fixture, start_and_append_keyed);
    assert_int_equal(seq_of_key(fixture, &alone), 1);
    assert_false(alone);
    assert_int_equal(store_start(fixture->store), RESULT_OK);
    stop(fixture); /* folds everything */
    assert_int_equal(seq_of_key(fixture, &alone), 1);
    assert_true(alone);
    assert_int_equal(fixture->report.damaged, 0);
}

static void start_and_append_one(struct fixture *fixture) {
    start(fixture);
    assert_int_equal(fixture->seq, 39);
    assert_int_equal(append(fixture, 1), RESULT_OK);
}

static void append_room(struct fixture *fixture, int64_t seq, bool removed) {
    struct buffer buffer;
    buffer_init(&buffer, SEGMENT_BYTES);
    struct record record = {.topic = span_of_text("room"),
                            .data = span_of("\x80", removed ? 0 : 1),
                            .seq = seq,
                            .fresh_ms = -1,
                            .expire_ms = -1,
                            .removed = removed,
                            .why = removed ? AHORA_WHY_DELETED : AHORA_WHY_NONE};
    record_put(&buffer, &record);
    assert_int_equal(store_append(fixture->store, buffer_span(&buffer), seq, seq), RESULT_OK);
    buffer_fini(&buffer);
}

/* Starts; the records found. */
static int start_and_count(struct fixture *fixture, int64_t seq_last) {
    char detail[300];
    int count = 0;
    struct record record;
    assert_int_equal(store_open(&fixture->store, &fixture->options, &fixture->report, detail, sizeof detail), RESULT_OK);
    while (store_load(fixture->store, &record, 1, &(size_t){0}) == RESULT_OK) {
        count++;
    }
    assert_int_equal(store_loaded(fixture->store, seq_last, &fixture->report), RESULT_OK);
    assert_int_equal(store_start(fixture->store), RESULT_OK);
    return count;
}

/* A power loss may undo that the file was deleted. */
static void a_folded_segment_that_comes_back_brings_no_topic_back(void **state) {
    struct fixture *fixture = *state;
    char name[300];
    char kept[300];
    snprintf(name, sizeof name, "%s/journal/%016x", fixture->path, 1);
    snprintf(kept, sizeof kept, "%s/kept", fixture->path);
    fixture->options.removals_max = 0;
    assert_int_equal(start_and_count(fixture, 0), 0);
    append_room(fixture, 1, false);
    assert_int_equal(link(name, kept), 0);
    stop(fixture);
    assert_int_equal(start_and_count(fixture, 1), 1);
    append_room(fixture, 2, true);
    stop(fixture); /* folded, and the removal is forgotten */
    assert_int_equal(rename(kept, name), 0);
    assert_int_equal(start_and_count(fixture, 2), 0);
    assert_int_equal(fixture->report.damaged, 0);
    stop(fixture);
    assert_int_equal(start_and_count(fixture, 2), 0);
}

/* Damage took the newest change, so its seq is used again. */
static void what_is_appended_after_damage_is_loaded_again(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    assert_int_equal(append(fixture, 40), RESULT_OK);
    stop(fixture);
    char name[300];
    snprintf(name, sizeof name, "%s/checkpoint/data.mdb", fixture->path);
    flip_text(name, "seq 40 ");
    in_a_process_that_dies(fixture, start_and_append_one);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "killed");
    model_expect(&fixture->model, 40);
}

/* As an operator would: a copy is made, the original goes, the copy takes its place. */
static void replace_by_copy(const char *path) {
    char command[1000];
    snprintf(command, sizeof command, "cp -a %s %s.saved && rm -r %s && mv %s.saved %s", path, path, path, path, path);
    assert_int_equal(system(command), 0);
}

static void a_restored_copy_takes_a_new_epoch(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    append_turns(fixture, 100);
    int64_t seq = fixture->seq;
    stop(fixture);
    replace_by_copy(fixture->path);
    start(fixture);
    assert_true(fixture->report.epoch_is_new);
    assert_string_equal(fixture->report.epoch_reason, "restored copy");
    model_expect(&fixture->model, seq);
}

static void flip_in_file(const char *name, off_t offset) {
    int file = open(name, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= 4;
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    close(file);
}

static void flip_in_journal(const char *path, off_t offset) {
    char name[300];
    snprintf(name, sizeof name, "%s/journal/%016x", path, 1);
    flip_in_file(name, offset);
}

static void damage_is_reported_and_takes_a_new_epoch(void **state) {
    struct fixture *fixture = *state;
    in_a_process_that_dies(fixture, start_and_append_little);
    flip_in_journal(fixture->path, 64 + 40);
    start(fixture);
    assert_true(fixture->report.epoch_is_new);
    assert_string_equal(fixture->report.epoch_reason, "damaged");
    assert_int_equal(fixture->report.damaged, 1);
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    assert_int_equal(metrics.damaged, 1);
    assert_int_equal(fixture->model.seqs[model_topic(1)] == 1, false);
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "clean");
}

static void damage_in_the_checkpoint_is_reported_once(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    assert_int_equal(append(fixture, 40), RESULT_OK);
    stop(fixture);
    char name[300];
    snprintf(name, sizeof name, "%s/checkpoint/data.mdb", fixture->path);
    flip_text(name, "seq 40 ");
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "damaged");
    assert_int_equal(fixture->report.damaged, 1);
    assert_int_equal(fixture->model.seq_last, 39);
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "clean");
    assert_int_equal(fixture->report.damaged, 0);
}

/* A start dies once the damage is cut away: nothing of it is left to find, so the epoch must have been written before. */
static void the_new_epoch_is_on_disk_before_the_damage_is_cut(void **state) {
    struct fixture *fixture = *state;
    char name[300];
    char detail[300];
    in_a_process_that_dies(fixture, start_and_append_little);
    start(fixture);
    char epoch[sizeof fixture->report.epoch];
    memcpy(epoch, fixture->report.epoch, sizeof epoch);
    stop(fixture);
    in_a_process_that_dies(fixture, start_and_append_little);
    snprintf(name, sizeof name, "%s/journal/%016x", fixture->path, 16);
    flip_in_file(name, 64 + 40);
    assert_int_equal(store_open(&fixture->store, &fixture->options, &fixture->report, detail, sizeof detail), RESULT_OK);
    assert_string_equal(fixture->report.epoch, epoch);
    assert_int_equal(load(fixture), RESULT_NOT_FOUND);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(mkdir(name, 0700), 0); /* which no cut can open */
    assert_int_not_equal(store_loaded(fixture->store, fixture->model.seq_last, &fixture->report), RESULT_OK);
    assert_string_equal(fixture->report.epoch_reason, "damaged");
    stop(fixture);
    assert_int_equal(rmdir(name), 0);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "killed");
    assert_string_not_equal(fixture->report.epoch, epoch);
}

/* What a backup does while it copies the checkpoint. */
static int hold_folding_back(struct fixture *fixture) {
    char name[300];
    snprintf(name, sizeof name, "%s/checkpoint", fixture->path);
    int lock = open(name, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_SH), 0);
    return lock;
}

static bool has_three_segments(struct fixture *fixture) {
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    return metrics.journal_bytes == 3 * SEGMENT_BYTES;
}

/* One closed, one current, one spare. */
static void append_until_one_is_closed(struct fixture *fixture) {
    wait_until(fixture, has_room);
    while (!has_three_segments(fixture)) {
        assert_int_equal(append(fixture, 10), RESULT_OK);
        wait_until(fixture, is_durable);
    }
}

static bool has_seen_damage(struct fixture *fixture) {
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    return metrics.damaged > 0 && metrics.fold_broken;
}

static void a_segment_that_rots_is_kept_for_the_next_start_to_see(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    int lock = hold_folding_back(fixture);
    append_until_one_is_closed(fixture);
    flip_in_journal(fixture->path, 64 + 40);
    close(lock);
    wait_until(fixture, has_seen_damage);
    assert_int_equal(append(fixture, 1), RESULT_OK); /* the broker itself still knows everything */
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "damaged");
    assert_int_equal(fixture->report.damaged, 1);
}

/* ---- gaps ---- */

/* Dies with several segments that are not folded. */
static void start_and_leave_segments(struct fixture *fixture) {
    start(fixture);
    hold_folding_back(fixture);
    append_turns(fixture, 100);
}

/* The last bytes of the first segment never reached the disk. */
static void zero_the_end_of_the_first(const char *path) {
    char name[300];
    static const char zeros[SEGMENT_BYTES / 2];
    snprintf(name, sizeof name, "%s/journal/%016x", path, 1);
    int file = open(name, O_WRONLY);
    assert_int_equal(pwrite(file, zeros, sizeof zeros, SEGMENT_BYTES - sizeof zeros), sizeof zeros);
    close(file);
}

static void a_gap_between_segments_is_damage_and_the_rest_is_served(void **state) {
    struct fixture *fixture = *state;
    in_a_process_that_dies(fixture, start_and_leave_segments);
    zero_the_end_of_the_first(fixture->path);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "damaged");
    assert_true(fixture->report.epoch_is_new);
    assert_int_equal(fixture->report.damaged, 1);
    assert_int_equal(fixture->report.cut, 0);
    assert_int_equal(fixture->model.seq_last, 1050);
    assert_int_equal(append(fixture, 1), RESULT_OK);
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "clean");
    assert_int_equal(fixture->model.seq_last, 1051);
}

static void after_a_power_loss_the_state_is_a_prefix(void **state) {
    struct fixture *fixture = *state;
    in_a_process_that_dies(fixture, start_and_leave_segments);
    zero_the_end_of_the_first(fixture->path);
    fixture->options.boot_id = "boot two";
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "power loss");
    assert_int_equal(fixture->report.damaged, 0);
    assert_true(fixture->report.cut > 0);
    assert_in_range(fixture->seq, 1, 400);
    model_expect(&fixture->model, fixture->seq);
    append_turns(fixture, 100); /* their seqs come again */
    int64_t seq = fixture->seq;
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "clean");
    assert_int_equal(fixture->report.cut, 0);
    model_expect(&fixture->model, seq);
}

static void a_second_process_is_refused(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    struct store *second = NULL;
    struct store_report report;
    char detail[300];
    assert_int_equal(store_open(&second, &fixture->options, &report, detail, sizeof detail), RESULT_LOCKED);
    assert_non_null(strstr(detail, fixture->path));
}

static void options_out_of_bounds_are_refused(void **state) {
    struct fixture *fixture = *state;
    struct store_report report;
    char detail[300];
    fixture->options.segment_bytes = 100;
    assert_int_equal(store_open(&fixture->store, &fixture->options, &report, detail, sizeof detail), RESULT_INVALID);
    fixture->options.segment_bytes = SEGMENT_BYTES;
    fixture->options.journal_bytes_max = SEGMENT_BYTES;
    assert_int_equal(store_open(&fixture->store, &fixture->options, &report, detail, sizeof detail), RESULT_INVALID);
    assert_null(fixture->store);
}

/* ---- kill -9 ---- */

static void append_until_killed(struct fixture *fixture, int report_to) {
    start(fixture);
    for (;;) {
        if (store_room(fixture->store) > 20000 && append(fixture, 1 + fixture->seq % 20) == RESULT_OK) {
            (void)!write(report_to, &fixture->seq, sizeof fixture->seq);
        }
    }
}

/* The changes reported through the pipe are those that were shown. */
static int64_t kill_one_round(struct fixture *fixture, unsigned after_reports) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        append_until_killed(fixture, ends[1]);
    }
    close(ends[1]);
    int64_t shown = 0;
    assert_int_equal(read(ends[0], &shown, sizeof shown), sizeof shown);
    int64_t rounds = 1 + (int64_t)(after_reports % 2000);
    while (rounds-- > 0 && read(ends[0], &shown, sizeof shown) == sizeof shown) {
    }
    kill(child, SIGKILL);
    while (read(ends[0], &shown, sizeof shown) == sizeof shown) {
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
    return shown;
}

static void kills_under_load_lose_nothing_shown(void **state) {
    struct fixture *fixture = *state;
    char epoch[sizeof fixture->report.epoch] = "";
    srandom(5);
    for (int i = 0; i < 30; i++) {
        int64_t shown = kill_one_round(fixture, (unsigned)random());
        start(fixture);
        assert_true(fixture->model.seq_last >= shown);
        model_expect(&fixture->model, fixture->model.seq_last);
        assert_string_equal(fixture->report.epoch_reason, "killed");
        assert_int_equal(fixture->report.damaged, 0);
        assert_true(epoch[0] == 0 || strcmp(epoch, fixture->report.epoch) == 0);
        memcpy(epoch, fixture->report.epoch, sizeof epoch);
        stop(fixture);
        fixture->options.sync = i % 2 == 0 ? SYNC_OFF : SYNC_EVERY;
    }
}

/* ---- syncing ---- */

static void durable_follows_in_every_mode(void **state) {
    struct fixture *fixture = *state;
    for (enum sync_mode mode = SYNC_EVERY; mode <= SYNC_OFF; mode++) {
        fixture->options.sync = mode;
        fixture->options.sync_ms = 5;
        start(fixture);
        assert_true(is_durable(fixture));
        append_turns(fixture, 50);
        wait_until(fixture, is_durable);
        stop(fixture);
    }
}

static atomic_bool sync_fails;
static atomic_bool disk_is_full;

static int sync_or_fail(int file) {
    errno = EIO;
    return atomic_load(&sync_fails) ? -1 : disk_real.sync(file);
}

static int reserve_or_fail(int file, off_t bytes) {
    errno = ENOSPC;
    return atomic_load(&disk_is_full) ? -1 : disk_real.reserve(file, bytes);
}

static const struct disk bad_disk = {.sync = sync_or_fail, .reserve = reserve_or_fail, .write_at = pwritev};

static bool has_failed(struct fixture *fixture) {
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    return metrics.io_errors > 0;
}

static bool is_lost(struct fixture *fixture) {
    return store_failed(fixture->store);
}

static void a_failed_sync_wakes_the_loop(void **state) {
    struct fixture *fixture = *state;
    fixture->options.disk = &bad_disk;
    atomic_store(&sync_fails, false);
    start(fixture);
    assert_int_equal(append(fixture, 1), RESULT_OK);
    wait_until(fixture, is_durable);
    struct pollfd poll_fd = {.fd = store_event_fd(fixture->store), .events = POLLIN};
    uint64_t events;
    while (poll(&poll_fd, 1, 0) == 1) {
        assert_int_equal(read(poll_fd.fd, &events, sizeof events), sizeof events);
    }
    assert_false(store_failed(fixture->store));
    atomic_store(&sync_fails, true);
    assert_int_equal(append(fixture, 1), RESULT_OK);
    /* Nothing but the event tells. */
    assert_int_equal(poll(&poll_fd, 1, 10 * WAITS_MAX), 1);
    wait_until(fixture, is_lost);
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    assert_true(metrics.failed);
    assert_false(metrics.fold_broken);
    stop(fixture);
}

static void a_failed_sync_is_never_durable(void **state) {
    struct fixture *fixture = *state;
    fixture->options.disk = &bad_disk;
    atomic_store(&sync_fails, false);
    start(fixture);
    append_turns(fixture, 3);
    wait_until(fixture, is_durable);
    int64_t durable = fixture->seq;
    atomic_store(&sync_fails, true);
    assert_int_equal(append(fixture, 1), RESULT_OK);
    wait_until(fixture, has_failed);
    atomic_store(&sync_fails, false);
    assert_int_equal(append(fixture, 1), RESULT_IO);
    assert_int_equal(store_room(fixture->store), 0);
    assert_int_equal(store_durable_seq(fixture->store), durable);
    stop(fixture);
    start(fixture);
    assert_string_equal(fixture->report.epoch_reason, "killed"); /* no clean mark */
}

/* ---- full, and again not ---- */

static void append_until_full(struct fixture *fixture) {
    for (int i = 0; i < 100000; i++) {
        size_t room = store_room(fixture->store);
        enum result result = append(fixture, 1);
        if (result == RESULT_NO_SPACE) {
            return;
        }
        assert_int_equal(result, RESULT_OK);
        assert_true(room >= 100); /* nothing is taken without room */
    }
    fail_msg("never full");
}

static bool has_folded(struct fixture *fixture) {
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    return metrics.folds > 0;
}

static void a_full_disk_refuses_and_recovers_by_itself(void **state) {
    struct fixture *fixture = *state;
    fixture->options.disk = &bad_disk;
    start(fixture);
    atomic_store(&disk_is_full, true);
    append_until_full(fixture);
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    assert_int_equal(metrics.full, true);
    assert_int_equal(metrics.full_events, 1);
    assert_int_equal(store_room(fixture->store), 0);
    wait_until(fixture, has_folded); /* the segment that was filled makes way */
    assert_int_equal(store_room(fixture->store), 0);
    atomic_store(&disk_is_full, false);
    wait_until(fixture, has_room);
    assert_int_equal(append(fixture, 20), RESULT_OK);
    int64_t seq = fixture->seq;
    stop(fixture);
    start(fixture);
    model_expect(&fixture->model, seq);
}

static pthread_t loop_thread;
static atomic_int reserved_by_loop;

static int reserve_elsewhere(int file, off_t bytes) {
    atomic_fetch_add(&reserved_by_loop, pthread_equal(pthread_self(), loop_thread) != 0);
    while (atomic_load(&reserve_hangs)) {
        usleep(1000);
    }
    return disk_real.reserve(file, bytes);
}

static int sync_slowly(int file) {
    usleep(20000);
    return disk_real.sync(file);
}

static const struct disk slow_disk = {.sync = sync_slowly, .reserve = reserve_elsewhere, .write_at = pwritev};

/* Segments fill while the storage thread syncs; it is waited for. */
static void a_burst_is_taken_and_the_loop_thread_makes_no_spare(void **state) {
    struct fixture *fixture = *state;
    fixture->options.disk = &slow_disk;
    fixture->options.journal_bytes_max = 64 * SEGMENT_BYTES;
    loop_thread = pthread_self();
    start(fixture);
    atomic_store(&reserved_by_loop, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(append(fixture, 20), RESULT_OK);
    }
    assert_int_equal(atomic_load(&reserved_by_loop), 0);
}

static void a_disk_that_hangs_is_a_full_one_until_it_goes_on(void **state) {
    struct fixture *fixture = *state;
    fixture->options.disk = &slow_disk;
    start(fixture);
    atomic_store(&reserve_hangs, true);
    append_until_full(fixture);
    atomic_store(&reserve_hangs, false);
    wait_until(fixture, has_room);
    assert_int_equal(append(fixture, 20), RESULT_OK);
}

static bool has_folded_all(struct fixture *fixture) {
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    return metrics.folds > 0 && metrics.journal_bytes <= 2 * SEGMENT_BYTES;
}

/* With room for two segments only, the store goes on by folding what it filled. */
static void the_smallest_journal_goes_on_for_ever(void **state) {
    struct fixture *fixture = *state;
    fixture->options.journal_bytes_max = 2 * SEGMENT_BYTES;
    start(fixture);
    for (int i = 0; i < 300; i++) {
        wait_until(fixture, has_room);
        enum result result = append(fixture, 20);
        assert_true(result == RESULT_OK || result == RESULT_NO_SPACE);
    }
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    assert_true(metrics.folds > 0);
    assert_true(metrics.journal_bytes <= 2 * SEGMENT_BYTES);
    int64_t seq = fixture->seq;
    stop(fixture);
    start(fixture);
    model_expect(&fixture->model, seq);
}

static void a_turn_larger_than_a_segment_is_refused(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    uint8_t *bytes = calloc(1, SEGMENT_BYTES);
    assert_int_equal(store_append(fixture->store, span_of(bytes, SEGMENT_BYTES), 1, 1), RESULT_INVALID);
    assert_true(store_room(fixture->store) < SEGMENT_BYTES);
    free(bytes);
    assert_int_equal(append(fixture, 1), RESULT_OK);
}

static void fill_up(struct fixture *fixture) {
    char name[300];
    snprintf(name, sizeof name, "%s/ballast", fixture->path);
    int file = open(name, O_CREAT | O_WRONLY, 0600);
    char page[4096] = {1};
    while (write(file, page, sizeof page) > 0) {
    }
    close(file);
}

static bool mount_small(struct fixture *fixture) {
    if (mount("tmpfs", fixture->path, "tmpfs", 0, "size=1m") == 0) {
        return true;
    }
    print_message("skipped: mounting a tmpfs is not allowed here (%s)\n", strerror(errno));
    return false;
}

/* A real one. Needs the right to mount. */
static void a_small_file_system_fills_and_recovers(void **state) {
    struct fixture *fixture = *state;
    if (!mount_small(fixture)) {
        skip();
    }
    start(fixture);
    fill_up(fixture);
    append_until_full(fixture);
    int64_t seq = fixture->seq;
    char ballast[300];
    snprintf(ballast, sizeof ballast, "%s/ballast", fixture->path);
    assert_int_equal(unlink(ballast), 0);
    wait_until(fixture, has_room);
    assert_int_equal(append(fixture, 1), RESULT_OK);
    stop(fixture);
    start(fixture);
    model_expect(&fixture->model, seq + 1);
    stop(fixture);
}

static void take_space(struct fixture *fixture, size_t but_bytes) {
    char name[300];
    struct statvfs status;
    static const char page[4096] = {1};
    snprintf(name, sizeof name, "%s/ballast", fixture->path);
    int file = open(name, O_CREAT | O_WRONLY | O_APPEND, 0600);
    do {
        assert_int_equal(statvfs(fixture->path, &status), 0);
    } while (status.f_bavail * status.f_frsize > but_bytes && write(file, page, sizeof page) == sizeof page);
    close(file);
}

static bool is_full_or_folded(struct fixture *fixture) {
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    return metrics.full || metrics.folds > 0;
}

/* A write that the disk takes in part: what LMDB makes of it is no reason to give up. */
static void a_fold_that_finds_too_little_space_goes_on_later(void **state) {
    struct fixture *fixture = *state;
    if (!mount_small(fixture)) {
        skip();
    }
    for (size_t left = 4096; left <= 32768; left *= 2) {
        start(fixture);
        int lock = hold_folding_back(fixture);
        append_until_one_is_closed(fixture);
        take_space(fixture, left);
        close(lock);
        append_until_full(fixture);
        wait_until(fixture, is_full_or_folded);
        struct store_metrics metrics;
        store_metrics(fixture->store, &metrics);
        assert_false(metrics.fold_broken);
        char ballast[300];
        snprintf(ballast, sizeof ballast, "%s/ballast", fixture->path);
        assert_int_equal(unlink(ballast), 0);
        wait_until(fixture, has_folded);
        wait_until(fixture, has_room);
        assert_int_equal(append(fixture, 20), RESULT_OK);
        int64_t seq = fixture->seq;
        stop(fixture);
        start(fixture);
        model_expect(&fixture->model, seq);
        stop(fixture);
    }
}

static void the_spare_is_given_up_for_the_checkpoint(void **state) {
    struct fixture *fixture = *state;
    if (!mount_small(fixture)) {
        skip();
    }
    start(fixture);
    int lock = hold_folding_back(fixture);
    append_until_one_is_closed(fixture);
    fill_up(fixture);
    close(lock);
    wait_until(fixture, has_folded);
    int64_t seq = fixture->seq;
    stop(fixture);
    start(fixture);
    model_expect(&fixture->model, seq);
    stop(fixture);
}

static bool is_broken(struct fixture *fixture) {
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    return metrics.fold_broken;
}

static bool is_mended(struct fixture *fixture) {
    return has_folded(fixture) && !is_broken(fixture);
}

/* Writes of the checkpoint are cut short although the disk has space: in the end people are told, and it is tried on. */
static void a_checkpoint_that_keeps_failing_is_reported_and_tried_again(void **state) {
    struct fixture *fixture = *state;
    signal(SIGXFSZ, SIG_IGN);
    char name[300];
    struct stat status;
    snprintf(name, sizeof name, "%s/checkpoint/data.mdb", fixture->path);
    fixture->options.segment_bytes = 16 << 10;
    fixture->options.journal_bytes_max = 1 << 20;
    start(fixture);
    assert_int_equal(stat(name, &status), 0);
    assert_true((size_t)status.st_size > fixture->options.segment_bytes);
    limit_files((rlim_t)status.st_size + 100);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(append(fixture, 10), RESULT_OK);
    }
    wait_until(fixture, has_failed);
    assert_false(is_broken(fixture)); /* once is no reason */
    wait_until(fixture, is_broken);
    struct store_metrics metrics;
    store_metrics(fixture->store, &metrics);
    assert_true(metrics.io_errors > 1);
    assert_int_equal(metrics.folds, 0);
    assert_int_equal(metrics.damaged, 0);
    limit_files(RLIM_INFINITY);
    wait_until(fixture, is_mended);
    assert_int_equal(append(fixture, 10), RESULT_OK);
    int64_t seq = fixture->seq;
    stop(fixture);
    start(fixture);
    model_expect(&fixture->model, seq);
}

/* ---- removals, checkpoint ---- */

static void removals_are_forgotten_up_to_the_floor(void **state) {
    struct fixture *fixture = *state;
    fixture->options.removals_max = 2;
    start(fixture);
    append_turns(fixture, 300);
    wait_until(fixture, has_folded_all);
    int64_t seq = fixture->seq;
    stop(fixture);
    start(fixture);
    assert_int_equal(fixture->model.seq_last, seq);
    assert_true(fixture->report.seq_floor > 0);
    assert_int_equal(fixture->report.seq_checkpoint, seq);
    size_t held = 0;
    for (size_t i = 0; i < MODEL_TOPICS; i++) {
        held += fixture->model.seqs[i] > 0;
    }
    assert_int_equal(fixture->report.topics, held);
    assert_true(fixture->report.topics_bytes > 0);
}

/* ---- backup ---- */

static int back_up(const char *from) {
    char to[300];
    char detail[700];
    snprintf(to, sizeof to, "%s.copy", from);
    if (store_backup(from, to, detail, sizeof detail) != RESULT_OK) {
        fprintf(stderr, "%s\n", detail);
        return 1;
    }
    return 0;
}

/* In a program of its own: the child of a process with threads may call nothing that takes a lock (fork(2)), and malloc does. */
static pid_t start_backing_up(struct fixture *fixture) {
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "test_store", "--back-up", fixture->path, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static void open_copy(struct fixture *fixture, struct fixture *copy) {
    *copy = *fixture;
    copy->path = malloc(300);
    snprintf(copy->path, 300, "%s.copy", fixture->path);
    copy->options.path = copy->path;
    start(copy);
}

static void close_copy(struct fixture *copy) {
    stop(copy);
    directory_destroy(copy->path);
}

static void a_backup_under_load_is_a_prefix(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        if (fixture->store == NULL) {
            start(fixture);
        }
        append_turns(fixture, 100);
        int64_t before = fixture->seq;
        pid_t child = start_backing_up(fixture);
        int status;
        while (waitpid(child, &status, WNOHANG) == 0) {
            append_turns(fixture, 20);
        }
        assert_int_equal(status, 0);
        int64_t after = fixture->seq;
        struct fixture copy;
        open_copy(fixture, &copy);
        assert_true(copy.model.seq_last >= before && copy.model.seq_last <= after);
        model_expect(&copy.model, copy.model.seq_last);
        assert_string_equal(copy.report.epoch_reason, "restored copy");
        assert_string_not_equal(copy.report.epoch, fixture->report.epoch);
        assert_int_equal(copy.report.damaged, 0);
        close_copy(&copy);
    }
}

static void a_backup_of_a_resting_store_is_whole(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    append_turns(fixture, 100);
    int64_t seq = fixture->seq;
    stop(fixture);
    assert_int_equal(back_up(fixture->path), 0);
    struct fixture copy;
    open_copy(fixture, &copy);
    model_expect(&copy.model, seq);
    close_copy(&copy);
}

static void a_backup_overwrites_nothing(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    stop(fixture);
    char detail[700];
    assert_int_equal(store_backup(fixture->path, fixture->path, detail, sizeof detail), RESULT_INVALID);
    assert_non_null(strstr(detail, "exists already"));
    assert_int_equal(store_backup("/nonexistent", "/nonexistent2", detail, sizeof detail), RESULT_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "--back-up") == 0) {
        return back_up(words[2]);
    }
    const struct CMUnitTest tests[] = {
        TEST(a_clean_stop_keeps_everything_and_the_epoch),
        TEST(a_clean_stop_keeps_the_epoch_across_a_boot),
        TEST(a_killed_process_loses_nothing_and_keeps_the_epoch),
        TEST(keys_outlive_a_kill_a_fold_and_a_clean_stop),
        TEST(a_power_loss_takes_a_new_epoch),
        TEST(without_a_boot_id_a_kill_may_have_been_a_power_loss),
        TEST(a_folded_segment_that_comes_back_brings_no_topic_back),
        TEST(what_is_appended_after_damage_is_loaded_again),
        TEST(a_restored_copy_takes_a_new_epoch),
        TEST(damage_is_reported_and_takes_a_new_epoch),
        TEST(the_new_epoch_is_on_disk_before_the_damage_is_cut),
        TEST(damage_in_the_checkpoint_is_reported_once),
        TEST(a_segment_that_rots_is_kept_for_the_next_start_to_see),
        TEST(a_gap_between_segments_is_damage_and_the_rest_is_served),
        TEST(after_a_power_loss_the_state_is_a_prefix),
        TEST(a_second_process_is_refused),
        TEST(options_out_of_bounds_are_refused),
        TEST(kills_under_load_lose_nothing_shown),
        TEST(durable_follows_in_every_mode),
        TEST(a_failed_sync_wakes_the_loop),
        TEST(a_failed_sync_is_never_durable),
        TEST(a_full_disk_refuses_and_recovers_by_itself),
        TEST(a_burst_is_taken_and_the_loop_thread_makes_no_spare),
        TEST(a_disk_that_hangs_is_a_full_one_until_it_goes_on),
        TEST(the_smallest_journal_goes_on_for_ever),
        TEST(a_turn_larger_than_a_segment_is_refused),
        TEST(a_small_file_system_fills_and_recovers),
        TEST(a_fold_that_finds_too_little_space_goes_on_later),
        TEST(the_spare_is_given_up_for_the_checkpoint),
        TEST(a_checkpoint_that_keeps_failing_is_reported_and_tried_again),
        TEST(removals_are_forgotten_up_to_the_floor),
        TEST(a_backup_under_load_is_a_prefix),
        TEST(a_backup_of_a_resting_store_is_whole),
        TEST(a_backup_overwrites_nothing),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
