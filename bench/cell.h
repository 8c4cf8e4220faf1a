/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One finished run of a plan, kept in a file of its own, so that a plan that was interrupted goes on where it stopped. A cell is reused if
 * its key is still the same: what was run, with which options, and which program.
 */
#ifndef BENCH_CELL_H
#define BENCH_CELL_H

#include "bench/result.h"

#include <jansson.h>

struct cell {
    json_t *json; /* owned */
};

/* What stands beside the result. Borrowed texts. */
struct cell_head {
    const char *entry;
    const char *key;
    const char *version; /* of the target's program */
    double x;            /* of a sweep; 0: none */
    int run;
};

/* Makes a cell of a result; its date is now. */
struct cell cell_of(const struct cell_head *head, const struct result *result);
void cell_fini(struct cell *cell);

/* False: the file could not be written, with a message on stderr. It is there as a whole or not at all. */
bool cell_write(const struct cell *cell, const char *path);

/* False: there is no such file, it is damaged, or its key is another. `key` NULL: any. */
bool cell_read(struct cell *cell, const char *path, const char *key);

/* "" if it has no such member. Borrowed from the cell. */
const char *cell_text(const struct cell *cell, const char *member);
double cell_number(const struct cell *cell, const char *member);
bool cell_is_valid(const struct cell *cell);

/* False: it has no such metric. *unit may be NULL. */
bool cell_metric(const struct cell *cell, const char *name, double *value, const char **unit);

/* ---- sets ---- */

struct cells {
    struct cell *items;
    size_t count;
    size_t room;
};

bool cells_add(struct cells *cells, struct cell cell); /* takes it */
void cells_fini(struct cells *cells);

/* All cells in a folder. */
void cells_load(struct cells *cells, const char *folder);

/* The median over the valid runs; false if there is none. target NULL or x < 0: any. */
bool cells_median(const struct cells *cells, const char *entry, const char *target, double x, const char *metric, double *out);

/* Some valid run of it says so of itself: that its load's core was full. target NULL: any. */
bool cells_have_note(const struct cells *cells, const char *entry, const char *target, const char *note);

/* The run that is shown where one must be: the first valid one, else any; NULL: none. */
const struct cell *cells_find(const struct cells *cells, const char *entry, const char *target);

#endif
