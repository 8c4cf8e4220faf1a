/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Scenarios as days are: sessions that come and go, patterns over many topics, slow readers among fast ones. */
#include "bench/crew.h"
#include "bench/load.h"
#include "bench/scenario.h"

#include <stdio.h>
#include <stdlib.h>

#define STALL_NS (700 * NS_PER_MS) /* a slow reader reads nothing for so long, */
#define READ_NS (300 * NS_PER_MS)  /* then for so long */
#define WATCHERS 20                /* of mix: dashboards that follow everything, twice a second */
#define WATCH_EVERY_MS 500

/* ---- sessions that come and go ---- */

struct movers {
    uint32_t first; /* of the subscribers that move */
    uint32_t count;
    uint32_t next;
    int64_t begin_ns;
    int64_t moved;
};

static int64_t mover_due(const struct run *run, const struct movers *movers) {
    return movers->begin_ns + movers->moved * NS_PER_S / run->options->churn;
}

/* The next one that is there leaves and comes back at once as somebody new. One that is still joining is passed over. */
static void move_one(struct run *run, struct movers *movers, int64_t due_ns) {
    for (uint32_t i = 0; i < movers->count; i++) {
        struct subscriber *subscriber = &run->subscribers[movers->first + movers->next];
        movers->next = (movers->next + 1) % movers->count;
        if (subscriber->state != SUBSCRIBER_LIVE) {
            continue;
        }
        subscriber_leave(run, subscriber);
        subscriber_forget(subscriber);
        subscriber->started_ns = due_ns;
        if (!subscriber_join(run, subscriber)) {
            run_fail(run, "a connection could not be opened");
        }
        return;
    }
}

static int64_t move(struct run *run, struct movers *movers, int64_t now, int64_t wait) {
    int64_t due;
    while ((due = mover_due(run, movers)) <= now && run->failure == NULL) {
        run->tally.late += now - due > LATE_NS;
        move_one(run, movers, due);
        movers->moved++;
    }
    return due - now < wait ? due - now : wait;
}

static int64_t tick_churn(struct run *run, void *context, int64_t now, int64_t wait) {
    return move(run, context, now, wait);
}

static bool wait_for_movers(struct run *run) {
    for (int64_t until = clock_ns() + PATIENCE_NS; run->live_count < run->subscriber_count; run_poll(run, NS_PER_MS)) {
        if (run->failure != NULL || clock_ns() > until) {
            run_fail(run, "not all that came back became live");
            return false;
        }
    }
    return true;
}

static void put_joins(struct run *run, struct result *result, int64_t ns) {
    result_put(result, "rejoins", (double)run->joins->total / ((double)ns / 1e9), "/s");
    result_put(result, "join_p50", (double)histogram_at(run->joins, 50) / 1e6, "ms");
    result_put(result, "join_p99", (double)histogram_at(run->joins, 99) / 1e6, "ms");
}

/* Warm up, measure, put what came of it. */
static bool play_ticked(struct run *run, struct result *result, const struct ticker *ticker, struct movers *movers) {
    const struct options *options = run->options;
    run->joins = calloc(1, sizeof *run->joins);
    if (run->joins == NULL) {
        return false;
    }
    struct schedule schedule = {.begin_ns = clock_ns()};
    movers->begin_ns = schedule.begin_ns;
    load_rate(run, &schedule, options->warmup_ms * NS_PER_MS, "warming up", ticker);
    histogram_clear(run->joins);
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, options->duration_ms * NS_PER_MS, "measuring", ticker);
    struct tally tally = run_tally(run);
    run->recording = RECORD_NOTHING;
    result_put_percentiles(result);
    put_joins(run, result, tally.at_ns);
    load_put_deliveries(result, &tally);
    bool all = wait_for_movers(run);
    free(run->joins);
    run->joins = NULL;
    return all;
}

bool play_churn(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = (uint32_t)(options->topics * options->subscribers);
    snprintf(result->setting, sizeof result->setting,
             "%lld topics x %lld subscribers, half of them moving: %lld rejoins/s; %lld changes/s on schedule",
             (long long)options->topics, (long long)options->subscribers, (long long)options->churn, (long long)options->rate);
    if (!load_prepare(run, count)) {
        return false;
    }
    struct movers movers = {.first = count / 2, .count = count - count / 2};
    for (uint32_t i = movers.first; i < count; i++) {
        run->subscribers[i].is_untimed = true;
    }
    struct ticker ticker = {.tick = tick_churn, .context = &movers};
    if (!play_ticked(run, result, &ticker, &movers)) {
        return false;
    }
    load_finish(run, result);
    return true;
}

