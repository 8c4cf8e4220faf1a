/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The ledger holds every topic's document and numbers each change. It is the only writer: one thread, no I/O, no clock.
 *
 * A list of changes is applied in memory at once and noted twice: as `records` (what the store appends) and as `changes` (what the
 * views show). Both belong to the turn; the caller stores the first, then shows the second, then calls ledger_end_turn. Whoever reads
 * topics for others must not let go of what they read before the turn is stored.
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include "broker/base/result.h"
#include "broker/core/keys.h"
#include "broker/core/kind_room.h"
#include "broker/core/kinds.h"
#include "broker/core/limits.h"
#include "broker/core/metrics.h"
#include "broker/core/record.h"
#include "broker/core/shape.h"
#include "broker/core/source.h"
#include "broker/core/topic.h"
#include "broker/core/tree.h"
#include "proto/message.h"
#include "proto/name.h"

/* An accepted change, as the views see it. */
struct change {
    struct topic *topic;
    struct document *document; /* after the change, counted; NULL: removed */
    struct document *patch;    /* what changed, counted; NULL: the whole document did, or (touch, and going stale) nothing */
    struct document *replaced; /* what the topic held before, counted: nobody who still shows it may lose it; NULL: nothing */
    int64_t seq;
    int64_t seq_before; /* 0: the change created the topic */
    int64_t at;
    enum change_op op;
    enum ahora_why why;
    bool stale;
};

void change_release(struct change *change); /* its documents */

struct undo; /* a topic as it was before a change of an atomic list */

struct ledger {
    const struct limits *limits;
    const struct kinds *kinds; /* borrowed */
    struct metrics *metrics;
    const struct table_key *hash_key;
    struct table topics;
    struct tree tree;
    struct link removals; /* removed topics, oldest first */
    size_t removal_count;
    size_t topic_count; /* that exist */
    size_t stale_count; /* of these, those that are stale */
    size_t documents_bytes;
    struct kind_rooms kind_rooms;
    int64_t growth_retry_ms; /* 0: what is held may grow; else what would make it grow is refused, to come again after */
    struct keys keys;
    struct heap promises; /* struct topic.promise */
    struct sources sources;
    int64_t due_wait_ms; /* what is due waits until then for room in the store */
    int64_t seq;
    int64_t seq_floor; /* removals at or below it are forgotten */
    int64_t ref_last;
    int64_t wall_ms;
    int64_t mono_ms;

    size_t load_left;   /* when room was last made for what is loaded, */
    size_t load_topics; /* how many there were, */
    bool load_is_like;  /* and all that came was of what is left */

    bool follows; /* a copy of another ledger: its documents are borrowed (follow.h) */

    struct buffer records;  /* of this turn */
    size_t room;            /* how long `records` may become */
    struct change *changes; /* of this turn */
    size_t change_count;
    size_t change_capacity;

    struct undo *undos; /* of the list being applied */
    size_t undo_count;
    struct buffer scratch; /* a document in the making */
    struct buffer differs; /* what an adjust changed */
    struct shaper shaper;
};

bool ledger_init(struct ledger *ledger, const struct limits *limits, const struct kinds *kinds,
                 const struct table_key *hash_key, struct metrics *metrics); /* false: no memory */
void ledger_fini(struct ledger *ledger);

/* These records are about to be loaded: what they touch comes nearer to the processor. Changes nothing. At most LEDGER_FORESEEN_MAX. */
#define LEDGER_FORESEEN_MAX 64
void ledger_foresee(const struct ledger *ledger, const struct record *records, size_t count);

/* About so many topics will be loaded. It may be wrong: it only makes room. */
void ledger_expect(struct ledger *ledger, size_t topics);

/* So much is left to load, in whatever unit, of what nobody knows how many topics it has: makes room for as many as came with what was loaded since the last call. */
void ledger_expect_like(struct ledger *ledger, size_t left);

/* Takes a stored record if it is newer than what is held, and remembers its key and its promise for what is left of their time; the clock
   must be set. RESULT_INVALID: not legal any more, skipped. */
enum result ledger_load(struct ledger *ledger, const struct record *record) MUST_CHECK;

/* After the last ledger_load: puts the removals and the keys in order; sources begin their grace. RESULT_NO_MEMORY. */
enum result ledger_loaded(struct ledger *ledger, int64_t seq_floor) MUST_CHECK;

/* NULL if the topic is unknown; it may be a removal. */
struct topic *ledger_find(const struct ledger *ledger, struct span path);

/*
 * Applies a packed list of changes of a source (NULL: none was named) and appends the packed list of results ({seq} or {error}), one for
 * each. With `atomic` all or none.
 * Fails only by results->failed, which the caller prevents by its bound: AHORA_CHANGES_MAX results of at most
 * LEDGER_RESULT_BYTES_MAX.
 */
#define LEDGER_RESULT_BYTES_MAX 1024
void ledger_apply(struct ledger *ledger, const char *principal, struct source *source, struct span changes, uint32_t count,
                  bool atomic, struct buffer *results);

/* The same, with the changes whose bits are set in `denied` refused as forbidden. */
void ledger_apply_allowed(struct ledger *ledger, const char *principal, struct source *source, struct span changes,
                          uint32_t count, bool atomic, const uint8_t *denied, struct buffer *results);

/*
 * Makes the changes whose time has come: documents go stale, topics expire, and what a lost source wrote goes with it. They belong to
 * the running turn. Looks at no more than `count_max` topics and returns at how many; what is left waits for the next call.
 */
size_t ledger_run_due(struct ledger *ledger, size_t count_max);
int64_t ledger_next_due(const struct ledger *ledger); /* mono_ms; INT64_MAX: nothing will be due */
void ledger_measure_due(struct ledger *ledger);       /* brings the gauges up to date */

/* The turn's records were stored: forget them. */
void ledger_forget_records(struct ledger *ledger);

/* The turn's changes were shown: forget them. */
void ledger_end_turn(struct ledger *ledger);

/* Room for one more change of the turn. False: no memory. */
bool ledger_reserve_change(struct ledger *ledger);

/* A removal beyond the bound, oldest first, or NULL; the caller takes it out of the views, then ledger_forget. Between turns. */
struct topic *ledger_surplus(const struct ledger *ledger);
void ledger_forget(struct ledger *ledger, struct topic *topic);

/* Keep a topic's memory while a selection holds it. */
void ledger_pin(struct topic *topic);
void ledger_unpin(struct topic *topic);

#endif
