/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A subscriber with a circle comes back with a token. Nobody remembers what it was shown, but little of it is in doubt: what changed since, what
 * stands on the border, and, with a limit, who was among the nearest. In doubt it is told both ways: `left` for what it may hold, and the whole
 * document for what it may lack.
 */
#include "broker/core/near.h"

#include <stdlib.h>

static struct visit *find_visit(const struct view *view, struct topic *topic) {
    for (struct link *link = topic->watches.prev; link != &topic->watches; link = link->prev) {
        struct place *place = CONTAINER_OF(link, struct place, of_topic);
        if (place->view == view) {
            return CONTAINER_OF(place, struct visit, place);
        }
    }
    return NULL;
}

/* A topic that is not in the circle, but may have been. */
static bool owe_what_it_may_hold(struct view *view, struct place *base_place, int64_t since) {
    const struct topic *topic = base_place->topic;
    struct visit *visit = near_visit_create(view, base_place);
    if (visit == NULL) {
        return false;
    }
    visit->held = true;
    near_owe(visit, since, topic_is_removed(topic) ? (enum ahora_why)topic->why : AHORA_WHY_LEFT);
    return true;
}

/* What its subscriber missed, while the circle is made ready to go on from `since`. */
struct missed {
    int64_t since;
    size_t left_max; /* so many more may be told as left */
    size_t changed;  /* topics of the pattern that changed since, and those that may have been in the circle for all we know */
};

/* The topic is not shown now, but may have been. False: too many of them, or no memory. */
static bool miss(struct view *view, struct place *base_place, struct missed *missed) {
    missed->changed++;
    const struct visit *visit = find_visit(view, base_place->topic);
    if (visit != NULL && visit->shown) {
        return true;
    }
    if (missed->left_max == 0) {
        return false;
    }
    missed->left_max--;
    return visit != NULL || owe_what_it_may_hold(view, base_place, missed->since);
}

static bool miss_changed(struct views *views, struct view *view, struct missed *missed) {
    const struct view *base = view->narrowed->base;
    for (struct link *link = base->order.prev; link != &base->order; link = link->prev) {
        struct spot *spot = CONTAINER_OF(link, struct spot, link);
        if (spot->kind != SPOT_PLACE) {
            continue;
        }
        struct place *place = CONTAINER_OF(spot, struct place, spot);
        if (place->seq <= missed->since) {
            break;
        }
        views->visited++;
        if (!miss(view, place, missed)) {
            return false;
        }
    }
    return true;
}

/* What this turn changed and has not shown yet: it stands in the base as it was, but is read as it is. */
static bool miss_unshown(struct views *views, struct view *view, struct missed *missed) {
    const struct ledger *ledger = views->ledger;
    for (size_t i = 0; i < ledger->change_count; i++) {
        struct topic *topic = ledger->changes[i].topic;
        struct place *base_place = NULL;
        for (struct link *link = topic->watches.next; link != &topic->watches && base_place == NULL; link = link->next) {
            struct place *place = CONTAINER_OF(link, struct place, of_topic);
            base_place = place->view == view->narrowed->base ? place : NULL;
        }
        if (base_place != NULL && !miss(view, base_place, missed)) {
            return false;
        }
    }
    return true;
}

/* On the border a document may have stayed from before: whether it did is forgotten. */
static bool miss_border(struct view *view, struct missed *missed) {
    struct near *near = view->narrowed->near;
    struct tree_found found = {0};
    octree_find(&view->narrowed->base->narrowing->points, &near->circle.centre, near->circle.leave_chord, &found);
    bool fine = !found.failed;
    for (size_t i = 0; fine && i < found.count; i++) {
        const struct beacon *beacon = found.values[i];
        struct place *base_place = beacon->owner;
        const bool beyond = point_chord(&beacon->point, &near->circle.centre) > near->circle.chord;
        if (beyond && find_visit(view, base_place->topic) == NULL) {
            fine = miss(view, base_place, missed);
        }
    }
    tree_found_fini(&found);
    return fine;
}

/*
 * With a limit: which of the documents that did not change were among the nearest? They stood there all the time since, and so tell of each
 * other: farther away than so many of them, none ever was; and those that all the others together could not push out, always were.
 */
struct standing {
    int64_t sure; /* nearer than this: it was among them all the time, so the subscriber holds it */
    int64_t may;  /* farther than this: it never was */
};

static bool stood(const struct visit *visit, int64_t since) {
    return visit->inside && visit->place.topic->seq <= since;
}

static int by_distance(const void *a, const void *b) {
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* The distances of what stood, in order. NULL: no memory. Free it. */
static int64_t *distances_of(struct near *near, int64_t since, size_t *count) {
    *count = 0;
    int64_t *distances = malloc((near->shown.count + near->waiting.count + 1) * sizeof *distances);
    for (struct link *link = near->visits.next; distances != NULL && link != &near->visits; link = link->next) {
        const struct visit *visit = CONTAINER_OF(link, struct visit, of_near);
        if (stood(visit, since)) {
            distances[(*count)++] = visit->distance;
        }
    }
    if (distances != NULL) {
        qsort(distances, *count, sizeof *distances, by_distance);
    }
    return distances;
}

static bool find_standing(struct near *near, const struct missed *missed, struct standing *standing) {
    *standing = (struct standing){.sure = INT64_MAX, .may = INT64_MAX};
    const size_t limit = near->circle.limit;
    if (limit == 0) {
        return true;
    }
    size_t count;
    int64_t *distances = distances_of(near, missed->since, &count);
    if (distances == NULL) {
        return false;
    }
    const size_t certain = limit > missed->changed ? limit - missed->changed : 0;
    standing->may = count >= limit ? distances[limit - 1] : INT64_MAX;
    standing->sure = count > certain ? distances[certain] : INT64_MAX;
    free(distances);
    return true;
}

/* What the subscriber holds of this, as far as we can know, and what it is owed therefore. */
static void go_on(struct visit *visit, int64_t since, const struct standing *standing) {
    const bool unchanged = stood(visit, since);
    visit->changed = false;
    visit->held = visit->shown || !unchanged || visit->distance <= standing->may;
    visit->outdated = visit->shown ? !unchanged || visit->distance >= standing->sure : visit->place.topic->seq > since;
    if (!visit->shown && visit->held) {
        const struct topic *topic = visit->place.topic;
        near_owe(visit, since, topic_is_removed(topic) ? (enum ahora_why)topic->why : AHORA_WHY_LEFT);
    } else if (visit->outdated) {
        near_owe(visit, since, AHORA_WHY_NONE);
    } else {
        link_remove(&visit->place.spot.link);
    }
}

bool near_resume(struct views *views, struct view *view, int64_t since) {
    struct near *near = view->narrowed->near;
    struct missed missed = {.since = since, .left_max = views->ledger->limits->lefts_max};
    struct standing standing;
    if (since < view->narrowed->base->floor || !miss_changed(views, view, &missed) || !miss_unshown(views, view, &missed) ||
        !miss_border(view, &missed) || !find_standing(near, &missed, &standing)) {
        return false;
    }
    near->walks = false;
    for (struct link *link = near->visits.next, *next; link != &near->visits; link = next) {
        struct visit *visit = CONTAINER_OF(link, struct visit, of_near);
        next = link->next;
        go_on(visit, since, &standing);
        near_end_if_over(visit);
    }
    return true;
}
