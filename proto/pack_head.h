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

#endif
