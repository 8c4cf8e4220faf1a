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

/* "127.0.0.1:7600", "[::1]:7600". */
static bool parse_address(const char *text, size_t bytes, struct sockaddr_storage *address, socklen_t *address_bytes) {
    char host[64];
    size_t colon = bytes;
    while (colon > 0 && text[colon - 1] != ':') {
        colon--;
    }
    bool bracketed = colon > 2 && text[0] == '[' && text[colon - 2] == ']';
    size_t host_bytes = colon == 0 ? 0 : bracketed ? colon - 3 : colon - 1;
    if (host_bytes == 0 || host_bytes >= sizeof host || colon == bytes || bytes - colon > 5) {
        return false;
    }
    memcpy(host, text + (bracketed ? 1 : 0), host_bytes);
    host[host_bytes] = '\0';
    unsigned long port = 0;
    for (size_t i = colon; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        port = port * 10 + (unsigned long)(text[i] - '0');
    }
    if (port > 65535) {
        return false;
    }
    memset(address, 0, sizeof *address);
    if (bracketed) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        bool good = inet_pton(AF_INET6, host, &in6.sin6_addr) == 1;
        memcpy(address, &in6, sizeof in6);
        *address_bytes = sizeof in6;
        return good;
    }
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    bool good = inet_pton(AF_INET, host, &in4.sin_addr) == 1;
    memcpy(address, &in4, sizeof in4);
    *address_bytes = sizeof in4;
    return good;
}

/* The next item of a list separated by commas and blanks; false at its end. */
static bool next_item(const char **rest, const char **item, size_t *bytes) {
    *rest += strspn(*rest, ", \t");
    *item = *rest;
    *bytes = strcspn(*rest, ", \t");
    *rest += *bytes;
    return *bytes > 0;
}

bool listeners_are_loopback(const char *list, bool *malformed, char *why, size_t why_bytes) {
    const char *item;
    size_t bytes;
    *malformed = true;
    size_t count = 0;
    bool all = true;
    for (; next_item(&list, &item, &bytes); count++) {
        struct sockaddr_storage address;
        socklen_t address_bytes;
        if (!parse_address(item, bytes, &address, &address_bytes)) {
            snprintf(why, why_bytes, "listen.address: '%.*s' is not ADDR:PORT (IPv6 in brackets)",
                     (int)(bytes < 64 ? bytes : 64), item);
            return false;
        }
        all = all && sockaddr_is_loopback((const struct sockaddr *)&address);
    }
    if (count == 0 || count > LISTENERS_MAX) {
        snprintf(why, why_bytes, "listen.address: 1 to %d addresses are needed", LISTENERS_MAX);
        return false;
    }
    *malformed = false;
    return all;
}

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

/* A few words straight to the socket: nothing is spent on who is not let in. The answer may be lost if the request is on its way. */
static void refuse(int fd, const char *status, const char *code) {
    char text[512];
    char body[160];
    int body_bytes = snprintf(body, sizeof body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%.3s,\"code\":\"%s\"}",
                              status + 4, status, code);
    int bytes = snprintf(text, sizeof text,
                         "HTTP/1.1 %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\nRetry-After: 5\r\n"
                         "Connection: close\r\n\r\n%s",
                         status, body_bytes, body);
    if (send(fd, text, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        errno = 0; /* it has no right to an answer */
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void admit(struct listener *listener, int fd, const struct sockaddr *address) {
    struct broker *broker = listener->broker;
    struct address_count *count;
    enum admission admission = connection_limits_enter(&broker->shards->limits, address, &count);
    if (admission == ADMISSION_OK) {
        struct transport *transport = transport_open(broker, listener, fd, address, count);
        broker->metrics.accepted++;
        if (transport != NULL) {
            connection_open(transport);
        } else {
            broker->metrics.refused_other++;
        }
        return;
    }
    bool too_many = admission == ADMISSION_TOO_MANY;
    *(too_many ? &broker->metrics.refused_address : &broker->metrics.refused_full) += 1;
    log_event_limited(&broker->log, &broker->refused_log, broker->now_ms, LOG_WARN, "connection-refused",
                      "reason=%s connections=%zu", too_many ? "too_many_from_address" : "full",
                      connection_limits_count(&broker->shards->limits));
    refuse(fd, too_many ? "429 Too Many Requests" : "503 Service Unavailable", too_many ? "too_many" : "overloaded");
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
            admit(listener, fd, (const struct sockaddr *)&address);
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

static bool open_listener(struct broker *broker, struct listener *listener, const struct sockaddr_storage *address,
                          socklen_t bytes) {
    int yes = 1;
    listener->broker = broker;
    if (broker->shards->count > 1 && broker->index == 0 && !is_free(address, bytes)) {
        return false;
    }
    listener->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) {
        return false;
    }
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->ss_family == AF_INET6) {
        setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    if (broker->shards->count > 1) {
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    }
    transport_prepare(&broker->config, listener->fd);
    if (bind(listener->fd, (const struct sockaddr *)address, bytes) != 0 || listen(listener->fd, BACKLOG) != 0 ||
        uv_poll_init(&broker->loop.uv, &listener->poll, listener->fd) != 0) {
        int reason = errno;
        close(listener->fd);
        errno = reason;
        return false;
    }
    set_name(listener);
    listener->open = true;
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return true;
}

bool listeners_open(struct broker *broker, const char *list, char *why, size_t why_bytes) {
    struct listeners *listeners = &broker->listeners;
    listeners->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const char *item;
    size_t bytes;
    while (next_item(&list, &item, &bytes)) {
        struct sockaddr_storage address;
        socklen_t address_bytes;
        if (!parse_address(item, bytes, &address, &address_bytes) ||
            !open_listener(broker, &listeners->items[listeners->count], &address, address_bytes)) {
            snprintf(why, why_bytes, "cannot listen on %.*s: %s", (int)bytes, item, strerror(errno));
            listeners_close(listeners);
            return false;
        }
        listeners->count++;
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
