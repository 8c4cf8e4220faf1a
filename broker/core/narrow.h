/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Views narrowed by `where` and `near`. All that narrow one pattern stand in the narrowing of that pattern's own view (their base), which
 * lives as long as they do: its places tell what the pattern selects, in the order of change, and where it is.
 *
 *   base                    every topic of the pattern
 *     ├─ where, shared      by all subscriptions with the same conditions; holds what matches, and what left it, for those who are behind
 *     └─ near, private      one subscription's circle (near.h)
 *
 * A change is held against the views that hold its topic, found from the topic, and those it may enter, found by the indexes of the
 * narrowing: never against all. Owned by `views`, one thread.
 */
#ifndef CORE_NARROW_H
#define CORE_NARROW_H

#include "broker/core/grid.h"
#include "broker/core/octree.h"
#include "broker/core/view.h"
#include "broker/core/where_index.h"

struct narrowing {
    size_t count;              /* of views that narrow this one */
    size_t near_count;         /* of them, with a circle: while there are any, places have beacons */
    struct where_index wheres; /* those without a circle */
    struct table shared;       /* the same, by their canonical bytes */
    struct grid circles;
    struct octree points;
};

/* How a view narrows its base. */
struct narrowed {
    struct view *view;
    struct view *base;
    struct where *where; /* counted; NULL: none */
    struct near *near;   /* NULL: none */
    uint64_t looked;     /* views->shows when a change was last held against it */
    struct where_spot spot;
    struct table_node hashed;
    bool shared;      /* stands in narrowing->shared */
    struct link gone; /* places of topics that left, oldest first: struct member.gone */
    size_t gone_count;
};

/* A place in a view with `where`. */
struct member {
    struct place place; /* first */
    struct link gone;
};

/*
 * The view of a pattern narrowed by `where` (counted again if kept; NULL: none) and `circle` (copied; NULL: none; not both NULL).
 * Cost, if it is new: the pattern's topics; with a circle, those in it. AHORA_OVERLOADED: no memory; AHORA_TOO_MANY: more topics than a
 * view may hold, or more conditions that no index helps to find. The caller places a cursor or calls view_release.
 */
enum ahora_code narrow_take(struct views *views, const struct name *pattern, struct where *where, const struct circle *circle,
                            struct view **view);

/* ---- for view.c ---- */

/* The change of a topic that the place's narrowed view holds. May end the place. False: no memory. */
bool narrow_show(struct showing *showing, struct place *place);

/* The change may enter views that narrow the place's. False: no memory. */
bool narrow_enter(struct showing *showing, struct place *place);

void narrow_place_gone(struct place *place);  /* the place of a narrowed view ends */
void narrow_beacon_drop(struct place *place); /* harmless without one */

/* The view narrows its base no more, which is returned; its places still stand. */
struct view *narrow_let_go(struct views *views, struct view *view);

#endif
