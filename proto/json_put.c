/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/json.h"
#include "proto/pack.h"
#include "proto/pack_head.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The letter of a short escape, 'u' for \u00XX, 0 for a byte that stands for itself (RFC 8259 section 7). */
static const char escapes[256] = {
    'u',         'u',           'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u', /* 00 */
    'u',         'u',           'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', /* 10 */
    ['"'] = '"', ['\\'] = '\\',
};

static size_t plain_bytes(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at;

    while (at < end && escapes[*at] == 0) {
        at++;
    }
    return (size_t)(at - start);
}

static void escape_put(struct buffer *out, uint8_t byte) {
    static const char hex[] = "0123456789abcdef";
    char escape = escapes[byte];

    if (escape == 'u') {
        buffer_put(out, (char[6]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 0xf]}, 6);
    } else {
        buffer_put(out, (char[2]){'\\', escape}, 2);
    }
}

/* Most texts have nothing to escape: one piece. */
static void plain_text_put(struct buffer *out, struct span text) {
    uint8_t *at = buffer_extend(out, text.bytes + 2);

    if (at == NULL) {
        return;
    }
    at[0] = '"';
    if (text.bytes > 0) {
        memcpy(at + 1, text.data, text.bytes);
    }
    at[text.bytes + 1] = '"';
}

void json_put_text(struct buffer *out, struct span text) {
    struct pack_reader reader = pack_reader_of(text);
    size_t plain = plain_bytes(reader.at, reader.end);

    if (plain == text.bytes) {
        plain_text_put(out, text);
        return;
    }
    buffer_put_byte(out, '"');
    while (reader.at < reader.end) {
        plain = plain_bytes(reader.at, reader.end);
        buffer_put(out, reader.at, plain);
        reader.at += plain;
        if (reader.at < reader.end) {
            escape_put(out, *reader.at++);
        }
    }
    buffer_put_byte(out, '"');
}

/* `digits` with a point before the last `decimals` of them, and at least one digit on either side of it. */
static void decimal_put(struct buffer *out, int64_t digits, unsigned decimals) {
    char text[20];
    size_t at = sizeof(text);

    if (decimals == 0) {
        text[--at] = '0';
    }
    for (unsigned i = 0; i < decimals; i++) {
        text[--at] = (char)('0' + digits % 10);
        digits /= 10;
    }
    text[--at] = '.';
    buffer_put_decimal(out, digits);
    buffer_put(out, text + at, sizeof(text) - at);
}

/*
 * Prices and coordinates have few decimals, and printf takes a microsecond. With at most 15 digits in all, both the digits
 * and the power of ten are exact doubles and IEEE division rounds correctly, so a reader computes the very quotient tried
 * here; and no shorter text can mean the same, as two decimals of up to 15 digits never meet in one double.
 */
static bool short_decimal_put(struct buffer *out, double value) {
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    double size = fabs(value);

    if (size < 1e-4 || size >= 1e15) {
        return false;
    }
    for (unsigned decimals = 0; decimals < sizeof(powers) / sizeof(powers[0]); decimals++) {
        double scaled = size * powers[decimals];

        if (scaled >= 1e15 - 1) {
            return false;
        }
        int64_t digits = (int64_t)(scaled + 0.5);
        if ((double)digits / powers[decimals] == size) {
            buffer_put(out, "-", value < 0);
            decimal_put(out, digits, decimals);
            return true;
        }
    }
    return false;
}

/* The program that uses the client library may have set a locale with another decimal point. */
static void decimal_point_set(char *text) {
    char *odd = text + strspn(text, "-0123456789e+");

    if (*odd != '\0') {
        size_t bytes = strcspn(odd, "0123456789e");

        *odd = '.';
        memmove(odd + 1, odd + bytes, strlen(odd + bytes) + 1);
    }
}

static void float_put(struct buffer *out, double value) {
    char text[48]; /* "-1.2345678901234567e-308" and room for an odd decimal point */

    if (short_decimal_put(out, value)) {
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    decimal_point_set(text);
    buffer_put_text(out, text);
    if (text[strcspn(text, ".e")] == '\0') {
        buffer_put_text(out, ".0");
    }
}

static void value_put(struct buffer *out, struct pack_reader *reader, unsigned depth);

static void list_put(struct buffer *out, struct pack_reader *reader, unsigned depth) {
    uint32_t count = pack_read_list(reader);

    buffer_put_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) {
            buffer_put_byte(out, ',');
        }
        value_put(out, reader, depth + 1);
    }
    buffer_put_byte(out, ']');
}

static void map_put(struct buffer *out, struct pack_reader *reader, unsigned depth) {
    uint32_t count = pack_read_map(reader);

    buffer_put_byte(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) {
            buffer_put_byte(out, ',');
        }
        json_put_text(out, pack_read_text(reader));
        buffer_put_byte(out, ':');
        value_put(out, reader, depth + 1);
    }
    buffer_put_byte(out, '}');
}

static void value_put(struct buffer *out, struct pack_reader *reader, unsigned depth) {
    assert(depth <= PACK_DEPTH_LIMIT);
    switch (pack_peek(reader)) {
    case PACK_NIL:
        pack_read_nil(reader);
        buffer_put(out, "null", 4);
        break;
    case PACK_BOOL:
        buffer_put_text(out, pack_read_bool(reader) ? "true" : "false");
        break;
    case PACK_INT:
        buffer_put_decimal(out, pack_read_int(reader));
        break;
    case PACK_FLOAT:
        float_put(out, pack_read_float(reader));
        break;
    case PACK_TEXT:
        json_put_text(out, pack_read_text(reader));
        break;
    case PACK_LIST:
        list_put(out, reader, depth);
        break;
    case PACK_MAP:
        map_put(out, reader, depth);
        break;
    case PACK_END:
    case PACK_ILLEGAL:
        reader->failed = true;
        break;
    }
    assert(!reader->failed);
}

void json_put(struct buffer *out, struct span value) {
    struct pack_reader reader = pack_reader_of(value);

    value_put(out, &reader, 0);
}
