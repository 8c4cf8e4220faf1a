/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The phases of the process: open the store and listen, load in slices, be ready, drain, stop. Each shard goes through them on its own loop;
 * the first loads the store and tells the others.
 *
 *   LOADING ── loaded ──▶ READY ── SIGTERM, SIGINT ──▶ DRAINING ── the last connection gone, or drain_ms ──▶ STOPPED
 *
 * A second signal ends the process at once. The store is closed after the loop has ended.
 */
#ifndef NET_LIFECYCLE_H
#define NET_LIFECYCLE_H

#include "broker/base/result.h"

#include <stdbool.h>

struct broker;

/* Loads some records, then what the other shards are to have. True while there is more to do at once. */
bool lifecycle_load_slice(struct broker *broker);

/* A shard that follows has everything. */
void lifecycle_follow(struct broker *broker);

/* Connections end when they have what they wait for. */
void lifecycle_drain(struct broker *broker);

/* At once; the loop runs out of handles. */
void lifecycle_stop(struct broker *broker);

/* The start failed: says so, and stops. */
void lifecycle_fail(struct broker *broker, const char *what, enum result result);

/* Files that the configuration names (certificates) are read again. */
void lifecycle_reload_files(struct broker *broker);

/* As SIGTERM does, from any shard. False: it is draining already. */
bool lifecycle_ask_drain(struct broker *broker);

void lifecycle_on_signal(struct broker *broker, int number);
void lifecycle_on_time(struct broker *broker);

/* Draining ends with the last connection. */
void lifecycle_check_drained(struct broker *broker);

#endif
