/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Frames from clients: whatever way the bytes are cut, the same messages and the same faults. */
#include "broker/net/frame.h"
#include "include/ahora/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_BYTES_MAX 400000
#define MESSAGE_BYTES_MAX 100000

static uint8_t wire[WIRE_BYTES_MAX];
static size_t wire_bytes;

/* What was heard, as text: "text[hello] ping[x] close 1000[bye] fault 1002". */
static char heard[WIRE_BYTES_MAX * 2];
static size_t heard_bytes;

static void begin(void) {
    wire_bytes = 0;
}

static void put(const void *bytes, size_t count) {
    assert_true(wire_bytes + count <= sizeof wire);
    memcpy(wire + wire_bytes, bytes, count);
    wire_bytes += count;
}

/* A head as any client may write it: the length in `width` bytes (0: in the second byte). */
static void put_head(uint8_t first, uint64_t length, unsigned width, const uint8_t mask[4]) {
    uint8_t head[14] = {first, (uint8_t)(0x80 | (width == 0 ? length : width == 2 ? 126 : 127))};
    for (unsigned i = 0; i < width; i++) {
        head[2 + i] = (uint8_t)(length >> (8 * (width - 1 - i)));
    }
    memcpy(head + 2 + width, mask, 4);
    put(head, 2 + width + 4);
}

static void put_frame(uint8_t first, const void *payload, size_t bytes) {
    static unsigned number;
    const uint8_t mask[4] = {(uint8_t)(number * 37 + 11), (uint8_t)(number * 91), (uint8_t)(number * 5 + 200), (uint8_t)number};
    number++;
    put_head(first, bytes, bytes < 126 ? 0 : bytes <= 0xffff ? 2 : 8, mask);
    size_t at = wire_bytes;
    put(payload, bytes);
    for (size_t i = 0; i < bytes; i++) {
        wire[at + i] ^= mask[i % 4];
    }
}

static void put_text(uint8_t first, const char *text) {
    put_frame(first, text, strlen(text));
}

static void note(const char *text) {
    size_t bytes = strlen(text);
    assert_true(heard_bytes + bytes < sizeof heard);
    memcpy(heard + heard_bytes, text, bytes + 1);
    heard_bytes += bytes;
}

static void note_payload(struct span payload) {
    assert_true(heard_bytes + payload.bytes < sizeof heard);
    if (payload.bytes > 0) {
        memcpy(heard + heard_bytes, payload.data, payload.bytes);
    }
    heard_bytes += payload.bytes;
    heard[heard_bytes] = '\0';
}

/* False: nothing that comes behind counts. */
static bool note_event(const struct frame_event *event) {
    char text[64];
    switch (event->kind) {
    case FRAME_MORE:
        return false;
    case FRAME_PIECE:
        note(!event->is_first ? "" : event->is_text ? "text[" : "binary[");
        note_payload(event->payload);
        note(event->is_last ? "] " : "");
        return true;
    case FRAME_PING:
    case FRAME_PONG:
        note(event->kind == FRAME_PING ? "<ping " : "<pong ");
        note_payload(event->payload);
        note(">");
        return true;
    case FRAME_CLOSE:
        snprintf(text, sizeof text, "close %d[", event->close_code);
        note(text);
        note_payload(event->payload);
        note("]");
        return false;
    case FRAME_FAULT:
        assert_non_null(event->fault);
        assert_in_range(strlen(event->fault), 1, 123);
        snprintf(text, sizeof text, "fault %d", event->close_code);
        note(text);
        return false;
    }
    return false;
}

/* As the broker does it: what was not taken is put in front of what comes next. `cut` bytes at a time. */
static const char *hear(size_t cut) {
    static uint8_t buffer[WIRE_BYTES_MAX + FRAME_REST_BYTES_MAX];
    struct frame_reader reader = {0};
    size_t rest = 0;
    heard_bytes = 0;
    heard[0] = '\0';
    for (size_t at = 0; at < wire_bytes; at += cut) {
        size_t bytes = wire_bytes - at < cut ? wire_bytes - at : cut;
        memcpy(buffer + rest, wire + at, bytes);
        struct frame_input input = {buffer, buffer + rest + bytes};
        struct frame_event event;
        do {
            event = frame_next(&reader, &input, MESSAGE_BYTES_MAX);
        } while (note_event(&event));
        if (event.kind != FRAME_MORE) {
            break;
        }
        rest = (size_t)(input.end - input.at);
        assert_true(rest <= FRAME_REST_BYTES_MAX);
        memmove(buffer, input.at, rest);
    }
    return heard;
}

