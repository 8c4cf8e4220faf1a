/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A session as the rest of the broker sees it: one client of the core, whatever it is connected by.
 *
 *   session_open ─▶ session_receive …            what it says; while session_wants_read
 *                   session_pull … ─▶ socket     what it is told; while core_next_ready names it, and the socket takes it
 *                   session_kick                 it is to end: what is queued is written, then session_close_code is not 0
 *                ─▶ session_close                the connection is gone
 *
 * The core owns it, from session_open to session_close. One thread, the core's.
 */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "broker/core/rights.h"
#include "proto/buffer.h"
#include "proto/name.h"

struct core;
struct session;

enum encoding {
    ENCODING_MSGPACK, /* WebSocket, binary */
    ENCODING_JSON,    /* WebSocket, text */
    ENCODING_SSE,     /* Server-Sent Events: text without WebSocket framing */
    ENCODINGS,
};

/* ---- life ---- */

/* A new client. WebSocket sessions must say hello; SSE sessions are ready, and subscribe by session_receive_packed.
   `owner` is the caller's. NULL: no memory. */
struct session *session_open(struct core *core, enum encoding encoding, const char *principal, void *owner);

/* It came in by a listener for the public: it publishes nothing and is no source, whatever its rights are, and the rates for such
   sessions are in force. Right after session_open. */
void session_set_public(struct core *core, struct session *session);

void *session_owner(const struct session *session);

/* Ask the session to end: what is queued is written, then session_close_code says so. */
void session_kick(struct core *core, struct session *session, int close_code, const char *reason);

/* Says `bye`, and ends it. `reason` is static. */
void session_dismiss(struct core *core, struct session *session, const char *reason, int64_t retry_ms);

/* After session_pull returned false: non-zero if the connection is to be closed with this code and reason (static text). */
int session_close_code(const struct session *session, const char **reason);

/* True from session_kick on, even while its last answers wait for a choked socket. */
bool session_is_kicked(const struct session *session);

/* The connection is gone. The session must not be used afterwards. */
void session_close(struct core *core, struct session *session);

/* All sessions, in the order they came: NULL for the first, NULL at the end. */
struct session *core_next_session(struct core *core, struct session *after);

/* ---- who it is ---- */

/* Rights known before its first message: from the upgrade request, or what anonymous sessions may. Counted. False: no memory, or as many
   different masks as there may be. */
bool session_grant(struct core *core, struct session *session, struct rights *rights);
const struct rights *session_rights(const struct session *session); /* NULL: open, or none yet */

/*
 * Tokens. A session that shows one (`hello`, `auth`) waits, with what it says next, for the caller's verdict: the core cannot read tokens. The
 * next that waits, with its token, which is good until session_judge; NULL: none. One verdict each, in any order, when the caller likes.
 */
struct session *core_next_token(struct core *core, struct span *token);

/* AHORA_OK with rights (taken), or AHORA_UNAUTHORIZED or AHORA_OVERLOADED without. */
void session_judge(struct core *core, struct session *session, enum ahora_code code, struct rights *rights);

/* The next session that was given rights since this was last asked; NULL: none. */
struct session *core_next_named(struct core *core);

/* Its rights are no longer good: it hears so, and is closed with 4401. */
void session_end_rights(struct core *core, struct session *session);

/* ---- input ---- */

/* One whole WebSocket message of it, in its encoding. */
void session_receive(struct core *core, struct session *session, struct span message);

/* The same for a session of Server-Sent Events: protocol messages as checked MessagePack. */
void session_receive_packed(struct core *core, struct session *session, struct span messages);

/* False while the session has too many answers or publishes outstanding: do not read its socket. Ask after receive, pull and
   core_durable; core_next_ready returns the session when it may become true again. */
bool session_wants_read(const struct session *session);

/* It has published: others wait for what it says. */
bool session_is_producer(const struct session *session);

/* ---- output ---- */

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

/*
 * The short way for who is live, is told of one view and has nothing else: the pieces that session_pull would give next, at most `max` of
 * them, good until the turn ends. Nothing is taken by looking: session_took says how many were written, and returns whether session_pull
 * may have more. 0: pull as ever.
 */
size_t session_peek(const struct session *session, struct span *pieces, size_t max);
bool session_took(struct core *core, struct session *session, size_t count);

/* Whether session_pull may give another piece. False: it does not. */
bool session_may_have_more(const struct session *session);

/* The caller stopped for fairness, not because of the socket: come again by core_next_ready in the next turn. */
void session_yield(struct core *core, struct session *session);

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

#endif
