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

static bool put(struct newest *newest, const struct newest_entry *entry) {
    if (newest->count == newest->capacity && !grow(newest)) {
        return false;
    }
    uint32_t *slot = slot_of(newest, entry);
    if (*slot == 0) {
        newest->entries[newest->count++] = *entry;
        *slot = (uint32_t)newest->count;
    } else if (newest->entries[*slot - 1].seq < entry->seq) {
        newest->entries[*slot - 1] = *entry;
    }
    return true;
}

enum result newest_add(struct newest *newest, struct span records) {
    while (records.bytes > 0) {
        struct span before = records;
        struct record record;
        if (!record_read(&records, &record)) {
            return RESULT_VERSION;
        }
        struct newest_entry topic = {
            record.topic, {before.data, before.bytes - records.bytes}, record.seq, record.removed, false};
        struct newest_entry key = {record.key, topic.bytes, record.seq, false, true};
        if ((topic.name.bytes > 0 && !put(newest, &topic)) || (key.name.bytes > 0 && !put(newest, &key))) {
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
    *newest = (struct newest){0};
}
