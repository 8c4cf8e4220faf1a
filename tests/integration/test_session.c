/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The life of a WebSocket session, and everything a peer may do wrong with bytes, frames and messages. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scene.h"

/* ---- hello ---- */

static void welcome_has_every_key(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        json_t *welcome = wire_open_session(&wire, broker->port, codec);
        assert_non_null(welcome);
        assert_string_equal(wire.subprotocol, codec == CODEC_JSON ? "ahora.v1.json" : "ahora.v1.msgpack");
        assert_true(wire_text(welcome, "session")[0] != '\0');
        assert_true(wire_text(welcome, "server")[0] != '\0');
        const char *epoch = wire_text(welcome, "epoch");
        assert_in_range(strlen(epoch), 1, 32);
        for (; *epoch != '\0'; epoch++) {
            assert_true(isalnum((unsigned char)*epoch));
        }
        assert_int_equal(scene_int(welcome, "seq"), 0);
        assert_int_equal(scene_int(welcome, "beat_ms"), 15000);
        assert_true(scene_int(welcome, "now") > 1700000000000);
        assert_true(json_is_object(json_object_get(welcome, "limits")));
        json_decref(welcome);
        wire_fini(&wire);
    }
}

static void hello_with_a_name_and_unknown_keys_is_welcome(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        assert_true(wire_open(&wire, broker->port, codec));
        json_t *welcome = scene_ask(&wire, "{'op':'hello','client':'check/1','new_key':[1,{'a':null}]}");
        assert_string_equal(wire_text(welcome, "op"), "welcome");
        json_decref(welcome);
        scene_say(&wire, "{'op':'hello'}");
        scene_expect_error(&wire, "bad_message", 0);
        scene_expect_alive(&wire);
        wire_fini(&wire);
    }
}

static void silence_instead_of_hello_is_closed_4408(void **state) {
    scene_configure("LIMITS_HELLO_MS", "300");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        assert_true(wire_open(&wire, broker->port, codec));
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4408);
        assert_null(wire.fault);
        wire_fini(&wire);
    }
}

static void anything_before_hello_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        assert_true(wire_open(&wire, broker->port, codec));
        scene_say(&wire, "{'op':'pub','id':3,'changes':[{'op':'set','topic':'stock/1/a','data':{}}]}");
        json_t *answer = scene_hear(&wire);
        assert_string_equal(wire_text(answer, "op"), "error");
        assert_string_equal(wire_text(answer, "code"), "bad_message");
        json_decref(answer);
        wire_fini(&wire);
        assert_null(scene_get(broker, "stock/1/a"));
    }
}

/* ---- bytes that are no message ---- */

struct garbage {
    const char *name;
    const char *bytes;
    size_t size;
};

#define PING_AND "\x83\xa2op\xa4ping\xa2id\x01\xa1x"

static const struct garbage garbage_msgpack[] = {
    {"list bomb", RAW("\xdd\xff\xff\xff\xff")},
    {"map bomb", RAW("\xdf\xff\xff\xff\xff")},
    {"text bomb", RAW("\xdb\xff\xff\xff\xff")},
    {"binary bomb", RAW("\xc6\xff\xff\xff\xff")},
    {"extension bomb", RAW("\xc9\xff\xff\xff\xff\x01")},
    {"bomb in a value", RAW(PING_AND "\xdd\x7f\xff\xff\xff")},
    {"cut in a map", RAW("\x82\xa2op\xa4ping")},
    {"cut in a text", RAW("\x82\xa2op\xa4pi")},
    {"only a head", RAW("\xdf")},
    {"the byte that is never used", RAW("\xc1")},
    {"binary value", RAW(PING_AND "\xc4\x01z")},
    {"extension value", RAW(PING_AND "\xd4\x01\x02")},
    {"timestamp", RAW(PING_AND "\xd6\xff\x01\x02\x03\x04")},
    {"NaN", RAW(PING_AND "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")},
    {"infinity", RAW(PING_AND "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00")},
    {"short NaN", RAW(PING_AND "\xca\x7f\xc0\x00\x00")},
    {"integer beyond int64", RAW(PING_AND "\xcf\x80\x00\x00\x00\x00\x00\x00\x00")},
    {"key twice", RAW("\x83\xa2op\xa4ping\xa2id\x01\xa2id\x02")},
    {"broken UTF-8", RAW(PING_AND "\xa2\xc3\x28")},
    {"surrogate in UTF-8", RAW(PING_AND "\xa3\xed\xa0\x80")},
    {"overlong UTF-8", RAW(PING_AND "\xa2\xc0\xaf")},
    {"NUL in a text", RAW(PING_AND "\xa1\x00")},
    {"key that is no text", RAW(PING_AND "\x81\x01\x02")},
    {"good, then bad", RAW("\x82\xa2op\xa4ping\xa2id\x01\xc1")},
};

