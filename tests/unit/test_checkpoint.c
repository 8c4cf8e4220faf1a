/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/bytes.h"
#include "broker/base/checksum.h"
#include "broker/store/checkpoint.h"

#include "tests/unit/store_model.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MAP_BYTES ((size_t)64 << 20)
#define KEY_KEEP_MS ((int64_t)24 * 3600 * 1000)

static int syncs;
static int syncs_to_fail;

/* Takes the place of the one that LMDB would find in the C library. */
int fdatasync(int file) {
    syncs++;
    if (syncs_to_fail > 0) {
        syncs_to_fail--;
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, file);
}

struct fixture {
    char *path;
    struct checkpoint checkpoint;
    struct buffer records;
    struct newest newest;
};

static void open_checkpoint(struct fixture *fixture, size_t bytes_max, size_t removals_max) {
    assert_int_equal(checkpoint_open(&fixture->checkpoint, fixture->path, bytes_max, removals_max, KEY_KEEP_MS), RESULT_OK);
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->path = directory_create();
    buffer_init(&fixture->records, (size_t)256 << 20);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    checkpoint_close(&fixture->checkpoint);
    newest_fini(&fixture->newest);
    buffer_fini(&fixture->records);
    directory_destroy(fixture->path);
    free(fixture);
    return 0;
}

/* Folds what was put into fixture->records. */
static enum result fold(struct fixture *fixture, int64_t seq) {
    assert_false(fixture->records.failed);
    newest_fini(&fixture->newest);
    assert_int_equal(newest_add(&fixture->newest, buffer_span(&fixture->records)), RESULT_OK);
    newest_sort(&fixture->newest);
    enum result result = checkpoint_fold(&fixture->checkpoint, fixture->newest.entries, fixture->newest.count, seq);
    buffer_clear(&fixture->records, SIZE_MAX);
    return result;
}

static void fold_model(struct fixture *fixture, int64_t seq_first, int64_t seq_last) {
    for (int64_t seq = seq_first; seq <= seq_last; seq++) {
        model_put(&fixture->records, seq);
    }
    assert_int_equal(fold(fixture, seq_last), RESULT_OK);
}

static void load_model(struct fixture *fixture, struct model *model) {
    *model = (struct model){0};
    struct record records[LOADED_AT_ONCE];
    size_t count;
    enum result result;
    while ((result = checkpoint_load(&fixture->checkpoint, records, LOADED_AT_ONCE, &count)) == RESULT_OK) {
        assert_in_range(count, 1, LOADED_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            model_take(model, &records[i]);
        }
    }
    assert_int_equal(result, RESULT_NOT_FOUND);
}

static void put_topic(struct fixture *fixture, const char *topic, int64_t seq, bool removed, size_t data_bytes) {
    char *data = calloc(1, data_bytes + 1);
    memset(data, 'x', data_bytes);
    snprintf(data, data_bytes + 1, "%s@%lld", topic, (long long)seq);
    record_put(&fixture->records, &(struct record){
                                      .topic = span_of_text(topic),
                                      .data = span_of(data, removed ? 0 : data_bytes),
                                      .seq = seq,
                                      .fresh_ms = -1,
                                      .expire_ms = -1,
                                      .removed = removed,
                                  });
    free(data);
}

/* The seq stored for a topic, 0 if none. */
static int64_t seq_of(struct fixture *fixture, const char *topic) {
    int64_t seq = 0;
    struct record record;
    while (checkpoint_load(&fixture->checkpoint, &record, 1, &(size_t){0}) == RESULT_OK) {
        seq = span_is(record.topic, topic) ? record.seq : seq;
    }
    return seq;
}

static void the_newest_of_each_topic_comes_back(void **state) {
    struct fixture *fixture = *state;
    fold_model(fixture, 1, 500);
    fold_model(fixture, 501, 777);
    checkpoint_close(&fixture->checkpoint);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    struct model model;
    load_model(fixture, &model);
    model_expect(&model, 777);
    assert_true(fixture->checkpoint.has_meta);
    assert_int_equal(fixture->checkpoint.meta.seq, 777);
}

static void folding_again_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    fold_model(fixture, 1, 500);
    fold_model(fixture, 100, 400);
    struct model model;
    load_model(fixture, &model);
    model_expect(&model, 500);
    assert_int_equal(fixture->checkpoint.meta.seq, 500);
}

