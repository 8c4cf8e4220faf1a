/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Scenarios about connections: joining, being there, coming back. */
#include "bench/crew.h"
#include "bench/many.h"
#include "bench/scenario.h"

#include <stdio.h>

/* Sums of memory are taken when the server had a moment to settle. */
#define SETTLE_NS (200 * NS_PER_MS)

static void put_cpu(struct result *result, const struct tally *tally, const char *name, double per) {
    if (tally->cpu_ns > 0 && per > 0) {
        result_put(result, name, (double)tally->cpu_ns / per / 1e3, "us");
    }
}

static void put_load(struct result *result, const struct tally *tally) {
    result_put(result, "load_share", 100 * (double)tally->load_ns / (double)tally->at_ns, "%");
}

static void settle(struct run *run) {
    for (int64_t until = clock_ns() + SETTLE_NS; clock_ns() < until;) {
        run_poll(run, NS_PER_MS);
    }
}

static void describe(const struct run *run, struct result *result, const char *what) {
    const struct options *options = run->options;
    char pace[48];
    if (options->rate > 0) {
        snprintf(pace, sizeof pace, "%lld/s on schedule", (long long)options->rate);
    } else {
        snprintf(pace, sizeof pace, "%lld at once", (long long)options->window);
    }
    snprintf(result->setting, sizeof result->setting, "%lld %s, %s, %lld topics, %lld bytes, %s", (long long)options->count,
             what, pace, (long long)options->topics, (long long)options->size, options->encoding);
}

bool play_join(struct run *run, struct result *result) {
    const struct options *options = run->options;
    describe(run, result, "joins");
    if (!run_seed(run) || !run_make_subscribers(run, (uint32_t)options->count) || !crew_start(run)) {
        return false;
    }
    run_mark(run, RECORD_JOINS);
    bool joined = run_join(run, (uint32_t)options->count, options->window, options->rate);
    struct tally tally = run_tally(run);
    uint32_t live = crew_live(run);
    result_put(result, "joins", (double)live / ((double)tally.at_ns / 1e9), "/s");
    result_put(result, "time", (double)tally.at_ns / 1e6, "ms");
    put_cpu(result, &tally, "cpu_per_join", live);
    put_load(result, &tally);
    run_put_percentiles(run, result);
    run_check(run, result);
    return joined;
}

/* One change of every topic, and how long until the last subscriber has it. */
static void change_all(struct run *run, struct result *result) {
    settle(run);
    run_mark(run, RECORD_DELIVERIES);
    int64_t begin = clock_ns();
    for (uint32_t i = 0; i < run->topic_count; i++) {
        run_publish(run, i, 1, begin);
    }
    run_flush(run);
    if (!run_drain(run)) {
        run_fail(run, "some subscribers never got the change");
        return;
    }
    result_put(result, "reach_all", (double)(clock_ns() - begin) / 1e6, "ms");
}

bool play_idle(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = (uint32_t)options->count;
    describe(run, result, "idle connections");
    if (!run_seed(run) || !run_make_subscribers(run, count + run->topic_count) || !crew_start(run)) {
        return false;
    }
    /* One of each topic first: views and the loop's first allocations are there before we look. So are the producers: behind a crowd they
       would wait for it. */
    if (!run_open_producers(run) || !run_join(run, run->topic_count, options->window, 0)) {
        return false;
    }
    settle(run);
    struct server_memory before = server_memory_read(&run->server);
    int64_t begin = clock_ns();
    if (!run_join(run, count + run->topic_count, options->window, options->rate)) {
        return false;
    }
    double seconds = (double)(clock_ns() - begin) / 1e9;
    settle(run);
    struct server_memory after = server_memory_read(&run->server);
    result_put(result, "pss_per_connection", (double)(after.pss_bytes - before.pss_bytes) / count, "bytes");
    result_put(result, "rss_per_connection", (double)(after.rss_bytes - before.rss_bytes) / count, "bytes");
    result_put(result, "joins", count / seconds, "/s");
    if (!many_wait()) {
        run_fail(run, "another process failed");
        return false;
    }
    change_all(run, result);
    run_put_percentiles(run, result);
    run_check(run, result);
    return true;
}

/* While all are away, the topics change `count` times in turn. */
static bool change_while_away(struct run *run) {
    const struct options *options = run->options;
    for (int64_t done = 0; done < options->count && run->failure == NULL; done++) {
        run_publish(run, (uint32_t)(done % options->topics), 1, clock_ns());
        if (done % 100 == 99 || done + 1 == options->count) {
            struct producer *producer = &run->producers[0];
            run_flush(run);
            while (producer_in_flight(producer) > 0 && run->failure == NULL) {
                run_poll(run, NS_PER_MS);
            }
        }
    }
    return run->failure == NULL;
}

bool play_resume(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = (uint32_t)(options->topics * options->subscribers);
    snprintf(result->setting, sizeof result->setting,
             "%u subscribers of %lld topics come back after %lld changes, %lld at once", count, (long long)options->topics,
             (long long)options->count, (long long)options->window);
    if (!run_seed(run) || !run_make_subscribers(run, count) || !run_join(run, count, options->window, 0) ||
        !run_open_producers(run)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        subscriber_leave(run, &run->subscribers[i]);
    }
    if (!change_while_away(run)) {
        return false;
    }
    run->started_count = 0;
    settle(run);
    run_mark(run, RECORD_JOINS);
    bool joined = run_join(run, count, options->window, 0);
    struct tally tally = run_tally(run);
    uint32_t resumed = 0;
    for (uint32_t i = 0; i < count; i++) {
        resumed += run->subscribers[i].is_resumed;
    }
    result_put(result, "resumes", run->live_count / ((double)tally.at_ns / 1e9), "/s");
    result_put(result, "resumed", resumed, "");
    put_cpu(result, &tally, "cpu_per_resume", run->live_count);
    put_load(result, &tally);
    result_put(result, "bytes_per_resume", (double)tally.received / count, "bytes");
    result_put_percentiles(result);
    run_check(run, result);
    return joined;
}

/* Topics and nothing else; then the same store again. Bytes of documents are part of it: they are named beside. */
bool play_topics(struct run *run, struct result *result) {
    const struct options *options = run->options;
    snprintf(result->setting, sizeof result->setting, "%lld topics of %lld bytes, stored; then a start with them",
             (long long)options->topics, (long long)options->size);
    settle(run);
    struct server_memory before = server_memory_read(&run->server);
    run_mark(run, RECORD_NOTHING);
    int64_t begin = clock_ns();
    if (!run_seed(run)) {
        return false;
    }
    double seconds = (double)(clock_ns() - begin) / 1e9;
    struct tally tally = run_tally(run);
    settle(run);
    struct server_memory after = server_memory_read(&run->server);
    double topics = (double)options->topics;
    result_put(result, "memory_per_topic", (double)(after.pss_bytes - before.pss_bytes) / topics, "bytes");
    result_put(result, "document", (double)options->size, "bytes");
    result_put(result, "created", topics / seconds, "/s");
    put_cpu(result, &tally, "cpu_per_topic", topics);
    int64_t ready_ns = server_restart(&run->server);
    if (ready_ns < 0) {
        run_fail(run, "the server did not come back");
        return false;
    }
    result_put(result, "ready", (double)ready_ns / 1e6, "ms");
    int64_t seq = server_seq(&run->server);
    result_put(result, "unaccounted", topics - (double)seq, "");
    struct server_memory again = server_memory_read(&run->server);
    result_put(result, "memory_again", (double)again.pss_bytes / topics, "bytes");
    run_check(run, result);
    return true;
}
