/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The topics a subscriber has heard of, found by name and by ref: storage alone, the rules are the follower's. A zeroed struct is
 * empty and valid. One thread.
 */
#ifndef AHORA_TESTS_REPLICA_H
#define AHORA_TESTS_REPLICA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define REPLICA_REF_MAX (1 << 24) /* the table of refs is direct: more would be a broker that leaks numbers */

/* One topic, also when it is removed (data NULL): its seq must not shrink. */
struct held {
    char *topic;
    json_t *data;
    int64_t seq;
    int64_t ref; /* 0: none in this connection */
    bool is_stale;
    bool is_forgotten;   /* by a snapshot that did not come to it yet: it may come again with the same seq */
    uint32_t matched_by; /* a bit for each subscription */
    size_t match_count;  /* patterns, of all subscriptions */
    struct held *next;   /* in its bucket */
};

struct replica {
    struct held **buckets;
    size_t bucket_count;
    size_t count;          /* entries, removed ones included */
    size_t document_count; /* those with data */
    struct held **refs;
    size_t ref_capacity;
};

void replica_fini(struct replica *replica);

/* NULL if never heard of. */
struct held *replica_find(const struct replica *replica, const char *topic);

/* Made if never heard of: then with seq 0 and no data. */
struct held *replica_get(struct replica *replica, const char *topic);

/* Takes the reference; NULL removes the document. */
void replica_set_data(struct replica *replica, struct held *held, json_t *data);

/* What the ref stands for, or NULL. */
struct held *replica_find_ref(const struct replica *replica, int64_t ref);

/* The ref, 1 to REPLICA_REF_MAX, stands for this topic from now on, and nothing else does. */
void replica_bind(struct replica *replica, struct held *held, int64_t ref);
void replica_unbind(struct replica *replica, struct held *held);

/* For all entries: start with NULL; NULL after the last. Entries must not be added meanwhile. */
struct held *replica_next(const struct replica *replica, const struct held *held);

#endif
