/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The core as the rest of the broker sees it: one ledger, its views and sessions, as values. No I/O, no clock, no thread: bytes
 * and instants come in, bytes to write and sessions to serve are pulled out, nothing calls back up.
 *
 * One turn of the loop, as the caller drives it:
 *
 *   core_set_time                                 first thing in every callback
 *   session_receive, core_publish, ...            what arrived; changes are applied in memory and shown to nobody yet
 *   core_set_room, core_turn -> store_append      the turn's changes are appended to the journal
 *   core_turn_stored                              now they may be seen: views move, acks `applied` complete
 *   core_durable                                  whenever the store reports a durable seq: acks `durable` complete
 *   core_next_ticket                              HTTP answers that may now be sent
 *   core_next_ready -> session_pull* -> socket    sessions with something to write, until none is left
 *
 * Ownership: the core owns sessions and topics. A `const struct topic *` is good until the next call that changes the core, unless
 * it is held by a selection. Everything belongs to one thread.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "broker/base/list.h"
#include "broker/base/result.h"
#include "broker/core/circle.h"
#include "broker/core/kinds.h"
#include "broker/core/limits.h"
#include "broker/core/metrics.h"
#include "broker/core/record.h"
#include "broker/core/rights.h"
#include "broker/core/session.h"
#include "broker/core/topic.h"
#include "broker/core/where.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/name.h"

struct core;

struct core_options {
    struct limits limits;
    const struct kinds *kinds; /* borrowed, shared by the cores of a process; NULL: the built-in ones, its own */
    const char *epoch;         /* copied */
    const char *server;        /* "ahora/0.1.0", told in `welcome`; copied */
    uint64_t seed;             /* of everything random; tests repeat a run with it */
    unsigned followers;        /* cores that follow this one (follow.h) */
    unsigned session_first;    /* sessions are numbered from the next on, in steps of */
    unsigned session_step;     /* (0: 1), so that numbers of several cores differ */
    bool follows;              /* this one follows another: it loads nothing, and what is published to it goes on as mail */
    bool controlled; /* access is: without rights nothing is allowed. Else everything is, and tokens are not looked at */
};

struct core *core_create(const struct core_options *options); /* NULL: no memory */
void core_destroy(struct core *core);                         /* closes every session first */

/* ---- loading, before anything else ---- */

/* About so many topics will be loaded. It may be wrong: it only makes room. */
void core_expect(struct core *core, size_t topics);

/* So much is left to load of what does not say how many topics it has: the like of what was loaded since the last call. It, too, only makes room. */
void core_expect_like(struct core *core, size_t left);

/* These will be loaded next: makes that faster. At most CORE_FORESEEN_MAX. */
#define CORE_FORESEEN_MAX 64
void core_foresee(const struct core *core, const struct record *records, size_t count);

/* Takes the record if it is newer than what is held of its topic. RESULT_NO_MEMORY, RESULT_INVALID (topic, document or kind no
   longer legal: the caller logs and counts). */
enum result core_load(struct core *core, const struct record *record) MUST_CHECK;

/* The end of loading. Removals at or below seq_floor are unknown. */
enum result core_loaded(struct core *core, const char *epoch, int64_t seq_floor) MUST_CHECK;

/* ---- time ---- */

/* `wall_ms`: Unix milliseconds (may jump); `mono_ms`: a clock that only grows. */
void core_set_time(struct core *core, int64_t wall_ms, int64_t mono_ms);

/* Runs what is due: hello deadlines, beats, `every_ms`, old idempotency keys, and what goes stale, expires or is lost (changes of the
   running turn). Bounded work a call, and for the last a turn. */
void core_tick(struct core *core);

/* When core_tick wants to be called again (mono_ms). At most one second ahead. */
int64_t core_next_due(const struct core *core);

/* ---- a turn ---- */

/* How many bytes of records the store can take in this turn; changes past it are refused with store_full. */
void core_set_room(struct core *core, size_t bytes);

/* The records of the changes applied since they were last asked for and appended, good until then. Empty: nothing to store, but call
   core_turn_stored all the same: publications in which nothing was accepted are answered there. */
struct span core_turn(struct core *core, int64_t *seq_first, int64_t *seq_last);

/* How many bytes of records the turn has so far. */
size_t core_turn_bytes(const struct core *core);

/* They are stored, but not shown yet: a caller who reads for somebody in the middle of a turn (core_get, core_select) stores first. */
void core_turn_appended(struct core *core);

/* Everything applied is stored: show it. Once a turn, and what it hands to sessions must be pulled (core_next_ready until none is left)
   before the next time. */
void core_turn_stored(struct core *core);

/* Everything up to `seq` is on disk. It is never more than what was stored. */
void core_durable(struct core *core, int64_t seq);

/* The last seq that somebody waits for to be durable; 0: nobody does. Only of what is stored. */
int64_t core_durable_wanted(const struct core *core);

