/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/histogram.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define TICKS_PER_HALF 5 /* lines of the table each time the distance to 100 % halves */

void histogram_clear(struct histogram *histogram) {
    memset(histogram, 0, sizeof *histogram);
}

/*
 * shift is how far the value must go right to have HISTOGRAM_BITS + 1 bits; then its top bit is always set, so that
 * (shift << BITS) + shifted runs on without a hole: shift 1 starts at (1 << BITS) + (1 << BITS).
 */
uint32_t histogram_index(uint64_t value) {
    if (value > HISTOGRAM_VALUE_MAX) {
        value = HISTOGRAM_VALUE_MAX;
    }
    uint32_t bits = value == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(value);
    uint32_t shift = bits > HISTOGRAM_BITS + 1 ? bits - (HISTOGRAM_BITS + 1) : 0;
    return (shift << HISTOGRAM_BITS) + (uint32_t)(value >> shift);
}

uint64_t histogram_highest(uint32_t index) {
    assert(index < HISTOGRAM_BUCKETS);
    uint32_t shift = index >> HISTOGRAM_BITS;
    shift = shift > 0 ? shift - 1 : 0;
    uint64_t shifted = index - (shift << HISTOGRAM_BITS);
    return ((shifted + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value) {
    histogram->counts[histogram_index(value)]++;
    if (value < histogram->min || histogram->total == 0) {
        histogram->min = value;
    }
    if (value > histogram->max) {
        histogram->max = value;
    }
    histogram->total++;
    histogram->sum += (double)value;
}

void histogram_add(struct histogram *histogram, const struct histogram *other) {
    if (other->total == 0) {
        return;
    }
    if (histogram->total == 0 || other->min < histogram->min) {
        histogram->min = other->min;
    }
    if (other->max > histogram->max) {
        histogram->max = other->max;
    }
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram->counts[i] += other->counts[i];
    }
    histogram->total += other->total;
    histogram->sum += other->sum;
}

static uint64_t value_of_bucket(const struct histogram *histogram, uint32_t index) {
    uint64_t highest = histogram_highest(index);
    return highest < histogram->max && index + 1 < HISTOGRAM_BUCKETS ? highest : histogram->max;
}

/* How many values from the smallest on must be passed to have passed `percent` of them: at least one. */
static uint64_t rank_of(const struct histogram *histogram, double percent) {
    assert(percent >= 0 && percent <= 100);
    /* In binary, 99.9 is a little more than 99.9: without the factor, 999 of 1000 would not be enough. */
    double rank = ceil(percent / 100 * (double)histogram->total * (1 - 1e-12));
    if (rank < 1) {
        return 1;
    }
    return rank > (double)histogram->total ? histogram->total : (uint64_t)rank;
}

uint64_t histogram_at(const struct histogram *histogram, double percent) {
    if (histogram->total == 0) {
        return 0;
    }
    uint64_t rank = rank_of(histogram, percent);
    uint64_t passed = 0;
    uint32_t index = 0;
    while ((passed += histogram->counts[index]) < rank) {
        index++;
    }
    return value_of_bucket(histogram, index);
}

double histogram_mean(const struct histogram *histogram) {
    return histogram->total == 0 ? 0 : histogram->sum / (double)histogram->total;
}

double histogram_deviation(const struct histogram *histogram) {
    double mean = histogram_mean(histogram);
    double squares = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] > 0) {
            double away = (double)value_of_bucket(histogram, i) - mean;
            squares += away * away * (double)histogram->counts[i];
        }
    }
    return histogram->total == 0 ? 0 : sqrt(squares / (double)histogram->total);
}

/* The next percentile to print: steps shrink as 100 is approached, so that the tail has as many lines as the rest. */
static double percentile_after(double percent) {
    double halvings = floor(log2(100 / (100 - percent))) + 1;
    return percent + 100 / (TICKS_PER_HALF * exp2(halvings));
}

static void print_line(FILE *out, double value, double percent, uint64_t passed) {
    if (percent >= 100) {
        fprintf(out, "%12.3f %2.12f %10llu\n", value, 1.0, (unsigned long long)passed);
    } else {
        fprintf(out, "%12.3f %2.12f %10llu %14.2f\n", value, percent / 100, (unsigned long long)passed, 100 / (100 - percent));
    }
}

static void print_percentiles(const struct histogram *histogram, FILE *out, double unit) {
    uint64_t passed = 0;
    uint32_t index = 0;
    for (double percent = 0; histogram->total > 0; percent = percentile_after(percent)) {
        uint64_t rank = rank_of(histogram, percent);
        for (; passed < rank; index++) {
            passed += histogram->counts[index];
        }
        uint32_t bucket = index > 0 ? index - 1 : 0;
        bool last = passed == histogram->total;
        print_line(out, (double)value_of_bucket(histogram, bucket) / unit, last ? 100 : percent, passed);
        if (last) {
            return;
        }
    }
}

bool histogram_print_hgrm(const struct histogram *histogram, FILE *out, double unit) {
    fprintf(out, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    print_percentiles(histogram, out, unit);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", histogram_mean(histogram) / unit,
            histogram_deviation(histogram) / unit);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)histogram->max / unit,
            (unsigned long long)histogram->total);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", HISTOGRAM_VALUE_BITS - HISTOGRAM_BITS,
            1 << (HISTOGRAM_BITS + 1));
    return ferror(out) == 0;
}
