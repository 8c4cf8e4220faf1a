/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/narrow.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/core/near.h"

/* ---- the narrowing of a base ---- */

static struct narrowing *narrowing_create(const struct table_key *key) {
    struct narrowing *narrowing = calloc(1, sizeof *narrowing);
    if (narrowing == NULL) {
        return NULL;
    }
    if (!where_index_init(&narrowing->wheres, key) || !table_init(&narrowing->shared) || !grid_init(&narrowing->circles, key)) {
        where_index_fini(&narrowing->wheres);
        table_fini(&narrowing->shared);
        grid_fini(&narrowing->circles);
        free(narrowing);
        return NULL;
    }
    return narrowing;
}

static void narrowing_release(struct view *base) {
    struct narrowing *narrowing = base->narrowing;
    if (narrowing->count > 0) {
        return;
    }
    assert(narrowing->near_count == 0 && narrowing->shared.count == 0);
    where_index_fini(&narrowing->wheres);
    table_fini(&narrowing->shared);
    grid_fini(&narrowing->circles);
    octree_fini(&narrowing->points);
    free(narrowing);
    base->narrowing = NULL;
}

/* ---- beacons: where the base's topics are ---- */

void narrow_beacon_drop(struct place *place) {
    if (place->beacon != NULL) {
        octree_remove(&place->view->narrowing->points, place->beacon);
        free(place->beacon);
        place->beacon = NULL;
    }
}

/* `point` NULL: it is nowhere. False: no memory. */
static bool place_beacon(struct place *place, const struct point *point) {
    struct octree *points = &place->view->narrowing->points;
    if (point == NULL) {
        narrow_beacon_drop(place);
        return true;
    }
    if (place->beacon != NULL) {
        return octree_move(points, place->beacon, point);
    }
    struct beacon *beacon = calloc(1, sizeof *beacon);
    if (beacon == NULL) {
        return false;
    }
    *beacon = (struct beacon){.point = *point, .owner = place};
    if (!octree_add(points, beacon)) {
        free(beacon);
        return false;
    }
    place->beacon = beacon;
    return true;
}

static void drop_beacons(struct view *base) {
    for (struct place *place = view_place_after(base, &base->order); place != NULL;
         place = view_place_after(base, &place->spot.link)) {
        narrow_beacon_drop(place);
    }
}

static bool place_beacons(struct views *views, struct view *base) {
    views->visited += base->place_count;
    for (struct place *place = view_place_after(base, &base->order); place != NULL;
         place = view_place_after(base, &place->spot.link)) {
        const struct topic *topic = place->topic;
        struct point point;
        if (!topic_is_removed(topic) && point_of_kind(topic->kind, document_span(topic->document), &point) &&
            !place_beacon(place, &point)) {
            return false;
        }
    }
    return true;
}

/* ---- members: places of a view with `where` ---- */

static struct member *member_of(struct place *place) {
    return CONTAINER_OF(place, struct member, place);
}

static void member_stays(struct narrowed *narrowed, struct member *member) {
    if (link_is_listed(&member->gone)) {
        link_remove(&member->gone);
        narrowed->gone_count--;
    }
}

/* The oldest are forgotten: whoever has not heard of them starts anew. */
static void trim_gone(struct narrowed *narrowed, size_t gone_max) {
    while (narrowed->gone_count > gone_max) {
        struct member *oldest = CONTAINER_OF(narrowed->gone.next, struct member, gone);
        struct view *view = narrowed->view;
        view->floor = oldest->place.seq > view->floor ? oldest->place.seq : view->floor;
        place_destroy(&oldest->place);
    }
}

static void member_goes(struct narrowed *narrowed, struct member *member) {
    member_stays(narrowed, member);
    list_append(&narrowed->gone, &member->gone);
    narrowed->gone_count++;
}

static bool matches(const struct narrowed *narrowed, const struct document *document) {
    return document != NULL && where_matches(narrowed->where, document_span(document));
}

static bool show_member(struct showing *showing, struct member *member) {
    const struct change *change = showing->change;
    struct place *place = &member->place;
    struct narrowed *narrowed = place->view->narrowed;
    const bool was = place->spot.why == AHORA_WHY_NONE;
    const bool is = matches(narrowed, change->document);
    showing->views->looks++;
    if (!was && !is) {
        if (place->seq >= change->seq) { /* made within this turn, from what is shown only now */
            place_move(place, change->seq);
            member_goes(narrowed, member);
        }
        return true;
    }
    place->spot.why = is ? AHORA_WHY_NONE : change->document == NULL ? change->why : AHORA_WHY_LEFT;
    const enum form form = !was ? FORM_ENTER : place->spot.why == AHORA_WHY_LEFT ? FORM_LEFT : FORM_CHANGE;
    bool fine = view_mention(place->view, showing, form);
    place_move(place, change->seq);
    if (is) {
        member_stays(narrowed, member);
    } else {
        member_goes(narrowed, member);
        trim_gone(narrowed, showing->views->ledger->limits->lefts_max);
    }
    return fine;
}

