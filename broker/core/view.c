/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool views_init(struct views *views, struct ledger *ledger, const struct table_key *hash_key) {
    *views = (struct views){.ledger = ledger};
    list_init(&views->dirty);
    return tree_init(&views->patterns, hash_key);
}

void views_fini(struct views *views) {
    assert(views->count == 0);
    tree_found_fini(&views->found);
    if (views->patterns.root != NULL) {
        tree_fini(&views->patterns);
    }
    *views = (struct views){0};
}

static struct view *view_create(const struct name *pattern, int64_t floor) {
    struct view *view = malloc(sizeof *view + pattern->text.bytes);
    if (view == NULL) {
        return NULL;
    }
    *view = (struct view){.turn.kind = SPOT_TURN, .pattern = *pattern, .floor = floor};
    memcpy(view->text, pattern->text.data, pattern->text.bytes);
    view->pattern.text.data = (const uint8_t *)view->text;
    for (unsigned i = 0; i < pattern->count; i++) {
        view->pattern.segments[i].data = (const uint8_t *)view->text + (pattern->segments[i].data - pattern->text.data);
    }
    list_init(&view->order);
    list_init(&view->dirty);
    list_init(&view->paced);
    for (size_t i = 0; i < VIEW_ENCODINGS; i++) {
        list_init(&view->live[i]);
    }
    view->mentions_end = &view->mentions;
    return view;
}

static struct place *place_create(struct view *view, struct topic *topic) {
    struct place *place = malloc(sizeof *place);
    if (place == NULL) {
        return NULL;
    }
    *place = (struct place){.spot = {.kind = SPOT_PLACE}, .topic = topic, .view = view, .seq = topic->seq};
    list_append(&view->order, &place->spot.link);
    list_append(&topic->watches, &place->of_topic);
    view->place_count++;
    return place;
}

static void place_destroy(struct place *place) {
    place->view->place_count--;
    link_remove(&place->spot.link);
    link_remove(&place->of_topic);
    free(place);
}

static struct place *first_place(struct view *view) {
    return view_place_after(view, &view->order);
}

static void view_destroy(struct views *views, struct view *view) {
    assert(view->cursor_count == 0);
    for (struct place *place; (place = first_place(view)) != NULL;) {
        place_destroy(place);
    }
    assert(list_is_empty(&view->order));
    link_remove(&view->dirty);
    tree_drop(&views->patterns, view->node);
    views->count--;
    free(view);
}

void view_release(struct views *views, struct view *view) {
    if (view->cursor_count == 0) {
        view_destroy(views, view);
    }
}

static int by_seq(const void *a, const void *b) {
    const struct topic *const *left = a;
    const struct topic *const *right = b;
    return ((*left)->seq > (*right)->seq) - ((*left)->seq < (*right)->seq);
}

/* Places for everything the ledger holds of the pattern, removals included, in the order of change. */
static enum ahora_code fill(struct views *views, struct view *view) {
    struct tree_found found = {0};
    tree_select(&views->ledger->tree, &view->pattern, &found);
    enum ahora_code code = found.failed ? AHORA_OVERLOADED : AHORA_OK;
    if (found.count > views->ledger->limits->view_topics_max) {
        code = AHORA_TOO_MANY;
    }
    if (code == AHORA_OK && found.count > 1) {
        qsort(found.values, found.count, sizeof *found.values, by_seq);
    }
    for (size_t i = 0; i < found.count && code == AHORA_OK; i++) {
        code = place_create(view, found.values[i]) == NULL ? AHORA_OVERLOADED : AHORA_OK;
    }
    tree_found_fini(&found);
    return code;
}

