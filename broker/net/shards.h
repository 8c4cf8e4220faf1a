/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Shards: several loops in one process, each on a thread of its own with its own listening sockets (SO_REUSEPORT), its own poller,
 * connections and sessions. The first also has the ledger and the store; the others follow it (core/follow.h).
 *
 *   first                                                       each other one
 *     ├── changes ▶ batches of shown changes ─────────────────────▶│    bounded: when a shard lags, the first waits for it, and
 *     ├── down ───▶ answered mail, drain, stop ───────────────────▶│             with it its publishers
 *     │◀─────────── mail, batches given back, ready ◀─────── up ───┤    never full: what may be in it is bounded by the other two
 *
 * A turn that put something into a ring wakes the other loop once (uv_async_send). Nobody waits for the first, so the first may wait
 * for anybody. With one shard there are no rings and no threads here.
 *
 * What is counted for the whole process stands in `limits`, under its own mutex; what each shard counts it writes down at the end of a
 * turn (shards_note), and whoever is asked adds it up (shards_sum).
 */
#ifndef NET_SHARDS_H
#define NET_SHARDS_H

#include "broker/base/ring.h"
#include "broker/core/follow.h"
#include "broker/net/access.h"
#include "broker/net/inquiry.h"
#include "broker/net/limits.h"
#include "broker/net/net_metrics.h"
#include "broker/net/pressure.h"
#include "broker/net/reload.h"
#include "broker/net/subjects.h"
#include "broker/net/tls_context.h"

#include <pthread.h>

#define SHARDS_MAX 32

struct broker;

/* Batches that a shard may have in its queue. */
#define SHARD_BATCHES_MAX 256

struct shard_post {
    struct ring changes;
    struct ring down;
    struct ring up;
    size_t batches_out;      /* the first's: not given back yet */
    bool must_wake;          /* the first's: something was put for it in this turn */
    size_t mails_out;        /* the shard's: not answered yet */
    size_t batches_taken;    /* the shard's */
    struct batch **followed; /* the shard's: batches of this turn, to be given back when it is over */
    size_t followed_count;
    bool must_wake_first; /* the shard's */
    pthread_t thread;
    bool has_thread;
};

struct shard_figures {
    struct metrics core;
    struct net_metrics net;
};

enum shards_phase {
    SHARDS_LOADING, /* the store is read */
    SHARDS_FEEDING, /* what it held goes to the followers */
    SHARDS_TOLD,    /* they were told that it was all */
    SHARDS_READY,
};

struct shards {
    size_t count;
    struct broker *brokers[SHARDS_MAX];
    struct shard_post posts[SHARDS_MAX]; /* [0] is not used */
    enum shards_phase phase;             /* the first's */
    size_t ready_count;                  /* the first's: followers that have everything */
    atomic_size_t batches_sent;          /* that stand in every follower's ring: none takes one before */
    atomic_bool is_ready;                /* all take work: what any of them may say to who asks */
    struct connection_limits limits;
    struct pressure pressure;
    struct subjects subjects;
    struct inquiries inquiries;
    struct reload reload;
    atomic_bool drain_asked; /* by an operator: once */
    atomic_bool backing_up;  /* one at a time */
    struct tls_context tls;
    struct access access;
    pthread_mutex_t mutex;
    struct shard_figures figures[SHARDS_MAX]; /* under the mutex */
};

/* Makes the other brokers beside the first, each with a core that follows, a loop, and listening sockets once the first has its. False,
   with the reason in `why`; shards_destroy all the same. */
bool shards_create(struct broker *first, char *why, size_t why_bytes);
bool shards_listen(struct shards *shards, char *why, size_t why_bytes);

/* False: no thread. */
bool shards_start(struct shards *shards);

/*
 * Takes in every batch that any shard may have shown by now, so that what is read here is not older than what was seen elsewhere. First thing in
 * every callback, as part of loop_enter: a batch stands in every ring before the first shard that has it shows it.
 */
void shards_catch_up(struct broker *broker);

/* Part of the turn of every shard. */
bool shards_receive(struct broker *broker);   /* true: more waits */
void shards_send(struct broker *broker);      /* after core_turn_stored */
void shards_give_back(struct broker *broker); /* after what was shown was pulled */
void shards_note(struct broker *broker);      /* at the end */

/* The first, after its core was loaded: moves what it holds on to the followers. True once all have it; what else has to happen wakes it. */
bool shards_feed(struct broker *first);

void shards_drain(struct shards *shards); /* the others begin to drain */
void shards_stop(struct shards *shards);  /* the others end at once; waits for their threads */
void shards_destroy(struct shards *shards);

/* The sums of all shards; gauges of what the ledger holds are the first's. */
void shards_sum(struct broker *broker, struct shard_figures *sum);

#endif
