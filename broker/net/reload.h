/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The configuration is read again (SIGHUP, POST /v1/admin/reload): what may change while the broker runs is in force from the next turn of
 * each shard on; what may not is named, and waits for the next start. A configuration with an error changes nothing.
 *
 *   first: reload_now: read, compare, publish ──▶ every shard: reload_follow, in its next turn
 */
#ifndef NET_RELOAD_H
#define NET_RELOAD_H

#include "broker/net/config.h"

#include <pthread.h>
#include <stdatomic.h>

struct broker;
struct buffer;

/* Where the configuration comes from: set by who read it first. */
struct config_source {
    int count;
    char **words; /* the command line */
    void (*read)(const struct config_source *source, struct config *config, FILE *errors);
};

struct reload {
    pthread_mutex_t mutex;
    struct config config; /* under the mutex: as it was read, with what may not change as it was at the start */
    atomic_uint version;  /* 0: nothing was read again */
};

void reload_init(struct reload *reload, const struct config *config);
void reload_fini(struct reload *reload);

/* May this key change while the broker runs? */
bool reload_may_change(const struct config_key *key);

/* The first shard's. With `out` the outcome as JSON: {"reloaded":true,"changed":[...],"needs_restart":[...]}. */
void reload_now(struct broker *first, struct buffer *out);

/* Part of every turn. */
void reload_follow(struct broker *broker);

#endif
