/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a run found out: named numbers with units, in the order in which they were put. Thresholds and reports go by these names.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "bench/histogram.h"

#include <stdbool.h>
#include <stddef.h>

#define METRICS_MAX 32

/* The load's core was full (its load_share): a server that had it to itself might have done better. */
#define LOAD_BOUND "load-bound"
#define LOAD_BOUND_ABOUT "the load's own core was full: a rate is a lower bound, a latency an upper one"
#define LOAD_BOUND_SHARE 95 /* percent */

struct metric {
    const char *name; /* static */
    const char *unit; /* "ms", "us", "/s", "bytes", "" */
    double value;
};

struct result {
    const char *scenario;
    const char *target;
    char setting[200]; /* "1 topic x 1000 subscribers, 32 in flight" */
    char command[300];
    const char *skipped; /* why it was not run, or NULL */
    char skipped_text[160];
    const char *invalid; /* why the run says nothing, or NULL */
    const char *note;    /* what limits what it says, or NULL; LOAD_BOUND */
    int number;          /* of the run, from 1 */
    struct metric metrics[METRICS_MAX];
    size_t metric_count;
    struct histogram histogram; /* nanoseconds */
};

void result_put(struct result *result, const char *name, double value, const char *unit);

/* p50 p90 p99 p999 max in milliseconds, of the histogram. */
void result_put_percentiles(struct result *result);

/* When all has been put: sets `note`. */
void result_judge_load(struct result *result);

const struct metric *result_find(const struct result *result, const char *name, size_t name_bytes);

#endif
