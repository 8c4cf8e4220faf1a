/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Processes that one run is spread over: forked from this one, each at its end of a socket that keeps messages whole. Whoever is left alone
 * sees the end of it; none outlives its parent. One thread, the one that started them.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: ended */
    int fd;    /* messages both ways; -1: closed */
};

/* What it does: tells and hears through `fd`, and never returns. */
typedef void (*child_body)(int fd, int number, void *context);

/* Starts child `number`; those before it are in `children`. `parting`: the signal it gets if we die. False: no process or no descriptor. */
bool child_start(struct child *children, int number, int parting, child_body body, void *context);

/* One whole message. False: the other end is gone, or (child_hear) said nothing or something of another size. */
bool child_tell(int fd, const void *message, size_t bytes);
bool child_hear(int fd, void *message, size_t bytes);

/* From now on child_hear gives up after so long. */
bool child_be_patient(const struct child *child, int seconds);

/* Closes their sockets, at which they end; after `patience_ns` they are killed. */
void child_end_all(struct child *children, int count, int64_t patience_ns);

#endif
