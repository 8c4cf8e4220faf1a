/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Demand: which patterns are followed, told to producers as topics of the broker's own, `$demand/<pattern>`. They are changes
 * of the ledger like any other, with seq and record: so tokens, conflation and restarts hold for them too, and a producer that
 * resumes after a restart sees what was told before it until its readers are back, or are gone for good.
 *
 * Counts come in from wherever subscriptions live (interest.h), one column for each shard, and are added up here.
 *
 *        untold ──────────────▶ told ──────────────▶ lingering ──────────────▶ gone
 *                 at once, if    │ ▲  nobody follows  │         linger_ms over
 *                 there is room  │ │  it any more     │
 *                                │ └── a follower ◀───┘
 *                                └── told again when its count or every_ms changed, not more often than every_ms
 *
 * Nobody listens to most brokers' demand, so it sleeps: counts go on, no change is made. Whoever asks for it wakes it, and
 * everything there is to tell is told in that very turn. Owned by the ledger's thread.
 */
#ifndef CORE_DEMAND_H
#define CORE_DEMAND_H

#include "broker/core/interest.h"
#include "broker/core/ledger.h"

struct demand {
    struct ledger *ledger; /* borrowed */
    size_t shard_count;
    struct table table;
    struct link all;
    struct heap dues;   /* has room for all */
    struct link untold; /* as many are told as may be; first come */
    size_t untold_count;
    size_t told_count;
    int64_t allowance; /* changes left, in thousandths */
    int64_t allowance_ms;
    size_t *askers; /* of each shard: subscriptions that follow demand */
    bool awake;
};

bool demand_init(struct demand *demand, struct ledger *ledger, size_t shard_count); /* false: no memory */
void demand_fini(struct demand *demand);

/* After loading: what was told before the restart lingers. RESULT_NO_MEMORY. */
enum result demand_loaded(struct demand *demand) MUST_CHECK;

/* What one shard counts for a pattern now, in place of what it counted before. Patterns that do not fit behind `$demand/` are
   passed over. False: no memory, the count is not taken. */
bool demand_report(struct demand *demand, size_t shard, const struct interest_count *count);

/* So many subscriptions of the shard follow demand itself. */
void demand_note_askers(struct demand *demand, size_t shard, size_t count);
size_t demand_askers(const struct demand *demand);

/* Somebody asks: everything that is not told is told now. How many topics were looked at. */
size_t demand_wake(struct demand *demand);
void demand_sleep(struct demand *demand); /* nobody asks any more */

/* Tells what is due; at most `count_max` topics. How many it looked at. */
size_t demand_run(struct demand *demand, size_t count_max);
int64_t demand_next_due(const struct demand *demand); /* mono_ms; INT64_MAX: nothing will be due */

#endif
