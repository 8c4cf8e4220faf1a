/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The client's TLS against a server that means harm, OpenSSL in memory on both sides. */
#include "clients/c/secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

struct server {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
};

/* ---- a server ---- */

static void certify(SSL_CTX *ctx) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void server_init(struct server *server) {
    server->ctx = SSL_CTX_new(TLS_server_method());
    certify(server->ctx);
    server->ssl = SSL_new(server->ctx);
    server->in = BIO_new(BIO_s_mem());
    server->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(server->in, -1);
    SSL_set_bio(server->ssl, server->in, server->out);
    SSL_set_accept_state(server->ssl);
}

static void server_fini(struct server *server) {
    SSL_free(server->ssl);
    SSL_CTX_free(server->ctx);
}

/* ---- the wire between them ---- */

static void carry_up(struct server *server, struct secure *secure) {
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    secure_output(secure, &bytes);
    if (bytes.bytes > 0) {
        assert_int_equal(BIO_write(server->in, bytes.data, (int)bytes.bytes), bytes.bytes);
    }
    buffer_fini(&bytes);
}

static void carry_down(struct server *server, struct secure *secure) {
    char block[16384];
    for (int got; (got = BIO_read(server->out, block, sizeof block)) > 0;) {
        assert_true(secure_feed(secure, span_of(block, (size_t)got)));
    }
}

static enum secure_step read_all(struct secure *secure, size_t *bytes) {
    char block[16384];
    size_t got = 0;
    enum secure_step step;
    while ((step = secure_read(secure, block, sizeof block, &got)) == SECURE_PLAIN) {
        *bytes += got;
    }
    return step;
}

static struct secure *meet(struct server *server, struct secure_context **context) {
    const char *detail;
    size_t none = 0;
    const struct secure_options options = {.insecure = true};
    server_init(server);
    *context = secure_context_create(&options, &detail);
    assert_non_null(*context);
    struct secure *secure = secure_create(*context, "localhost");
    assert_non_null(secure);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(server->ssl) && secure_is_open(secure)); i++) {
        assert_int_equal(read_all(secure, &none), SECURE_MORE);
        carry_up(server, secure);
        (void)SSL_do_handshake(server->ssl);
        carry_down(server, secure);
    }
    assert_true(secure_is_open(secure));
    return secure;
}

static void part(struct server *server, struct secure *secure, struct secure_context *context) {
    secure_destroy(secure);
    secure_context_destroy(context);
    server_fini(server);
}

/* ---- cases ---- */

/* Each asks for an answer. In one call, as they would come in one read of the socket. */
static void a_flood_of_key_updates_is_ended_and_not_answered_for_long(void **state) {
    (void)state;
    struct server server;
    struct secure_context *context;
    struct buffer answers;
    size_t plain = 0;
    struct secure *secure = meet(&server, &context);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(SSL_key_update(server.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(server.ssl), 1);
    }
    carry_down(&server, secure);
    assert_int_equal(read_all(secure, &plain), SECURE_FAULT);
    assert_string_equal(secure_fault(secure), "TLS: too many records without data");
    buffer_init(&answers, 1 << 20);
    secure_output(secure, &answers);
    assert_true(answers.bytes <= 64 * 64); /* 27 bytes each */
    buffer_fini(&answers);
    part(&server, secure, context);
}

static void key_updates_among_data_go_on_for_ever(void **state) {
    (void)state;
    static char data[65536];
    struct server server;
    struct secure_context *context;
    size_t plain = 0;
    struct secure *secure = meet(&server, &context);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(SSL_key_update(server.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(server.ssl, data, sizeof data), sizeof data);
        carry_down(&server, secure);
        assert_int_equal(read_all(secure, &plain), SECURE_MORE);
        carry_up(&server, secure);
        assert_true(SSL_read(server.ssl, data, 1) <= 0); /* the answers */
    }
    assert_int_equal(plain, 300 * sizeof data);
    part(&server, secure, context);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_flood_of_key_updates_is_ended_and_not_answered_for_long),
        cmocka_unit_test(key_updates_among_data_go_on_for_ever),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
