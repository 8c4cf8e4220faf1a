/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Scenarios about changes on their way to subscribers. */
#include "bench/scenario.h"

#include <stdio.h>

/* ---- load ---- */

/* So many versions of the topic may be sent before more than `window` are under way, counted over all its subscribers. */
static uint32_t permits(const struct topic *topic, int64_t window) {
    uint64_t under_way = topic->published * topic->subscribers - topic->progress;
    uint64_t allowed = (uint64_t)window * topic->subscribers;
    return under_way < allowed ? (uint32_t)((allowed - under_way) / topic->subscribers) : 0;
}

static void refill(struct run *run, uint32_t number) {
    uint32_t count = permits(&run->topics[number], run->options->window);
    if (count > 0) {
        run_publish(run, number, count, clock_ns());
    }
}

static void load_window(struct run *run, int64_t duration_ns, const char *what) {
    int64_t begin = clock_ns();
    int64_t idle_since = begin;
    for (uint32_t i = 0; i < run->topic_count; i++) {
        refill(run, i);
    }
    for (int64_t now; (now = clock_ns()) < begin + duration_ns && run->failure == NULL;) {
        run_flush(run);
        run_poll(run, NS_PER_MS);
        idle_since = run->moved_count > 0 ? now : idle_since;
        if (now - idle_since > PATIENCE_NS) {
            run_fail(run, "no deliveries any more");
        }
        while (run->moved_count > 0) {
            uint32_t number = run->moved[--run->moved_count];
            run->topics[number].is_listed = false;
            refill(run, number);
        }
        run_note(run, what, run->tally.deliveries, (double)(now - begin) / (double)duration_ns);
    }
    run_flush(run);
}

/* A schedule goes on where the last one stopped, so that phases join without a hole. */
struct schedule {
    int64_t begin_ns;
    uint64_t sent;
};

static int64_t due_of(const struct schedule *schedule, int64_t rate) {
    return schedule->begin_ns + (int64_t)((double)schedule->sent * 1e9 / (double)rate);
}

static void load_rate(struct run *run, struct schedule *schedule, int64_t duration_ns, const char *what) {
    int64_t rate = run->options->rate;
    int64_t begin = due_of(schedule, rate);
    for (int64_t due; (due = due_of(schedule, rate)) < begin + duration_ns && run->failure == NULL;) {
        int64_t now = clock_ns();
        for (; due <= now && due < begin + duration_ns; due = due_of(schedule, rate)) {
            run->tally.late += now - due > LATE_NS;
            run_publish(run, (uint32_t)(schedule->sent % run->topic_count), 1, due);
            schedule->sent++;
        }
        run_flush(run);
        run_poll(run, due - clock_ns());
        run->moved_count = 0;
        run_note(run, what, run->tally.deliveries, (double)(now - begin) / (double)duration_ns);
    }
}

/* ---- results ---- */

static bool prepare(struct run *run, uint32_t count) {
    return run_seed(run) && run_make_subscribers(run, count) && run_join(run, count, 64, 0) && run_open_producers(run);
}

static void put_deliveries(struct result *result, const struct tally *tally) {
    double seconds = (double)tally->at_ns / 1e9;
    double deliveries = (double)tally->deliveries;
    result_put(result, "deliveries", deliveries / seconds, "/s");
    result_put(result, "changes", (double)tally->changes / seconds, "/s");
    if (tally->cpu_ns > 0 && deliveries > 0) {
        result_put(result, "cpu_per_delivery", (double)tally->cpu_ns / deliveries / 1e3, "us");
        result_put(result, "cpu_share", 100 * (double)tally->cpu_ns / (double)tally->at_ns, "%");
    }
    result_put(result, "load_share", 100 * (double)tally->load_ns / (double)tally->at_ns, "%");
    if (tally->reads > 0) {
        result_put(result, "deliveries_per_read", deliveries / (double)tally->reads, "");
    }
    if (deliveries > 0) {
        result_put(result, "bytes_per_delivery", (double)tally->received / deliveries, "bytes");
    }
}

static void finish(struct run *run, struct result *result) {
    run->recording = RECORD_NOTHING;
    if (!run_drain(run)) {
        run_fail(run, "some subscribers never got the newest version");
    }
    run_check(run, result);
}

