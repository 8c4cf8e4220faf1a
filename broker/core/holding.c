/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/holding.h"

#include "broker/core/near.h"
#include "broker/core/state.h"

/* The session's views remember the piece being made, so that what leaves one can be looked for in the others. */
static void mark_views(struct core *core, const struct session *session) {
    core->marked = true;
    for (struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        struct subscription *subscription = CONTAINER_OF(link, struct subscription, of_session);
        for (uint32_t i = 0; i < subscription->cursor_count; i++) {
            struct cursor *cursor = &subscription->cursors[i];
            cursor->reader = cursor->view->piece == core->pieces ? cursor->view->reader : NULL;
            cursor->view->piece = core->pieces;
            cursor->view->reader = cursor;
        }
    }
}

/* The cursor's view holds the topic, and the client was sent it as it is now: nothing of it stands behind the cursor. */
static bool has_sent(const struct cursor *cursor, struct place *place) {
    if (near_if_any(place->view) != NULL) {
        const struct visit *visit = CONTAINER_OF(place, struct visit, place);
        return visit->shown && (cursor->complete || !link_is_listed(&place->spot.link));
    }
    return place->spot.why == AHORA_WHY_NONE && (cursor->complete || place->seq <= cursor->seq);
}

bool holding_is_elsewhere(struct core *core, const struct session *session, const struct view *view, struct topic *topic) {
    if (session->cursor_count < 2) {
        return false;
    }
    if (!core->marked) {
        mark_views(core, session);
    }
    for (struct link *link = topic->watches.next; link != &topic->watches; link = link->next) {
        struct place *place = CONTAINER_OF(link, struct place, of_topic);
        if (place->view == view || place->view->piece != core->pieces) {
            continue;
        }
        for (const struct cursor *reader = place->view->reader; reader != NULL; reader = reader->reader) {
            if (has_sent(reader, place)) {
                return true;
            }
        }
    }
    return false;
}

/* Documents that are taken back one by one: past it the client has to forget everything. */
#define DENIED_MAX 10000

/* May the client hold it by this cursor? What came into being behind a cursor that is behind was never sent. */
static bool may_hold(const struct cursor *cursor, struct place *place) {
    if (near_if_any(cursor->view) != NULL) {
        return CONTAINER_OF(place, struct visit, place)->held;
    }
    if (cursor->complete) {
        return place->spot.why == AHORA_WHY_NONE;
    }
    return place->topic->seq_created <= cursor->seq && (place->spot.why == AHORA_WHY_NONE || place->seq > cursor->seq);
}

static bool deny_place(struct core *core, struct cursor *cursor, struct place *place, size_t *count) {
    struct session *session = cursor->subscription->session;
    const struct topic *topic = place->topic;
    if (!may_hold(cursor, place) || holding_is_elsewhere(core, session, NULL, place->topic)) {
        return true;
    }
    const struct reply reply = {
        .op = REPLY_REMOVE, .topic = topic_path(topic), .ref = topic->ref, .seq = topic->seq, .why = AHORA_WHY_DENIED};
    session_reply(core, session, &reply);
    return ++*count < DENIED_MAX && session->close_code == 0;
}

static bool deny_cursor(struct core *core, struct cursor *cursor, size_t *count) {
    struct near *near = near_if_any(cursor->view);
    if (near != NULL) {
        for (struct link *link = near->visits.next, *next; link != &near->visits; link = next) {
            next = link->next;
            if (!deny_place(core, cursor, &CONTAINER_OF(link, struct visit, of_near)->place, count)) {
                return false;
            }
        }
        return true;
    }
    for (struct place *place = view_place_after(cursor->view, &cursor->view->order), *next; place != NULL; place = next) {
        next = view_place_after(cursor->view, &place->spot.link);
        if (!deny_place(core, cursor, place, count)) {
            return false;
        }
    }
    return true;
}

bool holding_deny(struct core *core, struct subscription *subscription) {
    size_t count = 0;
    core->pieces++; /* the views of this session are to be marked anew, without this subscription */
    core->marked = false;
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        if (!deny_cursor(core, &subscription->cursors[i], &count)) {
            return false;
        }
    }
    return true;
}