enum ahora_code views_take(struct views *views, const struct name *pattern, struct view **view) {
    struct tree_node *node = tree_add(&views->patterns, pattern);
    if (node == NULL) {
        return AHORA_OVERLOADED;
    }
    if (node->value != NULL) {
        *view = node->value;
        return AHORA_OK;
    }
    *view = view_create(pattern, views->ledger->seq_floor);
    if (*view == NULL) {
        tree_drop(&views->patterns, node);
        return AHORA_OVERLOADED;
    }
    (*view)->node = node;
    node->value = *view;
    views->count++;
    enum ahora_code code = fill(views, *view);
    if (code != AHORA_OK) {
        view_destroy(views, *view);
    }
    return code;
}

/* ---- showing changes ---- */

static bool mention(struct views *views, struct view *view, struct frame *frame, struct arena *arena) {
    struct mention *mention = arena_take(arena, sizeof *mention);
    if (mention == NULL) {
        return false;
    }
    *mention = (struct mention){.frame = frame};
    *view->mentions_end = mention;
    view->mentions_end = &mention->next;
    if (!link_is_listed(&view->dirty)) {
        list_append(&views->dirty, &view->dirty);
        list_append(&view->order, &view->turn.link);
        view->changes_before = view->changes;
    }
    view->changes++;
    return true;
}

static bool holds(const struct view *view, struct topic *topic) {
    for (struct link *link = topic->watches.next; link != &topic->watches; link = link->next) {
        if (CONTAINER_OF(link, struct place, of_topic)->view == view) {
            return true;
        }
    }
    return false;
}

/* A topic that did not exist may be new to views. Some may hold it already: from before its removal, or because they were made in this
   very turn, after the topic and before its change is shown. */
static bool enter(struct views *views, struct topic *topic) {
    struct name name;
    enum ahora_code code = name_parse_held(topic_path(topic), &name, NULL);
    assert(code == AHORA_OK && "the ledger holds legal topics");
    (void)code;
    views->found.count = 0;
    tree_match(&views->patterns, &name, &views->found);
    for (size_t i = 0; i < views->found.count; i++) {
        struct view *view = views->found.values[i];
        if (!holds(view, topic) && place_create(view, topic) == NULL) {
            return false;
        }
    }
    return !views->found.failed;
}

bool views_show(struct views *views, const struct change *change, struct frame *frame, struct arena *arena) {
    struct topic *topic = change->topic;
    if (change->seq_before == 0 && !enter(views, topic)) {
        return false;
    }
    for (struct link *link = topic->watches.next; link != &topic->watches; link = link->next) {
        struct place *place = CONTAINER_OF(link, struct place, of_topic);
        if (!mention(views, place->view, frame, arena)) {
            return false;
        }
        place->seq = change->seq;
        link_remove(&place->spot.link);
        list_append(&place->view->order, &place->spot.link);
    }
    return true;
}

void view_end_turn(struct view *view) {
    link_remove(&view->turn.link);
    view->mentions = NULL;
    view->mentions_end = &view->mentions;
}

void views_forget(struct views *views, struct topic *topic) {
    (void)views;
    while (!list_is_empty(&topic->watches)) {
        struct place *place = CONTAINER_OF(topic->watches.next, struct place, of_topic);
        if (place->seq > place->view->floor) {
            place->view->floor = place->seq;
        }
        place_destroy(place);
    }
}

/* ---- walking ---- */

static struct spot *spot_of(struct link *link) {
    return CONTAINER_OF(link, struct spot, link);
}

static struct place *place_of(struct spot *spot) {
    assert(spot->kind == SPOT_PLACE);
    return CONTAINER_OF(spot, struct place, spot);
}

struct link *view_spot_of(struct view *view, int64_t seq) {
    struct link *link = view->order.prev;
    while (link != &view->order) {
        struct spot *spot = spot_of(link);
        if (spot->kind == SPOT_PLACE && place_of(spot)->seq <= seq) {
            break;
        }
        link = link->prev;
    }
    return link;
}

struct place *view_place_after(struct view *view, struct link *link) {
    for (link = link->next; link != &view->order; link = link->next) {
        if (spot_of(link)->kind == SPOT_PLACE) {
            return place_of(spot_of(link));
        }
    }
    return NULL;
}
