/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/pressure.h"

#include "broker/net/broker.h"
#include "broker/net/budget.h"
#include "broker/net/memory_limit.h"
#include "broker/net/process_memory.h"

#include <inttypes.h>
#include <malloc.h>

#define MEASURE_MS 1000
#define TRIM_MS 5000   /* giving freed memory back to the system walks all of it */
#define GROWN_SHARE 64 /* of the bound: after so much growth it is measured at once */
#define HYSTERESIS_SHARE 16

void pressure_configure(struct broker *first, int64_t bytes_max) {
    const char *source = "configured";
    uint64_t bytes = (uint64_t)bytes_max;
    if (bytes_max == 0) {
        struct memory_limit limit = memory_limit_read();
        bytes = limit.bytes == UINT64_MAX ? UINT64_MAX : limit.bytes / 5 * 4;
        source = limit.source;
    }
    atomic_store(&first->shards->pressure.bytes_max, bytes);
    log_event(&first->log, LOG_INFO, "memory-bound", "bytes_max=%" PRIu64 " source=\"%s\"", bytes, source);
}

/* What our own counters know of, roughly: only its growth matters. */
static uint64_t count_held(struct broker *first) {
    const struct metrics *metrics = core_metrics(first->core);
    return metrics->documents_bytes + metrics->topics * budget_topic_bytes() +
           connection_limits_count(&first->shards->limits) * budget_connection_bytes();
}

static void set_high(struct broker *first, bool is_high, uint64_t bytes) {
    struct pressure *pressure = &first->shards->pressure;
    atomic_store(&pressure->is_high, is_high);
    atomic_fetch_add(&pressure->high_count, is_high);
    log_event(&first->log, is_high ? LOG_WARN : LOG_INFO, is_high ? "memory-high" : "memory-has-room",
              "bytes=%" PRIu64 " bytes_max=%" PRIu64 "%s", bytes, atomic_load(&pressure->bytes_max),
              is_high ? " effect=\"nothing new is taken in\"" : "");
}

static void measure(struct broker *first, uint64_t held) {
    struct pressure *pressure = &first->shards->pressure;
    const uint64_t bytes_max = atomic_load(&pressure->bytes_max);
    const bool was_high = atomic_load(&pressure->is_high);
    if (was_high && first->now_ms - pressure->trimmed_ms >= TRIM_MS) {
        pressure->trimmed_ms = first->now_ms;
        malloc_trim(0); /* what was deleted counts until it is given back */
    }
    const uint64_t bytes = process_memory_own();
    pressure->measured_ms = first->now_ms;
    pressure->held_then = held;
    atomic_store(&pressure->bytes, bytes);
    if (!was_high && bytes >= bytes_max) {
        set_high(first, true, bytes);
    } else if (was_high && bytes < bytes_max - bytes_max / HYSTERESIS_SHARE) {
        set_high(first, false, bytes);
    }
}

void pressure_look(struct broker *first) {
    struct pressure *pressure = &first->shards->pressure;
    const uint64_t held = count_held(first);
    const bool has_grown = held > pressure->held_then + atomic_load(&pressure->bytes_max) / GROWN_SHARE;
    if (has_grown || first->now_ms - pressure->measured_ms >= MEASURE_MS) {
        measure(first, held);
    }
}

bool pressure_is_high(const struct broker *broker) {
    return atomic_load_explicit(&broker->shards->pressure.is_high, memory_order_relaxed);
}
