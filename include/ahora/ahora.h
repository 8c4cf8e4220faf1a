/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * libahora: follow and change documents that live in an ahora broker.
 *
 *     struct ahora *client = ahora_open(uv_default_loop(), &(struct ahora_options){.url = "http://127.0.0.1:7600"}, NULL);
 *     ahora_subscribe(client, &(struct ahora_view){.match = {"order/2301"}, .match_count = 1}, on_event, NULL);
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *
 * and for a program that has no loop and only writes:
 *
 *     struct ahora_publisher *till = ahora_publisher_open(&(struct ahora_options){0}, 5000, NULL);
 *     ahora_publisher_send(till, &sale, 1, false, AHORA_ACK_DURABLE, &result);
 *
 * Build with `pkg-config --cflags --libs ahora libuv` (the publisher alone needs no libuv of its own). Examples are in
 * share/doc/ahora/examples; what the words mean is docs/protocol.md.
 *
 * THE LINE   A client keeps one WebSocket open and comes back by itself when it is lost: after a random wait of up to 0.5 s, 1 s, 2 s and
 *   so on to 20 s (full jitter), or when the broker asked for it. A line on which nothing was heard for two beats is dead. Whatever a
 *   server sends, the worst that it can do is to be left: faults are told with a type (enum ahora_fault), and no server makes the
 *   client try again in a hurry.
 * FOLLOWING  Subscriptions resume where they were, each by its own token, so that after a cut only what changed is sent. What they follow
 *   is kept in memory: every event carries the whole document, and ahora_sub_find looks one up. While the line is lost nothing that is
 *   held counts as current: `stale` is set, ahora_sub_age_ms says since when, and a subscription is AHORA_BEHIND until it is live again.
 *   The events of other clients of ahora are these here:
 *     sync   AHORA_EVENT_LIVE     update  AHORA_EVENT_SET, _PATCH     stale  AHORA_EVENT_PATCH with `stale`
 *     remove AHORA_EVENT_REMOVE   error   AHORA_EVENT_REFUSED         state  AHORA_EVENT_SUBSCRIBED, _LIVE, _BEHIND, _REFUSED
 * PUBLISHING What was not answered before a cut is sent again if, and only if, each of its changes has an idempotency key (the same key, so
 *   it is applied once); otherwise its outcome is reported as unknown. Nothing is lost without a word. The queue is bounded: when it is
 *   full, ahora_publish says AHORA_AGAIN and takes nothing; call again after the next answer.
 * TOKENS     A fixed one in the options, or `on_token`, which is asked when one is needed: before the first connection, when the broker did not
 *   take the last one, and in time before it ends, so that the session goes on without a cut. Tokens never travel in a URL.
 * THREADS    A client belongs to the thread of its loop. Every function and every callback runs there, and callbacks run from uv_run only,
 *   never from inside a call. All functions may be called from callbacks. Clients share nothing: each thread may have its own.
 * SIGNALS    A program should ignore SIGPIPE, which libuv leaves to it; a broken line is reported as such.
 * OWNERSHIP  Arguments are borrowed until the call returns; what a callback is given, until the callback returns. What ahora_sub_find gives
 *   is good until the loop runs again.
 * VALUES     Documents and patches are MessagePack bytes of one map; ahora_to_json and ahora_from_json translate.
 * UNITS      Instants are milliseconds since the Unix epoch, UTC; durations carry their unit in the name.
 * ERRORS     Functions answer NULL, false or an enum ahora_code; none of them prints, blocks (but the publisher's) or exits. Without memory
 *   they say so and leave everything as it was.
 * VERSIONS   Structs of options may grow at their end before 1.0, with another soname. Set them to zero first; zero means the default.
 */
#ifndef AHORA_H
#define AHORA_H

#include "protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s; /* uv_loop_t of <uv.h> */

struct ahora;
struct ahora_sub;

#define AHORA_URL_DEFAULT "http://127.0.0.1:7600"
#define AHORA_SUBS_MAX 64     /* subscriptions of one client at a time */
#define AHORA_PATTERNS_MAX 64 /* patterns of one subscription or get */

/* Text or a value. Absent: data NULL. Text is UTF-8 and not terminated. */
struct ahora_bytes {
    const void *data;
    size_t bytes;
};

struct ahora_bytes ahora_text(const char *text);

/* The value as JSON text, terminated, to be freed by the caller; NULL without memory. */
char *ahora_to_json(struct ahora_bytes value);

/* The JSON text as a value: *value->data is to be freed by the caller. AHORA_OK, AHORA_BAD_MESSAGE or AHORA_TOO_LARGE, with
   *detail, if not NULL, a static text. */
enum ahora_code ahora_from_json(const char *text, struct ahora_bytes *value, const char **detail);

/* The integer field `name` of a document; false if it is absent or no integer. */
bool ahora_find_int(struct ahora_bytes document, const char *name, int64_t *value);

/* ---- a client and its line ---- */

enum ahora_encoding {
    AHORA_ENCODING_MSGPACK, /* the default */
    AHORA_ENCODING_JSON,
};

/* What went wrong with the line. */
enum ahora_fault {
    AHORA_FAULT_NONE,
    AHORA_FAULT_LINE,     /* not reached, refused, or cut; with TLS also: not who it should be */
    AHORA_FAULT_SILENT,   /* nothing was heard for too long */
    AHORA_FAULT_UPGRADE,  /* what answers is no ahora broker, or does not want us: HTTP `status` instead of a WebSocket */
    AHORA_FAULT_PROTOCOL, /* it does not speak as it should: another subprotocol, broken frames, messages that make no sense */
    AHORA_FAULT_LIMIT,    /* it sent more than this client may hold, or there is no memory for it */
    AHORA_FAULT_CLOSED,   /* the broker closed, with close code `status` (enum ahora_close; 0: none) */
    AHORA_FAULT_TOKEN,    /* the token was not taken, or the application had none */
};

enum ahora_line {
    AHORA_LINE_CONNECTED,    /* the broker said welcome */
    AHORA_LINE_DISCONNECTED, /* lost, or could not be opened; the client tries again after retry_ms */
    AHORA_LINE_STOPPED,      /* refused for good (token not accepted): the client does not try again */
};

struct ahora_line_event {
    enum ahora_line line;
    enum ahora_fault fault; /* disconnected, stopped */
    int status;             /* with AHORA_FAULT_UPGRADE and _CLOSED */
    const char *reason;     /* disconnected, stopped: text for people */
    int64_t retry_ms;       /* disconnected */
    const char *epoch;      /* connected */
    int64_t seq;            /* connected: the broker's newest seq */
};

typedef void ahora_line_fn(struct ahora *client, const struct ahora_line_event *event, void *user);

/* A token is wanted: answer with ahora_give_token, from here or at any time later. */
typedef void ahora_token_fn(struct ahora *client, void *user);

/* What becomes of what a source wrote when the broker has not heard of it for longer than its grace. */
enum ahora_on_lost {
    AHORA_LOST_STALE,  /* marked stale: the default */
    AHORA_LOST_DELETE, /* removed, as expired */
};

/* Zero means the default. */
struct ahora_options {
    const char
        *url; /* http://host[:port], https:// for TLS (port 443 if none is named), or ws, wss; default AHORA_URL_DEFAULT */
    const char *token;        /* JWT, sent in `hello` only */
    ahora_token_fn *on_token; /* gets tokens; with it `token` may be a first one, or NULL */
    const char *name;         /* what `hello` says about us, "name/version" */
    const char *
        source; /* NULL: none; 1 to 64 of A-Z a-z 0-9 - _ . ~ : @ =. What we publish goes with us: clients of the same name are one */
    enum ahora_on_lost on_lost;
    bool has_grace_ms; /* else the broker's default, 30 s unless configured otherwise */
    int64_t grace_ms;  /* how long a source may be away before it is lost */
    enum ahora_encoding encoding;
    size_t message_bytes_max;   /* a larger message from the broker ends the connection; default 16 MiB */
    size_t documents_bytes_max; /* memory for followed documents; more ends the connection; default 1 GiB */
    size_t outbox_bytes_max;    /* publishes and gets waiting for their answer; default 64 MiB */
    ahora_line_fn *on_line;     /* may be NULL */
    void *user;                 /* for on_line and on_token */

    /* With https or wss; files are PEM and read by ahora_open. */
    const char *ca_file;         /* whose certificates are trusted; NULL: those the system trusts */
    const char *certificate;     /* ours, for a broker that asks for one; NULL: none */
    const char *certificate_key; /* its private key; NULL: in the same file */
    bool insecure;               /* trust anybody who answers: for trying out, never for more */
};

/* Starts connecting. NULL if the URL, the name or the source is not legal (*detail, if not NULL, says why, static) or without memory. */
struct ahora *ahora_open(struct uv_loop_s *loop, const struct ahora_options *options, const char **detail);

/* Says goodbye and gives everything back. Unanswered publishes are reported as AHORA_CANCELLED before this returns, other
   callbacks are not called any more; what a callback was given is gone when it calls this. `on_closed`, if not NULL, is called from the loop when the memory is free. */
void ahora_close(struct ahora *client, void (*on_closed)(void *user), void *user);

/* The broker's clock now, as far as its last beat told: what the age of a document (`at`) is measured by, since ours may be wrong. 0: not
   known yet. */
int64_t ahora_now_ms(const struct ahora *client);

/* The token that on_token wanted, copied; or another one unasked, for a user who has other rights now: the session goes on under it. NULL:
   there is none now, ask again later. False if it has more than 16,384 bytes, or without memory: that counts as none. */
bool ahora_give_token(struct ahora *client, const char *token);

/* ---- subscriptions ---- */

enum ahora_sub_state {
    AHORA_SUBSCRIBING, /* documents are coming, not all are there */
    AHORA_LIVE,        /* complete, and changes come as they happen */
    AHORA_BEHIND,      /* the line is lost: what is held may be old */
    AHORA_ENDED,       /* refused for good */
};

enum ahora_event_kind {
    AHORA_EVENT_SUBSCRIBED, /* `resumed`: only what changed follows; else a whole snapshot */
    AHORA_EVENT_SET,        /* `topic seq at data stale` */
    AHORA_EVENT_PATCH,      /* the same, and `patch` */
    AHORA_EVENT_REMOVE,     /* `topic seq why` */
    AHORA_EVENT_LIVE,       /* complete up to `seq`; `skipped` versions were passed over since the last */
    AHORA_EVENT_BEHIND,     /* the line is lost */
    AHORA_EVENT_REFUSED,    /* `code detail retry_ms`; without retry_ms the subscription is over, else it is tried again then */
};

struct ahora_event {
    enum ahora_event_kind kind;
    struct ahora_bytes topic;
    int64_t seq;
    int64_t at;
    struct ahora_bytes data;  /* the whole document after this change */
    struct ahora_bytes patch; /* PATCH: the merge patch as sent (RFC 7396); absent if only freshness changed */
    bool stale;
    enum ahora_why why; /* AHORA_WHY_NONE: removed while we were away, the reason is not known */
    bool resumed;
    int64_t skipped;
    enum ahora_code code;
    struct ahora_bytes detail;
    int64_t retry_ms;
};

typedef void ahora_event_fn(struct ahora_sub *sub, const struct ahora_event *event, void *user);

/* Documents whose `position` (or `lat` and `lon`) lies in a circle. */
struct ahora_near {
    double lat, lon; /* degrees, WGS84 */
    double radius_m; /* metres, above 0 and at most 20,000,000 */
    unsigned limit;  /* only the nearest so many; 0: all. Goes with one pattern only. */
};

struct ahora_view {
    const char
        *match[AHORA_PATTERNS_MAX]; /* topics, or patterns with a star for one segment and a final double star for more */
    unsigned match_count;
    const char *since;             /* token to resume from, or NULL. What did not change since then is not sent. */
    int64_t every_ms;              /* not more often than; 0: every change */
    struct ahora_bytes where;      /* conditions as a value, {"available":{"gte":1}} (protocol.md, Views); absent: none */
    const struct ahora_near *near; /* NULL: anywhere */
};

/*
 * Follows a view until ahora_unsubscribe or ahora_close. NULL if a pattern is not one, there are too many, or no memory.
 * Per topic, seq only grows; versions that are not newer than what was told before are not told again. After a cut the client
 * resumes; if the broker cannot (AHORA_EVENT_SUBSCRIBED with resumed false), topics that are gone are reported as removed
 * just before AHORA_EVENT_LIVE. With `where` or `near` a document that no longer belongs to the view is reported as removed,
 * AHORA_WHY_LEFT. Messages do not say which subscription they are for: if another one of this client follows some of the same
 * topics, a narrowed one is told of what that one brings, too.
 */
struct ahora_sub *ahora_subscribe(struct ahora *client, const struct ahora_view *view, ahora_event_fn *on_event, void *user);

/* Another circle for a subscription with `near`: what enters and leaves by it comes, then AHORA_EVENT_LIVE. Its token is "" until then.
   `limit` 0 keeps the limit. False if the subscription has no circle, or `near` is none. */
bool ahora_move(struct ahora_sub *sub, const struct ahora_near *near);

/* Frees `sub`; its callback is not called again. */
void ahora_unsubscribe(struct ahora_sub *sub);

enum ahora_sub_state ahora_sub_state(const struct ahora_sub *sub);

/* What to hand as `since` another time; "" as long as the subscription was never complete. Lives as long as `sub`, changes. */
const char *ahora_sub_token(struct ahora_sub *sub);

/* For how long it is not known whether what is held is current: ms since something was heard while live; -1: it never was. */
int64_t ahora_sub_age_ms(const struct ahora_sub *sub);

struct ahora_item {
    struct ahora_bytes topic;
    int64_t seq;
    int64_t at;
    struct ahora_bytes data;
    bool stale; /* nobody renewed it in time; or of a subscription that is not live */
};

/* The document that the subscription holds of a topic. False: none. */
bool ahora_sub_find(const struct ahora_sub *sub, struct ahora_bytes topic, struct ahora_item *item);

/* Calls back for each document held, in no particular order, until `on_item` says false. No other function may be called meanwhile. */
void ahora_sub_each(const struct ahora_sub *sub, bool (*on_item)(const struct ahora_item *item, void *user), void *user);

/* ---- publishing ---- */

enum ahora_op {
    AHORA_SET,    /* replace the document */
    AHORA_PATCH,  /* RFC 7396 merge patch */
    AHORA_ADJUST, /* add integers to fields */
    AHORA_TOUCH,  /* renew freshness */
    AHORA_DELETE,
};

struct ahora_change {
    enum ahora_op op;
    struct ahora_bytes topic;
    struct ahora_bytes data; /* set, patch, adjust: the map as a value */
    struct ahora_bytes key;  /* idempotency key, up to AHORA_KEY_BYTES_MAX bytes */
    bool has_at;
    bool has_if_seq;
    bool if_newer; /* apply only if `at` is later than the document's */
    bool has_fresh_ms;
    bool has_expire_ms;
    int64_t at;
    int64_t if_seq; /* apply only at this seq; 0: only if the topic does not exist */
    int64_t fresh_ms;
    int64_t expire_ms;
};

enum ahora_ack {
    AHORA_ACK_DURABLE, /* answered when on disk: the default */
    AHORA_ACK_APPLIED, /* answered when applied */
    AHORA_ACK_NONE,    /* not answered: reported as AHORA_ANSWERED without results once handed to the line */
};

enum ahora_outcome {
    AHORA_ANSWERED,     /* `results` has one entry a change, in order */
    AHORA_DISCONNECTED, /* sent, and the line was lost before the answer: applied or not, we do not know */
    AHORA_CANCELLED,    /* ahora_close or a refused token came first */
};

struct ahora_result {
    enum ahora_code code; /* AHORA_OK: applied as `seq` */
    int64_t seq;          /* with AHORA_CONFLICT: the topic's current one */
    struct ahora_bytes detail;
    int64_t retry_ms;
};

struct ahora_published {
    enum ahora_outcome outcome;
    const struct ahora_result *results;
    size_t count;
    bool sent; /* AHORA_CANCELLED: it had been sent, and may have been applied */
};

typedef void ahora_published_fn(struct ahora *client, const struct ahora_published *published, void *user);

/*
 * Queues 1 to AHORA_CHANGES_MAX changes as one message; `atomic`: all or none. Messages are sent in the order of the calls, without waiting
 * for answers, and at once again after a cut if every change has a key, the broker's epoch is the same and the keys are still
 * remembered there. `on_published` (may be NULL) is called exactly once if this returned AHORA_OK.
 * AHORA_AGAIN: outbox_bytes_max is reached, nothing was taken, call again after an answer. AHORA_INVALID: not a legal list of changes.
 * AHORA_CLOSED: the client has stopped.
 */
enum ahora_code ahora_publish(struct ahora *client, const struct ahora_change *changes, size_t count, bool atomic,
                              enum ahora_ack ack, ahora_published_fn *on_published, void *user);

/* Publishes and gets that wait for their answer. */
size_t ahora_waiting(const struct ahora *client);

/* ---- reading once ---- */

struct ahora_snapshot {
    enum ahora_outcome outcome; /* ANSWERED or CANCELLED: a get is sent again after a cut */
    enum ahora_code code;       /* AHORA_OK, or why it was refused, with `detail` */
    struct ahora_bytes detail;
    int64_t seq;
    const struct ahora_item *items;
    size_t count;
    bool more; /* there are more than `limit` */
};

typedef void ahora_snapshot_fn(struct ahora *client, const struct ahora_snapshot *snapshot, void *user);

/* The current documents of up to `limit` topics (0: as the broker decides). Codes as in ahora_publish. */
enum ahora_code ahora_get(struct ahora *client, const char *const *match, unsigned match_count, int64_t limit,
                          ahora_snapshot_fn *on_snapshot, void *user);

/* ---- publishing without a loop ---- */

/*
 * The same client for programs that only write and may wait: a till, a script, a thread of its own. It has a loop inside, which runs
 * during calls. Between calls nothing does: the line may be lost meanwhile, and the next call opens it again. One thread at a time.
 */
struct ahora_publisher;

/* Opens the line when it is first needed. `wait_ms`: how long a call may take, above 0. NULL as with ahora_open; of the options on_line
   is not called, on_token is. */
struct ahora_publisher *ahora_publisher_open(const struct ahora_options *options, int64_t wait_ms, const char **detail);

/* Says goodbye. NULL is allowed. */
void ahora_publisher_close(struct ahora_publisher *publisher);

/*
 * Publishes and waits for the answer: AHORA_OK if there is one, then `results` has `count` entries, whose texts are good until the next
 * call. With AHORA_ACK_NONE it waits until the changes were handed to the line, and results are all AHORA_OK with seq 0.
 * AHORA_INVALID: not a legal list. AHORA_UNAUTHORIZED: the token was not taken. AHORA_AGAIN: there was no line within wait_ms and nothing was
 * applied; ahora_publisher_reason says why. AHORA_INTERNAL: it was sent and not answered in time, so applied or not, we do not know; send
 * it again with the same keys to find out.
 */
enum ahora_code ahora_publisher_send(struct ahora_publisher *publisher, const struct ahora_change *changes, size_t count,
                                     bool atomic, enum ahora_ack ack, struct ahora_result *results);

/* What was last wrong with the line, for people; "" if nothing was. */
const char *ahora_publisher_reason(const struct ahora_publisher *publisher);

#ifdef __cplusplus
}
#endif

#endif
