/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct record full_record(void) {
    return (struct record){
        .topic = span_of_text("stock/4711/vie"),
        .data = span_of_text("\x81\xa1q\x07"),
        .key = span_of("alice\0k1", 8),
        .seq = AHORA_SEQ_MAX,
        .seq_created = 7,
        .at = INT64_C(1795000000123),
        .fresh_ms = 0,
        .expire_ms = 86400000,
        .accepted_at = INT64_C(1795000000456),
        .source = span_of_text("couriers-1"),
        .grace_ms = 5000,
        .source_deletes = true,
        .stale = true,
    };
}

static void assert_same(const struct record *a, const struct record *b) {
    assert_true(span_equal(a->topic, b->topic));
    assert_true(span_equal(a->data, b->data));
    assert_true(span_equal(a->key, b->key));
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->seq_created, b->seq_created);
    assert_int_equal(a->at, b->at);
    assert_int_equal(a->fresh_ms, b->fresh_ms);
    assert_int_equal(a->expire_ms, b->expire_ms);
    assert_int_equal(a->accepted_at, b->accepted_at);
    assert_true(span_equal(a->source, b->source));
    assert_int_equal(a->grace_ms, b->grace_ms);
    assert_int_equal(a->source_deletes, b->source_deletes);
    assert_int_equal(a->removed, b->removed);
    assert_int_equal(a->stale, b->stale);
    assert_int_equal(a->why, b->why);
}

static void assert_round_trip(const struct record *record) {
    struct buffer buffer;
    buffer_init(&buffer, 4096);
    record_put(&buffer, record);
    assert_false(buffer.failed);
    assert_true(buffer.bytes <=
                record_bytes_max(record->topic.bytes, record->key.bytes, record->source.bytes, record->data.bytes));
    struct span rest = buffer_span(&buffer);
    struct record read;
    assert_true(record_read(&rest, &read));
    assert_int_equal(rest.bytes, 0);
    assert_same(record, &read);
    buffer_fini(&buffer);
}

static void all_fields_come_back(void **state) {
    (void)state;
    struct record record = full_record();
    assert_round_trip(&record);
}

static void absent_durations_and_negative_instants_come_back(void **state) {
    (void)state;
    struct record record = full_record();
    record.fresh_ms = -1;
    record.expire_ms = -1;
    record.key = (struct span){0};
    record.accepted_at = 0;
    record.at = -1;
    assert_round_trip(&record);
}

static void a_key_alone_comes_back(void **state) {
    (void)state;
    struct record record = full_record();
    struct record alone = record_key_alone(&record);
    assert_int_equal(alone.topic.bytes, 0);
    assert_int_equal(alone.accepted_at, record.accepted_at);
    assert_round_trip(&alone);
    alone.accepted_at = INT64_MIN; /* the longest number */
    assert_round_trip(&alone);
}

static void removals_come_back(void **state) {
    (void)state;
    struct record record = full_record();
    record.data = (struct span){0};
    record.removed = true;
    record.why = AHORA_WHY_EXPIRED;
    assert_round_trip(&record);
}

static void records_lie_end_to_end(void **state) {
    (void)state;
    struct record record = full_record();
    struct buffer buffer;
    buffer_init(&buffer, 4096);
    record_put(&buffer, &record);
    record.seq = 1;
    record_put(&buffer, &record);
    struct span rest = buffer_span(&buffer);
    struct record read;
    assert_true(record_read(&rest, &read));
    assert_int_equal(read.seq, AHORA_SEQ_MAX);
    assert_true(record_read(&rest, &read));
    assert_int_equal(read.seq, 1);
    assert_false(record_read(&rest, &read));
    buffer_fini(&buffer);
}

static void a_cut_record_is_refused_at_every_length(void **state) {
    (void)state;
    struct record record = full_record();
    struct buffer buffer;
    buffer_init(&buffer, 4096);
    record_put(&buffer, &record);
    for (size_t bytes = 0; bytes < buffer.bytes; bytes++) {
        struct span rest = span_of(buffer.data, bytes);
        struct record read;
        assert_false(record_read(&rest, &read));
        assert_int_equal(rest.bytes, bytes);
    }
    buffer_fini(&buffer);
}

/* A key alone: seq 5, accepted_at 7, key "k"; the bytes before and behind seq_created and at, which are 0. */
#define ALONE(flags, why, created, at, data_bytes) "\x02" flags why "\x00\x01\x00\x05" created at "\x07" data_bytes "k"

