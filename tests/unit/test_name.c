/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void segments_point_into_the_text(void **state) {
    const char *text = "stock/4711/berlin";
    struct name name;

    (void)state;
    assert_int_equal(name_parse_topic(span_of_text(text), &name, NULL), AHORA_OK);
    assert_int_equal(name.count, 3);
    assert_true(name.segments[0].data == (const uint8_t *)text && name.segments[0].bytes == 5);
    assert_true(span_is(name.segments[1], "4711"));
    assert_true(span_is(name.segments[2], "berlin"));
    assert_true(span_is(name.text, text));
    assert_false(name.wild || name.deep);
}

static void wildness_and_depth_are_told(void **state) {
    struct name name;

    (void)state;
    assert_int_equal(name_parse_pattern(span_of_text("a/b"), &name, NULL), AHORA_OK);
    assert_false(name.wild || name.deep);
    assert_int_equal(name_parse_pattern(span_of_text("*/b"), &name, NULL), AHORA_OK);
    assert_true(name.wild && !name.deep);
    assert_int_equal(name_parse_pattern(span_of_text("a/**"), &name, NULL), AHORA_OK);
    assert_true(name.wild && name.deep);
}

/* Bytes outside of ASCII and NUL cannot stand in the vectors in every form. */
static void only_the_listed_bytes_make_a_segment(void **state) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~:@=";
    struct name name;

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t text[4] = {'a', '/', 'b', (uint8_t)byte};
        bool wanted = byte == '\0' ? false : strchr(allowed, (int)byte) != NULL;

        assert_int_equal(name_parse_topic(span_of(text, 4), &name, NULL) == AHORA_OK, wanted);
    }
}

static void longest_topic_passes_and_one_byte_more_does_not(void **state) {
    char text[AHORA_TOPIC_BYTES_MAX + 1];
    struct name name;

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 50; i < sizeof(text) - 1; i += 50) {
        text[i] = '/';
    }
    assert_int_equal(name_parse_topic(span_of(text, AHORA_TOPIC_BYTES_MAX), &name, NULL), AHORA_OK);
    assert_int_equal(name_parse_topic(span_of(text, AHORA_TOPIC_BYTES_MAX + 1), &name, NULL), AHORA_BAD_TOPIC);
}

static void empty_span_is_neither_topic_nor_token(void **state) {
    struct name name;
    struct token token;

    (void)state;
    assert_int_equal(name_parse_topic(span_of(NULL, 0), &name, NULL), AHORA_BAD_TOPIC);
    assert_int_equal(name_parse_pattern(span_of(NULL, 0), &name, NULL), AHORA_BAD_PATTERN);
    assert_false(token_parse(span_of(NULL, 0), &token));
}

static void failure_leaves_the_token_untouched(void **state) {
    struct token token = {.epoch = "old", .seq = 5};

    (void)state;
    assert_false(token_parse(span_of_text("new-9007199254740992"), &token));
    assert_string_equal(token.epoch, "old");
    assert_int_equal(token.seq, 5);
}

static void codes_have_names_and_statuses(void **state) {
    (void)state;
    for (int code = AHORA_OK; code < AHORA_CODES; code++) {
        const char *name = ahora_code_name((enum ahora_code)code);

        assert_true(strlen(name) > 0);
        assert_in_range(ahora_code_status((enum ahora_code)code), code == AHORA_OK ? 200 : 400, code == AHORA_OK ? 200 : 507);
        assert_int_equal(ahora_code_parse(name, strlen(name)), code == AHORA_OK ? AHORA_INTERNAL : code);
    }
    assert_int_equal(ahora_code_status(AHORA_CONFLICT), 412);
    assert_int_equal(ahora_code_parse("conflicts", 8), AHORA_CONFLICT);
    assert_int_equal(ahora_code_parse("conflicts", 9), AHORA_INTERNAL);
}

static void reasons_have_names(void **state) {
    (void)state;
    for (int why = AHORA_WHY_DELETED; why <= AHORA_WHY_DENIED; why++) {
        const char *name = ahora_why_name((enum ahora_why)why);

        assert_int_equal(ahora_why_parse(name, strlen(name)), why);
    }
    assert_int_equal(ahora_why_parse("none", 4), AHORA_WHY_NONE);
    assert_int_equal(ahora_why_parse("bored", 5), AHORA_WHY_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_point_into_the_text),
        cmocka_unit_test(wildness_and_depth_are_told),
        cmocka_unit_test(only_the_listed_bytes_make_a_segment),
        cmocka_unit_test(longest_topic_passes_and_one_byte_more_does_not),
        cmocka_unit_test(empty_span_is_neither_topic_nor_token),
        cmocka_unit_test(failure_leaves_the_token_untouched),
        cmocka_unit_test(codes_have_names_and_statuses),
        cmocka_unit_test(reasons_have_names),
    };

    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
