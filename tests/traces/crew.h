/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * All producers, in one thread of their own. They stay close to each other in the share of their trace that is done, so that small
 * traces last as long as large ones. The check's thread steers by crew_allow and asks how far they are; before crew_start and after
 * crew_stop everything belongs to it.
 */
#ifndef AHORA_TESTS_CREW_H
#define AHORA_TESTS_CREW_H

#include <pthread.h>

#include "tests/traces/producer.h"

#define PRODUCERS_MAX 8

struct crew {
    struct producer producers[PRODUCERS_MAX];
    size_t count;
    uint16_t port;
    atomic_bool is_stopping;
    atomic_size_t rounds; /* of serving all producers */
    pthread_t thread;
};

/* The trace stays the caller's. */
void crew_add(struct crew *crew, struct trace *trace, enum producer_way way, const char *ack);
bool crew_start(struct crew *crew, uint16_t port);
void crew_stop(struct crew *crew); /* closes all lines; nothing is lost if all is acknowledged */
void crew_fini(struct crew *crew);

/* Lets each producer go on to this share (0..1) of its trace; with `only_repeatable` those without adjusts alone. */
void crew_allow(struct crew *crew, double share, bool only_repeatable);
bool crew_is_done(struct crew *crew); /* all that was allowed is acknowledged */
size_t crew_acked(struct crew *crew);

/* Returns once every producer has read what a killed broker had left in its socket. */
void crew_settle(struct crew *crew);
int64_t crew_seq_max(struct crew *crew); /* the newest seq any of them was told */
size_t crew_total(const struct crew *crew);
const char *crew_failure(struct crew *crew); /* NULL: none */

#endif
