/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/limits.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096 /* a power of two; chains stay short up to some ten thousand different addresses */

struct address_count {
    struct address_count *next;
    uint64_t key[2];
    size_t connections;
};

bool connection_limits_init(struct connection_limits *limits, uint64_t seed) {
    memset(limits, 0, sizeof *limits);
    pthread_mutex_init(&limits->mutex, NULL);
    limits->seed = seed;
    limits->buckets = calloc(BUCKETS, sizeof *limits->buckets);
    return limits->buckets != NULL;
}

void connection_limits_fini(struct connection_limits *limits) {
    assert(limits->connections == 0);
    free(limits->buckets);
    pthread_mutex_destroy(&limits->mutex);
    memset(limits, 0, sizeof *limits);
}

/* IPv4, also as IPv4-mapped IPv6, in full; IPv6 by its first 64 bits. */
void address_key(const struct sockaddr *address, uint64_t key[2]) {
    key[0] = 0;
    key[1] = 0;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, address, sizeof in4);
        key[1] = in4.sin_addr.s_addr;
        return;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
        memcpy(&key[1], &in6.sin6_addr.s6_addr[12], 4);
        return;
    }
    memcpy(&key[0], &in6.sin6_addr.s6_addr[0], 8);
}

size_t address_key_hash(const uint64_t key[2], uint64_t seed) {
    uint64_t hash = seed;
    for (int i = 0; i < 2; i++) {
        hash = (hash ^ key[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return (size_t)(hash >> 20);
}

static size_t bucket_of(const struct connection_limits *limits, const uint64_t key[2]) {
    return address_key_hash(key, limits->seed) & (BUCKETS - 1);
}

bool sockaddr_is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, address, sizeof in4);
        return (ntohl(in4.sin_addr.s_addr) >> 24) == 127;
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) || (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127);
}

static struct address_count *find_or_add(struct connection_limits *limits, const uint64_t key[2]) {
    struct address_count **bucket = &limits->buckets[bucket_of(limits, key)];
    for (struct address_count *count = *bucket; count != NULL; count = count->next) {
        if (count->key[0] == key[0] && count->key[1] == key[1]) {
            return count;
        }
    }
    struct address_count *count = calloc(1, sizeof *count);
    if (count != NULL) {
        memcpy(count->key, key, sizeof count->key);
        count->next = *bucket;
        *bucket = count;
    }
    return count;
}

static enum admission enter(struct connection_limits *limits, const struct sockaddr *address, struct address_count **count) {
    *count = NULL;
    if (limits->connections >= limits->connections_max) {
        return ADMISSION_FULL;
    }
    if (limits->limit_loopback || !sockaddr_is_loopback(address)) {
        uint64_t key[2];
        address_key(address, key);
        struct address_count *found = find_or_add(limits, key);
        if (found == NULL) {
            return ADMISSION_NO_MEMORY;
        }
        if (found->connections >= limits->connections_per_address_max) {
            return ADMISSION_TOO_MANY;
        }
        found->connections++;
        *count = found;
    }
    limits->connections++;
    return ADMISSION_OK;
}

enum admission connection_limits_enter(struct connection_limits *limits, const struct sockaddr *address,
                                       struct address_count **count) {
    pthread_mutex_lock(&limits->mutex);
    enum admission admission = enter(limits, address, count);
    pthread_mutex_unlock(&limits->mutex);
    return admission;
}

static void forget(struct connection_limits *limits, struct address_count *count) {
    struct address_count **place = &limits->buckets[bucket_of(limits, count->key)];
    while (*place != count) {
        place = &(*place)->next;
    }
    *place = count->next;
    free(count);
}

static void leave(struct connection_limits *limits, struct address_count *count) {
    assert(limits->connections > 0);
    limits->connections--;
    if (count == NULL) {
        return;
    }
    assert(count->connections > 0);
    if (--count->connections == 0) {
        forget(limits, count);
    }
}

void connection_limits_leave(struct connection_limits *limits, struct address_count *count) {
    pthread_mutex_lock(&limits->mutex);
    leave(limits, count);
    pthread_mutex_unlock(&limits->mutex);
}

static bool move(struct connection_limits *limits, struct address_count **count, const struct sockaddr *address) {
    struct address_count *to = NULL;
    if (address != NULL && (limits->limit_loopback || !sockaddr_is_loopback(address))) {
        uint64_t key[2];
        address_key(address, key);
        to = find_or_add(limits, key);
        if (to == NULL || (to != *count && to->connections >= limits->connections_per_address_max)) {
            return false;
        }
        to->connections++;
    }
    if (*count != NULL && --(*count)->connections == 0) {
        forget(limits, *count);
    }
    *count = to;
    return true;
}

bool connection_limits_move(struct connection_limits *limits, struct address_count **count, const struct sockaddr *address) {
    pthread_mutex_lock(&limits->mutex);
    bool moved = move(limits, count, address);
    pthread_mutex_unlock(&limits->mutex);
    return moved;
}

size_t connection_limits_count(struct connection_limits *limits) {
    pthread_mutex_lock(&limits->mutex);
    size_t count = limits->connections;
    pthread_mutex_unlock(&limits->mutex);
    return count;
}
