/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A question of an operator to all shards, or something they are all to do: each serves it on its own thread, in its next turn, and the last
 * one wakes the shard that asked. With one shard all of that happens within a turn.
 *
 *   inquiry_ask ──▶ every shard: inquiries_serve ──▶ asker: on_done(exchange), the inquiry is freed behind it
 *                                                └── the exchange is gone meanwhile: inquiry_forget
 *
 * All of it is under one mutex, which nobody else takes; a shard looks at a counter first. Bounded: INQUIRIES_MAX at once.
 */
#ifndef NET_INQUIRY_H
#define NET_INQUIRY_H

#include "broker/base/list.h"
#include "proto/buffer.h"
#include "proto/name.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define INQUIRY_SHARDS_MAX 32
#define INQUIRIES_MAX 16
#define INQUIRY_LIMIT_MAX 1000

struct broker;
struct exchange;

enum inquiry_kind {
    INQUIRY_SESSIONS,   /* in the order of their numbers, from `after` on */
    INQUIRY_SLOWEST,    /* those most behind */
    INQUIRY_DISCONNECT, /* sessions that the filter selects */
    INQUIRY_RELOAD,     /* the first alone does it; `text` says what came of it */
};

/* Sessions that an operator means; what is empty selects all. */
struct session_filter {
    uint64_t number;
    char subject[AHORA_TOPIC_BYTES_MAX + 1];
    struct in6_addr address;
    bool has_address;
    char match_text[AHORA_TOPIC_BYTES_MAX + 1];
    struct name match; /* points into match_text; count 0: any */
};

/* One session in the answer. */
struct inquiry_item {
    uint64_t order; /* ascending */
    size_t at;      /* in `text` */
    size_t bytes;
};

struct inquiry {
    struct link link;
    enum inquiry_kind kind;
    struct broker *asker;
    struct exchange *exchange; /* NULL: nobody waits */
    void (*on_done)(struct exchange *exchange, struct inquiry *inquiry);
    bool is_served[INQUIRY_SHARDS_MAX];
    size_t left; /* shards that have not served it */

    struct session_filter filter;
    uint64_t after;
    size_t limit;
    int64_t retry_ms; /* disconnect: -1: the broker chooses */

    struct buffer text;
    struct inquiry_item *items;
    size_t item_count;
    size_t item_capacity;
    uint64_t count; /* sessions that the filter selected */
    bool failed;    /* no memory */
};

struct inquiries {
    pthread_mutex_t mutex;
    struct link all;
    size_t count;
    atomic_size_t under_way; /* the same, for a look without the mutex */
};

void inquiries_init(struct inquiries *inquiries);
void inquiries_fini(struct inquiries *inquiries);

/* Zeroed but for its kind; NULL: no memory. */
struct inquiry *inquiry_create(enum inquiry_kind kind);
void inquiry_destroy(struct inquiry *inquiry);

/* Takes it. `exchange` may be NULL. False: too many are under way, and it was destroyed. */
bool inquiry_ask(struct broker *broker, struct inquiry *inquiry, struct exchange *exchange);

/* The exchange is going away; it is not told any more. */
void inquiry_forget(struct broker *broker, const struct exchange *exchange);

/* Part of every turn. */
void inquiries_serve(struct broker *broker);

/* Into the order asked for, and cut to `limit`. True: there were more. */
bool inquiry_sort(struct inquiry *inquiry);

#endif
