/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/deadlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct deadlines deadlines;

static int set_up(void **state) {
    static const int64_t lasts_ms[DEADLINE_CLASSES] = {
        [DEADLINE_HEADER] = 10, [DEADLINE_BODY] = 90, [DEADLINE_IDLE] = 30,    [DEADLINE_STALL] = 60,
        [DEADLINE_CLOSE] = 5,   [DEADLINE_PACE] = 1,  [DEADLINE_HANDSHAKE] = 7};
    (void)state;
    deadlines_init(&deadlines, lasts_ms);
    return 0;
}

static void nothing_is_due_when_nothing_is_set(void **state) {
    (void)state;
    assert_null(deadlines_pop(&deadlines, 1000000));
    assert_true(deadlines_next(&deadlines) == INT64_MAX);
}

static void each_class_lasts_its_time(void **state) {
    struct deadline header = {0};
    struct deadline closing = {0};
    (void)state;
    deadline_set(&deadlines, &header, DEADLINE_HEADER, 100);
    deadline_set(&deadlines, &closing, DEADLINE_CLOSE, 100);
    assert_int_equal(deadlines_next(&deadlines), 105);
    assert_null(deadlines_pop(&deadlines, 104));
    assert_ptr_equal(deadlines_pop(&deadlines, 105), &closing);
    assert_null(deadlines_pop(&deadlines, 105));
    assert_ptr_equal(deadlines_pop(&deadlines, 110), &header);
}

static void setting_again_forgets_the_first(void **state) {
    struct deadline deadline = {0};
    (void)state;
    deadline_set(&deadlines, &deadline, DEADLINE_HEADER, 100);
    deadline_set(&deadlines, &deadline, DEADLINE_IDLE, 105);
    assert_null(deadlines_pop(&deadlines, 134));
    assert_ptr_equal(deadlines_pop(&deadlines, 135), &deadline);
    assert_null(deadlines_pop(&deadlines, 1000));
}

static void cleared_ones_do_not_come(void **state) {
    struct deadline deadline = {0};
    (void)state;
    deadline_clear(&deadline);
    deadline_set(&deadlines, &deadline, DEADLINE_STALL, 0);
    deadline_clear(&deadline);
    assert_null(deadlines_pop(&deadlines, 1000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_due_when_nothing_is_set, set_up),
        cmocka_unit_test_setup(each_class_lasts_its_time, set_up),
        cmocka_unit_test_setup(setting_again_forgets_the_first, set_up),
        cmocka_unit_test_setup(cleared_ones_do_not_come, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
