/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/scenario.h"

#include "bench/crew.h"

#include <stdio.h>
#include <string.h>

/* What all scenarios share if they do not say otherwise. */
static const struct options common = {.topics = 1,
                                      .subscribers = 1,
                                      .producers = 1,
                                      .window = 32,
                                      .batch = 1,
                                      .size = 128,
                                      .duration_ms = 6000,
                                      .warmup_ms = 1000,
                                      .ack = "none",
                                      .encoding = "msgpack",
                                      .views = 1,
                                      .traces = "../shared/data",
                                      .trace = "service-bus"};

static const struct scenario scenarios[] = {
    {"fanout",
     "one topic, many subscribers, several changes in flight: deliveries a second",
     "deliveries",
     CAN_DELIVER,
     {.subscribers = 1000},
     play_window,
     SPLITS},
    {"pingfan",
     "the same with one change in flight: nothing can be batched",
     "deliveries",
     CAN_DELIVER,
     {.subscribers = 1000, .window = 1},
     play_window,
     SPLITS},
    {"spread",
     "many topics with few subscribers each, several changes of each in flight",
     "deliveries",
     CAN_DELIVER,
     {.topics = 100, .subscribers = 10},
     play_window,
     SPLITS},
    {"latency",
     "changes on a schedule: how old they are when they arrive",
     "p99",
     CAN_DELIVER,
     {.topics = 1000, .rate = 5000},
     play_rate,
     SPLITS},
    {"crowd",
     "ten thousand subscribers of one topic, ten changes a second on schedule",
     "p99",
     CAN_DELIVER,
     {.subscribers = 10000, .rate = 10},
     play_rate,
     SPLITS},
    {"join",
     "connections that upgrade, say hello, subscribe, get the snapshot and become live",
     "cpu_per_join",
     CAN_JOIN,
     {.count = 10000, .window = 64},
     play_join,
     SPLITS},
    {"idle",
     "subscribed connections that hear nothing: memory of the server for each, then one change to all",
     "pss_per_connection",
     CAN_DELIVER,
     {.count = 10000, .window = 64},
     play_idle,
     SPLITS},
    {"ingest",
     "producers that publish as fast as they are answered",
     "accepted",
     CAN_DELIVER,
     {.topics = 1000, .window = 32, .batch = 100, .ack = "applied"},
     play_ingest,
     WHOLE},
    {"topics",
     "topics that are held: memory of each, and how long until a broker that has them is ready again",
     "memory_per_topic",
     CAN_BE_AHORA,
     {.topics = 1000000, .ack = "durable"},
     play_topics,
     WHOLE},
    {"slow",
     "good readers beside some that have stopped reading",
     "p99",
     CAN_SKIP,
     {.topics = 100, .subscribers = 10, .stalled = 10, .rate = 5000},
     play_slow,
     SPLITS},
    {"resume",
     "everybody comes back with a token after changes",
     "cpu_per_resume",
     CAN_BE_AHORA,
     {.topics = 100, .subscribers = 50, .count = 1000, .window = 64, .ack = "applied"},
     play_resume,
     WHOLE},
    {"storm",
     "the broker is killed under load and all come back at once, while changes go on to those who are there",
     "all_right",
     CAN_BE_AHORA,
     {.topics = 100, .subscribers = 200, .count = 15000, .rate = 100, .window = 64, .duration_ms = 3000, .ack = "applied"},
     play_storm,
     WHOLE},
    {"churn",
     "sessions come and go while topics change on schedule",
     "p99",
     CAN_JOIN | CAN_SKIP,
     {.topics = 100, .subscribers = 10, .rate = 2000, .churn = 500},
     play_churn,
     WHOLE},
    {"wildcard",
     "patterns over many topics, changes on schedule",
     "p99",
     CAN_BE_AHORA,
     {.topics = 1000, .subscribers = 100, .rate = 500},
     play_wildcard,
     SPLITS},
    {"near",
     "units on the move, and circles that follow what is in them",
     "p99",
     CAN_BE_AHORA,
     {.topics = 10000, .subscribers = 10000, .rate = 5000, .radius = 500, .window = 64, .ack = "applied"},
     play_near,
     WHOLE},
    {"mix",
     "a day in short: readers that come and go, dashboards on patterns, slow readers, several producers",
     "p99",
     CAN_BE_AHORA,
     {.topics = 1000, .subscribers = 2, .producers = 4, .stalled = 50, .rate = 5000, .churn = 100},
     play_mix,
     WHOLE},
    {"replay",
     "real events, replayed on schedule to subscribers of all",
     "p99",
     CAN_BE_AHORA,
     {.subscribers = 20, .rate = 2000, .ack = "applied", .encoding = "json"},
     play_replay,
     WHOLE},
};

const struct scenario *scenario_at(size_t index) {
    return index < sizeof scenarios / sizeof scenarios[0] ? &scenarios[index] : NULL;
}

const struct scenario *scenario_find(const char *name) {
    for (size_t i = 0; scenario_at(i) != NULL; i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            return &scenarios[i];
        }
    }
    return NULL;
}

void scenario_describe(const struct scenario *scenario, const struct options *options, struct options *out) {
    *out = *options;
    options_fill(out, &scenario->defaults);
    options_fill(out, &common);
}

bool scenario_run(const struct scenario *scenario, const struct options *options, const struct server_plan *plan,
                  struct result *result) {
    struct options filled;
    scenario_describe(scenario, options, &filled);
    if (filled.quick) {
        filled.duration_ms /= 3;
        filled.warmup_ms /= 2;
    }
    struct run run = {.epoll_fd = -1, .crowd_fd = -1};
    bool played = false;
    result->scenario = scenario->name;
    if ((scenario->needs & ~plan->target->abilities) != 0) {
        result->skipped = plan->target->cannot;
        return false;
    }
    if (strcmp(filled.ack, "durable") == 0 && (plan->target->abilities & CAN_BE_AHORA) == 0) {
        result->skipped = "started in its favour, without a disk: nothing is durable";
        return false;
    }
    if (run_init(&run, &filled, plan, result)) {
        played = scenario->play(&run, result);
        crew_put(&run, result);
        result_judge_load(result);
    }
    if (filled.progress) {
        fprintf(stderr, "\r%70s\r", "");
    }
    if (!played && run.skipped[0] != '\0') {
        snprintf(result->skipped_text, sizeof result->skipped_text, "%s", run.skipped);
        result->skipped = result->skipped_text;
    }
    if (!played && result->invalid == NULL && result->skipped == NULL) {
        result->invalid = run.failure != NULL ? run.failure : "the server could not be prepared";
    }
    if (run.failure != NULL && result->skipped == NULL) {
        snprintf(result->skipped_text, sizeof result->skipped_text, "%s", run.failure);
        result->invalid = result->skipped_text;
        played = played && !run.is_crew_broken; /* then there is nothing to show */
    }
    run_fini(&run);
    return played;
}
