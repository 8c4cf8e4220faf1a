/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What the load processes of a run share: how far each is with each topic, and in the end what it found out. Written by one process each, so
 * that nothing is locked and nobody waits; read by the first, which publishes.
 *
 *     hand, after each turn of its loop           first process, before it sleeps
 *       progress[topic] = …                         take from the rings, listed[topic] = 0
 *       fence                                       fence
 *       if (!listed[topic]) list it in the ring     read progress[topic]
 *       fence                                       is_asleep = 1; fence; look at the rings once more
 *       if (is_asleep) ring the bell                epoll, with the bell among its descriptors
 *
 * So a turn of up to 512 reads costs a hand two fences and a few stores, and a system call only if the first process sleeps, waits for it, and
 * could publish by it: if the hand's subscribers of a topic are one version further.
 */
#ifndef BENCH_CREW_MEMORY_H
#define BENCH_CREW_MEMORY_H

#include "bench/run.h"

#include <stdatomic.h>

#define CACHE_LINE 64

struct hand_state {
    _Alignas(CACHE_LINE) _Atomic uint32_t tail; /* of its ring */
    _Atomic uint32_t live;                      /* subscribers */
    _Atomic uint64_t deliveries;                /* since the mark */
    _Alignas(CACHE_LINE) struct tally tally;    /* these are read when it has said that they are there */
    struct verdict verdict;
    char failure[120];
    struct histogram histogram;
};

/* Of one process; all point into the shared memory. */
struct hand {
    struct hand_state *state;
    _Atomic uint64_t *progress;    /* of its subscribers, of each topic */
    _Atomic uint32_t *subscribers; /* that read */
    _Atomic uint8_t *listed;       /* in the ring */
    uint32_t *ring;                /* topics that progressed; never full, as each is listed once */
    uint32_t head;                 /* the first process's own: so much of the ring has been taken */
};

struct crew_memory {
    void *base;
    size_t bytes;
    uint32_t topic_count;
    uint32_t ring_mask;
    int bell;                     /* eventfd */
    _Atomic uint32_t *is_asleep;  /* the first process, and it waits for progress */
    uint64_t *published;          /* versions of each topic, written before an order to check */
    struct hand hands[LOADS_MAX]; /* from 1 on; 0 is the first process, which needs none */
};

/* For `count` processes, before they are forked. False, with errno. */
bool crew_memory_init(struct crew_memory *memory, int count, uint32_t topic_count);
void crew_memory_fini(struct crew_memory *memory);

/* A hand: what its topics are at, listed so that the first process looks; and all of them, when subscribers came or stalled. */
void hand_tell_progress(struct crew_memory *memory, int number, struct run *run);
void hand_tell_topics(struct crew_memory *memory, int number, const struct run *run);

/* The first process: lists in run->moved what progressed elsewhere. True: something did. */
bool crew_take_progress(struct crew_memory *memory, int count, struct run *run);

/* It is about to sleep, and wants the bell. False: there is something already. To be called off when it is awake. */
bool crew_wants_bell(struct crew_memory *memory, int count);
void crew_is_awake(struct crew_memory *memory);

#endif
