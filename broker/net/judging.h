/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Time for judging credentials. A signature costs up to half a millisecond, and whoever is in shall not wait for those who come: so
 * much of a turn goes to it (auth.judge_ms), shared by tokens of sessions and of requests, one of each in turn.
 *
 *   request ──▶ judged at once, while there is time and nobody waits
 *         └──▶ waits, oldest first ──▶ judged, and goes on
 *                └── auth.waiting_max wait already, or it waited handshake_wait_ms ──▶ 503 with Retry-After
 *
 * A connection has one request at a time, so it waits once. One for each shard, on its thread.
 */
#ifndef NET_JUDGING_H
#define NET_JUDGING_H

#include "broker/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker;
struct exchange;

struct judging {
    struct link waiting; /* exchanges, oldest first */
    size_t count;
    uint64_t turn;     /* that the time was spent in */
    uint64_t spent_ns; /* of it */
};

void judging_init(struct judging *judging);

/* May a request be judged now? Else it has to wait. While the store is loaded nobody is in, and nothing waits. */
bool judging_is_free(struct broker *broker);

/* Around the judging of one credential. */
uint64_t judging_begin(struct broker *broker);
void judging_end(struct broker *broker, uint64_t began_ns);

/* False: too many wait. */
bool judging_wait(struct exchange *exchange);
bool judging_waits(const struct exchange *exchange);
void judging_forget(struct exchange *exchange);

/* Part of the turn. True: more wait. */
bool judging_work(struct broker *broker);

#endif
