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

/* The slot that holds the topic or is free for it. At least half of the slots are free, so the walk ends. */
static uint32_t *slot_of(const struct newest *newest, struct span topic) {
    size_t mask = newest->capacity * 2 - 1;
    size_t at = checksum_of(topic.data, topic.bytes, 0) & mask;
    while (newest->slots[at] != 0 && !span_equal(newest->entries[newest->slots[at] - 1].topic, topic)) {
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
        *slot_of(newest, entries[i].topic) = (uint32_t)i + 1;
    }
    return true;
}

static void put(struct newest *newest, const struct newest_entry *entry) {
    uint32_t *slot = slot_of(newest, entry->topic);
    if (*slot == 0) {
        newest->entries[newest->count++] = *entry;
        *slot = (uint32_t)newest->count;
    } else if (newest->entries[*slot - 1].seq < entry->seq) {
        newest->entries[*slot - 1] = *entry;
    }
}

enum result newest_add(struct newest *newest, struct span records) {
    while (records.bytes > 0) {
        struct span before = records;
        struct record record;
        if (!record_read(&records, &record)) {
            return RESULT_VERSION;
        }
        if (newest->count == newest->capacity && !grow(newest)) {
            return RESULT_NO_MEMORY;
        }
        struct span bytes = {before.data, before.bytes - records.bytes};
        put(newest, &(struct newest_entry){record.topic, bytes, record.seq, record.removed});
    }
    return RESULT_OK;
}

static int compare(const void *a, const void *b) {
    const struct newest_entry *left = a;
    const struct newest_entry *right = b;
    size_t common = left->topic.bytes < right->topic.bytes ? left->topic.bytes : right->topic.bytes;
    int order = memcmp(left->topic.data, right->topic.data, common);
    return order != 0 ? order : (left->topic.bytes > right->topic.bytes) - (left->topic.bytes < right->topic.bytes);
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
