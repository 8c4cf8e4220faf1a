/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/heap.h"

#include <assert.h>
#include <stdlib.h>

void heap_fini(struct heap *heap) {
    free(heap->timers);
    *heap = (struct heap){0};
}

bool timer_is_set(const struct timer *timer) {
    return timer->place != 0;
}

static bool is_before(const struct timer *a, const struct timer *b) {
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put_at(struct heap *heap, size_t place, struct timer *timer) {
    heap->timers[place] = timer;
    timer->place = place;
}

static void rise(struct heap *heap, struct timer *timer, size_t place) {
    while (place > 1 && is_before(timer, heap->timers[place / 2])) {
        put_at(heap, place, heap->timers[place / 2]);
        place /= 2;
    }
    put_at(heap, place, timer);
}

static void sink(struct heap *heap, struct timer *timer, size_t place) {
    for (;;) {
        size_t child = 2 * place;
        if (child > heap->count) {
            break;
        }
        if (child < heap->count && is_before(heap->timers[child + 1], heap->timers[child])) {
            child++;
        }
        if (!is_before(heap->timers[child], timer)) {
            break;
        }
        put_at(heap, place, heap->timers[child]);
        place = child;
    }
    put_at(heap, place, timer);
}

static void settle(struct heap *heap, struct timer *timer, size_t place) {
    if (place > 1 && is_before(timer, heap->timers[place / 2])) {
        rise(heap, timer, place);
    } else {
        sink(heap, timer, place);
    }
}

bool heap_reserve(struct heap *heap, size_t more) {
    size_t capacity = heap->capacity == 0 ? 64 : heap->capacity;
    while (heap->count + more >= capacity) { /* timers[0] is unused */
        capacity *= 2;
    }
    if (capacity == heap->capacity) {
        return true;
    }
    struct timer **timers = realloc(heap->timers, capacity * sizeof(struct timer *));
    if (timers == NULL) {
        return false;
    }
    heap->timers = timers;
    heap->capacity = capacity;
    return true;
}

bool heap_set(struct heap *heap, struct timer *timer, int64_t due) {
    if (timer->place == 0) {
        if (!heap_reserve(heap, 1)) {
            return false;
        }
        timer->place = ++heap->count;
        heap->timers[timer->place] = timer;
    }
    assert(heap->timers[timer->place] == timer);
    timer->due = due;
    timer->order = heap->orders++;
    settle(heap, timer, timer->place);
    return true;
}

void heap_clear(struct heap *heap, struct timer *timer) {
    if (timer->place == 0) {
        return;
    }
    assert(heap->timers[timer->place] == timer);
    size_t place = timer->place;
    struct timer *last = heap->timers[heap->count--];
    timer->place = 0;
    if (last != timer) {
        settle(heap, last, place);
    }
}

struct timer *heap_first(const struct heap *heap) {
    return heap->count == 0 ? NULL : heap->timers[1];
}

/* Children are never due before their parent, so that only what is due is looked at. The depth is that of the heap. */
static void count_due(const struct heap *heap, size_t place, int64_t now, size_t count_max, size_t *count) {
    if (place > heap->count || *count >= count_max || heap->timers[place]->due > now) {
        return;
    }
    ++*count;
    count_due(heap, 2 * place, now, count_max, count);
    count_due(heap, 2 * place + 1, now, count_max, count);
}

size_t heap_count_due(const struct heap *heap, int64_t now, size_t count_max) {
    size_t count = 0;
    count_due(heap, 1, now, count_max, &count);
    return count;
}
