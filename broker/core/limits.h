/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Every bound of the core in one place, with its default and its reason. The configuration may change each (docs/configuration.md). */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

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
    size_t lefts_max; /* documents that left one view with `where`, remembered for those who are behind or resume; 1,024 */
    int64_t hello_ms; /* hello must arrive within; 5 s */
    int64_t beat_ms;  /* idle sessions hear a beat so often; 15 s: below common proxy time-outs of 30 and 60 s */
    size_t outbox_bytes_max;  /* answers a session has not read yet; 1 MiB: past it we stop reading from it */
    size_t publishes_max;     /* `pub` messages of one session that wait for the disk; 1,024: past it we stop reading from it */
    int64_t publish_rate_max; /* changes a second of one session; 0: unlimited */
    int64_t get_items_max;    /* items of one `get` or page; 1,000 */
    size_t get_bytes_max;     /* bytes of one `get` answer; 1 MiB */
    size_t
        block_bytes; /* changes of one view are laid into messages of about this size; 16 KiB: what a choked socket may still have to take */
};

void limits_default(struct limits *limits);

#endif
