/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The scenarios: what is done to a server and what is asked of it. One table; each plays on a run whose server is ready, and puts its metrics
 * into the result. Played one after the other on the bench's only thread.
 */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include "bench/run.h"

/* Whether its subscribers may be held by several load processes (--loads). */
enum splitting {
    WHOLE = 0,
    SPLITS = 1,
};

struct scenario {
    const char *name;
    const char *about;
    const char *main_metric; /* what `about` promises to measure first */
    unsigned needs;          /* of enum ability */
    struct options defaults;
    bool (*play)(struct run *run, struct result *result);
    enum splitting splitting;
};

const struct scenario *scenario_at(size_t index); /* NULL behind the last */
const struct scenario *scenario_find(const char *name);

/* The options it runs with: what was given, then its own defaults, then everybody's. */
void scenario_describe(const struct scenario *scenario, const struct options *options, struct options *out);

/* Starts the server, plays, checks, stops it. False: nothing could be measured; result->skipped or result->invalid says why. */
bool scenario_run(const struct scenario *scenario, const struct options *options, const struct server_plan *plan,
                  struct result *result);

/* scenario_deliver.c */
bool play_window(struct run *run, struct result *result);
bool play_rate(struct run *run, struct result *result);
bool play_slow(struct run *run, struct result *result);

/* scenario_join.c */
bool play_join(struct run *run, struct result *result);
bool play_idle(struct run *run, struct result *result);
bool play_resume(struct run *run, struct result *result);
bool play_topics(struct run *run, struct result *result);

/* scenario_storm.c */
bool play_storm(struct run *run, struct result *result);

/* scenario_live.c */
bool play_churn(struct run *run, struct result *result);
bool play_wildcard(struct run *run, struct result *result);
bool play_mix(struct run *run, struct result *result);

/* scenario_near.c */
bool play_near(struct run *run, struct result *result);

/* scenario_replay.c */
bool play_replay(struct run *run, struct result *result);

/* scenario_ingest.c */
bool play_ingest(struct run *run, struct result *result);

#endif
