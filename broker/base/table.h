/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A hash table whose nodes sit in the stored structs (linear hashing with chains): it grows one bucket at an insertion, so that no
 * insertion stalls, a million entries included. It is never walked: whoever needs an order keeps a list.
 * Hashes come from table_hash, keyed by a secret, so that names from outside cannot be chosen to collide.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **buckets;
    size_t bucket_count; /* in use: capacity / 2 < bucket_count <= capacity */
    size_t capacity;     /* allocated, a power of two */
    size_t count;
};

#define TABLE_SECRET_BYTES 192

struct table_key {
    uint8_t secret[TABLE_SECRET_BYTES];
};

void table_key_init(struct table_key *key, uint64_t seed);
uint64_t table_hash(const struct table_key *key, const void *data, size_t bytes);

bool table_init(struct table *table); /* false: no memory */
void table_fini(struct table *table); /* the nodes are the caller's */

/* Room for so many nodes at once, for who knows how many come: they are then inserted without splitting a bucket each. False: no memory; the table is as it was. */
bool table_reserve(struct table *table, size_t count);

/* For who knows ahead what will be looked for or inserted: brings the bucket of that hash nearer to the processor, and once it is there the first of its
   nodes. Many at once wait for memory together instead of one after the other. */
void table_foresee(const struct table *table, uint64_t hash);
void table_foresee_node(const struct table *table, uint64_t hash);

/* The first node of that hash, and the next one: the caller compares what it stored. */
struct table_node *table_first(const struct table *table, uint64_t hash);
struct table_node *table_next(const struct table_node *node);

/* False: no memory to grow (the node was not inserted). Duplicates are the caller's business. */
bool table_insert(struct table *table, struct table_node *node, uint64_t hash);
void table_remove(struct table *table, struct table_node *node);

#endif