/* ---- all sessions (session.h) ---- */

/* Tell every session `bye` with retry times spread evenly over retry_ms_max, then close them as they drain; from now on publishes
   and subscriptions get `draining`. */
void core_drain(struct core *core, const char *reason, int64_t retry_ms_max);
bool core_is_draining(const struct core *core);
size_t core_session_count(const struct core *core);

/* Limits that may change while it runs are looked at each time they are needed; the caller keeps the others as they were. */
void core_configure(struct core *core, const struct limits *limits);

/* While memory is short: what would make us hold more (changes that grow, subscriptions) is refused with `overloaded`, to come again
   after `retry_ms`; 0: no more. */
void core_set_growth_retry(struct core *core, int64_t retry_ms);

/* ---- publishing and reading for HTTP ---- */

struct publish {
    const char *principal;
    const struct rights *rights; /* of an HTTP request: what they forbid is refused, change by change. NULL: open */
    const uint8_t *denied;       /* the core's own: bits of changes that are refused; NULL: none is */
    struct span changes;         /* packed list of changes, checked by pack_check */
    uint32_t change_count;
    bool atomic;
    enum ack ack;
    struct span source; /* data NULL: none was named */
};

struct mail;

enum ticket_kind {
    TICKET_OF_CALLER,
    TICKET_OF_SESSION, /* the core's own, as the next */
    TICKET_OF_MAIL,
};

/* Completes when what it stands for may be told. Embedded by the caller; zero it first, set `owner`, and leave the rest to the core. */
struct ticket {
    struct link link;
    int64_t seq; /* waits for this seq */
    enum ticket_kind kind;
    bool waiting;
    void *owner;
    struct buffer *results; /* borrowed until it completes or is cancelled */
    struct mail *mail;      /* a follower's: what is on its way to the ledger */
};

/*
 * Publishes the changes. Once the ticket comes out of core_next_ticket, `results` has the packed list of results (protocol: `published`) and
 * they may be told: after the turn is stored (ACK_APPLIED, ACK_NONE), or durable (ACK_DURABLE). `results` must have room for
 * LEDGER_RESULT_BYTES_MAX for each change, and stay until then or until core_cancel.
 *
 * AHORA_OK whatever the single results are. Else nothing is applied, and the ticket does not wait: AHORA_DRAINING, AHORA_OVERLOADED (no
 * memory), AHORA_FORBIDDEN (access is controlled, and there are no rights).
 */
enum ahora_code core_publish(struct core *core, const struct publish *publish, struct buffer *results, struct ticket *ticket);
struct ticket *core_next_ticket(struct core *core);

/* False while a follower has so much on its way to the ledger that streams had better wait. */
bool core_wants_changes(const struct core *core);
void core_cancel(struct core *core, struct ticket *ticket); /* the caller goes away; harmless if complete */

/* Call before a read of these patterns: brings topics of the broker's own up to date that one of them asks for. They are changes of the
   running turn. */
void core_wake_demand(struct core *core, const struct name *patterns, size_t count);

/* Reading shows what was applied, so first store what the turn applied so far (core_turn, store_append, core_turn_appended). */

/* The topic if it exists now, else NULL. */
const struct topic *core_get(const struct core *core, const struct name *topic);

/* A pattern that may be followed or read: legal, and of a kind that exists. AHORA_OK, AHORA_BAD_PATTERN, AHORA_UNKNOWN_KIND; *detail:
   static text. */
enum ahora_code core_parse_pattern(const struct core *core, struct span text, struct name *pattern, const char **detail);

/* Topics that match any of the patterns, in byte order of their paths, each held until selection_fini even if it is removed
   meanwhile (then topic_is_removed). */
struct selection {
    struct topic **topics;
    size_t count;
    bool more; /* the limit cut it */
};

/* Those after the path `after` (data NULL: from the start), at most `limit` (0: all). AHORA_OK, AHORA_OVERLOADED (no memory). */
enum ahora_code core_select(struct core *core, const struct name *patterns, size_t count, struct span after, size_t limit,
                            struct selection *out);

/* The same, of those whose documents match `where` (NULL: all) and lie in `circle` (NULL: anywhere; its limit is not looked at). */
struct filter {
    const struct where *where;
    const struct circle *circle;
};
enum ahora_code core_select_where(struct core *core, const struct name *patterns, size_t count, const struct filter *filter,
                                  struct span after, size_t limit, struct selection *out);
bool filter_passes(const struct filter *filter, const struct topic *topic); /* it exists */

void selection_fini(struct core *core, struct selection *selection);

const struct kinds *core_kinds(const struct core *core);
const char *core_epoch(const struct core *core);
int64_t core_seq(const struct core *core);
const struct metrics *core_metrics(struct core *core); /* brings the gauges up to date */
const struct limits *core_limits(const struct core *core);

#endif
