/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The page at / as a file: also of a program that was built without node. What it shows is judged by tests/web. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/scene.h"

#define HTML "Accept: text/html,*/*;q=0.8\r\n"

static void expect_header(const struct http_response *response, const char *name, const char *wanted) {
    char value[512] = "";
    http_response_header(response, name, value, sizeof value);
    if (strstr(value, wanted) == NULL) {
        fail_msg("%s: \"%s\" has no \"%s\"", name, value, wanted);
    }
}

static void a_browser_gets_a_page_under_a_strict_policy(void **state) {
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/", HTML, NULL, &response), 200);
    expect_header(&response, "content-type", "text/html");
    expect_header(&response, "content-security-policy", "default-src 'none'");
    expect_header(&response, "content-security-policy", "style-src 'self'");
    expect_header(&response, "x-content-type-options", "nosniff");
    expect_header(&response, "referrer-policy", "no-referrer");
    expect_header(&response, "vary", "Accept-Encoding");
    char policy[512];
    http_response_header(&response, "content-security-policy", policy, sizeof policy);
    assert_null(strstr(policy, "unsafe"));
    assert_non_null(strstr(http_response_body(&response), "<script"));
    assert_null(strstr(http_response_body(&response), "<style"));
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "GET", "/", NULL, NULL, &response), 200);
    expect_header(&response, "content-type", "text/plain");
    http_response_fini(&response);
}

static void it_is_gzipped_for_those_who_take_it(void **state) {
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    scene_http(broker, "GET", "/", HTML "Accept-Encoding: gzip;q=0\r\n", NULL, &response);
    char encoding[32];
    assert_false(http_response_header(&response, "content-encoding", encoding, sizeof encoding));
    const size_t plain_bytes = bytes_size(&response.reader.body);
    http_response_fini(&response);
    scene_http(broker, "GET", "/", HTML "Accept-Encoding: deflate, gzip, br\r\n", NULL, &response);
    expect_header(&response, "content-encoding", "gzip");
    assert_true(bytes_size(&response.reader.body) > 0 && bytes_size(&response.reader.body) < plain_bytes);
    http_response_fini(&response);
}

static void an_unchanged_page_is_not_sent_again(void **state) {
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    char etag[64] = "";
    char headers[256];
    scene_http(broker, "GET", "/", HTML, NULL, &response);
    assert_true(http_response_header(&response, "etag", etag, sizeof etag));
    http_response_fini(&response);
    snprintf(headers, sizeof headers, HTML "If-None-Match: \"x\", %s\r\n", etag);
    assert_int_equal(scene_http(broker, "GET", "/", headers, NULL, &response), 304);
    http_response_fini(&response);
    snprintf(headers, sizeof headers, HTML "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", etag);
    assert_int_equal(scene_http(broker, "GET", "/", headers, NULL, &response), 200);
    http_response_fini(&response);
}

static void what_is_no_page_is_not_found(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const paths[] = {"/page/", "/page/none.js",          "/page/files.h",
                                        "/page",  "/page/../page/icon.svg", "/page/icon.svg.gz"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(http_status(broker->port, paths[i]), 404);
    }
    assert_int_equal(http_status(broker->port, "/page/icon.svg"), 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_browser_gets_a_page_under_a_strict_policy),
        CASE(it_is_gzipped_for_those_who_take_it),
        CASE(an_unchanged_page_is_not_sent_again),
        CASE(what_is_no_page_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
