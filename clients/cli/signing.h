/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Keys in files, and tokens signed and verified with them, for `ahora token`. The file's name says which: KID.hs256 (a secret), KID.rs256.pem,
   KID.es256.pem or KID.pem (a private key to sign with, a public or private one to verify with). */
#ifndef CLI_SIGNING_H
#define CLI_SIGNING_H

#include "proto/jws.h"

struct signing_key {
    char kid[JWS_KID_BYTES_MAX + 1];
    enum jws_alg alg;
    bool is_private;
    struct buffer bytes; /* the secret, or PEM */
};

/* NULL, or what is wrong. signing_key_fini in any case. */
const char *signing_key_read(struct signing_key *key, const char *path);
void signing_key_fini(struct signing_key *key); /* wipes it */

/* Appends the token of those claims, a JSON text. NULL, or what is wrong. */
const char *signing_sign(const struct signing_key *key, const char *claims, struct buffer *token);

bool signing_verify(const struct signing_key *key, struct span token, const struct jws *jws);

/* Random bytes, and the SHA-256 of some. False: the system has none. */
bool signing_random(uint8_t *bytes, size_t count);
bool signing_digest(struct span bytes, uint8_t digest[32]);

#endif