static const struct garbage garbage_json[] = {
    {"open map", RAW("{")},
    {"cut", RAW("{\"op\":\"ping\",\"id\":1")},
    {"more behind it", RAW("{\"op\":\"ping\",\"id\":1} x")},
    {"two on one line", RAW("{\"op\":\"ping\",\"id\":1}{\"op\":\"ping\",\"id\":2}")},
    {"apostrophes", RAW("{'op':'ping','id':1}")},
    {"no JSON", RAW("hello")},
    {"NaN", RAW("{\"op\":\"ping\",\"id\":1,\"x\":NaN}")},
    {"beyond double", RAW("{\"op\":\"ping\",\"id\":1,\"x\":1e999}")},
    {"integer beyond int64", RAW("{\"op\":\"ping\",\"id\":1,\"x\":9223372036854775808}")},
    {"integer below int64", RAW("{\"op\":\"ping\",\"id\":1,\"x\":-9223372036854775809}")},
    {"key twice", RAW("{\"op\":\"ping\",\"id\":1,\"id\":2}")},
    {"key twice, deep", RAW("{\"op\":\"ping\",\"id\":1,\"x\":{\"a\":1,\"\\u0061\":2}}")},
    {"escaped NUL", RAW("{\"op\":\"ping\",\"id\":1,\"x\":\"\\u0000\"}")},
    {"NUL byte", RAW("{\"op\":\"ping\",\"id\":1}\0")},
    {"NUL in a text", RAW("{\"op\":\"ping\",\"id\":1,\"x\":\"\0\"}")},
    {"half a surrogate pair", RAW("{\"op\":\"ping\",\"id\":1,\"x\":\"\\ud800\"}")},
    {"broken UTF-8", RAW("{\"op\":\"ping\",\"id\":1,\"x\":\"\xc3\x28\"}")},
    {"overlong UTF-8", RAW("{\"op\":\"ping\",\"id\":1,\"x\":\"\xc0\xaf\"}")},
    {"control character", RAW("{\"op\":\"ping\",\"id\":1,\"x\":\"\x01\"}")},
    {"leading zero", RAW("{\"op\":\"ping\",\"id\":01}")},
    {"trailing comma", RAW("{\"op\":\"ping\",\"id\":1,}")},
};

static bool is_text_of_broken_utf8(const struct wire *wire, const struct garbage *garbage) {
    return wire->codec == CODEC_JSON && strstr(garbage->name, "UTF-8") != NULL;
}

/* The typed error, then Close 4400; RFC 6455 section 8.1 has 1007 for a text frame that is not UTF-8. */
static void expect_garbage_closes(const struct broker_process *broker, enum codec codec, const struct garbage *garbage) {
    struct wire wire;
    scene_open(&wire, broker, codec);
    assert_true(wire_send_payload(&wire, garbage->bytes, garbage->size));
    json_t *error = wire_receive_op(&wire, "error", PATIENCE_MS);
    int close_code = wire_receive_close(&wire, PATIENCE_MS);
    if (close_code != (is_text_of_broken_utf8(&wire, garbage) ? 1007 : 4400) ||
        strcmp(wire_text(error, "code"), "bad_message") != 0 || strcmp(wire.close_reason, "bad_message") != 0) {
        fail_msg("%s, %s: error \"%s\", close %d \"%s\"", codec_name(codec), garbage->name, wire_text(error, "code"),
                 close_code, wire.close_reason);
    }
    json_decref(error);
    wire_fini(&wire);
}

