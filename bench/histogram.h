/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A histogram of times in the shape of HdrHistogram: log-linear, fixed memory, recording in a few nanoseconds. Owned by a run; one thread.
 *
 * Values below 2^(HISTOGRAM_BITS+1) have a bucket each. Above, each power of two is cut into 2^HISTOGRAM_BITS buckets of equal
 * width, so a value is known to 1 part in 1024: three significant digits. What is above HISTOGRAM_VALUE_MAX (73 minutes in
 * nanoseconds) counts as that. A reported value is the largest its bucket holds, as HdrHistogram does, but never above the true maximum.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS 10
#define HISTOGRAM_VALUE_BITS 42
#define HISTOGRAM_VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)
#define HISTOGRAM_BUCKETS ((HISTOGRAM_VALUE_BITS - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t min; /* of what was recorded, exact; 0 while empty */
    uint64_t max;
    double sum;
};

void histogram_clear(struct histogram *histogram);
void histogram_record(struct histogram *histogram, uint64_t value);
void histogram_add(struct histogram *histogram, const struct histogram *other);

/* The value that `percent` of all values do not exceed; 0 while empty. 100 gives the maximum. */
uint64_t histogram_at(const struct histogram *histogram, double percent);
double histogram_mean(const struct histogram *histogram);
double histogram_deviation(const struct histogram *histogram);

/* The bucket of a value and the largest value of a bucket, for tests and for plots. */
uint32_t histogram_index(uint64_t value);
uint64_t histogram_highest(uint32_t index);

/* Writes the percentile table that HdrHistogram's plotters read (.hgrm), values divided by `unit`. False if writing failed. */
bool histogram_print_hgrm(const struct histogram *histogram, FILE *out, double unit);

#endif
