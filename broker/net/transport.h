/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One accepted socket with what stands between it and those who speak HTTP or WebSocket on it: nothing, or TLS. Its owner reads and writes
 * plain bytes, says what it waits for, and is told when that has come; it does not know which of the two it is. Loop thread.
 *
 *   accept ─▶ transport ─▶ (TLS: handshake) ─▶ struct connection ──upgrade──▶ struct websocket
 *                │                                  owner              the next owner, of the same transport
 *                └── keeps the pollee, the descriptor, the peer's address and its place in the connection limits until it is closed
 *
 * It is an allocation of its own because the kernel is told where it lies, whoever owns it. There is no queue in here: what a write does
 * not take stays with the owner, and is offered again, the same bytes first (a TLS record that is half sent cannot be taken back).
 */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include "broker/net/limits.h"
#include "broker/net/listener.h"
#include "broker/net/poller.h"
#include "proto/buffer.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

struct broker;
struct config;
struct transport;

enum transport_events {
    TRANSPORT_READ = 1,
    TRANSPORT_WRITE = 2,
    TRANSPORT_LOST = 4, /* comes alone and without being asked for: the owner closes */
};

/* Negative results of transport_read and transport_write. */
#define TRANSPORT_END (-1)    /* the peer sends no more; it may still read */
#define TRANSPORT_BROKEN (-2) /* nothing goes either way any more */

/* How bytes get through; everything else is the same for all. */
struct transport_calls {
    ssize_t (*read)(struct transport *transport, uint8_t *data, size_t bytes);
    ssize_t (*write)(struct transport *transport, struct span bytes);
    ssize_t (*write_all)(struct transport *transport, const struct span *pieces, size_t count); /* NULL: one by one */
    void (*want)(struct transport *transport);                                                  /* `wanted` has changed */
    void (*shut)(struct transport *transport);                             /* our side has said everything */
    void (*on_event)(struct transport *transport, int status, int events); /* of the pollee */
    void (*fini)(struct transport *transport);                             /* before the socket is closed */
};

struct transport {
    const struct transport_calls *calls;
    int fd;
    int wanted; /* enum transport_events: what the owner waits for */
    struct broker *broker;
    void *owner;
    void (*on_ready)(void *owner, int events); /* enum transport_events; the owner may close or give away the transport in it */
    void (*on_closed)(void *owner);            /* after transport_close, when no call is on the stack; NULL: nobody asks */
    struct pollee pollee;
    struct link closed; /* in loop->closed, to be freed */
    bool closing;
    enum listener_role role;
    bool is_proxied;             /* the peer is one of listen.trusted_proxies */
    struct sockaddr_in6 address; /* of the peer, or of who is behind it; IPv4 is mapped */
    struct address_count *count; /* its place in the limit per address; NULL: exempt */
};

/* Takes `fd` and `count`; nothing is waited for yet. One of a listener with TLS goes on with tls_start. NULL: no memory, both are released. */
struct transport *transport_open(struct broker *broker, const struct listener *listener, int fd, const struct sockaddr *address,
                                 struct address_count *count);

/* From now on `owner` is told. It says at once what it waits for: that it is mostly what the owner before waited for spares two calls of
   epoll_ctl. */
void transport_own(struct transport *transport, void *owner, void (*on_ready)(void *owner, int events),
                   void (*on_closed)(void *owner));

/* What the owner waits for: it is told as long as that holds, as poll(2) does. 0: nothing. */
static inline void transport_want(struct transport *transport, int events) {
    if (events != transport->wanted) {
        transport->wanted = events;
        transport->calls->want(transport);
    }
}

/* Up to `bytes` into `data`. 0: nothing there now. */
static inline ssize_t transport_read(struct transport *transport, uint8_t *data, size_t bytes) {
    return transport->calls->read(transport, data, bytes);
}

/* How many bytes the peer, or the kernel for it, takes now; perhaps 0. What is left goes first next time. */
static inline ssize_t transport_write(struct transport *transport, struct span bytes) {
    return transport->calls->write(transport, bytes);
}

/* The same for several that lie apart, at most TRANSPORT_PIECES_MAX. */
#define TRANSPORT_PIECES_MAX 4
ssize_t transport_write_all(struct transport *transport, const struct span *pieces, size_t count);

/* It brings what others wait for: from now on it is heard before them. */
void transport_prefer(struct transport *transport);

/* Everything is written: the peer reads an end behind it, and may go on sending. */
void transport_shut(struct transport *transport);

/* At once. The owner is told by on_closed, and by nothing else from here on. */
void transport_close(struct transport *transport);

bool transport_is_secure(const struct transport *transport);

/* The address of the peer, without its port: "192.0.2.1", "2001:db8::1". */
#define TRANSPORT_ADDRESS_BYTES 46
void transport_put_address(const struct transport *transport, char text[TRANSPORT_ADDRESS_BYTES]);

/* Frees those that were closed; once a turn, when nothing that knows them is on the stack. */
void transports_free(struct broker *broker);

/* What accepted sockets have from the one that listens: said once, and not for each. */
void transport_prepare(const struct config *config, int listening_fd);

/* ---- for the kinds of transport: what they have in common ---- */

extern const struct transport_calls transport_plain;

/* What the descriptor is watched for: enum uv_poll_event. */
void transport_poll(struct transport *transport, int uv_events);

#endif
