/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/client/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/codec.h"

static json_t *json_of(struct ahora_bytes value) {
    char *text = ahora_to_json(value);
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

static json_t *version_of(int64_t seq, int64_t at, struct ahora_bytes data, bool stale) {
    return json_pack("{s:I,s:I,s:o,s:b}", "seq", (json_int_t)seq, "at", (json_int_t)at, "data", json_of(data), "stale", stale);
}

/* ---- what the client says ---- */

static void take_version(struct watch *watch, const char *topic, const struct ahora_event *event) {
    const json_t *before = json_object_get(watch->shown, topic);
    json_int_t seq = json_integer_value(json_object_get(before, "seq"));
    if (event->seq < seq && json_integer_value(json_object_get(before, "epoch")) == *watch->epochs) {
        fail_msg("seed %llu, %s: %s went back from %lld to %lld", (unsigned long long)watch->seed, watch->name, topic,
                 (long long)seq, (long long)event->seq);
    }
    json_t *version = version_of(event->seq, event->at, event->data, event->stale);
    json_object_set_new(version, "epoch", json_integer(*watch->epochs));
    json_object_set_new(watch->shown, topic, version);
    watch->stales += event->stale;
}

static void on_event(struct ahora_sub *sub, const struct ahora_event *event, void *user) {
    struct watch *watch = user;
    char topic[AHORA_TOPIC_BYTES_MAX + 1] = "";
    (void)sub;
    if (event->topic.bytes > 0) {
        snprintf(topic, sizeof topic, "%.*s", (int)event->topic.bytes, (const char *)event->topic.data);
    }
    watch->events++;
    switch (event->kind) {
    case AHORA_EVENT_SET:
    case AHORA_EVENT_PATCH:
        take_version(watch, topic, event);
        break;
    case AHORA_EVENT_REMOVE:
        json_object_del(watch->shown, topic);
        watch->removes++;
        watch->lefts += event->why == AHORA_WHY_LEFT;
        break;
    case AHORA_EVENT_LIVE:
        watch->lives++;
        watch->skipped += event->skipped;
        break;
    case AHORA_EVENT_SUBSCRIBED:
        watch->resumes += event->resumed;
        watch->snapshots += !event->resumed;
        break;
    case AHORA_EVENT_BEHIND:
        break;
    case AHORA_EVENT_REFUSED:
        fail_msg("seed %llu, %s: refused: %s", (unsigned long long)watch->seed, watch->name, ahora_code_name(event->code));
    }
}

/* ---- life ---- */

static struct ahora_near near_of(const struct rules_circle *circle) {
    return (struct ahora_near){.lat = circle->lat, .lon = circle->lon, .radius_m = circle->radius_m};
}

void watch_open(struct watch *watch, struct ahora *client, const char *where, const struct rules_circle *circle) {
    struct ahora_view view = {.match = {watch->pattern}, .match_count = 1};
    const struct ahora_near near = near_of(circle);
    watch->circle = *circle;
    watch->where = where == NULL ? NULL : json_loads(where, 0, NULL);
    watch->shown = json_object();
    view.near = circle->radius_m > 0 ? &near : NULL;
    if (where != NULL) {
        assert_int_equal(ahora_from_json(where, &view.where, NULL), AHORA_OK);
    }
    watch->sub = ahora_subscribe(client, &view, on_event, watch);
    assert_non_null(watch->sub);
    free((void *)(uintptr_t)view.where.data);
}

void watch_free(struct watch *watch) {
    watch->sub = NULL;
    json_decref(watch->where);
    json_decref(watch->shown);
    watch->where = NULL;
    watch->shown = NULL;
}

void watch_close(struct watch *watch) {
    ahora_unsubscribe(watch->sub);
    watch_free(watch);
}

void watch_move(struct watch *watch, const struct rules_circle *circle) {
    const struct ahora_near near = near_of(circle);
    watch->circle = *circle;
    watch->moves++;
    assert_true(ahora_move(watch->sub, &near));
}

bool watch_is_live(const struct watch *watch) {
    return ahora_sub_state(watch->sub) == AHORA_LIVE;
}

/* ---- what it must hold ---- */

enum belongs {
    BELONGS_NOT,
    BELONGS,
    BELONGS_PERHAPS, /* in the margin of the circle: only one that was inside before stays */
};

static enum belongs belongs(const struct watch *watch, const json_t *document) {
    if (watch->where != NULL && !rules_where(watch->where, document)) {
        return BELONGS_NOT;
    }
    if (watch->circle.radius_m <= 0) {
        return BELONGS;
    }
    const double away = rules_distance(&watch->circle, document);
    const double share = watch->circle.radius_m * 0.05; /* near_margin_percent, near_margin_m */
    const double margin = share > 10 ? share : 10;
    const double slack = 0.01; /* two ways to sum up a sine */
    if (away < 0 || away > watch->circle.radius_m + margin + slack) {
        return BELONGS_NOT;
    }
    return away <= watch->circle.radius_m - slack ? BELONGS : BELONGS_PERHAPS;
}

static bool is_same(const json_t *a, const json_t *b) {
    static const char *const names[] = {"seq", "at", "data", "stale"};
    bool same = a != NULL;
    for (size_t i = 0; same && i < sizeof names / sizeof names[0]; i++) {
        same = codec_values_equal(json_object_get(a, names[i]), json_object_get(b, names[i]));
    }
    return same;
}

/* The topic for which `mine` is not what it must be; NULL: it is. */
static const char *find_difference(const struct watch *watch, const json_t *mine, const json_t *held) {
    size_t count = 0;
    union {
        const json_t *in;
        json_t *out;
    } all = {.in = held};
    const char *topic;
    json_t *version;
    json_object_foreach(all.out, topic, version) {
        const json_t *document = json_object_get(mine, topic);
        enum belongs must = belongs(watch, json_object_get(version, "data"));
        count += document != NULL;
        if ((must == BELONGS_NOT && document != NULL) || (must == BELONGS && document == NULL) ||
            (document != NULL && !is_same(document, version))) {
            return topic;
        }
    }
    return count == json_object_size(mine) ? NULL : "a topic that the broker does not hold";
}

static bool put_item(const struct ahora_item *item, void *user) {
    char topic[AHORA_TOPIC_BYTES_MAX + 1];
    snprintf(topic, sizeof topic, "%.*s", (int)item->topic.bytes, (const char *)item->topic.data);
    json_object_set_new(user, topic, version_of(item->seq, item->at, item->data, item->stale));
    return true;
}

static json_t *items_of(const struct watch *watch) {
    json_t *items = json_object();
    ahora_sub_each(watch->sub, put_item, items);
    return items;
}

bool watch_is_equal(const struct watch *watch, const json_t *held) {
    json_t *items = items_of(watch);
    bool equal = find_difference(watch, watch->shown, held) == NULL && find_difference(watch, items, held) == NULL;
    json_decref(items);
    return equal;
}

static void expect_same(const struct watch *watch, const json_t *mine, const json_t *held, const char *what) {
    const char *topic = find_difference(watch, mine, held);
    if (topic != NULL) {
        char *a = json_dumps(json_object_get(mine, topic), JSON_ENCODE_ANY);
        char *b = json_dumps(json_object_get(held, topic), JSON_ENCODE_ANY);
        char *where = json_dumps(watch->where, 0);
        fail_msg("seed %llu, %s (where %s, circle %f %f %f): %s is not what the broker holds: %s\nclient: %s\nbroker: %s",
                 (unsigned long long)watch->seed, watch->name, where == NULL ? "none" : where, watch->circle.lat,
                 watch->circle.lon, watch->circle.radius_m, what, topic, a == NULL ? "nothing" : a, b == NULL ? "nothing" : b);
    }
}

void watch_expect_equal(const struct watch *watch, const json_t *held) {
    if (!watch_is_live(watch)) {
        fail_msg("seed %llu, %s: not live", (unsigned long long)watch->seed, watch->name);
    }
    json_t *items = items_of(watch);
    expect_same(watch, watch->shown, held, "what the events add up to");
    expect_same(watch, items, held, "what the client holds");
    json_decref(items);
}
