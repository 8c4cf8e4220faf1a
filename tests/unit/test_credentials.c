/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the files of `[auth]` may hold: keys, key sets, API keys, revocations. */
#include "broker/net/credentials.h"
#include "broker/net/revocations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64url.h"
#include "proto/json.h"
#include "proto/pack.h"

static char why[512];

static struct buffer packed_of(const char *json) {
    struct buffer out;
    const char *detail;
    buffer_init(&out, 65536);
    assert_int_equal(json_to_pack(span_of_text(json), 8, &out, &detail), AHORA_OK);
    return out;
}

/* ---- keys ---- */

static bool reads_key(enum jws_alg alg, const char *text, enum jws_alg *read) {
    struct key key;
    const bool fine = key_read(&key, span_of_text("k"), alg, span_of_text(text), why, sizeof why);
    *read = key.alg;
    key_fini(&key);
    return fine;
}

static char *pem_of(EVP_PKEY *pkey) {
    static char text[4096];
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    const int bytes = BIO_read(bio, text, sizeof text - 1);
    text[bytes] = '\0';
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return text;
}

static void test_the_kind_of_a_key_is_its_algorithm(void **state) {
    (void)state;
    enum jws_alg alg;
    assert_true(reads_key(JWS_HS256, "0123456789abcdef0123456789abcdef", &alg));
    assert_false(reads_key(JWS_HS256, "0123456789abcdef0123456789abcde\n", &alg));
    assert_non_null(strstr(why, "32 bytes"));
    char *rsa = pem_of(EVP_RSA_gen(2048));
    assert_true(reads_key(JWS_NONE, rsa, &alg));
    assert_int_equal(alg, JWS_RS256);
    assert_true(reads_key(JWS_RS256, rsa, &alg));
    assert_false(reads_key(JWS_ES256, rsa, &alg));
    assert_false(reads_key(JWS_HS256, rsa, &alg)); /* the confusion of the two, made at home */
    char *ec = pem_of(EVP_EC_gen("P-256"));
    assert_true(reads_key(JWS_NONE, ec, &alg));
    assert_int_equal(alg, JWS_ES256);
    assert_false(reads_key(JWS_RS256, ec, &alg));
}

static void test_weak_and_other_keys_are_none(void **state) {
    (void)state;
    enum jws_alg alg;
    assert_false(reads_key(JWS_NONE, pem_of(EVP_RSA_gen(1024)), &alg));
    assert_false(reads_key(JWS_NONE, pem_of(EVP_EC_gen("P-384")), &alg));
    assert_false(reads_key(JWS_NONE, pem_of(EVP_EC_gen("secp256k1")), &alg));
    assert_false(reads_key(JWS_NONE, pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), &alg));
    assert_false(reads_key(JWS_NONE, "no key", &alg));
    assert_false(reads_key(JWS_NONE, "", &alg));
}

static bool reads_jwk(const char *json) {
    struct buffer jwk = packed_of(json);
    struct key key;
    const bool fine = key_read_jwk(&key, buffer_span(&jwk), why, sizeof why);
    key_fini(&key);
    buffer_fini(&jwk);
    return fine;
}

#define K32 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

