/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/subscription.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/core/near.h"
#include "broker/core/state.h"

static uint64_t hash_of(const struct core *core, const struct session *session, int64_t id) {
    const uint64_t parts[] = {session->number, (uint64_t)id};
    return table_hash(&core->hash_key, parts, sizeof parts);
}

struct subscription *subscription_find(const struct core *core, const struct session *session, int64_t id) {
    struct table_node *node = table_first(&core->subscriptions, hash_of(core, session, id));
    for (; node != NULL; node = table_next(node)) {
        struct subscription *subscription = CONTAINER_OF(node, struct subscription, hashed);
        if (subscription->session == session && subscription->id == id) {
            return subscription;
        }
    }
    return NULL;
}

struct subscription *subscription_create(struct core *core, struct session *session, int64_t id, int64_t every_ms,
                                         size_t view_count) {
    struct subscription *subscription = calloc(1, sizeof *subscription + view_count * sizeof subscription->cursors[0]);
    if (subscription == NULL || !table_insert(&core->subscriptions, &subscription->hashed, hash_of(core, session, id))) {
        free(subscription);
        return NULL;
    }
    subscription->session = session;
    subscription->id = id;
    const int64_t floor_ms = session->rights == NULL ? 0 : session->rights->every_ms;
    subscription->every_ms = every_ms > floor_ms ? every_ms : floor_ms;
    subscription->paced = subscription->every_ms > 0 || (session->encoding == ENCODING_SSE && view_count > 1);
    list_init(&subscription->of_session);
    list_init(&subscription->behind);
    return subscription;
}

void subscription_add_view(struct subscription *subscription, struct view *view) {
    struct cursor *cursor = &subscription->cursors[subscription->cursor_count++];
    *cursor = (struct cursor){.view = view, .subscription = subscription};
    bookmark_init(&cursor->bookmark);
    view->cursor_count++;
    subscription->session->cursor_count++;
}

static bool is_live(const struct subscription *subscription) {
    return subscription->cursor_count > 0 && subscription->complete_count == subscription->cursor_count;
}

void subscription_destroy(struct core *core, struct subscription *subscription) {
    core_uncount_interest(core, subscription);
    core->metrics.subscriptions_live -= is_live(subscription);
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        struct cursor *cursor = &subscription->cursors[i];
        bookmark_lift(&cursor->bookmark);
        cursor->view->cursor_count--;
        subscription->session->cursor_count--;
        view_release(&core->views, cursor->view);
    }
    subscription->session->near_count -= subscription->near;
    link_remove(&subscription->behind);
    heap_clear(&core->paces, &subscription->pace);
    table_remove(&core->subscriptions, &subscription->hashed);
    free(subscription);
}

void subscription_end(struct core *core, struct subscription *subscription) {
    link_remove(&subscription->of_session);
    subscription->session->subscription_count--;
    core->metrics.subscriptions--;
    subscription_destroy(core, subscription);
}

void cursor_complete(struct core *core, struct cursor *cursor) {
    struct subscription *subscription = cursor->subscription;
    struct view *view = cursor->view;
    bookmark_lift(&cursor->bookmark);
    const struct session *session = subscription->session;
    struct link *live = session->mask != NULL ? &view->masked : &view->live[session->encoding];
    list_append(subscription->paced ? &view->paced : live, &cursor->bookmark.spot.link);
    assert(!cursor->complete);
    cursor->complete = true;
    subscription->complete_count++;
    core->metrics.subscriptions_live += is_live(subscription);
}

void cursor_fall_behind(struct core *core, struct cursor *cursor, struct link *after, int64_t seq, uint64_t changes) {
    assert(cursor->complete);
    bookmark_lift(&cursor->bookmark);
    bookmark_place(cursor->view, &cursor->bookmark, near_if_any(cursor->view) != NULL ? &cursor->view->order : after);
    cursor->complete = false;
    cursor->seq = seq;
    cursor->removals_after = seq;
    cursor->counts_after = seq;
    cursor->changes_seen = changes;
    cursor->delivered = 0;
    struct subscription *subscription = cursor->subscription;
    core->metrics.subscriptions_live -= is_live(subscription);
    subscription->complete_count--;
    if (link_is_listed(&subscription->behind) || timer_is_set(&subscription->pace)) {
        return;
    }
    int64_t due = subscription->walked_ms + subscription->every_ms;
    if (subscription->every_ms == 0 || due <= core->mono_ms || !heap_set(&core->paces, &subscription->pace, due)) {
        list_append(&subscription->session->behind, &subscription->behind);
        session_mark_ready(core, subscription->session);
    }
}

static void start_cursor(struct core *core, struct cursor *cursor, int64_t since) {
    struct view *view = cursor->view;
    bool fresh = since < 0;
    const bool near = near_if_any(view) != NULL;
    if (near && fresh) {
        near_begin(view);
    }
    bookmark_place(view, &cursor->bookmark, fresh || near ? &view->order : view_spot_of(view, since));
    cursor->complete = false;
    cursor->seq = fresh ? 0 : since;
    cursor->removals_after = fresh ? core->seq_shown : since;
    cursor->counts_after = core->seq_shown;
    cursor->known_after = fresh ? 0 : since;
    cursor->changes_seen = view->changes;
    cursor->delivered = 0;
}

void subscription_start(struct core *core, struct subscription *subscription, int64_t since) {
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        start_cursor(core, &subscription->cursors[i], since);
    }
    subscription->complete_count = 0;
    subscription->skipped = 0; /* a new snapshot passes nothing over */
    subscription->announced = false;
    if (!link_is_listed(&subscription->behind)) {
        list_append(&subscription->session->behind, &subscription->behind);
    }
    session_mark_ready(core, subscription->session);
}

void subscription_moved(struct core *core, struct subscription *subscription) {
    subscription->announced = false; /* no beat speaks for it before the difference is sent */
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        struct cursor *cursor = &subscription->cursors[i];
        if (cursor->complete) {
            cursor_fall_behind(core, cursor, &cursor->view->order, core->seq_shown, cursor->view->changes);
        }
    }
}

void subscription_pace_due(struct core *core, struct subscription *subscription) {
    heap_clear(&core->paces, &subscription->pace);
    list_append(&subscription->session->behind, &subscription->behind);
    session_mark_ready(core, subscription->session);
}

void subscription_restart(struct core *core, struct subscription *subscription) {
    const struct reply reply = {.op = REPLY_SUBSCRIBED, .id = subscription->id, .resumed = false};
    core->metrics.subscriptions_live -= is_live(subscription);
    heap_clear(&core->paces, &subscription->pace);
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        bookmark_lift(&subscription->cursors[i].bookmark);
    }
    session_reply(core, subscription->session, &reply);
    subscription_start(core, subscription, -1);
}
