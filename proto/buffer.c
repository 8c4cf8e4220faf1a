/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation. Most replies and documents fit. */
#define BUFFER_CAPACITY_MIN 128

struct span span_of_text(const char *text) {
    return span_of(text, strlen(text));
}

bool span_is(struct span a, const char *text) {
    return span_equal(a, span_of_text(text));
}

void buffer_init(struct buffer *buffer, size_t bytes_max) {
    *buffer = (struct buffer){.bytes_max = bytes_max};
}

void buffer_fini(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

/* Twice the old capacity, at least what is needed, at most the bound: the copying stays linear in what is put. */
static size_t capacity_after(const struct buffer *buffer, size_t needed) {
    size_t capacity = buffer->capacity > buffer->bytes_max / 2 ? buffer->bytes_max : buffer->capacity * 2;

    if (capacity < BUFFER_CAPACITY_MIN) {
        capacity = BUFFER_CAPACITY_MIN;
    }
    if (capacity > buffer->bytes_max) {
        capacity = buffer->bytes_max;
    }
    return capacity < needed ? needed : capacity;
}

static bool grow(struct buffer *buffer, size_t needed) {
    size_t capacity = capacity_after(buffer, needed);
    uint8_t *data = capacity == 0 ? NULL : realloc(buffer->data, capacity);

    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *buffer_extend_slowly(struct buffer *buffer, size_t bytes) {
    assert(buffer->bytes <= buffer->capacity);
    if (buffer->failed) {
        return NULL;
    }
    /* A buffer whose bound was lowered below what it holds has no room, rather than a negative one. */
    size_t room = buffer->bytes_max > buffer->bytes ? buffer->bytes_max - buffer->bytes : 0;
    if (bytes > room || !grow(buffer, buffer->bytes + bytes)) {
        buffer->failed = true;
        return NULL;
    }
    buffer->bytes += bytes;
    return buffer->data + buffer->bytes - bytes;
}

void buffer_put_span(struct buffer *buffer, struct span span) {
    buffer_put(buffer, span.data, span.bytes);
}

void buffer_put_text(struct buffer *buffer, const char *text) {
    buffer_put(buffer, text, strlen(text));
}

void buffer_put_decimal(struct buffer *buffer, int64_t number) {
    char digits[20]; /* "-9223372036854775808" */
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    buffer_put(buffer, digits + at, sizeof(digits) - at);
}

void buffer_cut(struct buffer *buffer, size_t bytes) {
    assert(bytes <= buffer->bytes);
    buffer->bytes = bytes;
    buffer->failed = false;
}

void buffer_consume(struct buffer *buffer, size_t bytes) {
    assert(bytes <= buffer->bytes);
    if (bytes == 0) {
        return;
    }
    buffer->bytes -= bytes;
    memmove(buffer->data, buffer->data + bytes, buffer->bytes);
}

void buffer_clear(struct buffer *buffer, size_t keep) {
    if (buffer->capacity > keep) {
        free(buffer->data);
        buffer->data = NULL;
        buffer->capacity = 0;
    }
    buffer->bytes = 0;
    buffer->failed = false;
}

struct span buffer_span(const struct buffer *buffer) {
    return span_of(buffer->data, buffer->bytes);
}
