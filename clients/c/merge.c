/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/merge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pack.h"

/* One field of the patch. */
struct field {
    struct span key;
    struct span value;
    uint32_t place; /* in the patch */
    bool used;      /* the target has it too */
};

struct fields {
    struct field *items;
    uint32_t count;
};

static int compare_keys(struct span a, struct span b) {
    size_t shorter = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_by_key(const void *a, const void *b) {
    return compare_keys(((const struct field *)a)->key, ((const struct field *)b)->key);
}

static int compare_by_place(const void *a, const void *b) {
    uint32_t left = ((const struct field *)a)->place;
    uint32_t right = ((const struct field *)b)->place;
    return (left > right) - (left < right);
}

/* Sorted by key, so that a hostile pair of wide maps costs n log n and not n². False without memory. */
static bool fields_read(struct fields *fields, struct span map) {
    struct pack_reader reader = pack_reader_of(map);
    fields->count = pack_read_map(&reader);
    fields->items = calloc(fields->count + 1, sizeof(fields->items[0]));
    if (fields->items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < fields->count; i++) {
        fields->items[i].key = pack_read_text(&reader);
        fields->items[i].value = pack_skip(&reader);
        fields->items[i].place = i;
    }
    assert(!reader.failed);
    qsort(fields->items, fields->count, sizeof(fields->items[0]), compare_by_key);
    return true;
}

static struct field *fields_find(const struct fields *fields, struct span key) {
    struct field wanted = {.key = key};
    return bsearch(&wanted, fields->items, fields->count, sizeof(fields->items[0]), compare_by_key);
}

static enum pack_type type_of(struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    return pack_peek(&reader);
}

/* The field `key` of the result, unless the patch removes it. Returns how many entries it became. */
static uint32_t put_field(struct buffer *out, struct span key, struct span target, struct span patch) {
    if (type_of(patch) == PACK_NIL) {
        return 0;
    }
    pack_put_text(out, key);
    if (type_of(patch) == PACK_MAP) {
        merge_put(out, target, patch);
    } else {
        pack_put_raw(out, patch);
    }
    return 1;
}

static uint32_t put_target_fields(struct buffer *out, struct span target, const struct fields *fields) {
    uint32_t written = 0;
    struct pack_reader reader = pack_reader_of(target);
    uint32_t count = pack_peek(&reader) == PACK_MAP ? pack_read_map(&reader) : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct span key = pack_read_text(&reader);
        struct span value = pack_skip(&reader);
        struct field *field = fields_find(fields, key);
        if (field != NULL) {
            field->used = true;
            written += put_field(out, key, value, field->value);
        } else {
            pack_put_text(out, key);
            pack_put_raw(out, value);
            written++;
        }
    }
    return written;
}

/* The count is known only now: its head goes to the end, and then both change places. Heads have at most 5 bytes. */
static void insert_head(struct buffer *out, size_t start, uint32_t count) {
    size_t body = out->bytes - start;
    pack_put_map(out, count);
    if (out->failed) {
        return;
    }
    uint8_t head[5];
    size_t bytes = out->bytes - start - body;
    assert(bytes <= sizeof(head));
    memcpy(head, out->data + start + body, bytes);
    memmove(out->data + start + bytes, out->data + start, body);
    memcpy(out->data + start, head, bytes);
}

void merge_put(struct buffer *out, struct span target, struct span patch) {
    struct fields fields;
    if (!fields_read(&fields, patch)) {
        out->failed = true;
        return;
    }
    size_t start = out->bytes;
    uint32_t count = put_target_fields(out, target, &fields);
    qsort(fields.items, fields.count, sizeof(fields.items[0]), compare_by_place);
    for (uint32_t i = 0; i < fields.count; i++) {
        if (!fields.items[i].used) {
            count += put_field(out, fields.items[i].key, span_of(NULL, 0), fields.items[i].value);
        }
    }
    free(fields.items);
    if (!out->failed) {
        insert_head(out, start, count);
    }
}
