/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The first topics of a list in the order of their paths, against sorting all of it. */
#include "broker/core/smallest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/dice.h"

#define TOPICS 200

static struct document anything;

static struct topic *topic_of(const char *path, bool removed) {
    struct topic *topic = calloc(1, sizeof *topic + strlen(path) + 1);
    topic->document = removed ? NULL : &anything;
    topic->path_bytes = (uint8_t)strlen(path);
    memcpy(topic->path, path, strlen(path) + 1);
    return topic;
}

static int naive_order(const void *a, const void *b) {
    const struct topic *const *left = a;
    const struct topic *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

static size_t naive(struct topic *const *topics, size_t count, const char *after, size_t keep, struct topic **out) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (topics[i]->document != NULL && (after == NULL || strcmp(topics[i]->path, after) > 0)) {
            out[kept++] = topics[i];
        }
    }
    qsort(out, kept, sizeof *out, naive_order);
    return kept < keep ? kept : keep;
}

static void the_smallest_come_first_and_sorted(void **state) {
    (void)state;
    struct topic *topics[TOPICS];
    struct topic *list[TOPICS];
    struct topic *expected[TOPICS];
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct dice dice = {seed};
        size_t count = dice_below(&dice, TOPICS);
        for (size_t i = 0; i < count; i++) {
            char path[32]; /* few enough to repeat */
            snprintf(path, sizeof path, "stock/%u%s", (unsigned)dice_below(&dice, 300), dice_chance(&dice, 300) ? "/a" : "");
            topics[i] = topic_of(path, dice_chance(&dice, 100));
        }
        const char *after = count > 0 && dice_chance(&dice, 500) ? topics[dice_below(&dice, (uint32_t)count)]->path : NULL;
        size_t keep = dice_chance(&dice, 100) ? SIZE_MAX : 1 + dice_below(&dice, TOPICS);
        size_t wanted = naive(topics, count, after, keep, expected);
        memcpy(list, topics, sizeof list);
        struct span span = after == NULL ? (struct span){0} : span_of_text(after);
        assert_int_equal(smallest_select(list, count, span, keep), wanted);
        for (size_t i = 0; i < wanted; i++) {
            assert_string_equal(list[i]->path, expected[i]->path);
        }
        for (size_t i = 0; i < count; i++) {
            free(topics[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_come_first_and_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
