/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bytes_fini(struct bytes *bytes) {
    free(bytes->block);
    *bytes = (struct bytes){0};
}

void bytes_clear(struct bytes *bytes) {
    bytes->start = 0;
    bytes->end = 0;
}

char *bytes_reserve(struct bytes *bytes, size_t size) {
    if (bytes->capacity - bytes->end >= size) {
        return bytes->block + bytes->end;
    }
    size_t held = bytes_size(bytes);
    if (bytes->start > 0 && held > 0) {
        memmove(bytes->block, bytes->block + bytes->start, held);
    }
    bytes->start = 0;
    bytes->end = held;
    if (bytes->capacity - held < size) {
        size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
        while (capacity - held < size) {
            capacity *= 2;
        }
        bytes->block = realloc(bytes->block, capacity);
        assert(bytes->block != NULL);
        bytes->capacity = capacity;
    }
    return bytes->block + bytes->end;
}

void bytes_commit(struct bytes *bytes, size_t size) {
    assert(size <= bytes->capacity - bytes->end);
    bytes->end += size;
}

void bytes_append(struct bytes *bytes, const void *data, size_t size) {
    if (size == 0) {
        return;
    }
    memcpy(bytes_reserve(bytes, size), data, size);
    bytes_commit(bytes, size);
}

void bytes_append_text(struct bytes *bytes, const char *text) {
    bytes_append(bytes, text, strlen(text));
}

void bytes_printf(struct bytes *bytes, const char *format, ...) {
    va_list list;
    va_start(list, format);
    va_list again;
    va_copy(again, list);
    int size = vsnprintf(NULL, 0, format, list);
    assert(size >= 0);
    vsnprintf(bytes_reserve(bytes, (size_t)size + 1), (size_t)size + 1, format, again);
    bytes_commit(bytes, (size_t)size);
    va_end(again);
    va_end(list);
}

const char *bytes_data(const struct bytes *bytes) {
    return bytes->block + bytes->start;
}

size_t bytes_size(const struct bytes *bytes) {
    return bytes->end - bytes->start;
}

void bytes_consume(struct bytes *bytes, size_t size) {
    assert(size <= bytes_size(bytes));
    bytes->start += size;
    if (bytes->start == bytes->end) {
        bytes_clear(bytes);
    }
}

const char *bytes_text(struct bytes *bytes) {
    *bytes_reserve(bytes, 1) = '\0';
    return bytes_data(bytes);
}
