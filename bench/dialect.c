/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/dialect.h"

#include "include/ahora/protocol.h"
#include "proto/pack.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES_MAX (64u << 20) /* of what waits to be sent on one connection */

/* ---- phrases ---- */

static void put_hole(const struct dialect *dialect, struct buffer *out) {
    if (dialect->decimal) {
        buffer_put_decimal(out, (int64_t)DIALECT_WIDE);
    } else {
        pack_put_int(out, (int64_t)DIALECT_WIDE);
    }
}

/* Where the 8 bytes or 19 digits of the number start that put_hole is about to write. */
static size_t hole_at(const struct dialect *dialect, const struct buffer *out) {
    return out->bytes + !dialect->decimal;
}

static void put_pad(struct buffer *out, size_t bytes) {
    uint8_t *pad = buffer_extend(out, bytes);
    if (pad != NULL) {
        memset(pad, 'x', bytes);
    }
}

static void build_packed_document(struct dialect *dialect, size_t bytes) {
    struct phrase *change = &dialect->change;
    size_t start = change->bytes.bytes;
    pack_put_map(&change->bytes, 3);
    pack_put_key(&change->bytes, "#");
    change->number_at = hole_at(dialect, &change->bytes);
    put_hole(dialect, &change->bytes);
    pack_put_key(&change->bytes, "t");
    change->time_at = hole_at(dialect, &change->bytes);
    put_hole(dialect, &change->bytes);
    pack_put_key(&change->bytes, "pad");
    size_t left = bytes - (change->bytes.bytes - start);
    size_t head = left <= 32 ? 1 : left <= 257 ? 2 : 3;
    static const char pad[UINT16_MAX] = {0};
    assert(left <= sizeof pad);
    pack_put_text(&change->bytes, span_of(pad, left - head));
    memset(change->bytes.data + change->bytes.bytes - (left - head), 'x', left - head);
}

static void build_text_document(struct dialect *dialect, size_t bytes) {
    struct phrase *change = &dialect->change;
    size_t start = change->bytes.bytes;
    buffer_put_text(&change->bytes, "{\"#\":");
    change->number_at = hole_at(dialect, &change->bytes);
    put_hole(dialect, &change->bytes);
    buffer_put_text(&change->bytes, ",\"t\":");
    change->time_at = hole_at(dialect, &change->bytes);
    put_hole(dialect, &change->bytes);
    buffer_put_text(&change->bytes, ",\"pad\":\"");
    put_pad(&change->bytes, bytes - 2 - (change->bytes.bytes - start));
    buffer_put_text(&change->bytes, "\"}");
}

static void build_packed(struct dialect *dialect, size_t document_bytes) {
    struct buffer *head = &dialect->head.bytes;
    pack_put_map(head, 4);
    pack_put_key(head, "op");
    pack_put_key(head, "pub");
    pack_put_key(head, "id");
    dialect->head.number_at = hole_at(dialect, head);
    put_hole(dialect, head);
    pack_put_key(head, "ack");
    pack_put_key(head, dialect->ack);
    pack_put_key(head, "changes");
    pack_put_list(head, UINT16_MAX); /* always the form with two bytes of count */
    dialect->head.count_at = head->bytes - 2;
    struct buffer *change = &dialect->change.bytes;
    pack_put_map(change, 3);
    pack_put_key(change, "op");
    pack_put_key(change, "set");
    pack_put_key(change, "topic");
    pack_put_key(change, TOPIC_PREFIX "0000000");
    dialect->change.topic_at = change->bytes - TOPIC_DIGITS;
    pack_put_key(change, "data");
    build_packed_document(dialect, document_bytes);
}

static void build_text(struct dialect *dialect, size_t document_bytes) {
    struct buffer *head = &dialect->head.bytes;
    if (dialect->name == DIALECT_JSON) {
        buffer_put_text(head, "{\"op\":\"pub\",\"id\":");
        dialect->head.number_at = hole_at(dialect, head);
        put_hole(dialect, head);
        buffer_put_text(head, ",\"ack\":\"");
        buffer_put_text(head, dialect->ack);
        buffer_put_text(head, "\",\"changes\":[");
    }
    struct buffer *change = &dialect->change.bytes;
    buffer_put_text(change, "{\"op\":\"set\",\"topic\":\"" TOPIC_PREFIX "0000000");
    dialect->change.topic_at = change->bytes - TOPIC_DIGITS;
    buffer_put_text(change, "\",\"data\":");
    build_text_document(dialect, document_bytes);
    buffer_put_byte(change, '}');
}

static void build_raw(struct dialect *dialect, size_t document_bytes) {
    struct buffer *head = &dialect->head.bytes;
    buffer_put(head, strcmp(dialect->ack, "none") == 0 ? "p00000000ccbbbb" : "P00000000ccbbbb", 15);
    dialect->head.number_at = 1;
    dialect->head.count_at = 9;
    dialect->head.bytes_at = 11;
    buffer_put_text(&dialect->change.bytes, "0000000");
    build_packed_document(dialect, document_bytes);
}

