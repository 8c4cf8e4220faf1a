/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* One WebSocket, as websocket.c (its life), websocket_read.c (its messages) and websocket_write.c (its tail) share it. Nobody else includes this
   but budget.c. */
#ifndef NET_WEBSOCKET_INTERNAL_H
#define NET_WEBSOCKET_INTERNAL_H

#include "broker/base/allowance.h"
#include "broker/net/deadlines.h"
#include "broker/net/frame.h"
#include "broker/net/peer.h"
#include "broker/net/transport.h"
#include "broker/net/websocket.h"

/* What has arrived of a message or a frame that is not complete. */
struct held {
    struct websocket *owner;
    struct link link;      /* in websockets.unfinished, if some of a message has arrived */
    struct buffer message; /* its pieces, unmasked */
    uint8_t rest_bytes;
    uint8_t rest[FRAME_REST_BYTES_MAX]; /* of a frame, as received */
};

/* What the transport has not taken. */
struct tail {
    size_t bytes;
    size_t at; /* taken up to here */
    uint8_t pong_bytes;
    uint8_t pong[2 + FRAME_CONTROL_BYTES_MAX]; /* a frame; goes behind the tail */
    uint8_t data[];
};

struct websocket {
    struct peer peer; /* first: the session's owner is the peer */
    struct transport *transport;
    struct tail *tail; /* NULL: nothing; else it is choked */
    struct link link;
    struct deadline deadline; /* DEADLINE_CLOSE: while closing, and again and again while choked */
    struct frame_reader reader;
    struct allowance idle; /* of frames that say nothing */
    struct held *held;     /* NULL: nothing */
    uint16_t close_code;   /* of their Close; 0: it had none */
    bool is_text;          /* what it speaks */
    bool closing;          /* our Close is written */
    bool heard_close;      /* theirs has come, or could not be told any more from what comes */
    bool echoes;           /* it came first */
    bool ended;            /* the peer sends no more */
    bool shut;             /* neither do we */
    bool overdue;          /* choked, and was already kicked when the deadline passed before */
};

/* ---- websocket.c ---- */

/* At once, without a word more. */
void websocket_drop(struct websocket *websocket);
bool websocket_is_gone(const struct websocket *websocket);

/* Tells the transport what is waited for; the end, if nothing is. */
void websocket_settle(struct websocket *websocket);

/* ---- websocket_read.c ---- */

/* Reads once, and takes what came. May drop it. */
void websocket_read(struct websocket *websocket);

/* Takes bytes that were received. */
void websocket_take(struct websocket *websocket, struct frame_input input);
void websocket_drop_held(struct websocket *websocket);
void websocket_drop_message(struct websocket *websocket);

/* ---- websocket_write.c ---- */

/* The one place that writes. */
enum peer_write websocket_write(struct websocket *websocket, struct span bytes);

/* The same for several that lie apart, in one call. How many of them were taken; the next ones were not begun. */
size_t websocket_write_all(struct websocket *websocket, const struct span *pieces, size_t count, enum peer_write *outcome);

/* Pongs side by side, of which the last begins at `last`. */
enum peer_write websocket_write_pongs(struct websocket *websocket, struct span pongs, size_t last);

/* The transport takes more. False: it is lost. */
bool websocket_flush_tail(struct websocket *websocket);

#endif
