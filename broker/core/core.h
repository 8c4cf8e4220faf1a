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
#include "broker/core/topic.h"
#include "broker/core/where.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/name.h"

struct core;
struct session;

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
void core_durable(struct core *core, int64_t seq);

/* The last seq that somebody waits for to be durable; 0: nobody does. Only of what is stored. */
int64_t core_durable_wanted(const struct core *core);

/* ---- sessions ---- */

enum encoding {
    ENCODING_MSGPACK, /* WebSocket, binary */
    ENCODING_JSON,    /* WebSocket, text */
    ENCODING_SSE,     /* Server-Sent Events: text without WebSocket framing */
    ENCODINGS,
};

/* A new client. WebSocket sessions must say hello; SSE sessions are ready, and subscribe by session_receive_packed.
   `owner` is the caller's. NULL: no memory. */
struct session *session_open(struct core *core, enum encoding encoding, const char *principal, void *owner);

/* It came in by a listener for the public: it publishes nothing and is no source, whatever its rights are, and the rates for such
   sessions are in force. Right after session_open. */
void session_set_public(struct core *core, struct session *session);
/* Who it is, known before its first message: from the upgrade request, or what anonymous sessions may. Counted. False: no memory, or as many
   different masks as there may be. */
bool session_grant(struct core *core, struct session *session, struct rights *rights);
const struct rights *session_rights(const struct session *session); /* NULL: open, or none yet */

/*
 * Tokens. A session that shows one (`hello`, `auth`) waits, with what it says next, for the caller's verdict: the core cannot read tokens. The
 * next that waits, with its token, which is good until session_judge; NULL: none. One verdict each, in any order, when the caller likes.
 */
struct session *core_next_token(struct core *core, struct span *token);

/* The next session that was given rights since this was last asked; NULL: none. */
struct session *core_next_named(struct core *core);

/* AHORA_OK with rights (taken), or AHORA_UNAUTHORIZED or AHORA_OVERLOADED without. */
void session_judge(struct core *core, struct session *session, enum ahora_code code, struct rights *rights);

/* Its rights are no longer good: it hears so, and is closed with 4401. */
void session_end_rights(struct core *core, struct session *session);

/* All sessions, in the order they came: NULL for the first, NULL at the end. */
struct session *core_next_session(struct core *core, struct session *after);

/* One whole WebSocket message of it, in its encoding. */
void session_receive(struct core *core, struct session *session, struct span message);

/* The same for a session of Server-Sent Events: protocol messages as checked MessagePack. */
void session_receive_packed(struct core *core, struct session *session, struct span messages);

/* The connection is gone. The session must not be used afterwards. */
void session_close(struct core *core, struct session *session);

void *session_owner(const struct session *session);

/* ---- what an operator asks about sessions (session_facts.c) ---- */

struct session_facts {
    uint64_t number; /* `welcome` told it as "s<number>" */
    const char *principal;
    struct span source; /* data NULL: none was named */
    enum encoding encoding;
    int64_t age_ms;
    uint32_t subscriptions;
    uint32_t live;       /* of these, have everything */
    uint64_t skipped;    /* versions passed over so far */
    int64_t behind;      /* seqs that the oldest of its places is behind what is shown */
    size_t outbox_bytes; /* answers not written yet */
    bool choked;
    bool greeted;
};

void session_facts(const struct core *core, const struct session *session, struct session_facts *facts);

/* Does one of its subscriptions have this pattern, or (a topic) select it? */
bool session_follows(const struct session *session, const struct name *match);

/* The patterns it follows, up to `count_max`, as texts of a JSON list without its brackets. */
void session_put_patterns(const struct session *session, size_t count_max, struct buffer *out);

/* Says `bye`, and ends it. `reason` is static. */
void session_dismiss(struct core *core, struct session *session, const char *reason, int64_t retry_ms);

/* Ask the session to end: what is queued is written, then session_close_code says so. */
void session_kick(struct core *core, struct session *session, int close_code, const char *reason);

/* The next session that has something to write or wants to be closed, NULL if none. Each comes once per readiness: pull until false. */
struct session *core_next_ready(struct core *core);

/*
 * The next piece for this session's socket: for WebSocket encodings one or more whole frames with their headers. Good until the
 * next call into the core; write all of it, or hand the tail to someone who will. False: nothing now.
 * The caller stops pulling when the socket is choked and says so by session_set_choked(true); changes meanwhile only move the
 * session's place in its views. session_set_choked(false) makes the session ready again.
 */
bool session_pull(struct core *core, struct session *session, struct span *piece);
void session_set_choked(struct core *core, struct session *session, bool choked);

/* What session_pull will give next, if that are several pieces of one view: at most `max` of them, good until the turn ends. Nothing is taken by
   looking: pull what was written. 0: pull as ever. */
size_t session_peek(const struct session *session, struct span *pieces, size_t max);

/* Whether session_pull may give another piece. False: it does not. */
bool session_may_have_more(const struct session *session);

/* The caller stopped for fairness, not because of the socket: come again by core_next_ready in the next turn. */
void session_yield(struct core *core, struct session *session);

/* After session_pull returned false: non-zero if the connection is to be closed with this code and reason (static text). */
int session_close_code(const struct session *session, const char **reason);

/* True from session_kick on, even while its last answers wait for a choked socket. */
bool session_is_kicked(const struct session *session);

/* It has published: others wait for what it says. */
bool session_is_producer(const struct session *session);

/* False while the session has too many answers or publishes outstanding: do not read its socket. Ask after receive, pull and
   core_durable; core_next_ready returns the session when it may become true again. */
bool session_wants_read(const struct session *session);

/* Tell every session `bye` with retry times spread evenly over retry_ms_max, then close them as they drain; from now on publishes
   and subscriptions get `draining`. */
void core_drain(struct core *core, const char *reason, int64_t retry_ms_max);
/* Limits that may change while it runs are looked at each time they are needed; the caller keeps the others as they were. */
void core_configure(struct core *core, const struct limits *limits);

bool core_is_draining(const struct core *core);
size_t core_session_count(const struct core *core);

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
 * they may be told: after the turn is stored (ACK_APPLIED, ACK_NONE), or durable (ACK_DURABLE).
 * AHORA_OK whatever the single results are; AHORA_DRAINING, AHORA_OVERLOADED (no memory): nothing is applied, the ticket does not
 * wait. AHORA_FORBIDDEN: access is controlled, and there are no rights. `results` must have room for LEDGER_RESULT_BYTES_MAX for each change, and stay until then or until core_cancel.
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
