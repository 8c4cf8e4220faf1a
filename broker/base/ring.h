/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A bounded queue from one thread to one other, without a lock. Items are a pointer and a tag that says what it points at; whoever takes
 * an item out sees everything that was written before it was put in.
 *
 *     slots:  [ 8 ][ 9 ][ 6 ][ 7 ]      put = 10, taken = 6: four of four are in use
 *                        ^ next to take
 *
 * `put` and `taken` only grow; each is written by one thread and stands in a cache line of its own. The ring wakes nobody: the threads have
 * loops with wake-ups of their own. A producer that must not go on without room can wait for it.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_LINE_BYTES 64

struct ring_item {
    void *pointer;
    uintptr_t tag;
};

struct ring {
    struct ring_item *slots;
    size_t mask; /* capacity - 1 */
    _Alignas(RING_LINE_BYTES) atomic_size_t put;
    size_t taken_seen; /* the producer's last look at `taken` */
    _Alignas(RING_LINE_BYTES) atomic_size_t taken;
    size_t put_seen; /* the consumer's last look at `put` */
    _Alignas(RING_LINE_BYTES) atomic_bool wants_room;
    sem_t room;
};

/* `capacity`: a power of two. False: no memory. */
bool ring_init(struct ring *ring, size_t capacity);
void ring_fini(struct ring *ring); /* what is left in it is the caller's to take out first; harmless on a zeroed one */

/* The producer. False: full. */
bool ring_put(struct ring *ring, struct ring_item item);

/* The producer: puts, and sleeps until there is room. The consumer must be sure to go on taking. */
void ring_put_waiting(struct ring *ring, struct ring_item item);

/* The consumer. False: empty. */
bool ring_take(struct ring *ring, struct ring_item *item);

#endif
