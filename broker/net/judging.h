/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Time for judging credentials. A signature costs up to half a millisecond, and whoever is in shall not wait for those who come: so
 * much of a turn goes to it (auth.judge_ms), shared by tokens of sessions and of requests, one of each in turn. Nor shall who comes with
 * a good token wait for thousands of forged ones from elsewhere: both wait in lanes by address, and one of each lane is judged in turn.
 *
 *   request ──▶ judged at once, while there is time and nobody waits
 *         └──▶ its address's lane ──▶ judged, and goes on
 *                └── waited handshake_wait_ms, or auth.waiting_max wait already and no longer lane makes room ──▶ 503 with Retry-After
 *   session ──▶ its address's lane ──▶ judged, and goes on
 *
 * A connection has one request or one session at a time, and a session one token, so each waits once; what waits costs about 100 bytes and,
 * of a session, its token. One for each shard, on its thread.
 */
#ifndef NET_JUDGING_H
#define NET_JUDGING_H

#include "broker/net/lanes.h"

struct broker;
struct claimant;
struct exchange;
struct peer;

struct judging {
    struct lanes requests;
    struct lanes sessions;
    struct link aging; /* requests, oldest first */
    uint64_t judged;   /* credentials, ever */
    uint64_t turn;     /* that the time was spent in */
    uint64_t spent_ns; /* of it */
};

/* False: no memory. */
bool judging_init(struct judging *judging, uint64_t seed);
void judging_fini(struct judging *judging);

/* May a request be judged now? Else it has to wait. While the store is loaded nobody is in, and nothing waits. */
bool judging_is_free(struct broker *broker);

/* Around the judging of one credential. */
uint64_t judging_begin(struct broker *broker);
void judging_end(struct broker *broker, uint64_t began_ns);

/* False: too many wait. */
bool judging_wait(struct exchange *exchange);
bool judging_waits(const struct exchange *exchange);
void judging_forget(struct exchange *exchange);

/* The peer's session ends, whether its token was judged or not. */
void judging_forget_session(struct broker *broker, struct peer *peer);

/* Part of the turn. True: more wait. */
bool judging_work(struct broker *broker);

#endif
