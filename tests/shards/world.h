/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * N real cores, of which the first has the ledger, and what is on its way between them. Everything crosses late, by the dice: a batch
 * waits before it is taken, and is given back long after; mail waits both ways. One thread; a seed repeats a run.
 */
#ifndef SHARDS_WORLD_H
#define SHARDS_WORLD_H

#include "broker/core/follow.h"
#include "tests/sim/dice.h"

#define SHARDS_MAX 5
#define QUEUE_MAX 4096

struct queue {
    void *items[QUEUE_MAX];
    size_t first;
    size_t count;
};

struct shard {
    struct core *core;
    struct queue changes; /* batches to take */
    struct queue taken;   /* batches of its running turn */
    struct queue back;    /* batches to give back */
    struct queue up;      /* mail to serve */
    struct queue down;    /* mail answered */
};

struct world {
    struct dice dice;
    size_t shard_count;
    struct shard shards[SHARDS_MAX];
    int64_t mono_ms;
};

/* The condition must hold, or the run ends with the seed and the reason. */
#define MUST(condition, ...) ((condition) ? (void)0 : world_fail(#condition, __VA_ARGS__))
void world_fail(const char *condition, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void world_name_run(uint64_t seed, size_t shard_count);

void world_init(struct world *world, uint64_t seed, size_t shard_count);
void world_fini(struct world *world); /* sessions are closed by then */

/* Before a core hears anything, it takes in what any other may have shown (shards_catch_up). */
void world_catch_up(struct world *world, size_t index);

/* Some of what waits crosses; every core has a turn, in any order. */
void world_step(struct world *world);

/* Everything crosses until nothing is left. */
void world_settle(struct world *world);

#endif
