/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The gate: who has been accepted and may connect, but not yet. After a restart all come back at once, and each costs a handshake, an upgrade, a
 * hello and a snapshot; those who are there must not notice.
 *
 *   accept ──▶ let in at once, while there is budget and nobody waits
 *         └──▶ the address's lane ──▶ let in, one of each lane in turn ──▶ connection_open
 *                    └── the gate is full, or waited handshake_wait_ms ──▶ 503 with Retry-After: a slot of its own
 *
 * The budget is a number of newcomers a turn. It halves when a turn of the loop took longer than turn_ms and grows while none does, but
 * never below one thousand a second, so that a busy broker lets in slowly instead of nobody. Beside it stands handshake_rate_max. Slots of those
 * who are sent away lie one behind the other, so that they come back spread over the time that it takes to let them in.
 *
 * One for each shard, on its thread. A socket that waits costs a descriptor and about 100 bytes, and is counted as a connection.
 */
#ifndef NET_GATE_H
#define NET_GATE_H

#include "broker/base/allowance.h"
#include "broker/base/list.h"
#include "broker/net/lanes.h"
#include "broker/net/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct listener;

/* An accepted socket: what a transport is made of. */
struct newcomer {
    const struct listener *listener;
    struct sockaddr_storage address;
    struct address_count *count;
    int fd;
};

struct gate {
    struct lanes lanes;
    struct link all; /* who waits, oldest first */
    size_t waiting_max;
    int64_t rate_max;      /* of this shard; 0: unlimited */
    int64_t slot_rate_max; /* of this shard: who was sent away comes back, so many a second */
    struct allowance allowance;
    size_t budget;         /* newcomers a turn */
    size_t let_in;         /* of it, in this turn */
    int64_t told_until_us; /* the last slot that was told */
};

/* False: no memory. */
bool gate_init(struct gate *gate, uint64_t seed, int64_t now_ms);
void gate_fini(struct gate *gate);

/* What of the configuration may change while it runs. */
void gate_configure(struct broker *broker);

/* Takes the socket and its count. Who comes to an internal listener waits for nobody. */
void gate_enter(struct broker *broker, const struct newcomer *newcomer);

/* Lets in who may now. True: there are more for the next turn. */
bool gate_pump(struct broker *broker);

/* The turn is over and took so long. */
void gate_end_turn(struct broker *broker, int64_t took_us);

/* When it wants to be pumped again although nothing happened; INT64_MAX: never. */
int64_t gate_next_due(struct broker *broker);

/* When somebody who is sent away now should come back: the next slot, in ms from now. */
int64_t gate_slot_ms(struct broker *broker);

/* All who wait are sent away. */
void gate_close(struct broker *broker);

#endif
