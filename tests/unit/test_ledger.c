/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The ledger as its callers see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "tests/unit/ledger_rig.h"

/* ---- what changes do ---- */

static void each_accepted_change_takes_the_next_seq(void **state) {
    struct rig *rig = *state;
    assert_string_equal(apply(rig, "[" SET("stock/a", "{\"x\":1}") "," SET("stock/b", "{}") "]"), "[{\"seq\":1},{\"seq\":2}]");
    assert_string_equal(apply(rig, "[{\"op\":\"patch\",\"topic\":\"stock/a\",\"data\":{\"x\":null,\"y\":2}}]"),
                        "[{\"seq\":3}]");
    assert_string_equal(document_of(rig, "stock/a"), "{\"y\":2}");
    assert_string_equal(apply(rig, "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{\"y\":-5,\"z\":4}}]"), "[{\"seq\":4}]");
    assert_string_equal(document_of(rig, "stock/a"), "{\"y\":-3,\"z\":4}");
    assert_string_equal(apply(rig, "[{\"op\":\"touch\",\"topic\":\"stock/a\"}," DELETE("stock/b") "]"),
                        "[{\"seq\":5},{\"seq\":6}]");
    assert_string_equal(document_of(rig, "stock/a"), "{\"y\":-3,\"z\":4}");
    assert_string_equal(document_of(rig, "stock/b"), "-");
    assert_int_equal(rig->ledger.topic_count, 1);
    assert_int_equal(rig->ledger.removal_count, 1);
    assert_int_equal(rig->ledger.change_count, 6);
}

static void lifetimes_stay_until_they_are_given_anew_or_the_topic_is_new(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{},\"fresh_ms\":5,\"expire_ms\":0}]");
    (void)apply(rig, "[" SET("stock/a", "{}") "]");
    const struct topic *topic = ledger_find(&rig->ledger, span_of_text("stock/a"));
    assert_int_equal(topic->fresh_ms, 5);
    assert_int_equal(topic->expire_ms, 0);
    (void)apply(rig, "[" DELETE("stock/a") "," SET("stock/a", "{}") "]");
    assert_int_equal(topic->fresh_ms, -1);
    assert_int_equal(topic->expire_ms, -1);
    assert_int_equal(topic->seq_created, 4);
    assert_int_equal(topic->seq_before, 0);
}

/* ---- each code, in the order of the steps ---- */

static void malformed_changes_are_refused_one_by_one(void **state) {
    struct rig *rig = *state;
    assert_string_equal(apply(rig, "[{},{\"op\":\"sing\",\"topic\":\"stock/a\"},{\"op\":\"set\",\"topic\":\"stock/a\"}," SET(
                                       "stock", "{}") "," SET("boats/a", "{}") "," SET("stock/a", "{}") "]"),
                        "[" ERROR("bad_message") "," ERROR("bad_message") "," ERROR("bad_message") "," ERROR(
                            "bad_topic") "," ERROR("unknown_kind") ",{\"seq\":1}]");
}

static void an_instant_too_far_ahead_is_invalid(void **state) {
    struct rig *rig = *state;
    assert_string_equal(apply(rig, "[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{},\"at\":1795000300000}]"),
                        "[{\"seq\":1}]");
    assert_string_equal(apply(rig, "[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{},\"at\":1795000300001}]"),
                        "[" ERROR("invalid") "]");
}

static void if_seq_is_compared_before_anything_is_made(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[" SET("stock/a", "{}") "]");
    assert_string_equal(apply(rig, "[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{},\"if_seq\":0}]"),
                        "[{\"error\":{\"code\":\"conflict\",\"seq\":1}}]");
    assert_string_equal(apply(rig, "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{\"a\":\"?\"},\"if_seq\":7}]"),
                        "[{\"error\":{\"code\":\"conflict\",\"seq\":1}}]");
    assert_string_equal(apply(rig, "[{\"op\":\"touch\",\"topic\":\"stock/b\",\"if_seq\":7}]"),
                        "[{\"error\":{\"code\":\"conflict\",\"seq\":0}}]");
    assert_string_equal(apply(rig, "[{\"op\":\"set\",\"topic\":\"stock/b\",\"data\":{},\"if_seq\":0}]"), "[{\"seq\":2}]");
    assert_string_equal(apply(rig, "[" DELETE("stock/b") ",{\"op\":\"set\",\"topic\":\"stock/b\",\"data\":{},\"if_seq\":0}]"),
                        "[{\"seq\":3},{\"seq\":4}]");
}

