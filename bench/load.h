/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Load that scenarios share: as many changes as a window allows, or so many a second on schedule; and what deliveries cost. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench/run.h"

/* It goes on where the last phase stopped, so that phases join without a hole. */
struct schedule {
    int64_t begin_ns;
    uint64_t sent;
};

/* Called each turn. Returns how long to wait at most: `wait_ns`, or less. */
struct ticker {
    int64_t (*tick)(struct run *run, void *context, int64_t now_ns, int64_t wait_ns);
    void *context;
};

/* Seeds, opens `count` subscribers and the producers. */
bool load_prepare(struct run *run, uint32_t count);

/* Keeps --window changes of each topic under way, counted over all its subscribers. */
void load_window(struct run *run, int64_t duration_ns, const char *what);

/* --rate changes a second in all, the topics in turn. `ticker` may be NULL. */
void load_rate(struct run *run, struct schedule *schedule, int64_t duration_ns, const char *what, const struct ticker *ticker);

/* The same over --warmup, uncounted, and over --duration. What was counted. */
struct tally load_measure_rate(struct run *run);

void load_put_deliveries(struct result *result, const struct tally *tally);

/* Waits until everybody has the newest version, and judges. */
void load_finish(struct run *run, struct result *result);

#endif
