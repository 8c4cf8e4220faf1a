/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a ledger takes in at a start: the records of a store, and the keys that they remember. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "tests/unit/ledger_rig.h"

static void records_load_into_an_equal_ledger_in_any_order(void **state) {
    struct rig *rig = *state;
    struct ledger again;
    struct record records[8];
    size_t count = 0;
    (void)apply(
        rig, "[" SET("stock/a", "{\"n\":1}") "," SET("stock/b", "{}") "," DELETE("stock/b") "," SET("stock/c", "{}") "," DELETE(
                 "stock/c") ",{\"op\":\"patch\",\"topic\":\"stock/a\",\"data\":{\"n\":2},\"at\":5,\"fresh_ms\":3}]");
    struct span rest = buffer_span(&rig->ledger.records);
    while (rest.bytes > 0) {
        assert_true(record_read(&rest, &records[count++]));
    }
    assert_int_equal(count, 6);
    assert_true(ledger_init(&again, &rig->limits, rig->kinds, &rig->key, &rig->metrics));
    while (count > 0) {
        assert_int_equal(ledger_load(&again, &records[--count]), RESULT_OK);
    }
    assert_int_equal(ledger_loaded(&again, 0), RESULT_OK);
    const struct topic *topic = ledger_find(&again, span_of_text("stock/a"));
    assert_int_equal(topic->seq, 6);
    assert_int_equal(topic->at, 5);
    assert_int_equal(topic->fresh_ms, 3);
    assert_int_equal(topic->seq_created, 1);
    assert_true(span_equal(document_span(topic->document), span_of("\x81\xa1n\x02", 4)));
    assert_int_equal(again.seq, 6);
    assert_int_equal(again.topic_count, 1);
    assert_int_equal(again.removal_count, 2);
    assert_true(span_is(topic_path(CONTAINER_OF(again.removals.next, struct topic, removal)), "stock/b"));
    ledger_fini(&again);
}

/* A stored change of p with the key "k", accepted `age_ms` ago. */
static struct record keyed(const char *topic, int64_t seq, int64_t age_ms) {
    return (struct record){.topic = span_of_text(topic),
                           .data = span_of("\x80", 1),
                           .key = span_of("p\0k", 3),
                           .seq = seq,
                           .seq_created = seq,
                           .fresh_ms = -1,
                           .expire_ms = -1,
                           .accepted_at = NOW - age_ms};
}

static void load(struct rig *rig, const struct record *record) {
    assert_int_equal(ledger_load(&rig->ledger, record), RESULT_OK);
}

/* Loads the first of so many changes of so many topics in turn, as a broker does: looked for together, room made now and then for the like. */
static void load_like(struct rig *rig, size_t topics, size_t changes, size_t first) {
    char names[LEDGER_FORESEEN_MAX][32];
    struct record records[LEDGER_FORESEEN_MAX];
    for (size_t i = 0; i < first;) {
        size_t count = 0;
        if (i % (8 * LEDGER_FORESEEN_MAX) == 0) {
            ledger_expect_like(&rig->ledger, (changes - i) * 10);
        }
        for (; count < LEDGER_FORESEEN_MAX && i < first; count++, i++) {
            (void)snprintf(names[count], sizeof names[count], "stock/%zu/%zu", i % topics % 7, i % topics);
            records[count] = keyed(names[count], (int64_t)i + 1, 0);
            records[count].key = (struct span){0};
        }
        ledger_foresee(&rig->ledger, records, count);
        for (size_t k = 0; k < count; k++) {
            load(rig, &records[k]);
        }
    }
}

static void room_is_made_for_the_like_of_what_came(void **state) {
    struct rig *rig = *state;
    load_like(rig, 20000, 20000, 7000);
    assert_in_range(rig->ledger.topics.bucket_count, 8000, 14000); /* before they come, and no more than as many again */
    load_like(rig, 20000, 20000, 20000);
    assert_int_equal(rig->ledger.topic_count, 20000);
    assert_in_range(rig->ledger.topics.bucket_count, 20000, 21000); /* neither less nor, by the half, more */
    assert_in_range(rig->ledger.tree.nodes.bucket_count, 20000, 21000);
    for (size_t i = 0; i < 20000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "stock/%zu/%zu", i % 7, i);
        assert_int_equal(ledger_find(&rig->ledger, span_of_text(name))->seq, i + 1);
    }
}

