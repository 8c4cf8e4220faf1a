/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/crew.h"

#include <assert.h>
#include <poll.h>
#include <time.h>

#define SETTLE_ROUNDS 8
#define AHEAD_SHARE 0.01 /* of its trace that a producer may be ahead of the slowest */

void crew_add(struct crew *crew, struct trace *trace, enum producer_way way, const char *ack) {
    assert(crew->count < PRODUCERS_MAX);
    producer_init(&crew->producers[crew->count++], trace, way, ack);
}

void crew_allow(struct crew *crew, double share, bool only_repeatable) {
    for (size_t i = 0; i < crew->count; i++) {
        struct producer *producer = &crew->producers[i];
        size_t count = producer->trace->event_count;
        if (!only_repeatable || !producer->trace->has_adjusts) {
            atomic_store(&producer->limit, share >= 1 ? count : (size_t)((double)count * share));
        }
    }
}

bool crew_is_done(struct crew *crew) {
    for (size_t i = 0; i < crew->count; i++) {
        struct producer *producer = &crew->producers[i];
        if (atomic_load(&producer->acked) < atomic_load(&producer->limit)) {
            return false;
        }
    }
    return true;
}

size_t crew_acked(struct crew *crew) {
    size_t acked = 0;
    for (size_t i = 0; i < crew->count; i++) {
        acked += atomic_load(&crew->producers[i].acked);
    }
    return acked;
}

/* A round reads at most 64 KB of each: more than the answers to a full window. */
void crew_settle(struct crew *crew) {
    const size_t rounds = atomic_load(&crew->rounds) + SETTLE_ROUNDS;
    while (atomic_load(&crew->rounds) < rounds) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

int64_t crew_seq_max(struct crew *crew) {
    int64_t seq = 0;
    for (size_t i = 0; i < crew->count; i++) {
        int64_t told = atomic_load(&crew->producers[i].seq_told);
        seq = told > seq ? told : seq;
    }
    return seq;
}

size_t crew_total(const struct crew *crew) {
    size_t total = 0;
    for (size_t i = 0; i < crew->count; i++) {
        total += crew->producers[i].trace->event_count;
    }
    return total;
}

const char *crew_failure(struct crew *crew) {
    for (size_t i = 0; i < crew->count; i++) {
        if (atomic_load(&crew->producers[i].is_failed)) {
            return crew->producers[i].failure;
        }
    }
    return NULL;
}

/* The share of its trace up to which a producer may send: a little more than the slowest of those that are still allowed to. */
static double crew_front(struct crew *crew) {
    double front = 1;
    for (size_t i = 0; i < crew->count; i++) {
        struct producer *producer = &crew->producers[i];
        size_t acked = atomic_load(&producer->acked);
        if (acked < atomic_load(&producer->limit)) {
            double share = (double)acked / (double)producer->trace->event_count;
            front = share < front ? share : front;
        }
    }
    return front + AHEAD_SHARE;
}

static void crew_wait(struct crew *crew) {
    struct pollfd items[PRODUCERS_MAX];
    for (size_t i = 0; i < crew->count; i++) {
        struct producer *producer = &crew->producers[i];
        items[i].fd = producer_fd(producer);
        items[i].events = (short)(producer_has_unsent(producer) ? POLLIN | POLLOUT : POLLIN);
        items[i].revents = 0;
        if (atomic_load(&producer->is_failed)) {
            items[i].fd = -1;
        }
    }
    poll(items, crew->count, 5); /* short: limits are raised without a wake-up */
    for (size_t i = 0; i < crew->count; i++) {
        if ((items[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            producer_take(&crew->producers[i]);
        }
    }
}

static void *crew_run(void *context) {
    struct crew *crew = context;
    while (!atomic_load(&crew->is_stopping)) {
        double front = crew_front(crew);
        for (size_t i = 0; i < crew->count; i++) {
            producer_work(&crew->producers[i], crew->port, front);
        }
        crew_wait(crew);
        atomic_fetch_add(&crew->rounds, 1);
    }
    for (size_t i = 0; i < crew->count; i++) {
        producer_close(&crew->producers[i]);
    }
    return NULL;
}

bool crew_start(struct crew *crew, uint16_t port) {
    crew->port = port;
    atomic_store(&crew->is_stopping, false);
    return pthread_create(&crew->thread, NULL, crew_run, crew) == 0;
}

void crew_stop(struct crew *crew) {
    atomic_store(&crew->is_stopping, true);
    pthread_join(crew->thread, NULL);
}

void crew_fini(struct crew *crew) {
    for (size_t i = 0; i < crew->count; i++) {
        producer_fini(&crew->producers[i]);
    }
    crew->count = 0;
}
