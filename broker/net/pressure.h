/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Memory that runs short: past limits.memory_bytes_max nothing new is taken in (sessions, subscriptions, changes that grow) until there is a
 * sixteenth less. Reading and deleting go on. One for all shards: the first measures, all may ask.
 *
 * What is measured is the memory that belongs to the process alone (resident and not mapped from files), once a second, and sooner when our own
 * counters say that much was taken in since.
 */
#ifndef NET_PRESSURE_H
#define NET_PRESSURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct broker;

struct pressure {
    _Atomic uint64_t bytes_max;
    _Atomic uint64_t bytes; /* as last measured */
    atomic_bool is_high;
    _Atomic uint64_t high_count; /* times it became high */

    /* the first shard's alone */
    int64_t measured_ms;
    int64_t trimmed_ms;
    uint64_t held_then; /* our own count when it was measured */
};

/* 0: from what the machine or the control group has. */
void pressure_configure(struct broker *first, int64_t bytes_max);

/* Once a turn, and not less often than once a second. */
void pressure_look(struct broker *first);

bool pressure_is_high(const struct broker *broker);

#endif