static void for_the_same_topics_again_no_room_is_made(void **state) {
    struct rig *rig = *state;
    load_like(rig, 700, 20000, 20000);
    assert_int_equal(rig->ledger.topic_count, 700);
    assert_in_range(rig->ledger.topics.bucket_count, 700, 1400);
}

static const char with_key[] = "[{\"op\":\"set\",\"topic\":\"stock/z\",\"data\":{},\"key\":\"k\"}]";

static void the_journal_tells_when_a_key_was_used(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, with_key);
    struct span rest = buffer_span(&rig->ledger.records);
    struct record record;
    assert_true(record_read(&rest, &record));
    assert_true(span_equal(record.key, span_of("p\0k", 3)));
    assert_int_equal(record.accepted_at, NOW);
}

static void a_loaded_key_brings_its_result_for_the_rest_of_its_time(void **state) {
    struct rig *rig = *state;
    struct record record = keyed("stock/a", 4, 1000);
    const struct record newer = {.topic = record.topic, .data = record.data, .seq = 6, .fresh_ms = -1, .expire_ms = -1};
    rig->ledger.mono_ms = 50;
    load(rig, &newer);
    load(rig, &record); /* older than what is held: its key counts all the same */
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    assert_string_equal(apply(rig, with_key), "[{\"seq\":4}]");
    assert_string_equal(apply_as(rig, "q", with_key, false), "[{\"seq\":7}]");
    keys_expire(&rig->ledger.keys, 50 + rig->limits.key_ms - 1001, 10);
    assert_string_equal(apply(rig, with_key), "[{\"seq\":4}]");
    keys_expire(&rig->ledger.keys, 50 + rig->limits.key_ms - 1000, 10);
    assert_string_equal(apply(rig, with_key), "[{\"seq\":8}]");
}

static void a_key_alone_is_loaded_without_a_topic(void **state) {
    struct rig *rig = *state;
    struct record record = keyed("stock/a", 9, 0);
    record = record_key_alone(&record);
    load(rig, &record);
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    assert_int_equal(rig->ledger.seq, 9);
    assert_int_equal(rig->ledger.topic_count, 0);
    assert_string_equal(apply(rig, with_key), "[{\"seq\":9}]");
}

static void of_a_key_loaded_twice_the_higher_seq_counts(void **state) {
    struct rig *rig = *state;
    const struct record records[] = {keyed("stock/a", 5, 2000), keyed("stock/b", 8, 1000), keyed("stock/c", 6, 0)};
    for (size_t i = 0; i < 3; i++) {
        load(rig, &records[i]);
    }
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    assert_int_equal(rig->ledger.keys.table.count, 1);
    assert_string_equal(apply(rig, with_key), "[{\"seq\":8}]");
    keys_expire(&rig->ledger.keys, rig->limits.key_ms - 1000, 10);
    assert_int_equal(rig->ledger.keys.table.count, 0);
}

static void a_key_whose_time_is_over_is_not_loaded(void **state) {
    struct rig *rig = *state;
    const struct record late = keyed("stock/a", 5, rig->limits.key_ms);
    const struct record ancient = {
        .key = span_of("p\0k", 3), .seq = 2, .fresh_ms = -1, .expire_ms = -1, .accepted_at = INT64_MIN};
    load(rig, &late);
    load(rig, &ancient);
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    assert_int_equal(rig->ledger.keys.table.count, 0);
}

static void a_key_from_a_clock_ahead_is_kept_its_whole_time_and_no_longer(void **state) {
    struct rig *rig = *state;
    const struct record ahead = keyed("stock/a", 5, -INT64_C(365) * 86400000);
    load(rig, &ahead);
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    keys_expire(&rig->ledger.keys, rig->limits.key_ms - 1, 10);
    assert_int_equal(rig->ledger.keys.table.count, 1);
    keys_expire(&rig->ledger.keys, rig->limits.key_ms, 10);
    assert_int_equal(rig->ledger.keys.table.count, 0);
}

