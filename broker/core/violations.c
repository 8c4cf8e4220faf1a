/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/violations.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/pack.h"

/* A text that is cut ends with a whole character. */
static size_t whole_characters(const char *text, size_t bytes) {
    size_t start = bytes;
    while (start > 0 && ((uint8_t)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start == 0 || (uint8_t)text[start - 1] < 0xc0) {
        return bytes; /* ASCII, or nothing to look at */
    }
    const uint8_t first = (uint8_t)text[start - 1];
    const size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    return bytes - (start - 1) >= wanted ? bytes : start - 1;
}

static void pointer_put(struct violation *violation, size_t *bytes, char byte) {
    if (*bytes < VIOLATION_POINTER_BYTES_MAX) {
        violation->pointer[(*bytes)++] = byte;
    }
}

/* As deep as a schema: a few levels. */
static void pointer_write(struct violation *violation, size_t *bytes, const struct pointer *place) {
    if (place == NULL) {
        return;
    }
    pointer_write(violation, bytes, place->up);
    pointer_put(violation, bytes, '/');
    if (place->key.data == NULL) {
        char digits[16];
        (void)snprintf(digits, sizeof digits, "%u", place->index);
        for (const char *at = digits; *at != '\0'; at++) {
            pointer_put(violation, bytes, *at);
        }
        return;
    }
    for (size_t i = 0; i < place->key.bytes; i++) {
        const char byte = (char)place->key.data[i];
        pointer_put(violation, bytes, byte == '/' ? '~' : byte);
        if (byte == '~' || byte == '/') {
            pointer_put(violation, bytes, byte == '~' ? '0' : '1');
        }
    }
}

void violations_add(struct violations *violations, const struct pointer *place, const char *format, ...) {
    if (violations_are_full(violations)) {
        return;
    }
    struct violation *violation = &violations->items[violations->count++];
    size_t bytes = 0;
    pointer_write(violation, &bytes, place);
    violation->pointer[whole_characters(violation->pointer, bytes)] = '\0';
    va_list arguments;
    va_start(arguments, format);
    const int wanted = vsnprintf(violation->detail, sizeof violation->detail, format, arguments);
    va_end(arguments);
    const size_t written = wanted < (int)sizeof violation->detail ? (size_t)wanted : sizeof violation->detail - 1;
    violation->detail[whole_characters(violation->detail, written)] = '\0';
}

/* Keys and heads of one entry take at most 20 bytes beside its texts. */
static uint32_t count_that_fit(const struct violations *violations, size_t prefix_bytes, size_t bytes_max) {
    size_t bytes = 1;
    for (uint32_t i = 0; i < violations->count; i++) {
        const struct violation *violation = &violations->items[i];
        bytes += 20 + prefix_bytes + strlen(violation->pointer) + strlen(violation->detail);
        if (bytes > bytes_max) {
            return i;
        }
    }
    return violations->count;
}

void violations_put(struct buffer *out, const struct violations *violations, const char *prefix, size_t bytes_max) {
    assert(strlen(prefix) < 15);
    const uint32_t count = count_that_fit(violations, strlen(prefix), bytes_max);
    pack_put_list(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct violation *violation = &violations->items[i];
        char pointer[VIOLATION_POINTER_BYTES_MAX + 16];
        (void)snprintf(pointer, sizeof pointer, "%s%s", prefix, violation->pointer);
        pack_put_map(out, 2);
        pack_put_key(out, "pointer");
        pack_put_key(out, pointer);
        pack_put_key(out, "detail");
        pack_put_key(out, violation->detail);
    }
}
