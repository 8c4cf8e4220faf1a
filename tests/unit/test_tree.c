/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The tree of segments, searched both ways, against a matcher that knows nothing of trees. */
#include "broker/core/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/sim/dice.h"

#define PATHS 400
#define PATH_BYTES 64

/* ---- the naive matcher ---- */

static bool matches(const char *pattern, const char *topic) {
    if (strcmp(pattern, "**") == 0) {
        return true;
    }
    size_t wanted = strcspn(pattern, "/");
    size_t found = strcspn(topic, "/");
    bool same = (wanted == 1 && *pattern == '*') || (wanted == found && memcmp(pattern, topic, wanted) == 0);
    if (!same || pattern[wanted] == '\0' || topic[found] == '\0') {
        return same && pattern[wanted] == topic[found];
    }
    return matches(pattern + wanted + 1, topic + found + 1);
}

static void draw(struct dice *dice, char *path, bool pattern) {
    unsigned count = (unsigned)dice_between(dice, pattern ? 1 : 2, 8);
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        const char *segment = (const char *const[]){"a", "b", "ab", "c"}[dice_below(dice, 4)];
        bool last = i + 1 == count;
        if (pattern && (dice_chance(dice, 300) || count == 1)) {
            segment = last && dice_chance(dice, count == 1 ? 1000 : 500) ? "**" : "*";
        }
        bytes += (size_t)snprintf(path + bytes, PATH_BYTES - bytes, "%s%s", i == 0 ? "" : "/", segment);
    }
}

static struct name name_of(const char *path, bool pattern) {
    struct name name;
    enum ahora_code code =
        pattern ? name_parse_pattern(span_of_text(path), &name, NULL) : name_parse_topic(span_of_text(path), &name, NULL);
    assert_int_equal(code, AHORA_OK);
    return name;
}

static size_t times(const struct tree_found *found, const void *value) {
    size_t count = 0;
    for (size_t i = 0; i < found->count; i++) {
        count += found->values[i] == value;
    }
    return count;
}

/* ---- tests ---- */

static void add_distinct(struct tree *tree, struct dice *dice, char (*paths)[PATH_BYTES], bool patterns) {
    for (unsigned i = 0; i < PATHS; i++) {
        for (bool fresh = false; !fresh;) {
            draw(dice, paths[i], patterns);
            struct name name = name_of(paths[i], patterns);
            fresh = tree_find(tree, &name) == NULL;
        }
        struct name name = name_of(paths[i], patterns);
        struct tree_node *node = tree_add(tree, &name);
        assert_non_null(node);
        assert_null(node->value);
        node->value = paths[i];
    }
}

static void drop_all(struct tree *tree, char (*paths)[PATH_BYTES], bool patterns) {
    for (unsigned i = 0; i < PATHS; i++) {
        struct name name = name_of(paths[i], patterns);
        struct tree_node *node = tree_find(tree, &name);
        if (node != NULL) {
            tree_drop(tree, node);
            assert_null(tree_find(tree, &name));
        }
    }
    assert_int_equal(tree->nodes.count, 0);
}

static void a_pattern_selects_what_it_matches(void **state) {
    static char paths[PATHS][PATH_BYTES];
    struct table_key key;
    struct tree tree;
    struct dice dice = {11};

    (void)state;
    table_key_init(&key, 1);
    assert_true(tree_init(&tree, &key));
    add_distinct(&tree, &dice, paths, false);
    for (unsigned step = 0; step < 1000; step++) {
        char pattern[PATH_BYTES];
        struct tree_found found = {0};
        draw(&dice, pattern, true);
        struct name name = name_of(pattern, true);
        tree_select(&tree, &name, &found);
        assert_false(found.failed);
        for (unsigned i = 0; i < PATHS; i++) {
            assert_int_equal(times(&found, paths[i]), matches(pattern, paths[i]) ? 1 : 0);
        }
        tree_found_fini(&found);
    }
    drop_all(&tree, paths, false);
    tree_fini(&tree);
}

