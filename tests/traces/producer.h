/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A producer replays one trace through one connection, as fast as it is acknowledged: batches in a bounded window. It is steered by
 * `limit` alone (events that may be sent so far), and `acked` tells how far it is; both, and `is_failed`, are for any thread. The
 * rest belongs to the crew's.
 *
 * When the line is lost, a producer connects again and sends from the first event that was not acknowledged. That is right for set,
 * patch and delete, which end in the same state when repeated in order (a repeated delete may be answered not_found, and so may a
 * repeated patch before it: allowed for the repeated ones only). It is wrong for adjust, so losing the line with an unacknowledged
 * adjust is a failure: the check kills the broker only when those producers are all acknowledged.
 */
#ifndef AHORA_TESTS_PRODUCER_H
#define AHORA_TESTS_PRODUCER_H

#include <stdatomic.h>

#include "tests/support/http.h"
#include "tests/support/wire.h"
#include "tests/traces/trace.h"

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
    atomic_int_fast64_t seq_told; /* the newest; grows */
    atomic_size_t resent;         /* events sent again after a lost line */
    atomic_bool is_failed;        /* and `failure` says why */
    char failure[256];

    /* of the crew's thread alone */
    size_t sent;
    size_t repeated_until; /* events before this one may have been applied already */
    size_t batch_first;    /* of batches in flight: the id of the oldest, counted from 0 */
    size_t batch_next;
    size_t batch_counts[PRODUCER_WINDOW];
    int64_t retry_at_ms;
    struct wire wire; /* PRODUCER_WEBSOCKET */
    int fd;           /* the others; -1: no line */
    struct bytes out;
    struct http_reader reader;
    struct bytes scratch;
};

const char *producer_way_name(enum producer_way way);

/* The trace stays the caller's. */
void producer_init(struct producer *producer, struct trace *trace, enum producer_way way, const char *ack);
void producer_fini(struct producer *producer);
void producer_close(struct producer *producer);

/* What to poll: -1 while there is no line. */
int producer_fd(const struct producer *producer);
bool producer_has_unsent(const struct producer *producer);

/* Connects if need be, and sends what its limit, its window and `front`, a share of its trace, allow. */
void producer_work(struct producer *producer, uint16_t port, double front);

/* Its line has something to read, or has ended. */
void producer_take(struct producer *producer);

#endif
