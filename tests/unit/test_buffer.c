/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void assert_holds(const struct buffer *buffer, const char *text) {
    assert_int_equal(buffer->bytes, strlen(text));
    assert_memory_equal(buffer->data, text, strlen(text));
}

static void put_appends_in_order(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 1000);
    buffer_put_text(&buffer, "seq ");
    buffer_put_decimal(&buffer, 42);
    buffer_put_byte(&buffer, '/');
    buffer_put_span(&buffer, span_of("xyz", 2));
    assert_holds(&buffer, "seq 42/xy");
    assert_false(buffer.failed);
    buffer_fini(&buffer);
    assert_null(buffer.data);
}

static void decimal_covers_int64(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 1000);
    buffer_put_decimal(&buffer, INT64_MIN);
    buffer_put_decimal(&buffer, 0);
    buffer_put_decimal(&buffer, INT64_MAX);
    assert_holds(&buffer, "-922337203685477580809223372036854775807");
    buffer_fini(&buffer);
}

static void full_buffer_remembers_and_keeps_its_content(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 5);
    buffer_put_text(&buffer, "abc");
    buffer_put_text(&buffer, "def");
    assert_true(buffer.failed);
    buffer_put_byte(&buffer, 'x'); /* would fit, but comes after a failure */
    assert_holds(&buffer, "abc");
    buffer_cut(&buffer, 1);
    assert_false(buffer.failed);
    buffer_put_text(&buffer, "bcde");
    assert_holds(&buffer, "abcde");
    assert_false(buffer.failed);
    buffer_fini(&buffer);
}

static void zeroed_buffer_fails_every_put(void **state) {
    struct buffer buffer = {0};

    (void)state;
    buffer_put_byte(&buffer, 'x');
    assert_true(buffer.failed);
    buffer_fini(&buffer);
}

static void capacity_never_passes_the_bound(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 1001);
    for (int i = 0; i < 2000; i++) {
        buffer_put_byte(&buffer, (uint8_t)i);
    }
    assert_int_equal(buffer.bytes, 1001);
    assert_int_equal(buffer.capacity, 1001);
    assert_true(buffer.failed);
    for (int i = 0; i < 1001; i++) {
        assert_int_equal(buffer.data[i], (uint8_t)i);
    }
    buffer_fini(&buffer);
}

static void huge_extend_does_not_wrap(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 100);
    buffer_put_text(&buffer, "abc");
    assert_null(buffer_extend(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    assert_holds(&buffer, "abc");
    buffer_fini(&buffer);
}

static void consume_drops_the_front(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 100);
    buffer_put_text(&buffer, "abcdef");
    buffer_consume(&buffer, 0);
    buffer_consume(&buffer, 4);
    assert_holds(&buffer, "ef");
    buffer_consume(&buffer, 2);
    assert_int_equal(buffer.bytes, 0);
    buffer_fini(&buffer);
}

static void clear_keeps_memory_up_to_a_size(void **state) {
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 10000);
    buffer_put_text(&buffer, "abc");
    buffer_clear(&buffer, 4096);
    assert_non_null(buffer.data);
    assert_int_equal(buffer.bytes, 0);
    assert_non_null(buffer_extend(&buffer, 5000));
    buffer_clear(&buffer, 4096);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
    buffer_put_text(&buffer, "again");
    assert_holds(&buffer, "again");
    buffer_fini(&buffer);
}

static void spans_compare_by_content(void **state) {
    (void)state;
    assert_true(span_equal(span_of(NULL, 0), span_of("x", 0)));
    assert_true(span_is(span_of("abcd", 3), "abc"));
    assert_false(span_is(span_of("abcd", 4), "abc"));
    assert_false(span_is(span_of("abd", 3), "abc"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_appends_in_order),
        cmocka_unit_test(decimal_covers_int64),
        cmocka_unit_test(full_buffer_remembers_and_keeps_its_content),
        cmocka_unit_test(zeroed_buffer_fails_every_put),
        cmocka_unit_test(capacity_never_passes_the_bound),
        cmocka_unit_test(huge_extend_does_not_wrap),
        cmocka_unit_test(consume_drops_the_front),
        cmocka_unit_test(clear_keeps_memory_up_to_a_size),
        cmocka_unit_test(spans_compare_by_content),
    };

    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
