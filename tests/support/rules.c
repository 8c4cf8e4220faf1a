/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/rules.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool rules_match(const char *pattern, const char *topic) {
    for (;;) {
        size_t want = strcspn(pattern, "/");
        size_t have = strcspn(topic, "/");
        if (have == 0) {
            return false;
        }
        if (want == 2 && memcmp(pattern, "**", 2) == 0 && pattern[2] == '\0') {
            return true;
        }
        bool is_any = want == 1 && pattern[0] == '*';
        if (!is_any && (want != have || memcmp(pattern, topic, want) != 0)) {
            return false;
        }
        if (pattern[want] == '\0' || topic[have] == '\0') {
            return pattern[want] == topic[have];
        }
        pattern += want + 1;
        topic += have + 1;
    }
}

json_t *rules_merge(json_t *target, const json_t *patch) {
    if (!json_is_object(patch)) {
        json_decref(target);
        return json_deep_copy(patch);
    }
    if (!json_is_object(target)) {
        json_decref(target);
        target = json_object();
    }
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = patch};
    const char *key;
    json_t *member;
    json_object_foreach(object.out, key, member) {
        if (json_is_null(member)) {
            json_object_del(target, key);
        } else {
            json_t *old = json_incref(json_object_get(target, key));
            json_object_set_new(target, key, rules_merge(old, member));
        }
    }
    return target;
}

/* ---- conditions ---- */

static const json_t *find(const json_t *document, const char *path) {
    char name[64];
    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
        document = json_object_get(document, name);
    }
    return json_object_get(document, path);
}

static bool is_equal(const json_t *a, const json_t *b) {
    return json_is_number(a) && json_is_number(b) ? json_number_value(a) == json_number_value(b) : json_equal(a, b);
}

static bool is_less(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) {
        return json_number_value(a) < json_number_value(b);
    }
    return json_is_string(a) && json_is_string(b) && strcmp(json_string_value(a), json_string_value(b)) < 0;
}

static bool holds(const json_t *value, const char *op, const json_t *operand) {
    bool is_one = false;
    for (size_t i = 0; i < json_array_size(operand); i++) {
        is_one |= value != NULL && is_equal(value, json_array_get(operand, i));
    }
    bool is_same = value != NULL && is_equal(value, operand);
    return (strcmp(op, "eq") == 0 && is_same) || (strcmp(op, "ne") == 0 && !is_same) || (strcmp(op, "in") == 0 && is_one) ||
           (strcmp(op, "lt") == 0 && is_less(value, operand)) || (strcmp(op, "gt") == 0 && is_less(operand, value)) ||
           (strcmp(op, "lte") == 0 && (is_same || is_less(value, operand))) ||
           (strcmp(op, "gte") == 0 && (is_same || is_less(operand, value))) ||
           (strcmp(op, "exists") == 0 && (value != NULL) == json_is_true(operand));
}

bool rules_where(const json_t *where, const json_t *document) {
    bool all = true;
    for (void *field = json_object_iter((json_t *)(uintptr_t)where); field != NULL;
         field = json_object_iter_next((json_t *)(uintptr_t)where, field)) {
        json_t *condition = json_object_iter_value(field);
        for (void *op = json_object_iter(condition); op != NULL; op = json_object_iter_next(condition, op)) {
            all &= holds(find(document, json_object_iter_key(field)), json_object_iter_key(op), json_object_iter_value(op));
        }
    }
    return all;
}

/* ---- circles ---- */

double rules_distance(const struct rules_circle *circle, const json_t *document) {
    const json_t *position = json_object_get(document, "position");
    const json_t *lat = json_object_get(position, "lat");
    const json_t *lon = json_object_get(position, "lon");
    if (!json_is_number(lat) || !json_is_number(lon)) {
        return -1;
    }
    const double radians = acos(-1) / 180;
    const double half_lat = sin((json_number_value(lat) - circle->lat) * radians / 2);
    const double half_lon = sin((json_number_value(lon) - circle->lon) * radians / 2);
    const double share =
        half_lat * half_lat + cos(circle->lat * radians) * cos(json_number_value(lat) * radians) * half_lon * half_lon;
    return 2 * 6371008.8 * asin(sqrt(share));
}
