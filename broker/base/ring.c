/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

bool ring_init(struct ring *ring, size_t capacity) {
    assert(capacity > 0 && (capacity & (capacity - 1)) == 0);
    ring->slots = calloc(capacity, sizeof *ring->slots);
    if (ring->slots == NULL) {
        return false;
    }
    ring->mask = capacity - 1;
    ring->taken_seen = 0;
    ring->put_seen = 0;
    atomic_init(&ring->put, 0);
    atomic_init(&ring->taken, 0);
    atomic_init(&ring->wants_room, false);
    int code = sem_init(&ring->room, 0, 0);
    assert(code == 0);
    (void)code;
    return true;
}

void ring_fini(struct ring *ring) {
    if (ring->slots == NULL) {
        return;
    }
    sem_destroy(&ring->room);
    free(ring->slots);
    ring->slots = NULL;
}

bool ring_put(struct ring *ring, struct ring_item item) {
    size_t put = atomic_load_explicit(&ring->put, memory_order_relaxed); /* nobody else writes it */
    if (put - ring->taken_seen > ring->mask) {
        ring->taken_seen =
            atomic_load_explicit(&ring->taken, memory_order_acquire); /* the slot was read before it is written */
        if (put - ring->taken_seen > ring->mask) {
            return false;
        }
    }
    ring->slots[put & ring->mask] = item;
    atomic_store_explicit(&ring->put, put + 1, memory_order_release); /* with everything behind the pointer */
    return true;
}

/* The wish and the look at `taken` are in one order for both threads (sequentially consistent), as are the consumer's step and its look at
   the wish: so either the producer sees the room, or the consumer sees the wish. */
static bool put_or_wish(struct ring *ring, struct ring_item item) {
    atomic_store(&ring->wants_room, true);
    ring->taken_seen = atomic_load(&ring->taken);
    return ring_put(ring, item);
}

void ring_put_waiting(struct ring *ring, struct ring_item item) {
    while (!ring_put(ring, item) && !put_or_wish(ring, item)) {
        while (sem_wait(&ring->room) != 0) {
            assert(errno == EINTR);
        }
    }
}

bool ring_take(struct ring *ring, struct ring_item *item) {
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed); /* nobody else writes it */
    if (taken == ring->put_seen) {
        ring->put_seen = atomic_load_explicit(&ring->put, memory_order_acquire);
        if (taken == ring->put_seen) {
            return false;
        }
    }
    *item = ring->slots[taken & ring->mask];
    atomic_store(&ring->taken, taken + 1);
    if (atomic_load(&ring->wants_room) && atomic_exchange(&ring->wants_room, false)) {
        sem_post(&ring->room);
    }
    return true;
}
