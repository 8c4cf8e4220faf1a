/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What is wrong with a document, for people: a JSON pointer and a sentence each. A bounded list in the caller's memory, so that a
 * result keeps its bound and a document that is wrong everywhere costs no more than one that is wrong here and there.
 */
#ifndef CORE_VIOLATIONS_H
#define CORE_VIOLATIONS_H

#include "proto/buffer.h"

#define VIOLATIONS_MAX 8
#define VIOLATION_POINTER_BYTES_MAX 80
#define VIOLATION_DETAIL_BYTES_MAX 224 /* all states of an order */

struct violation {
    char pointer[VIOLATION_POINTER_BYTES_MAX + 1]; /* RFC 6901, below the document; a long one is cut */
    char detail[VIOLATION_DETAIL_BYTES_MAX + 1];
};

struct violations {
    uint32_t count;
    struct violation items[VIOLATIONS_MAX];
};

/* Where in a document a reader is: a chain on its stack, the innermost first. */
struct pointer {
    const struct pointer *up; /* NULL: the document */
    struct span key;          /* data NULL: an item of a list, `index` */
    uint32_t index;
};

static inline bool violations_are_full(const struct violations *violations) {
    return violations->count == VIOLATIONS_MAX;
}

/* Notes one, if there is room. */
void violations_add(struct violations *violations, const struct pointer *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the packed list of {pointer, detail}, each pointer below `prefix`: the first ones, as many as fit into `bytes_max`. */
void violations_put(struct buffer *out, const struct violations *violations, const char *prefix, size_t bytes_max);

#endif