static void undecodable_bytes_are_answered_and_closed_4400(void **state) {
    struct broker_process *broker = scene_start(state);
    for (size_t i = 0; i < sizeof garbage_msgpack / sizeof garbage_msgpack[0]; i++) {
        expect_garbage_closes(broker, CODEC_MSGPACK, &garbage_msgpack[i]);
    }
    for (size_t i = 0; i < sizeof garbage_json / sizeof garbage_json[0]; i++) {
        expect_garbage_closes(broker, CODEC_JSON, &garbage_json[i]);
    }
}

static void deep_nesting_is_closed_4400(void **state) {
    struct broker_process *broker = scene_start(state);
    static char deep[500000];
    memset(deep, '[', sizeof deep);
    expect_garbage_closes(broker, CODEC_JSON, &(struct garbage){"deep lists", deep, sizeof deep});
    memset(deep, '\x91', sizeof deep);
    expect_garbage_closes(broker, CODEC_MSGPACK, &(struct garbage){"deep lists", deep, sizeof deep});
    for (size_t i = 0; i + 3 <= sizeof deep; i += 3) {
        memcpy(deep + i, "\x81\xa1x", 3);
    }
    expect_garbage_closes(broker, CODEC_MSGPACK, &(struct garbage){"deep maps", deep, sizeof deep});
}

static void an_empty_message_is_closed_4400(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        expect_garbage_closes(broker, codec, &(struct garbage){"empty", "", 0});
    }
}

/* ---- messages that are wrong ---- */

struct wrong {
    const char *message;
    const char *code;
    int64_t id; /* that the error must name */
};

static const struct wrong wrong_messages[] = {
    {"{'op':'dance','id':5}", "bad_message", 5},
    {"{'op':'welcome','id':5}", "bad_message", 5},
    {"{'op':5,'id':5}", "bad_message", 5},
    {"{'id':5}", "bad_message", 5},
    {"{}", "bad_message", 0},
    {"{'op':'ping'}", "bad_message", 0},
    {"{'op':'ping','id':0}", "bad_message", 0},
    {"{'op':'ping','id':-1}", "bad_message", 0},
    {"{'op':'ping','id':'1'}", "bad_message", 0},
    {"{'op':'ping','id':1.5}", "bad_message", 0},
    {"{'op':'ping','id':null}", "bad_message", 0},
    {"{'op':'sub','id':5}", "bad_message", 5},
    {"{'op':'sub','id':5,'match':7}", "bad_message", 5},
    {"{'op':'sub','id':5,'match':[]}", "bad_message", 5},
    {"{'op':'sub','id':5,'match':['stock/1/*',7]}", "bad_message", 5},
    {"{'op':'sub','match':'stock/1/*'}", "bad_message", 0},
    {"{'op':'sub','id':5,'match':'stock/1/*','every_ms':-1}", "bad_message", 5},
    {"{'op':'sub','id':5,'match':'stock/1/*','every_ms':'1'}", "bad_message", 5},
    {"{'op':'sub','id':5,'match':'stock/1/*','since':7}", "bad_message", 5},
    {"{'op':'sub','id':5,'match':'stock'}", "bad_pattern", 5},
    {"{'op':'sub','id':5,'match':'nothing/1'}", "unknown_kind", 5},
    {"{'op':'unsub','id':5}", "not_found", 5},
    {"{'op':'unsub'}", "bad_message", 0},
    {"{'op':'move','id':5,'near':{'lat':1,'lon':2,'radius_m':3}}", "not_found", 5},
    {"{'op':'get','id':5}", "bad_message", 5},
    {"{'op':'get','id':5,'match':'stock/1/*','limit':-1}", "bad_message", 5},
    {"{'op':'pub','id':5}", "bad_message", 5},
    {"{'op':'pub','id':5,'changes':{}}", "bad_message", 5},
    {"{'op':'pub','id':5,'changes':[]}", "bad_message", 5},
    {"{'op':'pub','id':5,'changes':[{'op':'set','topic':'stock/1/a','data':{}}],'ack':'maybe'}", "bad_message", 5},
    {"{'op':'pub','id':5,'changes':[{'op':'set','topic':'stock/1/a','data':{}}],'atomic':'yes'}", "bad_message", 5},
    {"{'op':'pub','changes':[{'op':'set','topic':'stock/1/a','data':{}}]}", "bad_message", 0},
};

