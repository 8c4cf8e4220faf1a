/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The report as one page: nothing is fetched, nothing is run. It only reads cells. */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include "bench/cell.h"
#include "bench/plan.h"

/* The summary: value of the main metric per target, ratio to raw and to the best peer. For the page and for the text report. */
struct standing {
    const char *unit;
    double values[16]; /* in the order of target_at */
    bool has[16];
    double to_raw; /* 0: not known */
    double to_best_peer;
    const char *best_peer;
};

bool page_standing(const struct cells *cells, const struct entry *entry, struct standing *out);

/* False after a message on stderr. */
bool page_write(const char *path, const struct cells *cells);

/* The same summary as Markdown, for docs. */
void page_print_summary(FILE *out, const struct cells *cells, const struct plan *plan);

#endif
