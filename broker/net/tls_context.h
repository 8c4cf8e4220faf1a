/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What all TLS connections have in common: certificate, key, whose certificates clients may show, versions and ciphers; made of [tls] in the
 * configuration, and made anew by SIGHUP. One for all shards. A connection holds on to what was in force when its handshake
 * began, but for whose certificates are good (tls_clients.h); a new one that does not load changes nothing.
 *
 *   TLS 1.2 with forward secrecy and authenticated encryption, or TLS 1.3; no compression, no renegotiation, no early data; ALPN http/1.1.
 *   No session cache. Tickets are stateless, live an hour and end with a reload; there are none where clients show certificates,
 *   because a resumed session would not show one again.
 */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;     /* and SSL */

struct tls_context {
    pthread_mutex_t mutex; /* all shards begin handshakes */
    struct ssl_ctx_st *current;
    atomic_uint_fast64_t generation;
    int64_t expires_s; /* the certificate in force, seconds since 1970 */
};

void tls_context_init(struct tls_context *context);
void tls_context_fini(struct tls_context *context);

/* Reads the files. False with the reason in `why`: what was in force stays. */
bool tls_context_load(struct tls_context *context, const struct config *config, char *why, size_t why_bytes);

/* For one connection, on any thread. NULL: no memory. */
struct ssl_st *tls_context_open(struct tls_context *context);

/* Was it made of what is newest? */
bool tls_context_made(struct tls_context *context, const struct ssl_st *ssl);

/* Would the certificate that this peer has shown let it in today, by the newest authorities and lists? */
bool tls_context_vouches(struct tls_context *context, struct ssl_st *ssl);

/* How often the files were read. Any thread. */
uint_fast64_t tls_context_generation(const struct tls_context *context);

int64_t tls_context_expires_s(struct tls_context *context);

#endif
