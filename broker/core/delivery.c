/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/delivery.h"

#include <assert.h>

#include "broker/core/near.h"
#include "broker/core/slice.h"
#include "broker/core/state.h"

#define ARENA_KEEP_BYTES ((size_t)4 * 1024 * 1024)

/* Slices that one session merges in a turn: each message looks at all of them. With more, its other cursors walk. */
#define SLICES_MERGED_MAX 64

static bool knows_what_it_builds_on(const struct cursor *cursor, const struct block *blocks) {
    for (; blocks != NULL; blocks = blocks->next) {
        if (blocks->builds_on <= cursor->known_after) {
            return false;
        }
    }
    return true;
}

static bool hand_slices(struct core *core, struct cursor *cursor, const struct block *blocks) {
    struct session *session = cursor->subscription->session;
    if (session->slices != NULL && session->slices->cursor != cursor && session->slice_count >= SLICES_MERGED_MAX) {
        return false;
    }
    for (; blocks != NULL; blocks = blocks->next) {
        struct slice *slice = core->arena.taken > ARENA_BYTES_MAX ? NULL : arena_take(&core->arena, sizeof *slice);
        if (slice == NULL) {
            return false;
        }
        *slice = (struct slice){
            .block = blocks,
            .cursor = cursor,
            .at = blocks->first,
            .seq_before = blocks->seq_before,
            .changes_before = blocks->changes_before,
        };
        session->merges |= session->slices != NULL && session->slices->cursor != cursor;
        session->merges |= blocks->has_left && session->cursor_count > 1;
        core->sliced_count += session->slices == NULL;
        session->slice_count += session->slice_count < UINT16_MAX;
        *session->slices_end = slice;
        session->slices_end = &slice->next;
    }
    session_mark_ready(core, session);
    return true;
}

static void deliver_cursor(struct core *core, struct cursor *cursor, const struct block *blocks, struct link *anchor) {
    const struct session *session = cursor->subscription->session;
    bool pulls = !session->choked && session->close_code == 0; /* else slices would outlive the turn */
    bool fast = blocks != NULL && pulls && knows_what_it_builds_on(cursor, blocks);
    if (fast && hand_slices(core, cursor, blocks)) {
        return;
    }
    core->metrics.fell_behind += session->choked;
    cursor_fall_behind(core, cursor, anchor, core->seq_shown, cursor->view->changes_before);
}

static void deliver_live(struct core *core, struct view *view, enum encoding encoding, struct link *anchor) {
    struct link *live = &view->live[encoding];
    if (list_is_empty(live)) {
        return;
    }
    const struct block *blocks = block_of_view(core, view, encoding);
    for (struct link *link = live->next, *next; link != live; link = next) {
        next = link->next;
        deliver_cursor(core, CONTAINER_OF(link, struct cursor, bookmark.spot.link), blocks, anchor);
    }
}

static void deliver_masked(struct core *core, struct view *view, struct link *anchor) {
    struct link *masked = &view->masked;
    for (struct link *link = masked->next, *next; link != masked; link = next) {
        next = link->next;
        struct cursor *cursor = CONTAINER_OF(link, struct cursor, bookmark.spot.link);
        const struct session *session = cursor->subscription->session;
        deliver_cursor(core, cursor, block_of_mask(core, view, session->mask, session->encoding), anchor);
    }
}

static void deliver_view(struct core *core, struct view *view) {
    struct link *anchor = view->turn.link.prev; /* everything behind it changed in this turn */
    for (int encoding = 0; encoding < ENCODINGS; encoding++) {
        deliver_live(core, view, (enum encoding)encoding, anchor);
    }
    deliver_masked(core, view, anchor);
    for (struct link *link; (link = view->paced.next) != &view->paced;) {
        cursor_fall_behind(core, CONTAINER_OF(link, struct cursor, bookmark.spot.link), anchor, core->seq_shown,
                           view->changes_before);
    }
    if (near_if_any(view) != NULL) {
        near_if_any(view)->walks = false;
    }
    view_end_turn(view);
}

static bool show_changes(struct core *core) {
    const struct ledger *ledger = &core->ledger;
    for (size_t i = 0; i < ledger->change_count; i++) {
        struct frame *frame = arena_take(&core->arena, sizeof *frame);
        if (frame == NULL) {
            return false;
        }
        *frame = (struct frame){.change = &ledger->changes[i]};
        if (!views_show(&core->views, &ledger->changes[i], frame, &core->arena)) {
            return false;
        }
    }
    return true;
}

void delivery_show_turn(struct core *core) {
    assert(core->sliced_count == 0 && "what the last turn handed out was pulled or dropped");
    arena_reset(&core->arena, ARENA_KEEP_BYTES);
    views_begin_turn(&core->views);
    bool shown = show_changes(core);
    assert(shown && "memory ran out with views half moved: stop, the journal has everything");
    (void)shown;
    for (struct link *link; (link = list_pop(&core->views.dirty)) != NULL;) {
        deliver_view(core, CONTAINER_OF(link, struct view, dirty));
    }
    core->seq_shown = core->ledger.seq;
}
