/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A bookmark: the place of a cursor that is behind, in the order of its view. Bookmarks between the same two topics share one gap, so that
 * looking for the topic behind a bookmark costs one step, however many readers wait there:
 *
 *      order:  [place seq 3] [gap: A B C] [place seq 8] [gap: D] [place seq 12]
 *
 * A topic that changes leaves from between two gaps. The next reader that comes by joins them, the smaller into the larger: a bookmark is
 * moved that way at most as often as the number of readers doubles.
 *
 * Embedded in a cursor, one thread. Without memory for a gap a bookmark stands in the order by itself.
 */
#ifndef CORE_BOOKMARK_H
#define CORE_BOOKMARK_H

#include "broker/core/view.h"

struct gap {
    struct spot spot;
    struct link bookmarks;
    size_t count;
};

struct bookmark {
    struct spot spot; /* in its gap; or in the order by itself; or (of a cursor that is complete) in a list of the view */
    struct gap *gap;
};

void bookmark_init(struct bookmark *bookmark);

/* Behind the link, which is the view's order itself or stands in it. It is placed nowhere yet. */
void bookmark_place(struct view *view, struct bookmark *bookmark, struct link *after);

/* Out of the order; harmless if it is placed nowhere. */
void bookmark_lift(struct bookmark *bookmark);

/* From where it is to behind the place. */
void bookmark_pass(struct view *view, struct bookmark *bookmark, struct place *place);

/* The first place behind it; NULL at the end. */
struct place *bookmark_next(struct view *view, struct bookmark *bookmark);

#endif
