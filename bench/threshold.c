/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/threshold.h"

#include <stdlib.h>
#include <string.h>

struct threshold {
    const char *name;
    size_t name_bytes;
    char relation[3];
    double value; /* seconds if is_time */
    bool is_time;
};

struct unit {
    const char *name;
    double scale;
    bool is_time;
};

static const struct unit units[] = {
    {"ns", 1e-9, true}, {"us", 1e-6, true}, {"ms", 1e-3, true}, {"s", 1, true},
    {"", 1, false},     {"k", 1e3, false},  {"M", 1e6, false},
};

static const struct unit *unit_find(const char *name, size_t bytes) {
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == bytes && memcmp(units[i].name, name, bytes) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

/* Reads one and returns what is behind it and its comma; NULL if it is none. */
static const char *read_threshold(const char *text, struct threshold *out) {
    size_t bytes = strcspn(text, ",");
    const char *end = text + bytes;
    *out = (struct threshold){.name = text, .name_bytes = strcspn(text, "<>=,")};
    const char *at = text + out->name_bytes;
    size_t relation = strspn(at, "<>=");
    if (out->name_bytes == 0 || relation == 0 || relation > 2 || (relation == 2 && at[1] != '=')) {
        return NULL;
    }
    memcpy(out->relation, at, relation);
    char *unit_at;
    double value = strtod(at + relation, &unit_at);
    if (unit_at == at + relation || unit_at > end) {
        return NULL;
    }
    const struct unit *unit = unit_find(unit_at, (size_t)(end - unit_at));
    if (unit == NULL) {
        return NULL;
    }
    out->value = value * unit->scale;
    out->is_time = unit->is_time;
    return *end == ',' ? end + 1 : end;
}

bool threshold_is_valid(const char *list) {
    struct threshold threshold;
    for (const char *at = list; at != NULL && *at != '\0';) {
        const char *next = read_threshold(at, &threshold);
        if (next == NULL) {
            fprintf(stderr, "ahora-bench: threshold \"%s\": want something like p99<5ms,lost=0\n", at);
            return false;
        }
        at = next;
    }
    return true;
}

static bool holds(const struct threshold *threshold, const struct metric *metric) {
    const struct unit *unit = unit_find(metric->unit, strlen(metric->unit));
    double value = threshold->is_time && unit != NULL ? metric->value * unit->scale : metric->value;
    bool equal = value == threshold->value;
    switch (threshold->relation[0]) {
    case '<':
        return value < threshold->value || (equal && threshold->relation[1] == '=');
    case '>':
        return value > threshold->value || (equal && threshold->relation[1] == '=');
    default:
        return equal;
    }
}

bool threshold_holds(const char *list, const struct result *result, FILE *out) {
    bool all = true;
    struct threshold threshold;
    for (const char *at = list; at != NULL && *at != '\0';) {
        const char *next = read_threshold(at, &threshold);
        if (next == NULL) {
            return false;
        }
        const struct metric *metric = result_find(result, threshold.name, threshold.name_bytes);
        if (metric == NULL || !holds(&threshold, metric)) {
            int bytes = (int)strcspn(at, ",");
            fprintf(out, "threshold %.*s does not hold for %s on %s: ", bytes, at, result->scenario, result->target);
            if (metric == NULL) {
                fprintf(out, "no such metric\n");
            } else {
                fprintf(out, "%g %s\n", metric->value, metric->unit);
            }
            all = false;
        }
        at = next;
    }
    return all;
}
