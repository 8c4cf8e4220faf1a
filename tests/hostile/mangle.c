/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Good requests and messages of every kind, mangled by a seed: bytes flipped, cut, doubled, moved, taken from another one, in pieces. Whatever comes
 * back, the broker must live, go on serving others, and end well. MANGLE_SEED=1, MANGLE_ROUNDS=1500. Most worth with a sanitizer's broker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/frame_script.h"
#include "tests/hostile/raw_peer.h"
#include "tests/integration/scene.h"

#define HOST " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
#define JSON "Content-Type: application/json\r\n"

/* %B is a body, for which the head gets its length. */
static const char *const requests[] = {
    "GET /v1/topics/stock/1/a" HOST "If-None-Match: \"abc-1\"\r\n\r\n",
    "GET /v1/topics?match=stock/*&where=%7B%22a%22%3A%7B%22gt%22%3A1%7D%7D&near=52.5,13.4,1000&limit=5&after=stock/1/a" HOST
    "Accept: application/x-ndjson\r\n\r\n",
    "GET /v1/stream?match=stock/*&every_ms=100&since=abc-1&near=1,2,3&near_limit=4" HOST "Last-Event-ID: abc-1\r\n\r\n",
    "PUT /v1/topics/stock/1/a?at=1795000000000&fresh_ms=10&expire_ms=99&if_newer=1&ack=applied" HOST JSON
    "Idempotency-Key: \"k1\"\r\nIf-Match: \"abc-1\"\r\nContent-Length: 33\r\n\r\n{\"available\":1,\"x\":[1,{\"y\":null}]}",
    "PATCH /v1/topics/stock/1/a" HOST
    "Content-Type: application/merge-patch+json\r\nContent-Length: 17\r\n\r\n{\"available\":null}",
    "DELETE /v1/topics/stock/1/a" HOST "\r\n",
    "POST /v1/topics/stock/1/a/adjust" HOST JSON "Content-Length: 15\r\n\r\n{\"available\":2}",
    "POST /v1/publish" HOST JSON "Transfer-Encoding: "
    "chunked\r\n\r\n4a;x=y\r\n{\"atomic\":true,\"changes\":[{\"op\":\"set\",\"topic\":\"stock/1/"
    "b\",\"data\":{\"a\":1}}]}\r\n0\r\nA: b\r\n\r\n",
    "POST /v1/publish?ack=applied" HOST "Content-Type: application/x-ndjson\r\nContent-Length: 84\r\n\r\n"
    "{\"op\":\"set\",\"topic\":\"stock/1/c\",\"data\":{}}\n{\"op\":\"touch\",\"topic\":\"stock/1/c\",\"at\":1}\n",
    "POST /v1/range" HOST JSON "Content-Length: 131\r\n\r\n"
    "{\"changes\":[{\"op\":\"set\",\"topic\":\"room/a/"
    "b\",\"data\":{\"x\":1},\"start\":\"2027-05-01\",\"end\":\"2027-05-30\",\"days\":[\"mon\",\"tue\"]}],\"ack\":\"applied\"}",
    "GET /v1/kinds/stock" HOST "Authorization: Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJhIn0.AAAA\r\n\r\n",
    "OPTIONS /v1/publish" HOST "Origin: http://127.0.0.1:1\r\nAccess-Control-Request-Method: POST\r\n\r\n",
    "GET /v1/status" HOST "Connection: close\r\n\r\n",
    "GET /metrics" HOST "Accept-Encoding: gzip\r\n\r\n",
    "GET /openapi.json" HOST "\r\n",
    "GET /v1/admin/sessions?limit=3" HOST "\r\n",
    "GET /v1/ws" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ahora.v1.json\r\n\r\n\x81\x80\1\2\3\4",
};

static const char *const messages[] = {
    "{\"op\":\"hello\",\"client\":\"m/1\",\"source\":\"m\",\"on_lost\":\"delete\",\"grace_ms\":10,\"token\":\"a.b.c\"}",
    "{\"op\":\"sub\",\"id\":1,\"match\":[\"stock/*\",\"order/**\"],\"since\":\"abc-1\",\"every_ms\":50}",
    "{\"op\":\"sub\",\"id\":2,\"match\":\"stock/**\",\"where\":{\"available\":{\"gte\":1,\"in\":[1,2.5,null]},\"/"
    "a~1b\":{\"exists\":true}}}",
    "{\"op\":\"sub\",\"id\":3,\"match\":\"service/**\",\"near\":{\"lat\":52.5,\"lon\":179.99,\"radius_m\":1500.5,\"limit\":3}}",
    "{\"op\":\"move\",\"id\":3,\"near\":{\"lat\":-90,\"lon\":0}}",
    "{\"op\":\"get\",\"id\":4,\"match\":\"**\",\"limit\":5,\"near\":{\"lat\":0,\"lon\":0,\"radius_m\":20000000}}",
    "{\"op\":\"pub\",\"id\":5,\"atomic\":true,\"ack\":\"applied\",\"changes\":[{\"op\":\"set\",\"topic\":\"service/a/"
    "b\",\"data\":{\"position\":{\"lat\":52.5,"
    "\"lon\":13.4}},\"at\":1,\"key\":\"k\",\"fresh_ms\":5},{\"op\":\"adjust\",\"topic\":\"service/a/"
    "b\",\"data\":{\"n\":1},\"if_seq\":1}]}",
    "{\"op\":\"unsub\",\"id\":1}\n{\"op\":\"ping\",\"id\":6}\n\n{\"op\":\"auth\",\"id\":7,\"token\":\"x\"}",
};

