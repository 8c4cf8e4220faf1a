/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/scalar.h"

struct scalar scalar_read(struct pack_reader *reader) {
    struct scalar scalar;
    scalar.type = pack_peek(reader);
    scalar.text = (struct span){0}; /* the largest of them */
    switch (scalar.type) {
    case PACK_NIL:
        pack_read_nil(reader);
        break;
    case PACK_BOOL:
        scalar.truth = pack_read_bool(reader);
        break;
    case PACK_INT:
        scalar.integer = pack_read_int(reader);
        break;
    case PACK_FLOAT:
        scalar.number = pack_read_float(reader);
        break;
    case PACK_TEXT:
        scalar.text = pack_read_text(reader);
        break;
    case PACK_END:
    case PACK_LIST:
    case PACK_MAP:
    case PACK_ILLEGAL:
        break;
    }
    return scalar;
}

struct scalar scalar_of(struct span packed) {
    struct pack_reader reader = pack_reader_of(packed);
    return scalar_read(&reader);
}

/* -2^63 is a double, 2^63 the first one past int64. */
static bool fits_integer(double number) {
    return number >= -9223372036854775808.0 && number < 9223372036854775808.0;
}

bool scalar_is_whole(const struct scalar *scalar, int64_t *integer) {
    if (scalar->type == PACK_INT) {
        *integer = scalar->integer;
        return true;
    }
    if (scalar->type != PACK_FLOAT || !fits_integer(scalar->number)) {
        return false;
    }
    *integer = (int64_t)scalar->number;
    return (double)*integer == scalar->number;
}

static int order_of_doubles(double a, double b) {
    return (a > b) - (a < b);
}

/* Turning the integer into a double would round it; the double's whole part is exact. */
static int order_of_mixed(int64_t a, double b) {
    if (!fits_integer(b)) {
        return b > 0 ? -1 : 1;
    }
    const int64_t whole = (int64_t)b;
    return a != whole ? (a > whole) - (a < whole) : order_of_doubles((double)whole, b);
}

static int order_of_numbers(const struct scalar *a, const struct scalar *b) {
    if (a->type == PACK_INT) {
        return b->type == PACK_INT ? (a->integer > b->integer) - (a->integer < b->integer)
                                   : order_of_mixed(a->integer, b->number);
    }
    return b->type == PACK_INT ? -order_of_mixed(b->integer, a->number) : order_of_doubles(a->number, b->number);
}

static int order_of_texts(struct span a, struct span b) {
    const size_t common = a.bytes < b.bytes ? a.bytes : b.bytes;
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

bool scalar_equal(const struct scalar *a, const struct scalar *b) {
    if (scalar_is_number(a) && scalar_is_number(b)) {
        return order_of_numbers(a, b) == 0;
    }
    if (a->type != b->type) {
        return false;
    }
    return a->type == PACK_NIL || (a->type == PACK_BOOL && a->truth == b->truth) ||
           (a->type == PACK_TEXT && span_equal(a->text, b->text));
}

bool scalar_compare(const struct scalar *a, const struct scalar *b, int *order) {
    if (scalar_is_number(a) && scalar_is_number(b)) {
        *order = order_of_numbers(a, b);
        return true;
    }
    if (a->type != PACK_TEXT || b->type != PACK_TEXT) {
        return false;
    }
    *order = order_of_texts(a->text, b->text);
    return true;
}