static bool member_enter(struct showing *showing, struct view *view, struct topic *topic) {
    showing->views->looks++;
    if (!matches(view->narrowed, showing->change->document)) {
        return true;
    }
    struct place *place = place_create(view, topic, sizeof(struct member));
    if (place == NULL) {
        return false;
    }
    place->spot.why = AHORA_WHY_NONE;
    bool fine = view_mention(view, showing, FORM_ENTER);
    place_move(place, showing->change->seq);
    return fine;
}

static int by_seq(const void *a, const void *b) {
    const struct topic *const *left = a;
    const struct topic *const *right = b;
    return ((*left)->seq > (*right)->seq) - ((*left)->seq < (*right)->seq);
}

static bool fill_member(struct view *view, struct topic *topic, size_t gone_max) {
    struct narrowed *narrowed = view->narrowed;
    const bool is = matches(narrowed, topic->document);
    if (!is && (narrowed->gone_count == gone_max || topic->seq <= view->floor)) {
        view->floor = topic->seq > view->floor ? topic->seq : view->floor;
        return true;
    }
    struct place *place = place_create(view, topic, sizeof(struct member));
    if (place == NULL) {
        return false;
    }
    link_remove(&place->spot.link);
    link_insert_after(&view->order, &place->spot.link);
    if (!is) {
        place->spot.why = topic_is_removed(topic) ? (enum ahora_why)topic->why : AHORA_WHY_LEFT;
        link_insert_after(&narrowed->gone, &member_of(place)->gone);
        narrowed->gone_count++;
    }
    return true;
}

/* What matches, and the newest of what does not: that may have matched before, so whoever resumes is told. From the newest on. */
static enum ahora_code fill(struct views *views, struct view *view) {
    struct view *base = view->narrowed->base;
    struct topic **topics = calloc(base->place_count + 1, sizeof *topics);
    size_t count = 0;
    if (topics == NULL) {
        return AHORA_OVERLOADED;
    }
    for (struct place *place = view_place_after(base, &base->order); place != NULL;
         place = view_place_after(base, &place->spot.link)) {
        topics[count++] = place->topic;
    }
    qsort(topics, count, sizeof *topics, by_seq);
    views->visited += count;
    bool fine = true;
    while (fine && count > 0) {
        fine = fill_member(view, topics[--count], views->ledger->limits->lefts_max);
    }
    free(topics);
    return fine ? AHORA_OK : AHORA_OVERLOADED;
}

/* ---- making and ending ---- */

static struct view *create(struct views *views, struct view *base, struct where *where, const struct circle *circle) {
    struct view *view = view_create(views, &base->pattern, base->floor);
    struct narrowed *narrowed = view == NULL ? NULL : calloc(1, sizeof *narrowed);
    struct near *near = narrowed == NULL || circle == NULL ? NULL : near_create(circle);
    if (narrowed == NULL || (circle != NULL && near == NULL)) {
        free(narrowed);
        free(view);
        return NULL;
    }
    *narrowed = (struct narrowed){.view = view, .base = base, .near = near};
    narrowed->where = where == NULL ? NULL : where_ref(where);
    list_init(&narrowed->gone);
    view->narrowed = narrowed;
    views->count++;
    views->narrowed_count++;
    base->narrowing->count++;
    base->narrowing->near_count += near != NULL;
    return view;
}

static uint64_t hash_where(const struct views *views, const struct where *where) {
    return table_hash(views->patterns.key, where->canonical.data, where->canonical.bytes);
}

static enum ahora_code begin_where(struct views *views, struct view *view) {
    struct narrowed *narrowed = view->narrowed;
    struct narrowing *narrowing = narrowed->base->narrowing;
    narrowed->shared = table_insert(&narrowing->shared, &narrowed->hashed, hash_where(views, narrowed->where));
    if (!narrowed->shared || !where_index_add(&narrowing->wheres, &narrowed->spot, narrowed->where, view)) {
        return AHORA_OVERLOADED;
    }
    return fill(views, view);
}

static enum ahora_code begin_near(struct views *views, struct view *view) {
    struct narrowed *narrowed = view->narrowed;
    struct narrowing *narrowing = narrowed->base->narrowing;
    if (narrowing->near_count == 1 && !place_beacons(views, narrowed->base)) {
        return AHORA_OVERLOADED;
    }
    bool fine = grid_add(&narrowing->circles, &narrowed->near->cells, &narrowed->near->circle, view) && near_fill(views, view);
    return fine ? AHORA_OK : AHORA_OVERLOADED;
}

static struct view *find_shared(const struct views *views, const struct narrowing *narrowing, const struct where *where) {
    struct table_node *node = table_first(&narrowing->shared, hash_where(views, where));
    for (; node != NULL; node = table_next(node)) {
        const struct narrowed *narrowed = CONTAINER_OF(node, struct narrowed, hashed);
        if (span_equal(narrowed->where->canonical, where->canonical)) {
            return narrowed->view;
        }
    }
    return NULL;
}

