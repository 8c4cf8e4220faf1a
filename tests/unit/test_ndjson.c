/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/ndjson.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* Feeds `text` in steps, as long as there is something to feed, as a request does; writes "<line>" for each line and "!" for each that was
   dropped, "[line]" for what ndjson_last gives. */
static void run(const char *text, size_t step, char *out) {
    struct ndjson ndjson;
    struct span line;
    enum ndjson_item item;
    size_t length = strlen(text);
    out[0] = '\0';
    ndjson_init(&ndjson, 8);
    for (size_t at = 0; at < length; at += step) {
        struct span bytes = span_of(text + at, length - at < step ? length - at : step);
        while (bytes.bytes > 0 && (item = ndjson_next(&ndjson, &bytes, &line)) != NDJSON_NONE) {
            if (item == NDJSON_LINE) {
                strcat(out, "<");
                strncat(out, (const char *)line.data, line.bytes);
            }
            strcat(out, item == NDJSON_LINE ? ">" : "!");
        }
        assert_int_equal(bytes.bytes, 0);
    }
    item = ndjson_last(&ndjson, &line);
    if (item == NDJSON_LINE) {
        strcat(out, "[");
        strncat(out, (const char *)line.data, line.bytes);
        strcat(out, "]");
    } else if (item == NDJSON_TOO_LONG) {
        strcat(out, "!");
    }
    ndjson_fini(&ndjson);
}

static void assert_lines(const char *text, const char *wanted) {
    char out[256];
    for (size_t step = 1; step <= strlen(text); step++) {
        run(text, step, out);
        assert_string_equal(out, wanted);
    }
}

static void lines_are_found_however_they_arrive(void **state) {
    (void)state;
    assert_lines("a\nbc\ndef\n", "<a><bc><def>");
}

static void empty_lines_and_carriage_returns_are_passed_over(void **state) {
    (void)state;
    assert_lines("\n\na\r\n\r\nb\n", "<a><b>");
}

static void last_line_needs_no_end(void **state) {
    (void)state;
    assert_lines("a\nb", "<a>[b]");
    assert_lines("a\r\nb\r", "<a>[b]");
}

static void longest_line_fits(void **state) {
    (void)state;
    assert_lines("12345678\n12345678\r\n12345678", "<12345678><12345678>[12345678]");
}

static void long_line_is_reported_once_and_the_next_is_read(void **state) {
    (void)state;
    assert_lines("123456789\nb\n1234567890123456789012345\nc\n", "!<b>!<c>");
    assert_lines("a\n1234567890", "<a>!");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_found_however_they_arrive),
        cmocka_unit_test(empty_lines_and_carriage_returns_are_passed_over),
        cmocka_unit_test(last_line_needs_no_end),
        cmocka_unit_test(longest_line_fits),
        cmocka_unit_test(long_line_is_reported_once_and_the_next_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
