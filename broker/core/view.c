/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/narrow.h"

bool views_init(struct views *views, struct ledger *ledger, const struct table_key *hash_key) {
    *views = (struct views){.ledger = ledger};
    list_init(&views->dirty);
    return tree_init(&views->patterns, hash_key);
}

void views_begin_turn(struct views *views) {
    while (views->left.count > 0) {
        ledger_unpin(views->left.values[--views->left.count]);
    }
}

void views_fini(struct views *views) {
    assert(views->count == 0 && views->place_count == 0);
    views_begin_turn(views);
    tree_found_fini(&views->left);
    tree_found_fini(&views->found);
    if (views->patterns.root != NULL) {
        tree_fini(&views->patterns);
    }
    *views = (struct views){0};
}

struct view *view_create(struct views *views, const struct name *pattern, int64_t floor) {
    struct view *view = malloc(sizeof *view + pattern->text.bytes);
    if (view == NULL) {
        return NULL;
    }
    *view = (struct view){.views = views, .turn.kind = SPOT_TURN, .pattern = *pattern, .floor = floor};
    memcpy(view->text, pattern->text.data, pattern->text.bytes);
    view->pattern.text.data = (const uint8_t *)view->text;
    for (unsigned i = 0; i < pattern->count; i++) {
        view->pattern.segments[i].data = (const uint8_t *)view->text + (pattern->segments[i].data - pattern->text.data);
    }
    list_init(&view->order);
    list_init(&view->dirty);
    list_init(&view->masked);
    list_init(&view->paced);
    for (size_t i = 0; i < VIEW_ENCODINGS; i++) {
        list_init(&view->live[i]);
    }
    view->mentions_end = &view->mentions;
    return view;
}

struct place *place_create(struct view *view, struct topic *topic, size_t bytes) {
    assert(bytes >= sizeof(struct place));
    struct place *place = calloc(1, bytes);
    if (place == NULL) {
        return NULL;
    }
    *place = (struct place){
        .spot = {.kind = SPOT_PLACE, .why = (enum ahora_why)topic->why}, .topic = topic, .view = view, .seq = topic->seq};
    list_append(&view->order, &place->spot.link);
    list_append(&topic->watches, &place->of_topic);
    view->place_count++;
    view->views->place_count++;
    return place;
}

void place_destroy(struct place *place) {
    place->view->views->place_count--;
    if (place->view->narrowed != NULL) {
        narrow_place_gone(place);
    }
    narrow_beacon_drop(place);
    place->view->place_count--;
    link_remove(&place->spot.link);
    link_remove(&place->of_topic);
    free(place);
}

static struct place *first_place(struct view *view) {
    return view_place_after(view, &view->order);
}

static void view_destroy(struct views *views, struct view *view) {
    assert(view->cursor_count == 0 && view->narrowing == NULL);
    struct view *base = view->narrowed == NULL ? NULL : narrow_let_go(views, view);
    for (struct place *place; (place = first_place(view)) != NULL;) {
        place_destroy(place);
    }
    assert(list_is_empty(&view->order) && view->place_count == 0);
    link_remove(&view->dirty);
    if (view->node != NULL) {
        tree_drop(&views->patterns, view->node);
    }
    views->count--;
    free(view->narrowed);
    free(view);
    if (base != NULL) {
        view_release(views, base);
    }
}

void view_release(struct views *views, struct view *view) {
    if (view->cursor_count == 0 && view->narrowing == NULL) {
        view_destroy(views, view);
    }
}

bool view_is_live(const struct view *view) {
    for (size_t i = 0; i < VIEW_ENCODINGS; i++) {
        if (!list_is_empty(&view->live[i])) {
            return true;
        }
    }
    return !list_is_empty(&view->masked);
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
    } else if (views->place_count + found.count > views->ledger->limits->places_max) {
        code = AHORA_OVERLOADED;
    }
    if (code == AHORA_OK && found.count > 1) {
        qsort(found.values, found.count, sizeof *found.values, by_seq);
    }
    views->visited += found.count;
    for (size_t i = 0; i < found.count && code == AHORA_OK; i++) {
        code = place_create(view, found.values[i], sizeof(struct place)) == NULL ? AHORA_OVERLOADED : AHORA_OK;
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
    *view = views->count < views->ledger->limits->views_max ? view_create(views, pattern, views->ledger->seq_floor) : NULL;
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

bool view_mention(struct view *view, const struct showing *showing, enum form form) {
    struct mention *mention = arena_take(showing->arena, sizeof *mention);
    if (mention == NULL) {
        return false;
    }
    *mention = (struct mention){.frame = showing->frame, .form = form};
    if (form == FORM_LEFT) {
        ledger_pin(showing->change->topic);
        tree_found_add(&showing->views->left, showing->change->topic);
        if (showing->views->left.failed) {
            ledger_unpin(showing->change->topic);
            return false;
        }
    }
    *view->mentions_end = mention;
    view->mentions_end = &mention->next;
    if (!link_is_listed(&view->dirty)) {
        list_append(&showing->views->dirty, &view->dirty);
        list_append(&view->order, &view->turn.link);
        view->changes_before = view->changes;
    }
    view->changes++;
    return true;
}

void place_move(struct place *place, int64_t seq) {
    place->seq = seq;
    link_remove(&place->spot.link);
    list_append(&place->view->order, &place->spot.link);
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
        if (!holds(view, topic) && place_create(view, topic, sizeof(struct place)) == NULL) {
            return false;
        }
    }
    return !views->found.failed;
}

/* In the view of a pattern alone. One that only serves those that narrow it has nobody to tell. */
static bool show_place(const struct showing *showing, struct place *place) {
    const struct change *change = showing->change;
    if (place->view->cursor_count > 0 && !view_mention(place->view, showing, FORM_CHANGE)) {
        return false;
    }
    place->spot.why = change->document == NULL ? change->why : AHORA_WHY_NONE;
    place_move(place, change->seq);
    return true;
}

/* First every view that holds the topic, which may be the end of some places; then those that it may enter, which stand behind them. */
static bool show(struct showing *showing) {
    struct link *watches = &showing->change->topic->watches;
    bool narrows = false;
    for (struct link *link = watches->next, *next; link != watches; link = next) {
        struct place *place = CONTAINER_OF(link, struct place, of_topic);
        next = link->next;
        narrows |= place->view->narrowing != NULL;
        if (!(place->view->narrowed != NULL ? narrow_show(showing, place) : show_place(showing, place))) {
            return false;
        }
    }
    for (struct link *link = watches->next; narrows && link != watches; link = link->next) {
        struct place *place = CONTAINER_OF(link, struct place, of_topic);
        if (place->view->narrowing != NULL && !narrow_enter(showing, place)) {
            return false;
        }
    }
    return true;
}

bool views_show(struct views *views, const struct change *change, struct frame *frame, struct arena *arena) {
    struct showing showing = {.views = views, .change = change, .frame = frame, .arena = arena};
    views->shows++;
    return (change->seq_before > 0 || enter(views, change->topic)) && show(&showing);
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
        const struct view *view = place->view;
        const bool near =
            view->narrowed != NULL && view->narrowed->near != NULL; /* its places know when they came to be owed */
        const int64_t seq = near ? topic->seq : place->seq;
        if (seq > place->view->floor) {
            place->view->floor = seq;
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
