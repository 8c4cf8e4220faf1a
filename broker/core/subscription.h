/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A subscription, and its cursor in each view that it follows. A cursor is in one of two states:
 *
 *      start ──▶ behind ──walked to the end──▶ complete        behind: its bookmark stands in view->order
 *                  ▲                              │            complete: it stands in view->live, view->masked or view->paced
 *                  └── choked, paced, moved, … ◀──┘
 *
 * The subscription is live while all are complete. While one is behind, the subscription waits in session->behind for a walk (walk.h), or
 * in core->paces for its time. It belongs to its session; requests make, move and end it, delivery and the walk change its cursors.
 */
#ifndef CORE_SUBSCRIPTION_H
#define CORE_SUBSCRIPTION_H

#include "broker/base/heap.h"
#include "broker/base/table.h"
#include "broker/core/bookmark.h"

struct core;
struct session;

/* A subscription's place in one view. */
struct cursor {
    struct bookmark bookmark; /* while it is behind; else its link stands in a list of complete cursors */
    struct view *view;
    struct subscription *subscription;
    int64_t known_after;    /* versions above this seq were handed over on this connection: only on these a patch may build */
    int64_t seq;            /* behind: everything in the view up to here was handed over */
    int64_t removals_after; /* removals at or below this seq are no news */
    int64_t counts_after;   /* messages at or below this seq do not count against `skipped` */
    uint64_t changes_seen;  /* view->changes when counting began */
    uint64_t delivered;     /* since then */
    struct cursor *reader;  /* another of its session's in the same view, good while view->piece is core->pieces */
    bool complete;
};

struct subscription {
    struct link of_session;
    struct table_node hashed; /* in core->subscriptions, by session and id: one of very many is found as soon as one of few */
    struct link behind;       /* in session->behind while it may walk */
    struct timer pace;        /* in core->paces while it must wait */
    int64_t id;
    int64_t every_ms;
    int64_t walked_ms; /* when the last walk ended (monotonic) */
    uint64_t skipped;  /* since the last `live` */
    bool paced;        /* changes wait for a walk, never the fast path */
    bool counted;      /* in core->interests */
    bool asks_demand;  /* one of its patterns is below $demand */
    bool announced;    /* `live` was sent since the (re)start */
    bool near;         /* its views are circles of its own */
    uint32_t complete_count;
    uint32_t cursor_count;
    struct session *session; /* beside the first cursor: who is told of a change is found by both */
    struct cursor cursors[];
};

/* The session's subscription with that id; NULL: none. */
struct subscription *subscription_find(const struct core *core, const struct session *session, int64_t id);

/* With room for so many views, and none yet. It may be slower than asked for, if the session's rights say so. NULL: no memory. */
struct subscription *subscription_create(struct core *core, struct session *session, int64_t id, int64_t every_ms,
                                         size_t view_count);
void subscription_add_view(struct subscription *subscription, struct view *view); /* takes the view */

/* Lets go of its views. subscription_end is for one that its session counts, in its list or just out of it. */
void subscription_destroy(struct core *core, struct subscription *subscription);
void subscription_end(struct core *core, struct subscription *subscription);

/* Starts a subscription; `since` < 0: from nothing, with a snapshot. */
void subscription_start(struct core *core, struct subscription *subscription, int64_t since);

/* Starts a subscription anew, after its fields changed: the client is told to forget what it holds. */
void subscription_restart(struct core *core, struct subscription *subscription);

/* Its circle is another now. What that changes is sent, then `live`. */
void subscription_moved(struct core *core, struct subscription *subscription);

/* Its wait for its next walk is over. */
void subscription_pace_due(struct core *core, struct subscription *subscription);

/* The cursor was walked to the end of its view. */
void cursor_complete(struct core *core, struct cursor *cursor);

/* A complete cursor has everything up to `seq`, which is where `after` stands in the view's order, and must walk on from there.
   `changes`: view->changes at that time. */
void cursor_fall_behind(struct core *core, struct cursor *cursor, struct link *after, int64_t seq, uint64_t changes);

#endif