/* ---- patterns ---- */

static bool follow_patterns(struct run *run, uint32_t count) {
    const struct options *options = run->options;
    if (!run_make_subscribers(run, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        /* Every star but the last stands for one segment that is the same everywhere: all four select all topics. */
        static const uint32_t wide[] = {1, 3, 5, 7};
        struct interest interest = {.count = run->topic_count, .stars = wide[i % 4]};
        if (options->patterns > 0) {
            interest = (struct interest){.count = 1, .stars = i % (uint32_t)options->patterns};
        }
        if (!subscriber_follow(&run->subscribers[i], &interest)) {
            return false;
        }
    }
    return true;
}

bool play_wildcard(struct run *run, struct result *result) {
    const struct options *options = run->options;
    uint32_t count = (uint32_t)options->subscribers;
    snprintf(result->setting, sizeof result->setting, "%lld topics, %lld subscribers of %s, %lld changes/s on schedule",
             (long long)options->topics, (long long)options->subscribers,
             options->patterns > 0 ? "1 to 8 patterns of one topic" : "4 patterns that select all", (long long)options->rate);
    if (options->patterns > 0 && options->topics != 1) {
        run_fail(run, "--patterns goes with --topics 1");
        return false;
    }
    if (!run_seed(run) || !follow_patterns(run, count) || !crew_start(run) || !run_join(run, count, 64, 0) ||
        !run_open_producers(run)) {
        return false;
    }
    struct tally tally = load_measure_rate(run);
    run->recording = RECORD_NOTHING;
    run_put_percentiles(run, result);
    load_put_deliveries(result, &tally);
    load_finish(run, result);
    return true;
}

/* ---- everything at once ---- */

struct mix {
    struct movers movers;
    uint32_t slow_first;
    uint32_t slow_count;
    bool are_stalled;
    int64_t turn_ns; /* when they change their mind */
};

static void set_slow(struct run *run, struct mix *mix, bool stalled) {
    for (uint32_t i = mix->slow_first; i < mix->slow_first + mix->slow_count; i++) {
        subscriber_set_stalled(run, &run->subscribers[i], stalled);
    }
    mix->are_stalled = stalled;
}

static int64_t tick_mix(struct run *run, void *context, int64_t now, int64_t wait) {
    struct mix *mix = context;
    if (now >= mix->turn_ns) {
        set_slow(run, mix, !mix->are_stalled);
        mix->turn_ns = now + (mix->are_stalled ? STALL_NS : READ_NS);
    }
    return move(run, &mix->movers, now, wait);
}

/* Fast readers of a topic each (half of them move), dashboards that follow all twice a second, slow readers of a topic each. */
static bool make_mix(struct run *run, struct mix *mix) {
    const struct options *options = run->options;
    uint32_t fast = (uint32_t)(options->topics * options->subscribers);
    uint32_t slow = (uint32_t)options->stalled;
    if (!run_make_subscribers(run, fast + WATCHERS + slow)) {
        return false;
    }
    mix->movers = (struct movers){.first = fast / 2, .count = fast - fast / 2};
    mix->slow_first = fast + WATCHERS;
    mix->slow_count = slow;
    for (uint32_t i = fast / 2; i < fast + WATCHERS + slow; i++) {
        run->subscribers[i].is_untimed = true;
    }
    struct interest all = {.count = run->topic_count, .stars = 1, .every_ms = WATCH_EVERY_MS};
    for (uint32_t i = fast; i < fast + WATCHERS; i++) {
        if (!subscriber_follow(&run->subscribers[i], &all)) {
            return false;
        }
    }
    return true;
}

bool play_mix(struct run *run, struct result *result) {
    const struct options *options = run->options;
    struct mix mix = {.slow_count = 0};
    snprintf(
        result->setting, sizeof result->setting,
        "%lld topics x %lld readers (half moving, %lld/s), %d dashboards, %lld slow readers, %lld producers, %lld changes/s",
        (long long)options->topics, (long long)options->subscribers, (long long)options->churn, WATCHERS,
        (long long)options->stalled, (long long)options->producers, (long long)options->rate);
    if (!run_seed(run) || !make_mix(run, &mix) || !run_join(run, run->subscriber_count, 64, 0) || !run_open_producers(run)) {
        return false;
    }
    struct ticker ticker = {.tick = tick_mix, .context = &mix};
    if (!play_ticked(run, result, &ticker, &mix.movers)) {
        return false;
    }
    set_slow(run, &mix, false);
    load_finish(run, result);
    return true;
}
