/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A block for one session. Delivery hands slices out when a turn is shown; session.c pulls them one by one, as they are. Where that will
 * not do, it is done here: slices of several views are merged, and slices that the session cannot take are dropped.
 *
 * No slice outlives its turn: core->sliced_count is 0 before the next is shown.
 */
#ifndef CORE_SLICE_H
#define CORE_SLICE_H

#include "broker/core/block.h"

struct cursor;
struct session;

/* Where several views of a session changed in one turn, their slices are merged by seq, message by message: then `at` is what comes next,
   and the cursor has everything up to seq_before. */
struct slice {
    struct slice *next;
    const struct block *block;
    struct cursor *cursor;
    const struct mention *at;
    int64_t seq_before;
    uint64_t changes_before;
};

void slice_settle(const struct slice *slice, int64_t seq);

/* Its cursor was handed everything up to seq: what it was owed is settled. */
static inline void slice_taken(const struct slice *slice, int64_t seq) {
    if (slice->block->is_near) {
        slice_settle(slice, seq);
    }
}

/* Merges slices of several views into core->piece, each change once and in the order of seq, so that overlapping subscriptions never
   see a topic go back. About block_bytes a call; the session has slices. */
void slices_merge(struct core *core, struct session *session);

/* The session cannot take its slices in this turn: their cursors fall behind. */
void slices_drop(struct core *core, struct session *session);

#endif