static void a_topic_meets_the_patterns_that_match_it(void **state) {
    static char patterns[PATHS][PATH_BYTES];
    struct table_key key;
    struct tree tree;
    struct dice dice = {12};

    (void)state;
    table_key_init(&key, 2);
    assert_true(tree_init(&tree, &key));
    add_distinct(&tree, &dice, patterns, true);
    for (unsigned step = 0; step < 1000; step++) {
        char topic[PATH_BYTES];
        struct tree_found found = {0};
        draw(&dice, topic, false);
        struct name name = name_of(topic, false);
        tree_match(&tree, &name, &found);
        for (unsigned i = 0; i < PATHS; i++) {
            assert_int_equal(times(&found, patterns[i]), matches(patterns[i], topic) ? 1 : 0);
        }
        tree_found_fini(&found);
    }
    drop_all(&tree, patterns, true);
    tree_fini(&tree);
}

static void a_path_on_the_way_to_another_stands_for_itself(void **state) {
    struct table_key key;
    struct tree tree;
    int inner = 0;
    int outer = 0;

    (void)state;
    table_key_init(&key, 3);
    assert_true(tree_init(&tree, &key));
    struct name long_name = name_of("stock/a/b", false);
    struct name short_name = name_of("stock/a", false);
    tree_add(&tree, &long_name)->value = &inner;
    assert_null(tree_find(&tree, &short_name));
    tree_add(&tree, &short_name)->value = &outer;
    tree_drop(&tree, tree_find(&tree, &short_name));
    assert_null(tree_find(&tree, &short_name));
    assert_ptr_equal(tree_find(&tree, &long_name)->value, &inner);
    tree_add(&tree, &short_name)->value = &outer;
    tree_drop(&tree, tree_find(&tree, &long_name));
    assert_ptr_equal(tree_find(&tree, &short_name)->value, &outer);
    tree_drop(&tree, tree_find(&tree, &short_name));
    assert_int_equal(tree.nodes.count, 0);
    tree_fini(&tree);
}

static void values_come_in_the_order_of_their_arrival(void **state) {
    static const char *const paths[] = {"stock/z/1", "stock/a/1", "stock/z/0", "stock/m/1"};
    static const unsigned order[] = {0, 2, 1, 3};
    struct table_key key;
    struct tree tree;
    struct tree_found found = {0};

    (void)state;
    table_key_init(&key, 4);
    assert_true(tree_init(&tree, &key));
    int values[4];
    for (unsigned i = 0; i < 4; i++) {
        struct name name = name_of(paths[i], false);
        tree_add(&tree, &name)->value = &values[i];
    }
    struct name all = name_of("stock/**", true);
    tree_select(&tree, &all, &found);
    assert_int_equal(found.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_ptr_equal(found.values[i], &values[order[i]]);
        struct name name = name_of(paths[i], false);
        tree_drop(&tree, tree_find(&tree, &name));
    }
    tree_found_fini(&found);
    tree_fini(&tree);
}