static void only_set_makes_a_topic(void **state) {
    struct rig *rig = *state;
    static const char *const changes[] = {
        "[{\"op\":\"patch\",\"topic\":\"stock/a\",\"data\":{}}]",
        "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{}}]",
        "[{\"op\":\"touch\",\"topic\":\"stock/a\"}]",
        "[" DELETE("stock/a") "]",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_string_equal(apply(rig, changes[i]), "[" ERROR("not_found") "]");
    }
    assert_int_equal(rig->ledger.seq, 0);
}

static void late_news_are_superseded(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{},\"at\":100,\"if_newer\":true}]");
    assert_string_equal(apply(rig, "[{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{},\"at\":100,\"if_newer\":true}]"),
                        "[" ERROR("superseded") "]");
    assert_string_equal(apply(rig, "[{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{},\"at\":101,\"if_newer\":true}]"),
                        "[{\"seq\":2}]");
    assert_string_equal(apply(rig, "[{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{},\"at\":5}]"), "[{\"seq\":3}]");
}

/* {"f000":value,"f001":value,...}, an odd field first if wanted: so that places differ between document and adjust. */
static void put_numbers(char *text, size_t bytes, unsigned count, int value, bool odd) {
    size_t used = (size_t)snprintf(text, bytes, odd ? "{\"odd\":%d" : "{\"f000\":%d", value);
    for (unsigned i = !odd; i < count; i++) {
        used += (size_t)snprintf(text + used, bytes - used, ",\"f%03u\":%d", i, value);
        assert_true(used < bytes - 2);
    }
    memcpy(text + used, "}", 2);
}

static void adjust_finds_every_field_of_a_wide_document(void **state) {
    struct rig *rig = *state;
    char numbers[4096];
    char change[5000];
    put_numbers(numbers, sizeof numbers, 200, 40, false);
    (void)snprintf(change, sizeof change, "[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":%s}]", numbers);
    assert_string_equal(apply(rig, change), "[{\"seq\":1}]");
    put_numbers(numbers, sizeof numbers, 200, 2, true);
    (void)snprintf(change, sizeof change, "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":%s}]", numbers);
    assert_string_equal(apply(rig, change), "[{\"seq\":2}]");
    put_numbers(numbers, sizeof numbers, 200, 42, false);
    (void)snprintf(numbers + strlen(numbers) - 1, 11, ",\"odd\":2}");
    assert_string_equal(document_of(rig, "stock/a"), numbers);
}

static void adjust_keeps_the_floor_and_the_range(void **state) {
    struct rig *rig = *state;
    (void)apply(rig,
                "[" SET("stock/a", "{\"available\":1,\"b\":9223372036854775807,\"c\":\"x\",\"d\":-9223372036854775808}") "]");
    static const struct {
        const char *delta, *result;
    } cases[] = {
        {"{\"available\":-2}", "\"code\":\"out_of_range\",\"errors\":[{\"pointer\":\"/data/available\"}]"},
        {"{\"on_hand\":-1}", "\"code\":\"out_of_range\",\"errors\":[{\"pointer\":\"/data/on_hand\"}]"},
        {"{\"b\":1}", "\"code\":\"out_of_range\",\"errors\":[{\"pointer\":\"/data/b\"}]"},
        {"{\"d\":-1}", "\"code\":\"out_of_range\",\"errors\":[{\"pointer\":\"/data/d\"}]"},
        {"{\"c\":1}", "\"code\":\"invalid\",\"errors\":[{\"pointer\":\"/data/c\"}]"},
        {"{\"e/~\":1.5}", "\"code\":\"invalid\",\"errors\":[{\"pointer\":\"/data/e~1~0\"}]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char change[160];
        char wanted[160];
        (void)snprintf(change, sizeof change, "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":%s}]", cases[i].delta);
        (void)snprintf(wanted, sizeof wanted, "[{\"error\":{%s}}]", cases[i].result);
        assert_string_equal(apply(rig, change), wanted);
    }
    assert_string_equal(apply(rig, "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{\"available\":-1}}]"), "[{\"seq\":2}]");
}

