/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/field_map.h"

#include <assert.h>

#include "proto/pack.h"

/* With so few fields, or so few looks, comparing each is cheaper than hashing. */
#define COMPARED_MAX 16

void field_map_read(struct field_map *fields, struct span map, uint32_t looks) {
    struct pack_reader reader = pack_reader_of(map);
    fields->count = pack_read_map(&reader);
    assert(fields->count <= AHORA_MAP_ENTRIES_MAX && "pack_check bounded it");
    for (uint32_t i = 0; i < fields->count; i++) {
        fields->keys[i] = pack_read_text(&reader);
        fields->values[i] = pack_skip(&reader);
    }
    fields->indexed = fields->count > COMPARED_MAX && looks > COMPARED_MAX;
    if (!fields->indexed) {
        return;
    }
    key_index_init(&fields->index, fields->keys);
    for (uint32_t i = 0; i < fields->count; i++) {
        bool is_new = key_index_add(&fields->index, i);
        assert(is_new && "pack_check let no key repeat");
        (void)is_new;
    }
}

uint32_t field_map_find(const struct field_map *fields, struct span key) {
    if (fields->indexed) {
        return key_index_find(&fields->index, key);
    }
    for (uint32_t i = 0; i < fields->count; i++) {
        if (span_equal(fields->keys[i], key)) {
            return i;
        }
    }
    return FIELD_MAP_NONE;
}
