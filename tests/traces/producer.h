/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A producer replays one trace through one connection, as fast as it is acknowledged: batches in a bounded window. All producers run
 * in one thread of their own, the crew; they stay close to each other in the share of their trace that is done, so that small traces
 * last as long as large ones. The check steers them by `limit` alone (events that may be sent so far) and reads `acked`.
 *
 * When the line is lost, a producer connects again and sends from the first event that was not acknowledged. That is right for set,
 * patch and delete, which end in the same state when repeated in order (a repeated delete may be answered not_found, and so may a
 * repeated patch before it: allowed for the repeated ones only). It is wrong for adjust, so losing the line with an unacknowledged
 * adjust is a failure: the check kills the broker only when those producers are all acknowledged.
 */
#ifndef AHORA_TESTS_PRODUCER_H
#define AHORA_TESTS_PRODUCER_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/http.h"
#include "tests/support/wire.h"
#include "tests/traces/trace.h"

#define PRODUCERS_MAX 8
#define PRODUCER_WINDOW 16 /* batches in flight */

enum producer_way {
    PRODUCER_WEBSOCKET, /* `pub` messages */
    PRODUCER_NDJSON,    /* one POST /v1/publish, changes and results streaming */
    PRODUCER_POST,      /* a POST /v1/publish for each batch, on one connection */
    PRODUCER_WAYS,
};

struct producer {
    struct trace *trace;
    enum producer_way way;
    const char *ack; /* "durable" or "applied" */
    atomic_size_t limit;
    atomic_size_t acked;
    atomic_size_t resent;  /* events sent again after a lost line */
    atomic_bool is_failed; /* and `failure` says why */
    char failure[256];

    /* of the crew's thread alone */
    size_t sent;
    size_t repeated_until; /* events before this one may have been applied already */
    size_t batch_first;    /* of batches in flight: the id of the oldest, counted from 0 */
    size_t batch_next;
    size_t batch_counts[PRODUCER_WINDOW];
    int64_t last_seq;
    int64_t retry_at_ms;
    struct wire wire; /* PRODUCER_WEBSOCKET */
    int fd;           /* the others; -1: no line */
    struct bytes out;
    struct http_reader reader;
    struct bytes scratch;
};

struct crew {
    struct producer producers[PRODUCERS_MAX];
    size_t count;
    uint16_t port;
    atomic_bool is_stopping;
    atomic_int_fast64_t seq_max; /* the newest seq any of them was told */
    pthread_t thread;
};

const char *producer_way_name(enum producer_way way);

/* The trace stays the caller's. */
void crew_add(struct crew *crew, struct trace *trace, enum producer_way way, const char *ack);
bool crew_start(struct crew *crew, uint16_t port);
void crew_stop(struct crew *crew); /* closes all lines; nothing is lost if all is acknowledged */
void crew_fini(struct crew *crew);

/* Lets each producer go on to this share (0..1) of its trace; with `only_repeatable` those without adjusts alone. */
void crew_allow(struct crew *crew, double share, bool only_repeatable);
bool crew_is_done(struct crew *crew); /* all that was allowed is acknowledged */
size_t crew_acked(struct crew *crew);
size_t crew_total(const struct crew *crew);
const char *crew_failure(struct crew *crew); /* NULL: none */

#endif
