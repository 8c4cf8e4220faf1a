/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The phrases of ahora's encodings and of the yardstick, built once a run. */
#include "bench/dialect_peer.h"

#include "proto/pack.h"

#include <assert.h>
#include <string.h>

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

void dialect_build_packed_document(struct dialect *dialect, size_t bytes) {
    struct phrase *change = &dialect->change;
    size_t start = change->bytes.bytes;
    pack_put_map(&change->bytes, 4);
    pack_put_key(&change->bytes, "#");
    change->number_at = hole_at(dialect, &change->bytes);
    put_hole(dialect, &change->bytes);
    pack_put_key(&change->bytes, "t");
    change->time_at = hole_at(dialect, &change->bytes);
    put_hole(dialect, &change->bytes);
    pack_put_key(&change->bytes, "available");
    pack_put_int(&change->bytes, 7);
    pack_put_key(&change->bytes, "p");
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
    buffer_put_text(&change->bytes, ",\"available\":7,\"p\":\"");
    put_pad(&change->bytes, bytes - 2 - (change->bytes.bytes - start));
    buffer_put_text(&change->bytes, "\"}");
}

void dialect_build_packed(struct dialect *dialect, size_t document_bytes) {
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
    dialect_build_packed_document(dialect, document_bytes);
}

void dialect_build_text(struct dialect *dialect, size_t document_bytes) {
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

void dialect_build_raw(struct dialect *dialect, size_t document_bytes) {
    struct buffer *head = &dialect->head.bytes;
    buffer_put(head, strcmp(dialect->ack, "none") == 0 ? "p00000000ccbbbb" : "P00000000ccbbbb", 15);
    dialect->head.number_at = 1;
    dialect->head.count_at = 9;
    dialect->head.bytes_at = 11;
    buffer_put_text(&dialect->change.bytes, "0000000");
    dialect_build_packed_document(dialect, document_bytes);
}
