/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/newest.h"

#include "broker/base/checksum.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 1024

static bool is_same(const struct newest_entry *a, const struct newest_entry *b) {
    return a->is_key == b->is_key && span_equal(a->name, b->name);
}

/* The slot that holds the like of the entry or is free for it. At least half of the slots are free, so the walk ends. */
static uint32_t *slot_of(const struct newest *newest, const struct newest_entry *entry) {
    size_t mask = newest->capacity * 2 - 1;
    size_t at = checksum_of(entry->name.data, entry->name.bytes, entry->is_key) & mask;
    while (newest->slots[at] != 0 && !is_same(&newest->entries[newest->slots[at] - 1], entry)) {
        at = (at + 1) & mask;
    }
    return &newest->slots[at];
}

static bool grow(struct newest *newest) {
    size_t capacity = newest->capacity == 0 ? CAPACITY_MIN : newest->capacity * 2;
    struct newest_entry *entries = realloc(newest->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    newest->entries = entries;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    free(newest->slots);
    newest->slots = slots;
    newest->capacity = capacity;
    for (size_t i = 0; i < newest->count; i++) {
        *slot_of(newest, &entries[i]) = (uint32_t)i + 1;
    }
    return true;
}

/* Room for a newer record of the same topic that is a little longer. */
static size_t capacity_for(size_t bytes) {
    return (bytes + bytes / 8 + 7) & ~(size_t)7;
}

/* The candidate's bytes become the entry's own. */
static bool keep(struct newest *newest, struct newest_entry *entry, const struct newest_entry *candidate) {
    uint8_t *copy = NULL;
    size_t capacity = entry->capacity;
    if (candidate->bytes.bytes <= capacity) {
        memcpy(&copy, &entry->bytes.data, sizeof copy); /* ours, and so not const */
    } else {
        capacity = capacity_for(candidate->bytes.bytes);
        copy = arena_take(&newest->arena, capacity);
        if (copy == NULL) {
            return false;
        }
    }
    const size_t name_at = (size_t)(candidate->name.data - candidate->bytes.data);
    memcpy(copy, candidate->bytes.data, candidate->bytes.bytes);
    *entry = *candidate;
    entry->bytes.data = copy;
    entry->name.data = copy + name_at;
    entry->capacity = capacity;
    return true;
}

static bool put(struct newest *newest, const struct newest_entry *candidate) {
    if (newest->count == newest->capacity && !grow(newest)) {
        return false;
    }
    uint32_t *slot = slot_of(newest, candidate);
    if (*slot == 0) {
        struct newest_entry *entry = &newest->entries[newest->count];
        *entry = (struct newest_entry){0};
        if (!keep(newest, entry, candidate)) {
            return false;
        }
        *slot = (uint32_t)++newest->count;
        return true;
    }
    struct newest_entry *entry = &newest->entries[*slot - 1];
    return entry->seq >= candidate->seq || keep(newest, entry, candidate);
}

static bool put_topic(struct newest *newest, const struct record *record, struct span bytes) {
    return put(newest,
               &(struct newest_entry){.name = record->topic, .bytes = bytes, .seq = record->seq, .removed = record->removed});
}

/* Without the document that came with it. */
static bool put_key(struct newest *newest, const struct record *record) {
    const struct record alone = record_key_alone(record);
    struct buffer *made = &newest->key_record;
    if (made->bytes_max == 0) {
        buffer_init(made, record_bytes_max(0, UINT8_MAX, 0, 0));
    }
    buffer_cut(made, 0);
    record_put(made, &alone);
    struct span rest = buffer_span(made);
    struct record again; /* its key lies in `made` */
    return !made->failed && record_read(&rest, &again) &&
           put(newest, &(struct newest_entry){.name = again.key, .bytes = buffer_span(made), .seq = again.seq, .is_key = true});
}

enum result newest_add(struct newest *newest, struct span records) {
    while (records.bytes > 0) {
        const struct span before = records;
        struct record record;
        if (!record_read(&records, &record)) {
            return RESULT_VERSION;
        }
        const struct span bytes = {before.data, before.bytes - records.bytes};
        if ((record.topic.bytes > 0 && !put_topic(newest, &record, bytes)) ||
            (record.key.bytes > 0 && !put_key(newest, &record))) {
            return RESULT_NO_MEMORY;
        }
    }
    return RESULT_OK;
}

static int compare(const void *a, const void *b) {
    const struct newest_entry *left = a;
    const struct newest_entry *right = b;
    if (left->is_key != right->is_key) {
        return left->is_key - right->is_key;
    }
    size_t common = left->name.bytes < right->name.bytes ? left->name.bytes : right->name.bytes;
    int order = memcmp(left->name.data, right->name.data, common);
    return order != 0 ? order : (left->name.bytes > right->name.bytes) - (left->name.bytes < right->name.bytes);
}

void newest_sort(struct newest *newest) {
    if (newest->count > 0) {
        qsort(newest->entries, newest->count, sizeof *newest->entries, compare);
    }
}

void newest_fini(struct newest *newest) {
    free(newest->entries);
    free(newest->slots);
    arena_fini(&newest->arena);
    buffer_fini(&newest->key_record);
    *newest = (struct newest){0};
}
