/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/walk.h"

#include <assert.h>

#include "broker/core/holding.h"
#include "broker/core/near.h"
#include "broker/core/piece.h"
#include "broker/core/state.h"
#include "broker/core/telling.h"

static void put_message(struct core *core, struct session *session, const struct reply *reply, int64_t sse_id) {
    piece_put(core, session, telling_encode(core, session->encoding, reply, sse_id));
}

/* A whole document, which others have just been told, or will be: a crowd that joins asks for the same ones. */
static void put_document(struct core *core, struct session *session, const struct reply *reply, int64_t sse_id) {
    const bool is_shared = session->encoding == ENCODING_JSON && session->mask == NULL;
    struct span bytes;
    if (is_shared && encoded_find(&core->encoded, reply->seq, &bytes)) {
        core->metrics.encodings_shared++;
        piece_put(core, session, bytes);
        return;
    }
    bytes = telling_encode(core, session->encoding, reply, sse_id);
    core->metrics.encodings++;
    piece_put(core, session, bytes);
    if (is_shared) {
        encoded_keep(&core->encoded, reply->seq, bytes);
    }
}

/* A Server-Sent Events id resumes the whole stream, so it is only told where this one cursor is all there is to it. */
static int64_t sse_id_of(const struct cursor *cursor, int64_t seq) {
    return cursor->subscription->cursor_count == 1 ? seq : 0;
}

/* Every removal since is news, also of a topic that this cursor never passed: the client may have heard of it before an earlier removal,
   or through another of its subscriptions. */
static bool is_news(const struct cursor *cursor, struct place *place) {
    if (place->spot.why == AHORA_WHY_NONE) {
        return true;
    }
    return near_if_any(cursor->view) != NULL ? CONTAINER_OF(place, struct visit, place)->held
                                             : place->seq > cursor->removals_after;
}

static void pass(struct core *core, struct cursor *cursor, struct place *place) {
    const bool near = near_if_any(cursor->view) != NULL;
    struct session *session = cursor->subscription->session;
    if (is_news(cursor, place)) {
        const struct reply reply = telling_of_place(core, session->mask, place);
        const bool left = reply.op == REPLY_REMOVE && reply.why == AHORA_WHY_LEFT;
        if (reply.op == REPLY_SET) {
            put_document(core, session, &reply, sse_id_of(cursor, place->seq));
        } else if (!left || !holding_is_elsewhere(core, session, cursor->view, place->topic)) {
            put_message(core, session, &reply, sse_id_of(cursor, place->seq));
        }
        cursor->delivered += near ? CONTAINER_OF(place, struct visit, place)->changed : place->seq > cursor->counts_after;
        core->metrics.deliveries++;
    }
    cursor->seq = place->seq;
    if (near) {
        near_passed(CONTAINER_OF(place, struct visit, place));
        return;
    }
    bookmark_pass(cursor->view, &cursor->bookmark, place);
}

static void finish_cursor(struct core *core, struct cursor *cursor) {
    uint64_t changes = cursor->view->changes - cursor->changes_seen;
    if (changes > cursor->delivered) {
        cursor->subscription->skipped += changes - cursor->delivered;
    }
    cursor_complete(core, cursor);
}

/* True: the cursor stands at the end of its view. */
static bool walk_cursor(struct core *core, struct cursor *cursor) {
    while (!piece_is_full(core)) {
        struct place *place = bookmark_next(cursor->view, &cursor->bookmark);
        if (place == NULL) {
            finish_cursor(core, cursor);
            return true;
        }
        pass(core, cursor, place);
    }
    return false;
}

/* Removals that this cursor has not passed are forgotten: only a new snapshot is right. */
static bool has_missed_removals(const struct cursor *cursor) {
    return !cursor->complete && cursor->view->floor > cursor->seq && cursor->view->floor > cursor->removals_after;
}

static void resync(struct core *core, struct subscription *subscription) {
    const struct reply reply = {.op = REPLY_SUBSCRIBED, .id = subscription->id, .resumed = false};
    put_message(core, subscription->session, &reply, 0);
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        bookmark_lift(&subscription->cursors[i].bookmark);
    }
    core->metrics.resyncs++;
    subscription_start(core, subscription, -1);
}

static void announce_live(struct core *core, struct subscription *subscription) {
    const struct reply reply = {
        .op = REPLY_LIVE, .id = subscription->id, .seq = core->seq_shown, .skipped = (int64_t)subscription->skipped};
    put_message(core, subscription->session, &reply, core->seq_shown);
    core->metrics.skipped += subscription->skipped;
    subscription->session->skipped += subscription->skipped;
    subscription->skipped = 0;
    subscription->announced = true;
    subscription->walked_ms = core->mono_ms;
}

static void walk_subscription(struct core *core, struct subscription *subscription) {
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        if (has_missed_removals(&subscription->cursors[i])) {
            resync(core, subscription);
            break;
        }
    }
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        struct cursor *cursor = &subscription->cursors[i];
        if (!cursor->complete && !walk_cursor(core, cursor)) {
            return;
        }
    }
    link_remove(&subscription->behind);
    announce_live(core, subscription);
}

bool walk_session(struct core *core, struct session *session) {
    if (list_is_empty(&session->behind)) {
        return false;
    }
    piece_begin(core);
    while (!list_is_empty(&session->behind) && !piece_is_full(core)) {
        struct link *first = session->behind.next;
        walk_subscription(core, CONTAINER_OF(first, struct subscription, behind));
        if (link_is_listed(first) && session->behind.next == first) { /* not done: the others have their turn */
            link_remove(first);
            list_append(&session->behind, first);
        }
    }
    assert(!core->piece.failed);
    return core->piece.bytes > FRAME_HEADER_BYTES_MAX;
}

int64_t walk_complete_seq(const struct core *core, const struct session *session) {
    int64_t complete = core->seq_shown;
    for (const struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        const struct subscription *subscription = (const struct subscription *)(const void *)link;
        static_assert(offsetof(struct subscription, of_session) == 0, "the link comes first");
        for (uint32_t i = 0; i < subscription->cursor_count && subscription->announced; i++) {
            const struct cursor *cursor = &subscription->cursors[i];
            if (!cursor->complete && cursor->seq < complete) {
                complete = cursor->seq;
            }
        }
    }
    return complete;
}
