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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define LISTENERS_MAX 8

struct broker;

/* Who is expected behind a listening socket. */
enum listener_role {
    LISTENER_BOTH,
    LISTENER_PUBLIC,   /* anybody: to subscribe and to read */
    LISTENER_INTERNAL, /* the back office: to publish, and to look after the broker */
};

struct listener {
    uv_poll_t poll;
    enum listener_role role;
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

/* Opens every address of the list ("127.0.0.1:7600, [::1]:7600"). False, with the reason in `why`. */
bool listeners_open(struct broker *broker, const char *list, char *why, size_t why_bytes);

/* True if every address of the list is loopback. False with `why` set also if one is malformed. */
bool listeners_are_loopback(const char *list, bool *malformed, char *why, size_t why_bytes);

void listeners_on_time(struct broker *broker);
int64_t listeners_next_due(const struct listeners *listeners);

/* Stops listening, for good. */
void listeners_close(struct listeners *listeners);

#endif
