/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One non-blocking TCP or TLS connection on the run's epoll: either WebSocket frames after an upgrade, or plain bytes. The owner embeds it. One
 * thread.
 *
 * Reading goes into one buffer shared by all; only what is left of an unfinished frame is kept per connection. Writing is tried at
 * once, and what does not fit waits in `out` until the socket is writable.
 *
 * Streamed dialects may cut a message anywhere, also between two frames: then the end of one payload is moved in front of the next.
 *
 *     … payload A ][ head B ][ payload B …      on_frame(A) keeps its last bytes
 *     …         kk  [ head B ][ payload B …
 *     …              kk head B]                  moved over the head
 *     …                     kk[ payload B …      on_frame(kk + B)
 */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include "bench/dialect.h"

struct connection;
struct secure;

struct connection_calls {
    void (*on_open)(struct connection *connection); /* upgraded, or for plain ones connected */
    void (*on_frame)(struct connection *connection, struct span payload);
    void (*on_close)(struct connection *connection, const char *why); /* `why` for as long as the call */
};

struct connection {
    const struct connection_calls *calls;
    const struct dialect *dialect;
    void *context;
    uint32_t topic;  /* where each topic has an address of its own */
    uint32_t source; /* connect from 127.0.0.`source`; 0: as the kernel likes */
    int fd;          /* -1: closed */
    int epoll_fd;
    uint32_t events;   /* what epoll watches */
    int receive_bytes; /* of the kernel's buffer; 0: as it likes */
    bool is_secure;    /* TLS, by whoever opens it */
    bool connected;
    bool upgraded;
    uint32_t retry_s;      /* Retry-After of an upgrade that was refused; 0: none */
    struct secure *secure; /* NULL: plain */
    struct buffer out;
    uint8_t *tail; /* of an unfinished frame */
    uint32_t tail_bytes;
    uint32_t keep;     /* set by on_frame, streamed dialects: so many bytes at its end are to come again with the next */
    uint32_t carry;    /* so many bytes in front of the tail are such ones */
    uint64_t received; /* bytes */
    uint64_t reads;    /* that brought some */
};

struct sockaddr_in;

/* Starts connecting. False, with errno, if there is no socket or no port left. */
bool connection_open(struct connection *connection, int epoll_fd, const struct sockaddr_in *to, const char *authority);
void connection_close(struct connection *connection);

/* For the loop: what epoll said about it. */
void connection_on_event(struct connection *connection, uint32_t events);

/* Sends what was put into connection->out. */
void connection_flush(struct connection *connection);

/* A reader that stalls, and goes on. */
void connection_set_reading(struct connection *connection, bool reading);

static inline bool connection_is_open(const struct connection *connection) {
    return connection->fd >= 0;
}

#endif
