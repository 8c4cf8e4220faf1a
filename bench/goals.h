/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What ahora is to reach, a row each: the goal, what was measured, and whether that is enough. Read from cells alone. */
#ifndef BENCH_GOALS_H
#define BENCH_GOALS_H

#include "bench/cell.h"

#include <stdio.h>

#define GOAL_ENTRIES_MAX 2
#define GOAL_WORDS_MAX 256 /* of all goals of one entry */

/* What ahora's figure is divided by before it is compared. */
enum goal_base {
    BASE_NONE,      /* nothing: the figure itself */
    BASE_RAW,       /* the yardstick's */
    BASE_BUN,       /* Bun's */
    BASE_BEST_PEER, /* that of the peer that does best in it */
    BASE_OWN,       /* another metric of the same run */
    BASE_POINT,     /* ahora's own at another point of the sweep */
};

struct goal {
    const char *column; /* of docs: A, A1, … */
    const char *text;
    const char *entries[GOAL_ENTRIES_MAX]; /* of plans; the first that knows */
    const char *metric;
    bool is_at_most; /* else at least */
    double limit;
    enum goal_base base;
    const char *other; /* BASE_OWN: that metric; BASE_NONE: a metric taken off, or NULL */
    double x;          /* of a sweep: the point, */
    double x_base;     /* and the one it is compared with */
};

enum goal_state {
    GOAL_UNKNOWN, /* not measured, or what it is compared with was not */
    GOAL_MET,
    GOAL_MISSED,
};

struct goal_standing {
    enum goal_state state;
    double measured;
    const char *unit;  /* "" of ratios. Borrowed from the cells */
    const char *peer;  /* BASE_BEST_PEER: which */
    const char *entry; /* where it was measured */
    bool is_load_bound;
};

const struct goal *goal_at(size_t index); /* NULL behind the last */
struct goal_standing goal_standing(const struct cells *cells, const struct goal *goal);

/* What is to be reached where the entry is measured, "" if nothing is. Returns `out`. */
const char *goals_words(const char *entry, char out[GOAL_WORDS_MAX]);

/* For the page, and as Markdown. Nothing if nothing of it was measured. */
void goals_put(FILE *out, const struct cells *cells);
void goals_print(FILE *out, const struct cells *cells);

#endif
