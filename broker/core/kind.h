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

struct kind {
    const char *name;
    const char *const *counts; /* integer fields that never go below 0, ended by NULL (docs/kinds.md) */
    int64_t fresh_ms;          /* how long a document is fresh unless a write says otherwise; 0: for ever */
    int64_t expire_ms;         /* how long it stays without a write unless a write says otherwise; 0: for ever */
};

/* NULL if no such kind is declared. */
const struct kind *kind_find(struct span name);
const struct kind *kind_at(size_t index); /* NULL past the last */

/* Of the broker's own topics below `$demand`, which nobody else writes; kind_find does not find it. */
const struct kind *kind_of_demand(void);

/* The smallest value `adjust` may leave in the field; INT64_MIN where the kind sets none. */
int64_t kind_minimum(const struct kind *kind, struct span field);

#endif