static void test_json_web_keys(void **state) {
    (void)state;
    assert_true(reads_jwk("{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"" K32 "\"}"));
    assert_true(reads_jwk("{\"kty\":\"oct\",\"kid\":\"a\",\"use\":\"sig\",\"alg\":\"HS256\",\"k\":\"" K32 "\"}"));
    /* RFC 7515 appendix A.3.1 */
    assert_true(
        reads_jwk("{\"kty\":\"EC\",\"kid\":\"a\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                  "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"));
    static const char *const bad[] = {
        "{\"kty\":\"oct\",\"k\":\"" K32 "\"}",
        "{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"c2hvcnQ\"}",
        "{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"" K32 "=\"}",
        "{\"kty\":\"oct\",\"kid\":\"a\",\"use\":\"enc\",\"k\":\"" K32 "\"}",
        "{\"kty\":\"oct\",\"kid\":\"a\",\"alg\":\"HS512\",\"k\":\"" K32 "\"}",
        "{\"kty\":\"oct\",\"kid\":\"a\",\"alg\":\"RS256\",\"k\":\"" K32 "\"}",
        "{\"kty\":\"OKP\",\"kid\":\"a\",\"crv\":\"Ed25519\",\"x\":\"" K32 "\"}",
        "{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"kid\":\"a\"}",
        "{\"kty\":\"EC\",\"kid\":\"a\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"" K32
        "\"}",
        "{\"kty\":\"EC\",\"kid\":\"a\",\"crv\":\"P-384\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "[]",
        "{}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (reads_jwk(bad[i])) {
            fail_msg("a key: %s", bad[i]);
        }
    }
}

static void test_an_origin_changes_with_every_byte(void **state) {
    (void)state;
    const uint64_t a = key_fingerprint("a", span_of_text("bc"));
    assert_true(a != key_fingerprint("ab", span_of_text("c")));
    assert_true(a != key_fingerprint("a", span_of_text("bd")));
    assert_true(a == key_fingerprint("a", span_of_text("bc")));
}

/* ---- API keys ---- */

/* Its SHA-256 in hexadecimal digits. */
static const char *hash_of(const char *key) {
    static char hex[65];
    uint8_t digest[EVP_MAX_MD_SIZE];
    assert_int_equal(EVP_Digest(key, strlen(key), digest, NULL, EVP_sha256(), NULL), 1);
    for (int i = 0; i < 32; i++) {
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    return hex;
}

static void test_api_keys_are_found_by_their_hash(void **state) {
    (void)state;
    char text[1024];
    struct api_keys keys;
    struct rights *rights;
    snprintf(text, sizeof text,
             "# a comment\n\nerp sha256:%s sub=**,order/** pub=stock/** every_ms=5\r\ntill cert:\"CN=till 7,O=Shop\" "
             "sub=stock/{sub}\n",
             hash_of("ahk_test"));
    assert_true(api_keys_read(&keys, span_of_text(text), why, sizeof why));
    assert_int_equal(keys.count, 2);
    const struct api_key *key = api_keys_find(&keys, span_of_text("ahk_test"));
    assert_non_null(key);
    assert_int_equal(api_key_rights(key, &rights), AHORA_OK);
    assert_string_equal(rights->principal, "erp");
    assert_int_equal(rights->sub_count, 2);
    assert_int_equal(rights->every_ms, 5);
    rights_unref(rights);
    assert_null(api_keys_find(&keys, span_of_text("ahk_tesu")));
    assert_null(api_keys_find(&keys, span_of_text("")));
    assert_non_null(api_keys_find_subject(&keys, span_of_text("CN=till 7,O=Shop")));
    assert_null(api_keys_find_subject(&keys, span_of_text("CN=till 7")));
    assert_null(api_keys_find_subject(&keys, span_of_text("")));
    api_keys_fini(&keys);
}

static void test_mistakes_are_told_by_line(void **state) {
    (void)state;
    static const char *const lines[] = {
        "erp",
        "erp sha256:12 sub=**",
        "erp md5:%s",
        "erp sha256:%s sub=**x",
        "erp sha256:%s sub",
        "erp sha256:%s subs=stock/**",
        "erp sha256:%s sub=stock/** sub=room/**",
        "erp sha256:%s every_ms=5s",
        "erp sha256:%s admin=yes",
        "erp sha256:%s ops=write",
        "erp sha256:%s sub=stock/{shop}",
        "anonymous sha256:%s",
        "erp cert: sub=**",
        "erp cert:\"CN=x sub=**",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[1024] = "\n";
        struct api_keys keys;
        const char *mark = strstr(lines[i], "%s");
        snprintf(text + 1, sizeof text - 1, "%.*s%s%s", mark == NULL ? (int)strlen(lines[i]) : (int)(mark - lines[i]), lines[i],
                 mark == NULL ? "" : hash_of("x"), mark == NULL ? "" : mark + 2);
        if (api_keys_read(&keys, span_of_text(text), why, sizeof why)) {
            fail_msg("taken: %s", text);
        }
        assert_non_null(strstr(why, "line 2: "));
        api_keys_fini(&keys);
    }
}

/* ---- revocations ---- */

static struct rights *rights_of(const char *principal, const char *id, int64_t issued_s) {
    struct rights *rights;
    const char *fault;
    const struct rights_claims claims = {
        .principal = span_of_text(principal), .id = id == NULL ? (struct span){0} : span_of_text(id), .issued_s = issued_s};
    assert_int_equal(rights_create(&claims, &rights, &fault), AHORA_OK);
    return rights;
}

static bool is_revoked(const struct revocations *revocations, const char *principal, const char *id, int64_t issued_s) {
    struct rights *rights = rights_of(principal, id, issued_s);
    const bool revoked = revocations_hold(revocations, rights);
    rights_unref(rights);
    return revoked;
}

static void test_revocations(void **state) {
    (void)state;
    struct revocations revocations = {0};
    assert_false(is_revoked(&revocations, "a", "t", 5));
    assert_true(revocations_read(&revocations, span_of_text("# lost\njti t-1\nsub a\nsub b before 1000\nsub c d before x\r\n"),
                                 why, sizeof why));
    assert_true(is_revoked(&revocations, "x", "t-1", 5));
    assert_false(is_revoked(&revocations, "x", "t-2", 5));
    assert_true(is_revoked(&revocations, "a", NULL, 5000));
    assert_true(is_revoked(&revocations, "b", NULL, 999));
    assert_true(is_revoked(&revocations, "b", NULL, -1)); /* it cannot show that it is newer */
    assert_false(is_revoked(&revocations, "b", NULL, 1000));
    assert_true(is_revoked(&revocations, "c d before x", NULL, 5));
    assert_false(is_revoked(&revocations, "t-1", "a", 5)); /* the kinds are apart */
    assert_false(revocations_hold(&revocations, NULL));
    revocations_fini(&revocations);
    static const char *const bad[] = {"token x", "jti", "jti ", "sub \x01", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(revocations_read(&revocations, span_of_text(bad[i]), why, sizeof why));
        revocations_fini(&revocations);
    }
}

static void test_a_written_line_is_read_back(void **state) {
    (void)state;
    const struct revocation all[] = {{REVOKE_ID, span_of_text("t-1"), INT64_MAX},
                                     {REVOKE_SUBJECT, span_of_text("a b"), INT64_MAX},
                                     {REVOKE_SUBJECT, span_of_text("c"), 77}};
    struct revocations revocations = {0};
    struct buffer text;
    buffer_init(&text, 1024);
    for (size_t i = 0; i < 3; i++) {
        revocation_put(&text, &all[i]);
    }
    assert_true(revocations_read(&revocations, buffer_span(&text), why, sizeof why));
    assert_int_equal(revocations.count, 3);
    assert_true(is_revoked(&revocations, "a b", NULL, 5));
    assert_false(is_revoked(&revocations, "c", NULL, 77));
    for (int i = 0; i < 5000; i++) { /* it grows, and nothing is lost */
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        const struct revocation one = {REVOKE_SUBJECT, span_of_text(name), INT64_MAX};
        assert_true(revocations_add(&revocations, &one));
    }
    assert_true(is_revoked(&revocations, "s4999", NULL, 5));
    assert_true(is_revoked(&revocations, "a b", NULL, 5));
    revocations_fini(&revocations);
    buffer_fini(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_kind_of_a_key_is_its_algorithm),
        cmocka_unit_test(test_weak_and_other_keys_are_none),
        cmocka_unit_test(test_json_web_keys),
        cmocka_unit_test(test_an_origin_changes_with_every_byte),
        cmocka_unit_test(test_api_keys_are_found_by_their_hash),
        cmocka_unit_test(test_mistakes_are_told_by_line),
        cmocka_unit_test(test_revocations),
        cmocka_unit_test(test_a_written_line_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
