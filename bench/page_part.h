/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Parts that the sections of the page share. All text is escaped here. */
#ifndef BENCH_PAGE_PART_H
#define BENCH_PAGE_PART_H

#include "bench/cell.h"
#include "bench/plan.h"
#include "bench/target.h"

#include <stdio.h>

/* `before` and `behind` are markup, `text` is not. */
void page_put(FILE *out, const char *before, const char *text, const char *behind);

/* A cell of a table: the value and a bar of its share of `largest` (0: none; -1: nor whether its load was full); or a dash, and
   why. */
void page_put_value(FILE *out, const struct cells *cells, const char *entry, const struct target *target, bool has,
                    double value, double largest);
void page_put_ratio(FILE *out, double ratio, bool is_less_better, const char *of);

/* The cell of the entry with the most metrics; NULL: none has any. */
const struct cell *page_fullest(const struct cells *cells, const char *entry);

/* Opens the entry's card: title, setting, command, date. */
void page_put_entry_head(FILE *out, const struct cells *cells, const struct entry *entry);

/* Why there are dashes, and which runs do not count. */
void page_put_notes(FILE *out, const struct cells *cells, const struct entry *entry);

/* page_sweep.c: a whole card. */
void page_put_sweep(FILE *out, const struct cells *cells, const struct entry *entry);

#endif
