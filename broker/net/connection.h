/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One transport that speaks HTTP/1.1, until it is closed or given away by an upgrade. It reads heads and
 * bodies, has at most one exchange (request and answer) at a time, and writes what the exchange puts into `out`. Loop thread.
 *
 *            head complete          answered, body read          written, not kept
 *   HEAD ───────────────────▶ BODY ──────────────────▶ ANSWER ──────────────────▶ LINGER ──▶ closed
 *     ▲                         │ (the answer may begin here)      │                (our side shut, theirs awaited)
 *     └─────────────────────────┴──────────── written, kept ───────┘
 *
 * Requests behind the current one wait in `in`; it is bounded, and not read further while full. Nor is the next head looked at, or
 * anything read, while much of the answers before it is unsent: who asks and does not read holds up nobody else.
 */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include "broker/base/allowance.h"
#include "broker/net/access.h"
#include "broker/net/deadlines.h"
#include "broker/net/http_body.h"
#include "broker/net/transport.h"
#include "proto/buffer.h"

struct broker;
struct exchange;

enum connection_state {
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_ANSWER,
    CONNECTION_LINGER,
    CONNECTION_CLOSED,
};

struct connection {
    struct broker *broker;
    struct transport *transport;
    enum connection_state state;
    bool keep_alive;
    bool ended; /* the peer sends no more */
    bool shut;  /* we send no more */
    bool busy;  /* inside connection_process */
    bool begun; /* empty lines came in front of the next request: its time runs */
    struct link link;
    struct link work;
    struct deadline deadline;
    int deadline_class;          /* -1: none set */
    struct allowance allowance;  /* of changes */
    struct access_memory access; /* who its last request was of */
    struct buffer in;            /* what is behind in_from; the rest is used, and dropped at the end of connection_process */
    size_t in_from;              /* in HEAD the next request begins here */
    size_t in_at;                /* the body decoder stands here */
    size_t piece_left;           /* content in front of in_at that the exchange has not taken */
    struct http_body body;
    struct buffer out;
    size_t out_at; /* sent up to here */
    struct exchange *exchange;
};

/* Takes the transport; closes it if there is no memory. */
void connection_open(struct transport *transport);

/* Moves everything on as far as it goes: parse, feed the exchange, write. May destroy the connection. */
void connection_process(struct connection *connection);

/* Have it processed in this turn (or the next, if the turn is over). */
void connection_touch(struct connection *connection);

/* At once, without a word more. */
void connection_close(struct connection *connection);

/* Drain: connections between two requests are closed, the others after their answer. */
void connections_drain(struct broker *broker);
void connections_close(struct broker *broker);

/* Behind an answer that is whole, is the rest of the request's body read to keep the connection? Only if that is little and certain to
   come. */
bool connection_reads_rest(const struct connection *connection);

/* Bytes in `out` that the socket has not taken. */
size_t connection_pending(const struct connection *connection);

/* Sends bytes behind everything in `out`, without copying them if the socket takes them now. False: the connection is lost (and
   will be closed by the next process). */
bool connection_send(struct connection *connection, struct span bytes);

/* The transport goes elsewhere: it has no owner now. The connection itself is freed. */
struct transport *connection_give(struct connection *connection);

#endif
