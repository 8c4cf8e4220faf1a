/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * TLS without a socket: bytes of the peer go in, bytes for it come out, and on the other side plain bytes. Whoever has the socket moves
 * them. The peer's certificate is checked, and that it is the host's, unless the user said in so many words that it shall not be.
 * One thread.
 */
#ifndef CLIENT_SECURE_H
#define CLIENT_SECURE_H

#include <stdbool.h>

#include "proto/buffer.h"

struct secure;         /* one connection */
struct secure_context; /* what connections of one client have in common */

struct secure_options {
    const char *ca_file;     /* PEM; NULL: the certificates that the system trusts */
    const char *certificate; /* PEM, ours, for a broker that asks for one; NULL: none */
    const char *key;         /* its private key; NULL: in the same file */
    bool insecure;           /* talk to anybody who answers, for trying out */
};

/* NULL, with *detail a static text or one of OpenSSL's, if a file cannot be used. */
struct secure_context *secure_context_create(const struct secure_options *options, const char **detail);
void secure_context_destroy(struct secure_context *context); /* NULL is fine; connections may outlive it */

/* NULL without memory. `host` is what the certificate must be for. */
struct secure *secure_create(struct secure_context *context, const char *host);
void secure_destroy(struct secure *secure); /* NULL is fine */

/* From the peer. False without memory. */
bool secure_feed(struct secure *secure, struct span bytes);

enum secure_step {
    SECURE_PLAIN, /* *got bytes */
    SECURE_MORE,  /* nothing before more comes from the peer */
    SECURE_END,   /* the peer has said that this was all */
    SECURE_FAULT, /* secure_fault says what */
};

/* Goes on with the handshake, then gives plain bytes. To be called until it is not SECURE_PLAIN; there may be output after it. */
enum secure_step secure_read(struct secure *secure, void *data, size_t bytes, size_t *got);

/* The handshake is done: secure_write may be called. */
bool secure_is_open(const struct secure *secure);
bool secure_write(struct secure *secure, struct span bytes);

/* Says that we send no more. */
void secure_end(struct secure *secure);

/* Moves what is to be sent to the end of `to`. */
void secure_output(struct secure *secure, struct buffer *to);

const char *secure_fault(const struct secure *secure);

#endif
