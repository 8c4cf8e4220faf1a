/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct http_head head;
static const char *detail;

static int parse(const char *text) {
    detail = NULL;
    return http_head_parse(span_of_text(text), &head, &detail);
}

static void assert_refused(const char *text, int status) {
    assert_int_equal(parse(text), status);
    assert_non_null(detail);
}

static void head_ends_at_its_empty_line(void **state) {
    (void)state;
    assert_int_equal(http_head_end(span_of_text("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest")), 27);
    assert_int_equal(http_head_end(span_of_text("GET / HTTP/1.1\r\nHost: a\r\n\r")), 0);
    assert_int_equal(http_head_end((struct span){NULL, 0}), 0);
}

static void request_is_taken_apart(void **state) {
    (void)state;
    assert_int_equal(
        parse("PATCH /v1/topics/stock/1?ack=applied HTTP/1.1\r\nHost: a\r\nX-Y:  z \r\nContent-Length: 12\r\n\r\n"), 0);
    assert_int_equal(head.method, HTTP_PATCH);
    assert_true(span_is(head.path, "/v1/topics/stock/1"));
    assert_true(span_is(head.query, "ack=applied"));
    assert_true(span_is(http_header_find(&head, "x-y"), "z"));
    assert_null(http_header_find(&head, "x").data);
    assert_int_equal(head.content_length, 12);
    assert_true(head.keep_alive);
    assert_false(head.chunked);
}

static void absolute_target_loses_its_authority(void **state) {
    (void)state;
    assert_int_equal(parse("GET http://a:80/livez?x HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_true(span_is(head.path, "/livez"));
    assert_true(span_is(head.query, "x"));
    assert_int_equal(parse("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_true(span_is(head.path, "/"));
}

static void unknown_method_is_well_formed(void **state) {
    (void)state;
    assert_int_equal(parse("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_int_equal(head.method, HTTP_OTHER);
}

static void malformed_request_line_is_refused(void **state) {
    (void)state;
    assert_refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400);
    assert_refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    assert_refused("GET / HTTP/1.1\nHost: a\n\n", 400);
}

static void malformed_header_is_refused(void **state) {
    (void)state;
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400);
}

static void host_is_needed_exactly_once(void **state) {
    (void)state;
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), 0);
}

static void too_many_headers_are_refused(void **state) {
    char text[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";
    (void)state;
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        strcat(text, "X: y\r\n");
    }
    strcat(text, "\r\n");
    assert_refused(text, 431);
}

static void body_length_is_unambiguous(void **state) {
    (void)state;
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 400);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    assert_refused("PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501);
    assert_int_equal(parse("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"), 0);
    assert_true(head.chunked);
}

static void connection_is_kept_as_the_version_says(void **state) {
    (void)state;
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"), 0);
    assert_false(head.keep_alive);
    assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), 0);
    assert_false(head.keep_alive);
    assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 0);
    assert_true(head.keep_alive);
}

static void lists_are_searched_over_all_headers(void **state) {
    (void)state;
    assert_int_equal(
        parse("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\naccept: a/b;q=0.5 , application/x-ndjson;q=1\r\n\r\n"), 0);
    assert_true(http_header_lists(&head, "accept", "application/x-ndjson"));
    assert_true(http_header_lists(&head, "Accept", "text/html"));
    assert_false(http_header_lists(&head, "accept", "application"));
}

static bool accepts_gzip(const char *value) {
    char text[256];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", value);
    assert_int_equal(parse(text), 0);
    return http_header_accepts(&head, "accept-encoding", "gzip");
}

static void what_weighs_nothing_is_not_accepted(void **state) {
    (void)state;
    static const char *const good[] = {"gzip", "br, GZIP", "gzip;q=1", "gzip ; q=0.001", "br;q=0, gzip", "gzip;x=1;q=0.5"};
    static const char *const bad[] = {"", "br", "gzip;q=0", "gzip;q=0.000", "br, gzip; Q=0.0", "gzip;x=1;q=0", "*", "gzipped"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(accepts_gzip(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(accepts_gzip(bad[i]));
    }
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    assert_false(http_header_accepts(&head, "accept-encoding", "gzip"));
}

static bool decode(const char *text, bool in_query, const char *wanted) {
    struct buffer out;
    buffer_init(&out, 100);
    bool good = http_percent_decode(span_of_text(text), in_query, &out);
    if (good) {
        assert_true(span_is(buffer_span(&out), wanted));
    }
    buffer_fini(&out);
    return good;
}

static void percent_is_undone_once(void **state) {
    (void)state;
    assert_true(decode("a%2Ab%7e", false, "a*b~"));
    assert_true(decode("%252A", false, "%2A"));
    assert_true(decode("a+b", true, "a b"));
    assert_true(decode("a+b", false, "a+b"));
    assert_true(decode("%41", false, "A"));
    assert_false(decode("%4", false, ""));
    assert_false(decode("%", false, ""));
    assert_false(decode("%g1", false, ""));
    assert_false(decode("%00", false, ""));
}

static void query_is_walked_in_order(void **state) {
    struct span query = span_of_text("&match=a/*&&match=b&flag&x=1=2");
    struct span name;
    struct span value;
    static const char *const wanted[][2] = {{"match", "a/*"}, {"match", "b"}, {"flag", ""}, {"x", "1=2"}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_true(http_query_next(&query, &name, &value));
        assert_true(span_is(name, wanted[i][0]));
        assert_true(span_is(value, wanted[i][1]));
    }
    assert_false(http_query_next(&query, &name, &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_ends_at_its_empty_line),
        cmocka_unit_test(request_is_taken_apart),
        cmocka_unit_test(absolute_target_loses_its_authority),
        cmocka_unit_test(unknown_method_is_well_formed),
        cmocka_unit_test(malformed_request_line_is_refused),
        cmocka_unit_test(malformed_header_is_refused),
        cmocka_unit_test(host_is_needed_exactly_once),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(body_length_is_unambiguous),
        cmocka_unit_test(connection_is_kept_as_the_version_says),
        cmocka_unit_test(lists_are_searched_over_all_headers),
        cmocka_unit_test(what_weighs_nothing_is_not_accepted),
        cmocka_unit_test(percent_is_undone_once),
        cmocka_unit_test(query_is_walked_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
