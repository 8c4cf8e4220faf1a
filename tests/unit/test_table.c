/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "broker/base/list.h"
#include "tests/sim/dice.h"

#define ENTRIES 5000

struct entry {
    struct table_node node;
    unsigned value;
    bool inside;
};

static struct entry *find(const struct table *table, uint64_t hash, unsigned value) {
    for (struct table_node *node = table_first(table, hash); node != NULL; node = table_next(node)) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        if (entry->value == value) {
            return entry;
        }
    }
    return NULL;
}

static void what_is_inserted_is_found_until_it_is_removed(void **state) {
    struct dice dice = {1};
    struct table_key key;
    struct table table;
    struct entry *entries = calloc(ENTRIES, sizeof *entries);

    (void)state;
    table_key_init(&key, 7);
    assert_true(table_init(&table));
    size_t inside = 0;
    for (unsigned step = 0; step < 8 * ENTRIES; step++) {
        struct entry *entry = &entries[dice_below(&dice, ENTRIES)];
        entry->value = (unsigned)(entry - entries);
        uint64_t hash = table_hash(&key, &entry->value, sizeof entry->value);
        assert_ptr_equal(find(&table, hash, entry->value), entry->inside ? entry : NULL);
        if (entry->inside) {
            table_remove(&table, &entry->node);
        } else {
            assert_true(table_insert(&table, &entry->node, hash));
        }
        entry->inside = !entry->inside;
        inside += entry->inside ? 1 : (size_t)-1;
        assert_int_equal(table.count, inside);
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        entries[i].value = i;
        assert_ptr_equal(find(&table, table_hash(&key, &i, sizeof i), i), entries[i].inside ? &entries[i] : NULL);
    }
    table_fini(&table);
    free(entries);
}

static void equal_hashes_live_side_by_side(void **state) {
    struct table table;
    struct entry entries[40] = {0};

    (void)state;
    assert_true(table_init(&table));
    for (unsigned i = 0; i < 40; i++) {
        entries[i].value = i;
        assert_true(table_insert(&table, &entries[i].node, 99));
    }
    for (unsigned i = 0; i < 40; i += 2) {
        table_remove(&table, &entries[i].node);
    }
    for (unsigned i = 0; i < 40; i++) {
        assert_ptr_equal(find(&table, 99, i), i % 2 == 1 ? &entries[i] : NULL);
    }
    assert_null(table_first(&table, 98));
    table_fini(&table);
}

static void growth_adds_a_bucket_at_a_time(void **state) {
    struct table table;
    struct entry *entries = calloc(1000, sizeof *entries);

    (void)state;
    assert_true(table_init(&table));
    for (unsigned i = 0; i < 1000; i++) {
        size_t before = table.bucket_count;
        assert_true(table_insert(&table, &entries[i].node, i));
        assert_in_range(table.bucket_count, before, before + 1);
        assert_true(table.count <= table.bucket_count);
        assert_true(table.capacity / 2 < table.bucket_count && table.bucket_count <= table.capacity);
    }
    table_fini(&table);
    free(entries);
}

static void room_made_at_once_keeps_what_is_there_and_saves_the_growing(void **state) {
    struct table table;
    struct entry *entries = calloc(5000, sizeof *entries);

    (void)state;
    assert_true(table_init(&table));
    for (unsigned i = 0; i < 5000; i++) {
        entries[i].value = i;
        if (i == 100) {
            assert_true(table_reserve(&table, 4000));
            assert_int_equal(table.bucket_count, 4000);
            for (unsigned k = 0; k < 100; k++) { /* at once: growing further would put right what is wrong */
                assert_ptr_equal(find(&table, k * UINT64_C(0x9e3779b97f4a7c15), k), &entries[k]);
            }
        }
        assert_true(table_insert(&table, &entries[i].node, i % 3000 * UINT64_C(0x9e3779b97f4a7c15)));
        assert_true(i < 100 || table.bucket_count == (table.count > 4000 ? table.count : 4000));
    }
    assert_true(table_reserve(&table, 10)); /* there is more */
    assert_int_equal(table.count, 5000);
    for (unsigned i = 0; i < 5000; i++) {
        assert_ptr_equal(find(&table, i % 3000 * UINT64_C(0x9e3779b97f4a7c15), i), &entries[i]);
    }
    for (unsigned i = 0; i < 5000; i++) {
        table_remove(&table, &entries[i].node);
    }
    assert_int_equal(table.count, 0);
    table_fini(&table);
    free(entries);
}

static void the_key_decides_the_hash(void **state) {
    struct table_key one;
    struct table_key same;
    struct table_key other;

    (void)state;
    table_key_init(&one, 1);
    table_key_init(&same, 1);
    table_key_init(&other, 2);
    assert_true(table_hash(&one, "stock/1", 7) == table_hash(&same, "stock/1", 7));
    assert_true(table_hash(&one, "stock/1", 7) != table_hash(&other, "stock/1", 7));
    assert_true(table_hash(&one, "stock/1", 7) != table_hash(&one, "stock/2", 7));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_inserted_is_found_until_it_is_removed),
        cmocka_unit_test(equal_hashes_live_side_by_side),
        cmocka_unit_test(growth_adds_a_bucket_at_a_time),
        cmocka_unit_test(room_made_at_once_keeps_what_is_there_and_saves_the_growing),
        cmocka_unit_test(the_key_decides_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
