/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Credentials that are no longer good although nothing about them is wrong: single tokens by their `jti`, and all of a subject, or those
 * issued to it before a moment. From a file of lines
 *
 *     jti 6f1c…
 *     sub till-7
 *     sub till-7 before 1795000000
 *
 * and from calls, which append to that file. Not thread-safe: access.c has the mutex.
 */
#ifndef NET_REVOCATIONS_H
#define NET_REVOCATIONS_H

#include "broker/core/rights.h"

#define REVOCATIONS_MAX 100000

enum revocation_kind {
    REVOKE_ID,      /* `jti` */
    REVOKE_SUBJECT, /* `sub` */
};

struct revocation {
    enum revocation_kind kind;
    struct span value;
    int64_t before_s; /* INT64_MAX: whenever it was issued */
};

struct revocations {
    struct revocation_slot *slots; /* hashed, open addressing */
    size_t capacity;
    size_t count;
};

/* False: no memory, or as many as there may be. One that is known is widened. */
bool revocations_add(struct revocations *revocations, const struct revocation *revocation);

/* Adds what a file holds. False, with the line and the reason in `why`. */
bool revocations_read(struct revocations *revocations, struct span text, char *why, size_t why_bytes);
void revocations_fini(struct revocations *revocations);

bool revocations_hold(const struct revocations *revocations, const struct rights *rights);

/* The line of a file that means it. */
void revocation_put(struct buffer *out, const struct revocation *revocation);

/* NULL, or why it cannot be one: empty, too long, blanks. */
const char *revocation_fault(const struct revocation *revocation);

#endif
