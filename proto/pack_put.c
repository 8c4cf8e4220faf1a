/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/pack.h"

#include <assert.h>
#include <math.h>
#include <msgpack.h>
#include <string.h>

static int write_to_buffer(void *out, const char *data, size_t bytes) {
    struct buffer *buffer = out;

    buffer_put(buffer, data, bytes);
    return buffer->failed ? -1 : 0;
}

/* A packer is two pointers: one made on the spot lets the compiler see through the callback. */
static msgpack_packer packer_of(struct buffer *out) {
    return (msgpack_packer){.data = out, .callback = write_to_buffer};
}

void pack_put_nil(struct buffer *out) {
    msgpack_packer packer = packer_of(out);

    msgpack_pack_nil(&packer);
}

void pack_put_bool(struct buffer *out, bool value) {
    msgpack_packer packer = packer_of(out);

    value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer);
}

void pack_put_int(struct buffer *out, int64_t value) {
    if (value >= 0 && value < 128) {
        buffer_put_byte(out, (uint8_t)value);
        return;
    }
    msgpack_packer packer = packer_of(out);

    msgpack_pack_int64(&packer, value);
}

void pack_put_float(struct buffer *out, double value) {
    msgpack_packer packer = packer_of(out);

    assert(isfinite(value));
    msgpack_pack_double(&packer, value);
}

/* A short text, as nearly every key is, is one piece. */
static void put_short_text(struct buffer *out, struct span text) {
    uint8_t *at = buffer_extend(out, 1 + text.bytes);

    if (at != NULL) {
        *at = (uint8_t)(0xa0 | text.bytes);
        memcpy(at + 1, text.bytes == 0 ? (const uint8_t *)"" : text.data, text.bytes);
    }
}

void pack_put_text(struct buffer *out, struct span text) {
    if (text.bytes < 32) {
        put_short_text(out, text);
        return;
    }
    msgpack_packer packer = packer_of(out);

    assert(text.bytes <= UINT32_MAX);
    msgpack_pack_str(&packer, text.bytes);
    buffer_put_span(out, text);
}

void pack_put_key(struct buffer *out, const char *key) {
    pack_put_text(out, span_of_text(key));
}

void pack_put_list(struct buffer *out, uint32_t count) {
    msgpack_packer packer = packer_of(out);

    msgpack_pack_array(&packer, count);
}

void pack_put_map(struct buffer *out, uint32_t count) {
    if (count < 16) {
        buffer_put_byte(out, (uint8_t)(0x80 | count));
        return;
    }
    msgpack_packer packer = packer_of(out);

    msgpack_pack_map(&packer, count);
}

void pack_put_raw(struct buffer *out, struct span value) {
    assert(value.data != NULL && value.bytes > 0);
    buffer_put_span(out, value);
}
