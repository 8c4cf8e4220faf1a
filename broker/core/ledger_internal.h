/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Between ledger.c, which keeps topics, those who change them, and ledger_note.c. Only core/ledger*.c, promise.c and demand.c include this. */
#ifndef CORE_LEDGER_INTERNAL_H
#define CORE_LEDGER_INTERNAL_H

#include "broker/core/ledger.h"

struct undo {
    struct topic *topic;
    struct document *document; /* counted */
    struct source *source;     /* counted */
    int64_t seq, seq_before, seq_created, at, fresh_ms, expire_ms, accepted_ms;
    uint32_t losses;
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

/* Marks the topic, or takes the mark off, and counts those that have it. */
void topic_mark(struct ledger *ledger, struct topic *topic, bool stale);

/* After a change: in or out of the list of removals. */
void ledger_note_removal(struct ledger *ledger, struct topic *topic);

/* ---- ledger_note.c ---- */

/* Memory for one more change and its promise. */
bool note_reserve(struct ledger *ledger);

/* Room in the store for one more record. */
bool note_has_room(const struct ledger *ledger, size_t topic_bytes, size_t key_bytes, size_t source_bytes, size_t data_bytes);

/* The topic took the newest seq: a record and a change of it. Takes the patch, and what the topic held before, if it holds another document
   now. There must be memory and room. */
void note_change(struct ledger *ledger, struct topic *topic, struct span key, enum change_op op, struct document *patch,
                 struct document *replaced);

/* ---- ledger_own.c: after own_has_room, one change of our own cannot fail ---- */

/* Not while we wait for room. */
bool own_may_write(const struct ledger *ledger);

/* False: no room in the store or no memory; everything of our own then waits a little, and is counted. */
bool own_has_room(struct ledger *ledger, size_t topic_bytes, size_t source_bytes, size_t data_bytes);

void own_mark_stale(struct ledger *ledger, struct topic *topic);
void own_remove(struct ledger *ledger, struct topic *topic, enum ahora_why why);

/* Sets a document of the broker's own; looks for room itself. False: not made. */
bool own_set(struct ledger *ledger, const struct name *name, const struct kind *kind, struct span data);

/* ---- promise.c ---- */

/* The topic was written, or is as it was before: its timer fires not later than its promise breaks. False: no memory; cannot be where
   note_reserve was asked, or where the topic once had the promise. */
bool promise_renew(struct ledger *ledger, struct topic *topic);

#endif
