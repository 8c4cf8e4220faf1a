/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/backing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECTED ((size_t)32 << 20)
#define BLOCK_BYTES 512

/* Sanitizers have a heap of their own: there the advice does nothing, and must do no harm. */
static bool is_glibc_heap(void) {
    const uintptr_t end = (uintptr_t)sbrk(0);
    void *volatile block = malloc(64);
    const uintptr_t place = (uintptr_t)block;
    free(block);
    return place < end && end - place < ((uintptr_t)1 << 30);
}

static void what_is_expected_is_there_in_one_step_and_used(void **state) {
    static void *blocks[EXPECTED / BLOCK_BYTES / 2];
    const size_t count = sizeof blocks / sizeof blocks[0];
    const bool is_told = is_glibc_heap();
    const uintptr_t begin = (uintptr_t)sbrk(0);

    (void)state;
    backing_expect(EXPECTED);
    const uintptr_t end = (uintptr_t)sbrk(0);
    assert_true(!is_told || end - begin >= EXPECTED);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 0xa5, BLOCK_BYTES);
    }
    assert_true(!is_told || (uintptr_t)sbrk(0) == end); /* half of it was enough for them */
    assert_true(!is_told || ((uintptr_t)blocks[count - 1] > begin && (uintptr_t)blocks[count - 1] < end));
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
    backing_expected();
    void *volatile block = malloc(100 << 10); /* large enough that the heap looks at its end */
    free(block);
    assert_true(!is_told || (uintptr_t)sbrk(0) < end);
}

static void little_is_not_worth_a_step(void **state) {
    const uintptr_t begin = (uintptr_t)sbrk(0);

    (void)state;
    backing_expect(0);
    backing_expect((size_t)1 << 20);
    assert_true(begin == (uintptr_t)sbrk(0));
}

static void any_number_may_be_expected(void **state) {
    (void)state;
    backing_expect(SIZE_MAX);
    void *volatile block = malloc(1000);
    assert_non_null(block);
    free(block);
    backing_expected();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_is_not_worth_a_step),
        cmocka_unit_test(what_is_expected_is_there_in_one_step_and_used),
        cmocka_unit_test(any_number_may_be_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
