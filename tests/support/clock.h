/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Time for those who wait: a clock that never goes back, and sockets until a deadline by it. */
#ifndef AHORA_TESTS_CLOCK_H
#define AHORA_TESTS_CLOCK_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void clock_sleep_ms(long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* False: nothing of these events by then. */
static inline bool clock_wait_ready(int fd, short events, int64_t deadline_ms) {
    int64_t left_ms = deadline_ms - clock_ms();
    struct pollfd item = {.fd = fd, .events = events};
    return left_ms > 0 && poll(&item, 1, (int)left_ms) == 1;
}

#endif
