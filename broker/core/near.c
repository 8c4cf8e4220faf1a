/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/near.h"

#include <assert.h>
#include <stdlib.h>

struct near *near_create(const struct circle *circle) {
    struct near *near = calloc(1, sizeof *near);
    if (near != NULL) {
        near->circle = *circle;
        list_init(&near->visits);
    }
    return near;
}

void near_destroy(struct near *near) {
    if (near == NULL) {
        return;
    }
    assert(list_is_empty(&near->visits) && near->cells.level == 0);
    heap_fini(&near->shown);
    heap_fini(&near->waiting);
    free(near);
}

static struct visit *visit_of(struct place *place) {
    return CONTAINER_OF(place, struct visit, place);
}

static struct near *near_of(const struct view *view) {
    assert(view->narrowed != NULL && view->narrowed->near != NULL);
    return view->narrowed->near;
}

struct visit *near_visit_create(struct view *view, struct place *base_place) {
    struct place *place = place_create(view, base_place->topic, sizeof(struct visit));
    if (place == NULL) {
        return NULL;
    }
    link_remove(&place->spot.link); /* owed is what stands in the order */
    struct visit *visit = visit_of(place);
    visit->base = base_place;
    list_append(&near_of(view)->visits, &visit->of_near);
    return visit;
}

void near_visit_gone(struct visit *visit) {
    struct near *near = near_of(visit->place.view);
    heap_clear(visit->shown ? &near->shown : &near->waiting, &visit->rank);
    link_remove(&visit->of_near);
}

void near_owe(struct visit *visit, int64_t seq, enum ahora_why why) {
    visit->place.spot.why = why;
    place_move(&visit->place, seq);
}

/* ---- the nearest ---- */

static struct visit *first_visit(const struct heap *heap) {
    struct timer *timer = heap_first(heap);
    return timer == NULL ? NULL : CONTAINER_OF(timer, struct visit, rank);
}

/* From one heap to the other. What is told of the others that this changes is owed; `subject` is its caller's business. */
static bool promote(struct near *near, struct visit *visit, const struct visit *subject, int64_t seq) {
    heap_clear(&near->waiting, &visit->rank);
    visit->shown = true;
    if (visit != subject) {
        near_owe(visit, seq, AHORA_WHY_NONE);
        near->walks = true;
    }
    return heap_set(&near->shown, &visit->rank, -visit->distance);
}

static bool demote(struct near *near, struct visit *visit, const struct visit *subject, int64_t seq) {
    heap_clear(&near->shown, &visit->rank);
    visit->shown = false;
    if (visit != subject) {
        near_owe(visit, seq, AHORA_WHY_LEFT);
        near->walks = true;
    }
    return heap_set(&near->waiting, &visit->rank, visit->distance);
}

static bool balance(struct near *near, const struct visit *subject, int64_t seq) {
    bool fine = true;
    while (fine && near->shown.count > near->circle.limit) {
        fine = demote(near, first_visit(&near->shown), subject, seq);
    }
    while (fine && near->shown.count < near->circle.limit && near->waiting.count > 0) {
        fine = promote(near, first_visit(&near->waiting), subject, seq);
    }
    while (fine && near->waiting.count > 0 && near->shown.count > 0 &&
           first_visit(&near->waiting)->distance < first_visit(&near->shown)->distance) {
        struct visit *nearest = first_visit(&near->waiting);
        fine = demote(near, first_visit(&near->shown), subject, seq) && promote(near, nearest, subject, seq);
    }
    return fine;
}

/* The visit's `inside` or `distance` changed. */
static bool rank(struct near *near, struct visit *visit, int64_t seq) {
    if (near->circle.limit == 0) {
        visit->shown = visit->inside;
        return true;
    }
    heap_clear(visit->shown ? &near->shown : &near->waiting, &visit->rank);
    visit->shown = false;
    if (visit->inside && !heap_set(&near->waiting, &visit->rank, visit->distance)) {
        return false;
    }
    return balance(near, visit, seq);
}

/* ---- inside or not ---- */

/* Sets `inside` and `distance`. `point` NULL: it is nowhere, or does not match. */
static void locate(struct visit *visit, const struct circle *circle, const struct point *point) {
    const double chord = point == NULL ? 0 : point_chord(&circle->centre, point);
    visit->inside = point != NULL && chord <= (visit->inside ? circle->leave_chord : circle->chord);
    visit->distance = (int64_t)(chord * 1000);
}

static bool matches(const struct view *view, const struct document *document) {
    return document != NULL && (view->narrowed->where == NULL || where_matches(view->narrowed->where, document_span(document)));
}

/* ---- changes ---- */

void near_end_if_over(struct visit *visit) {
    if (!visit->inside && !visit->held) {
        place_destroy(&visit->place);
    }
}

/* What the subscriber is told now, if anything. */
static bool tell(struct showing *showing, struct visit *visit, bool was_shown) {
    const struct change *change = showing->change;
    struct view *view = visit->place.view;
    if (!was_shown && !visit->shown) {
        near_end_if_over(visit);
        return true;
    }
    const enum ahora_why why = visit->shown ? AHORA_WHY_NONE : change->document == NULL ? change->why : AHORA_WHY_LEFT;
    const enum form form = !was_shown ? FORM_ENTER : why == AHORA_WHY_LEFT ? FORM_LEFT : FORM_CHANGE;
    near_owe(visit, change->seq, why);
    visit->changed = true;
    visit->held |= view_is_live(view); /* it may be sent at once */
    bool fine = view_mention(view, showing, form);
    near_end_if_over(visit);
    return fine;
}

