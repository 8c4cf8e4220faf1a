/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/connection.h"

#include "bench/secure.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define TAIL_BYTES_MAX (2u << 20) /* the largest message a broker sends, twice */
#define OUT_BYTES_MAX (64u << 20)
#define OUT_KEEP_BYTES 65536u
#define TURN_BYTES_MAX (1u << 20) /* read from one socket before the others have their turn */

static uint8_t shared[TAIL_BYTES_MAX + READ_BYTES];

/* ---- opening and closing ---- */

static void watch(struct connection *connection, uint32_t events) {
    if (events == connection->events) {
        return;
    }
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(connection->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
    connection->events = events;
}

/* An address has 28,000 ports for one server; loopback has many addresses. */
static void bind_source(const struct connection *connection) {
    if (connection->source == 0) {
        return;
    }
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + connection->source)};
    setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    bind(connection->fd, (const struct sockaddr *)(const void *)&from, sizeof from);
}

bool connection_open(struct connection *connection, int epoll_fd, const struct sockaddr_in *to, const char *authority) {
    assert(connection->calls != NULL && connection->dialect != NULL);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        return false;
    }
    int one = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connection->receive_bytes > 0) {
        setsockopt(connection->fd, SOL_SOCKET, SO_RCVBUF, &connection->receive_bytes, sizeof connection->receive_bytes);
    }
    bind_source(connection);
    const struct sockaddr *name = (const struct sockaddr *)(const void *)to;
    if (connect(connection->fd, name, sizeof *to) != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(connection->fd);
        connection->fd = -1;
        errno = error;
        return false;
    }
    if (connection->is_secure && (connection->secure = secure_open(connection->fd)) == NULL) {
        close(connection->fd);
        connection->fd = -1;
        errno = ENOMEM;
        return false;
    }
    connection->epoll_fd = epoll_fd;
    connection->connected = false;
    connection->upgraded = false;
    connection->retry_s = 0;
    connection->tail_bytes = 0;
    connection->carry = 0;
    connection->keep = 0;
    buffer_init(&connection->out, OUT_BYTES_MAX);
    dialect_put_upgrade(connection->dialect, &connection->out, authority, connection->topic);
    connection->events = EPOLLIN | EPOLLOUT;
    struct epoll_event event = {.events = connection->events, .data.ptr = connection};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) == 0;
}

void connection_close(struct connection *connection) {
    if (connection->fd < 0) {
        return;
    }
    secure_close(connection->secure);
    connection->secure = NULL;
    close(connection->fd);
    connection->fd = -1;
    buffer_fini(&connection->out);
    free(connection->tail);
    connection->tail = NULL;
    connection->tail_bytes = 0;
}

static void end(struct connection *connection, const char *why) {
    connection_close(connection);
    connection->calls->on_close(connection, why);
}

/* ---- writing ---- */

static ssize_t send_some(const struct connection *connection, const struct buffer *out) {
    return connection->secure != NULL ? secure_write(connection->secure, out->data, out->bytes)
                                      : send(connection->fd, out->data, out->bytes, MSG_NOSIGNAL);
}

void connection_flush(struct connection *connection) {
    struct buffer *out = &connection->out;
    if (!connection->connected || !connection_is_open(connection)) {
        return;
    }
    while (out->bytes > 0) {
        ssize_t sent = send_some(connection, out);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            if (connection->secure != NULL && errno != EAGAIN) {
                buffer_clear(out, 0); /* no descriptor tells of it: whoever reads next hears the same */
            }
            break;
        }
        if ((size_t)sent == out->bytes) {
            buffer_clear(out, OUT_KEEP_BYTES);
        } else {
            buffer_consume(out, (size_t)sent);
        }
    }
    if (out->bytes == 0 && connection->dialect->framed && !connection->upgraded) {
        buffer_fini(out); /* thousands of connections send nothing more than a subscription */
        buffer_init(out, OUT_BYTES_MAX);
    }
    const bool waits = connection->secure != NULL && secure_waits_for_peer(connection->secure);
    watch(connection, (connection->events & EPOLLIN) | (out->bytes > 0 && !waits ? EPOLLOUT : 0));
}

void connection_set_reading(struct connection *connection, bool reading) {
    if (connection_is_open(connection)) {
        const bool has_more = reading && connection->secure != NULL && secure_has_pending(connection->secure);
        watch(connection, (connection->events & EPOLLOUT) | (reading ? EPOLLIN : 0) | (has_more ? EPOLLOUT : 0));
    }
}

/* ---- reading ---- */

static uint32_t retry_after(const uint8_t *at, const uint8_t *stop) {
    static const char name[] = "Retry-After: ";
    const uint8_t *found = memmem(at, (size_t)(stop - at), name, sizeof name - 1);
    uint32_t seconds = 0;
    for (found += found == NULL ? 0 : sizeof name - 1; found != NULL && found < stop && *found >= '0' && *found <= '9';
         found++) {
        seconds = seconds > 1000 ? seconds : seconds * 10 + (uint32_t)(*found - '0');
    }
    return seconds;
}

/* The head of the answer to our upgrade. Returns what lies behind it; NULL: not complete yet, or refused. */
static const uint8_t *take_head(struct connection *connection, const uint8_t *at, const uint8_t *stop) {
    const uint8_t *behind = memmem(at, (size_t)(stop - at), "\r\n\r\n", 4);
    if (behind == NULL) {
        return NULL;
    }
    if (memcmp(at, "HTTP/1.1 101", 12) != 0) {
        connection->retry_s = retry_after(at, behind);
        end(connection, "the upgrade was refused");
        return NULL;
    }
    connection->upgraded = true;
    connection->calls->on_open(connection);
    return behind + 4;
}