static void wrong_messages_get_a_typed_error_and_the_session_goes_on(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (size_t i = 0; i < sizeof wrong_messages / sizeof wrong_messages[0]; i++) {
            const struct wrong *wrong = &wrong_messages[i];
            print_message("  %s\n", wrong->message);
            scene_say(&wire, "%s", wrong->message);
            scene_expect_error(&wire, wrong->code, wrong->id);
            scene_expect_alive(&wire);
        }
        assert_null(scene_get(broker, "stock/1/a"));
        wire_fini(&wire);
    }
}

static void a_message_that_is_no_map_is_a_bad_message(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_say(&wire, "[1,2]");
        scene_expect_error(&wire, "bad_message", 0);
        wire_fini(&wire);
    }
}

/* ---- frames ---- */

static void frames_of_the_other_kind_are_closed_4400(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        uint8_t other = codec == CODEC_JSON ? WIRE_BINARY : WIRE_TEXT;
        assert_true(wire_send_frame(&wire, &(struct wire_frame){other, true, true, 0, RAW("{\"op\":\"ping\",\"id\":1}")}));
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4400);
        wire_fini(&wire);
    }
}

#define OVERSIZED (1024 * 1024 + 1)

static void an_oversized_message_is_closed_1009(void **state) {
    struct broker_process *broker = scene_start(state);
    char *payload = malloc(OVERSIZED);
    memset(payload, ' ', OVERSIZED);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        wire_send_payload(&wire, payload, OVERSIZED); /* may be cut off before its end */
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1009);
        wire_fini(&wire);
    }
    free(payload);
}

static void an_oversized_message_in_fragments_is_closed_1009(void **state) {
    struct broker_process *broker = scene_start(state);
    static char payload[65536];
    memset(payload, ' ', sizeof payload);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (int i = 0; i < 32; i++) {
            uint8_t opcode = i > 0 ? WIRE_CONTINUATION : codec == CODEC_JSON ? WIRE_TEXT : WIRE_BINARY;
            if (!wire_send_frame(&wire, &(struct wire_frame){opcode, false, true, 0, payload, sizeof payload})) {
                break;
            }
        }
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1009);
        wire_fini(&wire);
    }
}

static void a_frame_that_claims_a_huge_length_is_closed(void **state) {
    struct broker_process *broker = scene_start(state);
    int64_t before = scene_memory_kb(broker);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        char head[] = "\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00\x01\x02\x03\x04";
        head[0] = (char)(codec == CODEC_JSON ? 0x81 : 0x82);
        assert_true(wire_send_raw(&wire, head, sizeof head - 1));
        static const char filler[65536];
        for (int i = 0; i < 64 && wire_send_raw(&wire, filler, sizeof filler); i++) {
        }
        int code = wire_receive_close(&wire, PATIENCE_MS);
        assert_int_equal(code, 1009);
        wire_fini(&wire);
    }
    assert_true(scene_memory_kb(broker) < before + 64 * 1024);
}

static void several_messages_in_one_frame_are_all_answered_in_order(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        struct bytes payload = {0};
        for (int id = 1; id <= 500; id++) {
            json_t *ping = scene_json("{'op':'ping','id':%d}", id);
            codec_encode(codec, ping, &payload);
            bytes_append_text(&payload, codec == CODEC_JSON ? "\n" : "");
            json_decref(ping);
        }
        assert_true(wire_send_payload(&wire, bytes_data(&payload), bytes_size(&payload)));
        for (int id = 1; id <= 500; id++) {
            json_t *pong = scene_hear_op(&wire, "pong");
            assert_int_equal(scene_int(pong, "id"), id);
            assert_true(scene_int(pong, "now") > 1700000000000);
            json_decref(pong);
        }
        bytes_fini(&payload);
        wire_fini(&wire);
    }
}

