/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The fields of one map laid out for many looks, so that no look reads the map again. About 36 KB: on the stack of a function
 * that calls nothing deep. Whoever fills it owns it; it points into the map.
 */
#ifndef CORE_FIELD_MAP_H
#define CORE_FIELD_MAP_H

#include "proto/key_index.h"

#define FIELD_MAP_NONE KEY_INDEX_NONE

struct field_map {
    uint32_t count;
    bool indexed;
    struct span keys[AHORA_MAP_ENTRIES_MAX];
    struct span values[AHORA_MAP_ENTRIES_MAX];
    struct key_index index; /* empty unless `indexed` */
};

/* Lays out a checked map for about `looks` looks: if there are many, and many fields, with an index. */
void field_map_read(struct field_map *fields, struct span map, uint32_t looks);

/* The place of that field, FIELD_MAP_NONE if the map has none. */
uint32_t field_map_find(const struct field_map *fields, struct span key);

#endif
