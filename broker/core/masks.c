/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/masks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool masks_init(struct masks *masks, const struct table_key *hash_key) {
    masks->hash_key = hash_key;
    return table_init(&masks->table);
}

void masks_fini(struct masks *masks) {
    assert(masks->table.count == 0);
    table_fini(&masks->table);
}

struct mask *masks_take(struct masks *masks, struct span bytes) {
    const uint64_t hash = table_hash(masks->hash_key, bytes.data, bytes.bytes);
    for (struct table_node *node = table_first(&masks->table, hash); node != NULL; node = table_next(node)) {
        struct mask *mask = CONTAINER_OF(node, struct mask, hashed);
        if (span_equal(mask_span(mask), bytes)) {
            mask->refs++;
            return mask;
        }
    }
    struct mask *mask = masks->table.count < MASKS_MAX ? calloc(1, sizeof *mask + bytes.bytes) : NULL;
    if (mask == NULL) {
        return NULL;
    }
    mask->masks = masks;
    mask->refs = 1;
    mask->bytes = (uint32_t)bytes.bytes;
    memcpy(mask->data, bytes.data, bytes.bytes);
    if (!table_insert(&masks->table, &mask->hashed, hash)) {
        free(mask);
        return NULL;
    }
    return mask;
}

void mask_unref(struct mask *mask) {
    if (mask != NULL && --mask->refs == 0) {
        table_remove(&mask->masks->table, &mask->hashed);
        free(mask);
    }
}

struct span mask_span(const struct mask *mask) {
    return mask == NULL ? (struct span){0} : span_of(mask->data, mask->bytes);
}
