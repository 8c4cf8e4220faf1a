/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The ledger as its callers see it: lists of changes in, results out; both are written as JSON here. */
#include "broker/core/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/pack.h"
#include "tests/unit/loose_kinds.h"

#define NOW INT64_C(1795000000000)

struct rig {
    struct kinds *kinds;
    struct limits limits;
    struct metrics metrics;
    struct table_key key;
    struct ledger ledger;
    struct buffer text; /* of the last results */
};

static int set_up(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    limits_default(&rig->limits);
    rig->kinds = loose_kinds();
    table_key_init(&rig->key, 1);
    *state = rig;
    if (!ledger_init(&rig->ledger, &rig->limits, rig->kinds, &rig->key, &rig->metrics)) {
        return 1;
    }
    rig->ledger.wall_ms = NOW;
    rig->ledger.room = SIZE_MAX;
    buffer_init(&rig->text, SIZE_MAX);
    return 0;
}

static int tear_down(void **state) {
    struct rig *rig = *state;
    ledger_fini(&rig->ledger);
    kinds_destroy(rig->kinds);
    buffer_fini(&rig->text);
    free(rig);
    return 0;
}

/* Details are for people, so they are left out: {"error":{"code":C,"detail":D,...}} becomes {"error":{"code":C,...}}. */
static void cut_details(char *text) {
    for (char *at; (at = strstr(text, ",\"detail\":\"")) != NULL;) {
        char *end = strchr(at + 11, '"') + 1;
        memmove(at, end, strlen(end) + 1);
    }
}

static const char *apply_as(struct rig *rig, const char *principal, const char *changes, bool atomic) {
    struct buffer packed;
    struct buffer results;
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    assert_int_equal(json_to_pack(span_of_text(changes), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
    struct pack_reader reader = pack_reader_of(buffer_span(&packed));
    uint32_t count = pack_read_list(&reader);
    ledger_apply(&rig->ledger, principal, NULL, buffer_span(&packed), count, atomic, &results);
    buffer_cut(&rig->text, 0);
    json_put(&rig->text, buffer_span(&results));
    buffer_put_byte(&rig->text, '\0');
    cut_details((char *)rig->text.data);
    buffer_fini(&packed);
    buffer_fini(&results);
    return (const char *)rig->text.data;
}

static const char *apply(struct rig *rig, const char *changes) {
    return apply_as(rig, "p", changes, false);
}

static const char *apply_all(struct rig *rig, const char *changes) {
    return apply_as(rig, "p", changes, true);
}

/* What the ledger holds of a topic, "-" if nothing. */
static const char *document_of(struct rig *rig, const char *path) {
    const struct topic *topic = ledger_find(&rig->ledger, span_of_text(path));
    if (topic == NULL || topic_is_removed(topic)) {
        return "-";
    }
    buffer_cut(&rig->text, 0);
    json_put(&rig->text, document_span(topic->document));
    buffer_put_byte(&rig->text, '\0');
    return (const char *)rig->text.data;
}

#define SET(topic, data) "{\"op\":\"set\",\"topic\":\"" topic "\",\"data\":" data "}"
#define DELETE(topic) "{\"op\":\"delete\",\"topic\":\"" topic "\"}"
#define ERROR(code) "{\"error\":{\"code\":\"" code "\"}}"

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

/* ---- removals, records, loading ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
