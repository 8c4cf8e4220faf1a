/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The client without I/O: told the time and what the line brought, it says what to send, when to wake it, and what happened.
 * It never calls back: events are pulled with client_poll until there are none. ahora.c puts sockets and callbacks around it;
 * the tests put a script around it.
 *
 *        start           on_connected        101            welcome
 *   RESTING ──▶ CONNECTING ──▶ UPGRADING ──▶ GREETING ──▶ READY
 *      ▲             │              │             │          │
 *      └─────────────┴──────────────┴─────────────┴──────────┘  line lost, deadline, bad bytes: wait, then again
 *   RESTING ──▶ ASKING ──▶ CONNECTING   the application is asked for a token, if it gets them for us (client_token.c)
 *   any ──▶ STOPPED   client_stop, or the broker refused our token and the application has no other: for good
 *
 * client.c          the life of the line: connect, greet, deadlines, back-off
 * client_read.c     messages of the broker → events
 * client_sub.c      subscriptions
 * client_call.c     publishes and gets that wait for answers
 * client_token.c    tokens that the application gets for us
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "clients/c/backoff.h"
#include "clients/c/framing.h"
#include "clients/c/replica.h"
#include "include/ahora/ahora.h"
#include "proto/message.h"
#include "proto/name.h"

#define CLIENT_OPEN_MS 10000   /* connect, upgrade and welcome together */
#define CLIENT_STEADY_MS 5000  /* a line that held this long starts the back-off anew */
#define CLIENT_BEAT_MS_MIN 100 /* a broker's beat_ms is taken within these bounds */
#define CLIENT_BEAT_MS_MAX 600000
#define CLIENT_RETRY_MS_MAX 600000  /* a broker's retry_ms is obeyed up to here */
#define CLIENT_SUB_AGAIN_MS_MIN 100 /* a refused subscription is not asked for again sooner, whatever the broker says */
#define CLIENT_LEAVE_MS 5000        /* after `bye`, the broker has this long to close */
#define CLIENT_RESEND_MS 540000     /* the broker remembers keys for 10 minutes; one is our margin */
#define CLIENT_SENDS_MAX 4          /* a publish that went down with this many lines is not tried again: it may be the cause */
#define CLIENT_TOKEN_BYTES_MAX 16384
#define CLIENT_TOKEN_SPARE_MS 60000  /* a token is renewed so long before it ends, at most */
#define CLIENT_TOKEN_SOONEST_MS 1000 /* and at least, unless it lives too short for that */
#define CLIENT_TOKEN_AGAIN_MS 10000  /* the application had none: it is asked again after */
#define CLIENT_OUT_BYTES_MAX 1048576 /* calls are encoded only while less than this waits for the socket */
#define CLIENT_MATCH_BYTES_MAX                                                                                                 \
    (AHORA_PATTERNS_MAX * (AHORA_TOPIC_BYTES_MAX + 3) + 5) /* each text has a head of up to 3 bytes */
#define CLIENT_DEPTH_MAX (AHORA_DEPTH_MAX + 4)             /* documents sit up to three levels deep in a message */

enum client_state {
    CLIENT_RESTING,
    CLIENT_ASKING, /* the application for a token, as long as it takes */
    CLIENT_CONNECTING,
    CLIENT_UPGRADING,
    CLIENT_GREETING,
    CLIENT_READY,
    CLIENT_STOPPED,
};

struct client_options {
    const char *authority; /* for the Host header; all texts are copied */
    const char *token;     /* NULL: none */
    bool asks_token;       /* client_give_token answers CLIENT_EVENT_TOKEN */
    const char *source;    /* NULL: none */
    enum ahora_on_lost on_lost;
    bool has_grace_ms;
    int64_t grace_ms;
    const char *name;
    enum ahora_encoding encoding;
    size_t message_bytes_max;
    size_t documents_bytes_max;
    size_t outbox_bytes_max;
    struct framing_random random;
};

struct ahora_sub {
    struct client *client;
    unsigned slot; /* in client->subs, and its bit in replica_entry.told */
    int64_t id;
    enum ahora_sub_state state;
    struct span match; /* packed list of patterns, owned */
    struct name *patterns;
    unsigned pattern_count;
    int64_t every_ms;
    struct span where; /* packed map, owned; data NULL: none */
    bool is_near;
    struct ahora_near near;
    unsigned moving; /* moves sent and not answered: what comes is not yet of the new circle */
    bool sent;       /* asked for in this connection */
    bool over;       /* refused */
    bool tell_behind;
    bool resyncing; /* between `subscribed` with resumed false and `live` */
    uint64_t resync_from;
    int64_t again_at; /* not to be asked for before */
    int64_t known_at; /* when it was last known to be complete; 0: never */
    bool has_seq;     /* epoch and seq say how far it was complete */
    char epoch[AHORA_EPOCH_BYTES_MAX + 1];
    int64_t seq;
    char token[AHORA_TOKEN_BYTES_MAX + 1]; /* the caller's `since`, then the text of epoch and seq */
    ahora_event_fn *on_event;              /* for ahora.c; not called here */
    void *user;
};