static void the_meta_comes_back(void **state) {
    struct fixture *fixture = *state;
    assert_false(fixture->checkpoint.has_meta);
    struct checkpoint_meta meta = {.epoch = "abc123", .boot_id = "boot", .place = "place", .clean = true, .seq = 7, .floor = 3};
    fixture->checkpoint.meta = meta;
    assert_int_equal(checkpoint_write_meta(&fixture->checkpoint), RESULT_OK);
    checkpoint_close(&fixture->checkpoint);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    assert_true(fixture->checkpoint.has_meta);
    const struct checkpoint_meta *read = &fixture->checkpoint.meta;
    assert_string_equal(read->epoch, meta.epoch);
    assert_string_equal(read->boot_id, meta.boot_id);
    assert_string_equal(read->place, meta.place);
    assert_true(read->clean);
    assert_int_equal(read->seq, 7);
    assert_int_equal(read->floor, 3);
}

static void old_removals_are_forgotten_and_raise_the_floor(void **state) {
    struct fixture *fixture = *state;
    checkpoint_close(&fixture->checkpoint);
    open_checkpoint(fixture, MAP_BYTES, 3);
    char topic[32];
    for (int i = 1; i <= 10; i++) {
        snprintf(topic, sizeof topic, "room/%d", i);
        put_topic(fixture, topic, i, false, 10);
    }
    assert_int_equal(fold(fixture, 10), RESULT_OK);
    for (int i = 1; i <= 5; i++) {
        snprintf(topic, sizeof topic, "room/%d", i);
        put_topic(fixture, topic, 10 + i, true, 0);
    }
    assert_int_equal(fold(fixture, 15), RESULT_OK);
    assert_int_equal(fixture->checkpoint.meta.floor, 12);
    assert_int_equal(seq_of(fixture, "room/1"), 0);
    assert_int_equal(seq_of(fixture, "room/2"), 0);
    assert_int_equal(seq_of(fixture, "room/3"), 13);
    assert_int_equal(seq_of(fixture, "room/6"), 6);
}

static void a_topic_that_came_back_is_not_forgotten(void **state) {
    struct fixture *fixture = *state;
    checkpoint_close(&fixture->checkpoint);
    open_checkpoint(fixture, MAP_BYTES, 1);
    put_topic(fixture, "room/a", 1, true, 0);
    assert_int_equal(fold(fixture, 1), RESULT_OK);
    put_topic(fixture, "room/a", 2, false, 10);
    assert_int_equal(fold(fixture, 2), RESULT_OK);
    put_topic(fixture, "room/b", 3, true, 0);
    assert_int_equal(fold(fixture, 3), RESULT_OK);
    assert_int_equal(fixture->checkpoint.meta.floor, 0); /* room/a left the removals when it came back */
    put_topic(fixture, "room/c", 4, true, 0);
    assert_int_equal(fold(fixture, 4), RESULT_OK);
    assert_int_equal(fixture->checkpoint.meta.floor, 3);
    assert_int_equal(seq_of(fixture, "room/a"), 2);
}

/* ---- keys ---- */

static int64_t wall_ms(void) {
    return (int64_t)time(NULL) * 1000;
}

static void put_keyed(struct fixture *fixture, const char *topic, const char *key, int64_t seq, int64_t accepted_at) {
    record_put(&fixture->records, &(struct record){.topic = span_of_text(topic),
                                                   .data = span_of("\x80", 1),
                                                   .key = span_of_text(key),
                                                   .seq = seq,
                                                   .fresh_ms = -1,
                                                   .expire_ms = -1,
                                                   .accepted_at = accepted_at});
}

/* The seq of the key alone, 0 if it is not stored. */
static int64_t seq_of_key(struct fixture *fixture, const char *key) {
    int64_t seq = 0;
    struct record record;
    while (checkpoint_load(&fixture->checkpoint, &record, 1, &(size_t){0}) == RESULT_OK) {
        seq = record.topic.bytes == 0 && span_is(record.key, key) ? record.seq : seq;
    }
    return seq;
}

static void keys_outlive_newer_records_of_their_topics(void **state) {
    struct fixture *fixture = *state;
    put_keyed(fixture, "room/a", "k1", 1, wall_ms());
    put_keyed(fixture, "room/a", "k2", 2, wall_ms());
    put_topic(fixture, "room/a", 3, false, 10);
    assert_int_equal(fold(fixture, 3), RESULT_OK);
    put_topic(fixture, "room/a", 4, false, 10);
    assert_int_equal(fold(fixture, 4), RESULT_OK);
    checkpoint_close(&fixture->checkpoint);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    assert_int_equal(seq_of_key(fixture, "k1"), 1);
    assert_int_equal(seq_of_key(fixture, "k2"), 2);
    assert_int_equal(seq_of(fixture, "room/a"), 4);
}

