/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The documents a client follows: topic → seq and value, and the `ref` numbers that stand for topics in one connection.
 *
 * An entry knows which subscriptions (by slot, a bit each) were told about it, and is kept until replica_drop. Memory is bounded
 * by `bytes_max`, counted with a fixed overhead per entry.
 */
#ifndef CLIENT_REPLICA_H
#define CLIENT_REPLICA_H

#include "proto/buffer.h"

struct replica_entry {
    struct replica_entry *prev; /* all entries, oldest first */
    struct replica_entry *next;
    struct replica_entry *next_topic; /* hash chains */
    struct replica_entry *next_ref;
    uint64_t hash;
    int64_t ref; /* 0: none in this connection */
    int64_t seq;
    int64_t at;
    uint64_t told;    /* a bit for each subscription slot that holds it */
    uint64_t touched; /* the client's count of data messages when it last came */
    bool stale;
    uint8_t *data; /* the document, packed */
    size_t data_bytes;
    size_t topic_bytes;
    uint8_t topic[]; /* topic_bytes */
};

struct replica {
    struct replica_entry *first;
    struct replica_entry *last;
    struct replica_entry **topics;
    struct replica_entry **refs;
    size_t buckets; /* a power of two, of both tables; 0 before the first entry */
    size_t count;
    size_t bytes;
    size_t bytes_max;
    uint64_t seed;
};

void replica_init(struct replica *replica, size_t bytes_max, uint64_t seed);
void replica_fini(struct replica *replica);

struct replica_entry *replica_find(const struct replica *replica, struct span topic);
struct replica_entry *replica_find_ref(const struct replica *replica, int64_t ref);

/* Finds or adds (seq 0, no data). NULL at the bound or without memory. */
struct replica_entry *replica_add(struct replica *replica, struct span topic);
void replica_drop(struct replica *replica, struct replica_entry *entry);

/* Copies `data`, which may not lie in the entry. False at the bound or without memory; the entry is then as before. */
bool replica_store(struct replica *replica, struct replica_entry *entry, struct span data);

/* From now on `ref` stands for this entry and for no other. */
void replica_bind(struct replica *replica, struct replica_entry *entry, int64_t ref);
void replica_forget_refs(struct replica *replica); /* a new connection */
void replica_forget_seqs(struct replica *replica); /* a new epoch: anything is newer */

static inline struct span replica_topic(const struct replica_entry *entry) {
    return span_of(entry->topic, entry->topic_bytes);
}

static inline struct span replica_data(const struct replica_entry *entry) {
    return span_of(entry->data, entry->data_bytes);
}

#endif
