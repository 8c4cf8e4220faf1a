/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/slice.h"

#include "broker/core/holding.h"
#include "broker/core/near.h"
#include "broker/core/piece.h"
#include "broker/core/state.h"

void slice_settle(const struct slice *slice, int64_t seq) {
    if (slice->cursor->complete) {
        near_settle(slice->cursor->view, seq);
    }
}

static void forget(struct core *core, struct session *session) {
    core->sliced_count -= session->slices != NULL;
    session->slices = NULL;
    session->slices_end = &session->slices;
    session->slice_count = 0;
    session->merges = false;
}

void slices_drop(struct core *core, struct session *session) {
    for (const struct slice *slice = session->slices; slice != NULL; slice = slice->next) {
        struct cursor *cursor = slice->cursor;
        if (cursor->complete && slice->at != slice->block->end) {
            core->metrics.fell_behind++;
            cursor_fall_behind(core, cursor, view_spot_of(cursor->view, slice->seq_before), slice->seq_before,
                               slice->changes_before);
        }
    }
    forget(core, session);
}

/* What comes next: the lowest seq that some slice has not given yet, and of that the form that serves all of the session's views: the
   whole document for one that it enters, a removal only if it left them all. NULL: all are done. */
static const struct mention *next_mention(const struct session *session) {
    static const int8_t order[FORMS] = {[FORM_ENTER] = 2, [FORM_CHANGE] = 1, [FORM_LEFT] = 0};
    const struct mention *next = NULL;
    for (const struct slice *slice = session->slices; slice != NULL; slice = slice->next) {
        if (slice->at == slice->block->end) {
            continue;
        }
        const int64_t seq = slice->at->frame->change->seq;
        if (next == NULL || seq < next->frame->change->seq ||
            (seq == next->frame->change->seq && order[slice->at->form] > order[next->form])) {
            next = slice->at;
        }
    }
    return next;
}

static void pass_frame(const struct session *session, const struct frame *frame) {
    for (struct slice *slice = session->slices; slice != NULL; slice = slice->next) {
        if (slice->at != slice->block->end && slice->at->frame == frame) {
            slice->at = slice->at->next;
            slice->seq_before = frame->change->seq;
            slice->changes_before++;
            slice_taken(slice, frame->change->seq);
        }
    }
}

void slices_merge(struct core *core, struct session *session) {
    piece_begin(core);
    const struct mention *mention = next_mention(session);
    for (; mention != NULL && !piece_is_full(core); mention = next_mention(session)) {
        struct frame *frame = mention->frame;
        struct span bytes = frame_encoded(frame, session->mask, mention->form, session->encoding);
        bool news = mention->form != FORM_LEFT || !holding_is_elsewhere(core, session, NULL, frame->change->topic);
        pass_frame(session, frame);
        if (news) {
            piece_put(core, session, bytes);
            core->metrics.deliveries++;
            core->metrics.deliveries_live++;
        }
    }
    if (mention == NULL) {
        forget(core, session);
    }
}
