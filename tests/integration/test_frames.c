/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The broker's end of RFC 6455, byte by byte: pings, closes, frames in pieces, and who goes when. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/scene.h"

/* ---- raw bytes ---- */

static bool wait_readable(const struct wire *wire, int64_t deadline_ms) {
    struct pollfd event = {.fd = wire->fd, .events = POLLIN};
    int64_t left = deadline_ms - scene_clock_ms();
    return left > 0 && poll(&event, 1, (int)left) == 1;
}

/* The next bytes are these. */
static void expect_raw(struct wire *wire, const void *bytes, size_t count) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (bytes_size(&wire->in) < count && wait_readable(wire, deadline_ms) && wire_read(wire, 4096) >= 0) {
    }
    assert_true(bytes_size(&wire->in) >= count);
    assert_memory_equal(bytes_data(&wire->in), bytes, count);
    bytes_consume(&wire->in, count);
}

/* Nothing comes any more, and the broker's side is shut (not reset). */
static void expect_end(struct wire *wire) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    char byte;
    assert_int_equal(bytes_size(&wire->in), 0);
    assert_true(wait_readable(wire, deadline_ms));
    assert_int_equal(recv(wire->fd, &byte, 1, 0), 0);
}

static void send_control(struct wire *wire, uint8_t opcode, const char *payload, size_t bytes) {
    assert_true(wire_send_frame(wire, &(struct wire_frame){opcode, true, true, 0, payload, bytes}));
}

/* ---- pings ---- */

static void pings_in_one_go_are_answered_in_order(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_MSGPACK);
    char wanted[10 * 4];
    for (int i = 0; i < 10; i++) {
        const char payload[2] = {'p', (char)('0' + i)};
        memcpy(wanted + 4 * i, "\x8a\x02", 2);
        memcpy(wanted + 4 * i + 2, payload, 2);
        send_control(&wire, WIRE_PING, payload, 2);
    }
    expect_raw(&wire, wanted, sizeof wanted);
    wire_fini(&wire);
}

static void pings_of_every_length_are_answered_and_pongs_are_not(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    char pong[127];
    scene_open(&wire, broker, CODEC_JSON);
    memset(pong, 'x', sizeof pong);
    for (int i = 0; i <= 125; i++) {
        send_control(&wire, WIRE_PONG, "unasked", 7);
        send_control(&wire, WIRE_PING, pong + 2, (size_t)i);
        pong[0] = '\x8a';
        pong[1] = (char)i;
        expect_raw(&wire, pong, 2 + (size_t)i);
    }
    wire_fini(&wire);
}

#define PINGS 20000

/* Pongs do not pile up for one who takes nothing: at most one waits. */
static void pings_of_one_who_reads_nothing_cost_nothing(void **state) {
    scene_configure("WEBSOCKET_NOTSENT_LOWAT_BYTES", "4K");
    scene_configure("WEBSOCKET_IDLE_FRAMES_RATE_MAX", "0");
    struct broker_process *broker = scene_start(state);
    struct wire other;
    struct wire wire;
    scene_open(&other, broker, CODEC_JSON);
    scene_apply_much(&other);
    scene_open_slow(&wire, broker, CODEC_JSON);
    scene_say(&wire, "{'op':'sub','id':1,'match':'order/*'}");
    scene_wait_at_least(broker, "ahora_session_choked_total", 1);
    int64_t before = scene_memory_kb(broker);
    char payload[125];
    memset(payload, 'p', sizeof payload);
    for (int i = 0; i < PINGS; i++) {
        snprintf(payload, sizeof payload, "ping %d", i);
        send_control(&wire, WIRE_PING, payload, sizeof payload);
    }
    scene_expect_alive(&other);
    assert_true(scene_memory_kb(broker) < before + 1024);
    /* It reads on: everything is there, and the newest ping is answered somewhere in between. */
    char newest[64];
    snprintf(newest, sizeof newest, "ping %d", PINGS - 1);
    bool is_answered = false;
    bool is_live = false;
    const int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while ((!is_live || !is_answered) && scene_clock_ms() < deadline_ms && wait_readable(&wire, deadline_ms) &&
           wire_read(&wire, 65536) > 0) {
        if (!is_answered && bytes_size(&wire.in) > 0) {
            is_answered = memmem(bytes_data(&wire.in), bytes_size(&wire.in), newest, strlen(newest)) != NULL;
        }
        for (json_t *message; is_answered && (message = wire_next(&wire)) != NULL; json_decref(message)) {
            is_live |= strcmp(wire_text(message, "op"), "live") == 0;
        }
    }
    assert_true(is_answered && is_live);
    assert_null(wire.fault);
    wire_fini(&wire);
    wire_fini(&other);
}

