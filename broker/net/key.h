/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A key that tokens are verified with. Its algorithm is fixed when it is read, by the name of its file or by the JWK, and never taken from
 * a token (RFC 8725 section 3.1). Weak keys are refused: HS256 with less than 32 bytes, RSA with less than 2,048 bits, curves other than P-256.
 * Constant once read.
 */
#ifndef NET_KEY_H
#define NET_KEY_H

#include "proto/jws.h"

struct key {
    char kid[JWS_KID_BYTES_MAX + 1];
    enum jws_alg alg;
    uint64_t origin;            /* of rights that it vouches for: changes with every byte of it */
    struct buffer secret;       /* HS256: the secret; else the public key as PEM */
    struct evp_pkey_st *public; /* the same, parsed; NULL: HS256. Threads verify with it side by side */
};

/* `text` is what a file holds: for HS256 the secret (one line end behind it does not count), else a PEM public key. JWS_NONE: by the kind of
   PEM key. False, with the reason in `why`; key_fini in any case. */
bool key_read(struct key *key, struct span kid, enum jws_alg alg, struct span text, char *why, size_t why_bytes);

/* A packed JSON Web Key (RFC 7517): oct, RSA, or EC on P-256. */
bool key_read_jwk(struct key *key, struct span jwk, char *why, size_t why_bytes);
void key_fini(struct key *key); /* wipes it */

/* Is that the key's signature? */
bool key_verifies(const struct key *key, struct span token, const struct jws *jws);

/* The first 8 bytes of the SHA-256 of what is given; never 0. */
uint64_t key_fingerprint(const char *what, struct span bytes);

#endif
