/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Listening sockets: accept, admission, and what to do when descriptors run out. Sockets are accepted here and not by a library, so
 * that limits, deadlines and a full table of files are handled before anything is spent on a connection. Loop thread.
 *
 * When the kernel gives no descriptor, accepting would fail again at once and for ever, because the listening socket stays readable. A spare
 * descriptor is given up to accept and close what waits, and listening rests for a moment.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "broker/net/listen_address.h"

#include <stdint.h>
#include <uv.h>

#define LISTENERS_MAX 8

struct broker;

struct listener {
    uv_poll_t poll;
    enum listener_role role;
    bool is_secure; /* TLS */
    struct broker *broker;
    int fd;
    bool open;
    char name[64]; /* "127.0.0.1:7600" with the port really bound */
};

struct listeners {
    struct listener items[LISTENERS_MAX];
    size_t count;
    int spare_fd;
    int64_t rest_until_ms; /* 0: listening */
};

/* Opens every address of the configuration. False, with the reason in `why`. */
bool listeners_open(struct broker *broker, char *why, size_t why_bytes);

/* Opens the same again for another shard: with a port of 0 only the first knows where. */
bool listeners_follow(struct broker *broker, const struct listeners *first, char *why, size_t why_bytes);

/* A few words straight to the socket, and it is closed: nothing more is spent on who is not let in. */
void listener_refuse(const struct listener *listener, int fd, const char *status, const char *code, int64_t retry_ms);

void listeners_on_time(struct broker *broker);
int64_t listeners_next_due(const struct listeners *listeners);

/* Stops listening, for good. */
void listeners_close(struct listeners *listeners);

#endif
