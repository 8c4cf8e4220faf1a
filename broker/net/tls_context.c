/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/tls_context.h"

#include "broker/net/config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define TICKET_LIFE_S 3600
#define CLIENT_CHAIN_BYTES_MAX 16384 /* of certificates a client shows; OpenSSL keeps them in memory while it reads them */
#define CLIENT_CHAIN_DEPTH_MAX 4

/* The first reason that OpenSSL noted, which is the one that names the file's fault. */
static bool fail(char *why, size_t why_bytes, const char *what, const char *path) {
    unsigned long error = ERR_get_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    snprintf(why, why_bytes, "%s '%s': %s", what, path, reason != NULL ? reason : "cannot be read");
    ERR_clear_error();
    return false;
}

/* A key that is locked with a password would make OpenSSL ask the terminal. */
static int refuse_password(char *text, int bytes, int writing, void *user) {
    (void)text;
    (void)bytes;
    (void)writing;
    (void)user;
    return -1;
}

/* RFC 7301 section 3.2: who offers protocols, and not ours, is told so. Who offers none speaks HTTP/1.1. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes, const unsigned char *offered,
                           unsigned int offered_bytes, void *user) {
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *found;
    (void)ssl;
    (void)user;
    if (SSL_select_next_proto(&found, chosen_bytes, ours, sizeof ours - 1, offered, offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static void set_rules(SSL_CTX *ctx, const struct config *config) {
    SSL_CTX_set_min_proto_version(ctx, strcmp(config->tls_min_version, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    /* An idle connection holds no buffers. A record that is half sent is continued from wherever the owner keeps its bytes. A read that met
       no data of the application returns, so that a flood of anything else does not keep the loop in one connection. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"ahora", 5);
    SSL_CTX_set_timeout(ctx, TICKET_LIFE_S);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, refuse_password);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

static bool load_certificate(SSL_CTX *ctx, const struct config *config, char *why, size_t why_bytes) {
    if (SSL_CTX_use_certificate_chain_file(ctx, config->tls_certificate) != 1) {
        return fail(why, why_bytes, "tls.certificate", config->tls_certificate);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, config->tls_key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        return fail(why, why_bytes, "tls.key", config->tls_key);
    }
    if (X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx))) < 0) {
        snprintf(why, why_bytes, "tls.certificate '%s': it has expired", config->tls_certificate);
        return false;
    }
    return true;
}

static bool load_client_ca(SSL_CTX *ctx, const struct config *config, char *why, size_t why_bytes) {
    if (config->tls_client_ca[0] == '\0') {
        return true;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(config->tls_client_ca);
    if (names == NULL || SSL_CTX_load_verify_file(ctx, config->tls_client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(why, why_bytes, "tls.client_ca", config->tls_client_ca);
    }
    bool required = strcmp(config->tls_client_certificates, "required") == 0;
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    SSL_CTX_set_verify_depth(ctx, CLIENT_CHAIN_DEPTH_MAX);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_BYTES_MAX);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    return true;
}

/* A list that is out of date would turn everybody away: better to hear it at the start, and at a reload, than from those at the door. */
static bool add_crl(SSL_CTX *ctx, X509_CRL *crl, const struct config *config, char *why, size_t why_bytes) {
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    if (next != NULL && X509_cmp_current_time(next) < 0) {
        snprintf(why, why_bytes, "tls.client_crl '%s': it is out of date", config->tls_client_crl);
        return false;
    }
    return X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx), crl) == 1 ||
           fail(why, why_bytes, "tls.client_crl", config->tls_client_crl);
}

static bool load_client_crl(SSL_CTX *ctx, const struct config *config, char *why, size_t why_bytes) {
    X509_CRL *crl;
    bool fine = true;
    int count = 0;
    if (config->tls_client_crl[0] == '\0') {
        return true;
    }
    if (config->tls_client_ca[0] == '\0') {
        snprintf(why, why_bytes, "tls.client_crl: there is no tls.client_ca");
        return false;
    }
    BIO *file = BIO_new_file(config->tls_client_crl, "r");
    while (file != NULL && fine && (crl = PEM_read_bio_X509_CRL(file, NULL, refuse_password, NULL)) != NULL) {
        fine = add_crl(ctx, crl, config, why, why_bytes);
        X509_CRL_free(crl);
        count++;
    }
    BIO_free(file);
    if (fine && (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)) { /* which is how the file ends */
        return fail(why, why_bytes, "tls.client_crl", config->tls_client_crl);
    }
    ERR_clear_error();
    return fine && X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
}

static int64_t expiry_of(const SSL_CTX *ctx) {
    struct tm utc;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)), &utc) != 1) {
        return 0;
    }
    return (int64_t)timegm(&utc);
}

void tls_context_init(struct tls_context *context) {
    memset(context, 0, sizeof *context);
    pthread_mutex_init(&context->mutex, NULL);
}

void tls_context_fini(struct tls_context *context) {
    SSL_CTX_free(context->current);
    context->current = NULL;
    pthread_mutex_destroy(&context->mutex);
}

bool tls_context_load(struct tls_context *context, const struct config *config, char *why, size_t why_bytes) {
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        return fail(why, why_bytes, "tls", "OpenSSL");
    }
    set_rules(ctx, config);
    if (!load_certificate(ctx, config, why, why_bytes) || !load_client_ca(ctx, config, why, why_bytes) ||
        !load_client_crl(ctx, config, why, why_bytes)) {
        SSL_CTX_free(ctx);
        return false;
    }
    pthread_mutex_lock(&context->mutex);
    SSL_CTX *before = context->current;
    context->current = ctx;
    context->expires_s = expiry_of(ctx);
    atomic_fetch_add(&context->generation, 1);
    pthread_mutex_unlock(&context->mutex);
    SSL_CTX_free(before); /* connections hold it as long as they need it */
    return true;
}

struct ssl_st *tls_context_open(struct tls_context *context) {
    pthread_mutex_lock(&context->mutex);
    SSL *ssl = SSL_new(context->current);
    pthread_mutex_unlock(&context->mutex);
    return ssl;
}

uint_fast64_t tls_context_generation(const struct tls_context *context) {
    return atomic_load_explicit(&context->generation, memory_order_acquire);
}

bool tls_context_made(struct tls_context *context, const struct ssl_st *ssl) {
    pthread_mutex_lock(&context->mutex);
    const bool is_newest = SSL_get_SSL_CTX(ssl) == context->current;
    pthread_mutex_unlock(&context->mutex);
    return is_newest;
}

static bool holds(SSL_CTX *ctx, X509 *certificate, STACK_OF(X509) * others) {
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    const bool good = check != NULL && X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ctx), certificate, others) == 1 &&
                      X509_STORE_CTX_set_default(check, "ssl_client") == 1 &&
                      X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(check), SSL_CTX_get0_param(ctx)) == 1 &&
                      X509_verify_cert(check) == 1;
    X509_STORE_CTX_free(check);
    ERR_clear_error();
    return good;
}

bool tls_context_vouches(struct tls_context *context, struct ssl_st *ssl) {
    pthread_mutex_lock(&context->mutex);
    SSL_CTX *ctx = context->current;
    SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&context->mutex);
    const bool good = holds(ctx, SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl));
    SSL_CTX_free(ctx);
    return good;
}

int64_t tls_context_expires_s(struct tls_context *context) {
    pthread_mutex_lock(&context->mutex);
    int64_t expires_s = context->expires_s;
    pthread_mutex_unlock(&context->mutex);
    return expires_s;
}