/* ---- closes ---- */

static void a_close_is_echoed_then_the_line_ends(void **state) {
    scene_configure("WEBSOCKET_CLOSE_MS", "10m");
    struct broker_process *broker = scene_start(state);
    static const struct {
        const char *payload;
        size_t bytes;
        const char *wanted;
        size_t wanted_bytes;
    } closes[] = {
        {RAW(""), RAW("\x88\x00")},
        {RAW("\x03\xe8"), RAW("\x88\x02\x03\xe8")},
        {RAW("\x03\xe9going away"), RAW("\x88\x02\x03\xe9")},
        {RAW("\x0b\xb8"), RAW("\x88\x02\x0b\xb8")},
        {RAW("\x13\x87 \xe2\x82\xac"), RAW("\x88\x02\x13\x87")},
    };
    for (size_t i = 0; i < sizeof closes / sizeof closes[0]; i++) {
        struct wire wire;
        scene_open(&wire, broker, CODEC_JSON);
        send_control(&wire, WIRE_CLOSE, closes[i].payload, closes[i].bytes);
        send_control(&wire, WIRE_PING, "too late", 8); /* nothing behind a close counts */
        wire_send_payload(&wire, RAW("{\"op\":\"ping\",\"id\":1}"));
        expect_raw(&wire, closes[i].wanted, closes[i].wanted_bytes);
        expect_end(&wire);
        wire_fini(&wire);
    }
    scene_wait_at_most(broker, "ahora_websockets", 0);
    assert_int_equal((int)scene_metric(broker, "ahora_websocket_frames_refused_total"), 0);
}

static void closes_that_may_not_be_sent_are_closed_1002_or_1007(void **state) {
    scene_configure("WEBSOCKET_CLOSE_MS", "10m");
    struct broker_process *broker = scene_start(state);
    static const struct {
        const char *payload;
        size_t bytes;
        const char *wanted; /* code */
    } closes[] = {
        {RAW("\x03"), "\x03\xea"},
        {RAW("\x00\x00"), "\x03\xea"},
        {RAW("\x03\xe7"), "\x03\xea"},
        {RAW("\x03\xec"), "\x03\xea"},
        {RAW("\x03\xed"), "\x03\xea"},
        {RAW("\x03\xee"), "\x03\xea"},
        {RAW("\x03\xf7"), "\x03\xea"},
        {RAW("\x0b\xb7"), "\x03\xea"},
        {RAW("\x13\x88"), "\x03\xea"},
        {RAW("\x03\xe8\xc3("), "\x03\xef"},
        {RAW("\x03\xe8\xed\xa0\x80"), "\x03\xef"},
    };
    for (size_t i = 0; i < sizeof closes / sizeof closes[0]; i++) {
        struct wire wire;
        scene_open(&wire, broker, CODEC_MSGPACK);
        send_control(&wire, WIRE_CLOSE, closes[i].payload, closes[i].bytes);
        expect_raw(&wire, "\x88", 1);
        bytes_consume(&wire.in, 1);
        expect_raw(&wire, closes[i].wanted, 2);
        wire_fini(&wire);
    }
    scene_wait_at_most(broker, "ahora_websockets", 0);
}

