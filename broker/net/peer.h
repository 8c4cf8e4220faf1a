/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The far end of a core session: a WebSocket, or the answer of a Server-Sent Events request. The loop pulls from the session and gives the
 * bytes to the peer by this table; nothing else is known about it. Embedded in its owner, which is the session's owner too.
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include "broker/core/core.h"

struct broker;
struct claimant;
struct peer;
struct transport;

enum peer_write {
    PEER_WRITTEN,
    PEER_CHOKED, /* taken, but part of it waits for the socket: no more until then */
    PEER_BROKEN, /* the connection is lost */
};

/* write and write_all leave the session and the peer where they are, whatever becomes of the connection: the loop ends them by `drop`. */
struct peer_calls {
    enum peer_write (*write)(struct peer *peer, struct span bytes);
    /* Several in one call, NULL: it has none. How many were taken: of the last perhaps a part, the rest of it waits. */
    size_t (*write_all)(struct peer *peer, const struct span *pieces, size_t count, enum peer_write *outcome);
    void (*set_reading)(struct peer *peer, bool reading);
    void (*end)(struct peer *peer, int close_code, const char *reason); /* everything is written; may destroy the peer */
    const struct transport *(*transport)(const struct peer *peer);      /* what it speaks over */
    void (*drop)(struct peer *peer);                                    /* the connection is lost; may destroy the peer */
};

struct peer {
    const struct peer_calls *calls;
    struct session *session;   /* NULL once it is over */
    struct link yielding;      /* while peers are flushed: it had its share */
    uint64_t turn;             /* the last turn in which it had its share */
    struct claimant *claimant; /* while its session's token waits to be judged (judging.h) */
    struct subject *subject;   /* whose it is; NULL: nobody's in particular */
    bool reading;
};

/* Sessions that were given rights are counted among those of their subject; one too many is ended. */
void peers_name(struct broker *broker);

/* Its session is over. */
void peer_leave(struct broker *broker, struct peer *peer);

/* Writes what the sessions have, each up to its share of a turn. True if some had to yield: come again at once. */
bool peers_flush(struct broker *broker);

#endif
