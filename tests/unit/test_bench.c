/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/dialect.h"
#include "bench/threshold.h"
#include "proto/message.h"

#define HEAD_BYTES 8 /* of a masked frame between 126 and 65535 bytes */

static const enum dialect_name names[] = {DIALECT_MSGPACK, DIALECT_JSON, DIALECT_RAW};

static struct span payload_of(const struct buffer *frame) {
    assert_true(frame->bytes > HEAD_BYTES);
    assert_int_equal(frame->data[1], 0x80 | 126);
    return span_of(frame->data + HEAD_BYTES, frame->bytes - HEAD_BYTES);
}

static void put_three(enum dialect_name name, size_t size, struct dialect *dialect, struct buffer *out) {
    const struct stamp stamps[] = {{.topic = 0, .count = 1, .sent_ns = 1},
                                   {.topic = 0x23, .count = 0x2323, .sent_ns = 0x23232323},
                                   {.topic = TOPICS_MAX - 1, .count = 0xffffffffff, .sent_ns = INT64_MAX >> 2}};
    assert_true(dialect_init(dialect, name, size, "applied"));
    buffer_init(out, 1 << 20);
    dialect_put_publish(dialect, out, 7, stamps, 3);
    assert_false(out->failed);
}

static void what_was_written_is_found_in_order(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct dialect dialect;
        struct buffer out;
        put_three(names[i], 128, &dialect, &out);
        struct span payload = payload_of(&out);
        const uint8_t *at = payload.data;
        const uint8_t *end = payload.data + payload.bytes;
        struct stamp stamp;
        size_t stride = 0;
        at = dialect_find_document(&dialect, at, end, &stamp, &stride);
        assert_non_null(at);
        assert_int_equal(stamp.topic, 0);
        assert_int_equal(stamp.count, 1);
        assert_int_equal(stamp.sent_ns, 1);
        at = dialect_find_document(&dialect, at, end, &stamp, &stride);
        assert_non_null(at);
        assert_int_equal(stamp.topic, 0x23);
        assert_int_equal(stamp.count, 0x2323);
        assert_int_equal(stamp.sent_ns, 0x23232323);
        at = dialect_find_document(&dialect, at, end, &stamp, &stride);
        assert_non_null(at);
        assert_int_equal(stamp.topic, TOPICS_MAX - 1);
        assert_true(stamp.count == 0xffffffffff);
        assert_true(stamp.sent_ns == INT64_MAX >> 2);
        assert_null(dialect_find_document(&dialect, at, end, &stamp, &stride));
        buffer_fini(&out);
        dialect_fini(&dialect);
    }
}

/* The distance of the first two is only a guess for the third. */
static void a_message_in_between_does_not_hide_the_next(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct dialect dialect;
        struct buffer out;
        struct buffer line;
        put_three(names[i], 128, &dialect, &out);
        struct span payload = payload_of(&out);
        buffer_init(&line, 1 << 20);
        buffer_put_span(&line, payload);
        buffer_put_text(&line, "#\"#\":#");
        buffer_put_span(&line, payload);
        struct stamp stamp;
        size_t stride = 0;
        size_t found = 0;
        const uint8_t *end = line.data + line.bytes;
        for (const uint8_t *at = line.data; (at = dialect_find_document(&dialect, at, end, &stamp, &stride)) != NULL; found++) {
        }
        assert_int_equal(found, 6);
        buffer_fini(&line);
        buffer_fini(&out);
        dialect_fini(&dialect);
    }
}

/* Found or not, nothing is read behind the end: run under a sanitizer. */
static void a_cut_document_is_not_found(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct dialect dialect;
        struct buffer out;
        const struct stamp stamp = {.topic = 1, .count = 2, .sent_ns = 3};
        assert_true(dialect_init(&dialect, names[i], 128, "none"));
        buffer_init(&out, 1 << 20);
        dialect_put_publish(&dialect, &out, 1, &stamp, 1);
        size_t time_end = dialect.head.bytes.bytes + dialect.change.time_at + (dialect.decimal ? DIALECT_DIGITS : 8);
        struct buffer cut;
        buffer_init(&cut, 1 << 20);
        buffer_put(&cut, payload_of(&out).data, time_end);
        struct stamp found;
        size_t stride = 0;
        assert_non_null(dialect_find_document(&dialect, cut.data, cut.data + time_end, &found, &stride));
        for (size_t bytes = 0; bytes < time_end; bytes++) {
            stride = 0;
            assert_null(dialect_find_document(&dialect, cut.data, cut.data + bytes, &found, &stride));
        }
        buffer_fini(&cut);
        buffer_fini(&out);
        dialect_fini(&dialect);
    }
}

