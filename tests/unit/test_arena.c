/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/sim/dice.h"

#define PIECES 2000

static void pieces_are_aligned_and_do_not_overlap(void **state) {
    struct arena arena = {0};
    struct dice dice = {5};
    static uint8_t *pieces[PIECES];
    static size_t bytes[PIECES];

    (void)state;
    for (int turn = 0; turn < 5; turn++) {
        for (unsigned i = 0; i < PIECES; i++) {
            bytes[i] = dice_chance(&dice, 10) ? dice_below(&dice, 200000) : dice_below(&dice, 300);
            pieces[i] = arena_take(&arena, bytes[i]);
            assert_non_null(pieces[i]);
            assert_true((uintptr_t)pieces[i] % 8 == 0);
            memset(pieces[i], (int)(i & 0xff), bytes[i]);
        }
        for (unsigned i = 0; i < PIECES; i++) {
            for (size_t at = 0; at < bytes[i]; at++) {
                assert_true(pieces[i][at] == (i & 0xff));
            }
        }
        arena_reset(&arena, turn % 2 == 0 ? 256 * 1024 : 0);
    }
    arena_fini(&arena);
}

static void chunks_are_kept_up_to_the_bound_and_used_again(void **state) {
    struct arena arena = {0};

    (void)state;
    void *first = arena_take(&arena, 100);
    arena_reset(&arena, 1 << 20);
    assert_ptr_equal(arena_take(&arena, 100), first);
    arena_reset(&arena, 0);
    assert_null(arena.spare);
    assert_null(arena.chunks);
    arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
        cmocka_unit_test(chunks_are_kept_up_to_the_bound_and_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
