/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Requests that hold something while they arrive: streams of lines a place (http.requests_max), other bodies memory
 * (http.bodies_bytes_max). Each has its deadline, but many who send a byte now and then would hold all of it till then, and begin anew. So
 * where it runs short, one that has dawdled for http.yield_ms makes room for who comes:
 *
 *   of streams, the one whose last whole line is longest ago, unless it waits for us
 *   of bodies, the slowest by bytes a second of the first few that began
 *
 * It is answered 503 with Retry-After, or broken off where its answer had begun. One for each shard, on its thread.
 */
#ifndef NET_DAWDLERS_H
#define NET_DAWDLERS_H

#include "broker/base/list.h"

#include <stdbool.h>

struct broker;
struct exchange;

struct dawdlers {
    struct link streams; /* by their last whole line, the longest ago first */
    struct link bodies;  /* as they began */
};

void dawdlers_init(struct dawdlers *dawdlers);

/* It begins to hold something; both may be called again. */
void dawdlers_add_stream(struct exchange *exchange);
void dawdlers_add_body(struct exchange *exchange);

/* The stream has sent a whole line. */
void dawdlers_note_line(struct exchange *exchange);

/* The body is complete, or the exchange is gone. */
void dawdlers_remove(struct exchange *exchange);

/* Ends one stream, or one body but that of `taker`. False: there is none that dawdles. */
bool dawdlers_end_stream(struct broker *broker);
bool dawdlers_end_body(struct exchange *taker);

#endif
