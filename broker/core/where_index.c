/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/where_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A name that some anchor's path goes through. The root has none. */
struct where_field {
    struct table_node hashed;
    struct where_field *parent;
    struct where_bounds above; /* gt, gte: found by every value at or above them */
    struct where_bounds below; /* lt, lte */
    struct link asked;         /* spots that only ask whether it is there */
    size_t users;              /* children and spots: at none the field goes */
    size_t values;             /* entries in the table of values */
    size_t children;
    size_t bytes;
    uint8_t name[];
};

/* A spot under one value of a field. */
struct where_entry {
    struct table_node hashed;
    struct where_field *field;
    const struct where_value *value;
    void *owner;
};

/* ---- fields ---- */

static uint64_t hash_field(const struct where_index *index, const struct where_field *parent, struct span name) {
    return table_hash(index->key, name.data, name.bytes) ^ ((uint64_t)(uintptr_t)parent * UINT64_C(0x9e3779b97f4a7c15));
}

static struct where_field *field_find(const struct where_index *index, const struct where_field *parent, struct span name) {
    struct table_node *node = table_first(&index->fields, hash_field(index, parent, name));
    for (; node != NULL; node = table_next(node)) {
        struct where_field *field = CONTAINER_OF(node, struct where_field, hashed);
        if (field->parent == parent && span_equal(span_of(field->name, field->bytes), name)) {
            return field;
        }
    }
    return NULL;
}

static struct where_field *field_create(struct where_index *index, struct where_field *parent, struct span name) {
    struct where_field *field = malloc(sizeof *field + name.bytes);
    if (field == NULL) {
        return NULL;
    }
    *field = (struct where_field){.parent = parent, .bytes = name.bytes};
    if (name.bytes > 0) {
        memcpy(field->name, name.data, name.bytes);
    }
    list_init(&field->asked);
    if (parent == NULL) {
        return field;
    }
    if (!table_insert(&index->fields, &field->hashed, hash_field(index, parent, name))) {
        free(field);
        return NULL;
    }
    parent->users++;
    parent->children++;
    return field;
}

/* Lets go of fields that nothing needs any more, from the leaf up. */
static void field_prune(struct where_index *index, struct where_field *field) {
    while (field != index->root && field->users == 0) {
        struct where_field *parent = field->parent;
        table_remove(&index->fields, &field->hashed);
        assert(field->above.count == 0 && field->below.count == 0 && list_is_empty(&field->asked));
        free(field->above.items);
        free(field->below.items);
        free(field);
        parent->users--;
        parent->children--;
        field = parent;
    }
}

static struct where_field *field_get(struct where_index *index, const struct condition *condition) {
    struct where_field *field = index->root;
    for (uint32_t i = 0; i < condition->depth; i++) {
        struct where_field *child = field_find(index, field, condition->path[i]);
        if (child == NULL && (child = field_create(index, field, condition->path[i])) == NULL) {
            field_prune(index, field);
            return NULL;
        }
        field = child;
    }
    return field;
}

/* ---- values ---- */

static uint64_t hash_value(const struct where_index *index, const struct where_field *field, const struct where_value *value) {
    uint64_t hash = 0;
    if (value->type == WHERE_TEXT) {
        hash = table_hash(index->key, value->text.data, value->text.bytes);
    } else if (value->type == WHERE_NUMBER) {
        hash = value->is_float ? table_hash(index->key, &value->as.number, sizeof value->as.number)
                               : table_hash(index->key, &value->as.integer, sizeof value->as.integer);
    } else {
        const uint8_t word[2] = {(uint8_t)value->type, value->type == WHERE_BOOL && value->as.truth};
        hash = table_hash(index->key, word, sizeof word);
    }
    return hash ^ ((uint64_t)(uintptr_t)field * UINT64_C(0x9e3779b97f4a7c15));
}

static void find_value(const struct where_index *index, const struct where_field *field, const struct where_value *value,
                       struct tree_found *found) {
    struct table_node *node = table_first(&index->values, hash_value(index, field, value));
    for (; node != NULL; node = table_next(node)) {
        const struct where_entry *entry = CONTAINER_OF(node, struct where_entry, hashed);
        if (entry->field == field && where_value_order(entry->value, value) == 0) {
            tree_found_add(found, entry->owner);
        }
    }
}

