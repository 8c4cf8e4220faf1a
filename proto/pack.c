/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/pack.h"
#include "proto/pack_head.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <string.h>

/* What a first byte means: the type, and how many bytes of argument (number, length or count, big-endian) follow it. */
struct form {
    uint8_t type;
    uint8_t argument_bytes;
};

/* First bytes 0xc0 to 0xdf; outside of them the argument is inside the first byte. */
static const struct form forms[32] = {
    {PACK_NIL, 0},     {PACK_ILLEGAL, 0}, {PACK_BOOL, 0},    {PACK_BOOL, 0},    /* c0: nil, never used, false, true */
    {PACK_ILLEGAL, 0}, {PACK_ILLEGAL, 0}, {PACK_ILLEGAL, 0},                    /* c4: binary */
    {PACK_ILLEGAL, 0}, {PACK_ILLEGAL, 0}, {PACK_ILLEGAL, 0},                    /* c7: extension */
    {PACK_FLOAT, 4},   {PACK_FLOAT, 8},                                         /* ca */
    {PACK_INT, 1},     {PACK_INT, 2},     {PACK_INT, 4},     {PACK_INT, 8},     /* cc: unsigned */
    {PACK_INT, 1},     {PACK_INT, 2},     {PACK_INT, 4},     {PACK_INT, 8},     /* d0: signed */
    {PACK_ILLEGAL, 0}, {PACK_ILLEGAL, 0}, {PACK_ILLEGAL, 0}, {PACK_ILLEGAL, 0}, /* d4: extension */
    {PACK_ILLEGAL, 0}, {PACK_TEXT, 1},    {PACK_TEXT, 2},    {PACK_TEXT, 4},    /* d8: extension, text */
    {PACK_LIST, 2},    {PACK_LIST, 4},    {PACK_MAP, 2},     {PACK_MAP, 4},     /* dc */
};

/* The type that a first byte announces, as far as that byte can tell. */
static enum pack_type type_of(uint8_t first) {
    if (first < 0x80 || first >= 0xe0) {
        return PACK_INT;
    }
    if (first < 0xc0) {
        return first < 0x90 ? PACK_MAP : first < 0xa0 ? PACK_LIST : PACK_TEXT;
    }
    return (enum pack_type)forms[first - 0xc0].type;
}

static uint64_t big_endian(const uint8_t *at, unsigned bytes) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (bytes) {
    case 0:
        return 0;
    case 1:
        return at[0];
    case 2:
        memcpy(&two, at, sizeof(two));
        return be16toh(two);
    case 4:
        memcpy(&four, at, sizeof(four));
        return be32toh(four);
    default:
        memcpy(&eight, at, sizeof(eight));
        return be64toh(eight);
    }
}

static double number_of_bits(uint64_t bits, unsigned bytes) {
    double number;
    float single;
    uint32_t half = (uint32_t)bits;

    if (bytes == 8) {
        memcpy(&number, &bits, sizeof(number));
        return number;
    }
    memcpy(&single, &half, sizeof(single));
    return single;
}

/* 0xd0 to 0xd3 are signed: the sign is the top bit of the argument. */
static int64_t integer_of_bits(uint8_t first, uint64_t bits, unsigned bytes) {
    unsigned shift = 64 - 8 * bytes;

    return first < 0xd0 ? (int64_t)bits : (int64_t)(bits << shift) >> shift;
}

struct pack_head pack_long_head_read(const uint8_t *at, const uint8_t *end) {
    struct form form = forms[*at - 0xc0];
    struct pack_head head = {.type = (enum pack_type)form.type, .body = at + 1 + form.argument_bytes};

    if ((size_t)(end - at) - 1 < form.argument_bytes) {
        return (struct pack_head){.type = PACK_END, .body = at};
    }
    uint64_t argument = big_endian(at + 1, form.argument_bytes);
    if (head.type == PACK_TEXT || head.type == PACK_LIST || head.type == PACK_MAP) {
        head.count = (uint32_t)argument;
    } else if (head.type == PACK_BOOL) {
        head.value.truth = *at == 0xc3;
    } else if (head.type == PACK_FLOAT) {
        head.value.number = number_of_bits(argument, form.argument_bytes);
        head.type = isfinite(head.value.number) ? PACK_FLOAT : PACK_ILLEGAL;
    } else if (head.type == PACK_INT) {
        head.value.integer = integer_of_bits(*at, argument, form.argument_bytes);
        head.type = *at == 0xcf && argument > INT64_MAX ? PACK_ILLEGAL : PACK_INT;
    }
    return head;
}

struct pack_reader pack_reader_of(struct span bytes) {
    /* An empty span may have no data at all; a place to point at spares every reader the question. */
    static const uint8_t nothing[1];
    const uint8_t *at = bytes.data == NULL ? nothing : bytes.data;

    return (struct pack_reader){.at = at, .end = at + bytes.bytes};
}

enum pack_type pack_peek(const struct pack_reader *reader) {
    if (reader->failed || reader->at == reader->end) {
        return PACK_END;
    }
    return type_of(*reader->at);
}

/* The next head if it is of that type; otherwise the reader has failed and the head is all zero. */
static struct pack_head take(struct pack_reader *reader, enum pack_type type) {
    if (!reader->failed) {
        struct pack_head head = pack_head_read(reader->at, reader->end);

        if (head.type == type) {
            reader->at = head.body;
            return head;
        }
    }
    reader->failed = true;
    return (struct pack_head){0};
}

