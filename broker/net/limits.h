/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Who may connect: the total number of connections, and the number per address, each counted from accept to close.
 * Owned by the shards of a broker, which call from any of their threads. Pure: no socket is touched here.
 *
 * IPv4 addresses count one by one, IPv6 addresses by their /64, which is what one customer holds. Loopback is exempt from the
 * limit per address unless asked otherwise: a reverse proxy on the same machine brings everybody from there.
 */
#ifndef NET_LIMITS_H
#define NET_LIMITS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address_count;

struct connection_limits {
    pthread_mutex_t mutex; /* all shards accept */
    struct address_count **buckets;
    uint64_t seed; /* of the hash, so that nobody can aim at one bucket */
    size_t connections;
    size_t connections_max;
    size_t connections_per_address_max;
    bool limit_loopback;
};

enum admission {
    ADMISSION_OK,
    ADMISSION_FULL,     /* the total is reached */
    ADMISSION_TOO_MANY, /* this address has its share */
    ADMISSION_NO_MEMORY,
};

/* False: no memory. */
bool connection_limits_init(struct connection_limits *limits, uint64_t seed);
void connection_limits_fini(struct connection_limits *limits);

/* Counts a new connection in. On ADMISSION_OK, *count is to be given back to connection_limits_leave (NULL for an exempt address). */
enum admission connection_limits_enter(struct connection_limits *limits, const struct sockaddr *address,
                                       struct address_count **count);
void connection_limits_leave(struct connection_limits *limits, struct address_count *count);

/* Counts a connection for another address from now on; `address` NULL: for none. False: that one has its share, and nothing has changed. */
bool connection_limits_move(struct connection_limits *limits, struct address_count **count, const struct sockaddr *address);

/* Connections now. */
size_t connection_limits_count(struct connection_limits *limits);

/* What addresses count by, and a hash of it that nobody can aim at. */
void address_key(const struct sockaddr *address, uint64_t key[2]);
size_t address_key_hash(const uint64_t key[2], uint64_t seed);

bool sockaddr_is_loopback(const struct sockaddr *address);

#endif
