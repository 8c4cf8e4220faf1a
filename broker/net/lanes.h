/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Those who wait, in a lane for each address (IPv4; the /64 of IPv6), and served one of each lane in turn: a crowd from one address waits
 * behind itself, and who comes from another waits for one of each. Who is to make room is the last of the longest lane.
 *
 *   join ──▶ the address's lane ──▶ next: the first of the lane whose turn it is ──▶ leave
 *
 * A lane is there while somebody waits in it: there are never more of them than of those who wait, whose number the owner bounds. No lane is
 * looked for in another's order of arrival, and a hash with a secret finds it. Loop thread.
 */
#ifndef NET_LANES_H
#define NET_LANES_H

#include "broker/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct lane;

/* Of one who waits, embedded; zeroed: it does not. */
struct lane_place {
    struct link link;
    struct lane *lane;
};

struct lanes {
    struct link turn; /* with somebody waiting */
    struct lane **buckets;
    struct lane *longest; /* or not much shorter; NULL: to be looked for */
    size_t count;
    size_t waiting;
    uint64_t seed;
};

/* False: no memory. */
bool lanes_init(struct lanes *lanes, uint64_t seed);
void lanes_fini(struct lanes *lanes); /* nobody waits */

/* False: no memory for another lane. */
bool lanes_join(struct lanes *lanes, struct lane_place *place, const struct sockaddr *address);
void lanes_leave(struct lanes *lanes, struct lane_place *place);

/* Whose turn it is; its lane's next turn is behind all others'. It waits until it leaves. NULL: nobody waits. */
struct lane_place *lanes_next(struct lanes *lanes);

/* Who makes room for one from there. NULL: nobody, for no lane would still be as long as the newcomer's. */
struct lane_place *lanes_last_before(struct lanes *lanes, const struct sockaddr *address);

#endif