static void documents_are_bounded_one_by_one_and_in_sum(void **state) {
    struct rig *rig = *state;
    rig->limits.document_bytes_max = 16;
    (void)ledger_fini(&rig->ledger);
    assert_true(ledger_init(&rig->ledger, &rig->limits, rig->kinds, &rig->key, &rig->metrics));
    rig->ledger.room = SIZE_MAX;
    assert_string_equal(apply(rig, "[" SET("stock/a", "{\"a\":\"0123456789abc\"}") "]"), "[" ERROR("too_large") "]");
    assert_string_equal(apply(rig, "[" SET("stock/a", "{\"a\":\"012345678\"}") "]"), "[{\"seq\":1}]");
    assert_string_equal(apply(rig, "[{\"op\":\"patch\",\"topic\":\"stock/a\",\"data\":{\"b\":\"01\"}}]"),
                        "[" ERROR("too_large") "]");
    rig->limits.documents_bytes_max = 20;
    assert_string_equal(apply(rig, "[" SET("stock/b", "{\"a\":\"012345678\"}") "]"), "[" ERROR("overloaded") "]");
    rig->limits.topics_max = 1;
    assert_string_equal(apply(rig, "[" SET("stock/b", "{}") "]"), "[" ERROR("too_many") "]");
    assert_string_equal(apply(rig, "[" DELETE("stock/a") "," SET("stock/b", "{}") "]"), "[{\"seq\":2},{\"seq\":3}]");
}

static void when_documents_fill_their_room_what_does_not_grow_is_taken(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[" SET("stock/a", "{\"a\":\"012345678\",\"n\":1}") "," SET("stock/b", "{}") "]");
    rig->limits.documents_bytes_max = rig->ledger.documents_bytes;
    assert_string_equal(apply(rig, "[{\"op\":\"touch\",\"topic\":\"stock/a\"}]"), "[{\"seq\":3}]");
    assert_string_equal(apply(rig, "[{\"op\":\"patch\",\"topic\":\"stock/a\",\"data\":{\"n\":2}}]"), "[{\"seq\":4}]");
    assert_string_equal(apply(rig, "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{\"n\":1000}}]"),
                        "[" ERROR("overloaded") "]");
    assert_string_equal(apply(rig, "[" SET("stock/b", "{\"a\":1}") "]"), "[" ERROR("overloaded") "]");
    rig->limits.documents_bytes_max = 4; /* it was more before the last start */
    assert_string_equal(apply(rig, "[" SET("stock/a", "{\"a\":\"0123\"}") "]"), "[{\"seq\":5}]");
    assert_string_equal(apply(rig, "[" SET("stock/a", "{\"a\":\"01234\"}") "]"), "[" ERROR("overloaded") "]");
    assert_string_equal(apply(rig, "[" DELETE("stock/a") "]"), "[{\"seq\":6}]");
}

static void without_room_in_the_store_nothing_is_applied(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[" SET("stock/a", "{}") "]");
    rig->ledger.room = rig->ledger.records.bytes;
    assert_string_equal(apply(rig, "[" SET("stock/b", "{}") "," DELETE("stock/a") "]"),
                        "[" ERROR("store_full") "," ERROR("store_full") "]");
    assert_string_equal(document_of(rig, "stock/a"), "{}");
    rig->ledger.room = SIZE_MAX;
    assert_string_equal(apply(rig, "[" SET("stock/b", "{}") "]"), "[{\"seq\":2}]");
}

/* ---- atomic lists ---- */

static void an_atomic_list_happens_whole(void **state) {
    struct rig *rig = *state;
    assert_string_equal(
        apply_all(rig, "[" SET("room/a", "{\"n\":1}") ",{\"op\":\"adjust\",\"topic\":\"room/a\",\"data\":{\"n\":1}}," DELETE(
                           "room/a") "," SET("room/a", "{\"n\":7}") "]"),
        "[{\"seq\":1},{\"seq\":2},{\"seq\":3},{\"seq\":4}]");
    assert_string_equal(document_of(rig, "room/a"), "{\"n\":7}");
    assert_int_equal(rig->ledger.removal_count, 0);
}

