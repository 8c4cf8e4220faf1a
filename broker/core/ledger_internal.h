/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Between ledger.c, which keeps topics, and ledger_apply.c, which changes them. Nobody else includes this. */
#ifndef CORE_LEDGER_INTERNAL_H
#define CORE_LEDGER_INTERNAL_H

#include "broker/core/ledger.h"

struct undo {
    struct topic *topic;
    struct document *document; /* counted */
    int64_t seq, seq_before, seq_created, at, fresh_ms, expire_ms;
    uint8_t why;
    bool stale;
    bool created; /* the topic was unknown */
};

/* A topic without document (the caller gives it one), in table and tree. NULL: no memory. */
struct topic *topic_create(struct ledger *ledger, const struct name *name, const struct kind *kind);

/* Out of table and tree; freed as soon as nobody pins it. */
void topic_destroy(struct ledger *ledger, struct topic *topic);

/* Replaces the document and keeps the sums; counts of references are the caller's. */
void topic_hold(struct ledger *ledger, struct topic *topic, struct document *document);

/* After a change: in or out of the list of removals. */
void ledger_note_removal(struct ledger *ledger, struct topic *topic);

#endif
