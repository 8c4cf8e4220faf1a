/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/rules.h"

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
