/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Bytes: a borrowed `span`, and a `buffer` that grows up to a bound.
 *
 * A buffer remembers its first failure (bound reached or no memory): put everything, look at `failed` once at the end.
 * After a failure its content is as it was before the put that failed. A zeroed buffer of bytes_max 0 fails every put.
 */
#ifndef PROTO_BUFFER_H
#define PROTO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data;
    size_t bytes;
};

/* These are called for every key of every message. */
static inline struct span span_of(const void *data, size_t bytes) {
    return (struct span){.data = (const uint8_t *)data, .bytes = bytes};
}

/* Most are keys of a few bytes: two words that may overlap say it without a call. */
static inline bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t bytes) {
    uint64_t a_words[2], b_words[2];
    uint32_t a_halves[2], b_halves[2];

    if (bytes > 16) {
        return memcmp(a, b, bytes) == 0;
    }
    if (bytes >= 8) {
        memcpy(&a_words[0], a, 8);
        memcpy(&a_words[1], a + bytes - 8, 8);
        memcpy(&b_words[0], b, 8);
        memcpy(&b_words[1], b + bytes - 8, 8);
        return a_words[0] == b_words[0] && a_words[1] == b_words[1];
    }
    if (bytes >= 4) {
        memcpy(&a_halves[0], a, 4);
        memcpy(&a_halves[1], a + bytes - 4, 4);
        memcpy(&b_halves[0], b, 4);
        memcpy(&b_halves[1], b + bytes - 4, 4);
        return a_halves[0] == b_halves[0] && a_halves[1] == b_halves[1];
    }
    return bytes == 0 || (a[0] == b[0] && a[bytes / 2] == b[bytes / 2] && a[bytes - 1] == b[bytes - 1]);
}

static inline bool span_equal(struct span a, struct span b) {
    return a.bytes == b.bytes && bytes_equal(a.data, b.data, a.bytes);
}

struct span span_of_text(const char *text); /* without its terminator */
bool span_is(struct span a, const char *text);

struct buffer {
    uint8_t *data;
    size_t bytes;     /* used */
    size_t capacity;  /* allocated */
    size_t bytes_max; /* never grows past this */
    bool failed;
};

void buffer_init(struct buffer *buffer, size_t bytes_max);
void buffer_fini(struct buffer *buffer); /* accepts a zeroed buffer; leaves it zeroed */

/* The rare half of buffer_extend: there is no room yet, or never will be. */
uint8_t *buffer_extend_slowly(struct buffer *buffer, size_t bytes);

/*
 * Room for `bytes` more, to be written by the caller before the next call; `bytes` grows by it. NULL on failure.
 * Inline, with the two puts below, because a message is written in a few dozen pieces of a few bytes.
 */
static inline uint8_t *buffer_extend(struct buffer *buffer, size_t bytes) {
    if (buffer->failed || buffer->data == NULL || bytes > buffer->capacity - buffer->bytes) {
        return buffer_extend_slowly(buffer, bytes);
    }
    uint8_t *at = buffer->data + buffer->bytes;
    buffer->bytes += bytes;
    return at;
}

static inline void buffer_put(struct buffer *buffer, const void *data, size_t bytes) {
    uint8_t *at = buffer_extend(buffer, bytes);

    if (at != NULL && bytes > 0) {
        memcpy(at, data, bytes);
    }
}

static inline void buffer_put_byte(struct buffer *buffer, uint8_t byte) {
    uint8_t *at = buffer_extend(buffer, 1);

    if (at != NULL) {
        *at = byte;
    }
}

void buffer_put_span(struct buffer *buffer, struct span span);
void buffer_put_text(struct buffer *buffer, const char *text);
void buffer_put_decimal(struct buffer *buffer, int64_t number);

/* Forget everything after the first `bytes`, and a failure with it. */
void buffer_cut(struct buffer *buffer, size_t bytes);

/* Drop the first `bytes`; the rest moves to the front. */
void buffer_consume(struct buffer *buffer, size_t bytes);

/* Empty, keeping the memory if it is at most `keep` bytes. */
void buffer_clear(struct buffer *buffer, size_t keep);

struct span buffer_span(const struct buffer *buffer);

#endif