/* Topics of the broker's own hold stars: in both directions each is found once, and only by who names its first segment. */
static void stars_pass_by_what_is_the_brokers_own(void **state) {
    static const char *const topics[] = {"stock/a",         "$demand/**",      "$demand/*/*",
                                         "$demand/stock/*", "$demand/stock/a", "$demand/stock/**"};
    static const char *const patterns[] = {
        "**", "*/*", "*/**", "$demand/**", "$demand/*", "stock/**", "$demand/*/*", "$demand/stock/*", "$demand/*/**"};
    const size_t topic_count = sizeof topics / sizeof topics[0];
    const size_t pattern_count = sizeof patterns / sizeof patterns[0];
    struct name names[6];
    struct name wanted[9];
    struct table_key key;
    struct tree held;
    struct tree followed;
    (void)state;
    table_key_init(&key, 1);
    assert_true(tree_init(&held, &key) && tree_init(&followed, &key));
    for (size_t i = 0; i < topic_count; i++) {
        assert_int_equal(name_parse_held(span_of_text(topics[i]), &names[i], NULL), AHORA_OK);
        tree_add(&held, &names[i])->value = &names[i];
    }
    for (size_t i = 0; i < pattern_count; i++) {
        wanted[i] = name_of(patterns[i], true);
        tree_add(&followed, &wanted[i])->value = &wanted[i];
    }
    for (size_t p = 0; p < pattern_count; p++) {
        for (size_t t = 0; t < topic_count; t++) {
            struct tree_found selected = {0};
            struct tree_found matched = {0};
            tree_select(&held, &wanted[p], &selected);
            tree_match(&followed, &names[t], &matched);
            const size_t right = name_matches(&wanted[p], &names[t]) ? 1 : 0;
            assert_int_equal(times(&selected, &names[t]), right);
            assert_int_equal(times(&matched, &wanted[p]), right);
            tree_found_fini(&selected);
            tree_found_fini(&matched);
        }
    }
    struct tree_found all = {0};
    tree_select_all(&held, &all);
    assert_int_equal(all.count, topic_count);
    tree_found_fini(&all);
    for (size_t i = 0; i < topic_count; i++) {
        tree_drop(&held, tree_find(&held, &names[i]));
    }
    for (size_t i = 0; i < pattern_count; i++) {
        tree_drop(&followed, tree_find(&followed, &wanted[i]));
    }
    tree_fini(&held);
    tree_fini(&followed);
}

/* Where a path will lie is known before it is there, if what is above it is; and whatever the path is, nothing is touched. */
static void where_a_path_will_lie_is_known_before(void **state) {
    (void)state;
    struct table_key key;
    struct tree tree;
    struct tree_trail trail = {0};
    uint64_t hash = 0;
    char deep[200];
    table_key_init(&key, 5);
    assert_true(tree_init(&tree, &key));
    assert_false(tree_foresee(&tree, &trail, span_of_text("stock/a/b"), &hash)); /* nothing is above it yet */
    struct name first = name_of("stock/a/b", false);
    tree_add(&tree, &first)->value = &first;
    const char *const paths[] = {"stock/a/b", "stock/a/c", "stock/x", "stock/a/d", "stock/y"};
    struct name names[sizeof paths / sizeof *paths];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        trail = i == 0 ? (struct tree_trail){0} : trail;
        assert_true(tree_foresee(&tree, &trail, span_of_text(paths[i]), &hash));
        names[i] = name_of(paths[i], false);
        struct tree_node *node = tree_add(&tree, &names[i]);
        node->value = &names[i];
        assert_int_equal(node->hashed.hash, hash);
    }
    memset(deep, 'x', sizeof deep);
    deep[10] = '/';
    assert_false(
        tree_foresee(&tree, &trail, span_of(deep, sizeof deep), &hash)); /* no topic, but what is loaded may be anything */
    deep[120] = '/';
    assert_false(tree_foresee(&tree, &trail, span_of(deep, sizeof deep), &hash));
    assert_true(tree_foresee(&tree, &trail, span_of_text(""), &hash));
    assert_true(tree_foresee(&tree, &trail, span_of_text("/"), &hash)); /* for what is empty, the root is above it */
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        tree_drop(&tree, tree_find(&tree, &names[i]));
    }
    tree_fini(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_selects_what_it_matches),
        cmocka_unit_test(a_topic_meets_the_patterns_that_match_it),
        cmocka_unit_test(a_path_on_the_way_to_another_stands_for_itself),
        cmocka_unit_test(values_come_in_the_order_of_their_arrival),
        cmocka_unit_test(stars_pass_by_what_is_the_brokers_own),
        cmocka_unit_test(where_a_path_will_lie_is_known_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