enum client_call_state {
    CALL_QUEUED,
    CALL_SENT,
    CALL_DONE, /* ended without an answer: `outcome` says how */
};

struct client_call {
    struct client_call *next;
    enum client_call_state state;
    enum ahora_outcome outcome;
    int64_t id;
    bool is_get;
    bool keyed;  /* every change has an idempotency key */
    bool silent; /* ack none */
    unsigned sends;
    int64_t first_sent_at;
    int64_t broker_sent_at; /* by the broker's clock: the earliest time at which it may have taken the keys */
    size_t change_count;
    ahora_published_fn *on_published; /* for ahora.c; not called here */
    ahora_snapshot_fn *on_snapshot;
    void *user;
    size_t bytes;
    uint8_t request[]; /* the packed message */
};

/* A data message on its way to the subscriptions that match, one event at a time. */
struct client_delivery {
    struct replica_entry *entry; /* NULL: none */
    enum ahora_event_kind kind;
    bool newer;
    unsigned slot;
    struct span patch;
    enum ahora_why why;
    int64_t seq;
};

/* What is left to say before a subscription is live: topics that did not come again, then `live`. */
struct client_sweep {
    struct ahora_sub *sub; /* NULL: none */
    struct replica_entry *entry;
    int64_t seq;
    int64_t skipped;
};

struct client {
    enum client_state state;
    int64_t now;
    struct client_options options; /* texts owned */
    struct backoff backoff;
    struct framing framing;
    struct buffer out;
    struct buffer scratch; /* one outgoing message */
    struct buffer packed;  /* one incoming message that was JSON, one merged document */
    struct span message;   /* what is left of the WebSocket message being read */
    struct replica replica;
    uint64_t data_count;
    struct client_delivery delivery;
    struct client_sweep sweep;
    struct replica_entry *swept; /* told of, to be dropped at the next poll */
    unsigned unsubs;             /* `unsub` not yet answered */

    int64_t state_at; /* when this state began */
    int64_t heard_at;
    int64_t retry_at; /* RESTING */
    int64_t beat_ms;
    int64_t hold_until; /* the broker asked for a pause in publishing */
    int64_t leave_at;   /* after `bye`, else 0 */
    int64_t hint_ms;    /* retry_ms of the broker for the next attempt, -1: none */

    /* notices not yet polled */
    bool tell_token;
    bool tell_connect;
    bool tell_drop;
    bool tell_connected;
    bool tell_lost;
    bool tell_stopped;
    enum ahora_fault fault; /* why the line was lost, with */
    int fault_status;
    char reason[160];
    char epoch[AHORA_EPOCH_BYTES_MAX + 1]; /* "" before the first welcome */
    int64_t welcome_seq;

    bool token_asked;   /* and not yet given */
    bool token_refused; /* the one we have is no good */
    bool knows_clock;
    int64_t clock_ahead;      /* the broker's `now` in a welcome, less ours: ms since 1970 from our monotonic ones */
    int64_t token_expires_at; /* ms since 1970; -1: not known */
    int64_t renew_at;
    int64_t auth_id; /* of the `auth` not yet answered; 0: none */

    int64_t last_id;
    struct ahora_sub *subs[AHORA_SUBS_MAX];
    struct client_call *first_call;
    struct client_call *last_call;
    struct client_call *next_call; /* the first that may still have to be sent; NULL: none */
    size_t call_count;
    size_t call_bytes;
    size_t done_count;
    struct ahora_result *results; /* AHORA_CHANGES_MAX of them */
    struct ahora_item *items;
};

enum client_event_kind {
    CLIENT_EVENT_CONNECT, /* open a connection, then client_on_connected or client_on_disconnected */
    CLIENT_EVENT_DROP, /* send what client_output has, if that goes at once, and close; say nothing more about that connection */
    CLIENT_EVENT_TOKEN, /* client_give_token, now or later */
    CLIENT_EVENT_LINE,
    CLIENT_EVENT_SUB,
    CLIENT_EVENT_PUBLISHED,
    CLIENT_EVENT_SNAPSHOT,
};

