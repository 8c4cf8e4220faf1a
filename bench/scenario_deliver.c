/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Scenarios about changes on their way to subscribers. */
#include "bench/crew.h"
#include "bench/load.h"
#include "bench/scenario.h"

#include <stdio.h>

bool play_window(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = (uint32_t)(options->topics * options->subscribers);
    snprintf(result->setting, sizeof result->setting,
             "%lld topics x %lld subscribers, %lld in flight per topic, %lld bytes, %s", (long long)options->topics,
             (long long)options->subscribers, (long long)options->window, (long long)options->size, options->encoding);
    if (!load_prepare(run, count)) {
        return false;
    }
    load_window(run, options->warmup_ms * NS_PER_MS, "warming up");
    run_mark(run, RECORD_DELIVERIES);
    load_window(run, options->duration_ms * NS_PER_MS, "measuring");
    struct tally tally = run_tally(run);
    load_put_deliveries(result, &tally);
    run_put_percentiles(run, result);
    load_finish(run, result);
    return true;
}

bool play_rate(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = options->count > 0 ? (uint32_t)options->count : run->active_count * (uint32_t)options->subscribers;
    snprintf(result->setting, sizeof result->setting,
             "%lld topics, %u of them change, %u subscribers of %lld each, %lld changes/s on schedule, %lld bytes, %s",
             (long long)options->topics, run->active_count, count, (long long)options->views, (long long)options->rate,
             (long long)options->size, options->encoding);
    if (run->active_count % (uint32_t)options->views != 0) {
        run_fail(run, "--views must divide the topics");
        return false;
    }
    if (!load_prepare(run, count)) {
        return false;
    }
    struct tally tally = load_measure_rate(run);
    if (!run_drain(run)) {
        run_fail(run, "some subscribers never got the newest version");
    }
    run_put_percentiles(run, result);
    load_put_deliveries(result, &tally);
    struct server_memory memory = server_memory_read(&run->server);
    if (memory.pss_bytes > 0) {
        result_put(result, "server_memory", (double)memory.pss_bytes, "bytes");
    }
    load_finish(run, result);
    return true;
}

/* ---- slow readers ---- */

#define STALLED_RECEIVE_BYTES 8192 /* of their sockets, so that they are full soon */

static bool join_stalled(struct run *run, uint32_t first) {
    uint32_t all = (uint32_t)(run->options->topics * (run->options->subscribers + run->options->stalled));
    if (!run_join(run, all, 64, 0)) {
        return false;
    }
    run_set_stalled(run, first, true);
    return run->failure == NULL;
}

static bool make_readers(struct run *run, uint32_t good, uint32_t stalled) {
    if (!run_make_subscribers(run, good + stalled)) {
        return false;
    }
    for (uint32_t i = good; i < good + stalled; i++) {
        run->subscribers[i].connection.receive_bytes = STALLED_RECEIVE_BYTES;
    }
    return true;
}

/* Good readers alone first, then beside the stalled ones. Schedules start anew: joining takes time. */
static void load_both(struct run *run, struct result *result, uint32_t good) {
    int64_t warmup_ns = run->options->warmup_ms * NS_PER_MS;
    int64_t half_ns = run->options->duration_ms * NS_PER_MS / 2;
    struct schedule schedule = {.begin_ns = clock_ns()};
    load_rate(run, &schedule, warmup_ns, "warming up", NULL);
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, half_ns, "alone", NULL);
    crew_gather(run);
    result_put(result, "p99_alone", (double)histogram_at(run->histogram, 99) / 1e6, "ms");
    if (!join_stalled(run, good)) {
        return;
    }
    schedule = (struct schedule){.begin_ns = clock_ns()};
    load_rate(run, &schedule, warmup_ns, "warming up", NULL);
    struct server_memory before = server_memory_read(&run->server);
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, half_ns, "beside", NULL);
    struct tally tally = run_tally(run);
    struct server_memory after = server_memory_read(&run->server);
    run_put_percentiles(run, result);
    load_put_deliveries(result, &tally);
    result_put(result, "memory_growth", (double)(after.pss_bytes - before.pss_bytes), "bytes");
}

bool play_slow(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t good = (uint32_t)(options->topics * options->subscribers);
    snprintf(result->setting, sizeof result->setting,
             "%lld topics x (%lld good + %lld stalled readers), %lld changes/s on schedule", (long long)options->topics,
             (long long)options->subscribers, (long long)options->stalled, (long long)options->rate);
    if (!run_seed(run) || !make_readers(run, good, (uint32_t)(options->topics * options->stalled)) || !crew_start(run) ||
        !run_join(run, good, 64, 0) || !run_open_producers(run)) {
        return false;
    }
    load_both(run, result, good);
    run->recording = RECORD_NOTHING;
    if (run->failure != NULL || !run_drain(run)) {
        return false;
    }
    int64_t begin = clock_ns();
    run_set_stalled(run, good, false);
    if (run_drain(run)) {
        result_put(result, "catch_up", (double)(clock_ns() - begin) / 1e6, "ms");
    }
    load_finish(run, result);
    return true;
}
