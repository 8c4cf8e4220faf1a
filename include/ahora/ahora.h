/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * libahora: follow and change documents that live in an ahora broker.
 *
 *     struct ahora *client = ahora_open(uv_default_loop(), &(struct ahora_options){.url = "http://127.0.0.1:7600"});
 *     ahora_subscribe(client, &(struct ahora_view){.match = {"order/2301"}, .match_count = 1}, on_event, NULL);
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *
 * A client keeps one WebSocket open and comes back by itself when the line is lost: after a random wait of up to 0.5 s, 1 s, 2 s
 * and so on to 20 s, or after the time the broker asked for. Subscriptions resume where they were; the documents they follow are
 * kept in memory, so that every event carries the whole document. Publishes that were not answered before a cut are sent again
 * if, and only if, each of their changes has an idempotency key; otherwise their outcome is reported as unknown. None is lost
 * without a word.
 *
 * Threads: a client belongs to the thread of its loop. Every function and every callback runs there, and callbacks run from
 * uv_run only, never from inside a call. All functions may be called from callbacks.
 * Signals: a program should ignore SIGPIPE, which libuv leaves to it; a broken line is reported as such.
 * Ownership: arguments are borrowed until the call returns; what a callback is given, until the callback returns.
 * Values (documents, patches) are MessagePack bytes of one map; ahora_to_json and ahora_from_json translate.
 * Instants are milliseconds since the Unix epoch, UTC; durations carry their unit in the name.
 */
#ifndef AHORA_H
#define AHORA_H

#include "protocol.h"

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

enum ahora_line {
    AHORA_LINE_CONNECTED,    /* the broker said welcome */
    AHORA_LINE_DISCONNECTED, /* lost, or could not be opened; the client tries again after retry_ms */
    AHORA_LINE_STOPPED,      /* refused for good (token not accepted): the client does not try again */
};

struct ahora_line_event {
    enum ahora_line line;
    const char *reason; /* disconnected, stopped: text for people */
    int64_t retry_ms;   /* disconnected */
    const char *epoch;  /* connected */
    int64_t seq;        /* connected: the broker's newest seq */
};

typedef void ahora_line_fn(struct ahora *client, const struct ahora_line_event *event, void *user);

/* What becomes of what a source wrote when the broker has not heard of it for longer than its grace. */
enum ahora_on_lost {
    AHORA_LOST_STALE,  /* marked stale: the default */
    AHORA_LOST_DELETE, /* removed, as expired */
};

/* Zero means the default. */
struct ahora_options {
    const char
        *url; /* http://host[:port], https:// for TLS (port 443 if none is named), or ws, wss; default AHORA_URL_DEFAULT */
    const char *token; /* JWT, sent in `hello` only */
    const char *name;  /* what `hello` says about us, "name/version" */
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
    void *user;                 /* for on_line */

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

/* ---- subscriptions ---- */

enum ahora_sub_state {
    AHORA_SUBSCRIBING, /* documents are coming, not all are there */
    AHORA_LIVE,        /* complete, and changes come as they happen */
    AHORA_BEHIND,      /* the line is lost: what is held may be old */
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
 * AHORA_TOO_MANY: outbox_bytes_max is reached, call again after an answer. AHORA_INVALID: not a legal list of changes.
 */
enum ahora_code ahora_publish(struct ahora *client, const struct ahora_change *changes, size_t count, bool atomic,
                              enum ahora_ack ack, ahora_published_fn *on_published, void *user);

/* Publishes and gets that wait for their answer. */
size_t ahora_waiting(const struct ahora *client);

/* ---- reading once ---- */

struct ahora_item {
    struct ahora_bytes topic;
    int64_t seq;
    int64_t at;
    struct ahora_bytes data;
    bool stale;
};

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

#endif
