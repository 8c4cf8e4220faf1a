/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What `make bench`, `make bench-peers` and `make bench-sweeps` run: three tables of entries. The report shows them in this order. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#define POINTS_MAX 10
#define METRICS_SHOWN_MAX 3

struct point {
    double x;
    const char *options;
};

struct entry {
    const char *id; /* of its cells' files, too */
    const char *title;
    const char *scenario;
    const char *options; /* as on the command line */
    const char *targets;
    const char *metric; /* what the summary shows */
    bool is_less_better;
    int runs;

    /* Sweeps only. */
    const char *x_name;
    struct point points[POINTS_MAX];
    const char *plotted[METRICS_SHOWN_MAX];
    const char *expected; /* the shape a good broker has */
};

struct plan {
    const char *name;
    const char *title;
    const struct entry *entries;
    size_t count;
};

const struct plan *plan_at(size_t index); /* NULL behind the last */
const struct plan *plan_find(const char *name);

#endif
