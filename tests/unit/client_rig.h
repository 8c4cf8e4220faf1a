/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A broker played by the test: it answers the upgrade, says messages written as JSON (sent as either encoding), and hears what
 * the client says, as JSON lines. What the client reports is kept as text, one event a line.
 */
#ifndef TEST_CLIENT_RIG_H
#define TEST_CLIENT_RIG_H

#include "clients/c/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

struct rig {
    struct client client;
    enum ahora_encoding encoding;
    uint64_t seed;
    int64_t now;
    int64_t broker_now; /* what it says in its next welcome, less 1 */
    bool opened;        /* the client wants a connection */
    unsigned drops;     /* connections it asked to drop */
    struct buffer raw;  /* what it sent, not yet understood */
    struct buffer heard;
    struct buffer events;
    int close_code; /* of the last Close frame it sent */
};

static inline void rig_fill(void *context, void *bytes, size_t count) {
    struct rig *rig = context;
    for (size_t i = 0; i < count; i++) {
        rig->seed ^= rig->seed << 13;
        rig->seed ^= rig->seed >> 7;
        rig->seed ^= rig->seed << 17;
        ((uint8_t *)bytes)[i] = (uint8_t)(rig->seed >> 32);
    }
}

static inline void rig_note(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void rig_note(struct rig *rig, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_put_text(&rig->events, text);
}

static inline void rig_note_change(struct rig *rig, const struct client_event *event) {
    static const char *const names[] = {"subscribed", "set", "patch", "remove", "live", "behind", "refused"};
    const struct ahora_event *change = &event->change;
    rig_note(rig, "%lld %s", (long long)event->sub->id, names[change->kind]);
    if (change->topic.bytes > 0) {
        rig_note(rig, " %.*s#%lld ", (int)change->topic.bytes, (const char *)change->topic.data, (long long)change->seq);
    }
    if (change->data.data != NULL) {
        json_put(&rig->events, span_of(change->data.data, change->data.bytes));
    }
    if (change->kind == AHORA_EVENT_SUBSCRIBED) {
        rig_note(rig, " %s", change->resumed ? "resumed" : "whole");
    } else if (change->kind == AHORA_EVENT_LIVE) {
        rig_note(rig, " %lld%s", (long long)change->seq, change->skipped > 0 ? " skipped" : "");
    } else if (change->kind == AHORA_EVENT_REMOVE) {
        rig_note(rig, "%s", change->why == AHORA_WHY_NONE ? "unknown" : ahora_why_name(change->why));
    } else if (change->kind == AHORA_EVENT_REFUSED) {
        rig_note(rig, " %s", ahora_code_name(change->code));
    }
    rig_note(rig, change->stale ? " stale\n" : "\n");
}

static inline void rig_note_published(struct rig *rig, const struct ahora_published *published) {
    static const char *const outcomes[] = {"answered", "disconnected", "cancelled"};
    rig_note(rig, "published %s", outcomes[published->outcome]);
    for (size_t i = 0; i < published->count; i++) {
        const struct ahora_result *result = &published->results[i];
        rig_note(rig, result->code == AHORA_OK ? " %s%lld" : " %s#%lld",
                 result->code == AHORA_OK ? "" : ahora_code_name(result->code), (long long)result->seq);
    }
    rig_note(rig, "\n");
}

static inline void rig_note_event(struct rig *rig, const struct client_event *event) {
    static const char *const lines[] = {"connected", "lost", "stopped"};
    switch (event->kind) {
    case CLIENT_EVENT_CONNECT:
        rig->opened = true;
        return;
    case CLIENT_EVENT_DROP:
        rig->opened = false;
        rig->drops++;
        return;
    case CLIENT_EVENT_TOKEN:
        rig_note(rig, "token wanted\n");
        return;
    case CLIENT_EVENT_LINE:
        rig_note(rig, "%s\n", lines[event->line.line]);
        return;
    case CLIENT_EVENT_SUB:
        rig_note_change(rig, event);
        return;
    case CLIENT_EVENT_PUBLISHED:
        rig_note_published(rig, &event->published);
        return;
    case CLIENT_EVENT_SNAPSHOT:
        rig_note(rig, "snapshot %s %zu\n", ahora_code_name(event->snapshot.code), event->snapshot.count);
        return;
    }
}

/* The client's masked frames, unmasked. */
static inline void rig_hear(struct rig *rig) {
    client_output(&rig->client, &rig->raw);
    while (rig->raw.bytes >= 2 && memcmp(rig->raw.data, "GET ", 4) != 0) {
        uint8_t *at = rig->raw.data;
        assert_true((at[1] & 0x80) != 0);
        size_t bytes = at[1] & 0x7f;
        size_t head = 2;
        if (bytes == 126) {
            bytes = (size_t)at[2] << 8 | at[3];
            head = 4;
        }
        assert_true(rig->raw.bytes >= head + 4 + bytes);
        uint8_t *payload = at + head + 4;
        for (size_t i = 0; i < bytes; i++) {
            payload[i] ^= at[head + i % 4];
        }
        if ((at[0] & 0x0f) == 8) {
            rig->close_code = payload[0] << 8 | payload[1];
        } else if ((at[0] & 0x0f) == 2) {
            json_put(&rig->heard, span_of(payload, bytes));
            buffer_put_byte(&rig->heard, '\n');
        } else {
            buffer_put(&rig->heard, payload, bytes);
            buffer_put_byte(&rig->heard, '\n');
        }
        buffer_consume(&rig->raw, head + 4 + bytes);
    }
}

/* Everything the client has to say and to send. */
static inline void rig_settle(struct rig *rig) {
    struct client_event event;
    while (client_poll(&rig->client, &event)) {
        rig_note_event(rig, &event);
    }
    rig_hear(rig);
}

static inline void rig_init_asking(struct rig *rig, enum ahora_encoding encoding, size_t documents_bytes_max, bool asks_token) {
    *rig = (struct rig){.encoding = encoding, .seed = 4711, .now = 1000000};
    buffer_init(&rig->raw, 1 << 20);
    buffer_init(&rig->heard, 1 << 20);
    buffer_init(&rig->events, 1 << 20);
    struct client_options options = {
        .authority = "broker:7600",
        .name = "test/1",
        .encoding = encoding,
        .asks_token = asks_token,
        .message_bytes_max = 4096,
        .documents_bytes_max = documents_bytes_max,
        .outbox_bytes_max = 65536,
        .random = {.fill = rig_fill, .context = rig},
    };
    assert_true(client_init(&rig->client, &options));
    client_start(&rig->client, rig->now);
    rig_settle(rig);
}

static inline void rig_init_with(struct rig *rig, enum ahora_encoding encoding, size_t documents_bytes_max) {
    rig_init_asking(rig, encoding, documents_bytes_max, false);
}

static inline void rig_init(struct rig *rig, enum ahora_encoding encoding) {
    rig_init_with(rig, encoding, 1 << 20);
}

static inline void rig_fini(struct rig *rig) {
    client_fini(&rig->client);
    buffer_fini(&rig->raw);
    buffer_fini(&rig->heard);
    buffer_fini(&rig->events);
}

static inline void rig_bytes(struct rig *rig, const void *bytes, size_t count) {
    client_on_bytes(&rig->client, rig->now, span_of(bytes, count));
    rig_settle(rig);
}

static inline void rig_frame(struct rig *rig, uint8_t first, struct span payload) {
    uint8_t frame[8192] = {first};
    size_t head = 2;
    assert_true(payload.bytes < sizeof(frame) - 4);
    frame[1] = (uint8_t)payload.bytes;
    if (payload.bytes > 125) {
        frame[1] = 126;
        frame[2] = (uint8_t)(payload.bytes >> 8);
        frame[3] = (uint8_t)payload.bytes;
        head = 4;
    }
    if (payload.bytes > 0) {
        memcpy(frame + head, payload.data, payload.bytes);
    }
    rig_bytes(rig, frame, head + payload.bytes);
}

/* Messages as JSON, one a line, in one WebSocket message. */
static inline void rig_say(struct rig *rig, const char *lines) {
    struct buffer payload;
    buffer_init(&payload, 8192);
    for (const char *line = lines; rig->encoding == AHORA_ENCODING_MSGPACK && *line != '\0';) {
        size_t bytes = strcspn(line, "\n");
        assert_int_equal(json_to_pack(span_of(line, bytes), 20, &payload, NULL), AHORA_OK);
        line += bytes + (line[bytes] == '\n');
    }
    bool json = rig->encoding == AHORA_ENCODING_JSON;
    rig_frame(rig, json ? 0x81 : 0x82, json ? span_of_text(lines) : buffer_span(&payload));
    buffer_fini(&payload);
}

/* The answer to the upgrade request that lies in `raw`; nothing is settled. */
static inline void rig_put_upgrade(struct rig *rig, struct buffer *out) {
    char *key = memmem(rig->raw.data, rig->raw.bytes, "Sec-WebSocket-Key: ", 19);
    assert_non_null(key);
    char text[64] = {0};
    memcpy(text, key + 19, 24);
    strcat(text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    unsigned char digest[SHA_DIGEST_LENGTH];
    unsigned char accept[32];
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock(accept, digest, sizeof(digest));
    buffer_put_text(out, "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
                         "Sec-WebSocket-Accept: ");
    buffer_put_text(out, (const char *)accept);
    buffer_put_text(out, "\r\nSec-WebSocket-Protocol: ");
    buffer_put_text(out, rig->encoding == AHORA_ENCODING_JSON ? AHORA_SUBPROTOCOL_JSON : AHORA_SUBPROTOCOL_MSGPACK);
    buffer_put_text(out, "\r\n\r\n");
}

/* Up to the upgrade, not yet welcome. */
static inline void rig_upgrade(struct rig *rig) {
    assert_true(rig->opened);
    client_on_connected(&rig->client, rig->now);
    rig_settle(rig);
    struct buffer answer;
    buffer_init(&answer, 4096);
    rig_put_upgrade(rig, &answer);
    buffer_clear(&rig->raw, 65536);
    rig_bytes(rig, answer.data, answer.bytes);
    buffer_fini(&answer);
}

static inline void rig_welcome(struct rig *rig, const char *epoch) {
    char text[256];
    rig_upgrade(rig);
    snprintf(text, sizeof(text),
             "{\"op\":\"welcome\",\"session\":\"s\",\"epoch\":\"%s\",\"seq\":9,\"now\":%lld,\"beat_ms\":1000,"
             "\"limits\":{},\"server\":\"test\"}",
             epoch, (long long)rig->broker_now + 1);
    rig_say(rig, text);
}

static inline void rig_cut(struct rig *rig) {
    rig->opened = false;
    client_on_disconnected(&rig->client, rig->now, "cut");
    rig_settle(rig);
}

static inline void rig_wait(struct rig *rig, int64_t ms) {
    rig->now += ms;
    client_on_time(&rig->client, rig->now);
    rig_settle(rig);
}

static inline struct ahora_sub *rig_follow(struct rig *rig, const char *pattern, const char *since) {
    struct ahora_sub *sub =
        client_subscribe(&rig->client, &(struct ahora_view){.match = {pattern}, .match_count = 1, .since = since});
    assert_non_null(sub);
    rig_settle(rig);
    return sub;
}

static void expect_text(struct buffer *text, const char *expected) {
    buffer_put_byte(text, 0);
    assert_string_equal((const char *)text->data, expected);
    buffer_clear(text, 65536);
}

#define expect_events(rig, expected) expect_text(&(rig)->events, expected)
#define expect_heard(rig, expected) expect_text(&(rig)->heard, expected)

#endif
