/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/transport.h"

#include "broker/net/broker.h"
#include "broker/net/forwarded.h"
#include "broker/net/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the plain kind ---- */

static bool is_passing(int reason) {
    return reason == EAGAIN || reason == EWOULDBLOCK || reason == EINTR;
}

static ssize_t plain_read(struct transport *transport, uint8_t *data, size_t bytes) {
    ssize_t got = recv(transport->fd, data, bytes, 0);
    if (got > 0) {
        return got;
    }
    return got == 0 ? TRANSPORT_END : is_passing(errno) ? 0 : TRANSPORT_BROKEN;
}

/* A call that takes a part is followed by another one: the kernel may have sent meanwhile. Its EAGAIN is what tells that the rest has to wait. */
static ssize_t plain_write(struct transport *transport, struct span bytes) {
    size_t sent = 0;
    while (sent < bytes.bytes) {
        ssize_t now = send(transport->fd, bytes.data + sent, bytes.bytes - sent, MSG_NOSIGNAL);
        if (now < 0) {
            if (errno == EINTR) {
                continue;
            }
            return is_passing(errno) ? (ssize_t)sent : TRANSPORT_BROKEN;
        }
        sent += (size_t)now;
    }
    return (ssize_t)sent;
}

static ssize_t plain_write_all(struct transport *transport, const struct span *pieces, size_t count) {
    struct iovec parts[TRANSPORT_PIECES_MAX];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    assert(count <= TRANSPORT_PIECES_MAX);
    for (size_t i = 0; i < count; i++) {
        /* iovec has no const; sendmsg only reads */
        parts[i] = (struct iovec){.iov_base = (void *)(uintptr_t)pieces[i].data, .iov_len = pieces[i].bytes};
    }
    ssize_t sent;
    do {
        sent = sendmsg(transport->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0 ? sent : is_passing(errno) ? 0 : TRANSPORT_BROKEN;
}

static void plain_want(struct transport *transport) {
    int wanted = transport->wanted;
    transport_poll(transport, (wanted & TRANSPORT_READ ? UV_READABLE : 0) | (wanted & TRANSPORT_WRITE ? UV_WRITABLE : 0));
}

static void plain_shut(struct transport *transport) {
    shutdown(transport->fd, SHUT_WR);
}

static void plain_on_event(struct transport *transport, int status, int events) {
    int ready = status < 0 ? TRANSPORT_LOST
                           : (events & UV_READABLE ? TRANSPORT_READ : 0) | (events & UV_WRITABLE ? TRANSPORT_WRITE : 0);
    transport->on_ready(transport->owner, ready);
}

static void plain_fini(struct transport *transport) {
    (void)transport;
}

const struct transport_calls transport_plain = {
    .read = plain_read,
    .write = plain_write,
    .write_all = plain_write_all,
    .want = plain_want,
    .shut = plain_shut,
    .on_event = plain_on_event,
    .fini = plain_fini,
};

/* ---- what all have ---- */

static void on_event(struct pollee *pollee, int status, int events) {
    struct transport *transport = CONTAINER_OF(pollee, struct transport, pollee);
    loop_enter(transport->broker);
    transport->calls->on_event(transport, status, events);
}

void transport_poll(struct transport *transport, int uv_events) {
    if (!transport->closing) {
        poller_want(&transport->broker->loop.poller, &transport->pollee, uv_events);
    }
}

/* Behind a call that takes a part comes another one, as in plain_write. */
ssize_t transport_write_all(struct transport *transport, const struct span *pieces, size_t count) {
    ssize_t sum = transport->calls->write_all != NULL ? transport->calls->write_all(transport, pieces, count) : 0;
    size_t skip = sum > 0 ? (size_t)sum : 0;
    for (size_t i = 0; i < count && sum >= 0; i++) {
        if (skip >= pieces[i].bytes) {
            skip -= pieces[i].bytes;
            continue;
        }
        struct span rest = span_of(pieces[i].data + skip, pieces[i].bytes - skip);
        ssize_t sent = transport_write(transport, rest);
        skip = 0;
        sum = sent < 0 ? sent : sum + sent;
        if (sent < (ssize_t)rest.bytes) {
            break;
        }
    }
    return sum;
}

void transport_prefer(struct transport *transport) {
    if (!transport->closing) {
        poller_prefer(&transport->broker->loop.poller, &transport->pollee);
    }
}

/* A machine that is switched off says nothing: an idle connection is probed from half of the time on. TCP_USER_TIMEOUT would end a living
   peer too, one that takes nothing for a while; being slow is allowed. */
static void set_vanished(int fd, int64_t vanished_ms) {
    if (vanished_ms == 0) {
        return;
    }
    int yes = 1;
    int idle_s = vanished_ms >= 2000 ? (int)(vanished_ms / 2000) : 1;
    int every_s = vanished_ms >= 8000 ? (int)(vanished_ms / 8000) : 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
}

void transport_prepare(const struct config *config, int listening_fd) {
    int yes = 1;
    int lowat = (int)config->notsent_lowat_bytes;
    setsockopt(listening_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(listening_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
    set_vanished(listening_fd, config->vanished_ms);
}

static void set_address(struct sockaddr_in6 *to, const struct sockaddr *address) {
    to->sin6_family = AF_INET6;
    if (address->sa_family == AF_INET6) {
        memcpy(to, address, sizeof *to);
        return;
    }
    struct sockaddr_in in4;
    memcpy(&in4, address, sizeof in4);
    to->sin6_port = in4.sin_port;
    to->sin6_addr.s6_addr[10] = 0xff;
    to->sin6_addr.s6_addr[11] = 0xff;
    memcpy(&to->sin6_addr.s6_addr[12], &in4.sin_addr, 4);
}

struct transport *transport_open(struct broker *broker, const struct listener *listener, int fd, const struct sockaddr *address,
                                 struct address_count *count) {
    struct transport *transport = calloc(1, listener->is_secure ? sizeof(struct tls) : sizeof *transport);
    if (transport == NULL) {
        close(fd);
        connection_limits_leave(&broker->shards->limits, count);
        return NULL;
    }
    transport->calls = &transport_plain;
    transport->broker = broker;
    transport->pollee.on_event = on_event;
    transport->pollee.fd = fd;
    transport->pollee.is_first = listener->role == LISTENER_INTERNAL;
    transport->fd = fd;
    transport->role = listener->role;
    transport->count = count;
    set_address(&transport->address, address);
    if (broker->config.trusted_proxies[0] != '\0' &&
        forwarded_is_trusted(&transport->address.sin6_addr, broker->config.trusted_proxies)) {
        transport->is_proxied = true;
        connection_limits_move(&broker->shards->limits, &transport->count,
                               NULL); /* it is counted for those who are behind it */
    }
    return transport;
}

void transport_own(struct transport *transport, void *owner, void (*on_ready)(void *owner, int events),
                   void (*on_closed)(void *owner)) {
    assert(!transport->closing);
    transport->owner = owner;
    transport->on_ready = on_ready;
    transport->on_closed = on_closed;
}

void transport_shut(struct transport *transport) {
    transport->calls->shut(transport);
}

/* The descriptor goes at once, the memory when nobody who calls us can be on the stack any more. */
void transport_close(struct transport *transport) {
    struct broker *broker = transport->broker;
    if (transport->closing) {
        return;
    }
    transport->closing = true;
    transport->calls->fini(transport);
    poller_forget(&transport->pollee);
    close(transport->fd);
    connection_limits_leave(&broker->shards->limits, transport->count);
    list_append(&broker->loop.closed, &transport->closed);
    broker->loop.dirty = true; /* drain waits for the count */
}

void transports_free(struct broker *broker) {
    for (struct link *link; (link = list_pop(&broker->loop.closed)) != NULL;) {
        struct transport *transport = CONTAINER_OF(link, struct transport, closed);
        if (transport->on_closed != NULL) {
            transport->on_closed(transport->owner);
        }
        free(transport);
    }
}

bool transport_is_secure(const struct transport *transport) {
    return transport->calls != &transport_plain;
}

void transport_put_address(const struct transport *transport, char text[TRANSPORT_ADDRESS_BYTES]) {
    const struct in6_addr *address = &transport->address.sin6_addr;
    text[0] = '\0';
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        inet_ntop(AF_INET, &address->s6_addr[12], text, TRANSPORT_ADDRESS_BYTES);
    } else {
        inet_ntop(AF_INET6, address, text, TRANSPORT_ADDRESS_BYTES);
    }
}
