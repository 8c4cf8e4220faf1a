/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * WebSockets: the far ends of most sessions. libwebsockets answers the upgrade, takes frames apart and sends pongs; messages are put
 * together here and given to the core, and what the core has to say arrives as whole frames, headers included. Loop thread.
 *
 * Writing. Frames leave at once, outside the library's WRITEABLE callback, by one function (socket_write): what send() takes at once, and
 * the rest by lws_write(…, LWS_WRITE_RAW), which keeps it as it is; then nothing more is given to it until it calls WRITEABLE, which it does when
 * the tail has left. Pongs and echoes of a close are sent by the library from the same place, never inside a tail. None of this is
 * promised by its documentation: it holds for 4.1.6 on plain HTTP/1.1 without extensions.
 *
 * Closing. Our Close frame is written like any other, then the peer has websocket.close_ms to answer. The library's own way to
 * close would drop a waiting tail, and keeps its timers in one list that is walked on every insertion.
 *
 * Reading. The library reads as many bytes at a time as its receive buffer has, which is small because every idle connection holds one.
 * A socket that filled it is read again (websockets_read_more) before the turn goes on, so that a busy publisher needs no poll for each.
 */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "broker/net/deadlines.h"
#include "broker/net/limits.h"
#include "proto/buffer.h"

#include <stdbool.h>

struct broker;
struct lws_context;
struct lws_protocols;
struct lws_vhost;
struct rights;
struct websocket;

struct websockets {
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols *protocols; /* owned; the library borrows it */
    struct websocket *adopting;      /* during the call that gives its socket to the library */
    size_t messages_bytes;           /* of unfinished messages */
    struct link open;                /* struct websocket.link */
    struct link hungry;              /* more may be waiting in the socket */
    struct link doomed;              /* lost, to be destroyed when no library code is on the stack */
};

/* Makes the library's context on our loop. False: it would not. */
bool websockets_init(struct broker *broker);

/* The context's destruction takes two calls: one that lets the library close its handles, and one when the loop has run out of them. */
void websockets_stop(struct broker *broker);
void websockets_fini(struct broker *broker);

/* Gives the library a socket whose first bytes were read already: the upgrade request of `head_bytes`, and perhaps more. Takes `fd`,
   `count` and `rights`: those that the request gave. */
void websocket_adopt(struct broker *broker, int fd, struct address_count *count, struct rights *rights, struct span bytes,
                     size_t head_bytes);

/* True if some sockets still have more to read. */
bool websockets_read_more(struct broker *broker);

/* Destroys what was lost in this turn. */
void websockets_reap(struct broker *broker);

/* The end of draining: every socket that is left, at once. */
void websockets_close(struct broker *broker);

#endif
