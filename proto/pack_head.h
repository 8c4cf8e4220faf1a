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

/* The type that a first byte announces, as far as that byte can tell. */
enum pack_type pack_type_of(uint8_t first);

/* Reads the head at `at`; a number that is not legal comes out as PACK_ILLEGAL. Never reads at or behind `end`. */
struct pack_head pack_head_read(const uint8_t *at, const uint8_t *end);

#endif
