/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Signed tokens (JWT, RFC 7519) as text, before anybody looks at the signature: three parts of strict base64url, of which the first two are
 * JSON objects without repeated names, no deeper and no longer than they need be. What is let through here has one reading only, so that
 * the library which checks the signature, and we who read the claims, cannot differ about it. Pure functions; no keys, no clock.
 *
 * Names in the header that point to keys (jku, jwk, x5u, x5c) mean nothing here: keys come from the configuration.
 */
#ifndef PROTO_JWS_H
#define PROTO_JWS_H

#include "proto/buffer.h"

#define JWS_BYTES_MAX 16384 /* the configuration may only lower it */
#define JWS_KID_BYTES_MAX 128
#define JWS_DEPTH_MAX 6 /* claims: a list in a map in a map is 3 */

enum jws_alg {
    JWS_NONE, /* not one of ours */
    JWS_HS256,
    JWS_RS256,
    JWS_ES256,
    JWS_ALGS,
};

const char *jws_alg_name(enum jws_alg alg);   /* "HS256"; "none" for JWS_NONE */
enum jws_alg jws_alg_parse(struct span name); /* exactly so written */

enum jws_fault {
    JWS_FINE = 0,
    JWS_TOO_LONG,
    JWS_BAD_SHAPE, /* not three parts of base64url, or a part that is no JSON object */
    JWS_BAD_HEADER, /* an algorithm that is none of ours, a `typ` other than JWT and at+jwt, `crit`, and what else we do not understand */
};

/* The buffers own what the rest points into. */
struct jws {
    struct buffer header; /* packed map */
    struct buffer claims; /* packed map */
    struct buffer signature;
    enum jws_alg alg; /* that the token says it has: it must be that of the key */
    struct span kid;  /* data NULL: none */
};

/* jws_fini in any case. */
enum jws_fault jws_read(struct span token, size_t bytes_max, struct jws *jws);
void jws_fini(struct jws *jws);

#endif
