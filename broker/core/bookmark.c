/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/bookmark.h"

#include <assert.h>
#include <stdlib.h>

void bookmark_init(struct bookmark *bookmark) {
    *bookmark = (struct bookmark){.spot = {.kind = SPOT_CURSOR}};
    list_init(&bookmark->spot.link);
}

/* The gap that the link is, NULL if it is something else. */
static struct gap *gap_of(const struct view *view, struct link *link) {
    if (link == &view->order || CONTAINER_OF(link, struct spot, link)->kind != SPOT_GAP) {
        return NULL;
    }
    return CONTAINER_OF(link, struct gap, spot.link);
}

static struct gap *gap_create(struct link *after) {
    struct gap *gap = malloc(sizeof *gap);
    if (gap != NULL) {
        *gap = (struct gap){.spot = {.kind = SPOT_GAP}};
        list_init(&gap->bookmarks);
        link_insert_after(after, &gap->spot.link);
    }
    return gap;
}

static void gap_destroy(struct gap *gap) {
    assert(gap->count == 0);
    link_remove(&gap->spot.link);
    free(gap);
}

static void take_in(struct gap *gap, struct bookmark *bookmark) {
    list_append(&gap->bookmarks, &bookmark->spot.link);
    bookmark->gap = gap;
    gap->count++;
}

void bookmark_place(struct view *view, struct bookmark *bookmark, struct link *after) {
    assert(bookmark->gap == NULL);
    struct gap *gap = gap_of(view, after);
    gap = gap != NULL ? gap : gap_of(view, after->next);
    gap = gap != NULL ? gap : gap_create(after);
    if (gap == NULL) {
        link_insert_after(after, &bookmark->spot.link);
    } else {
        take_in(gap, bookmark);
    }
}

void bookmark_lift(struct bookmark *bookmark) {
    link_remove(&bookmark->spot.link);
    struct gap *gap = bookmark->gap;
    bookmark->gap = NULL;
    if (gap != NULL && --gap->count == 0) {
        gap_destroy(gap);
    }
}

/* A reader that walks alone takes its gap along. */
void bookmark_pass(struct view *view, struct bookmark *bookmark, struct place *place) {
    struct gap *gap = bookmark->gap;
    if (gap != NULL && gap->count == 1 && gap_of(view, place->spot.link.next) == NULL) {
        link_remove(&gap->spot.link);
        link_insert_after(&place->spot.link, &gap->spot.link);
        return;
    }
    bookmark_lift(bookmark);
    bookmark_place(view, bookmark, &place->spot.link);
}

/* The smaller into the larger; the one that is left. */
static struct gap *join(struct gap *a, struct gap *b) {
    struct gap *larger = a->count >= b->count ? a : b;
    struct gap *smaller = larger == a ? b : a;
    for (struct link *link; (link = list_pop(&smaller->bookmarks)) != NULL;) {
        take_in(larger, CONTAINER_OF(link, struct bookmark, spot.link));
    }
    smaller->count = 0;
    gap_destroy(smaller);
    return larger;
}

struct place *bookmark_next(struct view *view, struct bookmark *bookmark) {
    struct gap *gap = bookmark->gap;
    if (gap == NULL) {
        return view_place_after(view, &bookmark->spot.link);
    }
    for (struct gap *next; (next = gap_of(view, gap->spot.link.next)) != NULL;) {
        gap = join(gap, next);
    }
    return view_place_after(view, &gap->spot.link);
}
