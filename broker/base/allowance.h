/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How much somebody may still do: so many a second, saved up for one second at most. What is taken may pass what is left, and whoever
 * did that waits the longer. Pure: told the time, never asks.
 */
#ifndef BASE_ALLOWANCE_H
#define BASE_ALLOWANCE_H

#include <stdint.h>

struct allowance {
    int64_t left;      /* below zero: owed */
    int64_t filled_ms; /* up to then it was filled */
};

/* Full. A rate of 0 is no bound: nothing is counted. */
void allowance_init(struct allowance *allowance, int64_t rate, int64_t now_ms);

/* What may be taken now; 0 or less: nothing. INT64_MAX without a bound. */
int64_t allowance_left(struct allowance *allowance, int64_t rate, int64_t now_ms);

/* Takes `count` off and returns 0, or, if nothing is left, takes nothing and returns for how long (ms). */
int64_t allowance_take(struct allowance *allowance, int64_t rate, int64_t now_ms, int64_t count);

#endif
