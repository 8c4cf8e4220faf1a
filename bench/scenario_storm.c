/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A storm: a crowd that lost its broker comes back at once, while changes go on to those who are there. Each of the crowd behaves as the client
 * library does: it comes at once, comes back when it was told to if it was sent away, and backs off with full jitter if nobody said when.
 *
 *   crowd and few join ── SIGKILL, start ── the few join ── changes on schedule ── quiet ── the crowd comes ── all right again
 */
#include "bench/load.h"
#include "bench/scenario.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECTS_A_TICK 16      /* so that what arrives meanwhile is read, too */
#define LOOK_NS (NS_PER_MS / 2) /* how often somebody looks whose time has come */
#define BACKOFF_NS (500 * NS_PER_MS)
#define BACKOFF_DOUBLINGS 5
#define STORM_NS (120 * NS_PER_S) /* then it has failed */
#define NEVER INT64_MAX
#define ADDRESSES 16

struct storm {
    uint32_t few; /* the first so many subscribers */
    uint32_t next;
    int64_t looked_ns;
    int64_t begin_ns;
    uint64_t sent_away; /* with a time to come back */
    uint64_t failed;    /* without */
};

static struct storm *storm_of(struct run *run) {
    static struct storm storm; /* the bench plays one run at a time */
    (void)run;
    return &storm;
}

static int64_t random_below(int64_t bound) {
    return bound <= 0 ? 0 : (int64_t)((double)random() / ((double)RAND_MAX + 1) * (double)bound);
}

static void on_lost(struct run *run, struct subscriber *subscriber) {
    struct storm *storm = storm_of(run);
    const int64_t now = clock_ns();
    const uint32_t retry_s = subscriber->connection.retry_s;
    subscriber_leave(run, subscriber);
    if (storm->begin_ns == 0) { /* the broker was killed: nobody comes back before the storm begins */
        subscriber->again_ns = NEVER;
        return;
    }
    storm->sent_away += retry_s > 0;
    storm->failed += retry_s == 0;
    if (retry_s > 0) {
        subscriber->again_ns = now + retry_s * NS_PER_S - random_below(NS_PER_S);
        return;
    }
    uint32_t doublings = subscriber->attempts < BACKOFF_DOUBLINGS ? subscriber->attempts : BACKOFF_DOUBLINGS;
    subscriber->attempts++;
    subscriber->again_ns = now + random_below(BACKOFF_NS << doublings);
}

/* Whose time has come connects. */
static void come_back(struct run *run, struct storm *storm, int64_t now) {
    uint32_t crowd = run->subscriber_count - storm->few;
    uint32_t connects = 0;
    for (uint32_t i = 0; i < crowd && connects < CONNECTS_A_TICK && run->failure == NULL; i++) {
        struct subscriber *subscriber = &run->subscribers[storm->few + storm->next];
        storm->next = (storm->next + 1) % crowd;
        if (subscriber->state != SUBSCRIBER_IDLE || subscriber->again_ns > now) {
            continue;
        }
        subscriber->started_ns = storm->begin_ns;
        connects++;
        if (!subscriber_join(run, subscriber)) {
            run_fail(run, "a connection could not be opened");
        }
    }
}

static int64_t tick(struct run *run, void *context, int64_t now, int64_t wait) {
    struct storm *storm = context;
    if (now - storm->looked_ns >= LOOK_NS) {
        storm->looked_ns = now;
        come_back(run, storm, now);
    }
    return wait < LOOK_NS ? wait : LOOK_NS;
}

static bool is_over(const struct run *run) {
    return run->live_count == run->subscriber_count || run->failure != NULL;
}

