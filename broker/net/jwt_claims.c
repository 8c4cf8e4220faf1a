/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/jwt_claims.h"

#include <string.h>

#include "proto/pack.h"

static const char *const names[REFUSALS] = {
    [REFUSAL_NONE] = "none",           [REFUSAL_TOO_LONG] = "too_long", [REFUSAL_SHAPE] = "shape",
    [REFUSAL_HEADER] = "header",       [REFUSAL_KEY] = "key",           [REFUSAL_ALGORITHM] = "algorithm",
    [REFUSAL_SIGNATURE] = "signature", [REFUSAL_TIME] = "time",         [REFUSAL_EXPIRED] = "expired",
    [REFUSAL_EARLY] = "early",         [REFUSAL_ISSUER] = "issuer",     [REFUSAL_AUDIENCE] = "audience",
    [REFUSAL_CLAIMS] = "claims",       [REFUSAL_REVOKED] = "revoked",   [REFUSAL_API_KEY] = "api_key",
    [REFUSAL_SCHEME] = "scheme",       [REFUSAL_MISSING] = "missing",   [REFUSAL_MEMORY] = "memory",
    [REFUSAL_BUSY] = "busy",
};

const char *refusal_name(enum refusal refusal) {
    return names[refusal];
}

/* ---- times ---- */

struct times {
    int64_t exp_s;
    int64_t nbf_s; /* -1: none */
    int64_t iat_s; /* -1: none */
};

/* Whole seconds, as every maker of tokens writes them. False: something else. *seconds stays if there is none. */
static bool read_seconds(struct span claims, const char *name, int64_t *seconds) {
    const struct span value = pack_find(claims, name);
    struct pack_reader reader = pack_reader_of(value);
    if (value.bytes == 0) {
        return true;
    }
    if (pack_peek(&reader) != PACK_INT) {
        return false;
    }
    *seconds = pack_read_int(&reader);
    return *seconds >= 0 && *seconds <= AHORA_SEQ_MAX / 1000;
}

static enum refusal check_times(struct span claims, int64_t now_ms, int64_t skew_ms, struct times *times) {
    *times = (struct times){-1, -1, -1};
    if (!read_seconds(claims, "exp", &times->exp_s) || !read_seconds(claims, "nbf", &times->nbf_s) ||
        !read_seconds(claims, "iat", &times->iat_s) || times->exp_s < 0) {
        return REFUSAL_TIME;
    }
    if (now_ms >= times->exp_s * 1000 + skew_ms) {
        return REFUSAL_EXPIRED;
    }
    return now_ms + skew_ms < times->nbf_s * 1000 || now_ms + skew_ms < times->iat_s * 1000 ? REFUSAL_EARLY : REFUSAL_NONE;
}

/* ---- who made it, and for whom ---- */

static bool is_issuer(struct span claims, const char *wanted) {
    const struct span value = pack_find(claims, "iss");
    struct pack_reader reader = pack_reader_of(value);
    if (value.bytes == 0) {
        return wanted[0] == '\0';
    }
    return pack_peek(&reader) == PACK_TEXT && (wanted[0] == '\0' || span_is(pack_read_text(&reader), wanted));
}

/* A token that is meant for somebody is not for one who has no name (RFC 7519 section 4.1.3). */
static bool is_audience(struct span claims, const char *wanted) {
    const struct span value = pack_find(claims, "aud");
    struct pack_reader reader = pack_reader_of(value);
    if (value.bytes == 0 || wanted[0] == '\0') {
        return value.bytes == 0 && wanted[0] == '\0';
    }
    uint32_t left = 1;
    if (pack_peek(&reader) == PACK_LIST) {
        left = pack_read_list(&reader);
    }
    bool found = false;
    for (; left > 0; left--) {
        if (pack_peek(&reader) != PACK_TEXT) {
            return false;
        }
        found |= span_is(pack_read_text(&reader), wanted);
    }
    return found;
}

/* ---- rights ---- */

/* A name that may stand in a line of a log. */
static bool is_printable(struct span text) {
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static enum refusal make_rights(struct span map, const struct times *times, int64_t now_ms, int64_t skew_ms, uint64_t origin,
                                struct rights **rights) {
    const int64_t exp_ms = times->exp_s * 1000;
    const char *fault;
    struct rights_claims claims = {
        .claims = map,
        .ahora = pack_find(map, "ahora"),
        .expires_ms = now_ms < exp_ms ? exp_ms : exp_ms + skew_ms, /* whoever is let in late has the rest of the skew */
        .issued_s = times->iat_s,
        .origin = origin,
    };
    if (!pack_find_text(map, "sub", &claims.principal) || !pack_find_text(map, "jti", &claims.id) ||
        span_is(claims.principal, RIGHTS_ANONYMOUS) || !is_printable(claims.principal)) {
        return REFUSAL_CLAIMS;
    }
    switch (rights_create(&claims, rights, &fault)) {
    case AHORA_OK:
        return REFUSAL_NONE;
    case AHORA_OVERLOADED:
        return REFUSAL_MEMORY;
    default:
        return REFUSAL_CLAIMS;
    }
}

static enum refusal judge_read(const struct credentials *credentials, const struct jwt_policy *policy, int64_t now_ms,
                               struct span token, const struct jws *jws, struct rights **rights) {
    const struct key *key = credentials_find_key(credentials, jws->kid);
    const struct span claims = buffer_span(&jws->claims);
    struct times times;
    if (key == NULL) {
        return REFUSAL_KEY;
    }
    if (jws->alg != key->alg) {
        return REFUSAL_ALGORITHM;
    }
    if (!key_verifies(key, token, jws)) {
        return REFUSAL_SIGNATURE;
    }
    const enum refusal refusal = check_times(claims, now_ms, policy->skew_ms, &times);
    if (refusal != REFUSAL_NONE) {
        return refusal;
    }
    if (!is_issuer(claims, policy->issuer)) {
        return REFUSAL_ISSUER;
    }
    if (!is_audience(claims, policy->audience)) {
        return REFUSAL_AUDIENCE;
    }
    return make_rights(claims, &times, now_ms, policy->skew_ms, key->origin, rights);
}

enum refusal jwt_judge(const struct credentials *credentials, const struct jwt_policy *policy, int64_t now_ms,
                       struct span token, struct rights **rights) {
    static const enum refusal refusals[] = {
        [JWS_FINE] = REFUSAL_NONE,
        [JWS_TOO_LONG] = REFUSAL_TOO_LONG,
        [JWS_BAD_SHAPE] = REFUSAL_SHAPE,
        [JWS_BAD_HEADER] = REFUSAL_HEADER,
    };
    struct jws jws;
    *rights = NULL;
    enum refusal refusal = refusals[jws_read(token, policy->bytes_max, &jws)];
    if (refusal == REFUSAL_NONE) {
        refusal = judge_read(credentials, policy, now_ms, token, &jws, rights);
    }
    jws_fini(&jws);
    return refusal;
}