struct client_event {
    enum client_event_kind kind;
    struct ahora_line_event line;
    struct ahora_sub *sub;
    struct ahora_event change; /* for sub */
    ahora_published_fn *on_published;
    ahora_snapshot_fn *on_snapshot;
    void *user;
    struct ahora_published published;
    struct ahora_snapshot snapshot;
};

/* ---- life (client.c) ---- */

/* False without memory. */
bool client_init(struct client *client, const struct client_options *options);
void client_fini(struct client *client);

/* `now` is monotonic, in ms, and never smaller than before. */
void client_start(struct client *client, int64_t now);
void client_on_connected(struct client *client, int64_t now);
void client_on_bytes(struct client *client, int64_t now, struct span bytes); /* at most FRAMING_CHUNK_BYTES_MAX */
void client_on_disconnected(struct client *client, int64_t now, const char *reason);
void client_on_time(struct client *client, int64_t now);

/* Says goodbye; calls end as AHORA_CANCELLED. Poll once more to hear of them. */
void client_stop(struct client *client, const char *reason);

/* The next event; false if there is none. What it points to is valid until the next call of any of these functions. */
bool client_poll(struct client *client, struct client_event *event);

/* When client_on_time wants to be called, INT64_MAX: not at all. */
int64_t client_deadline(const struct client *client);

/* Moves the bytes to be sent to the end of `to`, or swaps if `to` is empty. */
void client_output(struct client *client, struct buffer *to);

/* ---- subscriptions (client_sub.c) ---- */

/* Appends the list as `match` wants it; false if it is empty, too long, or one is no pattern. */
bool client_match_put(struct buffer *out, const char *const *match, unsigned count);

struct ahora_sub *client_subscribe(struct client *client, const struct ahora_view *view);
bool client_move(struct ahora_sub *sub, const struct ahora_near *near);
void client_unsubscribe(struct ahora_sub *sub);
const char *client_sub_token(struct ahora_sub *sub);
void client_sub_leave_live(struct client *client, struct ahora_sub *sub);
int64_t client_sub_age_ms(const struct ahora_sub *sub, int64_t now); /* -1: it was never complete */
bool client_sub_find_item(const struct ahora_sub *sub, struct span topic, struct ahora_item *item);
struct ahora_item client_item_of(const struct ahora_sub *sub, const struct replica_entry *entry);
struct ahora_sub *client_sub_find(struct client *client, int64_t id);
bool client_sub_matches(const struct ahora_sub *sub, struct span topic);
void client_subs_send(struct client *client);
void client_subs_lose(struct client *client); /* the line is gone */
int64_t client_subs_deadline(const struct client *client);

/* ---- calls (client_call.c) ---- */

struct client_call *client_publish(struct client *client, const struct ahora_change *changes, size_t count, bool atomic,
                                   enum ahora_ack ack, enum ahora_code *code);
struct client_call *client_get(struct client *client, const char *const *match, unsigned count, int64_t limit,
                               enum ahora_code *code);
void client_calls_send(struct client *client);
void client_calls_lose(struct client *client);                     /* the line is gone */
void client_calls_welcome(struct client *client, bool same_epoch); /* a new one is there */
void client_calls_cancel(struct client *client);
bool client_calls_next_done(struct client *client, struct client_event *event);

/* The call an answer names, if it was sent, taken out of the list; else NULL. To be freed by the caller. */
struct client_call *client_call_take(struct client *client, int64_t id);

/* ---- tokens (client_token.c) ---- */

/* Copied; NULL: there is none, ask again. False if it is too long or without memory, which counts as none. */
bool client_give_token(struct client *client, const char *token);
bool client_token_is_needed(const struct client *client);
void client_token_ask(struct client *client);
void client_token_plan(struct client *client); /* after a welcome, or a new token */
void client_token_on_time(struct client *client);
bool client_token_take_ok(struct client *client, int64_t id); /* true if it answers our `auth` */
bool client_token_take_error(struct client *client, const struct reply *reply);

/* ---- between these files ---- */

void client_connect(struct client *client); /* from RESTING, or ASKING */

void client_send(struct client *client, struct span message); /* one packed message */
void client_lose(struct client *client, enum ahora_fault fault, const char *reason);
void client_fail(struct client *client, enum ahora_fault fault, uint16_t close_code, const char *reason);
bool client_read(struct client *client, struct client_event *event, bool *more); /* client_read.c */
bool client_deliver(struct client *client, struct client_event *event);
void client_welcome(struct client *client, const struct reply *reply);

static inline struct ahora_bytes bytes_of(struct span span) {
    return (struct ahora_bytes){span.data, span.bytes};
}

#endif
