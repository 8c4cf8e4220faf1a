/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/client/fast.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t ahead_ms;

/* The system call itself, since we are in libc's place. */
static int read_clock(clockid_t clock, struct timespec *at) {
    return (int)syscall(SYS_clock_gettime, clock, at);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int code = read_clock(clock, at);
    if (code == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)) {
        at->tv_sec += ahead_ms / 1000;
        at->tv_nsec += ahead_ms % 1000 * 1000000;
        at->tv_sec += at->tv_nsec / 1000000000;
        at->tv_nsec %= 1000000000;
    }
    return code;
}

void fast_forward(int64_t ms) {
    ahead_ms += ms;
}

int64_t fast_real_ms(void) {
    struct timespec at;
    read_clock(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}
