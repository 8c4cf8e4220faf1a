/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Kinds: what the first segment of a topic promises about its documents. So far a kind knows its name and the floors that `adjust`
 * keeps; documents are otherwise free-form maps. Static tables, safe from any thread.
 */
#ifndef CORE_KIND_H
#define CORE_KIND_H

#include "proto/buffer.h"

/* Where in a document something stands: the keys from the top. */
#define FIELD_PATH_MAX 4
struct field_path {
    struct span keys[FIELD_PATH_MAX];
    uint32_t count; /* 0: nowhere */
};

struct kind {
    const char *name;
    const char *const *counts;  /* integer fields that never go below 0, ended by NULL (docs/kinds.md) */
    int64_t fresh_ms;           /* how long a document is fresh unless a write says otherwise; 0: for ever */
    int64_t expire_ms;          /* how long it stays without a write unless a write says otherwise; 0: for ever */
    struct field_path position; /* of the map with `lat` and `lon` that `near` looks at; count 0: the kind has none */
    bool is_private;            /* reading needs a right that names the topic */
};

/* NULL if no such kind is declared. */
const struct kind *kind_find(struct span name);
const struct kind *kind_at(size_t index); /* NULL past the last */

/* The smallest value `adjust` may leave in the field; INT64_MIN where the kind sets none. */
int64_t kind_minimum(const struct kind *kind, struct span field);

#endif
