/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/result.h"

#include <assert.h>
#include <string.h>

#define NS_PER_MS 1e6

void result_put(struct result *result, const char *name, double value, const char *unit) {
    assert(result->metric_count < METRICS_MAX);
    result->metrics[result->metric_count++] = (struct metric){.name = name, .unit = unit, .value = value};
}

void result_put_percentiles(struct result *result) {
    static const struct {
        const char *name;
        double percent;
    } percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}, {"max", 100}};
    if (result->histogram.total == 0) {
        return;
    }
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
        double ns = (double)histogram_at(&result->histogram, percentiles[i].percent);
        result_put(result, percentiles[i].name, ns / NS_PER_MS, "ms");
    }
}

void result_judge_load(struct result *result) {
    const struct metric *share = result_find(result, "load_share", strlen("load_share"));
    result->note = share != NULL && share->value >= LOAD_BOUND_SHARE ? LOAD_BOUND : NULL;
}

const struct metric *result_find(const struct result *result, const char *name, size_t name_bytes) {
    for (size_t i = 0; i < result->metric_count; i++) {
        const struct metric *metric = &result->metrics[i];
        if (strlen(metric->name) == name_bytes && memcmp(metric->name, name, name_bytes) == 0) {
            return metric;
        }
    }
    return NULL;
}