static void a_key_and_a_topic_of_the_same_name_are_two(void **state) {
    struct fixture *fixture = *state;
    put_keyed(fixture, "room/a", "room/b", 1, wall_ms());
    put_keyed(fixture, "room/b", "room/a", 2, wall_ms());
    assert_int_equal(fold(fixture, 2), RESULT_OK);
    assert_int_equal(seq_of_key(fixture, "room/b"), 1);
    assert_int_equal(seq_of_key(fixture, "room/a"), 2);
    assert_int_equal(seq_of(fixture, "room/a"), 1);
}

static void of_a_key_the_higher_seq_stays(void **state) {
    struct fixture *fixture = *state;
    put_keyed(fixture, "room/a", "k", 7, wall_ms());
    assert_int_equal(fold(fixture, 7), RESULT_OK);
    put_keyed(fixture, "room/b", "k", 3, wall_ms());
    assert_int_equal(fold(fixture, 7), RESULT_OK);
    assert_int_equal(seq_of_key(fixture, "k"), 7);
    put_keyed(fixture, "room/c", "k", 9, wall_ms());
    put_keyed(fixture, "room/d", "k", 8, wall_ms());
    assert_int_equal(fold(fixture, 9), RESULT_OK);
    assert_int_equal(seq_of_key(fixture, "k"), 9);
}

static void old_keys_are_not_kept(void **state) {
    struct fixture *fixture = *state;
    put_keyed(fixture, "room/a", "old", 1, wall_ms() - 2 * KEY_KEEP_MS);
    put_keyed(fixture, "room/b", "young", 2, wall_ms());
    put_keyed(fixture, "room/c", "from a clock ahead", 3, INT64_MAX);
    assert_int_equal(fold(fixture, 3), RESULT_OK);
    assert_int_equal(seq_of_key(fixture, "old"), 0);
    assert_int_equal(seq_of_key(fixture, "young"), 2);
    assert_int_equal(seq_of_key(fixture, "from a clock ahead"), 3);
    fixture->checkpoint.key_keep_ms = 0; /* a day later */
    put_topic(fixture, "room/d", 4, false, 10);
    assert_int_equal(fold(fixture, 4), RESULT_OK);
    assert_int_equal(seq_of_key(fixture, "young"), 0);
    assert_int_equal(seq_of_key(fixture, "from a clock ahead"), 3);
    assert_int_equal(seq_of(fixture, "room/b"), 2);
}

static int count_keys(struct fixture *fixture) {
    int count = 0;
    struct record record;
    while (checkpoint_load(&fixture->checkpoint, &record, 1, &(size_t){0}) == RESULT_OK) {
        count += record.topic.bytes == 0;
    }
    return count;
}

/* More than one fold looks at lie in front of the old ones, and are never old. */
static void many_old_keys_go_in_steps(void **state) {
    struct fixture *fixture = *state;
    const int round_keys = CHECKPOINT_PUTS_MAX - 1;
    char key[32];
    int64_t seq = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < round_keys; i++) {
            snprintf(key, sizeof key, "%s%lld", round < 3 ? "a" : "b", (long long)++seq);
            put_keyed(fixture, "room/a", key, seq, round < 3 ? INT64_MAX : wall_ms());
        }
        assert_int_equal(fold(fixture, seq), RESULT_OK);
    }
    assert_int_equal(count_keys(fixture), 5 * round_keys);
    fixture->checkpoint.key_keep_ms = 0;
    for (int round = 0; round < 5; round++) { /* the first goes on where the last look ended */
        put_topic(fixture, "room/a", ++seq, false, 10);
        assert_int_equal(fold(fixture, seq), RESULT_OK);
    }
    assert_int_equal(count_keys(fixture), 3 * round_keys);
}

static void put_many(struct fixture *fixture, int count, int64_t seq, size_t data_bytes) {
    char topic[32];
    for (int i = 0; i < count; i++) {
        snprintf(topic, sizeof topic, "order/%d", i);
        put_topic(fixture, topic, seq + i, false, data_bytes);
    }
}

static void the_map_grows_with_what_is_stored(void **state) {
    struct fixture *fixture = *state;
    size_t before = fixture->checkpoint.map_bytes;
    put_many(fixture, 5000, 1, 6000);
    assert_int_equal(fold(fixture, 5000), RESULT_OK);
    assert_true(fixture->checkpoint.map_bytes > before);
    assert_true(checkpoint_bytes(&fixture->checkpoint) > before);
    assert_int_equal(seq_of(fixture, "order/4999"), 5000);
}

