/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/http_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* Feeds `text` in steps of `step` bytes; what comes out, and how it ended. */
static enum http_body_state run(struct http_head *head, const char *text, size_t step, char *out, size_t *unused) {
    struct http_body body;
    size_t length = strlen(text);
    size_t written = 0;
    http_body_init(&body, head);
    for (size_t at = 0; at < length && body.state != HTTP_BODY_END && body.state != HTTP_BODY_BAD;) {
        struct span bytes = span_of(text + at, length - at < step ? length - at : step);
        size_t given = bytes.bytes;
        struct span piece;
        while (http_body_next(&body, &bytes, &piece)) {
            memcpy(out + written, piece.data, piece.bytes);
            written += piece.bytes;
        }
        at += given - bytes.bytes;
        *unused = length - at;
    }
    out[written] = '\0';
    return body.state;
}

static void assert_decodes(const char *text, const char *wanted, size_t unused_wanted) {
    struct http_head head = {.chunked = true, .content_length = -1};
    char out[256];
    for (size_t step = 1; step <= strlen(text); step++) {
        size_t unused = 0;
        assert_int_equal(run(&head, text, step, out, &unused), HTTP_BODY_END);
        assert_string_equal(out, wanted);
        assert_true(step < strlen(text) || unused == unused_wanted);
    }
}

static void assert_bad(const char *text) {
    struct http_head head = {.chunked = true, .content_length = -1};
    char out[256];
    size_t unused = 0;
    assert_int_equal(run(&head, text, strlen(text), out, &unused), HTTP_BODY_BAD);
}

static void chunks_are_joined_however_they_arrive(void **state) {
    (void)state;
    assert_decodes("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", 0);
    assert_decodes("0\r\n\r\n", "", 0);
    assert_decodes("1\r\nx\r\n0\r\n\r\nGET /", "x", 5);
}

static void extensions_and_trailers_are_passed_over(void **state) {
    (void)state;
    assert_decodes("3;a=b\r\nabc\r\n0;last\r\nDigest: x\r\nOther: y\r\n\r\n", "abc", 0);
    assert_decodes("003 \r\nabc\r\n00\r\n\r\n", "abc", 0);
}

static void malformed_chunks_are_refused(void **state) {
    (void)state;
    assert_bad("x\r\n");
    assert_bad("\r\n");
    assert_bad(";a\r\n");
    assert_bad("3\nabc\r\n0\r\n\r\n");
    assert_bad("3\r\nabcd\r\n");
    assert_bad("3\r\nabc\rx");
    assert_bad("-1\r\n");
    assert_bad("fffffffffffffffff\r\n");
    assert_bad("0\r\n\n");
}

static void endless_extension_is_refused(void **state) {
    struct http_head head = {.chunked = true, .content_length = -1};
    char text[5000];
    char out[256];
    size_t unused = 0;
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "1;", 2);
    text[sizeof text - 1] = '\0';
    assert_int_equal(run(&head, text, sizeof text, out, &unused), HTTP_BODY_BAD);
}

static void plain_body_ends_after_its_length(void **state) {
    struct http_head head = {.content_length = 5};
    char out[256];
    size_t unused = 0;
    (void)state;
    assert_int_equal(run(&head, "helloGET", 8, out, &unused), HTTP_BODY_END);
    assert_string_equal(out, "hello");
    assert_int_equal(unused, 3);
    assert_int_equal(run(&head, "hell", 1, out, &unused), HTTP_BODY_PLAIN);
}

static void no_body_is_at_its_end(void **state) {
    struct http_body body;
    (void)state;
    http_body_init(&body, &(struct http_head){.content_length = -1});
    assert_int_equal(body.state, HTTP_BODY_END);
    http_body_init(&body, &(struct http_head){.content_length = 0});
    assert_int_equal(body.state, HTTP_BODY_END);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_joined_however_they_arrive), cmocka_unit_test(extensions_and_trailers_are_passed_over),
        cmocka_unit_test(malformed_chunks_are_refused),          cmocka_unit_test(endless_extension_is_refused),
        cmocka_unit_test(plain_body_ends_after_its_length),      cmocka_unit_test(no_body_is_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
