/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One pass over the text, which is written as it is read. A list or map gets one byte for its head when it opens; one that turns out
 * to need a longer head is moved up when it closes, at most once for each level.
 *
 * Left to jansson: everything that is wrong; integers of more than DIGITS_MAX digits, numbers longer than NUMBER_BYTES_MAX, maps of more than
 * KEYS_MAX entries, keys with escapes, and surrogates written as escapes.
 */
#include "proto/json_plain.h"
#include "proto/pack.h"
#include "proto/pack_head.h"
#include "proto/utf8.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 32 /* compared one by one: at most 496 comparisons of a length and a byte, nearly always */
#define NUMBER_BYTES_MAX 47
#define DIGITS_MAX 19 /* never past uint64; a time in nanoseconds has so many */

struct plain {
    const uint8_t *at;
    const uint8_t *end;
    struct buffer *out;
    size_t values_left;
    unsigned depth_left;
};

static bool value_take(struct plain *plain);

/* ---- bytes ---- */

/* The next byte that is not white space; 0 at the end, which begins nothing either. */
static uint8_t peek(struct plain *plain) {
    while (plain->at < plain->end) {
        const uint8_t byte = *plain->at;
        if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r') {
            return byte;
        }
        plain->at++;
    }
    return 0;
}

static bool take(struct plain *plain, uint8_t byte) {
    if (peek(plain) != byte) {
        return false;
    }
    plain->at++;
    return true;
}

/* Counts as is_modest in json.c does: for each comma and opening bracket one. */
static bool count_value(struct plain *plain) {
    if (plain->values_left == 0) {
        return false;
    }
    plain->values_left--;
    return true;
}

/* ---- texts ---- */

/* From behind the first quote to before the last. */
static bool text_find(struct plain *plain, struct span *raw, bool *has_escapes) {
    const uint8_t *at = plain->at;
    *has_escapes = false;
    while (at < plain->end && *at != '"') {
        size_t bytes = 1;
        if (*at < 0x20) {
            return false;
        }
        if (*at == '\\') {
            *has_escapes = true;
            bytes = 2;
        } else if (*at >= 0x80) {
            bytes = utf8_sequence_bytes(at, (size_t)(plain->end - at));
        }
        if (bytes == 0 || bytes > (size_t)(plain->end - at)) {
            return false;
        }
        at += bytes;
    }
    if (at == plain->end) {
        return false;
    }
    *raw = span_of(plain->at, (size_t)(at - plain->at));
    plain->at = at + 1;
    return true;
}

