/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One request and its answer, from the end of the request's head to the last byte of the answer. The route's handler does the work; the
 * functions here read the request and write the answer into the connection's `out`. Owned by its connection. Loop thread.
 */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include "broker/core/core.h"
#include "broker/net/http_body.h"
#include "broker/net/jwt_claims.h"
#include "broker/net/peer.h"

struct broker;
struct claimant;
struct connection;
struct exchange;

enum body_mode {
    BODY_NONE,   /* a body is read and forgotten */
    BODY_WHOLE,  /* collected up to http.body_bytes_max, then `end` */
    BODY_STREAM, /* handed on as it comes, then `end` */
};

/* What an API call does. Every function may be NULL. Answers may be written from any of them, or later. */
struct handler {
    const struct handler *(*choose)(const struct http_head *head); /* another handler does it, chosen by the head */
    enum body_mode body;
    bool is_public;                           /* needs no rights: probes and pages */
    bool is_figures;                          /* tells what the broker counts: not to everybody, where anybody may come */
    bool is_document;                         /* the body is one document: it need not be longer than one may be as JSON */
    size_t state_bytes;                       /* of `state`, zeroed before `begin` */
    void (*begin)(struct exchange *exchange); /* the head is there */
    void (*take)(struct exchange *exchange,
                 struct span *piece);           /* BODY_STREAM: takes from the front; what it leaves comes again */
    void (*end)(struct exchange *exchange);     /* the body is complete */
    bool (*produce)(struct exchange *exchange); /* the answer has room: write some more; false: nothing now */
    void (*ticket)(struct exchange *exchange, struct ticket *ticket); /* what a ticket stands for may be told */
    void (*room)(struct exchange *exchange);                          /* is_stream: everything written has left */
    void (*release)(struct exchange *exchange);                       /* gone, answered or not */
};

/* Around a document in a body or a line: white space; the topic, key and so on of a change. */
#define CONTENT_SPARE_BYTES 4096

struct exchange {
    struct connection *connection;
    struct broker *broker;
    const struct handler *handler;
    void *state;           /* the handler's */
    struct http_head head; /* points into `bytes` */
    struct buffer bytes;   /* the request head */
    struct buffer path;    /* decoded */
    struct link dawdling;  /* in broker->dawdlers, while it holds a stream's place, or memory for its body */
    int64_t dawdling_since_ms;
    bool in_line;              /* of a stream: a line has begun; body_ms are for it */
    bool line_moved;           /* one has ended since its deadline was looked at */
    struct claimant *claimant; /* while its credentials wait to be judged (judging.h) */
    enum refusal refusal;      /* what came of it */
    bool is_held;              /* nothing of its body is looked at before that */
    struct rights *rights; /* counted, once the head was read; NULL: access is open, or (an upgrade) a token is still to come */
    struct span origin;    /* of the page that asks, if it may see answers; empty: no page, or it may not */
    struct span rest;      /* of the path, behind the route's prefix */
    struct buffer body;
    size_t body_counted; /* of broker->bodies_bytes */
    size_t *counted;     /* in broker->requests or broker->streams; NULL: not */
    bool has_body;       /* one that is collected */
    bool continued;      /* "100 Continue" was sent */
    bool begun;          /* the answer's head is written */
    bool chunked;        /* the answer is */
    bool answered;       /* the answer is whole */
    bool is_stream;      /* the answer lasts until one side closes (Server-Sent Events) */
    bool is_paced;       /* a stream of lines that waits until its connection may publish again */
    bool upgrading;      /* the connection is to become a WebSocket */
};

struct exchange *exchange_create(struct connection *connection); /* NULL: no memory */
void exchange_destroy(struct exchange *exchange);

/* The connection's part. */
void exchange_begin(struct exchange *exchange, struct span head);
void exchange_go_on(struct exchange *exchange); /* held before, and judged */
void exchange_refuse_head(struct exchange *exchange, int status, const char *detail);
void exchange_take(struct exchange *exchange, struct span *piece);
void exchange_end_body(struct exchange *exchange);
void exchange_fail_body(struct exchange *exchange);
bool exchange_produce(struct exchange *exchange);
void exchange_on_room(struct exchange *exchange);
void exchange_on_ticket(struct ticket *ticket);

/* ---- reading the request ---- */

/* Takes `count` changes off what the connection may publish (limits.publish_rate_max). False: it is too fast, and has been answered. */
bool exchange_may_publish(struct exchange *exchange, int64_t count);

/* The same without an answer: 0, or for how long to wait (ms). */
int64_t exchange_take_changes(struct exchange *exchange, int64_t count);

/* How many it may publish now; 0 or less: it has to wait. */
int64_t exchange_publishes_left(struct exchange *exchange);

/* Decodes the first query parameter of that name into `out`. False: absent (out empty) or malformed (*malformed). */
bool exchange_query(struct exchange *exchange, const char *name, struct buffer *out, bool *malformed);

/* An integer parameter. True with *number untouched if absent; false if malformed or out of bounds. */
bool exchange_query_int(struct exchange *exchange, const char *name, int64_t min, int64_t max, int64_t *number);

/* ---- answering ---- */

struct answer {
    int status;
    const char *type;    /* Content-Type; NULL: no body */
    const char *headers; /* further lines, each with its CRLF; NULL: none */
    struct span body;
};

/* A whole answer. */
void exchange_answer(struct exchange *exchange, const struct answer *answer);

struct problem {
    int status; /* 0: that of the code */
    enum ahora_code code;
    const char *detail;
    struct span errors; /* packed list; empty: none */
    int64_t seq;        /* 0: none */
    int64_t retry_ms;   /* 0: none; becomes Retry-After */
    const char *headers;
};

/* application/problem+json (RFC 9457). If the answer has begun already, it is broken off instead. */
void exchange_problem(struct exchange *exchange, const struct problem *problem);

/* Shorthand. */
void exchange_refuse(struct exchange *exchange, enum ahora_code code, const char *detail);

/* An answer in pieces: head, then any number of pieces, then the end. With HEAD only the head leaves. */
void exchange_answer_begin(struct exchange *exchange, const struct answer *answer);
void exchange_answer_piece(struct exchange *exchange, struct span piece);
void exchange_answer_end(struct exchange *exchange);

#endif
