/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The first bytes of a MessagePack value, shared by the readers and the check. Only proto/pack*.c and proto/json_put.c look here.
 */
#ifndef PROTO_PACK_HEAD_H
#define PROTO_PACK_HEAD_H

#include "proto/pack.h"

/* Lists and maps nest at most so deep wherever a bound is asked for: it sizes the stacks of those who walk them. */
#define PACK_DEPTH_LIMIT 32

struct pack_head {
    enum pack_type type; /* PACK_END: the bytes end inside the head */
    uint32_t count;      /* bytes of a text, items of a list, pairs of a map */
    union {
        bool truth;
        int64_t integer;
        double number;
    } value;
    const uint8_t *body; /* behind the head: text, items, or the next value */
};

/* The head at `at`, whose first byte is there and is one of 0xc0 to 0xdf. */
struct pack_head pack_long_head_read(const uint8_t *at, const uint8_t *end);

/*
 * Reads the head at `at`; a number that is not legal comes out as PACK_ILLEGAL. Never reads at or behind `end`.
 * Inline because it runs for every value, and nearly always ends with the first byte.
 */
static inline struct pack_head pack_head_read(const uint8_t *at, const uint8_t *end) {
    struct pack_head head = {.type = PACK_END, .body = at};

    if (at == end) {
        return head;
    }
    uint8_t first = *at;
    head.body = at + 1;
    if (first < 0x80 || first >= 0xe0) {
        head.type = PACK_INT;
        head.value.integer = (int8_t)first;
    } else if (first >= 0xc0) {
        head = pack_long_head_read(at, end);
    } else if (first >= 0xa0) {
        head.type = PACK_TEXT;
        head.count = first & 0x1f;
    } else {
        head.type = first >= 0x90 ? PACK_LIST : PACK_MAP;
        head.count = first & 0x0f;
    }
    return head;
}

/*
 * The bytes of the value at `at`, of which `room`, at least one, are there, if it is nil, a bool, an integer or a text of at most 255 bytes; legal
 * but for the characters of a text. 0: it is another value, or is not all there.
 */
static inline size_t pack_plain_bytes(const uint8_t *at, size_t room) {
    size_t bytes = pack_steps[*at];

    if (bytes == 0 && room >= 2) {
        if (*at == 0xd9) {
            bytes = 2 + (size_t)at[1];
        } else if (*at == 0xcf && at[1] < 0x80) { /* above that the integer is too large */
            bytes = 9;
        }
    }
    return bytes <= room ? bytes : 0;
}

#endif
