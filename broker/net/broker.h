/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Everything one shard of the broker holds: a loop and what lives on it. There are no globals: whoever needs something gets a pointer to this.
 * The first (and with one shard the only) one has the store, too, and its core the ledger; main.c creates it, broker_run makes the others
 * beside it (shards.h). Everything here belongs to the shard's own thread, once that runs.
 */
#ifndef NET_BROKER_H
#define NET_BROKER_H

#include "broker/core/core.h"
#include "broker/net/access.h"
#include "broker/net/config.h"
#include "broker/net/dawdlers.h"
#include "broker/net/deadlines.h"
#include "broker/net/gate.h"
#include "broker/net/judging.h"
#include "broker/net/limits.h"
#include "broker/net/listener.h"
#include "broker/net/loop.h"
#include "broker/net/net_metrics.h"
#include "broker/net/shards.h"
#include "broker/net/tls.h"
#include "broker/net/websocket.h"
#include "broker/store/store.h"

enum phase {
    PHASE_LOADING, /* /livez answers, everything else is 503 */
    PHASE_READY,
    PHASE_DRAINING, /* no new connections; the old ones finish */
    PHASE_STOPPED,  /* every connection is gone, handles are closing */
};

struct broker {
    struct config config;
    const struct config_source *config_source; /* the first's */
    unsigned reload_version;                   /* of what was read again and is in force here */
    struct log log;
    enum phase phase;
    int exit_code;

    struct shards *shards;
    size_t index;              /* among them; 0: the first */
    const struct kinds *kinds; /* of all shards, constant */
    struct core *core;
    struct store *store; /* a shard that follows may ask it for its metrics, and nothing else */
    struct store_report report;
    bool is_loaded;     /* the first: what the store held */
    bool store_full;    /* as last logged */
    bool fold_broken;   /* was logged */
    int64_t started_ms; /* by the monotonic clock */
    int64_t now_ms;     /* the same clock, as of the callback that runs */
    int64_t now_wall_ms;

    struct loop loop;
    struct listeners listeners;
    struct gate gate;
    struct shard_access access;
    struct judging judging;
    struct deadlines deadlines;
    struct tls_queues tls;
    struct websockets websockets;
    struct net_metrics metrics;

    struct link connections; /* HTTP, struct connection.link */
    struct link work;        /* of these, those to be processed in this turn, struct connection.work */
    size_t requests;         /* whose body is complete, until they are answered */
    size_t listed;           /* topics that listings under way have selected */
    size_t streams;          /* NDJSON requests under way */
    size_t bodies_bytes;     /* of whole bodies being collected */
    struct dawdlers dawdlers;
    int64_t drain_until_ms;
    struct backup *backup; /* that was asked for here and is under way; NULL: none */
    struct log_limit refused_log, accept_log, load_log, tls_log, audit_log;
};

/* Runs until drained. The exit code of the process. */
int broker_run(struct broker *broker);

/* ---- for shards.c ---- */

/* Another shard beside the first, with a core. NULL: no memory. */
struct broker *broker_create_follower(const struct broker *first, size_t index);
void broker_destroy_follower(struct broker *broker); /* NULL is fine */

/* Its loop, and what lives on it. False: the loop would not start, or there is no memory. */
bool broker_open_loop(struct broker *broker);

/* Until lifecycle_stop; then the loop is closed. */
void broker_run_loop(struct broker *broker);

#endif
