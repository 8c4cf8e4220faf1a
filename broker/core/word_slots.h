/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Words known from the start (fields of a schema, names of kinds), found by their text: open addressing over places that the caller
 * keeps. The words are fixed when the table is filled, so that nobody outside can make the probes longer. Pure.
 */
#ifndef CORE_WORD_SLOTS_H
#define CORE_WORD_SLOTS_H

#include "proto/buffer.h"

#define WORD_NONE UINT32_MAX

/* How many slots so many words need: a power of two, at most half of them used. */
static inline uint32_t word_slots_for(uint32_t words) {
    uint32_t slots = 4;
    while (slots < 2 * words) {
        slots *= 2;
    }
    return slots;
}

/* Four of its bytes and its length tell most words apart; which do not, are compared. */
static inline uint32_t word_hash(struct span word) {
    if (word.bytes == 0) {
        return 0;
    }
    uint32_t hash = (uint32_t)word.bytes * UINT32_C(0x9e3779b1);
    hash ^= word.data[0] * UINT32_C(0x85ebca6b);
    hash ^= word.data[word.bytes / 2] * UINT32_C(0xc2b2ae35);
    hash ^= word.data[word.bytes - 1] * UINT32_C(0x27d4eb2f);
    hash ^= word.data[word.bytes / 4] * UINT32_C(0x165667b1);
    return hash ^ hash >> 15;
}

/* `slots` holds places plus one, 0: empty. */
static inline void word_slots_add(uint8_t *slots, uint32_t count, struct span word, uint32_t place) {
    uint32_t slot = word_hash(word) & (count - 1);
    while (slots[slot] != 0) {
        slot = (slot + 1) & (count - 1);
    }
    slots[slot] = (uint8_t)(place + 1);
}

#endif
