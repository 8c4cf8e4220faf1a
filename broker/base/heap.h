/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Deadlines in a binary heap; the timers sit in the structs they wake. Setting, moving and clearing one costs O(log n).
 * Equal deadlines come out in the order they were set, so that a run repeats exactly.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t due;    /* on the clock of whoever keeps the heap */
    uint64_t order; /* breaks ties */
    size_t place;   /* 1-based index in the heap; 0: not set */
};

struct heap {
    struct timer **timers; /* timers[0] unused */
    size_t count;
    size_t capacity;
    uint64_t orders;
};

void heap_fini(struct heap *heap); /* the timers are the caller's; a zeroed heap is empty */

/* Makes room for `more` timers beside those that are set: to set them cannot fail then. False: no memory. */
bool heap_reserve(struct heap *heap, size_t more);

/* Sets the timer, or moves it. False: no memory (a timer that was set keeps its old deadline). */
bool heap_set(struct heap *heap, struct timer *timer, int64_t due);
void heap_clear(struct heap *heap, struct timer *timer); /* harmless if not set */
bool timer_is_set(const struct timer *timer);

/* The timer with the earliest deadline, NULL if none; it stays. */
struct timer *heap_first(const struct heap *heap);

/* How many are due at `now`, counted up to `count_max`. Cost: as many as it counts. */
size_t heap_count_due(const struct heap *heap, int64_t now, size_t count_max);

#endif
