/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* xorshift64: a seed, and the same numbers every run. */
static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int64_t largest_of(unsigned attempt, unsigned draws, uint64_t *seed) {
    int64_t largest = 0;
    for (unsigned i = 0; i < draws; i++) {
        struct backoff backoff = {.attempts = attempt};
        int64_t wait = backoff_next_ms(&backoff, next_random(seed));
        assert_true(wait >= 0);
        largest = wait > largest ? wait : largest;
    }
    return largest;
}

static void ceiling_doubles_from_half_a_second_to_twenty(void **state) {
    static const int64_t ceilings[] = {500, 1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000};
    uint64_t seed = 4711;

    (void)state;
    for (unsigned attempt = 0; attempt < sizeof(ceilings) / sizeof(ceilings[0]); attempt++) {
        int64_t largest = largest_of(attempt, 20000, &seed);
        assert_true(largest <= ceilings[attempt]);
        assert_true(largest > ceilings[attempt] * 99 / 100);
    }
}

static void the_whole_range_can_come(void **state) {
    struct backoff backoff = {0};

    (void)state;
    assert_int_equal(backoff_next_ms(&backoff, 0), 0);
    backoff_reset(&backoff);
    assert_int_equal(backoff_next_ms(&backoff, 500), 500);
    backoff_reset(&backoff);
    assert_int_equal(backoff_next_ms(&backoff, 501), 0);
}

static void waits_are_spread_evenly(void **state) {
    unsigned tenths[10] = {0};
    uint64_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        struct backoff backoff = {.attempts = 20};
        int64_t wait = backoff_next_ms(&backoff, next_random(&seed));
        tenths[wait == 20000 ? 9 : wait / 2000]++;
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_in_range(tenths[i], 9500, 10500);
    }
}

static void reset_starts_anew(void **state) {
    struct backoff backoff = {0};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        backoff_next_ms(&backoff, 12345);
    }
    assert_true(backoff_next_ms(&backoff, 15000) == 15000);
    backoff_reset(&backoff);
    assert_true(backoff_next_ms(&backoff, 15000) <= 500);
}

static void attempts_never_wrap(void **state) {
    struct backoff backoff = {.attempts = UINT32_MAX};

    (void)state;
    assert_int_equal(backoff_next_ms(&backoff, 20000), 20000);
    assert_int_equal(backoff_next_ms(&backoff, 20000), 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ceiling_doubles_from_half_a_second_to_twenty),
        cmocka_unit_test(the_whole_range_can_come),
        cmocka_unit_test(waits_are_spread_evenly),
        cmocka_unit_test(reset_starts_anew),
        cmocka_unit_test(attempts_never_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
