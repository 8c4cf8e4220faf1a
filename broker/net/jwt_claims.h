/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A token: its shape, its key, its signature, its claims, in that order, and the rights it gives. Every reason to refuse one is counted
 * apart and told to nobody: whoever shows a bad token learns that it is not valid. Pure but for the library behind key.h.
 */
#ifndef NET_JWT_CLAIMS_H
#define NET_JWT_CLAIMS_H

#include "broker/core/rights.h"
#include "broker/net/credentials.h"

/* Why credentials were refused; `label` of the metric. */
enum refusal {
    REFUSAL_NONE,
    REFUSAL_TOO_LONG,
    REFUSAL_SHAPE,     /* not three parts of base64url, or no JSON objects */
    REFUSAL_HEADER,    /* an algorithm that is none of ours, `crit`, … */
    REFUSAL_KEY,       /* no key of that name */
    REFUSAL_ALGORITHM, /* not that of the key */
    REFUSAL_SIGNATURE,
    REFUSAL_TIME, /* `exp`, `nbf` or `iat` missing or malformed */
    REFUSAL_EXPIRED,
    REFUSAL_EARLY,
    REFUSAL_ISSUER,
    REFUSAL_AUDIENCE,
    REFUSAL_CLAIMS, /* the subject, or what `ahora` says */
    REFUSAL_REVOKED,
    REFUSAL_API_KEY, /* none of ours */
    REFUSAL_SCHEME,  /* an Authorization that is not one Bearer */
    REFUSAL_MISSING, /* none were shown, and nobody may be anonymous */
    REFUSAL_MEMORY,
    REFUSAL_BUSY, /* not judged: too many wait for that */
    REFUSALS,
};

const char *refusal_name(enum refusal refusal);

/* What tokens must say besides. */
struct jwt_policy {
    const char *issuer;   /* empty: any */
    const char *audience; /* empty: the token must have none */
    int64_t skew_ms;
    size_t bytes_max;
};

/* On REFUSAL_NONE *rights is counted. */
enum refusal jwt_judge(const struct credentials *credentials, const struct jwt_policy *policy, int64_t now_ms,
                       struct span token, struct rights **rights);

#endif
