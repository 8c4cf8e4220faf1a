/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void without_a_rate_nothing_is_bounded(void **state) {
    (void)state;
    struct allowance allowance;
    allowance_init(&allowance, 0, 5);
    assert_int_equal(allowance_take(&allowance, 0, 5, 1000000), 0);
    assert_int_equal(allowance_take(&allowance, 0, 5, 1000000), 0);
    assert_true(allowance_left(&allowance, 0, 5) == INT64_MAX);
}

static void what_is_owed_is_waited_for(void **state) {
    (void)state;
    struct allowance allowance;
    allowance_init(&allowance, 10, 0);
    assert_int_equal(allowance_take(&allowance, 10, 0, 25), 0);
    assert_int_equal(allowance_left(&allowance, 10, 0), -15);
    assert_int_equal(allowance_take(&allowance, 10, 0, 1), 1601);
    assert_int_equal(allowance_take(&allowance, 10, 1601, 1), 0);
    assert_int_equal(allowance_left(&allowance, 10, 1601), 0);
}

static void no_more_than_a_second_is_saved_up(void **state) {
    (void)state;
    struct allowance allowance;
    allowance_init(&allowance, 10, 0);
    assert_int_equal(allowance_take(&allowance, 10, 0, 10), 0);
    assert_int_equal(allowance_left(&allowance, 10, 500), 5);
    assert_int_equal(allowance_left(&allowance, 10, 1000000), 10);
    assert_int_equal(allowance_take(&allowance, 10, INT64_MAX / 2, 1000), 0); /* nothing overflows */
    assert_int_equal(allowance_left(&allowance, 1000000000, INT64_MAX), 1000000000);
}

/* Looked at every millisecond, it fills as fast as looked at once. */
static void parts_of_one_are_not_lost(void **state) {
    (void)state;
    struct allowance allowance;
    allowance_init(&allowance, 15, 0);
    assert_int_equal(allowance_take(&allowance, 15, 0, 15), 0);
    for (int64_t now_ms = 0; now_ms < 1000; now_ms += 7) {
        (void)allowance_left(&allowance, 15, now_ms);
    }
    assert_int_equal(allowance_left(&allowance, 15, 1000), 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_nothing_is_bounded),
        cmocka_unit_test(what_is_owed_is_waited_for),
        cmocka_unit_test(no_more_than_a_second_is_saved_up),
        cmocka_unit_test(parts_of_one_are_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
