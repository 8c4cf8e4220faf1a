/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Memory for one turn: taken piece by piece, given back all at once. Chunks are kept for the next turn, up to a bound. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* the first is the one in use */
    struct arena_chunk *spare;
    size_t used;  /* of the first chunk */
    size_t taken; /* since the last reset */
};

/* 8-byte aligned; NULL: no memory. A zeroed arena is ready. */
void *arena_take(struct arena *arena, size_t bytes);

/* Everything taken is gone; at most `keep_bytes` of chunks stay allocated. */
void arena_reset(struct arena *arena, size_t keep_bytes);
void arena_fini(struct arena *arena);

#endif
