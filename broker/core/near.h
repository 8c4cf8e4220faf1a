/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A circle that one subscription follows, and the topics in it. The view is private, so it knows exactly what its subscriber holds: its
 * order has no bookmarks, only what the subscriber is still owed, each place once.
 *
 *      outside ──enters──▶ inside ──nearest so many──▶ shown        a visit is kept while it is inside or held;
 *         ▲                  │  ▲                        │          it is owed (in view->order) while what is held
 *         └── beyond margin ─┘  └─ others are nearer ────┘          is not what is shown
 */
#ifndef CORE_NEAR_H
#define CORE_NEAR_H

#include "broker/base/heap.h"
#include "broker/core/narrow.h"

struct near {
    struct circle circle;
    struct grid_spot cells;
    struct link visits;  /* all, in the order they came */
    struct heap shown;   /* with a limit: the nearest, the farthest of them first */
    struct heap waiting; /* those inside that are not among the nearest, the nearest of them first */
    bool walks;          /* this turn changed what is shown of topics that did not change: only a walk tells that */
};

struct visit {
    struct place place;  /* first; in view->order while it is owed, then place.seq is that of the change that made it so */
    struct link of_near; /* near->visits */
    struct place *base;  /* the topic's place in the base: it knows where the topic is */
    struct timer rank;   /* in `shown` or `waiting`, with a limit */
    int64_t distance;    /* chord to the centre, in millimetres */
    bool inside;
    bool shown;
    bool held;     /* the subscriber may hold a document of it */
    bool outdated; /* but not the newest */
    bool changed;  /* owed for a change that counts, not because the circle moved */
};

/* The circle of a view that is one subscription's alone; NULL: a view that may be shared. */
static inline struct near *near_if_any(const struct view *view) {
    return view->narrowed == NULL ? NULL : view->narrowed->near;
}

struct near *near_create(const struct circle *circle); /* NULL: no memory */
void near_destroy(struct near *near);                  /* NULL is fine; no visit may be left */

/* Everything the circle holds becomes a visit, owed to nobody yet. False: no memory. */
bool near_fill(struct views *views, struct view *view);

/* The change of a topic that has a visit, and of one that has none. False: no memory. */
bool near_show(struct showing *showing, struct visit *visit);
bool near_enter(struct showing *showing, struct view *view, struct place *base_place);

/* A topic with a visit is forgotten, or the view ends. */
void near_visit_gone(struct visit *visit);

/* Another circle; what enters and leaves by it is owed, as of `seq`. False: no memory, the view is no longer right. */
bool near_move(struct views *views, struct view *view, const struct circle *circle, int64_t seq);

/* Can a subscriber who has everything up to `since` go on? Then it is owed what it missed, and `left` for what it may hold and is no longer
   shown. False: more of that than lefts_max, or no memory; near_begin then. */
bool near_resume(struct views *views, struct view *view, int64_t since);

/* The subscriber starts with nothing. */
void near_begin(struct view *view);

/* The visit was told. It may end. */
void near_passed(struct visit *visit);

/* So was everything owed up to seq. */
void near_settle(struct view *view, int64_t seq);

/* ---- for near_resume.c ---- */

/* Not inside, held or owed. NULL: no memory. */
struct visit *near_visit_create(struct view *view, struct place *base_place);
void near_owe(struct visit *visit, int64_t seq, enum ahora_why why);
void near_end_if_over(struct visit *visit); /* neither inside nor held: it ends */

#endif
