/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/crew_memory.h"

#include <assert.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- life ---- */

static size_t in_lines(size_t bytes) {
    return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t ring_size(uint32_t topic_count) {
    size_t size = 1;
    while (size < topic_count) {
        size *= 2;
    }
    return size;
}

/* The next `bytes` of it, on lines that nobody else writes to. */
static void *take_bytes(uint8_t **at, size_t bytes) {
    void *taken = *at;
    *at += in_lines(bytes);
    return taken;
}

static void place_hand(struct crew_memory *memory, int number, uint8_t **at) {
    size_t topics = memory->topic_count;
    struct hand *hand = &memory->hands[number];
    hand->state = take_bytes(at, sizeof *hand->state);
    hand->progress = take_bytes(at, topics * sizeof *hand->progress);
    hand->subscribers = take_bytes(at, topics * sizeof *hand->subscribers);
    hand->listed = take_bytes(at, topics * sizeof *hand->listed);
    hand->ring = take_bytes(at, ((size_t)memory->ring_mask + 1) * sizeof *hand->ring);
    hand->head = 0;
}

bool crew_memory_init(struct crew_memory *memory, int count, uint32_t topic_count) {
    assert(count > 1 && count <= LOADS_MAX && topic_count > 0);
    size_t topics = topic_count;
    size_t of_hand = in_lines(sizeof(struct hand_state)) + in_lines(topics * 8) + in_lines(topics * 4) + in_lines(topics) +
                     in_lines(ring_size(topic_count) * 4);
    *memory = (struct crew_memory){.topic_count = topic_count,
                                   .ring_mask = (uint32_t)ring_size(topic_count) - 1,
                                   .bytes = CACHE_LINE + in_lines(topics * 8) + (size_t)(count - 1) * of_hand,
                                   .bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    /* Pages that nobody writes to are none. */
    void *base = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    memory->base = base != MAP_FAILED ? base : NULL;
    if (memory->base == NULL || memory->bell < 0) {
        return false;
    }
    uint8_t *at = memory->base;
    memory->is_asleep = take_bytes(&at, sizeof *memory->is_asleep);
    memory->published = take_bytes(&at, topics * sizeof *memory->published);
    for (int i = 1; i < count; i++) {
        place_hand(memory, i, &at);
    }
    return true;
}

void crew_memory_fini(struct crew_memory *memory) {
    if (memory->base != NULL) {
        munmap(memory->base, memory->bytes);
    }
    if (memory->bell >= 0) {
        close(memory->bell);
    }
}

/* ---- a hand ---- */

static bool ring_in(struct crew_memory *memory, struct hand *hand, uint32_t topic, uint32_t tail) {
    if (atomic_load_explicit(&hand->listed[topic], memory_order_acquire) != 0) {
        return false;
    }
    atomic_store_explicit(&hand->listed[topic], 1, memory_order_relaxed);
    hand->ring[tail & memory->ring_mask] = topic;
    return true;
}

/* True: on average our subscribers of the topic are a version further, so that one more change may be due. What is less need not wake anybody:
   they go on until they have all, and that is a whole one. */
static bool tell_topic(const struct hand *hand, uint32_t number, const struct topic *topic) {
    uint64_t before = atomic_load_explicit(&hand->progress[number], memory_order_relaxed);
    atomic_store_explicit(&hand->progress[number], topic->progress, memory_order_relaxed);
    return topic->subscribers == 0 || before / topic->subscribers != topic->progress / topic->subscribers;
}

void hand_tell_progress(struct crew_memory *memory, int number, struct run *run) {
    struct hand *hand = &memory->hands[number];
    atomic_store_explicit(&hand->state->live, run->live_count, memory_order_relaxed);
    atomic_store_explicit(&hand->state->deliveries, run->tally.deliveries, memory_order_relaxed);
    if (run->moved_count == 0) {
        return;
    }
    bool matters = false;
    for (uint32_t i = 0; i < run->moved_count; i++) {
        matters = tell_topic(hand, run->moved[i], &run->topics[run->moved[i]]) || matters;
    }
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t tail = atomic_load_explicit(&hand->state->tail, memory_order_relaxed);
    while (run->moved_count > 0) {
        uint32_t topic = run->moved[--run->moved_count];
        run->topics[topic].is_listed = false;
        tail += ring_in(memory, hand, topic, tail);
    }
    atomic_store_explicit(&hand->state->tail, tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (matters && atomic_load_explicit(memory->is_asleep, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(memory->is_asleep, 0, memory_order_relaxed) != 0) {
        eventfd_write(memory->bell, 1);
    }
}

/* What has not changed is not written: most of a million topics may have no subscriber here. */
void hand_tell_topics(struct crew_memory *memory, int number, const struct run *run) {
    struct hand *hand = &memory->hands[number];
    for (uint32_t i = 0; i < memory->topic_count; i++) {
        const struct topic *topic = &run->topics[i];
        if (atomic_load_explicit(&hand->progress[i], memory_order_relaxed) != topic->progress) {
            atomic_store_explicit(&hand->progress[i], topic->progress, memory_order_relaxed);
        }
        if (atomic_load_explicit(&hand->subscribers[i], memory_order_relaxed) != topic->subscribers) {
            atomic_store_explicit(&hand->subscribers[i], topic->subscribers, memory_order_relaxed);
        }
    }
}

/* ---- the first process ---- */

static bool take_ring(struct crew_memory *memory, struct hand *hand, struct run *run) {
    uint32_t tail = atomic_load_explicit(&hand->state->tail, memory_order_acquire);
    bool any = hand->head != tail;
    for (; hand->head != tail; hand->head++) {
        uint32_t topic = hand->ring[hand->head & memory->ring_mask];
        atomic_store_explicit(&hand->listed[topic], 0, memory_order_release);
        if (!run->topics[topic].is_listed) {
            run->topics[topic].is_listed = true;
            run->moved[run->moved_count++] = topic;
        }
    }
    return any;
}

bool crew_take_progress(struct crew_memory *memory, int count, struct run *run) {
    bool any = false;
    for (int i = 1; i < count; i++) {
        any = take_ring(memory, &memory->hands[i], run) || any;
    }
    atomic_thread_fence(memory_order_seq_cst);
    return any;
}

bool crew_wants_bell(struct crew_memory *memory, int count) {
    atomic_store_explicit(memory->is_asleep, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    for (int i = 1; i < count; i++) {
        const struct hand *hand = &memory->hands[i];
        if (atomic_load_explicit(&hand->state->tail, memory_order_relaxed) != hand->head) {
            return false;
        }
    }
    return true;
}

void crew_is_awake(struct crew_memory *memory) {
    atomic_store_explicit(memory->is_asleep, 0, memory_order_relaxed);
}
