/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A `where`: conditions on the fields of a document, all of which must hold (protocol.md, Views). Immutable and counted. Two that mean the
 * same have the same canonical bytes: conditions sorted, repeated ones dropped, 1.0 as 1, so that equal ones share one view. Pure.
 */
#ifndef CORE_WHERE_H
#define CORE_WHERE_H

#include "broker/core/limits.h"
#include "include/ahora/protocol.h"
#include "proto/pack.h"

/* Hard bounds; the configuration may only lower them. */
#define WHERE_CONDITIONS_MAX 64
#define WHERE_VALUES_MAX 256
#define WHERE_BYTES_MAX 16384
#define WHERE_DEPTH_MAX 8

enum where_op {
    WHERE_EQ,
    WHERE_NE,
    WHERE_LT,
    WHERE_LTE,
    WHERE_GT,
    WHERE_GTE,
    WHERE_IN,
    WHERE_EXISTS,
    WHERE_OPS,
};

enum where_type {
    WHERE_NULL,
    WHERE_BOOL,
    WHERE_NUMBER,
    WHERE_TEXT,
    WHERE_OTHER, /* a list or a map: equal to nothing */
};

/* A scalar. A number is an integer if it can be one without loss, whatever it was written as. */
struct where_value {
    enum where_type type;
    bool is_float;
    union {
        bool truth;
        int64_t integer;
        double number;
    } as;
    struct span text;
};

struct condition {
    enum where_op op;
    uint32_t depth;
    struct span path[WHERE_DEPTH_MAX]; /* keys from the outer map inwards */
    bool wanted;                       /* exists */
    uint32_t value_count;              /* 1, or more for `in`; ascending by where_value_order */
    struct where_value *values;
};

struct where {
    uint32_t refs;
    uint32_t count;
    struct span canonical;
    struct condition *conditions;
    struct where_value *values; /* of all conditions */
};

/* What is wrong with a request, and where: a JSON pointer below the message. */
struct request_fault {
    char pointer[256];
    const char *detail; /* static */
};

/* Reads a packed value as `where`; it is copied. AHORA_OK, AHORA_INVALID with *fault, AHORA_OVERLOADED. */
enum ahora_code where_parse(struct span map, const struct limits *limits, struct where **where, struct request_fault *fault);
struct where *where_ref(struct where *where);
void where_unref(struct where *where); /* NULL is fine */

/* Do all conditions hold for the document, a packed map? */
bool where_matches(const struct where *where, struct span document);

/* The packed value that the condition's path leads to in the document; data NULL if there is none. */
struct span condition_find(const struct condition *condition, struct span document);

/* Any packed value. */
struct where_value where_value_of(struct span packed);

/* A total order: by type, then numbers as numbers (integers against floats without loss) and texts by their bytes. */
int where_value_order(const struct where_value *a, const struct where_value *b);

const char *where_op_name(enum where_op op);

/* Fills in the fault: the pointer is "/<root>" and the parts, escaped and cut to fit. */
void request_fault_set(struct request_fault *fault, const char *detail, const char *root, struct span field, const char *last);

#endif