static void expect(const char *wanted) {
    static const size_t cuts[] = {WIRE_BYTES_MAX, 1, 2, 3, 5, 7, 8, 13, 64, 131, 4096};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        if (strcmp(hear(cuts[i]), wanted) != 0) {
            fail_msg("cut every %zu bytes: \"%.200s\" instead of \"%.200s\"", cuts[i], heard, wanted);
        }
    }
}

/* ---- cases ---- */

static void whole_messages_are_handed_out_unmasked(void **state) {
    (void)state;
    begin();
    put_text(0x81, "hello");
    put_text(0x82, "a somewhat longer one, of several words");
    put_text(0x81, "");
    expect("text[hello] binary[a somewhat longer one, of several words] text[] ");
}

static void a_message_inside_the_input_comes_in_one_piece(void **state) {
    (void)state;
    begin();
    put_text(0x81, "in one piece");
    struct frame_reader reader = {0};
    struct frame_input input = {wire, wire + wire_bytes};
    struct frame_event event = frame_next(&reader, &input, MESSAGE_BYTES_MAX);
    assert_int_equal(event.kind, FRAME_PIECE);
    assert_true(event.is_first && event.is_last);
    assert_ptr_equal(event.payload.data, wire + 6); /* nothing was copied */
    assert_int_equal(event.payload.bytes, 12);
    assert_int_equal(frame_next(&reader, &input, MESSAGE_BYTES_MAX).kind, FRAME_MORE);
}

static void fragments_are_one_message_and_pings_may_stand_between(void **state) {
    (void)state;
    begin();
    put_text(0x01, "one ");
    put_text(0x89, "p");
    put_text(0x00, "");
    put_text(0x00, "two ");
    put_text(0x8a, "");
    put_text(0x80, "three");
    put_text(0x82, "next");
    expect("text[one <ping p>two <pong >three] binary[next] ");
}

static void every_length_up_to_the_bound_is_read(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 9, 124, 125, 126, 127, 65535, 65536, MESSAGE_BYTES_MAX};
    static char wanted[WIRE_BYTES_MAX];
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *payload = malloc(lengths[i] + 1);
        for (size_t k = 0; k < lengths[i]; k++) {
            payload[k] = (char)('a' + k % 23);
        }
        payload[lengths[i]] = '\0';
        begin();
        put_frame(0x82, payload, lengths[i]);
        snprintf(wanted, sizeof wanted, "binary[%s] ", payload);
        expect(wanted);
        free(payload);
    }
}

static const uint8_t no_mask[4] = {0};

