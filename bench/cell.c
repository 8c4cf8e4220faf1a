/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/cell.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VALUES_MAX 64

/* ---- making ---- */

static void set_text(json_t *json, const char *member, const char *text) {
    if (text != NULL) {
        json_object_set_new(json, member, json_string(text));
    }
}

static json_t *metrics_of(const struct result *result) {
    json_t *metrics = json_object();
    for (size_t i = 0; i < result->metric_count; i++) {
        const struct metric *metric = &result->metrics[i];
        json_t *value = json_object();
        json_object_set_new(value, "value", json_real(metric->value));
        json_object_set_new(value, "unit", json_string(metric->unit));
        json_object_set_new(metrics, metric->name, value);
    }
    return metrics;
}

/* [percent, milliseconds] …: closer together where the tail is. */
static json_t *curve_of(const struct histogram *histogram) {
    static const double percents[] = {0,    1,    2,    5,     10,    15,    20,     25,     30,      35,   40,
                                      45,   50,   55,   60,    65,    70,    75,     80,     85,      90,   92,
                                      94,   95,   96,   97,    98,    98.5,  99,     99.2,   99.4,    99.5, 99.6,
                                      99.7, 99.8, 99.9, 99.95, 99.98, 99.99, 99.995, 99.999, 99.9999, 100};
    json_t *curve = json_array();
    for (size_t i = 0; histogram->total > 0 && i < sizeof percents / sizeof percents[0]; i++) {
        json_t *point = json_array();
        json_array_append_new(point, json_real(percents[i]));
        json_array_append_new(point, json_real((double)histogram_at(histogram, percents[i]) / 1e6));
        json_array_append_new(curve, point);
    }
    return curve;
}

static void set_date(json_t *json) {
    char text[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    set_text(json, "date", text);
    json_object_set_new(json, "at", json_integer((json_int_t)now));
}

struct cell cell_of(const struct cell_head *head, const struct result *result) {
    json_t *json = json_object();
    set_text(json, "entry", head->entry);
    set_text(json, "key", head->key);
    set_text(json, "target_version", head->version);
    set_text(json, "scenario", result->scenario);
    set_text(json, "target", result->target);
    json_object_set_new(json, "run", json_integer(head->run));
    json_object_set_new(json, "x", json_real(head->x));
    set_date(json);
    set_text(json, "setting", result->setting);
    set_text(json, "command", result->command);
    set_text(json, "invalid", result->invalid);
    set_text(json, "skipped", result->skipped);
    set_text(json, "note", result->note);
    json_object_set_new(json, "metrics", metrics_of(result));
    json_object_set_new(json, "curve", curve_of(&result->histogram));
    return (struct cell){.json = json};
}

void cell_fini(struct cell *cell) {
    json_decref(cell->json);
    cell->json = NULL;
}

bool cell_write(const struct cell *cell, const char *path) {
    char beside[600];
    snprintf(beside, sizeof beside, "%s.new", path);
    if (json_dump_file(cell->json, beside, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) == 0 && rename(beside, path) == 0) {
        return true;
    }
    fprintf(stderr, "ahora-bench: %s: %s\n", path, strerror(errno));
    unlink(beside);
    return false;
}

/* ---- reading ---- */

bool cell_read(struct cell *cell, const char *path, const char *key) {
    cell->json = json_load_file(path, 0, NULL);
    if (json_is_object(cell->json) && json_is_object(json_object_get(cell->json, "metrics")) &&
        (key == NULL || strcmp(cell_text(cell, "key"), key) == 0)) {
        return true;
    }
    cell_fini(cell);
    return false;
}

const char *cell_text(const struct cell *cell, const char *member) {
    const char *text = json_string_value(json_object_get(cell->json, member));
    return text != NULL ? text : "";
}

double cell_number(const struct cell *cell, const char *member) {
    return json_number_value(json_object_get(cell->json, member));
}

bool cell_is_valid(const struct cell *cell) {
    return json_object_get(cell->json, "invalid") == NULL && json_object_get(cell->json, "skipped") == NULL;
}

bool cell_metric(const struct cell *cell, const char *name, double *value, const char **unit) {
    const json_t *metric = json_object_get(json_object_get(cell->json, "metrics"), name);
    const char *text = json_string_value(json_object_get(metric, "unit"));
    if (metric == NULL || text == NULL) {
        return false;
    }
    *value = json_number_value(json_object_get(metric, "value"));
    if (unit != NULL) {
        *unit = text;
    }
    return true;
}

/* ---- sets ---- */

bool cells_add(struct cells *cells, struct cell cell) {
    if (cells->count == cells->room) {
        size_t room = cells->room > 0 ? 2 * cells->room : 64;
        struct cell *items = realloc(cells->items, room * sizeof *items);
        if (items == NULL) {
            cell_fini(&cell);
            return false;
        }
        cells->items = items;
        cells->room = room;
    }
    cells->items[cells->count++] = cell;
    return true;
}

void cells_fini(struct cells *cells) {
    for (size_t i = 0; i < cells->count; i++) {
        cell_fini(&cells->items[i]);
    }
    free(cells->items);
    *cells = (struct cells){.items = NULL};
}

static int is_cell(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".json") == 0;
}

void cells_load(struct cells *cells, const char *folder) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_cell, alphasort);
    for (int i = 0; i < count; i++) {
        char path[600];
        struct cell cell;
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (cell_read(&cell, path, NULL)) {
            cells_add(cells, cell);
        }
        free(entries[i]);
    }
    free(entries);
}

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static bool is_of(const struct cell *cell, const char *entry, const char *target, double x) {
    return strcmp(cell_text(cell, "entry"), entry) == 0 && (target == NULL || strcmp(cell_text(cell, "target"), target) == 0) &&
           (x < 0 || cell_number(cell, "x") == x);
}

bool cells_median(const struct cells *cells, const char *entry, const char *target, double x, const char *metric, double *out) {
    double values[VALUES_MAX];
    size_t found = 0;
    for (size_t i = 0; i < cells->count && found < VALUES_MAX; i++) {
        const struct cell *cell = &cells->items[i];
        found += is_of(cell, entry, target, x) && cell_is_valid(cell) && cell_metric(cell, metric, &values[found], NULL);
    }
    if (found == 0) {
        return false;
    }
    qsort(values, found, sizeof values[0], compare_doubles);
    *out = found % 2 == 1 ? values[found / 2] : (values[found / 2 - 1] + values[found / 2]) / 2;
    return true;
}

bool cells_have_note(const struct cells *cells, const char *entry, const char *target, const char *note) {
    for (size_t i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->items[i];
        if (is_of(cell, entry, target, -1) && cell_is_valid(cell) && strcmp(cell_text(cell, "note"), note) == 0) {
            return true;
        }
    }
    return false;
}

const struct cell *cells_find(const struct cells *cells, const char *entry, const char *target) {
    const struct cell *any = NULL;
    for (size_t i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->items[i];
        if (!is_of(cell, entry, target, -1)) {
            continue;
        }
        if (cell_is_valid(cell)) {
            return cell;
        }
        any = any != NULL ? any : cell;
    }
    return any;
}