static void blank_lines_and_line_ends_do_not_matter_in_json(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    assert_true(wire_send_payload(&wire, RAW("\n{\"op\":\"ping\",\"id\":1}\r\n\n  {\"op\":\"ping\",\"id\":2}  \n")));
    for (int id = 1; id <= 2; id++) {
        json_t *pong = scene_hear(&wire);
        assert_int_equal(scene_int(pong, "id"), id);
        json_decref(pong);
    }
    wire_fini(&wire);
}

static void a_message_may_come_in_fragments_with_pings_between(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        struct bytes payload = {0};
        scene_payload(&payload, codec, "{'op':'ping','id':31}");
        size_t size = bytes_size(&payload);
        for (size_t i = 0; i < size; i++) {
            uint8_t opcode = i > 0 ? WIRE_CONTINUATION : codec == CODEC_JSON ? WIRE_TEXT : WIRE_BINARY;
            assert_true(
                wire_send_frame(&wire, &(struct wire_frame){opcode, i + 1 == size, true, 0, bytes_data(&payload) + i, 1}));
            assert_true(wire_send_frame(&wire, &(struct wire_frame){WIRE_PING, true, true, 0, "x", 1}));
        }
        json_t *pong = scene_hear_op(&wire, "pong");
        assert_int_equal(scene_int(pong, "id"), 31);
        json_decref(pong);
        bytes_fini(&payload);
        wire_fini(&wire);
    }
}

static void a_websocket_ping_is_answered_with_its_payload(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        assert_true(wire_send_frame(&wire, &(struct wire_frame){WIRE_PING, true, true, 0, "payload", 7}));
        int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
        while (bytes_size(&wire.in) < 9 && scene_clock_ms() < deadline_ms && wire_read(&wire, 4096) >= 0) {
            scene_sleep(1);
        }
        assert_true(bytes_size(&wire.in) >= 9);
        assert_memory_equal(bytes_data(&wire.in), "\x8a\x07payload", 9);
        wire_fini(&wire);
    }
}

static void frames_against_the_rfc_are_closed(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char large[200];
    const struct wire_frame frames[] = {
        {WIRE_TEXT, true, true, 4, RAW("{\"op\":\"ping\",\"id\":1}")}, /* RSV1 without an extension */
        {3, true, true, 0, RAW("x")},                                  /* reserved opcode */
        {11, true, true, 0, RAW("x")},                                 /* reserved control opcode */
        {WIRE_PING, true, true, 0, large, sizeof large},               /* control frame over 125 bytes */
        {WIRE_PING, false, true, 0, RAW("x")},                         /* control frame in fragments */
        {WIRE_CONTINUATION, true, true, 0, RAW("x")},                  /* continuation of nothing */
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct wire wire;
        scene_open(&wire, broker, CODEC_JSON);
        assert_true(wire_send_frame(&wire, &frames[i]));
        int code = wire_receive_close(&wire, PATIENCE_MS);
        if (code != 1002) {
            fail_msg("frame %zu: close %d", i, code);
        }
        assert_true(wire.fd < 0);
        wire_fini(&wire);
    }
}

