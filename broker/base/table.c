/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/table.h"

#include "broker/base/backing.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#define BUCKETS_MIN 16

void table_key_init(struct table_key *key, uint64_t seed) {
    static_assert(TABLE_SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "the secret is long enough for XXH3");
    for (size_t i = 0; i < TABLE_SECRET_BYTES; i++) { /* splitmix64, one step a byte: start-up only */
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t mixed = (seed ^ (seed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
        key->secret[i] = (uint8_t)(mixed >> 56);
    }
}

uint64_t table_hash(const struct table_key *key, const void *data, size_t bytes) {
    return XXH3_64bits_withSecret(data, bytes, key->secret, TABLE_SECRET_BYTES);
}

bool table_init(struct table *table) {
    *table = (struct table){.bucket_count = BUCKETS_MIN, .capacity = BUCKETS_MIN};
    table->buckets = calloc(BUCKETS_MIN, sizeof *table->buckets);
    return table->buckets != NULL;
}

void table_fini(struct table *table) {
    free(table->buckets);
    *table = (struct table){0};
}

#define AHEAD 16 /* buckets: what they hold is on its way from memory by then */

/* Linear hashing: a hash belongs to its place among `capacity` buckets, or, where that one does not exist yet, to the bucket of
   half the capacity that will be split into it. */
static size_t bucket_of(const struct table *table, uint64_t hash) {
    size_t index = hash & (table->capacity - 1);
    return index < table->bucket_count ? index : index - table->capacity / 2;
}

static struct table_node *of_hash(struct table_node *node, uint64_t hash) {
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

void table_foresee(const struct table *table, uint64_t hash) {
    __builtin_prefetch(&table->buckets[bucket_of(table, hash)]);
}

void table_foresee_node(const struct table *table, uint64_t hash) {
    __builtin_prefetch(table->buckets[bucket_of(table, hash)]); /* NULL is not looked at */
}

struct table_node *table_first(const struct table *table, uint64_t hash) {
    return of_hash(table->buckets[bucket_of(table, hash)], hash);
}

struct table_node *table_next(const struct table_node *node) {
    return of_hash(node->next, node->hash);
}

static void push(struct table_node **bucket, struct table_node *node) {
    node->next = *bucket;
    *bucket = node;
}

static void split_one(struct table *table) {
    size_t target = table->bucket_count++;
    size_t source = target - table->capacity / 2;
    __builtin_prefetch(table->buckets[source + AHEAD < target ? source + AHEAD : source]);
    struct table_node *node = table->buckets[source];
    table->buckets[source] = NULL;
    table->buckets[target] = NULL;
    while (node != NULL) {
        struct table_node *next = node->next;
        push(&table->buckets[bucket_of(table, node->hash)], node);
        node = next;
    }
}

static bool grow(struct table *table) {
    if (table->bucket_count == table->capacity) {
        struct table_node **buckets = realloc(table->buckets, 2 * table->capacity * sizeof *buckets);
        if (buckets == NULL) {
            return false;
        }
        table->buckets = buckets;
        table->capacity *= 2;
    }
    split_one(table);
    return true;
}

bool table_reserve(struct table *table, size_t count) {
    struct table grown = {.bucket_count = count, .capacity = BUCKETS_MIN, .count = table->count};
    if (count <= table->bucket_count) {
        return true;
    }
    while (grown.capacity < count) {
        grown.capacity *= 2;
    }
    grown.buckets = calloc(grown.capacity, sizeof *grown.buckets);
    if (grown.buckets == NULL) {
        return false;
    }
    backing_advise(grown.buckets, grown.capacity * sizeof *grown.buckets);
    for (size_t i = 0; i < table->bucket_count; i++) {
        __builtin_prefetch(table->buckets[i + AHEAD < table->bucket_count ? i + AHEAD : i]);
        for (struct table_node *node = table->buckets[i]; node != NULL;) {
            struct table_node *next = node->next;
            push(&grown.buckets[bucket_of(&grown, node->hash)], node);
            node = next;
        }
    }
    free(table->buckets);
    *table = grown;
    return true;
}

bool table_insert(struct table *table, struct table_node *node, uint64_t hash) {
    if (table->count >= table->bucket_count && !grow(table)) {
        return false;
    }
    node->hash = hash;
    push(&table->buckets[bucket_of(table, hash)], node);
    table->count++;
    return true;
}

void table_remove(struct table *table, struct table_node *node) {
    struct table_node **at = &table->buckets[bucket_of(table, node->hash)];
    while (*at != node) {
        assert(*at != NULL && "the node is in the table");
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
}
