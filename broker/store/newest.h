/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The newest record of each topic and of each idempotency key out of many: what a segment means to the checkpoint. Owned by the folding
 * thread. Copies what it keeps, a newer record over the older one where it fits: a segment in which few topics change often
 * takes little memory, one in which all differ about its own size. Beside that 64 bytes an entry and 4 to 8 a slot.
 */
#ifndef STORE_NEWEST_H
#define STORE_NEWEST_H

#include "broker/base/arena.h"
#include "broker/base/result.h"
#include "broker/core/record.h"

struct newest_entry {
    struct span name;  /* the topic, or the text of the key; within the bytes */
    struct span bytes; /* of the record; a key's is that of a key alone */
    size_t capacity;   /* of these bytes */
    int64_t seq;
    bool removed;
    bool is_key;
};

struct newest {
    struct newest_entry *entries;
    size_t count;
    size_t capacity;
    uint32_t *slots; /* index of an entry + 1, or 0; twice as many as entries fit */
    struct arena arena;
    struct buffer key_record; /* being put together */
};

/* Adds all records laid end to end; they are not needed any more. RESULT_VERSION: they are of a format this program does not read. */
enum result newest_add(struct newest *newest, struct span records) MUST_CHECK;

/* Puts the entries into the order of their names, in which LMDB writes the fewest pages; topics first. Add nothing afterwards. */
void newest_sort(struct newest *newest);

void newest_fini(struct newest *newest); /* accepts a zeroed one, which is how to begin */

#endif
