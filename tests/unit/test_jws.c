/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Tokens before their signature, and strict base64url. Real ones, by the hundred, are shown to the broker in tests/tokens. */
#include "proto/jws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/base64url.h"
#include "proto/pack.h"

/* ---- base64url ---- */

static bool decodes(const char *text) {
    struct buffer out;
    buffer_init(&out, 64);
    const bool fine = base64url_decode(span_of_text(text), &out);
    buffer_fini(&out);
    return fine;
}

static void test_every_byte_comes_back(void **state) {
    (void)state;
    uint8_t bytes[67];
    for (size_t count = 0; count < sizeof bytes; count++) {
        struct buffer text;
        struct buffer back;
        bytes[count] = (uint8_t)(count * 151 + 7);
        buffer_init(&text, 256);
        buffer_init(&back, 256);
        base64url_put(&text, span_of(bytes, count));
        assert_int_equal(text.bytes, (count * 4 + 2) / 3);
        assert_true(base64url_decode(buffer_span(&text), &back));
        assert_true(span_equal(buffer_span(&back), span_of(bytes, count)));
        buffer_fini(&text);
        buffer_fini(&back);
    }
}

static void test_one_text_for_each_row_of_bytes(void **state) {
    (void)state;
    assert_true(decodes("AA"));
    assert_false(decodes("AB")); /* bits behind the byte */
    assert_true(decodes("AAA"));
    assert_false(decodes("AAB"));
    assert_false(decodes("A"));
    assert_false(decodes("AAAAA"));
    static const char *const bad[] = {"AA==", "AA=", "A+", "A/", "A A", "AA\n", "A\x80", "A.", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(decodes(bad[i]));
    }
}

/* ---- tokens ---- */

static enum jws_fault read_parts(const char *header, const char *claims, const char *signature, struct jws *jws) {
    struct buffer token;
    buffer_init(&token, 65536);
    base64url_put(&token, span_of_text(header));
    buffer_put_text(&token, ".");
    base64url_put(&token, span_of_text(claims));
    buffer_put_text(&token, ".");
    base64url_put(&token, span_of_text(signature));
    const enum jws_fault fault = jws_read(buffer_span(&token), 8192, jws);
    buffer_fini(&token);
    return fault;
}

static void assert_fault(enum jws_fault expected, const char *header, const char *claims) {
    struct jws jws;
    const enum jws_fault fault = read_parts(header, claims, "signature", &jws);
    jws_fini(&jws);
    if (fault != expected) {
        fail_msg("%d instead of %d: %s %s", (int)fault, (int)expected, header, claims);
    }
}

static void test_a_good_one_is_taken_apart(void **state) {
    (void)state;
    struct jws jws;
    assert_int_equal(read_parts("{\"alg\":\"ES256\",\"typ\":\"jwt\",\"kid\":\"k\"}", "{\"sub\":\"u\"}", "sig", &jws), JWS_FINE);
    assert_int_equal(jws.alg, JWS_ES256);
    assert_true(span_is(jws.kid, "k"));
    assert_true(span_is(buffer_span(&jws.signature), "sig"));
    struct pack_reader sub = pack_reader_of(pack_find(buffer_span(&jws.claims), "sub"));
    assert_true(span_is(pack_read_text(&sub), "u"));
    jws_fini(&jws);
    assert_int_equal(read_parts("{\"alg\":\"HS256\"}", "{}", "sig", &jws), JWS_FINE);
    assert_null(jws.kid.data);
    jws_fini(&jws);
}

static void test_headers_that_are_not_understood(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"alg\":\"none\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":1}",
        "{\"alg\":\"HS256\",\"typ\":\"at+jw\"}",
        "{\"alg\":\"HS256\",\"typ\":\"at+jwt \"}",
        "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":\"text/jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":\"application/\"}",
        "{\"alg\":\"HS256\",\"typ\":null}",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"b64\":true}",
        "{\"alg\":\"HS256\",\"cty\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"kid\":\"\"}",
        "{\"alg\":\"HS256\",\"kid\":7}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_fault(JWS_BAD_HEADER, bad[i], "{}");
    }
}

static void test_shapes_that_are_none(void **state) {
    (void)state;
    static const char *const bad[] = {"", ".", "..", "...", "e30.e30", "e30.e30.", "e30.e30.AA.AA", ".e30.AA", "e30..AA"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct jws jws;
        assert_int_equal(jws_read(span_of_text(bad[i]), 8192, &jws), JWS_BAD_SHAPE);
        jws_fini(&jws);
    }
    assert_fault(JWS_BAD_SHAPE, "[]", "{}");
    assert_fault(JWS_BAD_SHAPE, "{\"alg\":\"none\",\"alg\":\"HS256\"}", "{}");
    assert_fault(JWS_BAD_SHAPE, "{\"alg\":\"HS256\"}", "{\"a\":1,\"a\":2}");
    assert_fault(JWS_BAD_SHAPE, "{\"alg\":\"HS256\"}", "{\"a\":1e400}");
    assert_fault(JWS_BAD_SHAPE, "{\"alg\":\"HS256\"}", "{\"a\":\"\\u0000\"}");
    assert_fault(JWS_BAD_SHAPE, "{\"alg\":\"HS256\"}", "{\"a\":[[[[[[[]]]]]]]}");
    assert_fault(JWS_BAD_SHAPE, "{\"alg\":\"HS256\"}", "{} {}");
}

static void test_length_comes_first(void **state) {
    (void)state;
    char text[300];
    struct jws jws;
    memset(text, 'A', sizeof text);
    assert_int_equal(jws_read(span_of(text, 257), 256, &jws), JWS_TOO_LONG);
    jws_fini(&jws);
    assert_int_equal(jws_read(span_of(text, 256), 256, &jws), JWS_BAD_SHAPE);
    jws_fini(&jws);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_comes_back),     cmocka_unit_test(test_one_text_for_each_row_of_bytes),
        cmocka_unit_test(test_a_good_one_is_taken_apart), cmocka_unit_test(test_headers_that_are_not_understood),
        cmocka_unit_test(test_shapes_that_are_none),      cmocka_unit_test(test_length_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