bool play_window(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = (uint32_t)(options->topics * options->subscribers);
    snprintf(result->setting, sizeof result->setting,
             "%lld topics x %lld subscribers, %lld in flight per topic, %lld bytes, %s", (long long)options->topics,
             (long long)options->subscribers, (long long)options->window, (long long)options->size, options->encoding);
    if (!prepare(run, count)) {
        return false;
    }
    load_window(run, options->warmup_ms * NS_PER_MS, "warming up");
    run_mark(run, RECORD_DELIVERIES);
    load_window(run, options->duration_ms * NS_PER_MS, "measuring");
    struct tally tally = run_tally(run);
    put_deliveries(result, &tally);
    result_put_percentiles(result);
    finish(run, result);
    return true;
}

bool play_rate(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = (uint32_t)(options->topics * options->subscribers);
    snprintf(result->setting, sizeof result->setting,
             "%lld topics x %lld subscribers, %lld changes/s on schedule, %lld bytes, %s", (long long)options->topics,
             (long long)options->subscribers, (long long)options->rate, (long long)options->size, options->encoding);
    if (!prepare(run, count)) {
        return false;
    }
    struct schedule schedule = {.begin_ns = clock_ns()};
    load_rate(run, &schedule, options->warmup_ms * NS_PER_MS, "warming up");
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, options->duration_ms * NS_PER_MS, "measuring");
    struct tally tally = run_tally(run);
    if (!run_drain(run)) {
        run_fail(run, "some subscribers never got the newest version");
    }
    result_put_percentiles(result);
    put_deliveries(result, &tally);
    finish(run, result);
    return true;
}

/* ---- slow readers ---- */

#define STALLED_RECEIVE_BYTES 8192 /* of their sockets, so that they are full soon */

static void set_stalled(struct run *run, uint32_t first, bool stalled) {
    for (uint32_t i = first; i < run->subscriber_count; i++) {
        subscriber_set_stalled(run, &run->subscribers[i], stalled);
    }
}

static bool join_stalled(struct run *run, uint32_t first) {
    for (uint32_t i = first; i < run->subscriber_count; i++) {
        run->subscribers[i].connection.receive_bytes = STALLED_RECEIVE_BYTES;
    }
    if (!run_join(run, run->subscriber_count, 64, 0)) {
        return false;
    }
    set_stalled(run, first, true);
    return true;
}

/* Good readers alone first, then beside the stalled ones. Schedules start anew: joining takes time. */
static void load_both(struct run *run, struct result *result, uint32_t good) {
    int64_t warmup_ns = run->options->warmup_ms * NS_PER_MS;
    int64_t half_ns = run->options->duration_ms * NS_PER_MS / 2;
    struct schedule schedule = {.begin_ns = clock_ns()};
    load_rate(run, &schedule, warmup_ns, "warming up");
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, half_ns, "alone");
    result_put(result, "p99_alone", (double)histogram_at(run->histogram, 99) / 1e6, "ms");
    if (!join_stalled(run, good)) {
        return;
    }
    schedule = (struct schedule){.begin_ns = clock_ns()};
    load_rate(run, &schedule, warmup_ns, "warming up");
    struct server_memory before = server_memory_read(&run->server);
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, half_ns, "beside");
    struct tally tally = run_tally(run);
    struct server_memory after = server_memory_read(&run->server);
    result_put_percentiles(result);
    put_deliveries(result, &tally);
    result_put(result, "memory_growth", (double)(after.pss_bytes - before.pss_bytes), "bytes");
}

bool play_slow(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t good = (uint32_t)(options->topics * options->subscribers);
    snprintf(result->setting, sizeof result->setting,
             "%lld topics x (%lld good + %lld stalled readers), %lld changes/s on schedule", (long long)options->topics,
             (long long)options->subscribers, (long long)options->stalled, (long long)options->rate);
    if (!run_seed(run) || !run_make_subscribers(run, good + (uint32_t)(options->topics * options->stalled)) ||
        !run_join(run, good, 64, 0) || !run_open_producers(run)) {
        return false;
    }
    load_both(run, result, good);
    run->recording = RECORD_NOTHING;
    if (run->failure != NULL || !run_drain(run)) {
        return false;
    }
    int64_t begin = clock_ns();
    set_stalled(run, good, false);
    if (run_drain(run)) {
        result_put(result, "catch_up", (double)(clock_ns() - begin) / 1e6, "ms");
    }
    finish(run, result);
    return true;
}
