/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/secure.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>

#define VALID_S (24 * 3600)

/* ---- the load's end ---- */

static SSL *ssl_of(struct secure *secure) {
    return (SSL *)(void *)secure;
}

static SSL_CTX *context(void) {
    static SSL_CTX *made;
    if (made == NULL && (made = SSL_CTX_new(TLS_client_method())) != NULL) {
        SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_options(made, SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION);
        SSL_CTX_set_ciphersuites(made, "TLS_AES_256_GCM_SHA384");
    }
    return made;
}

struct secure *secure_open(int fd) {
    SSL *ssl = context() != NULL ? SSL_new(context()) : NULL;
    if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl != NULL) {
        SSL_set_connect_state(ssl);
    }
    return (struct secure *)(void *)ssl;
}

void secure_close(struct secure *secure) {
    SSL_free(ssl_of(secure));
}

/* What OpenSSL says of a call that brought nothing, as recv() and send() would. */
static ssize_t outcome(SSL *ssl, int result) {
    const int reason = errno;
    const int error = SSL_get_error(ssl, result);
    if (error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    const bool is_systems = error == SSL_ERROR_SYSCALL && reason != 0 && reason != EAGAIN;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : is_systems ? reason : EPROTO;
    return -1;
}

ssize_t secure_read(struct secure *secure, void *data, size_t bytes) {
    size_t got = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(ssl_of(secure), data, bytes, &got);
    return result == 1 ? (ssize_t)got : outcome(ssl_of(secure), result);
}

ssize_t secure_write(struct secure *secure, const void *data, size_t bytes) {
    size_t sent = 0;
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(ssl_of(secure), data, bytes, &sent);
    return result == 1 ? (ssize_t)sent : outcome(ssl_of(secure), result);
}

bool secure_has_pending(const struct secure *secure) {
    return SSL_pending((const SSL *)(const void *)secure) > 0;
}

bool secure_waits_for_peer(const struct secure *secure) {
    return SSL_want((const SSL *)(const void *)secure) == SSL_READING;
}

/* ---- a certificate ---- */

static bool sign(X509 *certificate, EVP_PKEY *key) {
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) != NULL && X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static FILE *open_file(const char *directory, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return fopen(path, "w");
}

static bool write_files(const char *directory, X509 *certificate, EVP_PKEY *key) {
    FILE *file = open_file(directory, "cert.pem");
    bool written = file != NULL && PEM_write_X509(file, certificate) == 1;
    written = file != NULL && fclose(file) == 0 && written;
    file = open_file(directory, "key.pem");
    written = file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && written;
    return file != NULL && fclose(file) == 0 && written;
}

bool secure_make_certificate(const char *directory) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool made = key != NULL && certificate != NULL && sign(certificate, key) && write_files(directory, certificate, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
}
