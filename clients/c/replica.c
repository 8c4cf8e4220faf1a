/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/replica.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

void replica_init(struct replica *replica, size_t bytes_max, uint64_t seed) {
    *replica = (struct replica){.bytes_max = bytes_max, .seed = seed};
}

void replica_fini(struct replica *replica) {
    while (replica->first != NULL) {
        replica_drop(replica, replica->first);
    }
    assert(replica->count == 0 && replica->bytes == 0);
    free(replica->topics);
    free(replica->refs);
    *replica = (struct replica){0};
}

/* FNV-1a from a random start: topics chosen to collide in one client do not in another. */
static uint64_t hash_topic(const struct replica *replica, struct span topic) {
    uint64_t hash = replica->seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < topic.bytes; i++) {
        hash = (hash ^ topic.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 29;
}

static size_t ref_bucket(const struct replica *replica, int64_t ref) {
    return (size_t)((uint64_t)ref * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (replica->buckets - 1);
}

static void chain_topic(struct replica *replica, struct replica_entry *entry) {
    struct replica_entry **bucket = &replica->topics[entry->hash & (replica->buckets - 1)];
    entry->next_topic = *bucket;
    *bucket = entry;
}

static void chain_ref(struct replica *replica, struct replica_entry *entry) {
    struct replica_entry **bucket = &replica->refs[ref_bucket(replica, entry->ref)];
    entry->next_ref = *bucket;
    *bucket = entry;
}

static bool grow(struct replica *replica) {
    size_t buckets = replica->buckets == 0 ? BUCKETS_FIRST : replica->buckets * 2;
    struct replica_entry **topics = calloc(buckets, sizeof(struct replica_entry *));
    struct replica_entry **refs = calloc(buckets, sizeof(struct replica_entry *));
    if (topics == NULL || refs == NULL) {
        free(topics);
        free(refs);
        return false;
    }
    free(replica->topics);
    free(replica->refs);
    replica->topics = topics;
    replica->refs = refs;
    replica->buckets = buckets;
    for (struct replica_entry *entry = replica->first; entry != NULL; entry = entry->next) {
        chain_topic(replica, entry);
        if (entry->ref != 0) {
            chain_ref(replica, entry);
        }
    }
    return true;
}

static struct replica_entry *find_hashed(const struct replica *replica, struct span topic, uint64_t hash) {
    if (replica->buckets == 0) {
        return NULL;
    }
    struct replica_entry *entry = replica->topics[hash & (replica->buckets - 1)];
    while (entry != NULL && !(entry->hash == hash && span_equal(replica_topic(entry), topic))) {
        entry = entry->next_topic;
    }
    return entry;
}

struct replica_entry *replica_find(const struct replica *replica, struct span topic) {
    return find_hashed(replica, topic, hash_topic(replica, topic));
}

struct replica_entry *replica_find_ref(const struct replica *replica, int64_t ref) {
    if (replica->buckets == 0 || ref == 0) {
        return NULL;
    }
    struct replica_entry *entry = replica->refs[ref_bucket(replica, ref)];
    while (entry != NULL && entry->ref != ref) {
        entry = entry->next_ref;
    }
    return entry;
}

static size_t cost_of(size_t topic_bytes) {
    return sizeof(struct replica_entry) + topic_bytes;
}

struct replica_entry *replica_add(struct replica *replica, struct span topic) {
    uint64_t hash = hash_topic(replica, topic);
    struct replica_entry *entry = find_hashed(replica, topic, hash);
    if (entry != NULL) {
        return entry;
    }
    size_t cost = cost_of(topic.bytes);
    if (cost > replica->bytes_max - replica->bytes || (replica->count >= replica->buckets && !grow(replica))) {
        return NULL;
    }
    entry = calloc(1, cost);
    if (entry == NULL) {
        return NULL;
    }
    entry->hash = hash;
    entry->topic_bytes = topic.bytes;
    memcpy(entry->topic, topic.data, topic.bytes);
    entry->prev = replica->last;
    *(replica->last == NULL ? &replica->first : &replica->last->next) = entry;
    replica->last = entry;
    chain_topic(replica, entry);
    replica->count++;
    replica->bytes += cost;
    return entry;
}

static void unchain_topic(struct replica *replica, struct replica_entry *entry) {
    struct replica_entry **at = &replica->topics[entry->hash & (replica->buckets - 1)];
    while (*at != entry) {
        at = &(*at)->next_topic;
    }
    *at = entry->next_topic;
}

static void unbind(struct replica *replica, struct replica_entry *entry) {
    if (entry->ref == 0) {
        return;
    }
    struct replica_entry **at = &replica->refs[ref_bucket(replica, entry->ref)];
    while (*at != entry) {
        at = &(*at)->next_ref;
    }
    *at = entry->next_ref;
    entry->ref = 0;
}

void replica_drop(struct replica *replica, struct replica_entry *entry) {
    assert(replica->count > 0);
    unchain_topic(replica, entry);
    unbind(replica, entry);
    *(entry->prev == NULL ? &replica->first : &entry->prev->next) = entry->next;
    *(entry->next == NULL ? &replica->last : &entry->next->prev) = entry->prev;
    replica->count--;
    replica->bytes -= cost_of(entry->topic_bytes) + entry->data_bytes;
    free(entry->data);
    free(entry);
}

bool replica_store(struct replica *replica, struct replica_entry *entry, struct span data) {
    size_t others = replica->bytes - entry->data_bytes;
    if (data.bytes > replica->bytes_max - others) {
        return false;
    }
    if (data.bytes != entry->data_bytes) {
        uint8_t *grown = realloc(entry->data, data.bytes == 0 ? 1 : data.bytes);
        if (grown == NULL) {
            return false;
        }
        entry->data = grown;
    }
    if (data.bytes > 0) {
        memcpy(entry->data, data.data, data.bytes);
    }
    entry->data_bytes = data.bytes;
    replica->bytes = others + data.bytes;
    return true;
}

void replica_bind(struct replica *replica, struct replica_entry *entry, int64_t ref) {
    if (entry->ref == ref) {
        return;
    }
    struct replica_entry *former = replica_find_ref(replica, ref);
    if (former != NULL) {
        unbind(replica, former);
    }
    unbind(replica, entry);
    entry->ref = ref;
    if (ref != 0) {
        chain_ref(replica, entry);
    }
}

void replica_forget_refs(struct replica *replica) {
    for (struct replica_entry *entry = replica->first; entry != NULL; entry = entry->next) {
        entry->ref = 0;
    }
    if (replica->buckets > 0) {
        memset(replica->refs, 0, replica->buckets * sizeof(struct replica_entry *));
    }
}

void replica_forget_seqs(struct replica *replica) {
    for (struct replica_entry *entry = replica->first; entry != NULL; entry = entry->next) {
        entry->seq = 0;
    }
}
