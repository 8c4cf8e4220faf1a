/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/dialect_peer.h"

#include "include/ahora/protocol.h"
#include "proto/pack.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES_MAX (64u << 20) /* of what waits to be sent on one connection */

static const struct dialect dialects[DIALECTS] = {
    [DIALECT_MSGPACK] = {.path = "/v1/ws", .subprotocol = AHORA_SUBPROTOCOL_MSGPACK, .framed = true, .opcode = 2},
    [DIALECT_JSON] = {.path = "/v1/ws",
                      .subprotocol = AHORA_SUBPROTOCOL_JSON,
                      .framed = true,
                      .opcode = 1,
                      .decimal = true,
                      .separator = ",",
                      .tail = "]}"},
    [DIALECT_NDJSON] = {.path = "/v1/publish",
                        .answering = ANSWERS_COUNTED,
                        .chunked = true,
                        .decimal = true,
                        .separator = "\n",
                        .tail = "\n"},
    [DIALECT_RAW] = {.path = "/", .subprotocol = "raw", .framed = true, .opcode = 2},
};

bool dialect_init(struct dialect *dialect, enum dialect_name name, size_t document_bytes, const char *ack) {
    assert(document_bytes >= DOCUMENT_BYTES_MIN);
    static uint32_t made;
    const struct peer_dialect *peer = peer_dialect_of(name);
    *dialect = peer != NULL ? peer->base : dialects[name];
    dialect->peer = peer;
    dialect->number = ++made;
    dialect->name = name;
    dialect->ack = ack;
    buffer_init(&dialect->head.bytes, MESSAGE_BYTES_MAX);
    buffer_init(&dialect->change.bytes, MESSAGE_BYTES_MAX);
    if (dialect->peer != NULL) {
        dialect->peer->build(dialect, document_bytes);
    } else if (name == DIALECT_RAW) {
        dialect_build_raw(dialect, document_bytes);
    } else if (dialect->decimal) {
        dialect_build_text(dialect, document_bytes);
    } else {
        dialect_build_packed(dialect, document_bytes);
    }
    return !dialect->head.bytes.failed && !dialect->change.bytes.failed;
}

void dialect_fini(struct dialect *dialect) {
    buffer_fini(&dialect->head.bytes);
    buffer_fini(&dialect->change.bytes);
}

/* ---- out ---- */

/* A client's frame is masked (RFC 6455 section 5.3); a key of zeros is one, and costs nothing here. */
void dialect_put_frame_head(const struct dialect *dialect, struct buffer *out, size_t bytes) {
    uint8_t head[14] = {(uint8_t)(0x80 | dialect->opcode)};
    size_t length_bytes = bytes < 126 ? 0 : bytes <= UINT16_MAX ? 2 : 8;
    head[1] = (uint8_t)(0x80 | (length_bytes == 0 ? bytes : length_bytes == 2 ? 126 : 127));
    for (size_t i = 0; i < length_bytes; i++) {
        head[2 + i] = (uint8_t)(bytes >> (8 * (length_bytes - 1 - i)));
    }
    buffer_put(out, head, 2 + length_bytes + 4);
}

static void write_big_endian(uint8_t *at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    }
}

static void write_digits(uint8_t *at, uint64_t value, size_t digits) {
    for (; digits > 0; digits--, value /= 10) {
        at[digits - 1] = (uint8_t)('0' + value % 10);
    }
}

static void write_number(const struct dialect *dialect, uint8_t *at, uint64_t value) {
    if (dialect->decimal) {
        write_digits(at, DIALECT_WIDE | value, DIALECT_DIGITS);
    } else {
        write_big_endian(at, DIALECT_WIDE | value, 8);
    }
}

void dialect_put_upgrade(const struct dialect *dialect, struct buffer *out, const char *authority, uint32_t topic) {
    char text[512];
    char path[64];
    if (!dialect->framed && !dialect->chunked) {
        return;
    }
    snprintf(path, sizeof path, "%s", dialect->path);
    if (dialect->has_topic_path) {
        snprintf(path, sizeof path, "%s%0*" PRIu32, dialect->path, TOPIC_DIGITS, topic);
    }
    if (dialect->framed) {
        snprintf(text, sizeof text,
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: YWhvcmEtYmVuY2gta2V5IQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                 path, authority, dialect->subprotocol != NULL ? "Sec-WebSocket-Protocol: " : "",
                 dialect->subprotocol != NULL ? dialect->subprotocol : "", dialect->subprotocol != NULL ? "\r\n" : "");
    } else {
        snprintf(
            text, sizeof text,
            "POST %s?ack=%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
            dialect->path, dialect->ack, authority);
    }
    buffer_put_text(out, text);
}

