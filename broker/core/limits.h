/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Every bound of the core in one place, with its default and its reason. The configuration may change each (docs/configuration.md). */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include "include/ahora/protocol.h"

#include <stddef.h>
#include <stdint.h>

/* What the operator says of one kind's documents, in place of the kind itself; -1: nothing. */
struct kind_promise {
    char name[AHORA_SEGMENT_BYTES_MAX + 1]; /* of the kind */
    int64_t fresh_ms;
    int64_t expire_ms;
};

#define KIND_PROMISES_MAX 32

/* How much may be held of one kind; 0: no bound but those of all kinds together. */
struct kind_bound {
    char name[AHORA_SEGMENT_BYTES_MAX + 1];
    size_t topics_max;
    size_t bytes_max; /* of its documents */
};

#define KIND_BOUNDS_MAX 32

struct limits {
    size_t message_bytes_max;    /* one WebSocket message from a client; 1 MiB: 1,000 changes of 1 KB */
    size_t document_bytes_max;   /* one document as MessagePack; 64 KiB: a document is a state, not a file */
    size_t topics_max;           /* 10 million: about 6 GB, the whole of a mid-size machine */
    size_t documents_bytes_max;  /* sum over all documents; 8 GiB */
    size_t removals_max;         /* removals remembered for resume; 65,536 */
    size_t keys_max;             /* idempotency keys remembered; 1 million: about 150 MB at worst */
    int64_t key_ms;              /* how long; 10 minutes (protocol.md) */
    int64_t at_ahead_ms_max;     /* `at` may lie so far ahead; 5 minutes (protocol.md) */
    size_t subscriptions_max;    /* per session; 1,000 */
    size_t patterns_max;         /* per subscription; 64 */
    size_t session_views_max;    /* per session, one for each pattern of each subscription; 4,096: about 500 KB of cursors */
    size_t view_topics_max;      /* topics one view may hold; 10 million */
    size_t views_max;            /* different patterns that are followed; 1 million: about 500 MB */
    size_t places_max;           /* topics in all views together; 20 million: about 1.6 GB */
    int64_t every_ms_max;        /* 1 hour */
    size_t where_conditions_max; /* of one `where`; 16: each is looked at for each change that may enter its view */
    size_t where_values_max;     /* of one `in`; 64 */
    size_t where_bytes_max;      /* of one `where` as MessagePack; 4 KiB: it is kept as long as its view */
    size_t where_scans_max; /* different `where` of one pattern that no index helps to find; 256: each change looks at all */
    size_t nears_max;       /* subscriptions with `near` of one session; 16: each has a view of its own */
    size_t near_limit_max;  /* `limit` of a `near`; 1,000 */
    int64_t near_margin_percent; /* of the radius: how far beyond it a document still stays; 5 */
    int64_t near_margin_m;       /* and at least so far; 10: GPS jitter */
    size_t
        lefts_max; /* documents that left one view with `where`, remembered for those who are behind or resume; 65,536, as removals */
    int64_t promise_ms_max;   /* the longest fresh_ms and expire_ms; 366 days: longer is for ever */
    size_t due_changes_max;   /* topics looked at in one turn because they go stale, expire or are lost; 1,000: about 2 ms */
    size_t sources_max;       /* names of sources known at once; 65,536: about 10 MB */
    int64_t grace_ms;         /* of a source that asks for none; 30 s: a reconnect after a deploy */
    int64_t grace_ms_max;     /* 24 hours */
    size_t demand_topics_max; /* patterns told below $demand at once; 10,000; 0: demand is never told */
    int64_t demand_every_ms;  /* a pattern's count is told not more often; 1 s */
    int64_t demand_linger_ms; /* a pattern nobody follows any more is told so long; 5 s: a page that is loaded anew */
    int64_t
        demand_rate_max; /* changes of all of them a second; 200: the 65,536 removals we remember outlast five minutes of it */
    struct kind_promise kind_promises[KIND_PROMISES_MAX];
    size_t kind_promise_count;
    struct kind_bound kind_bounds[KIND_BOUNDS_MAX];
    size_t kind_bound_count;
    int64_t hello_ms;         /* hello must arrive within; 5 s */
    int64_t beat_ms;          /* idle sessions hear a beat so often; 15 s: below common proxy time-outs of 30 and 60 s */
    size_t outbox_bytes_max;  /* answers a session has not read yet; 1 MiB: past it we stop reading from it */
    size_t publishes_max;     /* `pub` messages of one session that wait for the disk; 1,024: past it we stop reading from it */
    int64_t publish_rate_max; /* changes a second of one session; 0: unlimited */
    int64_t message_rate_max; /* protocol messages a second of one session; 0: unlimited, for back offices that publish */
    int64_t receive_rate_max; /* bytes of them a second, as MessagePack; 0: unlimited */
    int64_t public_message_rate_max; /* the same of a session that came in from the public; 100: a map that is dragged */
    int64_t public_receive_rate_max; /* 256 KiB: thousands of subscriptions in a second */
    int64_t get_items_max;           /* items of one `get` or page; 1,000 */
    size_t get_bytes_max;            /* bytes of one `get` answer; 1 MiB */
    size_t
        block_bytes; /* changes of one view are laid into messages of about this size; 16 KiB: what a choked socket may still have to take */
    size_t encoded_bytes_max; /* documents as JSON, kept for who joins next, of each core; 0: none. 8 MiB: 30,000 small ones */
};

void limits_default(struct limits *limits);

#endif
