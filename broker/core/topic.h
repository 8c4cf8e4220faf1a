/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A topic: its path and its document, the one thing the broker is about. Removed topics stay for a while as removals, so that
 * whoever resumes can be told. Owned by the ledger, one thread.
 */
#ifndef CORE_TOPIC_H
#define CORE_TOPIC_H

#include "broker/base/heap.h"
#include "broker/base/list.h"
#include "broker/base/table.h"
#include "broker/core/document.h"
#include "include/ahora/protocol.h"
#include "proto/buffer.h"

struct kind;
struct source;
struct tree_node;

struct topic {
    struct document *document; /* NULL when removed */
    const struct kind *kind;
    int64_t ref;           /* its number on the wire; never used again in this process */
    int64_t seq;           /* of the last change */
    int64_t seq_before;    /* of the change before that; 0 if the last one created the topic */
    int64_t seq_created;   /* of the change that brought it into being the last time */
    int64_t at;            /* Unix ms, as the source said */
    int64_t fresh_ms;      /* -1: the kind's default */
    int64_t expire_ms;     /* -1: the kind's default */
    int64_t accepted_ms;   /* when its last write was accepted (monotonic; before a restart: counted back by the wall clock) */
    struct timer promise;  /* in the ledger's promises: not later than it goes stale or expires */
    struct source *source; /* that wrote it last; NULL: it was nobody who named itself */
    struct link of_source; /* in what the source wrote last, or in what is lost */
    uint32_t losses;       /* of the source when it wrote: if they are more now, the topic is lost */
    struct link removal;   /* in the ledger's removals, oldest first */
    struct link watches;   /* its places in views: struct place.of_topic */
    struct table_node hashed; /* in the ledger's table, by path */
    struct tree_node *node;   /* in the ledger's tree */
    uint32_t pins;            /* selections that hold it */
    uint8_t why;              /* enum ahora_why of a removal, 0 while it exists */
    bool stale;
    bool forgotten; /* trimmed, waits for its pins */
    uint8_t path_bytes;
    char path[]; /* not terminated */
};

struct span topic_path(const struct topic *topic);
bool topic_is_removed(const struct topic *topic);

/* Appends the packed map {topic, seq, at, data, stale?}: an item of a snapshot. The topic exists. `mask` (mask.h; data NULL: none) says what is
   shown of its document. */
void topic_put_item(struct buffer *out, const struct topic *topic, struct span mask);

/* What is shown of its document; `scratch` holds it, if that is not all. */
struct span topic_shown(const struct topic *topic, struct span mask, struct buffer *scratch);

#endif