/* A small message of text and maps, given as JSON would have it or packed. */
static void put_small(const struct dialect *dialect, struct buffer *out, const struct buffer *message) {
    if (dialect->framed) {
        dialect_put_frame_head(dialect, out, message->bytes);
    }
    buffer_put_span(out, buffer_span(message));
}

/* The topic has three segments; a star may stand for each, in 8 ways. */
void dialect_write_pattern(char *out, size_t out_bytes, uint32_t topic, uint32_t stars) {
    assert(stars < DIALECT_PATTERNS);
    char number[16];
    snprintf(number, sizeof number, "%0*" PRIu32, TOPIC_DIGITS, topic);
    snprintf(out, out_bytes, "%s/%s/%s", (stars & 4) != 0 ? "*" : "stock", (stars & 2) != 0 ? "*" : "bench",
             (stars & 1) != 0 ? "*" : number);
}

struct subscription {
    uint32_t id;
    const char *match;
    const char *since;
    int64_t every_ms;
};

static void put_packed_subscribe(struct buffer *message, const struct subscription *subscription) {
    pack_put_map(message, 3u + (subscription->since != NULL) + (subscription->every_ms > 0));
    pack_put_key(message, "op");
    pack_put_key(message, "sub");
    pack_put_key(message, "id");
    pack_put_int(message, subscription->id);
    pack_put_key(message, "match");
    pack_put_key(message, subscription->match);
    if (subscription->since != NULL) {
        pack_put_key(message, "since");
        pack_put_key(message, subscription->since);
    }
    if (subscription->every_ms > 0) {
        pack_put_key(message, "every_ms");
        pack_put_int(message, subscription->every_ms);
    }
}

static void put_text_subscribe(struct buffer *message, const struct subscription *subscription) {
    buffer_put_text(message, "\n{\"op\":\"sub\",\"id\":");
    buffer_put_decimal(message, subscription->id);
    buffer_put_text(message, ",\"match\":\"");
    buffer_put_text(message, subscription->match);
    buffer_put_byte(message, '"');
    if (subscription->since != NULL) {
        buffer_put_text(message, ",\"since\":\"");
        buffer_put_text(message, subscription->since);
        buffer_put_byte(message, '"');
    }
    if (subscription->every_ms > 0) {
        buffer_put_text(message, ",\"every_ms\":");
        buffer_put_decimal(message, subscription->every_ms);
    }
    buffer_put_byte(message, '}');
}

static void put_hello_message(const struct dialect *dialect, struct buffer *message) {
    if (dialect->decimal) {
        buffer_put_text(message, "{\"op\":\"hello\"}");
    } else {
        pack_put_map(message, 1);
        pack_put_key(message, "op");
        pack_put_key(message, "hello");
    }
}

void dialect_put_hello(const struct dialect *dialect, struct buffer *out) {
    bool has_hello = dialect->peer != NULL ? dialect->peer->put_hello != NULL : dialect->framed && dialect->name != DIALECT_RAW;
    if (!has_hello) {
        return;
    }
    struct buffer message;
    buffer_init(&message, MESSAGE_BYTES_MAX);
    if (dialect->peer != NULL) {
        dialect->peer->put_hello(dialect, &message);
    } else {
        put_hello_message(dialect, &message);
    }
    put_small(dialect, out, &message);
    buffer_fini(&message);
}

static void put_subscriptions(const struct dialect *dialect, struct buffer *message, const struct interest *interest,
                              const char *since) {
    char match[64];
    uint32_t count = interest->stars > 0 ? 1 : interest->count;
    put_hello_message(dialect, message);
    for (uint32_t i = 0; i < count; i++) {
        struct subscription subscription = {.id = i + 1, .match = match, .since = since, .every_ms = interest->every_ms};
        if (interest->match != NULL) {
            subscription.match = interest->match;
        } else {
            dialect_write_pattern(match, sizeof match, interest->first + i, interest->stars);
        }
        if (dialect->decimal) {
            put_text_subscribe(message, &subscription);
        } else {
            put_packed_subscribe(message, &subscription);
        }
    }
}