static void what_is_against_the_rfc_is_a_fault(void **state) {
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t count;
        const char *wanted;
    } wrongs[] = {
        {{0xc1, 0x80, 1, 2, 3, 4}, 6, "fault 1002"}, /* RSV1 without an extension */
        {{0xa1, 0x80, 1, 2, 3, 4}, 6, "fault 1002"}, /* RSV2 */
        {{0x91, 0x80, 1, 2, 3, 4}, 6, "fault 1002"}, /* RSV3 */
        {{0x83, 0x80, 1, 2, 3, 4}, 6, "fault 1002"}, /* reserved opcodes */
        {{0x87, 0x80, 1, 2, 3, 4}, 6, "fault 1002"},
        {{0x8b, 0x80, 1, 2, 3, 4}, 6, "fault 1002"},
        {{0x8f, 0x80, 1, 2, 3, 4}, 6, "fault 1002"},
        {{0x81, 0x01, 'a'}, 3, "fault 1002"}, /* no mask */
        {{0x89, 0x01, 'a'}, 3, "fault 1002"},
        {{0x88, 0x00}, 2, "fault 1002"},
        {{0x09, 0x80, 1, 2, 3, 4}, 6, "fault 1002"}, /* control frames in fragments */
        {{0x08, 0x80, 1, 2, 3, 4}, 6, "fault 1002"},
        {{0x89, 0xfe, 0, 126, 1, 2, 3, 4}, 8, "fault 1002"}, /* and longer than 125 */
        {{0x88, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}, 14, "fault 1002"},
        {{0x80, 0x80, 1, 2, 3, 4}, 6, "fault 1002"},         /* a continuation of nothing */
        {{0x81, 0xfe, 0, 125, 1, 2, 3, 4}, 8, "fault 1002"}, /* lengths that are not the shortest */
        {{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4}, 14, "fault 1002"},
        {{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, 14, "fault 1002"}, /* 64 bits of length */
        {{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, 14, "fault 1009"},
        {{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa1, 1, 2, 3, 4}, 14, "fault 1009"}, /* one too many, before it arrives */
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        begin();
        put(wrongs[i].bytes, wrongs[i].count);
        put_text(0x81, "behind it");
        expect(wrongs[i].wanted);
    }
}

static void a_message_may_not_begin_inside_another(void **state) {
    (void)state;
    begin();
    put_text(0x01, "one");
    put_text(0x81, "two");
    expect("text[onefault 1002");
}

static void fragments_are_bounded_in_sum_before_they_arrive(void **state) {
    (void)state;
    static char half[MESSAGE_BYTES_MAX / 2];
    begin();
    put_frame(0x02, half, sizeof half);
    put_frame(0x00, half, sizeof half);
    put_frame(0x80, half, 0);
    put_text(0x81, "fine");
    hear(WIRE_BYTES_MAX);
    assert_string_equal(heard + heard_bytes - 13, "] text[fine] ");
    begin();
    put_frame(0x02, half, sizeof half);
    put_frame(0x00, half, sizeof half);
    put_head(0x80, 1, 0, no_mask);
    hear(WIRE_BYTES_MAX);
    assert_string_equal(heard + heard_bytes - 10, "fault 1009");
}

static void a_close_has_a_code_and_a_reason_or_neither(void **state) {
    (void)state;
    begin();
    put_text(0x88, "");
    expect("close 0[]");
    begin();
    put_text(0x88, "\x03\xe8");
    expect("close 1000[]");
    begin();
    put_text(0x88, "\x03\xe9gone \xe2\x82\xac");
    expect("close 1001[gone \xe2\x82\xac]");
    begin();
    put_text(0x88, "\x03");
    expect("fault 1002");
    begin();
    put_text(0x88, "\x03\xe8\xc3(");
    expect("fault 1007");
}

static void nothing_behind_a_close_counts(void **state) {
    (void)state;
    begin();
    put_text(0x88, "\x03\xe8");
    put_text(0x81, "too late");
    expect("close 1000[]");
}

static void close_codes_that_may_not_be_sent_are_faults(void **state) {
    (void)state;
    static const struct {
        int first, last;
        bool good;
    } ranges[] = {
        {0, 0, false},      {999, 999, false},   {1000, 1003, true},  {1004, 1006, false},
        {1007, 1014, true}, {1015, 1100, false}, {2000, 2999, false}, {3000, 3001, true},
        {4999, 4999, true}, {5000, 5000, false}, {9999, 9999, false}, {65535, 65535, false},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        for (int code = ranges[i].first; code <= ranges[i].last; code++) {
            const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
            char wanted[32];
            snprintf(wanted, sizeof wanted, ranges[i].good ? "close %d[]" : "fault 1002", code);
            begin();
            put_frame(0x88, payload, 2);
            expect(wanted);
        }
    }
}

static void a_control_head_of_ours_has_no_mask(void **state) {
    (void)state;
    uint8_t head[2];
    frame_put_control_head(head, FRAME_OPCODE_PONG, 125);
    assert_int_equal(head[0], 0x8a);
    assert_int_equal(head[1], 125);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_are_handed_out_unmasked),
        cmocka_unit_test(a_message_inside_the_input_comes_in_one_piece),
        cmocka_unit_test(fragments_are_one_message_and_pings_may_stand_between),
        cmocka_unit_test(every_length_up_to_the_bound_is_read),
        cmocka_unit_test(what_is_against_the_rfc_is_a_fault),
        cmocka_unit_test(a_message_may_not_begin_inside_another),
        cmocka_unit_test(fragments_are_bounded_in_sum_before_they_arrive),
        cmocka_unit_test(a_close_has_a_code_and_a_reason_or_neither),
        cmocka_unit_test(nothing_behind_a_close_counts),
        cmocka_unit_test(close_codes_that_may_not_be_sent_are_faults),
        cmocka_unit_test(a_control_head_of_ours_has_no_mask),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
