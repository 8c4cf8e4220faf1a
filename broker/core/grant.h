/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A grant: a pattern that somebody may read or write, kept cut for comparison with what is asked for. Rights hold them (rights.h), in one
 * piece with the texts they point into. Pure.
 */
#ifndef CORE_GRANT_H
#define CORE_GRANT_H

#include "broker/core/kinds.h"
#include "proto/name.h"

struct grant {
    const uint8_t *text;
    uint8_t fixed; /* segments, each a literal or a star */
    bool more;     /* and one or more of any behind them */
    uint8_t starts[AHORA_SEGMENTS_MAX];
    uint8_t lengths[AHORA_SEGMENTS_MAX];
};

/* The pattern's grant. `text` is where its text is kept, which outlives the grant. */
struct grant grant_of(const struct name *pattern, const uint8_t *text);

/* Is whatever the pattern can ever select selected by one of them? A star in front stands for every kind there is, of which each must be
   covered; a private one is covered only where it is named. */
bool grants_cover(const struct grant *grants, uint32_t count, const struct kinds *kinds, const struct name *pattern);

/* Does it grant topics of the broker's own? */
static inline bool grant_is_own(const struct grant *grant) {
    return grant->text[grant->starts[0]] == '$';
}

/* Does everything of `pattern` lie in `granted`? Exact on topics. For tests, and for those who explain. */
bool grant_contains(const struct name *granted, const struct name *pattern);

#endif
