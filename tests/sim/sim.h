/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One simulated world: the real core, a journal in memory, model clients on tiny sockets, and the model that knows what all of them
 * must see.
 *
 *   script.c   what happens next (dice)            host.c    drives the core as the broker's main does: turns, journal, crashes
 *   client.c   asks, and expects one answer each   line.c    the socket of one client: pieces, frames, messages
 *   check.h    every message against the model     model.c   what is true
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "broker/core/core.h"
#include "proto/message.h"
#include "tests/sim/dice.h"
#include "tests/sim/model.h"
#include "tests/sim/narrow.h"
#include "tests/sim/report.h"

#define SUBS_MAX 6
#define PATTERNS_OF_SUB_MAX 4
#define PATTERN_BYTES 48
#define WISHES_MAX 12
#define HTTP_MAX 3
#define REFS_MAX 16384
#define CLIENTS_MAX 300

/* One message of a client, from the moment it is made until its answer was read. */
struct asked {
    struct asked *next;
    enum request_op op;
    bool garbage; /* not even a message: the session must end with 4400 */
    bool unknown; /* a message of no known op: an error, the session goes on */
    int64_t id;
    struct buffer packed; /* as MessagePack */

    char patterns[PATTERNS_OF_SUB_MAX][PATTERN_BYTES]; /* sub, get */
    unsigned pattern_count;
    uint64_t topics;
    bool overlaps; /* its own patterns do */
    int source;    /* hello; NO_SOURCE: none */
    int64_t grace_ms;
    int64_t every_ms;
    int64_t limit;
    struct sim_narrow narrow; /* sub, get; move: its circle */
    bool wrong_narrow;        /* written so that it must be refused */
    int64_t since;            /* -1: none */
    char since_epoch[AHORA_EPOCH_BYTES_MAX + 1];
    enum ahora_code fault; /* what is wrong with it */
    int slot;              /* of client->subs, -1: none */

    struct wish wishes[WISHES_MAX]; /* pub */
    unsigned wish_count;
    bool atomic;
    enum ack ack;
    struct verdict verdicts[WISHES_MAX];

    /* What was true when the core took it. */
    enum ahora_code expected;
    bool applied; /* reached the ledger */
    bool must_resume;
    bool may_resume;
    int64_t seq_then;
    int64_t ack_seq;
};

struct asked_list {
    struct asked *first;
    struct asked **end;
    unsigned count;
};

enum sub_state {
    SUB_NONE,
    SUB_ASKED,
    SUB_ACTIVE,  /* `subscribed` was read */
    SUB_LEAVING, /* unsub was sent */
};

/* A subscription as its client sees it, with all that it holds. */
struct sub {
    enum sub_state state;
    bool at_broker; /* the core has it: what an id in use is judged by */
    bool begun;     /* `subscribed` was read: data may come */
    bool wanted;    /* to be asked for again after a reconnect */
    bool live;
    bool shared; /* some topic may come for another reason too: counts are not exact */
    bool has_token;
    struct sim_narrow narrow; /* as last confirmed */
    int64_t id;
    int64_t every_ms;
    char patterns[PATTERNS_OF_SUB_MAX][PATTERN_BYTES];
    unsigned pattern_count;
    uint64_t topics;
    bool overlaps;
    char token_epoch[AHORA_EPOCH_BYTES_MAX + 1];
    int64_t token;
    int64_t count_after; /* versions above it count for `skipped` */
    int64_t counted;
    int64_t live_ms;          /* when the last `live` was handed over; 0: none since it began */
    int64_t held[TOPICS_MAX]; /* seq of the document; 0: none */
    int64_t last[TOPICS_MAX]; /* seq last heard since `subscribed` */
};

/* What was true when a piece was handed over. */
struct tide {
    uint64_t end; /* offset in the stream behind the piece */
    int64_t seq_stored, seq_durable;
    int64_t mono_ms;
};

struct client {
    struct sim *sim;
    unsigned number;
    char principal[PRINCIPAL_BYTES];
    enum encoding encoding;
    struct session *session; /* NULL: away */
    int source;              /* that the broker takes it for; NO_SOURCE: none */
    bool ghost;              /* closed by the broker, which has not yet let go of the session */

    /* to the broker */
    struct asked_list waiting; /* not yet sent */
    struct asked_list sent;    /* the core has the bytes */
    struct asked_list open;    /* handled, answers outstanding, in order */
    bool hello_made, hello_handled, greeted;
    int64_t id_last;
    int64_t opened_ms;
    uint32_t at_broker_count;