/* seq, seq_created, at, accepted_at and data_bytes of 1 byte each, topic "a", no key, no source, no data. */
#define SMALL                                                                                                                  \
    "\x02\x00\x00\x01\x00\x00\x05\x05\x01\x01\x00"                                                                             \
    "a"

/* The same of a source "s" with the given flags and grace. */
#define SOURCED(flags, grace)                                                                                                  \
    "\x02" flags "\x00\x01\x00\x01\x05\x05\x01\x01" grace "\x00"                                                               \
    "as"

static void malformed_records_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t count;
    } cases[] = {
        {"older version",
         "\x01\x00\x00\x01\x00\x05\x05\x01\x00"
         "a",
         10},
        {"newer version",
         "\x03\x00\x00\x01\x00\x00\x05\x05\x01\x01\x00"
         "a",
         12},
        {"unknown flag",
         "\x02\x20\x00\x01\x00\x00\x05\x05\x01\x01\x00"
         "a",
         12},
        {"unknown why",
         "\x02\x00\x09\x01\x00\x00\x05\x05\x01\x01\x00"
         "a",
         12},
        {"no topic", "\x02\x00\x00\x00\x00\x00\x05\x05\x01\x01\x00", 11},
        {"neither topic nor key", "\x02\x00\x00\x00\x00\x00\x05\x00\x00\x01\x00", 11},
        {"a key alone, removed", ALONE("\x01", "\x00", "\x00", "\x00", "\x00"), 12},
        {"a key alone, stale", ALONE("\x02", "\x00", "\x00", "\x00", "\x00"), 12},
        {"a key alone with a reason", ALONE("\x00", "\x01", "\x00", "\x00", "\x00"), 12},
        {"a key alone, created", ALONE("\x00", "\x00", "\x01", "\x00", "\x00"), 12},
        {"a key alone with at", ALONE("\x00", "\x00", "\x00", "\x01", "\x00"), 12},
        {"a key alone with data", ALONE("\x00", "\x00", "\x00", "\x00", "\x01") "d", 13},
        {"a key alone with a source",
         "\x02\x00\x00\x00\x01\x01\x05\x00\x00\x07\x01\x00"
         "ks",
         14},
        {"a source without its name",
         "\x02\x00\x00\x01\x00\x01\x05\x05\x01\x01\x01\x00"
         "a",
         13},
        {"a source's flag without a source",
         "\x02\x10\x00\x01\x00\x00\x05\x05\x01\x01\x00"
         "a",
         12},
        {"a grace below 0", SOURCED("\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 23},
        {"seq 0",
         "\x02\x00\x00\x01\x00\x00\x00\x05\x01\x01\x00"
         "a",
         12},
        {"removed with data",
         "\x02\x01\x01\x01\x00\x00\x05\x05\x01\x01\x01"
         "ab",
         13},
        {"number longer than needed",
         "\x02\x00\x00\x01\x00\x00\x85\x00\x05\x01\x01\x00"
         "a",
         13},
        {"number of 65 bits",
         "\x02\x00\x00\x01\x00\x00\x05\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01\x00"
         "a",
         21},
        {"number without end",
         "\x02\x00\x00\x01\x00\x00\x05\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00"
         "a",
         22},
        {"seq beyond 2^53",
         "\x02\x00\x00\x01\x00\x00\x80\x80\x80\x80\x80\x80\x80\x10\x05\x01\x01\x00"
         "a",
         19},
        {"data longer than what is there",
         "\x02\x00\x00\x01\x00\x00\x05\x05\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
         "a",
         21},
    };
    struct span good = span_of(SMALL, sizeof SMALL - 1);
    struct span alone = span_of(ALONE("\x00", "\x00", "\x00", "\x00", "\x00"), 12);
    struct span sourced = span_of(SOURCED("\x10", "\x09"), 14);
    struct record read;
    assert_true(record_read(&good, &read));
    assert_true(record_read(&alone, &read));
    assert_int_equal(read.accepted_at, 7);
    assert_true(record_read(&sourced, &read));
    assert_true(span_is(read.source, "s") && read.source_deletes && read.grace_ms == 9);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span rest = span_of(cases[i].bytes, cases[i].count);
        if (record_read(&rest, &read)) {
            fail_msg("accepted: %s", cases[i].what);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_come_back),          cmocka_unit_test(absent_durations_and_negative_instants_come_back),
        cmocka_unit_test(a_key_alone_comes_back),        cmocka_unit_test(removals_come_back),
        cmocka_unit_test(records_lie_end_to_end),        cmocka_unit_test(a_cut_record_is_refused_at_every_length),
        cmocka_unit_test(malformed_records_are_refused),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
