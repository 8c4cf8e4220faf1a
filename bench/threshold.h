/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Thresholds: 'p99<5ms,lost=0,deliveries>=1M'. A metric by its name, < <= > >= or =, a number, and a unit of time (ns us ms s) or a scale (k M).
 * Times compare as times whatever unit the metric is printed in.
 */
#ifndef BENCH_THRESHOLD_H
#define BENCH_THRESHOLD_H

#include "bench/result.h"

/* False after a message on stderr: it is not written as it should be. */
bool threshold_is_valid(const char *list);

/* True if every one holds; those that do not, or whose metric the run does not have, are printed to `out`. */
bool threshold_holds(const char *list, const struct result *result, FILE *out);

#endif