void dialect_put_subscribe(const struct dialect *dialect, struct buffer *out, const struct interest *interest,
                           const char *since) {
    char name[16];
    struct buffer message;
    buffer_init(&message, MESSAGE_BYTES_MAX);
    snprintf(name, sizeof name, "%0*" PRIu32, TOPIC_DIGITS, interest->first);
    if (dialect->peer != NULL) {
        dialect->peer->put_subscribe(&message, name);
    } else if (dialect->name == DIALECT_RAW) {
        buffer_put_byte(&message, 'S');
        buffer_put_text(&message, name);
    } else {
        put_subscriptions(dialect, &message, interest, since);
    }
    if (message.bytes > 0) {
        put_small(dialect, out, &message);
    }
    buffer_fini(&message);
}

void dialect_put_ping(const struct dialect *dialect, struct buffer *out, uint64_t id) {
    struct buffer message;
    buffer_init(&message, MESSAGE_BYTES_MAX);
    if (dialect->peer != NULL) {
        buffer_put(&message, dialect->peer->question, dialect->peer->question_bytes);
    } else if (dialect->name == DIALECT_RAW) {
        buffer_put_byte(&message, 'Q');
        uint8_t *at = buffer_extend(&message, 8);
        if (at != NULL) {
            write_big_endian(at, DIALECT_WIDE | id, 8);
        }
    } else if (dialect->decimal) {
        buffer_put_text(&message, "{\"op\":\"ping\",\"id\":");
        buffer_put_decimal(&message, (int64_t)(DIALECT_WIDE | id));
        buffer_put_byte(&message, '}');
    } else {
        pack_put_map(&message, 2);
        pack_put_key(&message, "op");
        pack_put_key(&message, "ping");
        pack_put_key(&message, "id");
        pack_put_int(&message, (int64_t)(DIALECT_WIDE | id));
    }
    put_small(dialect, out, &message);
    buffer_fini(&message);
}

static void write_float(uint8_t *at, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    write_big_endian(at, bits, 8);
}

static uint64_t number_of_stamp(const struct stamp *stamp) {
    return (uint64_t)stamp->topic << COUNT_BITS | stamp->count;
}

static uint8_t *write_change(const struct dialect *dialect, uint8_t *at, const struct stamp *stamp, uint64_t mid) {
    const struct phrase *change = &dialect->change;
    memcpy(at, change->bytes.data, change->bytes.bytes);
    write_digits(at + change->topic_at, stamp->topic, TOPIC_DIGITS);
    write_number(dialect, at + change->number_at, number_of_stamp(stamp));
    write_number(dialect, at + change->time_at, (uint64_t)stamp->sent_ns);
    if (change->lat_at > 0) {
        write_float(at + change->lat_at, stamp->lat);
        write_float(at + change->lon_at, stamp->lon);
    }
    if (change->mid_at > 0) {
        write_big_endian(at + change->mid_at, 1 + mid % UINT16_MAX, 2);
    }
    return at + change->bytes.bytes;
}

static uint8_t *write_head(const struct dialect *dialect, uint8_t *at, uint64_t id, uint32_t count) {
    const struct phrase *head = &dialect->head;
    if (head->bytes.bytes == 0) {
        return at;
    }
    memcpy(at, head->bytes.data, head->bytes.bytes);
    write_number(dialect, at + head->number_at, id);
    if (head->count_at > 0) {
        write_big_endian(at + head->count_at, count, 2);
    }
    if (head->bytes_at > 0) {
        write_big_endian(at + head->bytes_at, dialect->change.bytes.bytes - TOPIC_DIGITS, 4);
    }
    return at + head->bytes.bytes;
}

void dialect_put_publish(const struct dialect *dialect, struct buffer *out, uint64_t id, const struct stamp *stamps,
                         uint32_t count) {
    assert(count >= 1 && count <= AHORA_CHANGES_MAX);
    size_t between = dialect->separator != NULL;
    size_t tail = dialect->tail != NULL ? strlen(dialect->tail) : 0;
    size_t bytes = dialect->head.bytes.bytes + count * dialect->change.bytes.bytes + (count - 1) * between + tail;
    if (dialect->framed) {
        dialect_put_frame_head(dialect, out, bytes);
    } else if (dialect->chunked) {
        char chunk[24];
        snprintf(chunk, sizeof chunk, "%zx\r\n", bytes);
        buffer_put_text(out, chunk);
    }
    uint8_t *at = buffer_extend(out, bytes);
    if (at == NULL) {
        return;
    }
    at = write_head(dialect, at, id, count);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && between) {
            *at++ = (uint8_t)*dialect->separator;
        }
        at = write_change(dialect, at, &stamps[i], id * count + i);
    }
    if (tail > 0) {
        memcpy(at, dialect->tail, tail);
    }
    if (dialect->chunked) {
        buffer_put_text(out, "\r\n");
    }
}
