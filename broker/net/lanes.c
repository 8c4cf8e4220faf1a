/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/lanes.h"

#include "broker/net/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024 /* a power of two */

struct lane {
    struct link link; /* in lanes->turn */
    struct lane *next;
    uint64_t key[2];
    struct link waiting; /* oldest first */
    size_t count;
};

bool lanes_init(struct lanes *lanes, uint64_t seed) {
    memset(lanes, 0, sizeof *lanes);
    list_init(&lanes->turn);
    lanes->seed = seed;
    lanes->buckets = calloc(BUCKETS, sizeof(struct lane *));
    return lanes->buckets != NULL;
}

void lanes_fini(struct lanes *lanes) {
    assert(lanes->waiting == 0 && lanes->count == 0);
    free(lanes->buckets);
    lanes->buckets = NULL;
}

/* ---- one lane ---- */

static struct lane **bucket_of(struct lanes *lanes, const uint64_t key[2]) {
    return &lanes->buckets[address_key_hash(key, lanes->seed) & (BUCKETS - 1)];
}

static struct lane *find(struct lanes *lanes, const uint64_t key[2]) {
    struct lane *lane = *bucket_of(lanes, key);
    while (lane != NULL && memcmp(lane->key, key, sizeof lane->key) != 0) {
        lane = lane->next;
    }
    return lane;
}

static struct lane *add(struct lanes *lanes, const uint64_t key[2]) {
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane != NULL) {
        struct lane **bucket = bucket_of(lanes, key);
        memcpy(lane->key, key, sizeof lane->key);
        list_init(&lane->waiting);
        lane->next = *bucket;
        *bucket = lane;
        list_append(&lanes->turn, &lane->link);
        lanes->count++;
    }
    return lane;
}

static void drop(struct lanes *lanes, struct lane *lane) {
    struct lane **place = bucket_of(lanes, lane->key);
    while (*place != lane) {
        place = &(*place)->next;
    }
    *place = lane->next;
    link_remove(&lane->link);
    lanes->longest = lanes->longest == lane ? NULL : lanes->longest;
    lanes->count--;
    free(lane);
}

/* ---- those who wait ---- */

bool lanes_join(struct lanes *lanes, struct lane_place *place, const struct sockaddr *address) {
    uint64_t key[2];
    address_key(address, key);
    struct lane *lane = find(lanes, key);
    assert(place->lane == NULL);
    if (lane == NULL && (lane = add(lanes, key)) == NULL) {
        return false;
    }
    place->lane = lane;
    list_append(&lane->waiting, &place->link);
    lane->count++;
    lanes->waiting++;
    lanes->longest = lanes->longest != NULL && lane->count > lanes->longest->count ? lane : lanes->longest;
    return true;
}

void lanes_leave(struct lanes *lanes, struct lane_place *place) {
    struct lane *lane = place->lane;
    assert(lane != NULL && lane->count > 0);
    link_remove(&place->link);
    place->lane = NULL;
    lanes->waiting--;
    if (--lane->count == 0) {
        drop(lanes, lane);
    }
}

struct lane_place *lanes_next(struct lanes *lanes) {
    if (list_is_empty(&lanes->turn)) {
        return NULL;
    }
    struct link *first = list_pop(&lanes->turn);
    list_append(&lanes->turn, first);
    return CONTAINER_OF(CONTAINER_OF(first, struct lane, link)->waiting.next, struct lane_place, link);
}

static struct lane *find_longest(struct lanes *lanes) {
    for (struct link *link = lanes->turn.next; lanes->longest == NULL && link != &lanes->turn; link = lanes->turn.next) {
        lanes->longest = CONTAINER_OF(link, struct lane, link);
        for (link = link->next; link != &lanes->turn; link = link->next) {
            struct lane *lane = CONTAINER_OF(link, struct lane, link);
            lanes->longest = lane->count > lanes->longest->count ? lane : lanes->longest;
        }
    }
    return lanes->longest;
}

struct lane_place *lanes_last_before(struct lanes *lanes, const struct sockaddr *address) {
    uint64_t key[2];
    address_key(address, key);
    const struct lane *own = find(lanes, key);
    struct lane *longest = find_longest(lanes);
    if (longest == NULL || longest->count <= (own == NULL ? 0 : own->count) + 1) {
        return NULL;
    }
    return CONTAINER_OF(longest->waiting.prev, struct lane_place, link);
}
