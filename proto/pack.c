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

#define FOUR(it) it, it, it, it
#define SIXTEEN(it) FOUR(it), FOUR(it), FOUR(it), FOUR(it)
#define ALL_32(it) SIXTEEN(it), SIXTEEN(it)
#define FROM(it) it, it + 1, it + 2, it + 3, it + 4, it + 5, it + 6, it + 7

/* clang-format off */
const uint8_t pack_types[256] = {
    ALL_32(PACK_INT), ALL_32(PACK_INT), ALL_32(PACK_INT), ALL_32(PACK_INT),    /* 00 */
    SIXTEEN(PACK_MAP), SIXTEEN(PACK_LIST), ALL_32(PACK_TEXT),                  /* 80 */
    PACK_NIL, PACK_ILLEGAL, PACK_BOOL, PACK_BOOL,                              /* c0: nil, never used, false, true */
    FOUR(PACK_ILLEGAL), PACK_ILLEGAL, PACK_ILLEGAL, PACK_FLOAT, PACK_FLOAT,    /* c4: binary, extension, floats */
    FOUR(PACK_INT), FOUR(PACK_INT),                                            /* cc: unsigned, signed */
    FOUR(PACK_ILLEGAL), PACK_ILLEGAL, PACK_TEXT, PACK_TEXT, PACK_TEXT,         /* d4: extension, texts */
    PACK_LIST, PACK_LIST, PACK_MAP, PACK_MAP,                                  /* dc */
    ALL_32(PACK_INT),                                                          /* e0 */
};

const uint8_t pack_steps[256] = {
    ALL_32(1), ALL_32(1), ALL_32(1), ALL_32(1),   /* 00: integers */
    ALL_32(0),                                    /* 80: maps, lists */
    FROM(1), FROM(9), FROM(17), FROM(25),         /* a0: texts */
    1, 0, 1, 1, FOUR(0), FOUR(0),                 /* c0: nil, bool */
    2, 3, 5, 0, 2, 3, 5, 9,                       /* cc: integers; one of eight bytes may be too large */
    FOUR(0), FOUR(0), FOUR(0),                    /* d4 */
    ALL_32(1),                                    /* e0: integers */
};
/* clang-format on */

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
    /* A small one is its own first byte. */
    if (!reader->failed && reader->at < reader->end && (int8_t)*reader->at >= -32) {
        return (int8_t)*reader->at++;
    }
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

struct span pack_read_long_text(struct pack_reader *reader) {
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

uint32_t pack_read_long_map(struct pack_reader *reader) {
    return read_count(reader, PACK_MAP, 2);
}

/* How many values follow and belong to the head at the reader. Fails the reader if their bytes cannot be there. Never inline: the
   head would need a place on the stack of those who do not come here. */
__attribute__((noinline)) static uint64_t skip_head(struct pack_reader *reader) {
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

struct span pack_skip_any(struct pack_reader *reader) {
    const uint8_t *const start = reader->at;
    const uint8_t *const end = reader->end;
    const uint8_t *at = start;

    /* Values yet to come, at any depth, need no stack: each takes at least a byte, so this ends. */
    for (uint64_t pending = reader->failed ? 0 : 1; pending > 0; pending--) {
        const size_t bytes = at == end ? 0 : pack_plain_bytes(at, (size_t)(end - at));

        if (bytes > 0) {
            at += bytes;
            continue;
        }
        reader->at = at;
        pending += skip_head(reader);
        at = reader->at;
        if (reader->failed) {
            break;
        }
    }
    reader->at = at;
    return reader->failed ? span_of(NULL, 0) : span_of(start, (size_t)(at - start));
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
