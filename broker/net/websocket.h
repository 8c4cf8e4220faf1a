/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * WebSockets: the far ends of most sessions. Frames are taken apart by frame.h, messages put together here and given to the core; what the
 * core has to say arrives as whole frames, headers included. It stands on a transport, which the HTTP connection before it gave up. Loop thread.
 *
 * Reading. All sockets of a loop are read into one buffer, as much as fits at a time and once for each time that the loop finds a socket
 * readable. A message that is in there whole is given to the core where it lies. Of one that is not, what has arrived is kept (struct held);
 * an idle connection keeps nothing.
 *
 * Writing. Frames leave at once. What the transport does not take is kept (struct tail), and the session is not asked for more until it has
 * left. A ping is answered at once, or behind the tail: then the newest of those that came meanwhile (RFC 6455 section 5.5.3).
 *
 * Closing.
 *                  our Close is written                    both are          the tail has left: our side is shut
 *   OPEN ────────────────────────────────▶ CLOSING ──────────────▶ CLOSED ──────────────────────────────────▶ their end ──▶ gone
 *     │                                                              ▲
 *     └── their Close, or a frame against the rules: answers that are owed go first, then our Close
 *
 * Behind a frame against the rules nothing is understood any more, so nothing is waited for but the peer's end. The connection is closed behind that, not
 * before: closing while bytes of the peer's lie unread would reset it, and may destroy what we said last. All of it must happen in websocket.close_ms.
 */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "broker/core/core.h"
#include "proto/buffer.h"

#include <stdbool.h>

struct broker;
struct rights;
struct transport;
struct websocket;

/* Of one loop. */
struct websockets {
    uint8_t *receive;       /* receive_bytes, with room for the rest of a frame in front */
    uint64_t turn;          /* that `turn_left` belongs to */
    size_t turn_left;       /* to be read in it */
    size_t messages_bytes;  /* of unfinished messages */
    struct link unfinished; /* struct held.link, the first to begin first */
    struct link open;       /* struct websocket.link */
    struct buffer answer;   /* to an upgrade */
    struct evp_md_ctx_st *digest;
};

/* False: no memory. */
bool websockets_init(struct broker *broker);
void websockets_fini(struct broker *broker);

/* A session on the transport, which now belongs to it, with the rights that the request gave (counted). NULL: no memory, the transport is
   closed. */
struct websocket *websocket_open(struct transport *transport, enum encoding encoding, struct rights *rights);

/* The answer to the upgrade leaves, and what came behind the request is taken as if it had been read now (and written over). May destroy it. */
void websocket_begin(struct websocket *websocket, struct span answer, uint8_t *behind, size_t behind_bytes);

/* The end of draining: every socket that is left, at once. */
void websockets_close(struct broker *broker);

#endif
