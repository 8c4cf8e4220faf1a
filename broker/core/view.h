/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A view: the topics that one pattern selects, in the order of their last change. A change moves its topic to the tail, O(1).
 *
 *      order:  [place seq 3] [cursor A] [place seq 8] [place seq 9, removed] [cursor B] [place seq 12]
 *                             A has everything up to 3, still needs 8, 9 and 12         B still needs 12
 *
 * A subscription that is behind keeps its place by a bookmark in that list, its cursor; one that is complete stands in `live` (or in
 * `paced`, if it asked for every_ms) and costs nothing until the next change. Whatever changes moves past every bookmark, so a cursor
 * that walks to the end has met each topic once, at its newest version: snapshot, catch-up, conflation and resume are this one walk.
 *
 * Removed topics keep their place until the ledger forgets them; `floor` is the last removal forgotten here.
 * Views are shared by all subscriptions with the same pattern and vanish with the last one. Owned by `views`, one thread.
 */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include "broker/base/arena.h"
#include "broker/base/list.h"
#include "broker/core/circle.h"
#include "broker/core/ledger.h"
#include "broker/core/tree.h"

#define VIEW_ENCODINGS 3 /* enum encoding */

enum spot_kind {
    SPOT_PLACE,
    SPOT_CURSOR, /* a bookmark by itself */
    SPOT_GAP,    /* bookmarks (bookmark.h) */
    SPOT_TURN,
};

/* What stands in the order of a view. */
struct spot {
    struct link link;
    enum spot_kind kind;
    enum ahora_why why; /* of a place: why its topic is no longer in the view; AHORA_WHY_NONE while it is */
};

/* A topic's place in a view. */
struct place {
    struct spot spot;
    struct link of_topic; /* in topic->watches */
    struct topic *topic;
    struct view *view;
    int64_t seq;           /* of the last change shown here */
    struct beacon *beacon; /* where the topic is, if this view is narrowed by `near`; owned */
};

/* How a change is told in a view: a topic that enters was never sent, one that left is no longer this view's. */
enum form {
    FORM_CHANGE, /* as it was made */
    FORM_ENTER,  /* the whole document */
    FORM_LEFT,   /* a removal, `left` */
    FORMS,
};

/* A change of the running turn, in the list of each view it touches. */
struct mention {
    struct mention *next;
    struct frame *frame; /* block.h: the change and its bytes */
    enum form form;
};

struct narrowing;
struct narrowed;
struct near;

struct view {
    struct views *views;
    struct tree_node *node;           /* its pattern's end in views.patterns; NULL if it narrows another */
    struct narrowing *narrowing;      /* the views that narrow this one; NULL: none */
    struct narrowed *narrowed;        /* how it narrows another; NULL: it holds all that its pattern selects */
    struct link order;                /* of spots */
    struct link live[VIEW_ENCODINGS]; /* cursors that are complete and get changes at once */
    struct link masked;               /* the same, of sessions that are shown a part of each document */
    struct link paced;                /* cursors that are complete and wait for the next change */
    size_t cursor_count;              /* all of them, behind or not; 0: the view goes */
    size_t place_count;
    uint64_t changes;        /* shown here since the view exists: what `skipped` is counted with */
    uint64_t changes_before; /* the same before the running turn */
    int64_t floor;
    uint64_t piece;        /* holding.c's: the last piece made for a session that follows it, */
    struct cursor *reader; /* and that session's cursors, good for this piece */

    struct link dirty; /* in views.dirty while the turn touched it */
    struct spot turn;  /* stands in `order` meanwhile: behind it is what this turn changed */
    struct mention *mentions;
    struct mention **mentions_end;
    struct name pattern; /* points into text */
    char text[];
};

struct views {
    struct ledger *ledger; /* borrowed */
    struct tree patterns;
    struct link dirty;
    size_t count;
    size_t narrowed_count;   /* of them */
    uint64_t shows;          /* changes shown; a narrowed view remembers the last one that looked at it */
    uint64_t looks;          /* narrowed views that a change was held against: what the indexes keep small */
    uint64_t visited;        /* topics looked at to make and move views */
    size_t place_count;      /* in all of them */
    struct tree_found found; /* reused */
    struct tree_found
        left; /* topics that left a view in this turn: kept until the next, because who is told of it asks about them */
};

bool views_init(struct views *views, struct ledger *ledger, const struct table_key *hash_key); /* false: no memory */
void views_fini(struct views *views);                                                          /* no view may be left */

/*
 * The view of a pattern, made if nobody follows it yet: cost O(n log n) in its topics, the first time. The caller places a cursor or calls
 * view_release. AHORA_OVERLOADED: no memory, or as many views or places as there may be; AHORA_TOO_MANY: more topics
 * than one view may hold. A topic that is created later has its places in any case: no view may miss it.
 */
enum ahora_code views_take(struct views *views, const struct name *pattern, struct view **view);
void view_release(struct views *views, struct view *view); /* destroys it if no cursor is left */

/* Before a turn is shown: what the last one was told by is done with. */
void views_begin_turn(struct views *views);

/* A change on its way through the views. */
struct showing {
    struct views *views;
    const struct change *change;
    struct frame *frame;
    struct arena *arena;
    bool looked; /* `placed` and `point` are known */
    bool placed; /* the document has a position */
    struct point point;
};

/* Moves the change's topic to the tail of every view that selects it, and mentions the frame there. False: no memory, a view missed it
   and cannot be trusted any more (the caller stops). */
bool views_show(struct views *views, const struct change *change, struct frame *frame, struct arena *arena);

/* A removal is being forgotten: its places go, and the floors rise. */
void views_forget(struct views *views, struct topic *topic);

/* The view's part in the turn is over: forgets the mentions and where the turn began. */
void view_end_turn(struct view *view);

/* The last spot whose change is at or below `seq`, or the head: where a cursor belongs that has everything up to seq.
   Cost: the changes since. */
struct link *view_spot_of(struct view *view, int64_t seq);

/* The first place after the link, skipping cursors; NULL at the end. */
struct place *view_place_after(struct view *view, struct link *link);

/* ---- for narrow.c and near.c ---- */

struct view *view_create(struct views *views, const struct name *pattern, int64_t floor); /* NULL: no memory */
bool view_is_live(const struct view *view);                                               /* some cursor gets changes at once */

/* A zeroed place of `bytes` (it comes first in a longer struct) in the view's order and the topic's watches; NULL: no memory. */
struct place *place_create(struct view *view, struct topic *topic, size_t bytes);
void place_destroy(struct place *place);

/* The place changes now: at the tail, as of that seq. */
void place_move(struct place *place, int64_t seq);

/* The view is told of the change in that form: first, then its place moves, so that where the turn began stands in front of it.
   False: no memory. */
bool view_mention(struct view *view, const struct showing *showing, enum form form);

#endif
