/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * All subscribers of the trace check, in one thread with one epoll: the check's own. Who they are and what happens to them follows
 * from the seed.
 */
#ifndef AHORA_TESTS_AUDIENCE_H
#define AHORA_TESTS_AUDIENCE_H

#include "tests/traces/subscriber.h"
#include "tests/traces/trace.h"

#define AUDIENCE_SIZE 240
#define TICK_MS 10

struct audience {
    struct subscriber subscribers[AUDIENCE_SIZE];
    size_t count;
    struct trace *traces; /* to draw topics from; the caller's */
    size_t trace_count;
    uint64_t random;
    int epoll;
    uint16_t port;
    bool is_broker_down; /* lines end, nobody connects */
    bool is_load_over;   /* slow readers may read freely */
    int64_t next_tick_ms;
    size_t connects_left; /* in this tick: an upgrade waits for the broker's turn, and the others wait with it */
};

bool audience_init(struct audience *audience, struct trace *traces, size_t trace_count, uint64_t seed, uint16_t port);
void audience_fini(struct audience *audience);
void audience_print(const struct audience *audience); /* who they are */

/* Does what the plans say for this share of the load, and reads for about one tick. */
void audience_tick(struct audience *audience, double share);

/* The broker was killed: every line is dead. They come back by audience_tick once is_broker_down is false. */
void audience_broker_killed(struct audience *audience);

/* How many that should be here are complete up to `seq`. */
size_t audience_complete(const struct audience *audience, int64_t seq);

/* How many lag behind `seq` with a line open: in the middle of catching up. */
size_t audience_behind(const struct audience *audience, int64_t seq);

/* Says who it is that lags behind `seq`, or has no line. */
void audience_print_behind(const struct audience *audience, int64_t seq);

struct audience_totals {
    uint64_t deliveries, removes, skipped, resumed, resyncs, cuts, repeats, violations, bytes, moves;
};

struct audience_totals audience_totals(const struct audience *audience);

/*
 * Compares what each subscriber holds with the traces' expected state: the same topics, the same documents, the newest seq. Returns
 * how many differ, and prints the first few.
 */
size_t audience_compare(struct audience *audience);

#endif
