/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What the bench speaks of the peers' protocols: how to subscribe to a topic, publish to it, and count what is answered. Deliveries need
 * nothing of their own: a document is found by its mark wherever it stands (dialect_read.c).
 */
#ifndef BENCH_DIALECT_PEER_H
#define BENCH_DIALECT_PEER_H

#include "bench/dialect.h"

struct peer_dialect {
    struct dialect base; /* path, subprotocol, framed … */

    /* Fills dialect->change, and dialect->tail if messages end in something; decides dialect->answering by dialect->ack. */
    void (*build)(struct dialect *dialect, size_t document_bytes);
    void (*put_subscribe)(struct buffer *message, const char *topic);
    void (*put_hello)(const struct dialect *dialect, struct buffer *message); /* of a producer; NULL: none */
    const char *welcome;  /* what must be heard before a producer starts; NULL: nothing */
    const char *question; /* of ANSWERS_ASKED */
    size_t question_bytes;

    /* A subscription is live once this has been heard (NULL: nothing is said), and a document if the peer keeps the last one. */
    bool (*is_confirmed)(struct span payload);
    bool keeps_last;

    /* How many answers, good ones and errors, are in the payload. What is behind *end is looked at again with what follows. */
    size_t (*count_answers)(const struct dialect *dialect, struct span payload, size_t *end, size_t *errors);
};

/* NULL if the name is not a peer's. */
const struct peer_dialect *peer_dialect_of(enum dialect_name name);

/* The common part of every phrase: the document itself, and where its numbers go. */
void dialect_build_packed_document(struct dialect *dialect, size_t bytes);

/* dialect_build.c: fill head and change. */
void dialect_build_packed(struct dialect *dialect, size_t document_bytes);
void dialect_build_text(struct dialect *dialect, size_t document_bytes);
void dialect_build_raw(struct dialect *dialect, size_t document_bytes);

#endif
