/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What is held of the kinds that have a bound of their own (struct kind_bound): topics, and bytes of documents. The ledger's; a kind
 * without a bound is not counted. Values only.
 */
#ifndef CORE_KIND_ROOM_H
#define CORE_KIND_ROOM_H

#include "broker/core/kinds.h"
#include "broker/core/limits.h"

struct kind_room {
    const struct kind *kind;
    size_t topics;
    size_t bytes;
    size_t topics_max; /* 0: no bound, as the next */
    size_t bytes_max;
};

struct kind_rooms {
    struct kind_room rooms[KIND_BOUNDS_MAX];
    size_t count;
};

/* Names that no kind has are passed over: whoever reads the configuration says so. */
void kind_rooms_init(struct kind_rooms *rooms, const struct limits *limits, const struct kinds *kinds);

const struct kind_room *kind_rooms_find(const struct kind_rooms *rooms, const struct kind *kind); /* NULL: it has no bound */

/* A topic of the kind holds a document of so many bytes from now on; no more. */
void kind_rooms_take(struct kind_rooms *rooms, const struct kind *kind, size_t bytes);
void kind_rooms_let_go(struct kind_rooms *rooms, const struct kind *kind, size_t bytes);

#endif
