/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Sources: producers that gave themselves a name in `hello`, and what each of them last wrote. A source that has no session any
 * more is lost when its grace is over: everything it last wrote then waits to be marked stale, or to be removed.
 *
 *        enter               leave, no session left                 due
 *   ──────────▶ present ───────────────────────────▶ in grace ──────────────▶ lost: its topics move to sources.lost, one splice
 *                  ▲               enter                │
 *                  └────────────────────────────────────┘
 *
 * What was lost stays lost when the source returns; what it writes from then on is its own again. A name lives as long as a
 * session or a topic needs it. Owned by the ledger, one thread.
 */
#ifndef CORE_SOURCE_H
#define CORE_SOURCE_H

#include "broker/base/heap.h"
#include "broker/base/list.h"
#include "broker/base/table.h"
#include "broker/core/topic.h"
#include "proto/message.h"

struct source {
    struct table_node hashed;
    struct link all;    /* in sources.all */
    struct timer grace; /* in sources.graces while it has topics and no session */
    struct link topics; /* struct topic.of_source: what it last wrote */
    size_t topic_count; /* of these */
    size_t session_count;
    size_t refs; /* sessions, topics (lost ones too) and undos */
    int64_t grace_ms;
    uint32_t losses; /* how often it was lost: a topic written before the last time is lost */
    bool deletes;    /* on_lost: its topics are removed */
    int64_t seq;     /* loading: of the record that said so */
    uint8_t bytes;
    char name[];
};

struct sources {
    struct table table;
    struct link all;    /* in the order they were made */
    struct heap graces; /* has room for all */
    struct link lost;   /* topics that wait for their mark, first lost first */
    size_t lost_count;
    const struct table_key *hash_key;
};

bool sources_init(struct sources *sources, const struct table_key *hash_key); /* false: no memory */
void sources_fini(struct sources *sources);                                   /* no topic may be left */

/* The source of that name, made if unknown, with a reference for the caller; NULL: no memory. */
struct source *sources_take(struct sources *sources, struct span name);
bool sources_know(const struct sources *sources, struct span name);
void source_ref(struct source *source);
void source_unref(struct sources *sources, struct source *source); /* NULL is fine */

/* Loading: what a record of that seq says of the source. The newest counts. */
void source_set(struct source *source, int64_t grace_ms, bool deletes, int64_t seq);

/* A session of it came; and went, with the reference it held. */
void source_enter(struct sources *sources, struct source *source, int64_t grace_ms, bool deletes);
void source_leave(struct sources *sources, struct source *source, int64_t now_ms);

/* A session names its source: known from now on, and entered. AHORA_TOO_MANY: as many as there may be are known; AHORA_OVERLOADED: no
   memory. */
enum ahora_code sources_enter(struct sources *sources, size_t sources_max, struct span name, int64_t grace_ms, bool deletes,
                              struct source **source);

/* Something was written for a source that has no session: its grace begins, if it has not. */
void source_rest(struct sources *sources, struct source *source, int64_t now_ms);

/* The topic was written by the source (NULL: by nobody who named itself), and leaves the one before. */
void source_hold(struct sources *sources, struct source *source, struct topic *topic);

/* Puts a topic back as it was: `losses` is what topic->losses was. */
void source_hold_again(struct sources *sources, struct source *source, struct topic *topic, uint32_t losses);
bool source_has_lost(const struct topic *topic);

/* The end of loading: nobody is there yet, and every grace begins. */
void sources_loaded(struct sources *sources, int64_t now_ms);

/* Loses the sources whose grace is over, at most `count_max` of them. How many. */
size_t sources_lose(struct sources *sources, int64_t now_ms, size_t count_max);

/* The next topic to mark, NULL if none. It leaves by source_hold. */
struct topic *sources_next_lost(const struct sources *sources);

#endif