static void fold_the_same_again(struct fixture *fixture, int64_t folds) {
    int64_t seq = fixture->checkpoint.meta.seq;
    for (int64_t i = 1; i <= folds; i++) {
        put_many(fixture, 100, seq + i * 100, 6000);
        assert_int_equal(fold(fixture, seq + i * 100 + 99), RESULT_OK);
    }
}

/* As a backup that is killed while it copies. */
static void read_and_die(struct fixture *fixture) {
    pid_t child = fork();
    if (child == 0) {
        struct checkpoint checkpoint;
        struct record record;
        bool is_reading = checkpoint_open(&checkpoint, fixture->path, MAP_BYTES, 1000, KEY_KEEP_MS) == RESULT_OK &&
                          checkpoint_load(&checkpoint, &record, 1, &(size_t){0}) == RESULT_OK;
        _exit(is_reading ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_reader_that_died_holds_no_pages(void **state) {
    struct fixture *fixture = *state;
    fold_the_same_again(fixture, 10);
    size_t before = checkpoint_bytes(&fixture->checkpoint);
    read_and_die(fixture);
    fold_the_same_again(fixture, 10);
    assert_true(checkpoint_bytes(&fixture->checkpoint) < 2 * before);
}

static void at_its_limit_the_map_refuses_and_keeps_what_it_has(void **state) {
    struct fixture *fixture = *state;
    put_many(fixture, 5000, 1, 6000);
    assert_int_equal(fold(fixture, 5000), RESULT_OK);
    for (int i = 0; i < 5000; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "service/%d", i);
        put_topic(fixture, topic, 6000 + i, false, 12000);
    }
    assert_int_equal(fold(fixture, 11000), RESULT_AGAIN);
    assert_int_equal(fixture->checkpoint.meta.seq, 5000);
    assert_int_equal(fixture->checkpoint.map_bytes, MAP_BYTES);
    assert_int_equal(seq_of(fixture, "order/4999"), 5000);
    assert_int_equal(seq_of(fixture, "service/0"), 0);
}

/* ---- bytes that change on the disk ---- */

static size_t overwrite_all(struct fixture *fixture, const void *from, size_t from_bytes, void (*change)(uint8_t *at)) {
    checkpoint_close(&fixture->checkpoint);
    char name[300];
    snprintf(name, sizeof name, "%s/checkpoint/data.mdb", fixture->path);
    int file = open(name, O_RDWR);
    struct stat status;
    assert_int_equal(fstat(file, &status), 0);
    uint8_t *bytes = malloc((size_t)status.st_size);
    assert_int_equal(pread(file, bytes, (size_t)status.st_size, 0), status.st_size);
    size_t found = 0;
    uint8_t *at = bytes;
    size_t left = (size_t)status.st_size;
    for (uint8_t *hit; (hit = memmem(at, left, from, from_bytes)) != NULL; found++) {
        change(hit);
        at = hit + from_bytes;
        left = (size_t)status.st_size - (size_t)(at - bytes);
    }
    assert_int_equal(pwrite(file, bytes, (size_t)status.st_size, 0), status.st_size);
    close(file);
    free(bytes);
    return found;
}

static void flip(uint8_t *at) {
    at[2] ^= 0x10;
}

static void a_damaged_value_is_counted_and_never_served(void **state) {
    struct fixture *fixture = *state;
    put_topic(fixture, "room/a", 1, false, 20);
    put_topic(fixture, "room/b", 2, false, 20);
    assert_int_equal(fold(fixture, 2), RESULT_OK);
    assert_true(overwrite_all(fixture, "room/a@1", 8, flip) > 0);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    assert_int_equal(seq_of(fixture, "room/a"), 0);
    assert_int_equal(fixture->checkpoint.damaged, 1);
    assert_int_equal(seq_of(fixture, "room/b"), 2);
    assert_int_equal(checkpoint_drop_damaged(&fixture->checkpoint), RESULT_OK);
    checkpoint_close(&fixture->checkpoint);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    assert_int_equal(seq_of(fixture, "room/b"), 2);
    assert_int_equal(fixture->checkpoint.damaged, 0);
}

static void a_damaged_key_is_counted_and_never_served(void **state) {
    struct fixture *fixture = *state;
    put_keyed(fixture, "room/a", "thekeytodamage", 1, wall_ms());
    put_keyed(fixture, "room/a", "another", 2, wall_ms());
    put_topic(fixture, "room/a", 3, false, 10); /* the topic keeps no key */
    assert_int_equal(fold(fixture, 3), RESULT_OK);
    assert_true(overwrite_all(fixture, "thekeytodamage", 14, flip) > 0);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    assert_int_equal(count_keys(fixture), 1);
    assert_int_equal(fixture->checkpoint.damaged, 1);
    assert_int_equal(checkpoint_drop_damaged(&fixture->checkpoint), RESULT_OK);
    checkpoint_close(&fixture->checkpoint);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    assert_int_equal(seq_of_key(fixture, "another"), 2);
    assert_int_equal(fixture->checkpoint.damaged, 0);
}

static void a_damaged_meta_is_told(void **state) {
    struct fixture *fixture = *state;
    memcpy(fixture->checkpoint.meta.epoch, "epochtotest", 12);
    assert_int_equal(checkpoint_write_meta(&fixture->checkpoint), RESULT_OK);
    assert_true(overwrite_all(fixture, "epochtotest", 11, flip) > 0);
    open_checkpoint(fixture, MAP_BYTES, 1000);
    assert_true(fixture->checkpoint.is_meta_damaged);
    assert_int_equal(fixture->checkpoint.meta.epoch[0], 0);
}

static void make_newer(uint8_t *epoch) {
    uint8_t *meta = epoch - 24;
    size_t bytes = 24 + AHORA_EPOCH_BYTES_MAX + IDENTITY_BOOT_BYTES + IDENTITY_PLACE_BYTES;
    bytes_put_u32(meta, CHECKPOINT_VERSION + 1);
    bytes_put_u64(meta + bytes, checksum_of(meta, bytes, 0));
}

static void a_newer_format_is_refused(void **state) {
    struct fixture *fixture = *state;
    memcpy(fixture->checkpoint.meta.epoch, "epochtotest", 12);
    assert_int_equal(checkpoint_write_meta(&fixture->checkpoint), RESULT_OK);
    assert_true(overwrite_all(fixture, "epochtotest", 11, make_newer) > 0);
    assert_int_equal(checkpoint_open(&fixture->checkpoint, fixture->path, MAP_BYTES, 1000, KEY_KEEP_MS), RESULT_VERSION);
}

static void what_is_no_lmdb_file_is_refused(void **state) {
    struct fixture *fixture = *state;
    checkpoint_close(&fixture->checkpoint);
    char name[300];
    snprintf(name, sizeof name, "%s/checkpoint/data.mdb", fixture->path);
    int file = open(name, O_RDWR);
    char page[16384];
    memset(page, 'x', sizeof page);
    assert_int_equal(pwrite(file, page, sizeof page, 0), sizeof page);
    close(file);
    assert_int_equal(checkpoint_open(&fixture->checkpoint, fixture->path, MAP_BYTES, 1000, KEY_KEEP_MS), RESULT_DAMAGED);
}

/* ---- a failing disk ---- */

static int syncs_of_fold(struct fixture *fixture, int64_t seq) {
    model_put(&fixture->records, seq);
    syncs = 0;
    assert_int_equal(fold(fixture, 0), RESULT_OK);
    return syncs;
}

/* See checkpoint_fold: the meta page before it may be lost. */
static void the_first_transaction_behind_a_failed_sync_is_synced_as_a_whole(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(syncs_of_fold(fixture, 1), 1);
    model_put(&fixture->records, 2);
    syncs_to_fail = 1;
    assert_int_not_equal(fold(fixture, 0), RESULT_OK);
    assert_int_equal(syncs_to_fail, 0);
    assert_int_equal(syncs_of_fold(fixture, 2), 2);
    assert_int_equal(syncs_of_fold(fixture, 3), 1);
    struct model model;
    load_model(fixture, &model);
    model_expect(&model, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_newest_of_each_topic_comes_back),
        TEST(folding_again_changes_nothing),
        TEST(the_meta_comes_back),
        TEST(old_removals_are_forgotten_and_raise_the_floor),
        TEST(a_topic_that_came_back_is_not_forgotten),
        TEST(keys_outlive_newer_records_of_their_topics),
        TEST(a_key_and_a_topic_of_the_same_name_are_two),
        TEST(of_a_key_the_higher_seq_stays),
        TEST(old_keys_are_not_kept),
        TEST(many_old_keys_go_in_steps),
        TEST(the_map_grows_with_what_is_stored),
        TEST(a_reader_that_died_holds_no_pages),
        TEST(at_its_limit_the_map_refuses_and_keeps_what_it_has),
        TEST(a_damaged_value_is_counted_and_never_served),
        TEST(a_damaged_key_is_counted_and_never_served),
        TEST(a_damaged_meta_is_told),
        TEST(a_newer_format_is_refused),
        TEST(what_is_no_lmdb_file_is_refused),
        TEST(the_first_transaction_behind_a_failed_sync_is_synced_as_a_whole),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
