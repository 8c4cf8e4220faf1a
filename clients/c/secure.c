/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/secure.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Key updates, tickets, alerts: a broker sends a few. What is beyond costs us and nobody else. */
#define IDLE_RECORDS_MAX 64
#define DATA_FOR_IDLE_RECORD 65536 /* bytes, for one more */

struct secure_context {
    SSL_CTX *ctx;
};

struct secure {
    SSL *ssl;
    BIO *in;               /* the SSL's */
    BIO *out;              /* the SSL's */
    uint64_t read_bytes;   /* of data, and */
    uint64_t idle_records; /* records of anything else, the handshake's included */
    bool is_flooded;       /* too many of those */
    bool is_open;
    char fault[192];
};

static const char *openssl_reason(const char *fallback) {
    unsigned long error = ERR_get_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    ERR_clear_error();
    return reason != NULL ? reason : fallback;
}

/* A key with a password would make OpenSSL ask the terminal. */
static int refuse_password(char *text, int bytes, int writing, void *user) {
    (void)text;
    (void)bytes;
    (void)writing;
    (void)user;
    return -1;
}

static bool load_files(SSL_CTX *ctx, const struct secure_options *options, const char **detail) {
    const char *key = options->key != NULL ? options->key : options->certificate;
    bool trusts = options->ca_file != NULL ? SSL_CTX_load_verify_file(ctx, options->ca_file) == 1
                                           : SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (!trusts) {
        *detail = openssl_reason("the file of trusted certificates cannot be used");
        return false;
    }
    SSL_CTX_set_default_passwd_cb(ctx, refuse_password);
    if (options->certificate != NULL && (SSL_CTX_use_certificate_chain_file(ctx, options->certificate) != 1 ||
                                         SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)) {
        *detail = openssl_reason("our certificate or its key cannot be used");
        return false;
    }
    return true;
}

struct secure_context *secure_context_create(const struct secure_options *options, const char **detail) {
    struct secure_context *context = calloc(1, sizeof(*context));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    *detail = "no memory";
    if (context == NULL || ctx == NULL || !load_files(ctx, options, detail)) {
        SSL_CTX_free(ctx);
        free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x08http/1.1", 9);
    context->ctx = ctx;
    return context;
}

void secure_context_destroy(struct secure_context *context) {
    if (context != NULL) {
        SSL_CTX_free(context->ctx);
        free(context);
    }
}

static bool is_address(const char *host) {
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* RFC 6066 section 3: the server is told names, never addresses. */
static bool set_host(SSL *ssl, const char *host) {
    if (is_address(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    uintptr_t name = (uintptr_t)host; /* OpenSSL's macro takes no const; what it calls copies */
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

/* OpenSSL tells of each record before it looks at it, and goes on by itself until no more is there; it answers each request for new keys. What
   it throws away when it believes that the peer has ended, ends the call. */
static void on_record(int is_written, int version, int type, const void *data, size_t bytes, SSL *ssl, void *user) {
    struct secure *secure = user;
    const bool is_record = type == SSL3_RT_HEADER || type == SSL3_RT_INNER_CONTENT_TYPE;
    (void)version;
    if (is_written || !is_record || bytes == 0 || *(const uint8_t *)data == SSL3_RT_APPLICATION_DATA) {
        return;
    }
    if (++secure->idle_records > IDLE_RECORDS_MAX + secure->read_bytes / DATA_FOR_IDLE_RECORD) {
        secure->is_flooded = true;
        SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
    }
}

struct secure *secure_create(struct secure_context *context, const char *host) {
    struct secure *secure = calloc(1, sizeof(*secure));
    if (secure == NULL) {
        return NULL;
    }
    secure->ssl = SSL_new(context->ctx);
    secure->in = BIO_new(BIO_s_mem());
    secure->out = BIO_new(BIO_s_mem());
    if (secure->ssl == NULL || secure->in == NULL || secure->out == NULL || !set_host(secure->ssl, host)) {
        BIO_free(secure->in);
        BIO_free(secure->out);
        SSL_free(secure->ssl);
        free(secure);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_mem_eof_return(secure->in, -1); /* empty means: not yet */
    SSL_set_bio(secure->ssl, secure->in, secure->out);
    SSL_set_msg_callback(secure->ssl, on_record);
    SSL_set_msg_callback_arg(secure->ssl, secure);
    SSL_set_connect_state(secure->ssl);
    return secure;
}

void secure_destroy(struct secure *secure) {
    if (secure != NULL) {
        SSL_free(secure->ssl);
        free(secure);
    }
}

bool secure_feed(struct secure *secure, struct span bytes) {
    assert(bytes.bytes <= INT32_MAX);
    return BIO_write(secure->in, bytes.data, (int)bytes.bytes) == (int)bytes.bytes;
}

static enum secure_step fail(struct secure *secure) {
    long verdict = SSL_get_verify_result(secure->ssl);
    bool is_unverified = verdict != X509_V_OK && SSL_get_verify_mode(secure->ssl) != SSL_VERIFY_NONE;
    const char *reason = openssl_reason("the other side went away");
    snprintf(secure->fault, sizeof(secure->fault), "TLS: %s%s", is_unverified ? "the certificate is not trusted: " : "",
             is_unverified ? X509_verify_cert_error_string(verdict) : reason);
    return SECURE_FAULT;
}

static enum secure_step outcome_of(struct secure *secure, int result) {
    switch (SSL_get_error(secure->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return SECURE_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return SECURE_END;
    default:
        return fail(secure);
    }
}

static enum secure_step fail_flooded(struct secure *secure) {
    ERR_clear_error();
    snprintf(secure->fault, sizeof(secure->fault), "TLS: too many records without data");
    return SECURE_FAULT;
}

enum secure_step secure_read(struct secure *secure, void *data, size_t bytes, size_t *got) {
    assert(bytes > 0 && bytes <= INT32_MAX);
    ERR_clear_error();
    if (!secure->is_open) {
        int result = SSL_do_handshake(secure->ssl);
        if (result != 1) {
            return secure->is_flooded ? fail_flooded(secure) : outcome_of(secure, result);
        }
        secure->is_open = true;
    }
    int result = SSL_read(secure->ssl, data, (int)bytes);
    *got = result > 0 ? (size_t)result : 0;
    secure->read_bytes += *got;
    if (result <= 0 && secure->is_flooded) {
        return fail_flooded(secure);
    }
    return result > 0 ? SECURE_PLAIN : outcome_of(secure, result);
}

bool secure_is_open(const struct secure *secure) {
    return secure->is_open;
}

/* Into memory it goes whole, or not at all. */
bool secure_write(struct secure *secure, struct span bytes) {
    assert(secure->is_open);
    ERR_clear_error();
    while (bytes.bytes > 0) {
        size_t part = bytes.bytes < (1u << 30) ? bytes.bytes : 1u << 30;
        if (SSL_write(secure->ssl, bytes.data, (int)part) != (int)part) {
            fail(secure);
            return false;
        }
        bytes = span_of(bytes.data + part, bytes.bytes - part);
    }
    return true;
}

void secure_end(struct secure *secure) {
    if (secure->is_open) {
        SSL_shutdown(secure->ssl);
    }
    ERR_clear_error();
}

void secure_output(struct secure *secure, struct buffer *to) {
    char *data;
    long bytes = BIO_get_mem_data(secure->out, &data);
    if (bytes > 0) {
        buffer_put(to, data, (size_t)bytes);
        (void)BIO_reset(secure->out);
    }
}

const char *secure_fault(const struct secure *secure) {
    return secure->fault;
}
