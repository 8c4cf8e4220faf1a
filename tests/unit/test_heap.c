/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/dice.h"

#define TIMERS 200

static void the_earliest_comes_first(void **state) {
    struct heap heap = {0};
    struct timer timers[3] = {{0}};

    (void)state;
    assert_null(heap_first(&heap));
    assert_true(heap_set(&heap, &timers[0], 30) && heap_set(&heap, &timers[1], 10) && heap_set(&heap, &timers[2], 20));
    assert_ptr_equal(heap_first(&heap), &timers[1]);
    assert_true(heap_set(&heap, &timers[1], 40));
    assert_ptr_equal(heap_first(&heap), &timers[2]);
    heap_clear(&heap, &timers[2]);
    assert_false(timer_is_set(&timers[2]));
    heap_clear(&heap, &timers[2]);
    assert_ptr_equal(heap_first(&heap), &timers[0]);
    heap_fini(&heap);
}

static void equal_deadlines_keep_the_order_they_were_set_in(void **state) {
    struct heap heap = {0};
    struct timer timers[TIMERS] = {{0}};

    (void)state;
    for (unsigned i = 0; i < TIMERS; i++) {
        assert_true(heap_set(&heap, &timers[i], 5));
    }
    assert_true(heap_set(&heap, &timers[0], 5)); /* set again: now the last */
    for (unsigned i = 1; i <= TIMERS; i++) {
        struct timer *first = heap_first(&heap);
        assert_ptr_equal(first, &timers[i % TIMERS]);
        heap_clear(&heap, first);
    }
    assert_null(heap_first(&heap));
    heap_fini(&heap);
}

static const struct timer *naive_first(const struct timer *timers) {
    const struct timer *first = NULL;
    for (unsigned i = 0; i < TIMERS; i++) {
        const struct timer *timer = &timers[i];
        bool earlier = first == NULL || timer->due < first->due || (timer->due == first->due && timer->order < first->order);
        if (timer_is_set(timer) && earlier) {
            first = timer;
        }
    }
    return first;
}

static void drain(struct heap *heap, const struct timer *timers) {
    for (struct timer *first; (first = heap_first(heap)) != NULL;) {
        assert_ptr_equal(first, naive_first(timers));
        heap_clear(heap, first);
    }
    assert_null(naive_first(timers));
}

/* Many short lives, each drained: a timer out of its place below the first shows only then. */
static void any_order_of_setting_moving_and_clearing_is_right(void **state) {
    struct heap heap = {0};
    struct timer timers[TIMERS] = {{0}};
    struct dice dice = {3};

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < TIMERS; i++) {
            assert_true(heap_set(&heap, &timers[i], dice_between(&dice, 0, round % 2 == 0 ? 20 : 1000000)));
        }
        for (unsigned step = 0; step < 2 * TIMERS; step++) {
            struct timer *timer = &timers[dice_below(&dice, TIMERS)];
            if (dice_chance(&dice, 600)) {
                heap_clear(&heap, timer);
            } else {
                assert_true(heap_set(&heap, timer, dice_between(&dice, 0, 1000000)));
            }
        }
        drain(&heap, timers);
    }
    heap_fini(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_comes_first),
        cmocka_unit_test(equal_deadlines_keep_the_order_they_were_set_in),
        cmocka_unit_test(any_order_of_setting_moving_and_clearing_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