void pack_read_nil(struct pack_reader *reader) {
    take(reader, PACK_NIL);
}

bool pack_read_bool(struct pack_reader *reader) {
    return take(reader, PACK_BOOL).value.truth;
}

int64_t pack_read_int(struct pack_reader *reader) {
    return take(reader, PACK_INT).value.integer;
}

double pack_read_float(struct pack_reader *reader) {
    if (pack_peek(reader) == PACK_INT) {
        return (double)pack_read_int(reader);
    }
    struct pack_head head = take(reader, PACK_FLOAT);
    return reader->failed ? 0.0 : head.value.number;
}

static size_t left(const struct pack_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

/* Most texts are short ones, keys above all: the same as below, without a head on the way. */
static bool read_short_text(struct pack_reader *reader, struct span *text) {
    if (reader->failed || reader->at == reader->end || (*reader->at & 0xe0) != 0xa0) {
        return false;
    }
    size_t bytes = *reader->at & 0x1f;
    if (bytes >= left(reader)) {
        return false;
    }
    *text = span_of(reader->at + 1, bytes);
    reader->at += 1 + bytes;
    return true;
}

struct span pack_read_text(struct pack_reader *reader) {
    struct span text;
    if (read_short_text(reader, &text)) {
        return text;
    }
    struct pack_head head = take(reader, PACK_TEXT);

    if (reader->failed || head.count > left(reader)) {
        reader->failed = true;
        return span_of(NULL, 0);
    }
    reader->at += head.count;
    return span_of(head.body, head.count);
}

/* Every item needs a byte: a count that promises more than there is fails here, before anyone loops over it. */
static uint32_t read_count(struct pack_reader *reader, enum pack_type type, unsigned values_each) {
    uint32_t count = take(reader, type).count;

    if ((uint64_t)count * values_each > left(reader)) {
        reader->failed = true;
        return 0;
    }
    return count;
}

uint32_t pack_read_list(struct pack_reader *reader) {
    return read_count(reader, PACK_LIST, 1);
}

uint32_t pack_read_map(struct pack_reader *reader) {
    return read_count(reader, PACK_MAP, 2);
}

/* Passes over a value whose end its first byte tells, and that cannot be illegal; false: it is another. */
static bool skip_plain(struct pack_reader *reader) {
    if (reader->at == reader->end) {
        return false;
    }
    uint8_t first = *reader->at;
    size_t bytes = 1;
    if ((first & 0xe0) == 0xa0) {
        bytes += first & 0x1f;
    } else if (first == 0xd9) {
        bytes += left(reader) < 2 ? 1 : 1 + (size_t)reader->at[1];
    } else if (first >= 0x80 && first < 0xe0) {
        bool may_be_illegal = first == 0xcf && (left(reader) < 2 || reader->at[1] >= 0x80);
        if (first < 0xc0 || may_be_illegal || forms[first - 0xc0].type > PACK_INT) {
            return false;
        }
        bytes += forms[first - 0xc0].argument_bytes;
    }
    if (bytes > left(reader)) {
        return false;
    }
    reader->at += bytes;
    return true;
}

/* How many values follow and belong to this head. Fails the reader if their bytes cannot be there. */
static uint64_t skip_head(struct pack_reader *reader) {
    if (skip_plain(reader)) {
        return 0;
    }
    struct pack_head head = pack_head_read(reader->at, reader->end);
    uint64_t values = head.type == PACK_MAP ? 2 * (uint64_t)head.count : head.type == PACK_LIST ? head.count : 0;

    reader->at = head.body;
    if (head.type == PACK_END || head.type == PACK_ILLEGAL || values > left(reader)) {
        reader->failed = true;
    } else if (head.type == PACK_TEXT) {
        reader->failed = head.count > left(reader);
        reader->at += reader->failed ? 0 : head.count;
    }
    return values;
}

struct span pack_skip(struct pack_reader *reader) {
    const uint8_t *start = reader->at;

    /* Values yet to come, at any depth, need no stack: each takes at least a byte, so this ends. */
    for (uint64_t pending = 1; pending > 0 && !reader->failed; pending--) {
        pending += skip_head(reader);
    }
    return reader->failed ? span_of(NULL, 0) : span_of(start, (size_t)(reader->at - start));
}

struct span pack_find_key(struct span map, struct span key) {
    struct pack_reader reader = pack_reader_of(map);

    for (uint32_t entries = pack_read_map(&reader); entries > 0 && !reader.failed; entries--) {
        bool found = span_equal(pack_read_text(&reader), key);
        struct span value = pack_skip(&reader);

        if (found && !reader.failed) {
            return value;
        }
    }
    return span_of(NULL, 0);
}

struct span pack_find(struct span map, const char *key) {
    return pack_find_key(map, span_of_text(key));
}

bool pack_find_text(struct span map, const char *key, struct span *text) {
    const struct span value = pack_find(map, key);
    struct pack_reader reader = pack_reader_of(value);
    *text = (struct span){0};
    if (value.bytes == 0) {
        return true;
    }
    if (pack_peek(&reader) != PACK_TEXT) {
        return false;
    }
    *text = pack_read_text(&reader);
    return true;
}