/* The same in MessagePack: a message each. */
static const char *const packs[] = {
    "82a26f70a568656c6c6fa6636c69656e74a16d",
    "83a26f70a3737562a2696401a56d6174636892a773746f636b2f2aa86f726465722f2a2a",
    "84a26f70a3737562a2696402a56d61746368aa736572766963652f2a2aa46e65617283a36c6174cb404a400000000000a36c6f6e0da87261646975735f"
    "6dcd05dc",
    "84a26f70a3707562a2696405a361636ba76170706c696564a76368616e6765739183a26f70a3736574a5746f706963a9736572766963652f61a4646174"
    "6181a161c3",
    "82a26f70a470696e67a26964cd0100",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static uint64_t dice;

static size_t below(size_t bound) {
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return bound == 0 ? 0 : (size_t)(dice % bound);
}

/* ---- mangling ---- */

struct mangled {
    uint8_t bytes[4096];
    size_t size;
};

static void load(struct mangled *mangled, const void *bytes, size_t size) {
    mangled->size = size;
    memcpy(mangled->bytes, bytes, size);
}

static void load_pack(struct mangled *mangled, const char *hex) {
    struct bytes out = {0};
    char script[1024];
    snprintf(script, sizeof script, "=%s", hex);
    const char *rest = script;
    while (script_next(&rest, &out) != SCRIPT_END) {
    }
    load(mangled, bytes_data(&out), bytes_size(&out));
    bytes_fini(&out);
}

static void cut_out(struct mangled *mangled, size_t at, size_t size) {
    memmove(mangled->bytes + at, mangled->bytes + at + size, mangled->size - at - size);
    mangled->size -= size;
}

static void put_in(struct mangled *mangled, size_t at, const void *bytes, size_t size) {
    uint8_t copy[256];
    size = size > sizeof copy ? sizeof copy : size;
    if (mangled->size + size > sizeof mangled->bytes) {
        return;
    }
    memcpy(copy, bytes, size);
    memmove(mangled->bytes + at + size, mangled->bytes + at, mangled->size - at);
    memcpy(mangled->bytes + at, copy, size);
    mangled->size += size;
}

static void mangle_once(struct mangled *mangled) {
    static const char *const words[] = {"\"",
                                        "{",
                                        "[",
                                        "]",
                                        "}",
                                        ":",
                                        ",",
                                        "\n",
                                        "\r\n",
                                        "\r\n\r\n",
                                        "%00",
                                        "%2F",
                                        "..",
                                        "*",
                                        "**",
                                        "$demand/",
                                        "\\u0000",
                                        "\xff",
                                        "\xed\xa0\x80",
                                        "-1",
                                        "99999999999999999999",
                                        "1e400",
                                        "0.1",
                                        "null",
                                        "\xc1",
                                        "\xdd\xff\xff\xff\xff",
                                        "Content-Length: 0\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "\x88\x80\1\2\3\4",
                                        "@",
                                        "?",
                                        "&",
                                        "=",
                                        ";",
                                        " "};
    size_t at = below(mangled->size + 1);
    size_t size = below(mangled->size - at + 1);
    size = below(4) == 0 ? size : size % 9;
    switch (below(6)) {
    case 0:
        if (at < mangled->size) {
            mangled->bytes[at] ^= (uint8_t)(1u << below(8));
        }
        break;
    case 1:
        cut_out(mangled, at, size);
        break;
    case 2:
        put_in(mangled, below(mangled->size + 1), mangled->bytes + at, size);
        break;
    case 3: {
        const char *word = words[below(COUNT(words))];
        put_in(mangled, at, word, strlen(word));
        break;
    }
    case 4:
        if (at < mangled->size) {
            mangled->bytes[at] = (uint8_t)below(256);
        }
        break;
    default:
        if (below(8) == 0) {
            mangled->size = at;
        }
    }
}

static void mangle(struct mangled *mangled) {
    for (size_t times = below(5); times > 0; times--) {
        mangle_once(mangled);
    }
}

/* ---- sending ---- */

static void send_in_pieces(struct raw_peer *peer, const uint8_t *bytes, size_t size) {
    while (size > 0) {
        size_t piece = below(3) == 0 ? 1 + below(size) : size;
        if (!raw_peer_send(peer, bytes, piece)) {
            return;
        }
        bytes += piece;
        size -= piece;
    }
}

/* What comes is read for a moment, not understood. */
static void hear_a_little(struct raw_peer *peer) {
    char block[16384];
    while (recv(peer->fd, block, sizeof block, MSG_DONTWAIT) > 0) {
    }
}

static void play_request(const struct broker_process *broker) {
    struct raw_peer peer;
    assert_true(raw_peer_open(&peer, broker->port));
    for (size_t count = 1 + below(4); count > 0; count--) {
        struct mangled mangled;
        const char *request = requests[below(COUNT(requests))];
        load(&mangled, request, strlen(request));
        mangle(&mangled);
        send_in_pieces(&peer, mangled.bytes, mangled.size);
        hear_a_little(&peer);
    }
    if (below(2) == 0) {
        shutdown(peer.fd, SHUT_WR);
        hear_a_little(&peer);
    }
    raw_peer_fini(&peer);
}

static void put_frame(struct bytes *out, const struct mangled *mangled, bool is_text) {
    const uint8_t mask[4] = {1, 2, 3, 4};
    uint8_t head[8] = {(uint8_t)(is_text ? 0x81 : 0x82), 0x80 | 126, (uint8_t)(mangled->size >> 8), (uint8_t)mangled->size};
    size_t head_bytes = 4;
    if (mangled->size < 126) {
        head[1] = (uint8_t)(0x80 | mangled->size);
        head_bytes = 2;
    }
    bytes_append(out, head, head_bytes);
    bytes_append(out, mask, 4);
    for (size_t i = 0; i < mangled->size; i++) {
        uint8_t byte = mangled->bytes[i] ^ mask[i % 4];
        bytes_append(out, &byte, 1);
    }
}

static void play_messages(const struct broker_process *broker, bool is_text) {
    struct raw_peer peer;
    struct bytes out = {0};
    struct mangled mangled;
    assert_true(raw_peer_open(&peer, broker->port));
    bytes_printf(
        &out,
        "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
        is_text ? "ahora.v1.json" : "ahora.v1.msgpack");
    for (size_t i = 0, count = 2 + below(12); i < count; i++) {
        size_t which = i == 0 ? 0 : below(is_text ? COUNT(messages) : COUNT(packs));
        if (is_text) {
            load(&mangled, messages[which], strlen(messages[which]));
        } else {
            load_pack(&mangled, packs[which]);
        }
        if (i > 0) {
            mangle(&mangled);
        }
        put_frame(&out, &mangled, is_text);
    }
    if (below(4) == 0) { /* the frames, too */
        size_t at = below(bytes_size(&out));
        load(&mangled, bytes_data(&out) + at, bytes_size(&out) - at < 2000 ? bytes_size(&out) - at : 2000);
        mangle(&mangled);
        bytes_append(&out, mangled.bytes, mangled.size);
    }
    send_in_pieces(&peer, (const uint8_t *)bytes_data(&out), bytes_size(&out));
    for (size_t i = below(4); i > 0; i--) {
        raw_peer_read(&peer, 1);
        peer.fault = NULL; /* others judge what it says */
    }
    bytes_fini(&out);
    raw_peer_fini(&peer);
}

static size_t setting(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

static void whatever_comes_the_broker_lives(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire good;
    scene_open(&good, broker, CODEC_JSON);
    size_t rounds = setting("MANGLE_ROUNDS", 1500);
    size_t seed = setting("MANGLE_SEED", 1);
    for (size_t round = 0; round < rounds; round++) {
        dice = (seed + round) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        (void)below(2);
        size_t what = below(4);
        if (what < 2) {
            play_request(broker);
        } else {
            play_messages(broker, what == 2);
        }
        if (round % 50 == 0) {
            if (!broker_process_is_running(broker)) {
                fail_msg("it ended at MANGLE_SEED=%zu or up to 50 before", seed + round);
            }
            scene_expect_alive(&good);
        }
    }
    scene_expect_alive(&good);
    wire_fini(&good);
    assert_int_equal(broker_process_term(broker), 0);
    print_message("  %zu rounds from seed %zu\n", rounds, seed);
}

int main(void) {
    const struct CMUnitTest cases[] = {CASE(whatever_comes_the_broker_lives)};
    return cmocka_run_group_tests(cases, NULL, NULL);
}
