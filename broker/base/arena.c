/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define CHUNK_BYTES ((size_t)64 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t bytes;
    uint8_t data[];
};

static struct arena_chunk *chunk_of(struct arena *arena, size_t bytes) {
    struct arena_chunk *spare = arena->spare;
    if (spare != NULL && spare->bytes >= bytes) {
        arena->spare = spare->next;
        return spare;
    }
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    struct arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk != NULL) {
        chunk->bytes = size;
    }
    return chunk;
}

void *arena_take(struct arena *arena, size_t bytes) {
    bytes = (bytes + 7) & ~(size_t)7;
    if (arena->chunks == NULL || arena->chunks->bytes - arena->used < bytes) {
        struct arena_chunk *chunk = chunk_of(arena, bytes);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->used = 0;
    }
    void *taken = arena->chunks->data + arena->used;
    arena->used += bytes;
    arena->taken += bytes;
    return taken;
}

void arena_reset(struct arena *arena, size_t keep_bytes) {
    size_t kept = 0;
    for (const struct arena_chunk *chunk = arena->spare; chunk != NULL; chunk = chunk->next) {
        kept += chunk->bytes;
    }
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        if (chunk->bytes == CHUNK_BYTES && kept + chunk->bytes <= keep_bytes) {
            kept += chunk->bytes;
            chunk->next = arena->spare;
            arena->spare = chunk;
        } else {
            free(chunk);
        }
    }
    arena->used = 0;
    arena->taken = 0;
}

void arena_fini(struct arena *arena) {
    arena_reset(arena, 0);
    while (arena->spare != NULL) {
        struct arena_chunk *chunk = arena->spare;
        arena->spare = chunk->next;
        free(chunk);
    }
}
