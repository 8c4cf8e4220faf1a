/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Rules of docs/protocol.md that client and broker must agree on, in their plainest form. Stateless. */
#ifndef AHORA_TESTS_RULES_H
#define AHORA_TESTS_RULES_H

#include <jansson.h>
#include <stdbool.h>

/* Section 1: `*` stands for one segment, a final `**` for one or more. */
bool rules_match(const char *pattern, const char *topic);

/* RFC 7396: `target` (NULL: none) changed by `patch`. Takes the reference to target; the result is the caller's. */
json_t *rules_merge(json_t *target, const json_t *patch);

/* Section 3, Views: do all conditions hold? */
bool rules_where(const json_t *where, const json_t *document);

struct rules_circle {
    double lat, lon, radius_m; /* radius_m 0: none */
    int limit;                 /* 0: all */
};

/* Metres from the circle's centre to the document; negative: it is nowhere. */
double rules_distance(const struct rules_circle *circle, const json_t *document);

#endif
