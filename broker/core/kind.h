/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Kinds: what the first segment of a topic promises about its documents. A kind is a JSON Schema with an `x-ahora` object
 * (docs/kinds.md): compiled once, at start, then constant and safe from any thread.
 */
#ifndef CORE_KIND_H
#define CORE_KIND_H

#include "broker/core/derive.h"
#include "broker/core/schema.h"
#include "proto/name.h"

#define KIND_ADDRESSES_MAX 8

/* Where in a document something stands: the keys from the top. */
#define FIELD_PATH_MAX 4
struct field_path {
    struct span keys[FIELD_PATH_MAX];
    uint32_t count; /* 0: nowhere */
};

/* One form that topics of the kind may have. */
struct address {
    unsigned count;                           /* segments, the kind's own included */
    struct span literals[AHORA_SEGMENTS_MAX]; /* data NULL: anything */
    bool dates[AHORA_SEGMENTS_MAX];           /* must be a day that exists */
};

struct kind {
    char name[AHORA_SEGMENT_BYTES_MAX + 1];
    int64_t fresh_ms;           /* how long a document is fresh unless a write says otherwise; 0: for ever */
    int64_t expire_ms;          /* how long it stays without a write unless a write says otherwise; 0: for ever */
    struct field_path position; /* of the map with `lat` and `lon` that `near` looks at; count 0: the kind has none */
    bool is_private;            /* reading needs a right that names the topic */
    struct address addresses[KIND_ADDRESSES_MAX];
    unsigned address_count;
    struct schema schema;
    struct derive derive;
    struct buffer packed; /* what all the spans point into */
    struct buffer json;   /* the file as it was written */
};

/* Compiles the JSON text of a kind. `name` is what its address must begin with. False: `errors` says why. Then, too, kind_fini. */
bool kind_init(struct kind *kind, struct span name, struct span json, struct violations *errors);
void kind_fini(struct kind *kind);

/* NULL if the topic has a form of this kind, else what is wrong (static text). */
const char *kind_address_fault(const struct kind *kind, const struct name *topic);

/* Do its topics of so many segments end in a date? Then one change can be written for a range of days. */
bool kind_ends_in_date(const struct kind *kind, unsigned segments);

/* The bounds that `adjust` keeps a field in; INT64_MIN and INT64_MAX where the kind sets none. */
void kind_bounds(const struct kind *kind, struct span field, int64_t *min, int64_t *max);

/* Of the broker's own topics below `$demand`, which nobody else writes; kinds_find does not find it. */
const struct kind *kind_of_demand(void);

#endif
