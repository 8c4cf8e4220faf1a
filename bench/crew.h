/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * --loads: one run on one server by several load processes, each on a core of its own. The first seeds, publishes, holds its share of the
 * subscribers, and gives orders; the others, its hands, hold theirs. Every process counts as if it were alone, and what it counted is added
 * up. Without --loads run->crew is NULL, and each of these does nothing.
 *
 *     first process                               hand
 *       run_init, seed, make subscribers
 *       crew_start, fork -----------------------> keeps its share of the subscribers, answers: ready
 *       crew_join; joins its own ----- order ---> joins its own, answers: done
 *       crew_wait <--------------------------------
 *       load  <------ progress, shared memory --- reads
 *       crew_tally, crew_gather, crew_check ----> what it counted, answers: done
 *       crew_fini: closes the socket -----------> ends
 *
 * Subscriber i goes to process (place of its topic + how often that topic had its turn) % N: the subscribers of each topic are spread over
 * all, and so are those of any part of the numbers.
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "bench/run.h"

/* Of how many processes this run is, and which of them holds a subscriber. */
int crew_count(const struct run *run);
int crew_owner(const struct run *run, uint32_t number);

/* When all subscribers are made and none has joined. False: run->failure says why. Hands return from it never. */
bool crew_start(struct run *run);
void crew_fini(struct run *run);

/* For the loop. `crew_sleeps`: false if there is something to look at first. */
void crew_hear(struct run *run);
bool crew_sleeps(struct run *run);
void crew_turn(struct run *run);

/* Orders that are waited for by crew_wait, shown as `what`. It is false if a hand failed, is gone, or does not answer. */
void crew_join(struct run *run, const struct join_pace *pace);
bool crew_wait(struct run *run, const char *what, uint32_t count);

/* Orders that are carried out when they return: what is published behind a mark is counted by all. */
void crew_mark(struct run *run, enum recording recording);
void crew_tally(struct run *run, struct tally *sum); /* adds theirs; the busiest core's load */
void crew_gather(struct run *run);                   /* adds their times to the histogram: once after each mark */
void crew_set_stalled(struct run *run, uint32_t first, bool stalled);
void crew_check(struct run *run, struct verdict *sum);       /* adds theirs */
void crew_put(const struct run *run, struct result *result); /* how many there were, and on how many cores */

/* Over all processes. */
struct topic crew_topic(const struct run *run, uint32_t number);
uint32_t crew_live(const struct run *run);
uint64_t crew_deliveries(const struct run *run);

#endif
