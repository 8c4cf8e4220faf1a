/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The keys of one map, found by their text: open addressing over the places of the keys in the caller's array. It lives on the
 * stack; any thread. The hash is seeded anew in each process, so that keys from outside cannot be chosen to collide.
 */
#ifndef PROTO_KEY_INDEX_H
#define PROTO_KEY_INDEX_H

#include "include/ahora/protocol.h"
#include "proto/buffer.h"

/* Twice the entries of the widest map: half empty at worst, so probes stay short. A power of two. */
#define KEY_INDEX_SLOTS (2 * AHORA_MAP_ENTRIES_MAX)

#define KEY_INDEX_NONE UINT32_MAX

struct key_index {
    const struct span *keys;         /* the caller's */
    uint16_t slots[KEY_INDEX_SLOTS]; /* place of a key, plus one */
};

void key_index_init(struct key_index *index, const struct span *keys);

/* Adds keys[place], place < AHORA_MAP_ENTRIES_MAX. False: an equal key is in it. */
bool key_index_add(struct key_index *index, uint32_t place);

/* The place of that key, KEY_INDEX_NONE if it is not there. */
uint32_t key_index_find(const struct key_index *index, struct span key);

#endif