/* RFC 6455 section 5.1. */
static void a_frame_without_mask_is_closed_1002(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        struct bytes payload = {0};
        scene_payload(&payload, codec, "{'op':'ping','id':3}");
        uint8_t opcode = codec == CODEC_JSON ? WIRE_TEXT : WIRE_BINARY;
        scene_say(&wire, "{'op':'ping','id':2}");
        assert_true(
            wire_send_frame(&wire, &(struct wire_frame){opcode, true, false, 0, bytes_data(&payload), bytes_size(&payload)}));
        json_t *answer = wire_receive(&wire, PATIENCE_MS); /* what came before it is answered */
        assert_string_equal(wire_text(answer, "op"), "pong");
        assert_int_equal(scene_int(answer, "id"), 2);
        json_decref(answer);
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1002);
        assert_string_equal(wire.close_reason, "a frame without a mask");
        bytes_fini(&payload);
        wire_fini(&wire);
    }
    assert_int_equal((int)scene_metric(broker, "ahora_websocket_frames_refused_total"), 2);
}

static void a_close_is_answered(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        assert_true(wire_send_frame(&wire, &(struct wire_frame){WIRE_CLOSE, true, true, 0, "\x03\xe8", 2}));
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 1000);
        wire_fini(&wire);
    }
}

/* ---- heads ---- */

static void an_upgrade_may_have_a_long_query_and_many_headers(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes request = {0};
    struct http_response response;
    bytes_printf(&request, "GET /v1/ws?a=%0*d&b=%0*d HTTP/1.1\r\nHost: localhost\r\nCookie: c=%0*d\r\n", 3000, 1, 1000, 2, 3000,
                 3);
    for (int i = 0; i < 20; i++) {
        bytes_printf(&request, "X-Header-%d: a, b\r\n", i);
    }
    bytes_append_text(&request, "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ahora.v1.json\r\n\r\n");
    http_exchange(broker->port, bytes_data(&request), bytes_size(&request), false, PATIENCE_MS, &response);
    assert_int_equal(response.status, 101);
    http_response_fini(&response);
    bytes_fini(&request);
}

/* ---- beat, bye ---- */

static void an_idle_session_hears_beats(void **state) {
    scene_configure("LIMITS_BEAT_MS", "200");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        json_t *welcome = wire_open_session(&wire, broker->port, codec);
        assert_int_equal(scene_int(welcome, "beat_ms"), 200);
        json_decref(welcome);
        int64_t seq = scene_apply(&wire, "{'op':'set','topic':'stock/1/%s','data':{}}", codec_name(codec));
        json_t *live = scene_ask(&wire, "{'op':'sub','id':1,'match':'room/**'}");
        json_decref(live);
        json_decref(scene_hear_op(&wire, "live"));
        for (int i = 0; i < 3; i++) {
            json_t *beat = scene_hear_op(&wire, "beat");
            assert_int_equal(scene_int(beat, "seq"), seq);
            assert_true(scene_int(beat, "now") > 1700000000000);
            json_decref(beat);
        }
        wire_fini(&wire);
    }
}

#define LEAVERS 40

static int compare_int(const void *a, const void *b) {
    const int *x = a;
    const int *y = b;
    return (*x > *y) - (*x < *y);
}

static void sigterm_says_bye_with_spread_times_and_exits_0(void **state) {
    scene_configure("DRAIN_RETRY_MS", "5000");
    struct broker_process *broker = scene_start(state);
    struct wire wires[LEAVERS];
    for (int i = 0; i < LEAVERS; i++) {
        scene_open(&wires[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
    }
    assert_int_equal(broker_process_term(broker), 0);
    int times[LEAVERS];
    for (int i = 0; i < LEAVERS; i++) {
        json_t *bye = scene_hear_op(&wires[i], "bye");
        assert_true(wire_text(bye, "reason")[0] != '\0');
        times[i] = (int)scene_int(bye, "retry_ms");
        assert_in_range(times[i], 0, 5000);
        json_decref(bye);
        int code = wire_receive_close(&wires[i], PATIENCE_MS);
        assert_true(code == 1001 || code == 1000 || code == 1013);
        wire_fini(&wires[i]);
    }
    qsort(times, LEAVERS, sizeof times[0], compare_int);
    int different = 1;
    for (int i = 1; i < LEAVERS; i++) {
        different += times[i] != times[i - 1];
    }
    assert_true(different > LEAVERS / 2);
    assert_true(times[LEAVERS - 1] - times[0] > 2000);
}

/* ---- upgrade ---- */

static void an_upgrade_without_a_known_subprotocol_is_400(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const offers[] = {"", "chat", "ahora.v2.json", "ahora.v1", "AHORA.V1.JSON, mqtt"};
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        struct wire wire;
        assert_false(wire_open_with(&wire, broker->port, CODEC_JSON, &(struct wire_options){.subprotocol = offers[i]}));
        if (wire.status != 400) {
            fail_msg("\"%s\" is answered %d", offers[i], wire.status);
        }
        wire_fini(&wire);
    }
}

static void the_known_one_of_several_subprotocols_is_chosen(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        char offer[64];
        snprintf(offer, sizeof offer, "chat, ahora.v1.%s,mqtt", codec_name(codec));
        struct wire wire;
        assert_true(wire_open_with(&wire, broker->port, codec, &(struct wire_options){.subprotocol = offer}));
        json_t *welcome = scene_ask(&wire, "{'op':'hello'}");
        assert_string_equal(wire_text(welcome, "op"), "welcome");
        json_decref(welcome);
        wire_fini(&wire);
    }
}