/* Hands out a payload, with what was kept of the one before; it lies in front of `head`. */
static void hand_out(struct connection *connection, uint8_t *head, uint8_t *payload, size_t bytes) {
    size_t carry = connection->carry;
    if (carry > 0) {
        memmove(payload - carry, head - carry, carry);
    }
    connection->keep = 0;
    connection->calls->on_frame(connection, span_of(payload - carry, carry + bytes));
    connection->carry = connection->keep;
}

/* With the code and the reason that the server gave (RFC 6455, section 5.5.1). */
static void end_closed(struct connection *connection, struct span payload) {
    char why[160];
    unsigned code = payload.bytes >= 2 ? (unsigned)payload.data[0] << 8 | payload.data[1] : 0;
    int bytes = payload.bytes > 2 ? (int)payload.bytes - 2 : 0;
    snprintf(why, sizeof why, "closed by the server: %u %.*s", code, bytes, bytes > 0 ? (const char *)payload.data + 2 : "");
    end(connection, why);
}

/* Hands out the complete frames; returns where the unfinished one starts. A server's frames are not masked. */
static const uint8_t *take_frames(struct connection *connection, uint8_t *at, const uint8_t *stop) {
    at += connection->carry;
    while (stop - at >= 2 && connection_is_open(connection)) {
        size_t head = 2;
        uint64_t bytes = at[1];
        if (bytes == 126 || bytes == 127) {
            size_t length_bytes = bytes == 126 ? 2 : 8;
            head += length_bytes;
            if ((size_t)(stop - at) < head) {
                break;
            }
            bytes = 0;
            for (size_t i = 0; i < length_bytes; i++) {
                bytes = bytes << 8 | at[2 + i];
            }
        }
        if (bytes > TAIL_BYTES_MAX - head) {
            end(connection, "a frame too long, or masked");
            return stop;
        }
        if ((size_t)(stop - at) < head + bytes) {
            break;
        }
        if ((at[0] & 0x0f) == 8) {
            end_closed(connection, span_of(at + head, bytes));
            return stop;
        }
        if ((at[0] & 0x0f) < 8) {
            hand_out(connection, at, at + head, bytes);
        }
        at += head + bytes;
    }
    return at - connection->carry;
}

static const uint8_t *take(struct connection *connection, uint8_t *at, const uint8_t *stop) {
    if (!connection->dialect->framed) {
        connection->keep = 0;
        connection->calls->on_frame(connection, span_of(at, (size_t)(stop - at)));
        return stop - connection->keep;
    }
    if (!connection->upgraded) {
        const uint8_t *behind = take_head(connection, at, stop);
        if (behind == NULL) {
            return at;
        }
        at += behind - at;
    }
    return take_frames(connection, at, stop);
}

/* What is unfinished goes into memory of the connection's own, exactly as much as it needs. */
static bool keep_tail(struct connection *connection, const uint8_t *at, const uint8_t *stop) {
    size_t bytes = (size_t)(stop - at);
    if (bytes > TAIL_BYTES_MAX) {
        return false;
    }
    if (bytes == 0) {
        free(connection->tail);
        connection->tail = NULL;
    } else {
        uint8_t *tail = realloc(connection->tail, bytes);
        if (tail == NULL) {
            return false;
        }
        connection->tail = tail;
        memcpy(tail, at, bytes);
    }
    connection->tail_bytes = (uint32_t)bytes;
    return true;
}

/* False: there is no more for now. */
static bool read_once(struct connection *connection) {
    size_t kept = connection->tail_bytes;
    if (kept > 0) {
        memcpy(shared, connection->tail, kept);
    }
    ssize_t received = connection->secure != NULL ? secure_read(connection->secure, shared + kept, READ_BYTES)
                                                  : recv(connection->fd, shared + kept, READ_BYTES, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (received <= 0) {
        end(connection, received == 0 ? "the server hung up" : strerror(errno));
        return false;
    }
    connection->received += (uint64_t)received;
    connection->reads++;
    const uint8_t *stop = shared + kept + (size_t)received;
    const uint8_t *rest = take(connection, shared, stop);
    if (!connection_is_open(connection)) {
        return false;
    }
    if ((rest != stop || kept > 0) && !keep_tail(connection, rest, stop)) {
        end(connection, "out of memory");
        return false;
    }
    return received == (ssize_t)READ_BYTES;
}

static bool has_pending(const struct connection *connection) {
    return connection->secure != NULL && (connection->events & EPOLLIN) != 0 && secure_has_pending(connection->secure);
}

/* Its share, and what is decrypted by then: of that no descriptor tells. Who stops reading meanwhile is left alone. */
static void read_turn(struct connection *connection) {
    bool more = connection_is_open(connection);
    for (size_t turn = 0; more; turn += READ_BYTES) {
        more = read_once(connection);
        more = connection_is_open(connection) && (connection->events & EPOLLIN) != 0 &&
               ((more && turn + READ_BYTES < TURN_BYTES_MAX) || has_pending(connection));
    }
}

void connection_on_event(struct connection *connection, uint32_t events) {
    if (!connection_is_open(connection)) {
        return;
    }
    if ((events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
        bool first = !connection->connected;
        connection->connected = true;
        if (first && !connection->dialect->framed) {
            connection->calls->on_open(connection);
        }
        connection_flush(connection);
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 || has_pending(connection)) {
        read_turn(connection);
    }
    if (connection->secure != NULL && connection->out.bytes > 0) {
        connection_flush(connection); /* the handshake may have come to its end */
    }
}