    /* from the broker */
    size_t socket_bytes_max;
    struct buffer tail;   /* of a piece the socket did not take */
    struct buffer socket; /* may be read */
    struct buffer unread; /* a frame in parts */
    struct tide *tides;
    size_t tide_count, tide_capacity;
    uint64_t pulled, parsed;
    bool choked;
    bool bye;
    bool expects_close; /* it sent garbage, or came with something else than hello */
    int64_t beat_last;
    char epoch[AHORA_EPOCH_BYTES_MAX + 1];
    int64_t heard[TOPICS_MAX]; /* the newest seq in this connection */
    int8_t *topic_of_ref;      /* -1: not introduced in this connection */
    struct sub subs[SUBS_MAX];
    unsigned read_per_mille, act_per_mille;
};

struct http_publish {
    bool used, canceled;
    struct ticket ticket;
    struct asked asked; /* only what a pub needs */
};

struct journal_turn {
    uint8_t *bytes;
    size_t byte_count;
    int64_t seq_last;
};

struct sim {
    struct dice dice;
    struct limits limits;
    struct model model;
    struct core *core;
    struct client *clients;
    unsigned client_count;
    struct http_publish http[HTTP_MAX];
    struct asked *applying; /* whose list the ledger works on right now */
    const char *applying_principal;
    const struct client *applying_client; /* NULL: it is published over HTTP */

    struct journal_turn *turns;
    size_t turn_count, turn_capacity;
    int64_t seq_durable; /* of the disk; the core hears of it later */
    int64_t floor;       /* what compaction forgot */
    unsigned epochs;
    char epoch[AHORA_EPOCH_BYTES_MAX + 1];
    unsigned lives;
    bool room_is_short;
    bool draining;

    int64_t wall_ms, mono_ms;
};

extern struct sim *playing; /* the one run of this process: the wrapped calls find it here */

/* ---- host.c ---- */

void host_start(struct sim *sim);
void host_stop(struct sim *sim);
void host_set_time(struct sim *sim, int64_t ahead_ms, int64_t wall_jump_ms);
void host_end_turn(struct sim *sim);        /* journal, show, tickets, ready sessions */
void host_serve(struct sim *sim);           /* the ready sessions alone */
void host_serve_one(struct client *client); /* at any moment, also within a turn */
void host_sync(struct sim *sim);            /* the disk gets somewhere */
void host_crash(struct sim *sim, bool machine);
void host_publish(struct sim *sim);       /* as HTTP does */
void host_check_reading(struct sim *sim); /* core_get, core_select and the sums */
void host_drain(struct sim *sim);

/* ---- script.c ---- */

void script_world(struct sim *sim); /* limits, topics, clients */
void script_wish(struct sim *sim, struct wish *wish);
void script_patterns(struct sim *sim, struct asked *asked);
void script_play(struct sim *sim);

/* ---- client.c ---- */

void client_init(struct client *client, struct sim *sim, unsigned number);
void client_fini(struct client *client);
void client_connect(struct client *client);
void client_gone(struct client *client); /* the connection is cut; what was on the way is lost */
void client_act(struct client *client);  /* makes a message or two, or disconnects */
void client_send(struct client *client); /* hands the core what waits */
void client_subscribe(struct client *client, struct sub *sub);
void client_unsubscribe(struct client *client, struct sub *sub);
void client_ask_resume(struct client *client);
void asked_push(struct asked_list *list, struct asked *asked);
struct asked *asked_pop(struct asked_list *list);
void asked_free(struct asked *asked);
void asked_encode_changes(struct asked *asked, struct buffer *out);

/* ---- line.c ---- */

/* Takes a piece from the core. False: the socket is choked now. */
bool line_take(struct client *client, struct span piece);

/* Reads up to so many bytes and checks every whole message. */
void line_read(struct client *client, size_t bytes);

/* ---- check_answer.c, check_complete.c, check_ask.c ---- */

void check_reply(struct client *client, const struct reply *reply, const struct tide *tide);
void check_token(struct client *client, const struct token *token, const struct tide *tide); /* an SSE id */
void check_quiet(struct client *client); /* everything was read: it holds exactly what is */
void check_results(const struct asked *asked, struct span results);

/* The core takes this message now; and now it has. `resumed`: what its metrics tell. */
void check_handling(struct client *client, struct asked *asked);
void check_handled(struct client *client, struct asked *asked, bool resumed);

#endif