static int upgrade_status(const struct broker_process *broker, const char *path, const char *version, const char *key) {
    struct bytes request = {0};
    bytes_printf(
        &request,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: %s\r\n%s"
        "Sec-WebSocket-Protocol: ahora.v1.json\r\n\r\n",
        path, version, key);
    struct http_response response;
    http_exchange(broker->port, bytes_data(&request), bytes_size(&request), false, HTTP_TIMEOUT_MS, &response);
    int status = response.status;
    http_response_fini(&response);
    bytes_fini(&request);
    return status;
}

static void an_upgrade_elsewhere_or_of_another_version_does_not_happen(void **state) {
    struct broker_process *broker = scene_start(state);
    const char *key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_int_equal(upgrade_status(broker, "/v1/ws", "13", key), 101);
    assert_int_not_equal(upgrade_status(broker, "/livez", "13", key), 101);
    assert_int_equal(upgrade_status(broker, "/v1/wss", "13", key), 404);
    int status = upgrade_status(broker, "/v1/ws", "8", key);
    assert_true(status == 426 || status == 400);
    assert_int_equal(upgrade_status(broker, "/v1/ws", "13", ""), 400);
    status = http_status(broker->port, "/v1/ws");
    assert_true(status == 426 || status == 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(welcome_has_every_key),
        CASE(hello_with_a_name_and_unknown_keys_is_welcome),
        CASE(silence_instead_of_hello_is_closed_4408),
        CASE(anything_before_hello_is_refused),
        CASE(undecodable_bytes_are_answered_and_closed_4400),
        CASE(deep_nesting_is_closed_4400),
        CASE(an_empty_message_is_closed_4400),
        CASE(wrong_messages_get_a_typed_error_and_the_session_goes_on),
        CASE(a_message_that_is_no_map_is_a_bad_message),
        CASE(frames_of_the_other_kind_are_closed_4400),
        CASE(an_oversized_message_is_closed_1009),
        CASE(an_oversized_message_in_fragments_is_closed_1009),
        CASE(a_frame_that_claims_a_huge_length_is_closed),
        CASE(several_messages_in_one_frame_are_all_answered_in_order),
        CASE(blank_lines_and_line_ends_do_not_matter_in_json),
        CASE(a_message_may_come_in_fragments_with_pings_between),
        CASE(a_websocket_ping_is_answered_with_its_payload),
        CASE(frames_against_the_rfc_are_closed),
        CASE(a_frame_without_mask_is_closed_1002),
        CASE(a_close_is_answered),
        CASE(an_idle_session_hears_beats),
        CASE(an_upgrade_may_have_a_long_query_and_many_headers),
        CASE(sigterm_says_bye_with_spread_times_and_exits_0),
        CASE(an_upgrade_without_a_known_subprotocol_is_400),
        CASE(the_known_one_of_several_subprotocols_is_chosen),
        CASE(an_upgrade_elsewhere_or_of_another_version_does_not_happen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