static enum ahora_code take(struct views *views, struct view *base, struct where *where, const struct circle *circle,
                            struct view **out) {
    if (base->narrowing == NULL && (base->narrowing = narrowing_create(views->patterns.key)) == NULL) {
        return AHORA_OVERLOADED;
    }
    *out = circle == NULL ? find_shared(views, base->narrowing, where) : NULL;
    if (*out != NULL) {
        return AHORA_OK;
    }
    if (circle == NULL && where_needs_scan(where) &&
        base->narrowing->wheres.scan_count >= views->ledger->limits->where_scans_max) {
        return AHORA_TOO_MANY;
    }
    struct view *view = create(views, base, where, circle);
    if (view == NULL) {
        return AHORA_OVERLOADED;
    }
    enum ahora_code code = circle == NULL ? begin_where(views, view) : begin_near(views, view);
    if (code != AHORA_OK) {
        base->cursor_count++; /* the caller lets go of the base */
        view_release(views, view);
        base->cursor_count--;
        return code;
    }
    *out = view;
    return AHORA_OK;
}

enum ahora_code narrow_take(struct views *views, const struct name *pattern, struct where *where, const struct circle *circle,
                            struct view **view) {
    assert(where != NULL || circle != NULL);
    struct view *base = NULL;
    enum ahora_code code = views_take(views, pattern, &base);
    if (code != AHORA_OK) {
        return code;
    }
    code = take(views, base, where, circle, view);
    if (code != AHORA_OK) {
        if (base->narrowing != NULL) {
            narrowing_release(base);
        }
        view_release(views, base);
    }
    return code;
}

static void end_near(struct view *view) {
    struct narrowed *narrowed = view->narrowed;
    struct narrowing *narrowing = narrowed->base->narrowing;
    struct near *near = narrowed->near;
    while (!list_is_empty(&near->visits)) {
        place_destroy(&CONTAINER_OF(near->visits.next, struct visit, of_near)->place);
    }
    grid_remove(&narrowing->circles, &near->cells);
    near_destroy(near);
    narrowed->near = NULL;
    if (--narrowing->near_count == 0) {
        drop_beacons(narrowed->base);
    }
}

struct view *narrow_let_go(struct views *views, struct view *view) {
    struct narrowed *narrowed = view->narrowed;
    struct view *base = narrowed->base;
    if (narrowed->near != NULL) {
        end_near(view);
    } else {
        if (narrowed->shared) {
            table_remove(&base->narrowing->shared, &narrowed->hashed);
        }
        where_index_remove(&base->narrowing->wheres, &narrowed->spot);
    }
    where_unref(narrowed->where);
    narrowed->where = NULL;
    views->narrowed_count--;
    base->narrowing->count--;
    narrowing_release(base);
    return base;
}

void narrow_place_gone(struct place *place) {
    struct narrowed *narrowed = place->view->narrowed;
    if (narrowed->near != NULL) {
        near_visit_gone(CONTAINER_OF(place, struct visit, place));
    } else {
        member_stays(narrowed, member_of(place));
    }
}

/* ---- changes ---- */

static void look_where_it_is(struct showing *showing) {
    const struct document *document = showing->change->document;
    if (!showing->looked) {
        showing->looked = true;
        showing->placed =
            document != NULL && point_of_kind(showing->change->topic->kind, document_span(document), &showing->point);
    }
}

bool narrow_show(struct showing *showing, struct place *place) {
    struct narrowed *narrowed = place->view->narrowed;
    narrowed->looked = showing->views->shows;
    if (narrowed->near == NULL) {
        return show_member(showing, member_of(place));
    }
    look_where_it_is(showing);
    return near_show(showing, CONTAINER_OF(place, struct visit, place));
}

static bool enter(struct showing *showing, struct view *view, struct place *base_place) {
    struct narrowed *narrowed = view->narrowed;
    if (narrowed->looked == showing->views->shows) {
        return true;
    }
    narrowed->looked = showing->views->shows;
    return narrowed->near != NULL ? near_enter(showing, view, base_place) : member_enter(showing, view, base_place->topic);
}

bool narrow_enter(struct showing *showing, struct place *base_place) {
    struct narrowing *narrowing = base_place->view->narrowing;
    struct tree_found *found = &showing->views->found;
    const struct document *document = showing->change->document;
    found->count = 0;
    if (narrowing->near_count > 0) {
        look_where_it_is(showing);
        if (!place_beacon(base_place, showing->placed ? &showing->point : NULL)) {
            return false;
        }
        if (showing->placed) {
            grid_find(&narrowing->circles, &showing->point, found);
        }
    }
    if (document != NULL) {
        where_index_find(&narrowing->wheres, document_span(document), found);
    }
    for (size_t i = 0; i < found->count; i++) {
        if (!enter(showing, found->values[i], base_place)) {
            return false;
        }
    }
    return !found->failed;
}
