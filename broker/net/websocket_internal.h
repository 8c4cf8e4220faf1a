/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* One WebSocket, as websocket.c (its life and its writing) and websocket_read.c (its messages) share it. Nobody else includes this. */
#ifndef NET_WEBSOCKET_INTERNAL_H
#define NET_WEBSOCKET_INTERNAL_H

#include "broker/net/peer.h"
#include "broker/net/websocket.h"

struct broker;
struct lws;

struct websocket {
    struct peer peer; /* first: the session's owner is the peer */
    struct broker *broker;
    struct lws *wsi;
    int fd; /* the library's, open as long as it is */
    struct link link;
    struct link hungry;
    struct link doomed;
    struct deadline deadline; /* DEADLINE_CLOSE: while closing, and again and again while choked */
    struct address_count *count;
    struct rights *rights; /* counted, until there is a session */
    struct buffer message; /* its fragments so far */
    size_t counted;        /* of these, in websockets.messages_bytes */
    uint64_t heard_turn;   /* the turn that `heard` belongs to */
    size_t heard;          /* bytes of frames in it */
    size_t received;       /* bytes of payload in this turn's reads */
    enum encoding encoding;
    bool skipping; /* a message was refused: nothing more is taken in */
    bool choked;
    bool closing; /* our Close is written */
    bool overdue; /* choked, and was already kicked when the deadline passed before */
    bool closed;  /* the library has closed it, and frees it soon */
};

/* After every change of `message`. */
void websocket_count_message(struct websocket *websocket);

/* A piece of a message that the library has read. */
void websocket_take(struct websocket *websocket, struct span fragment);

#endif
