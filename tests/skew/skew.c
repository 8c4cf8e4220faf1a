/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A clock that is wrong, for a program that is started with this library in LD_PRELOAD: its wall clock is $AHORA_TEST_SKEW_S seconds ahead
 * (below zero: behind). Monotonic clocks are as they are. By the system call itself, so that no sanitizer's own clock_gettime is asked.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *at) {
    int code = (int)syscall(SYS_clock_gettime, clock, at);
    const char *skew = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? getenv("AHORA_TEST_SKEW_S") : NULL;
    if (code == 0 && skew != NULL) {
        at->tv_sec += strtol(skew, NULL, 10);
    }
    return code;
}
