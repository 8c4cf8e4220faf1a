/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A document on its way into a topic takes the shape of its kind: it is held against the schema, and the fields that the broker writes
 * are written. What a producer says of those loses, except for values that the kind lets stay. Owned by the ledger, one thread;
 * allocates nothing once its buffers have grown.
 */
#ifndef CORE_SHAPE_H
#define CORE_SHAPE_H

#include "broker/core/kind.h"

struct shaper {
    struct schema_fields fields;
    struct violations violations; /* of the last document that was refused as AHORA_INVALID; may be empty */
    struct buffer document;
    struct buffer patch;
    struct buffer history;
};

struct shape_input {
    const struct kind *kind;
    struct span next; /* the document the change makes */
    struct span old;  /* its predecessor; empty: none */
    struct span said; /* the map the change brought: a document or a merge patch */
    bool is_patch;    /* `said` is what subscribers will get */
    int64_t at;
};

/* Spans into the input, or good until the next call. */
struct shape_output {
    struct span document;
    struct span patch; /* is_patch only */
};

void shaper_init(struct shaper *shaper, size_t document_bytes_max);
void shaper_fini(struct shaper *shaper);

/* AHORA_OK; AHORA_INVALID (see violations; none: too many fields); AHORA_TOO_LARGE. *detail: static text. */
enum ahora_code shaper_run(struct shaper *shaper, const struct shape_input *input, struct shape_output *output,
                           const char **detail);

#endif
