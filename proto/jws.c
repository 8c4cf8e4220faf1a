/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/jws.h"

#include <string.h>
#include <strings.h>

#include "proto/base64url.h"
#include "proto/json.h"
#include "proto/pack.h"

#define HEADER_DEPTH_MAX 4 /* an embedded key with a list of certificates is 3 */
#define VALUES_MAX 4096

static const char *const alg_names[JWS_ALGS] = {"none", "HS256", "RS256", "ES256"};

const char *jws_alg_name(enum jws_alg alg) {
    return alg_names[alg];
}

enum jws_alg jws_alg_parse(struct span name) {
    for (int alg = JWS_HS256; alg < JWS_ALGS; alg++) {
        if (span_is(name, alg_names[alg])) {
            return (enum jws_alg)alg;
        }
    }
    return JWS_NONE;
}

/* Two dots, no more. */
static bool split(struct span token, struct span parts[3]) {
    for (int i = 0; i < 3; i++) {
        const uint8_t *dot = token.bytes == 0 ? NULL : memchr(token.data, '.', token.bytes);
        if ((dot == NULL) != (i == 2)) {
            return false;
        }
        parts[i] = span_of(token.data, dot == NULL ? token.bytes : (size_t)(dot - token.data));
        token = dot == NULL ? (struct span){0} : span_of(dot + 1, token.bytes - parts[i].bytes - 1);
    }
    return parts[0].bytes > 0 && parts[1].bytes > 0 && parts[2].bytes > 0;
}

static bool read_object(struct span part, unsigned depth_max, struct buffer *out) {
    struct buffer text;
    const char *detail;
    buffer_init(&text, part.bytes);
    bool fine = base64url_decode(part, &text) &&
                json_to_pack_bounded(buffer_span(&text), depth_max, VALUES_MAX, out, &detail) == AHORA_OK && !out->failed;
    buffer_fini(&text);
    const struct pack_reader reader = pack_reader_of(buffer_span(out));
    return fine && pack_peek(&reader) == PACK_MAP;
}

/* A JWT (RFC 7519), or one that is an access token (RFC 9068 section 2.1); both with and without what RFC 7515 section 4.1.9 lets be left out.
   Tokens that some issuer makes for another purpose, as for logging out or for an event, say so here, and are none for us (RFC 8725
   section 3.11). */
static bool is_jwt(struct span type) {
    static const char *const types[] = {"JWT", "at+jwt", "application/jwt", "application/at+jwt"};
    bool known = type.data == NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0] && !known; i++) {
        known = type.bytes == strlen(types[i]) && strncasecmp((const char *)type.data, types[i], type.bytes) == 0;
    }
    return known;
}

/* `crit` names what must be understood, and we understand none of it; `b64`, `zip`, `enc` and `cty` change what the payload is. */
static bool read_header(struct jws *jws) {
    static const char *const unwanted[] = {"crit", "b64", "zip", "enc", "cty"};
    const struct span header = buffer_span(&jws->header);
    struct span alg;
    struct span type;
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++) {
        if (pack_find(header, unwanted[i]).bytes > 0) {
            return false;
        }
    }
    if (!pack_find_text(header, "alg", &alg) || !pack_find_text(header, "typ", &type) ||
        !pack_find_text(header, "kid", &jws->kid)) {
        return false;
    }
    jws->alg = jws_alg_parse(alg);
    return jws->alg != JWS_NONE && is_jwt(type) &&
           (jws->kid.data == NULL || (jws->kid.bytes > 0 && jws->kid.bytes <= JWS_KID_BYTES_MAX));
}

enum jws_fault jws_read(struct span token, size_t bytes_max, struct jws *jws) {
    struct span parts[3];
    *jws = (struct jws){0};
    if (token.bytes > bytes_max || token.bytes > JWS_BYTES_MAX) {
        return JWS_TOO_LONG;
    }
    buffer_init(&jws->header, 9 * JWS_BYTES_MAX); /* `1.5,` becomes 9 bytes */
    buffer_init(&jws->claims, 9 * JWS_BYTES_MAX);
    buffer_init(&jws->signature, JWS_BYTES_MAX);
    if (!split(token, parts) || !read_object(parts[0], HEADER_DEPTH_MAX, &jws->header)) {
        return JWS_BAD_SHAPE;
    }
    if (!read_header(jws)) {
        return JWS_BAD_HEADER;
    }
    return read_object(parts[1], JWS_DEPTH_MAX, &jws->claims) && base64url_decode(parts[2], &jws->signature) ? JWS_FINE
                                                                                                             : JWS_BAD_SHAPE;
}

void jws_fini(struct jws *jws) {
    buffer_fini(&jws->header);
    buffer_fini(&jws->claims);
    buffer_fini(&jws->signature);
}