static void an_aborted_list_leaves_no_trace(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[{\"op\":\"set\",\"topic\":\"room/a\",\"data\":{\"n\":1},\"at\":50,\"fresh_ms\":9}," SET(
                         "room/b", "{}") "," DELETE("room/b") "]");
    const size_t records = rig->ledger.records.bytes;
    const size_t documents = rig->ledger.documents_bytes;
    const struct topic before = *ledger_find(&rig->ledger, span_of_text("room/a"));
    assert_string_equal(
        apply_all(
            rig, "[{\"op\":\"patch\",\"topic\":\"room/a\",\"data\":{\"n\":2},\"fresh_ms\":1,\"key\":\"k\"}," DELETE(
                     "room/a") "," SET("room/b", "{}") "," SET("room/c",
                                                               "{}") ",{\"op\":\"touch\",\"topic\":\"room/z\"}," SET("room/d",
                                                                                                                     "{}") "]"),
        "[" ERROR("aborted") "," ERROR("aborted") "," ERROR("aborted") "," ERROR("aborted") "," ERROR("not_found") "," ERROR(
            "aborted") "]");
    const struct topic *after = ledger_find(&rig->ledger, span_of_text("room/a"));
    assert_ptr_equal(after->document, before.document);
    assert_int_equal(after->document->refs, 2); /* the topic's, and its change of this turn */
    assert_int_equal(after->seq, before.seq);
    assert_int_equal(after->at, 50);
    assert_int_equal(after->fresh_ms, 9);
    assert_int_equal(after->seq_created, before.seq_created);
    assert_string_equal(document_of(rig, "room/b"), "-");
    assert_null(ledger_find(&rig->ledger, span_of_text("room/c")));
    assert_int_equal(rig->ledger.seq, 3);
    assert_int_equal(rig->ledger.change_count, 3);
    assert_int_equal(rig->ledger.records.bytes, records);
    assert_int_equal(rig->ledger.documents_bytes, documents);
    assert_int_equal(rig->ledger.removal_count, 1);
    assert_int_equal(rig->ledger.keys.table.count, 0);
    assert_int_equal(rig->metrics.changes[CHANGE_PATCH], 0);
}

/* ---- keys ---- */

static void a_key_brings_the_first_result_again(void **state) {
    struct rig *rig = *state;
    static const char sale[] = "[{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{\"available\":-1},\"key\":\"sale-1\"}]";
    (void)apply(rig, "[" SET("stock/a", "{\"available\":2}") "]");
    assert_string_equal(apply(rig, sale), "[{\"seq\":2}]");
    assert_string_equal(apply(rig, sale), "[{\"seq\":2}]");
    assert_string_equal(document_of(rig, "stock/a"), "{\"available\":1}");
    assert_string_equal(apply_as(rig, "q", sale, false), "[{\"seq\":3}]");
    assert_int_equal(rig->metrics.keys_repeated, 1);
    keys_expire(&rig->ledger.keys, rig->limits.key_ms, 10);
    assert_string_equal(apply(rig, sale),
                        "[{\"error\":{\"code\":\"out_of_range\",\"errors\":[{\"pointer\":\"/data/available\"}]}}]");
}

static void a_key_twice_in_one_list_applies_once(void **state) {
    struct rig *rig = *state;
    static const char twice[] =
        "[" SET("stock/a", "{\"n\":1}") ",{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{\"n\":1},\"key\":\"k\"},"
                                        "{\"op\":\"adjust\",\"topic\":\"stock/a\",\"data\":{\"n\":1},\"key\":\"k\"}]";
    assert_string_equal(apply_all(rig, twice), "[{\"seq\":1},{\"seq\":2},{\"seq\":2}]");
    assert_string_equal(document_of(rig, "stock/a"), "{\"n\":2}");
    assert_string_equal(apply(rig, twice), "[{\"seq\":3},{\"seq\":2},{\"seq\":2}]");
}

#define KEYED(key) "{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{},\"key\":\"" key "\"}"

static void a_refused_change_is_tried_anew(void **state) {
    struct rig *rig = *state;
    static const char touch[] = "[{\"op\":\"touch\",\"topic\":\"stock/a\",\"key\":\"k\"}]";
    assert_string_equal(apply(rig, touch), "[" ERROR("not_found") "]");
    rig->ledger.room = 0;
    assert_string_equal(apply(rig, "[" KEYED("k") "]"), "[" ERROR("store_full") "]");
    rig->ledger.room = SIZE_MAX;
    assert_int_equal(rig->ledger.keys.table.count, 0);
    assert_string_equal(apply(rig, "[" KEYED("k") "]"), "[{\"seq\":1}]");
    assert_string_equal(apply(rig, touch), "[{\"seq\":1}]");
}

static void the_oldest_key_makes_room_for_a_new_one(void **state) {
    struct rig *rig = *state;
    rig->limits.keys_max = 2;
    (void)apply(rig, "[" KEYED("a") "," KEYED("b") "]");
    assert_string_equal(apply(rig, "[" KEYED("a") "," KEYED("c") "]"), "[{\"seq\":1},{\"seq\":3}]");
    assert_int_equal(rig->ledger.keys.table.count, 2);
    assert_string_equal(apply(rig, "[" KEYED("b") "," KEYED("c") "]"), "[{\"seq\":2},{\"seq\":3}]");
    assert_string_equal(apply(rig, "[" KEYED("a") "]"), "[{\"seq\":4}]");
    rig->limits.keys_max = 0;
    assert_string_equal(apply(rig, "[" KEYED("d") "]"), "[{\"seq\":5}]");
    assert_int_equal(rig->ledger.keys.table.count, 0);
}

static void an_aborted_list_costs_nobody_a_key(void **state) {
    struct rig *rig = *state;
    rig->limits.keys_max = 2;
    (void)apply(rig, "[" KEYED("a") "," KEYED("b") "]");
    (void)apply_all(rig, "[" KEYED("c") "," KEYED("d") "," KEYED("e") ",{\"op\":\"touch\",\"topic\":\"stock/z\"}]");
    assert_int_equal(rig->ledger.keys.table.count, 2);
    assert_string_equal(apply(rig, "[" KEYED("a") "," KEYED("b") "]"), "[{\"seq\":1},{\"seq\":2}]");
}

static void a_key_whose_time_is_over_is_unknown_before_it_is_forgotten(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[" KEYED("a") "," KEYED("b") "]");
    rig->ledger.mono_ms = rig->limits.key_ms - 1;
    assert_string_equal(apply(rig, "[" KEYED("a") "]"), "[{\"seq\":1}]");
    rig->ledger.mono_ms = rig->limits.key_ms;
    (void)apply_all(rig, "[" KEYED("a") "," KEYED("c") ",{\"op\":\"touch\",\"topic\":\"stock/z\"}]");
    assert_int_equal(rig->ledger.keys.table.count, 1); /* b is there, but unknown */
    assert_string_equal(apply(rig, "[" KEYED("a") "," KEYED("b") "," KEYED("a") "]"), "[{\"seq\":3},{\"seq\":4},{\"seq\":3}]");
    assert_int_equal(rig->ledger.keys.table.count, 2);
}

/* ---- removals ---- */

static void removals_are_forgotten_oldest_first(void **state) {
    struct rig *rig = *state;
    rig->limits.removals_max = 1;
    (void)apply(rig, "[" SET("stock/a", "{}") "," SET("stock/b", "{}") "," DELETE("stock/b") "," DELETE("stock/a") "]");
    ledger_forget_records(&rig->ledger);
    ledger_end_turn(&rig->ledger);
    struct topic *oldest = ledger_surplus(&rig->ledger);
    assert_true(span_is(topic_path(oldest), "stock/b"));
    ledger_forget(&rig->ledger, oldest);
    assert_null(ledger_surplus(&rig->ledger));
    assert_int_equal(rig->ledger.seq_floor, 3);
    assert_null(ledger_find(&rig->ledger, span_of_text("stock/b")));
}

static void a_pinned_topic_outlives_its_forgetting(void **state) {
    struct rig *rig = *state;
    (void)apply(rig, "[" SET("stock/a", "{}") "," DELETE("stock/a") "]");
    ledger_forget_records(&rig->ledger);
    ledger_end_turn(&rig->ledger);
    struct topic *topic = ledger_find(&rig->ledger, span_of_text("stock/a"));
    ledger_pin(topic);
    ledger_forget(&rig->ledger, topic);
    assert_true(topic_is_removed(topic));
    ledger_unpin(topic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_accepted_change_takes_the_next_seq),
        TEST(lifetimes_stay_until_they_are_given_anew_or_the_topic_is_new),
        TEST(malformed_changes_are_refused_one_by_one),
        TEST(an_instant_too_far_ahead_is_invalid),
        TEST(if_seq_is_compared_before_anything_is_made),
        TEST(only_set_makes_a_topic),
        TEST(late_news_are_superseded),
        TEST(adjust_finds_every_field_of_a_wide_document),
        TEST(adjust_keeps_the_floor_and_the_range),
        TEST(documents_are_bounded_one_by_one_and_in_sum),
        TEST(when_documents_fill_their_room_what_does_not_grow_is_taken),
        TEST(without_room_in_the_store_nothing_is_applied),
        TEST(an_atomic_list_happens_whole),
        TEST(an_aborted_list_leaves_no_trace),
        TEST(a_key_brings_the_first_result_again),
        TEST(a_key_twice_in_one_list_applies_once),
        TEST(a_refused_change_is_tried_anew),
        TEST(the_oldest_key_makes_room_for_a_new_one),
        TEST(an_aborted_list_costs_nobody_a_key),
        TEST(a_key_whose_time_is_over_is_unknown_before_it_is_forgotten),
        TEST(removals_are_forgotten_oldest_first),
        TEST(a_pinned_topic_outlives_its_forgetting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
