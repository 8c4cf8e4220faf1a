/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A packed scalar (null, boolean, number, text) read once, so that it can be compared many times. Numbers compare by value, also an
 * integer with a float, as JSON Schema and `where` want it. Pure; a text points into the packed bytes.
 */
#ifndef CORE_SCALAR_H
#define CORE_SCALAR_H

#include "proto/pack.h"

struct scalar {
    enum pack_type type; /* PACK_NIL, PACK_BOOL, PACK_INT, PACK_FLOAT, PACK_TEXT; else it is no scalar, or nothing */
    union {
        int64_t integer;
        double number;
        struct span text;
        bool truth;
    };
};

/* Of an empty span: PACK_END. */
struct scalar scalar_of(struct span packed);

/* The next value, if it is a scalar: the reader is then behind it. Of a list, a map or nothing only the type is told, and the reader stays. */
struct scalar scalar_read(struct pack_reader *reader);

bool scalar_equal(const struct scalar *a, const struct scalar *b);

/* Less, equal, greater: below, at, above 0. False: there is no order between them (only numbers and texts have one). */
bool scalar_compare(const struct scalar *a, const struct scalar *b, int *order);

static inline bool scalar_is_number(const struct scalar *scalar) {
    return scalar->type == PACK_INT || scalar->type == PACK_FLOAT;
}

/* A whole number of int64, also when it is written as a float. */
bool scalar_is_whole(const struct scalar *scalar, int64_t *integer);

#endif
