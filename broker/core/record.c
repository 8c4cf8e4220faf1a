/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/record.h"

#include <assert.h>

#define VARINT_BYTES_MAX 10
#define FIXED_BYTES 6
#define VARINTS 8

enum record_flag {
    FLAG_REMOVED = 1,
    FLAG_STALE = 2,
    FLAG_FRESH_MS = 4,
    FLAG_EXPIRE_MS = 8,
    FLAG_SOURCE_DELETES = 16,
    FLAGS_KNOWN = 31,
};

struct record record_key_alone(const struct record *record) {
    assert(record->key.bytes > 0);
    return (struct record){
        .key = record->key, .seq = record->seq, .fresh_ms = -1, .expire_ms = -1, .accepted_at = record->accepted_at};
}

size_t record_bytes_max(size_t topic_bytes, size_t key_bytes, size_t source_bytes, size_t data_bytes) {
    return FIXED_BYTES + VARINTS * VARINT_BYTES_MAX + topic_bytes + key_bytes + source_bytes + data_bytes;
}

/* Behind the number, written at `at`. */
static uint8_t *varint_put(uint8_t *at, int64_t number) {
    uint64_t rest = (uint64_t)number;
    for (; rest >= 0x80; rest >>= 7) {
        *at++ = (uint8_t)(rest | 0x80);
    }
    *at++ = (uint8_t)rest;
    return at;
}

static uint8_t flags_of(const struct record *record) {
    return (uint8_t)((record->removed ? FLAG_REMOVED : 0) | (record->stale ? FLAG_STALE : 0) |
                     (record->fresh_ms >= 0 ? FLAG_FRESH_MS : 0) | (record->expire_ms >= 0 ? FLAG_EXPIRE_MS : 0) |
                     (record->source_deletes ? FLAG_SOURCE_DELETES : 0));
}

/* A key alone has seq, key and accepted_at. */
static bool is_key_alone(const struct record *record) {
    return record->topic.bytes == 0 && record->key.bytes > 0 && flags_of(record) == 0 && record->why == AHORA_WHY_NONE &&
           record->seq_created == 0 && record->at == 0 && record->data.bytes == 0 && record->source.bytes == 0;
}

/* Without a name a source has nothing. */
static bool is_source_whole(const struct record *record) {
    return record->source.bytes > 0 ? record->grace_ms >= 0 : record->grace_ms == 0 && !record->source_deletes;
}

void record_put(struct buffer *out, const struct record *record) {
    assert(record->topic.bytes > 0 || is_key_alone(record));
    assert(record->topic.bytes <= AHORA_TOPIC_BYTES_MAX);
    assert(record->key.bytes <= UINT8_MAX && record->source.bytes <= UINT8_MAX && is_source_whole(record));
    assert(record->seq > 0 && record->seq <= AHORA_SEQ_MAX);
    assert(!record->removed || record->data.bytes == 0);
    uint8_t head[FIXED_BYTES + VARINTS * VARINT_BYTES_MAX] = {
        RECORD_VERSION,
        flags_of(record),
        (uint8_t)record->why,
        (uint8_t)record->topic.bytes,
        (uint8_t)record->key.bytes,
        (uint8_t)record->source.bytes,
    };
    uint8_t *at = varint_put(head + FIXED_BYTES, record->seq);
    at = varint_put(at, record->seq_created);
    at = varint_put(at, record->at);
    at = varint_put(at, record->accepted_at);
    at = record->fresh_ms >= 0 ? varint_put(at, record->fresh_ms) : at;
    at = record->expire_ms >= 0 ? varint_put(at, record->expire_ms) : at;
    at = record->source.bytes > 0 ? varint_put(at, record->grace_ms) : at;
    at = varint_put(at, (int64_t)record->data.bytes);
    buffer_put(out, head, (size_t)(at - head));
    buffer_put_span(out, record->topic);
    buffer_put_span(out, record->key);
    buffer_put_span(out, record->source);
    buffer_put_span(out, record->data);
}

/* A cursor that remembers its first failure. */
struct cursor {
    struct span rest;
    bool failed;
};

static struct span cursor_take(struct cursor *cursor, uint64_t bytes) {
    if (bytes > cursor->rest.bytes) {
        cursor->failed = true;
        return (struct span){0};
    }
    struct span taken = {cursor->rest.data, (size_t)bytes};
    cursor->rest.data += bytes;
    cursor->rest.bytes -= (size_t)bytes;
    return taken;
}

/* Only the shortest form is well-formed, so that equal records have equal bytes. */
static int64_t cursor_take_varint(struct cursor *cursor) {
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        struct span byte = cursor_take(cursor, 1);
        if (cursor->failed) {
            return 0;
        }
        number |= (uint64_t)(byte.data[0] & 0x7f) << shift;
        if (byte.data[0] < 0x80) {
            cursor->failed = (shift > 0 && byte.data[0] == 0) || (shift == 63 && byte.data[0] > 1);
            return (int64_t)number;
        }
    }
    cursor->failed = true;
    return 0;
}

/* A duration that is there is not negative. */
static int64_t cursor_take_duration(struct cursor *cursor, bool present) {
    if (!present) {
        return -1;
    }
    int64_t duration_ms = cursor_take_varint(cursor);
    cursor->failed = cursor->failed || duration_ms < 0;
    return duration_ms;
}

bool record_read(struct span *bytes, struct record *record) {
    struct cursor cursor = {.rest = *bytes};
    struct span fixed = cursor_take(&cursor, FIXED_BYTES);
    if (cursor.failed || fixed.data[0] != RECORD_VERSION || fixed.data[1] > FLAGS_KNOWN || fixed.data[2] > AHORA_WHY_DENIED) {
        return false;
    }
    uint8_t flags = fixed.data[1];
    *record = (struct record){
        .removed = (flags & FLAG_REMOVED) != 0,
        .stale = (flags & FLAG_STALE) != 0,
        .source_deletes = (flags & FLAG_SOURCE_DELETES) != 0,
        .why = (enum ahora_why)fixed.data[2],
    };
    record->seq = cursor_take_varint(&cursor);
    record->seq_created = cursor_take_varint(&cursor);
    record->at = cursor_take_varint(&cursor);
    record->accepted_at = cursor_take_varint(&cursor);
    record->fresh_ms = cursor_take_duration(&cursor, (flags & FLAG_FRESH_MS) != 0);
    record->expire_ms = cursor_take_duration(&cursor, (flags & FLAG_EXPIRE_MS) != 0);
    record->grace_ms = fixed.data[5] > 0 ? cursor_take_duration(&cursor, true) : 0;
    uint64_t data_bytes = (uint64_t)cursor_take_varint(&cursor);
    record->topic = cursor_take(&cursor, fixed.data[3]);
    record->key = cursor_take(&cursor, fixed.data[4]);
    record->source = cursor_take(&cursor, fixed.data[5]);
    record->data = cursor_take(&cursor, data_bytes);
    if (cursor.failed || (record->topic.bytes == 0 && !is_key_alone(record)) || record->seq <= 0 ||
        record->seq > AHORA_SEQ_MAX || (record->removed && data_bytes > 0) || !is_source_whole(record)) {
        return false;
    }
    *bytes = cursor.rest;
    return true;
}
