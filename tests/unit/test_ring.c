/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define ITEMS 200000

static struct ring_item item_of(uintptr_t number) {
    return (struct ring_item){.pointer = (void *)(number * 8), .tag = number};
}

static void what_is_put_first_is_taken_first(void **state) {
    (void)state;
    struct ring ring;
    struct ring_item item;
    assert_true(ring_init(&ring, 4));
    assert_false(ring_take(&ring, &item));
    for (uintptr_t round = 0; round < 10; round++) {
        for (uintptr_t i = 0; i < 3; i++) {
            assert_true(ring_put(&ring, item_of(round * 3 + i)));
        }
        for (uintptr_t i = 0; i < 3; i++) {
            assert_true(ring_take(&ring, &item));
            assert_int_equal(item.tag, round * 3 + i);
        }
    }
    assert_false(ring_take(&ring, &item));
    ring_fini(&ring);
}

static void a_full_ring_takes_no_more_until_there_is_room(void **state) {
    (void)state;
    struct ring ring;
    struct ring_item item;
    assert_true(ring_init(&ring, 4));
    for (uintptr_t i = 0; i < 4; i++) {
        assert_true(ring_put(&ring, item_of(i)));
    }
    assert_false(ring_put(&ring, item_of(4)));
    assert_true(ring_take(&ring, &item));
    assert_true(ring_put(&ring, item_of(4)));
    assert_false(ring_put(&ring, item_of(5)));
    ring_fini(&ring);
}

/* Each number stands in memory that is written just before it is put, so that a missing barrier shows under ThreadSanitizer. */
static void *put_all(void *argument) {
    struct ring *ring = argument;
    for (uintptr_t i = 0; i < ITEMS; i++) {
        uintptr_t *number = malloc(sizeof *number);
        *number = i;
        ring_put_waiting(ring, (struct ring_item){.pointer = number, .tag = i});
    }
    return NULL;
}

static void everything_crosses_in_order_and_a_waiting_producer_goes_on(void **state) {
    (void)state;
    struct ring ring;
    pthread_t producer;
    assert_true(ring_init(&ring, 8));
    assert_int_equal(pthread_create(&producer, NULL, put_all, &ring), 0);
    for (uintptr_t i = 0; i < ITEMS;) {
        struct ring_item item;
        if (!ring_take(&ring, &item)) {
            sched_yield();
            continue;
        }
        assert_int_equal(item.tag, i);
        assert_int_equal(*(uintptr_t *)item.pointer, i);
        free(item.pointer);
        i++;
    }
    pthread_join(producer, NULL);
    ring_fini(&ring);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_first_is_taken_first),
        cmocka_unit_test(a_full_ring_takes_no_more_until_there_is_room),
        cmocka_unit_test(everything_crosses_in_order_and_a_waiting_producer_goes_on),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
