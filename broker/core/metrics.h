/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the core counts. Everything refused, skipped or delayed is here; /metrics and /v1/status print it, tests assert on it. */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include "include/ahora/protocol.h"
#include "proto/message.h"

struct metrics {
    /* gauges */
    uint64_t sessions, subscriptions, subscriptions_live, views, views_narrowed, places, topics, removals, documents_bytes,
        keys;
    uint64_t topics_stale;
    uint64_t promises;   /* topics that will go stale or expire */
    uint64_t due;        /* of these, and of what lost sources wrote, how many wait to be looked at */
    uint64_t due_lag_ms; /* how long the first of them has waited */
    uint64_t sources;
    uint64_t demand_topics; /* patterns told below $demand */
    uint64_t demand_untold; /* followed patterns that are not, because there are too many */
    uint64_t demand_awake;  /* 1: somebody is told */
    /* counters */
    uint64_t sessions_total;
    uint64_t messages_in;         /* protocol messages received */
    uint64_t changes[CHANGE_OPS]; /* accepted, by enum change_op */
    uint64_t changes_refused[AHORA_CODES];
    uint64_t stale;                    /* documents that went stale */
    uint64_t expired;                  /* topics removed because nobody wrote them in time */
    uint64_t lost;                     /* topics that went stale or were removed with their source */
    uint64_t demand_changes;           /* of topics below $demand */
    uint64_t demand_unreported;        /* counts of a pattern that were lost for want of memory */
    uint64_t due_waits;                /* times that what was due had to wait for room in the store */
    uint64_t due_turn_max;             /* the most that one turn looked at */
    uint64_t keys_repeated;            /* a known idempotency key returned its first result */
    uint64_t deliveries;               /* set, patch and remove messages handed to sockets */
    uint64_t deliveries_live;          /* of these, by the fast path */
    uint64_t skipped;                  /* versions that slow readers passed over, told in `live` */
    uint64_t fell_behind;              /* live subscriptions that met a choked socket */
    uint64_t resumes, resumes_refused; /* `since` honoured; answered with a snapshot */
    uint64_t resyncs; /* a stalled subscription outlived the history of removals and was given a new snapshot */
    uint64_t snapshots;
    uint64_t encodings, encodings_shared; /* documents told to who catches up: encoded for that; or as encoded before */
    uint64_t moves;                       /* circles moved */
    uint64_t view_looks;                  /* narrowed views that changes were held against */
    uint64_t errors[AHORA_CODES];         /* `error` messages sent */
    uint64_t beats;
    uint64_t hello_timeouts;
    uint64_t growth_refused;       /* changes and subscriptions refused because memory is short */
    uint64_t kinds_full;           /* changes refused by a bound of their kind */
    uint64_t messages_limited;     /* messages refused because their session is faster than it may be */
    uint64_t flooders;             /* sessions ended because they went on all the same */
    uint64_t publishes_held;       /* times a session's input waited because too many of its publishes were in flight */
    uint64_t renewals;             /* `auth` that was accepted */
    uint64_t sessions_expired;     /* closed because their rights ended */
    uint64_t subscriptions_denied; /* ended by a renewal with narrower rights */
};

#endif
