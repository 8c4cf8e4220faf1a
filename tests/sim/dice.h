/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Everything random in a run comes from one of these, so that a seed repeats it (splitmix64). */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice) {
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = (dice->state ^ (dice->state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* 0 .. below - 1. */
static inline uint64_t dice_below(struct dice *dice, uint64_t below) {
    return dice_next(dice) % below;
}

/* least .. most, both included. */
static inline int64_t dice_between(struct dice *dice, int64_t least, int64_t most) {
    return least + (int64_t)dice_below(dice, (uint64_t)(most - least) + 1);
}

/* True so many times in a thousand. */
static inline bool dice_chance(struct dice *dice, unsigned per_mille) {
    return dice_below(dice, 1000) < per_mille;
}

#endif
