/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/listener.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096         /* a whole crowd that reconnects at once; the kernel cuts it to somaxconn */
#define ACCEPTS_PER_TURN 256 /* so that a flood of connections does not starve those that are there */
#define REST_MS 100

static void set_name(struct listener *listener) {
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?";
    getsockname(listener->fd, (struct sockaddr *)&address, &bytes);
    if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
        snprintf(listener->name, sizeof listener->name, "[%s]:%d", host, ntohs(in6.sin6_port));
        return;
    }
    struct sockaddr_in in4;
    memcpy(&in4, &address, sizeof in4);
    inet_ntop(AF_INET, &in4.sin_addr, host, sizeof host);
    snprintf(listener->name, sizeof listener->name, "%s:%d", host, ntohs(in4.sin_port));
}

/* What it has sent is taken first: closing a socket with unread bytes resets it, and the answer may be lost. */
void listener_refuse(const struct listener *listener, int fd, const char *status, const char *code, int64_t retry_ms) {
    char text[1024];
    char body[192];
    if (listener->is_secure) {
        close(fd); /* a word it could read would cost a handshake */
        return;
    }
    while (recv(fd, text, sizeof text, MSG_DONTWAIT) == (ssize_t)sizeof text) {
    }
    int body_bytes = snprintf(body, sizeof body,
                              "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%.3s,\"code\":\"%s\",\"retry_ms\":%lld}",
                              status + 4, status, code, (long long)retry_ms);
    int bytes = snprintf(text, sizeof text,
                         "HTTP/1.1 %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\nRetry-After: %lld\r\n"
                         "Connection: close\r\n\r\n%s",
                         status, body_bytes, (long long)((retry_ms + 999) / 1000), body);
    if (send(fd, text, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        errno = 0; /* it has no right to an answer */
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void admit(struct listener *listener, int fd, const struct sockaddr_storage *address) {
    struct broker *broker = listener->broker;
    struct address_count *count;
    enum admission admission = connection_limits_enter(&broker->shards->limits, (const struct sockaddr *)address, &count);
    if (admission == ADMISSION_OK) {
        broker->metrics.accepted++;
        gate_enter(broker, &(struct newcomer){.listener = listener, .fd = fd, .address = *address, .count = count});
        return;
    }
    bool too_many = admission == ADMISSION_TOO_MANY;
    *(too_many ? &broker->metrics.refused_address : &broker->metrics.refused_full) += 1;
    log_event_limited(&broker->log, &broker->refused_log, broker->now_ms, LOG_WARN, "connection-refused",
                      "reason=%s connections=%zu", too_many ? "too_many_from_address" : "full",
                      connection_limits_count(&broker->shards->limits));
    listener_refuse(listener, fd, too_many ? "429 Too Many Requests" : "503 Service Unavailable",
                    too_many ? "too_many" : "overloaded", gate_slot_ms(broker));
}

/* No descriptor left: close who waits with the spare one, and leave the socket alone for a moment. */
static void rest(struct listener *listener, int reason) {
    struct broker *broker = listener->broker;
    struct listeners *listeners = &broker->listeners;
    log_event_limited(&broker->log, &broker->accept_log, broker->now_ms, LOG_ERROR, "accept-failed",
                      "reason=\"%s\" connections=%zu", strerror(reason), connection_limits_count(&broker->shards->limits));
    broker->metrics.refused_full++;
    if (listeners->spare_fd >= 0) {
        close(listeners->spare_fd);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
        }
        listeners->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    listeners->rest_until_ms = broker->now_ms + REST_MS;
    for (size_t i = 0; i < listeners->count; i++) {
        uv_poll_stop(&listeners->items[i].poll);
    }
}

static void on_readable(uv_poll_t *handle, int status, int events) {
    (void)status;
    (void)events;
    struct listener *listener = handle->data;
    struct broker *broker = listener->broker;
    loop_enter(broker);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address;
        socklen_t bytes = sizeof address;
        int fd = accept4(listener->fd, (struct sockaddr *)&address, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(listener, fd, &address);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            rest(listener, errno);
            return;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
        /* ECONNABORTED and the network errors of accept(2) belong to the connection, not to us: go on with the next. */
    }
}

/* With SO_REUSEPORT the kernel spreads connections over the shards' sockets. It would also let another broker of ours in, so first it is tried
   without: that fails while anybody listens there. */
static bool is_free(const struct sockaddr_storage *address, socklen_t bytes) {
    int yes = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    bool is_bound = bind(fd, (const struct sockaddr *)address, bytes) == 0;
    int reason = errno;
    close(fd);
    errno = reason;
    return is_bound;
}

static int open_socket(struct broker *broker, const struct sockaddr_storage *address, socklen_t bytes) {
    int yes = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    if (broker->shards->count > 1) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    }
    if (bind(fd, (const struct sockaddr *)address, bytes) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static bool open_listener(struct broker *broker, struct listener *listener, const struct listen_address *address) {
    if (broker->shards->count > 1 && broker->index == 0 && !is_free(&address->address, address->address_bytes)) {
        return false;
    }
    listener->fd = open_socket(broker, &address->address, address->address_bytes);
    if (listener->fd < 0) {
        return false;
    }
    transport_prepare(&broker->config, listener->fd);
    if (uv_poll_init(&broker->loop.uv, &listener->poll, listener->fd) != 0) {
        close(listener->fd);
        errno = ENOMEM;
        return false;
    }
    listener->broker = broker;
    listener->role = address->role;
    listener->is_secure = address->is_secure;
    set_name(listener);
    listener->open = true;
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return true;
}

static bool add_listener(struct broker *broker, const struct listen_address *address, char *why, size_t why_bytes) {
    struct listeners *listeners = &broker->listeners;
    if (!open_listener(broker, &listeners->items[listeners->count], address)) {
        snprintf(why, why_bytes, "cannot listen on %.*s: %s", (int)address->text_bytes, address->text, strerror(errno));
        listeners_close(listeners);
        return false;
    }
    listeners->count++;
    return true;
}

bool listeners_open(struct broker *broker, char *why, size_t why_bytes) {
    struct listen_cursor cursor = {.config = &broker->config};
    struct listen_address address;
    broker->listeners.spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (listen_next(&cursor, &address)) {
        if (!add_listener(broker, &address, why, why_bytes)) {
            return false;
        }
    }
    return true;
}

bool listeners_follow(struct broker *broker, const struct listeners *first, char *why, size_t why_bytes) {
    broker->listeners.spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < first->count; i++) {
        const struct listener *listener = &first->items[i];
        struct listen_address address = {.role = listener->role,
                                         .is_secure = listener->is_secure,
                                         .address_bytes = sizeof address.address,
                                         .text = listener->name,
                                         .text_bytes = strlen(listener->name)};
        getsockname(listener->fd, (struct sockaddr *)&address.address, &address.address_bytes);
        if (!add_listener(broker, &address, why, why_bytes)) {
            return false;
        }
    }
    return true;
}

void listeners_on_time(struct broker *broker) {
    struct listeners *listeners = &broker->listeners;
    if (listeners->rest_until_ms == 0 || broker->now_ms < listeners->rest_until_ms) {
        return;
    }
    listeners->rest_until_ms = 0;
    for (size_t i = 0; i < listeners->count; i++) {
        uv_poll_start(&listeners->items[i].poll, UV_READABLE, on_readable);
    }
}

int64_t listeners_next_due(const struct listeners *listeners) {
    return listeners->rest_until_ms == 0 ? INT64_MAX : listeners->rest_until_ms;
}

static void on_closed(uv_handle_t *handle) {
    struct listener *listener = handle->data;
    close(listener->fd);
}

void listeners_close(struct listeners *listeners) {
    listeners->rest_until_ms = 0;
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->items[i].open) {
            listeners->items[i].open = false;
            uv_poll_stop(&listeners->items[i].poll);
            uv_close((uv_handle_t *)&listeners->items[i].poll, on_closed);
        }
    }
    listeners->count = 0;
    if (listeners->spare_fd >= 0) {
        close(listeners->spare_fd);
        listeners->spare_fd = -1;
    }
}
