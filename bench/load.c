/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/load.h"

#include "bench/crew.h"

/* ---- load ---- */

/* So many versions of the topic may be sent before more than `window` are under way, counted over all its subscribers. */
static uint32_t permits(const struct topic *topic, int64_t window) {
    uint64_t under_way = topic->published * topic->subscribers - topic->progress;
    uint64_t allowed = (uint64_t)window * topic->subscribers;
    return under_way < allowed ? (uint32_t)((allowed - under_way) / topic->subscribers) : 0;
}

static void refill(struct run *run, uint32_t number) {
    struct topic topic = crew_topic(run, number);
    uint32_t count = permits(&topic, run->options->window);
    if (count > 0) {
        run_publish(run, number, count, clock_ns());
    }
}

void load_window(struct run *run, int64_t duration_ns, const char *what) {
    int64_t begin = clock_ns();
    int64_t idle_since = begin;
    run->heeds = true;
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
        run_note(run, what, crew_deliveries(run), (double)(now - begin) / (double)duration_ns);
    }
    run->heeds = false;
    run_flush(run);
}

/* With a schedule nobody asks which topics moved. */
static void forget_moved(struct run *run) {
    while (run->moved_count > 0) {
        run->topics[run->moved[--run->moved_count]].is_listed = false;
    }
}

static int64_t due_of(const struct schedule *schedule, int64_t rate) {
    return schedule->begin_ns + (int64_t)((double)schedule->sent * 1e9 / (double)rate);
}

void load_rate(struct run *run, struct schedule *schedule, int64_t duration_ns, const char *what, const struct ticker *ticker) {
    int64_t rate = run->options->rate;
    int64_t begin = due_of(schedule, rate);
    for (int64_t due; (due = due_of(schedule, rate)) < begin + duration_ns && run->failure == NULL;) {
        int64_t now = clock_ns();
        int64_t wait;
        for (; due <= now && due < begin + duration_ns; due = due_of(schedule, rate)) {
            run->tally.late += now - due > LATE_NS;
            run_publish(run, (uint32_t)(schedule->sent % run->active_count), 1, due);
            schedule->sent++;
        }
        run_flush(run);
        wait = due - clock_ns();
        if (ticker != NULL) {
            wait = ticker->tick(run, ticker->context, clock_ns(), wait);
        }
        run_poll(run, wait);
        forget_moved(run);
        run_note(run, what, crew_deliveries(run), (double)(now - begin) / (double)duration_ns);
    }
}

/* ---- results ---- */

bool load_prepare(struct run *run, uint32_t count) {
    return run_seed(run) && run_make_subscribers(run, count) && crew_start(run) && run_join(run, count, 64, 0) &&
           run_open_producers(run);
}

struct tally load_measure_rate(struct run *run) {
    const struct options *options = run->options;
    struct schedule schedule = {.begin_ns = clock_ns()};
    load_rate(run, &schedule, options->warmup_ms * NS_PER_MS, "warming up", NULL);
    run_mark(run, RECORD_DELIVERIES);
    load_rate(run, &schedule, options->duration_ms * NS_PER_MS, "measuring", NULL);
    return run_tally(run);
}

void load_put_deliveries(struct result *result, const struct tally *tally) {
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

void load_finish(struct run *run, struct result *result) {
    run->recording = RECORD_NOTHING;
    if (!run_drain(run)) {
        run_fail(run, "some subscribers never got the newest version");
    }
    run_check(run, result);
}