static void loaded_keys_are_forgotten_oldest_first_and_before_new_ones(void **state) {
    struct rig *rig = *state;
    static const int64_t ages[] = {3000, 1000, 5000, 2000, 4000};
    char text[] = "p\0n";
    for (size_t i = 0; i < 5; i++) {
        text[2] = (char)('0' + ages[i] / 1000);
        struct record record = keyed("stock/a", (int64_t)i + 1, ages[i]);
        record.key = span_of(text, 3);
        load(rig, &record);
    }
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    (void)apply(rig, with_key);
    for (int64_t left = 5; left > 0; left--) {
        assert_int_equal(rig->ledger.keys.table.count, left + 1);
        keys_expire(&rig->ledger.keys, rig->limits.key_ms - left * 1000, 10);
        text[2] = (char)('0' + left);
        assert_null(keys_find(&rig->ledger.keys, span_of(text, 3), 0));
    }
    assert_non_null(keys_find(&rig->ledger.keys, span_of("p\0k", 3), 0));
}

/* However many keys the store holds, memory holds few more than the bound while they are loaded, in whatever order. */
static void of_too_many_loaded_keys_the_newest_are_kept(void **state) {
    struct rig *rig = *state;
    char text[] = "p\0......";
    const int64_t count = 70000;
    rig->limits.keys_max = 100;
    for (int64_t i = 0; i < count; i++) {
        int64_t age_ms = i * 7919 % count; /* each once */
        struct record record = keyed("stock/a", i + 1, age_ms);
        (void)snprintf(text + 2, 7, "%06" PRId64, age_ms);
        record.key = span_of(text, 8);
        load(rig, &record);
        assert_true(rig->ledger.keys.table.count <= 100 + 100 + 65536);
    }
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    assert_int_equal(rig->ledger.keys.table.count, 100);
    assert_non_null(keys_find(&rig->ledger.keys,
                              span_of("p\0"
                                      "000000",
                                      8),
                              0));
    assert_non_null(keys_find(&rig->ledger.keys,
                              span_of("p\0"
                                      "000099",
                                      8),
                              0));
}

static void what_is_not_legal_is_not_loaded(void **state) {
    struct rig *rig = *state;
    const struct record good = {.topic = span_of_text("stock/a"),
                                .data = span_of("\x80", 1),
                                .seq = 4,
                                .seq_created = 4,
                                .fresh_ms = -1,
                                .expire_ms = -1};
    struct record bad = good;
    bad.topic = span_of_text("boats/a");
    bad.seq = 7;
    assert_int_equal(ledger_load(&rig->ledger, &bad), RESULT_INVALID);
    assert_int_equal(rig->ledger.seq, 7); /* it was told to somebody: no other change may have it */
    bad = good;
    bad.data = span_of("\x01", 1);
    assert_int_equal(ledger_load(&rig->ledger, &bad), RESULT_INVALID);
    bad.data = span_of("\x80\x80", 2);
    assert_int_equal(ledger_load(&rig->ledger, &bad), RESULT_INVALID);
    assert_int_equal(ledger_load(&rig->ledger, &good), RESULT_OK);
    assert_int_equal(ledger_loaded(&rig->ledger, 9), RESULT_OK);
    assert_int_equal(rig->ledger.seq, 9); /* the floor was a seq too */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(records_load_into_an_equal_ledger_in_any_order),
        TEST(the_journal_tells_when_a_key_was_used),
        TEST(a_loaded_key_brings_its_result_for_the_rest_of_its_time),
        TEST(a_key_alone_is_loaded_without_a_topic),
        TEST(of_a_key_loaded_twice_the_higher_seq_counts),
        TEST(a_key_whose_time_is_over_is_not_loaded),
        TEST(a_key_from_a_clock_ahead_is_kept_its_whole_time_and_no_longer),
        TEST(loaded_keys_are_forgotten_oldest_first_and_before_new_ones),
        TEST(of_too_many_loaded_keys_the_newest_are_kept),
        TEST(what_is_not_legal_is_not_loaded),
        TEST(room_is_made_for_the_like_of_what_came),
        TEST(for_the_same_topics_again_no_room_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
