/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The turn: what happens once for everything that arrived together.
 *
 *   store_append → core_turn_stored → answers of HTTP → frames to sessions → again, if that made work
 *
 * With several shards (shards.h) each has its own turns: what other shards sent is taken in at the beginning, and what they are to get is sent
 * once the turn's changes are stored and shown.
 *
 * Sockets and the store's event are watched by a poller of our own (poller.h), which also watches libuv's descriptor; libuv has the listening sockets,
 * the timer, signals and the wake-ups of other shards, and is asked only when one of these has something.
 *
 * Every callback begins with loop_enter. Work that appears while the turn flushes is flushed in the same turn, or the loop does not sleep.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "broker/net/poller.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct broker;

#define LOOP_SCRATCH_BYTES 65536

struct loop {
    uv_loop_t uv;
    struct poller poller;
    struct link closed; /* struct transport.closed */
    uv_timer_t timer;
    struct pollee store_event;
    uv_signal_t signals[3]; /* the first shard's */
    uv_async_t wake;        /* another shard has put something into a ring */
    int64_t timer_due_ms;   /* what the timer is armed for; INT64_MAX: not */
    int64_t busy_since_us;  /* when the first callback of this turn began; 0: none did */
    bool dirty;             /* something may have changed since the last turn */
    bool awake;             /* there is more to do at once: it does not sleep */
    bool is_open;
    uint8_t scratch[LOOP_SCRATCH_BYTES]; /* for bytes on their way, never across callbacks */
};

/* False: the loop could not be made. */
bool loop_init(struct loop *loop, struct broker *broker);
void loop_run(struct broker *broker);
void loop_fini(struct loop *loop); /* after the last handle was closed */

/* First thing in every callback: takes the time, and marks that a turn is due. */
void loop_enter(struct broker *broker);

/* The changes applied so far reach the journal; only then may anybody see them. Part of the turn, and to be called before the core is
   read for an answer. */
void loop_store_changes(struct broker *broker);

/* Watches the store's events; once it is started. */
void loop_watch_store(struct broker *broker);

/* Closes the loop's own handles, so that loop_run returns when the last other handle is closed. */
void loop_stop(struct broker *broker);

#endif
