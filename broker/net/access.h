/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Who may do what, at the edge: credentials come in with requests and messages, rights go to exchanges and sessions (docs/access.md).
 *
 * Access is controlled as soon as anything that vouches for somebody is configured. Then whoever shows nothing is anonymous, with the rights of
 * auth.anonymous_sub, or nobody. Without it access is open.
 *
 * What is known stands in `struct access` for all shards, under its mutex; each shard holds the credentials it works with, and looks at its
 * sessions and connections again when they, or the revocations, have changed: `generation` tells, and a wake-up.
 */
#ifndef NET_ACCESS_H
#define NET_ACCESS_H

#include "broker/net/jwt_claims.h"
#include "broker/net/revocations.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

struct broker;
struct config;
struct exchange;
struct session;

/* Of the process. */
struct access {
    pthread_mutex_t mutex;
    struct credentials *credentials; /* newest; counted */
    struct revocations revocations;
    atomic_uint_fast64_t generation;
};

/* Of a shard. */
struct shard_access {
    struct credentials *credentials; /* counted; NULL: access is open */
    struct rights *anonymous;        /* NULL: nobody may be */
    uint_fast64_t generation;        /* that its sessions were looked at for */
};

/* Of an HTTP connection: what its last request showed, so that the next need not be verified anew. */
struct access_memory {
    uint8_t digest[API_KEY_HASH_BYTES];
    uint_fast64_t generation;
    struct rights *rights; /* counted; NULL: nothing is remembered */
};

bool access_is_controlled(const struct config *config);

/* Reads everything once, and says what is wrong; false if anything is. For the check of a configuration. */
bool access_check(const struct config *config, FILE *errors);

/* The first shard's, before there are others. False, with the reason in `why`. */
bool access_open(struct broker *first, char *why, size_t why_bytes);
void access_close(struct broker *first);

/* Each shard's. False: no memory. */
bool access_join(struct broker *broker);
void access_leave(struct broker *broker);

/* Reads the files again. If anything is wrong with them, that is logged, and what was known stays. The first shard's thread. */
void access_reload(struct broker *first);

/*
 * From now on no shard takes such credentials, and sessions that have them end, within a turn of each shard. Written to auth.revoked, if
 * that is configured, else it holds until the broker stops. Any shard's thread. AHORA_OK; AHORA_INVALID, AHORA_OVERLOADED, or AHORA_INTERNAL
 * (it holds, but could not be written), with *detail.
 */
enum ahora_code access_revoke(struct broker *broker, const struct revocation *revocation, const char **detail);

/* Part of the turn: ends what is no longer good. */
void access_keep_up(struct broker *broker);

/* The token that a session has shown. True: it is good. */
bool access_judge_session(struct broker *broker, struct session *session, struct span token);

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_REFUSED, /* it has been answered */
    ACCESS_WAITS,   /* until its turn comes (judging.h); then access_conclude tells */
};

/* The exchange's rights, from what its request shows. */
enum access_verdict access_admit(struct exchange *exchange);
enum refusal access_judge_request(struct exchange *exchange);
enum access_verdict access_conclude(struct exchange *exchange);

/* Are they still good, and unexpired? For what goes on for long. */
bool access_is_good(struct broker *broker, const struct rights *rights);

void access_forget(struct access_memory *memory);

/* The rights of a client certificate's subject; counted; NULL: none. */
struct rights *access_of_subject(struct broker *broker, struct span subject);

#endif