static const struct dialect dialects[] = {
    [DIALECT_MSGPACK] = {.path = "/v1/ws", .subprotocol = AHORA_SUBPROTOCOL_MSGPACK, .framed = true, .opcode = 2},
    [DIALECT_JSON] = {.path = "/v1/ws",
                      .subprotocol = AHORA_SUBPROTOCOL_JSON,
                      .framed = true,
                      .opcode = 1,
                      .decimal = true,
                      .separator = ",",
                      .tail = "]}"},
    [DIALECT_NDJSON] = {.path = "/v1/publish", .decimal = true, .separator = "\n", .tail = "\n"},
    [DIALECT_RAW] = {.path = "/", .subprotocol = "raw", .framed = true, .opcode = 2},
};

bool dialect_init(struct dialect *dialect, enum dialect_name name, size_t document_bytes, const char *ack) {
    assert(document_bytes >= DOCUMENT_BYTES_MIN);
    *dialect = dialects[name];
    dialect->name = name;
    dialect->ack = ack;
    buffer_init(&dialect->head.bytes, MESSAGE_BYTES_MAX);
    buffer_init(&dialect->change.bytes, MESSAGE_BYTES_MAX);
    if (name == DIALECT_RAW) {
        build_raw(dialect, document_bytes);
    } else if (dialect->decimal) {
        build_text(dialect, document_bytes);
    } else {
        build_packed(dialect, document_bytes);
    }
    return !dialect->head.bytes.failed && !dialect->change.bytes.failed;
}

void dialect_fini(struct dialect *dialect) {
    buffer_fini(&dialect->head.bytes);
    buffer_fini(&dialect->change.bytes);
}

/* ---- out ---- */

/* A client's frame is masked (RFC 6455 section 5.3); a key of zeros is one, and costs nothing here. */
static void put_frame_head(const struct dialect *dialect, struct buffer *out, size_t bytes) {
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

void dialect_put_upgrade(const struct dialect *dialect, struct buffer *out, const char *authority) {
    char text[512];
    if (dialect->framed) {
        snprintf(
            text, sizeof text,
            "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: YWhvcmEtYmVuY2gta2V5IQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
            dialect->path, authority, dialect->subprotocol);
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
    put_frame_head(dialect, out, message->bytes);
    buffer_put_span(out, buffer_span(message));
}

static void put_packed_subscribe(struct buffer *message, const char *topic, const char *since) {
    pack_put_map(message, since != NULL ? 4 : 3);
    pack_put_key(message, "op");
    pack_put_key(message, "sub");
    pack_put_key(message, "id");
    pack_put_int(message, 1);
    pack_put_key(message, "match");
    pack_put_key(message, topic);
    if (since != NULL) {
        pack_put_key(message, "since");
        pack_put_key(message, since);
    }
}

static void put_text_subscribe(struct buffer *message, const char *topic, const char *since) {
    buffer_put_text(message, "\n{\"op\":\"sub\",\"id\":1,\"match\":\"");
    buffer_put_text(message, topic);
    if (since != NULL) {
        buffer_put_text(message, "\",\"since\":\"");
        buffer_put_text(message, since);
    }
    buffer_put_text(message, "\"}");
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
    if (!dialect->framed || dialect->name == DIALECT_RAW) {
        return;
    }
    struct buffer message;
    buffer_init(&message, MESSAGE_BYTES_MAX);
    put_hello_message(dialect, &message);
    put_small(dialect, out, &message);
    buffer_fini(&message);
}

void dialect_put_subscribe(const struct dialect *dialect, struct buffer *out, uint32_t topic, const char *since) {
    char name[64];
    snprintf(name, sizeof name, TOPIC_PREFIX "%0*" PRIu32, TOPIC_DIGITS, topic);
    struct buffer message;
    buffer_init(&message, MESSAGE_BYTES_MAX);
    if (dialect->name == DIALECT_RAW) {
        buffer_put_byte(&message, 'S');
        buffer_put_text(&message, name + strlen(TOPIC_PREFIX));
    } else {
        put_hello_message(dialect, &message);
        if (dialect->decimal) {
            put_text_subscribe(&message, name, since);
        } else {
            put_packed_subscribe(&message, name, since);
        }
    }
    put_small(dialect, out, &message);
    buffer_fini(&message);
}

void dialect_put_ping(const struct dialect *dialect, struct buffer *out, uint64_t id) {
    assert(dialect->framed);
    struct buffer message;
    buffer_init(&message, MESSAGE_BYTES_MAX);
    if (dialect->name == DIALECT_RAW) {
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

static uint64_t number_of_stamp(const struct stamp *stamp) {
    return (uint64_t)stamp->topic << COUNT_BITS | stamp->count;
}

static uint8_t *write_change(const struct dialect *dialect, uint8_t *at, const struct stamp *stamp) {
    const struct phrase *change = &dialect->change;
    memcpy(at, change->bytes.data, change->bytes.bytes);
    write_digits(at + change->topic_at, stamp->topic, TOPIC_DIGITS);
    write_number(dialect, at + change->number_at, number_of_stamp(stamp));
    write_number(dialect, at + change->time_at, (uint64_t)stamp->sent_ns);
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
        put_frame_head(dialect, out, bytes);
    } else {
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
        at = write_change(dialect, at, &stamps[i]);
    }
    if (tail > 0) {
        memcpy(at, dialect->tail, tail);
    }
    if (!dialect->framed) {
        buffer_put_text(out, "\r\n");
    }
}
