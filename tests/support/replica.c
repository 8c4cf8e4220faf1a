/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/replica.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void replica_fini(struct replica *replica) {
    for (size_t i = 0; i < replica->bucket_count; i++) {
        for (struct held *held = replica->buckets[i], *next; held != NULL; held = next) {
            next = held->next;
            json_decref(held->data);
            free(held->topic);
            free(held);
        }
    }
    free(replica->buckets);
    free(replica->refs);
    *replica = (struct replica){0};
}

static uint64_t topic_hash(const char *topic) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *topic != '\0'; topic++) {
        hash = (hash ^ (uint8_t)*topic) * 1099511628211u;
    }
    return hash;
}

struct held *replica_find(const struct replica *replica, const char *topic) {
    if (replica->bucket_count == 0) {
        return NULL;
    }
    struct held *held = replica->buckets[topic_hash(topic) & (replica->bucket_count - 1)];
    while (held != NULL && strcmp(held->topic, topic) != 0) {
        held = held->next;
    }
    return held;
}

static void buckets_grow(struct replica *replica) {
    size_t count = replica->bucket_count == 0 ? 16 : replica->bucket_count * 2;
    struct held **buckets = calloc(count, sizeof(struct held *));
    assert(buckets != NULL);
    for (size_t i = 0; i < replica->bucket_count; i++) {
        for (struct held *held = replica->buckets[i], *next; held != NULL; held = next) {
            struct held **bucket = &buckets[topic_hash(held->topic) & (count - 1)];
            next = held->next;
            held->next = *bucket;
            *bucket = held;
        }
    }
    free(replica->buckets);
    replica->buckets = buckets;
    replica->bucket_count = count;
}

struct held *replica_get(struct replica *replica, const char *topic) {
    struct held *held = replica_find(replica, topic);
    if (held != NULL) {
        return held;
    }
    if (replica->count >= replica->bucket_count) {
        buckets_grow(replica);
    }
    held = calloc(1, sizeof *held);
    assert(held != NULL);
    held->topic = strdup(topic);
    struct held **bucket = &replica->buckets[topic_hash(topic) & (replica->bucket_count - 1)];
    held->next = *bucket;
    *bucket = held;
    replica->count++;
    return held;
}

void replica_set_data(struct replica *replica, struct held *held, json_t *data) {
    replica->document_count -= held->data != NULL;
    replica->document_count += data != NULL;
    json_decref(held->data);
    held->data = data;
}

void replica_unbind(struct replica *replica, struct held *held) {
    if (held->ref > 0) {
        replica->refs[held->ref] = NULL;
        held->ref = 0;
    }
}

struct held *replica_find_ref(const struct replica *replica, int64_t ref) {
    return ref > 0 && (size_t)ref < replica->ref_capacity ? replica->refs[ref] : NULL;
}

void replica_bind(struct replica *replica, struct held *held, int64_t ref) {
    assert(ref > 0 && ref <= REPLICA_REF_MAX);
    struct held *other = replica_find_ref(replica, ref);
    if (other != NULL) {
        replica_unbind(replica, other);
    }
    replica_unbind(replica, held);
    while ((size_t)ref >= replica->ref_capacity) {
        size_t capacity = replica->ref_capacity == 0 ? 64 : replica->ref_capacity * 2;
        replica->refs = realloc(replica->refs, capacity * sizeof(struct held *));
        assert(replica->refs != NULL);
        memset(replica->refs + replica->ref_capacity, 0, (capacity - replica->ref_capacity) * sizeof(struct held *));
        replica->ref_capacity = capacity;
    }
    replica->refs[ref] = held;
    held->ref = ref;
}

struct held *replica_next(const struct replica *replica, const struct held *held) {
    if (held != NULL && held->next != NULL) {
        return held->next;
    }
    size_t bucket = held != NULL ? (topic_hash(held->topic) & (replica->bucket_count - 1)) + 1 : 0;
    while (bucket < replica->bucket_count && replica->buckets[bucket] == NULL) {
        bucket++;
    }
    return bucket < replica->bucket_count ? replica->buckets[bucket] : NULL;
}