/* What was published in front of a Close is applied, and answered before the Close is. */
static void answers_that_are_owed_go_before_the_close(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    static const char pub[] =
        "{\"op\":\"pub\",\"id\":7,\"changes\":[{\"op\":\"set\",\"topic\":\"stock/1/a\",\"data\":{\"v\":1}}]}";
    wire_queue(&wire, pub, sizeof pub - 1);
    send_control(&wire, WIRE_CLOSE, "\x03\xe8", 2);
    json_t *answer = scene_hear(&wire);
    assert_string_equal(wire_text(answer, "op"), "published");
    json_decref(answer);
    assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1000);
    wire_fini(&wire);
    json_t *document = scene_get(broker, "stock/1/a");
    assert_non_null(document);
    json_decref(document);
}

/* Its side is shut behind its Close: ours is still written. */
static void one_who_shuts_its_side_behind_a_close_is_answered(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    send_control(&wire, WIRE_CLOSE, "\x03\xe8", 2);
    shutdown(wire.fd, SHUT_WR);
    expect_raw(&wire, "\x88\x02\x03\xe8", 4);
    expect_end(&wire);
    wire_fini(&wire);
    scene_wait_at_most(broker, "ahora_websockets", 0);
}

static void one_who_is_gone_without_a_close_is_let_go(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    shutdown(wire.fd, SHUT_WR);
    expect_end(&wire);
    wire_fini(&wire);
    scene_open(&wire, broker, CODEC_JSON);
    assert_true(wire_send_raw(&wire, "\x81\xfe\x01", 3)); /* in the middle of a head */
    wire_cut(&wire);
    wire_fini(&wire);
    scene_wait_at_most(broker, "ahora_websockets", 0);
}

static void one_who_does_not_answer_our_close_is_cut(void **state) {
    scene_configure("WEBSOCKET_CLOSE_MS", "200");
    scene_configure("LIMITS_HELLO_MS", "100");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    scene_wait_at_most(broker, "ahora_websockets", 0); /* without a word of ours */
    assert_int_equal((int)scene_metric(broker, "ahora_timeouts_close_total"), 1);
    wire_fini(&wire);
}

/* Ours is written; until theirs comes, what they say is passed over, also in pieces. */
static void frames_between_the_closes_are_passed_over(void **state) {
    scene_configure("LIMITS_HELLO_MS", "100");
    scene_configure("WEBSOCKET_CLOSE_MS", "10m");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    expect_raw(&wire, "\x88\x0a\x11\x38no_hello", 12);
    wire_send_payload(&wire, RAW("{\"op\":\"hello\"}"));
    send_control(&wire, WIRE_PING, "x", 1);
    assert_true(wire_send_frame(&wire, &(struct wire_frame){WIRE_TEXT, false, true, 0, RAW("{\"op\"")}));
    assert_true(wire_send_raw(&wire, "\x88\x80\x01", 3));
    scene_sleep(20);
    assert_int_equal((int)scene_metric(broker, "ahora_websockets"), 1);
    assert_true(wire_send_raw(&wire, "\x02\x03\x04", 3));
    expect_end(&wire);
    wire_fini(&wire);
    scene_wait_at_most(broker, "ahora_websockets", 0);
}

/* ---- messages ---- */

static void a_message_may_come_byte_by_byte(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        struct bytes payload = {0};
        scene_payload(&payload, codec, "{'op':'ping','id':31}");
        wire_queue(&wire, bytes_data(&payload), bytes_size(&payload));
        while (wire_unsent(&wire) > 0) {
            assert_int_equal(send(wire.fd, bytes_data(&wire.out), 1, MSG_NOSIGNAL), 1);
            bytes_consume(&wire.out, 1);
            scene_sleep(2); /* most come alone; that is all the test wants */
        }
        json_t *pong = scene_hear_op(&wire, "pong");
        assert_int_equal(scene_int(pong, "id"), 31);
        json_decref(pong);
        bytes_fini(&payload);
        wire_fini(&wire);
    }
}

#define MANY 3000