static int hex_of(uint8_t byte) {
    const uint8_t letter = byte | 0x20;
    return byte >= '0' && byte <= '9' ? byte - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* The four digits behind \u as UTF-8, which is shorter than the escape. 0: not taken. */
static size_t unicode_put(uint8_t *to, const uint8_t *at, const uint8_t *end) {
    unsigned code = 0;
    if (end - at < 4) {
        return 0;
    }
    for (unsigned i = 0; i < 4; i++) {
        const int digit = hex_of(at[i]);
        if (digit < 0) {
            return 0;
        }
        code = code << 4 | (unsigned)digit;
    }
    if (code == 0 || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    to[0] = (uint8_t)(0xe0 | code >> 12);
    to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    to[2] = (uint8_t)(0x80 | (code & 0x3f));
    return 3;
}

static uint8_t escape_of(uint8_t letter) {
    static const uint8_t bytes[256] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    return bytes[letter];
}

/* Writes at most raw.bytes to `to`. False: not taken. */
static bool unescape(struct span raw, uint8_t *to, size_t *written) {
    const uint8_t *at = raw.data;
    const uint8_t *end = at + raw.bytes;
    uint8_t *const start = to;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        const bool is_unicode = at[1] == 'u'; /* text_find saw that something follows */
        size_t bytes = 1;
        if (is_unicode) {
            bytes = unicode_put(to, at + 2, end);
        } else {
            *to = escape_of(at[1]);
            bytes = *to != 0;
        }
        if (bytes == 0) {
            return false;
        }
        to += bytes;
        at += is_unicode ? 6 : 2;
    }
    *written = (size_t)(to - start);
    return true;
}

/* Through a copy, as the head comes first and needs the length. */
static bool escaped_put(struct buffer *out, struct span raw) {
    struct buffer text;
    size_t bytes = 0;
    buffer_init(&text, raw.bytes);
    uint8_t *to = buffer_extend(&text, raw.bytes);
    const bool taken = to != NULL && unescape(raw, to, &bytes);
    if (taken) {
        pack_put_text(out, span_of(to, bytes));
    }
    buffer_fini(&text);
    return taken;
}

/* Short texts, which nearly all are, without the way through msgpack-c. */
static void text_put(struct buffer *out, struct span text) {
    if (text.bytes >= 32) {
        pack_put_text(out, text);
        return;
    }
    uint8_t *to = buffer_extend(out, 1 + text.bytes);
    if (to != NULL) {
        to[0] = (uint8_t)(0xa0 | text.bytes);
        memcpy(to + 1, text.data, text.bytes);
    }
}

static bool text_take(struct plain *plain) {
    struct span raw;
    bool has_escapes;
    plain->at++;
    if (!text_find(plain, &raw, &has_escapes)) {
        return false;
    }
    if (has_escapes) {
        return escaped_put(plain->out, raw);
    }
    text_put(plain->out, raw);
    return true;
}

/* ---- numbers and words ---- */

static const uint8_t *digits_end(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

static bool integer_put(struct buffer *out, const uint8_t *digits, const uint8_t *end, bool negative) {
    uint64_t number = 0;
    if (end - digits > DIGITS_MAX) {
        return false;
    }
    for (; digits < end; digits++) {
        number = 10 * number + (uint64_t)(*digits - '0');
    }
    if (number > INT64_MAX) {
        return false;
    }
    pack_put_int(out, negative ? -(int64_t)number : (int64_t)number);
    return true;
}

/* strtod wants an end; where the locale has another point than ours it stops early, and jansson knows what to do. */
static bool float_put(struct buffer *out, const uint8_t *start, const uint8_t *end) {
    char text[NUMBER_BYTES_MAX + 1];
    const size_t bytes = (size_t)(end - start);
    char *stopped;
    if (bytes > NUMBER_BYTES_MAX) {
        return false;
    }
    memcpy(text, start, bytes);
    text[bytes] = '\0';
    const double number = strtod(text, &stopped);
    if (stopped != text + bytes || !isfinite(number)) {
        return false;
    }
    pack_put_float(out, number);
    return true;
}

/* The end of fraction and exponent; NULL: malformed. */
static const uint8_t *float_end(const uint8_t *at, const uint8_t *end) {
    const uint8_t *digits;
    if (at < end && *at == '.') {
        digits = at + 1;
        at = digits_end(digits, end);
        if (at == digits) {
            return NULL;
        }
    }
    if (at < end && (*at | 0x20) == 'e') {
        digits = at + 1;
        digits += digits < end && (*digits == '+' || *digits == '-');
        at = digits_end(digits, end);
        if (at == digits) {
            return NULL;
        }
    }
    return at;
}

static bool number_take(struct plain *plain) {
    const uint8_t *start = plain->at;
    const bool negative = *start == '-';
    const uint8_t *digits = start + negative;
    const uint8_t *whole = digits_end(digits, plain->end);
    if (whole == digits || (*digits == '0' && whole - digits > 1)) {
        return false;
    }
    const uint8_t *end = float_end(whole, plain->end);
    if (end == NULL) {
        return false;
    }
    plain->at = end;
    return end == whole ? integer_put(plain->out, digits, whole, negative) : float_put(plain->out, start, end);
}

/* What follows a word is looked at by whoever reads on. */
static bool word_take(struct plain *plain, const char *word, uint8_t packed) {
    const size_t bytes = strlen(word);
    if ((size_t)(plain->end - plain->at) < bytes || memcmp(plain->at, word, bytes) != 0) {
        return false;
    }
    plain->at += bytes;
    buffer_put_byte(plain->out, packed);
    return true;
}

/* ---- lists and maps ---- */

/* The head of what began at `start` with one byte left for it. */
static void close_head(struct buffer *out, size_t start, size_t count, bool is_map) {
    const size_t more = count < 16 ? 0 : count <= UINT16_MAX ? 2 : 4;
    const size_t bytes = out->bytes - start;
    if (more > 0 && buffer_extend(out, more) == NULL) {
        return;
    }
    uint8_t *head = out->data + start;
    if (more == 0) {
        head[0] = (uint8_t)((is_map ? 0x80 : 0x90) | count);
        return;
    }
    memmove(head + 1 + more, head + 1, bytes - 1);
    head[0] = (uint8_t)((is_map ? 0xde : 0xdc) + (more == 4));
    const uint16_t two = htobe16((uint16_t)count);
    const uint32_t four = htobe32((uint32_t)count);
    memcpy(head + 1, more == 2 ? (const void *)&two : (const void *)&four, more);
}

static bool key_take(struct plain *plain, struct span *keys, size_t count) {
    bool has_escapes;
    if (count == KEYS_MAX || !take(plain, '"') || !text_find(plain, &keys[count], &has_escapes) || has_escapes) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (span_equal(keys[i], keys[count])) {
            return false;
        }
    }
    text_put(plain->out, keys[count]);
    return take(plain, ':');
}

/* Behind the opening bracket. Recurses through value_take, as deep as depth_left was at first. */
static bool items_take(struct plain *plain, bool is_map) {
    const uint8_t last = is_map ? '}' : ']';
    const size_t start = plain->out->bytes;
    struct span keys[KEYS_MAX];
    size_t count = 0;
    buffer_put_byte(plain->out, 0);
    if (!take(plain, last)) {
        do {
            if ((count > 0 && !count_value(plain)) || (is_map && !key_take(plain, keys, count)) || !value_take(plain)) {
                return false;
            }
            count++;
        } while (take(plain, ','));
        if (!take(plain, last)) {
            return false;
        }
    }
    if (plain->out->failed || count > UINT32_MAX) {
        return false;
    }
    close_head(plain->out, start, count, is_map);
    return true;
}

static bool open_take(struct plain *plain, bool is_map) {
    if (plain->depth_left == 0 || !count_value(plain)) {
        return false;
    }
    plain->at++;
    plain->depth_left--;
    const bool taken = items_take(plain, is_map);
    plain->depth_left++;
    return taken;
}

static bool value_take(struct plain *plain) {
    switch (peek(plain)) {
    case '"':
        return text_take(plain);
    case '{':
        return open_take(plain, true);
    case '[':
        return open_take(plain, false);
    case 't':
        return word_take(plain, "true", 0xc3);
    case 'f':
        return word_take(plain, "false", 0xc2);
    case 'n':
        return word_take(plain, "null", 0xc0);
    case 0:
        return false;
    default:
        return number_take(plain);
    }
}

bool json_plain_to_pack(struct span text, unsigned depth_max, size_t values_max, struct buffer *out) {
    const size_t before = out->bytes;
    struct pack_reader reader = pack_reader_of(text);
    struct plain plain = {reader.at, reader.end, out, values_max - (values_max > 0), depth_max};

    assert(depth_max <= PACK_DEPTH_LIMIT && !out->failed);
    const bool taken = values_max > 0 && value_take(&plain);
    (void)peek(&plain);
    if (taken && plain.at == plain.end && !out->failed) {
        return true;
    }
    buffer_cut(out, before);
    return false;
}
