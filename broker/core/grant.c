/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/grant.h"

/*
 * A pattern as `fixed` segments, each a literal or a star, and perhaps one or more of any behind them. What can only mean the same is written
 * the same: a topic has at least two segments, so `**` is a star and more; and at most eight, so a `**` in the eighth place is a star.
 */
struct reach {
    unsigned fixed;
    bool more;
    struct span segments[AHORA_SEGMENTS_MAX];
};

static const struct span star = {(const uint8_t *)"*", 1};

static struct reach reach_of(const struct name *name) {
    struct reach reach = {.fixed = name->deep ? name->count - 1 : name->count, .more = name->deep};
    for (unsigned i = 0; i < reach.fixed; i++) {
        reach.segments[i] = name->segments[i];
    }
    if (reach.more && reach.fixed == 0) {
        reach.segments[reach.fixed++] = star;
    } else if (reach.more && reach.fixed == AHORA_SEGMENTS_MAX - 1) {
        reach.segments[reach.fixed++] = star;
        reach.more = false;
    }
    return reach;
}

static bool is_star(struct span segment) {
    return segment.data[0] == '*';
}

static bool segment_covers(struct span granted, struct span asked, bool is_first) {
    if (is_star(granted)) {
        return !is_first || asked.data[0] != '$'; /* in front a star stands for no topic of the broker's own */
    }
    return span_equal(granted, asked);
}

/* Is whatever `asked` selects selected by `granted`? */
static bool reach_covers(const struct reach *granted, const struct reach *asked) {
    if (granted->more ? asked->fixed < granted->fixed || (asked->fixed == granted->fixed && !asked->more)
                      : asked->more || asked->fixed != granted->fixed) {
        return false;
    }
    for (unsigned i = 0; i < granted->fixed; i++) {
        if (!segment_covers(granted->segments[i], asked->segments[i], i == 0)) {
            return false;
        }
    }
    return true;
}

static struct reach reach_of_grant(const struct grant *grant) {
    struct reach reach = {.fixed = grant->fixed, .more = grant->more};
    for (unsigned i = 0; i < grant->fixed; i++) {
        reach.segments[i] = span_of(grant->text + grant->starts[i], grant->lengths[i]);
    }
    return reach;
}

struct grant grant_of(const struct name *pattern, const uint8_t *text) {
    const struct reach reach = reach_of(pattern);
    struct grant grant = {.text = text, .fixed = (uint8_t)reach.fixed, .more = reach.more};
    for (unsigned i = 0; i < reach.fixed; i++) { /* a star that stands for the `**` is where that is */
        const struct span segment = i < pattern->count ? pattern->segments[i] : pattern->segments[pattern->count - 1];
        grant.starts[i] = (uint8_t)(segment.data - pattern->text.data);
        grant.lengths[i] = (uint8_t)reach.segments[i].bytes;
    }
    return grant;
}

bool grant_contains(const struct name *granted, const struct name *pattern) {
    const struct reach wide = reach_of(granted);
    const struct reach narrow = reach_of(pattern);
    return reach_covers(&wide, &narrow);
}

/* A private kind is covered only where it is named. */
static bool is_covered(const struct grant *grants, uint32_t count, const struct reach *asked, bool is_private) {
    for (uint32_t i = 0; i < count; i++) {
        const struct reach granted = reach_of_grant(&grants[i]);
        if (reach_covers(&granted, asked) && (!is_private || !is_star(granted.segments[0]))) {
            return true;
        }
    }
    return false;
}

/* A star in front stands for every kind there is: each must be covered. */
bool grants_cover(const struct grant *grants, uint32_t count, const struct kinds *kinds, const struct name *pattern) {
    struct reach asked = reach_of(pattern);
    if (!is_star(asked.segments[0])) {
        const struct kind *kind = kinds_find(kinds, asked.segments[0]);
        return is_covered(grants, count, &asked, kind != NULL && kind->is_private);
    }
    const struct kind *kind;
    for (size_t i = 0; (kind = kinds_at(kinds, i)) != NULL; i++) {
        asked.segments[0] = span_of_text(kind->name);
        if (!is_covered(grants, count, &asked, kind->is_private)) {
            return false;
        }
    }
    return true;
}