static bool consider(struct showing *showing, struct visit *visit) {
    struct view *view = visit->place.view;
    struct near *near = near_of(view);
    const bool was_shown = visit->shown;
    const bool fits = showing->placed && matches(view, showing->change->document);
    showing->views->looks++;
    visit->outdated = true; /* also while it is out: the circle may come back before that was told */
    locate(visit, &near->circle, fits ? &showing->point : NULL);
    return rank(near, visit, showing->change->seq) && tell(showing, visit, was_shown);
}

bool near_show(struct showing *showing, struct visit *visit) {
    return consider(showing, visit);
}

bool near_enter(struct showing *showing, struct view *view, struct place *base_place) {
    const struct circle *circle = &near_of(view)->circle;
    showing->views->looks++;
    if (point_chord(&circle->centre, &showing->point) > circle->chord || !matches(view, showing->change->document)) {
        return true;
    }
    struct visit *visit = near_visit_create(view, base_place);
    return visit != NULL && consider(showing, visit);
}

/* ---- circles ---- */

/* Topics in the circle that have no visit yet. */
static bool enter_circle(struct views *views, struct view *view, int64_t seq, bool owed) {
    struct near *near = near_of(view);
    struct tree_found found = {0};
    octree_find(&view->narrowed->base->narrowing->points, &near->circle.centre, near->circle.chord, &found);
    bool fine = !found.failed;
    views->visited += found.count;
    for (size_t i = 0; fine && i < found.count; i++) {
        struct beacon *beacon = found.values[i];
        struct place *base_place = beacon->owner;
        if (beacon->looked == views->shows || !matches(view, base_place->topic->document)) {
            continue;
        }
        struct visit *visit = near_visit_create(view, base_place);
        if (visit == NULL) {
            fine = false;
            break;
        }
        locate(visit, &near->circle, &beacon->point);
        fine = rank(near, visit, seq);
        if (fine && owed && visit->shown) {
            near_owe(visit, seq, AHORA_WHY_NONE);
        }
    }
    tree_found_fini(&found);
    return fine;
}

bool near_fill(struct views *views, struct view *view) {
    views->shows++; /* no beacon was looked at */
    return enter_circle(views, view, 0, false);
}

/* Every visit against the new circle; those that leave its heap go at once, then the nearest are found anew. */
static bool move_visits(struct near *near, uint64_t looked, int64_t seq) {
    bool fine = true;
    for (struct link *link = near->visits.next, *next; fine && link != &near->visits; link = next) {
        struct visit *visit = CONTAINER_OF(link, struct visit, of_near);
        struct beacon *beacon = visit->base->beacon;
        const bool was_shown = visit->shown;
        next = link->next;
        const bool fits = beacon != NULL && (visit->inside || matches(visit->place.view, visit->place.topic->document));
        if (beacon != NULL) {
            beacon->looked = looked;
        }
        locate(visit, &near->circle, fits ? &beacon->point : NULL);
        fine = rank(near, visit, seq);
        if (fine && was_shown != visit->shown) {
            near_owe(visit, seq, visit->shown ? AHORA_WHY_NONE : AHORA_WHY_LEFT);
        }
        near_end_if_over(visit);
    }
    return fine;
}

/* Owed is what is shown and not held, or held and not shown, or outdated. What came and went by the move alone is not told. */
static void forget_detours(struct near *near) {
    for (struct link *link = near->visits.next, *next; link != &near->visits; link = next) {
        struct visit *visit = CONTAINER_OF(link, struct visit, of_near);
        next = link->next;
        if (visit->held == visit->shown && !visit->outdated) {
            link_remove(&visit->place.spot.link);
        }
        near_end_if_over(visit);
    }
}

bool near_move(struct views *views, struct view *view, const struct circle *circle, int64_t seq) {
    struct near *near = near_of(view);
    struct grid *circles = &view->narrowed->base->narrowing->circles;
    const uint64_t looked = ++views->shows;
    grid_remove(circles, &near->cells);
    near->circle = *circle;
    views->visited += view->place_count;
    bool fine =
        grid_add(circles, &near->cells, circle, view) && move_visits(near, looked, seq) && enter_circle(views, view, seq, true);
    forget_detours(near);
    near->walks = false;
    return fine;
}

/* ---- the subscriber ---- */

void near_begin(struct view *view) {
    struct near *near = near_of(view);
    near->walks = false;
    for (struct link *link = near->visits.next, *next; link != &near->visits; link = next) {
        struct visit *visit = CONTAINER_OF(link, struct visit, of_near);
        next = link->next;
        visit->changed = false;
        visit->held = false;
        visit->outdated = true;
        if (visit->shown) {
            near_owe(visit, 0, AHORA_WHY_NONE);
        } else {
            link_remove(&visit->place.spot.link);
        }
        near_end_if_over(visit);
    }
}

void near_passed(struct visit *visit) {
    link_remove(&visit->place.spot.link);
    visit->held = visit->shown;
    visit->outdated = false;
    visit->changed = false;
    near_end_if_over(visit);
}

void near_settle(struct view *view, int64_t seq) {
    struct place *place;
    while ((place = view_place_after(view, &view->order)) != NULL && place->seq <= seq) {
        near_passed(visit_of(place));
    }
}