/* ---- bounds ---- */

/* The first bound that is not below the value (or, with `behind`, above it). */
static size_t bounds_seek(const struct where_bounds *bounds, const struct where_value *value, bool behind) {
    size_t low = 0;
    for (size_t high = bounds->count; low < high;) {
        const size_t middle = (low + high) / 2;
        const int order = where_value_order(bounds->items[middle].value, value);
        if (order < 0 || (behind && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool bounds_add(struct where_bounds *bounds, const struct where_value *value, void *owner) {
    if (bounds->count == bounds->capacity) {
        const size_t capacity = bounds->capacity == 0 ? 8 : 2 * bounds->capacity;
        struct where_bound *items = realloc(bounds->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        bounds->items = items;
        bounds->capacity = capacity;
    }
    const size_t at = bounds_seek(bounds, value, true);
    memmove(bounds->items + at + 1, bounds->items + at, (bounds->count - at) * sizeof *bounds->items);
    bounds->items[at] = (struct where_bound){value, owner};
    bounds->count++;
    return true;
}

static void bounds_remove(struct where_bounds *bounds, const struct where_value *value, const void *owner) {
    size_t at = bounds_seek(bounds, value, false);
    while (bounds->items[at].owner != owner) {
        at++;
        assert(at < bounds->count && "it was added");
    }
    bounds->count--;
    memmove(bounds->items + at, bounds->items + at + 1, (bounds->count - at) * sizeof *bounds->items);
}

/* Bounds of the value's type, from the lowest up to it. */
static void find_above(const struct where_bounds *bounds, const struct where_value *value, struct tree_found *found) {
    for (size_t i = bounds_seek(bounds, value, true); i > 0 && bounds->items[i - 1].value->type == value->type; i--) {
        tree_found_add(found, bounds->items[i - 1].owner);
    }
}

static void find_below(const struct where_bounds *bounds, const struct where_value *value, struct tree_found *found) {
    size_t i = bounds_seek(bounds, value, false);
    for (; i < bounds->count && bounds->items[i].value->type == value->type; i++) {
        tree_found_add(found, bounds->items[i].owner);
    }
}

/* ---- the condition under which a `where` stands ---- */

/* How much a condition tells: the higher the fewer documents pass it. 0: it must be looked at. */
static int weight_of(const struct condition *condition) {
    switch (condition->op) {
    case WHERE_EQ:
        return 4;
    case WHERE_IN:
        return 3;
    case WHERE_LT:
    case WHERE_LTE:
    case WHERE_GT:
    case WHERE_GTE:
        return 2;
    case WHERE_EXISTS:
        return condition->wanted ? 1 : 0;
    case WHERE_NE:
    case WHERE_OPS:
        break;
    }
    return 0;
}

static const struct condition *anchor_of(const struct where *where) {
    const struct condition *anchor = NULL;
    for (uint32_t i = 0; i < where->count; i++) {
        const int weight = weight_of(&where->conditions[i]);
        if (weight > 0 && (anchor == NULL || weight > weight_of(anchor))) {
            anchor = &where->conditions[i];
        }
    }
    return anchor;
}

bool where_needs_scan(const struct where *where) {
    return anchor_of(where) == NULL;
}

/* ---- adding and taking away ---- */

bool where_index_init(struct where_index *index, const struct table_key *key) {
    *index = (struct where_index){.key = key};
    list_init(&index->scans);
    index->root = field_create(index, NULL, (struct span){0});
    return table_init(&index->fields) && table_init(&index->values) && index->root != NULL;
}

void where_index_fini(struct where_index *index) {
    assert(index->fields.count == 0 && index->values.count == 0 && index->scan_count == 0);
    table_fini(&index->fields);
    table_fini(&index->values);
    free(index->root);
    *index = (struct where_index){0};
}

static void remove_values(struct where_index *index, struct where_spot *spot, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        table_remove(&index->values, &spot->entries[i].hashed);
        spot->field->values--;
    }
    free(spot->entries);
    spot->entries = NULL;
}

static bool add_values(struct where_index *index, struct where_spot *spot) {
    const struct condition *anchor = spot->anchor;
    spot->entries = calloc(anchor->value_count, sizeof *spot->entries);
    for (uint32_t i = 0; spot->entries != NULL && i < anchor->value_count; i++) {
        struct where_entry *entry = &spot->entries[i];
        *entry = (struct where_entry){.field = spot->field, .value = &anchor->values[i], .owner = spot->owner};
        if (!table_insert(&index->values, &entry->hashed, hash_value(index, spot->field, entry->value))) {
            remove_values(index, spot, i);
            return false;
        }
        spot->field->values++;
    }
    return spot->entries != NULL;
}

static struct where_bounds *bounds_of(const struct where_spot *spot) {
    const bool above = spot->anchor->op == WHERE_GT || spot->anchor->op == WHERE_GTE;
    return above ? &spot->field->above : &spot->field->below;
}

static bool add_anchor(struct where_index *index, struct where_spot *spot) {
    switch (spot->anchor->op) {
    case WHERE_EQ:
    case WHERE_IN:
        return add_values(index, spot);
    case WHERE_EXISTS:
        list_append(&spot->field->asked, &spot->scan);
        return true;
    default:
        return bounds_add(bounds_of(spot), &spot->anchor->values[0], spot->owner);
    }
}

bool where_index_add(struct where_index *index, struct where_spot *spot, const struct where *where, void *owner) {
    *spot = (struct where_spot){.where = where, .anchor = anchor_of(where), .owner = owner};
    if (spot->anchor == NULL) {
        list_append(&index->scans, &spot->scan);
        index->scan_count++;
        return true;
    }
    spot->field = field_get(index, spot->anchor);
    if (spot->field == NULL) {
        spot->where = NULL;
        return false;
    }
    if (!add_anchor(index, spot)) {
        spot->where = NULL;
        field_prune(index, spot->field);
        return false;
    }
    spot->field->users++;
    return true;
}

void where_index_remove(struct where_index *index, struct where_spot *spot) {
    if (spot->where == NULL) {
        return;
    }
    if (spot->anchor == NULL) {
        link_remove(&spot->scan);
        index->scan_count--;
    } else {
        if (spot->entries != NULL) {
            remove_values(index, spot, spot->anchor->value_count);
        } else if (spot->anchor->op == WHERE_EXISTS) {
            link_remove(&spot->scan);
        } else {
            bounds_remove(bounds_of(spot), &spot->anchor->values[0], spot->owner);
        }
        spot->field->users--;
        field_prune(index, spot->field);
    }
    spot->where = NULL;
}

/* ---- looking ---- */

static void find_spots(const struct link *spots, struct tree_found *found) {
    for (struct link *link = spots->next; link != spots; link = link->next) {
        tree_found_add(found, CONTAINER_OF(link, struct where_spot, scan)->owner);
    }
}

/* A document is at most AHORA_DEPTH_MAX maps deep: so deep is the recursion. */
static void find_in(const struct where_index *index, const struct where_field *parent, struct span map,
                    struct tree_found *found) {
    struct pack_reader reader = pack_reader_of(map);
    if (parent->children == 0 || pack_peek(&reader) != PACK_MAP) {
        return;
    }
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        struct span name = pack_read_text(&reader);
        struct span packed = pack_skip(&reader);
        const struct where_field *field = field_find(index, parent, name);
        if (field == NULL) {
            continue;
        }
        const struct where_value value = where_value_of(packed);
        if (field->values > 0) {
            find_value(index, field, &value, found);
        }
        find_above(&field->above, &value, found);
        find_below(&field->below, &value, found);
        find_spots(&field->asked, found);
        find_in(index, field, packed, found);
    }
}

void where_index_find(const struct where_index *index, struct span document, struct tree_found *found) {
    find_in(index, index->root, document, found);
    find_spots(&index->scans, found);
}
