/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The newest of many records, kept in little memory, from bytes that are gone afterwards. */
#include "broker/store/newest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPICS 10
#define VERSIONS 5000

static size_t length_of(int64_t seq) {
    return (size_t)(seq * 7919 % 900);
}

static void put_version(struct buffer *records, int64_t seq, const char *key) {
    static uint8_t data[1024];
    char topic[32];
    (void)snprintf(topic, sizeof topic, "stock/1/%d", (int)(seq % TOPICS));
    memset(data, (int)(seq % 251), sizeof data);
    record_put(records, &(struct record){.topic = span_of_text(topic),
                                         .data = span_of(data, length_of(seq)),
                                         .key = key == NULL ? (struct span){0} : span_of_text(key),
                                         .seq = seq,
                                         .fresh_ms = -1,
                                         .expire_ms = -1,
                                         .accepted_at = 1000 + seq});
}

/* Adds one record, and wipes the bytes it came from. */
static void add_version(struct newest *newest, int64_t seq, const char *key) {
    struct buffer records;
    buffer_init(&records, 4096);
    put_version(&records, seq, key);
    assert_false(records.failed);
    assert_int_equal(newest_add(newest, buffer_span(&records)), RESULT_OK);
    memset(records.data, 0xee, records.bytes);
    buffer_fini(&records);
}

static struct record read_entry(const struct newest_entry *entry) {
    struct span rest = entry->bytes;
    struct record record;
    assert_true(record_read(&rest, &record));
    assert_int_equal(rest.bytes, 0);
    return record;
}

static void of_many_versions_the_newest_is_kept_whatever_its_length(void **state) {
    (void)state;
    struct newest newest = {0};
    for (int64_t seq = 1; seq <= VERSIONS; seq++) {
        add_version(&newest, seq % 3 == 0 ? VERSIONS + 1 - seq : seq, NULL); /* not in order */
    }
    newest_sort(&newest);
    assert_int_equal(newest.count, TOPICS);
    for (size_t i = 0; i < newest.count; i++) {
        const struct newest_entry *entry = &newest.entries[i];
        const struct record record = read_entry(entry);
        assert_true(span_equal(record.topic, entry->name));
        assert_int_equal(record.seq, entry->seq);
        assert_int_equal(record.topic.data[record.topic.bytes - 1] - '0', entry->seq % TOPICS);
        assert_true(entry->seq > VERSIONS - 3 * TOPICS);
        assert_int_equal(record.data.bytes, length_of(entry->seq));
        assert_true(record.data.bytes == 0 || record.data.data[record.data.bytes - 1] == entry->seq % 251);
    }
    newest_fini(&newest);
}

static void few_topics_that_change_often_take_little_memory(void **state) {
    (void)state;
    struct newest newest = {0};
    for (int64_t seq = 1; seq <= VERSIONS; seq++) {
        add_version(&newest, seq, NULL);
    }
    assert_true(newest.arena.taken < (size_t)TOPICS * 9 * 1100); /* a geometric series up to the longest of each */
    newest_fini(&newest);
}

static void a_key_is_kept_without_the_document_it_came_with(void **state) {
    (void)state;
    struct newest newest = {0};
    add_version(&newest, 5, "till");
    add_version(&newest, 15, "other"); /* the same topic */
    add_version(&newest, 3, "till");   /* older */
    newest_sort(&newest);
    assert_int_equal(newest.count, 4);
    assert_true(!newest.entries[0].is_key && !newest.entries[1].is_key);
    const struct newest_entry *key = &newest.entries[3];
    const struct record record = read_entry(key);
    assert_true(key->is_key && span_is(key->name, "till") && span_is(record.key, "till"));
    assert_int_equal(record.seq, 5);
    assert_int_equal(record.accepted_at, 1005);
    assert_int_equal(record.topic.bytes + record.data.bytes, 0);
    newest_fini(&newest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_many_versions_the_newest_is_kept_whatever_its_length),
        cmocka_unit_test(few_topics_that_change_often_take_little_memory),
        cmocka_unit_test(a_key_is_kept_without_the_document_it_came_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