/* The broker's own reader understands what is written without it, and finds documents of the size asked for. */
static void packed_messages_are_what_the_protocol_wants(void **state) {
    (void)state;
    for (size_t size = DOCUMENT_BYTES_MIN; size < 600; size += 7) {
        struct dialect dialect;
        struct buffer out;
        put_three(DIALECT_MSGPACK, size, &dialect, &out);
        struct span payload = payload_of(&out);
        size_t used;
        struct request request;
        struct change_request change;
        const char *detail = NULL;
        assert_int_equal(pack_check(payload, AHORA_DEPTH_MAX, &used), PACK_FINE);
        assert_int_equal(used, payload.bytes);
        assert_int_equal(request_decode(payload, &request, &detail), AHORA_OK);
        assert_int_equal(request.ack, ACK_APPLIED);
        assert_int_equal(request.change_count, 3);
        struct pack_reader reader = pack_reader_of(request.changes);
        pack_read_list(&reader);
        assert_int_equal(change_decode(&reader, &change, &detail), AHORA_OK);
        assert_true(span_is(change.topic, TOPIC_PREFIX "0000000"));
        assert_in_range(change.data.bytes, size - 1, size);
        buffer_fini(&out);
        dialect_fini(&dialect);
    }
}

static void answers_are_found_in_both_encodings(void **state) {
    (void)state;
    struct reply reply = {.op = REPLY_LIVE, .id = 1, .seq = 300, .skipped = 70000};
    struct buffer message;
    buffer_init(&message, 1 << 16);
    reply_put(&message, &reply);
    struct dialect dialect;
    assert_true(dialect_init(&dialect, DIALECT_MSGPACK, 128, "none"));
    struct span text = span_of_text("{\"op\":\"live\",\"id\":1,\"seq\":300,\"skipped\":70000}");
    for (int i = 0; i < 2; i++) {
        struct span payload = i == 0 ? buffer_span(&message) : text;
        size_t at = 0;
        uint64_t number;
        assert_true(dialect_find_answer(&dialect, ANSWER_LIVE, payload, &at, &number));
        assert_int_equal(number, 300);
        assert_false(dialect_find_answer(&dialect, ANSWER_LIVE, payload, &at, &number));
        at = 0;
        assert_true(dialect_find_answer(&dialect, ANSWER_SKIPPED, payload, &at, &number));
        assert_int_equal(number, 70000);
        at = 0;
        assert_false(dialect_find_answer(&dialect, ANSWER_ERROR, payload, &at, &number));
        dialect_fini(&dialect);
        assert_true(dialect_init(&dialect, DIALECT_JSON, 128, "none"));
    }
    dialect_fini(&dialect);
    buffer_fini(&message);
}

static bool holds(const char *list) {
    struct result result = {.scenario = "s", .target = "t"};
    FILE *nowhere = fopen("/dev/null", "w");
    result_put(&result, "p99", 4.5, "ms");
    result_put(&result, "lost", 0, "");
    result_put(&result, "deliveries", 1500000, "/s");
    bool all = threshold_holds(list, &result, nowhere);
    fclose(nowhere);
    return all;
}

static void thresholds_compare_times_and_counts(void **state) {
    (void)state;
    assert_true(holds("p99<5ms,lost=0,deliveries>=1.5M"));
    assert_true(holds("p99>4499us,p99<0.005s"));
    assert_true(holds("deliveries>1499k,lost<=0"));
    assert_false(holds("p99<4ms"));
    assert_false(holds("lost=0,deliveries>1500k"));
    assert_false(holds("p50<1ms")); /* the run has no such metric */
}

static void nonsense_is_no_threshold(void **state) {
    (void)state;
    static const char *const bad[] = {"p99", "p99<", "<5ms", "p99<5parsec", "p99<5ms,", "p99<>5ms", "p99<<5", "p99<,lost=0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bool is_valid = threshold_is_valid(bad[i]);
        assert_int_equal(is_valid, strcmp(bad[i], "p99<5ms,") == 0); /* a comma at the end is harmless */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_found_in_order),
        cmocka_unit_test(a_message_in_between_does_not_hide_the_next),
        cmocka_unit_test(a_cut_document_is_not_found),
        cmocka_unit_test(packed_messages_are_what_the_protocol_wants),
        cmocka_unit_test(answers_are_found_in_both_encodings),
        cmocka_unit_test(thresholds_compare_times_and_counts),
        cmocka_unit_test(nonsense_is_no_threshold),
    };
    return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}
