/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void good_urls_are_taken_apart(void **state) {
    static const struct {
        const char *text;
        const char *host;
        unsigned port;
        const char *authority;
        bool is_secure;
    } cases[] = {
        {"http://127.0.0.1:7600", "127.0.0.1", 7600, "127.0.0.1:7600", false},
        {"ws://broker.example:80/", "broker.example", 80, "broker.example:80", false},
        {"http://localhost", "localhost", 7600, "localhost:7600", false},
        {"localhost", "localhost", 7600, "localhost:7600", false},
        {"localhost:1", "localhost", 1, "localhost:1", false},
        {"http://[::1]:65535/", "::1", 65535, "[::1]:65535", false},
        {"ws://[fe80::1%eth0]", "fe80::1%eth0", 7600, "[fe80::1%eth0]:7600", false},
        {"https://broker.example", "broker.example", 443, "broker.example:443", true},
        {"wss://broker.example:7643/", "broker.example", 7643, "broker.example:7643", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct url url;
        assert_true(url_parse(cases[i].text, &url, NULL));
        assert_string_equal(url.host, cases[i].host);
        assert_int_equal(url.port, cases[i].port);
        assert_string_equal(url.authority, cases[i].authority);
        assert_int_equal(url.is_secure, cases[i].is_secure);
    }
}

static void bad_urls_are_refused_with_a_reason(void **state) {
    static const char *const cases[] = {
        "",
        "http://",
        "http://:7600",
        "ftp://host",
        "http://host:0",
        "http://host:65536",
        "http://host:123456",
        "http://host:",
        "http://host:80x",
        "http://host:-1",
        "http://user@host",
        "http://user:word@host",
        "http://host/path",
        "http://host?token=x",
        "http://host#part",
        "http://[::1",
        "http://[]:80",
        "http://::1",
        "http://ho st",
        "http://host\r\nX-Evil: 1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct url url;
        const char *detail = NULL;
        assert_false(url_parse(cases[i], &url, &detail));
        assert_non_null(detail);
    }
}

static void host_may_be_as_long_as_a_name_may_be(void **state) {
    char text[400] = "http://";
    struct url url;

    (void)state;
    memset(text + 7, 'a', URL_HOST_BYTES_MAX);
    strcpy(text + 7 + URL_HOST_BYTES_MAX, ":65535");
    assert_true(url_parse(text, &url, NULL));
    assert_int_equal(strlen(url.authority), URL_HOST_BYTES_MAX + 6);
    memset(text + 7, 'a', URL_HOST_BYTES_MAX + 1);
    text[7 + URL_HOST_BYTES_MAX + 1] = '\0';
    assert_false(url_parse(text, &url, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_are_taken_apart),
        cmocka_unit_test(bad_urls_are_refused_with_a_reason),
        cmocka_unit_test(host_may_be_as_long_as_a_name_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
