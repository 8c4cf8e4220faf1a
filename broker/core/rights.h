/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Rights: who somebody is and what they may see and write (docs/access.md). Made once from what a token, a key or the configuration says,
 * then constant. Counted without atomics: a rights object belongs to one thread, that of the session or connection it was made for.
 *
 * NULL stands for open access: everything is allowed.
 *
 * A subscription must lie inside the granted patterns. That is decided by the patterns alone (rights_cover), never by looking at what is
 * delivered. Kinds marked private are covered only by a pattern whose first segment names them. Pure.
 */
#ifndef CORE_RIGHTS_H
#define CORE_RIGHTS_H

#include "broker/core/kinds.h"
#include "broker/core/where.h"
#include "proto/message.h"
#include "proto/name.h"

/* A principal is part of every idempotency key, which has 255 bytes with it. */
#define RIGHTS_PRINCIPAL_BYTES_MAX 128
#define RIGHTS_ID_BYTES_MAX 128
#define RIGHTS_PATTERNS_MAX 256 /* of `sub`, and of `pub`, with their claims filled in */
#define RIGHTS_SOURCES_MAX 64

/* The principal of everybody who shows nothing. */
#define RIGHTS_ANONYMOUS "anonymous"

struct grant;

struct rights {
    uint32_t refs;
    uint32_t sub_count;
    uint32_t pub_count;
    uint32_t source_count;
    const struct grant *subs;
    const struct grant *pubs;
    const struct span *sources; /* names, or prefixes that end in a star */
    struct span mask;           /* what is shown of documents (mask.h); data NULL: everything */
    unsigned ops;               /* bits of enum change_op */
    int64_t every_ms;           /* not more often */
    int64_t max_subs;           /* -1: as many as any session */
    int64_t expires_ms;         /* wall clock; INT64_MAX: never */
    int64_t issued_s;           /* Unix seconds; -1: not known */
    uint64_t origin;            /* what vouches for it: the caller's */
    bool admin;
    bool figures; /* may see what the broker counts, where that takes a right */
    bool is_anonymous;
    struct span id; /* `jti`; data NULL: none */
    char principal[RIGHTS_PRINCIPAL_BYTES_MAX + 1];
};

/* What they are made of. */
struct rights_claims {
    struct span principal; /* 1 to RIGHTS_PRINCIPAL_BYTES_MAX bytes */
    struct span id;        /* data NULL: none */
    struct span
        ahora; /* packed map {sub, pub, ops, fields, every_ms, max_subs, source, admin, figures}; data NULL: no rights at all */
    struct span claims; /* packed map that `{name}` in patterns stands for; data NULL: none but {sub} */
    int64_t expires_ms;
    int64_t issued_s;
    uint64_t origin;
};

/* AHORA_OK, AHORA_UNAUTHORIZED with *fault (static text, for the log), AHORA_OVERLOADED. */
enum ahora_code rights_create(const struct rights_claims *claims, struct rights **rights, const char **fault);
struct rights *rights_ref(struct rights *rights); /* NULL is fine, here and below */
void rights_unref(struct rights *rights);

const char *rights_principal(const struct rights *rights);

/* May every topic that the pattern can ever select be read? */
bool rights_cover(const struct rights *rights, const struct kinds *kinds, const struct name *pattern);

/* Is anything of the broker's own topics granted? Else nobody need be asked for them. */
bool rights_touch_demand(const struct rights *rights);

/* May the topic be written so? */
bool rights_allow_change(const struct rights *rights, const struct kinds *kinds, const struct name *topic, enum change_op op);

/* Sets bit i for each change i of the packed list that is not allowed; malformed ones are left to others. True: there is one. `denied` has
   RIGHTS_DENIED_BYTES. */
#define RIGHTS_DENIED_BYTES ((AHORA_CHANGES_MAX + 7) / 8)
bool rights_deny_changes(const struct rights *rights, const struct kinds *kinds, struct span changes, uint32_t count,
                         uint8_t *denied);
static inline bool rights_is_denied(const uint8_t *denied, uint32_t index) {
    return denied != NULL && (denied[index / 8] >> (index % 8) & 1) != 0;
}

/* Is there anything that it may change? NULL: open access. */
static inline bool rights_may_publish(const struct rights *rights) {
    return rights == NULL || rights->pub_count > 0;
}

/* May a session speak for that source? Its own name, that name with ':' and anything behind it, and what `source` grants. */
bool rights_allow_source(const struct rights *rights, struct span source);

/* May documents of these patterns be chosen by that condition, or by where they are? Only by what is shown. */
bool rights_show_where(const struct rights *rights, const struct where *where);
bool rights_show_place(const struct rights *rights, const struct kinds *kinds, const struct name *pattern);

#endif