static int64_t weather(struct run *run, struct storm *storm, struct schedule *schedule) {
    const struct ticker ticker = {tick, storm};
    srandom(4711);
    storm->begin_ns = clock_ns();
    for (uint32_t i = storm->few; i < run->subscriber_count; i++) {
        run->subscribers[i].again_ns = 0;
    }
    while (!is_over(run) && clock_ns() < storm->begin_ns + STORM_NS) {
        int64_t due = schedule->begin_ns + (int64_t)((double)schedule->sent * 1e9 / (double)run->options->rate);
        int64_t behind = clock_ns() - due; /* a late generator catches up */
        load_rate(run, schedule, (behind > 0 ? behind : 0) + 10 * NS_PER_MS, "storm", &ticker);
    }
    if (!is_over(run)) {
        run_fail(run, "not all that came back became live");
    }
    return clock_ns() - storm->begin_ns;
}

/* Everybody was there; the broker dies, and those few are back first. */
static bool crash(struct run *run, struct storm *storm, struct result *result) {
    run->on_lost = on_lost;
    for (uint32_t i = 0; i < run->producer_count; i++) {
        connection_close(&run->producers[i].connection);
        run->producers[i].is_open = false;
    }
    int64_t ready_ns = server_crash(&run->server);
    if (ready_ns < 0) {
        run_fail(run, "the server did not come back");
        return false;
    }
    result_put(result, "ready", (double)ready_ns / 1e6, "ms");
    for (int64_t until = clock_ns() + PATIENCE_NS; run->live_count > 0 && clock_ns() < until;) {
        run_poll(run, NS_PER_MS);
    }
    for (uint32_t i = 0; i < run->subscriber_count; i++) { /* of some the end was not heard yet */
        subscriber_leave(run, &run->subscribers[i]);
    }
    run->started_count = 0;
    return run_join(run, storm->few, run->options->window, 0) && run_open_producers(run);
}

static void put_quiet(struct run *run, struct result *result) {
    result_put(result, "quiet_p50", (double)histogram_at(run->histogram, 50) / 1e6, "ms");
    result_put(result, "quiet_p99", (double)histogram_at(run->histogram, 99) / 1e6, "ms");
}

bool play_storm(struct run *run, struct result *result) {
    const struct options *options = run->options;
    struct storm *storm = storm_of(run);
    const uint32_t crowd = (uint32_t)options->count;
    *storm = (struct storm){.few = (uint32_t)options->subscribers};
    snprintf(result->setting, sizeof result->setting,
             "%u come back at once after kill -9, %u are there, %lld topics, %lld changes/s, %s", crowd, storm->few,
             (long long)options->topics, (long long)options->rate, options->encoding);
    if (!run_seed(run) || !run_make_subscribers(run, storm->few + crowd) ||
        !run_join(run, storm->few + crowd, options->window, 0) || !crash(run, storm, result)) {
        return false;
    }
    if (!run_set_crowd(run)) {
        run_fail(run, "no descriptor for the crowd");
        return false;
    }
    for (uint32_t i = storm->few; i < run->subscriber_count; i++) {
        run->subscribers[i].is_untimed = true;
        run->subscribers[i].connection.source = 2 + i % ADDRESSES; /* of one address too many ports are in use or were */
    }
    struct schedule schedule = {.begin_ns = clock_ns()};
    load_rate(run, &schedule, options->warmup_ms * NS_PER_MS, "warming up", NULL);
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, options->duration_ms * NS_PER_MS, "quiet", NULL);
    put_quiet(run, result);
    run_mark(run, RECORD_DELIVERIES);
    int64_t took_ns = weather(run, storm, &schedule);
    struct tally tally = run_tally(run);
    result_put(result, "all_right", (double)took_ns / 1e6, "ms");
    result_put(result, "sent_away", (double)storm->sent_away, "");
    result_put(result, "failed", (double)storm->failed, "");
    result_put(result, "peak_memory", (double)server_memory_peak(&run->server) / 1048576.0, "MiB");
    result_put(result, "cpu_per_join", (double)tally.cpu_ns / crowd / 1e3, "us");
    uint32_t resumed = 0;
    for (uint32_t i = 0; i < run->subscriber_count; i++) {
        resumed += run->subscribers[i].is_resumed;
    }
    result_put(result, "resumed", resumed, "");
    result_put_percentiles(result);
    load_finish(run, result);
    return true;
}