/* Frames of all sizes in one long row, whatever way the kernel cuts it. */
static void a_long_row_of_messages_is_answered_in_order(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    static char text[9000];
    for (int id = 1; id <= MANY; id++) {
        int blanks = id % 7 == 0 ? (id * 53) % 8000 : id % 300;
        int bytes = snprintf(text, sizeof text, "{\"op\":\"ping\",\"id\":%d%*s}", id, blanks, "");
        wire_queue(&wire, text, (size_t)bytes);
    }
    int heard = 0;
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (heard < MANY && scene_clock_ms() < deadline_ms) {
        assert_true(wire_flush(&wire));
        for (json_t *pong; (pong = wire_receive(&wire, 20)) != NULL; json_decref(pong)) {
            if (strcmp(wire_text(pong, "op"), "pong") == 0) {
                assert_int_equal(scene_int(pong, "id"), ++heard);
            }
        }
    }
    assert_int_equal(heard, MANY);
    wire_fini(&wire);
}

static void a_message_announced_too_big_is_closed_before_it_comes(void **state) {
    scene_configure("LIMITS_MESSAGE_BYTES_MAX", "4K");
    scene_configure("LIMITS_DOCUMENT_BYTES_MAX", "4K");
    struct broker_process *broker = scene_start(state);
    static char most[4096];
    memset(most, ' ', sizeof most);
    memcpy(most, RAW("{\"op\":\"ping\",\"id\":1}"));
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    assert_true(wire_send_payload(&wire, most, sizeof most)); /* as much as may be */
    json_decref(scene_hear_op(&wire, "pong"));
    assert_true(wire_send_raw(&wire, RAW("\x81\xfe\x10\x01\x01\x02\x03\x04"))); /* and the head of one more */
    assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1009);
    wire_fini(&wire);
    scene_open(&wire, broker, CODEC_JSON);
    assert_true(wire_send_frame(&wire, &(struct wire_frame){WIRE_TEXT, false, true, 0, most, sizeof most}));
    assert_true(wire_send_raw(&wire, RAW("\x00\x81\x01\x02\x03\x04"))); /* in fragments */
    assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1009);
    wire_fini(&wire);
    assert_int_equal((int)scene_metric(broker, "ahora_websocket_messages_refused_total"), 2);
}

/* What a client sends before it has read the answer to its upgrade is not lost. */
static void frames_right_behind_the_upgrade_are_read(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    int fd = wire.fd;
    wire.fd = http_connect(broker->port, 0);
    assert_true(
        wire_send_raw(&wire, RAW("GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                 "Sec-WebSocket-Protocol: mqtt, ahora.v1.json, ahora.v1.msgpack\r\n\r\n"
                                 "\x81\x8e\x00\x00\x00\x00{\"op\":\"hello\"}\x89\x82\x00")));
    expect_raw(&wire,
               RAW("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ahora.v1.json\r\n\r\n"));
    json_t *welcome = wire_receive(&wire, PATIENCE_MS);
    assert_string_equal(wire_text(welcome, "op"), "welcome");
    json_decref(welcome);
    assert_true(wire_send_raw(&wire, RAW("\x00\x00\x00hi"))); /* the rest of the ping that had begun there */
    expect_raw(&wire, "\x8a\x02hi", 4);
    close(fd);
    wire_fini(&wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(pings_in_one_go_are_answered_in_order),
        CASE(pings_of_every_length_are_answered_and_pongs_are_not),
        CASE(pings_of_one_who_reads_nothing_cost_nothing),
        CASE(a_close_is_echoed_then_the_line_ends),
        CASE(closes_that_may_not_be_sent_are_closed_1002_or_1007),
        CASE(answers_that_are_owed_go_before_the_close),
        CASE(one_who_shuts_its_side_behind_a_close_is_answered),
        CASE(one_who_is_gone_without_a_close_is_let_go),
        CASE(one_who_does_not_answer_our_close_is_cut),
        CASE(frames_between_the_closes_are_passed_over),
        CASE(a_message_may_come_byte_by_byte),
        CASE(a_long_row_of_messages_is_answered_in_order),
        CASE(a_message_announced_too_big_is_closed_before_it_comes),
        CASE(frames_right_behind_the_upgrade_are_read),
    };
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
