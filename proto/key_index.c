/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/key_index.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

_Static_assert((KEY_INDEX_SLOTS & (KEY_INDEX_SLOTS - 1)) == 0, "slots are chosen by a mask");
_Static_assert(AHORA_MAP_ENTRIES_MAX < UINT16_MAX, "a slot holds a place plus one");

static uint64_t process_seed;

/* Without randomness (a kernel just booted) the seed is 0: slower for a hostile map, still right. */
static void process_seed_draw(void) {
    if (getrandom(&process_seed, sizeof(process_seed), GRND_NONBLOCK) != (ssize_t)sizeof(process_seed)) {
        process_seed = 0;
    }
}

void key_index_init(struct key_index *index, const struct span *keys) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, process_seed_draw);
    index->keys = keys;
    memset(index->slots, 0, sizeof index->slots);
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t slot_of(const struct key_index *index, struct span key) {
    size_t slot = XXH3_64bits_withSeed(key.data, key.bytes, process_seed) & (KEY_INDEX_SLOTS - 1);

    while (index->slots[slot] != 0 && !span_equal(index->keys[index->slots[slot] - 1], key)) {
        slot = (slot + 1) & (KEY_INDEX_SLOTS - 1);
    }
    return slot;
}

bool key_index_add(struct key_index *index, uint32_t place) {
    assert(place < AHORA_MAP_ENTRIES_MAX);
    size_t slot = slot_of(index, index->keys[place]);
    if (index->slots[slot] != 0) {
        return false;
    }
    index->slots[slot] = (uint16_t)(place + 1);
    return true;
}

uint32_t key_index_find(const struct key_index *index, struct span key) {
    uint16_t held = index->slots[slot_of(index, key)];

    return held == 0 ? KEY_INDEX_NONE : held - 1U;
}
