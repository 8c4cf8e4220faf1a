/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Reports: a table beside each other's targets, JSON, CSV, histograms. They only read results. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench/result.h"
#include "bench/target.h"

/* Machine, kernel, versions and date, as lines. */
void report_print_machine(FILE *out);

/* The runs of one scenario: a column per target with the median of its runs, and the ratio of the first to the last target. */
void report_print_table(FILE *out, const struct result *const *results, size_t count, const char *about);

/* False after a message on stderr: the file could not be written. */
bool report_write_json(const char *path, const struct result *const *results, size_t count);
bool report_write_csv(const char *path, const struct result *const *results, size_t count);
bool report_write_hgrm(const char *prefix, const struct result *result);

#endif
