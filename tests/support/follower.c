/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/follower.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/rules.h"

static const char *text_at(const json_t *message, const char *key) {
    const char *text = json_string_value(json_object_get(message, key));
    return text != NULL ? text : "";
}

static int64_t number_at(const json_t *message, const char *key) {
    const json_t *value = json_object_get(message, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

void follower_violate(struct follower *follower, const char *format, ...) {
    if (follower->violation_count < FOLLOWER_VIOLATIONS_KEPT) {
        char *text = follower->violations[follower->violation_count];
        size_t size = sizeof follower->violations[0];
        int start = snprintf(text, size, "%s: ", follower->name);
        va_list list;
        va_start(list, format);
        vsnprintf(text + start, size - (size_t)start, format, list);
        va_end(list);
    }
    follower->violation_count++;
}

/* ---- topics held ---- */

static void held_match(const struct follower *follower, struct held *held) {
    held->matched_by = 0;
    held->match_count = 0;
    for (size_t i = 0; i < follower->subscription_count; i++) {
        const struct subscription *subscription = &follower->subscriptions[i];
        for (size_t j = 0; j < subscription->pattern_count; j++) {
            if (rules_match(subscription->patterns[j], held->topic)) {
                held->matched_by |= 1u << i;
                held->match_count++;
            }
        }
    }
}

static void match_again(struct follower *follower) {
    for (struct held *held = NULL; (held = replica_next(&follower->replica, held)) != NULL;) {
        held_match(follower, held);
    }
}

/* Forgets what is matched by this subscription and by no other. */
static void forget_matched(struct follower *follower, size_t index) {
    for (struct held *held = NULL; (held = replica_next(&follower->replica, held)) != NULL;) {
        if (held->matched_by == 1u << index) {
            replica_set_data(&follower->replica, held, NULL);
            held->is_forgotten = true;
        }
    }
}

static struct held *held_get(struct follower *follower, const char *topic) {
    struct held *held = replica_get(&follower->replica, topic);
    if (held->seq == 0) {
        held_match(follower, held);
    }
    return held;
}

static void ref_bind(struct follower *follower, struct held *held, int64_t ref) {
    if (ref <= 0 || ref > REPLICA_REF_MAX) {
        follower_violate(follower, "set of %s with ref %" PRId64, held->topic, ref);
        return;
    }
    const struct held *other = replica_find_ref(&follower->replica, ref);
    if (other == held) {
        return;
    }
    if (other != NULL && other->data != NULL) {
        follower_violate(follower, "ref %" PRId64 " given to %s while it stands for %s", ref, held->topic, other->topic);
    }
    replica_bind(&follower->replica, held, ref);
}

/* ---- life ---- */

void follower_init(struct follower *follower, const char *name) {
    *follower = (struct follower){.name = name};
}

void follower_fini(struct follower *follower) {
    replica_fini(&follower->replica);
    *follower = (struct follower){.name = follower->name};
}

size_t follower_add(struct follower *follower, const char *const *patterns, size_t count, int64_t every_ms) {
    assert(follower->subscription_count < FOLLOWER_SUBSCRIPTIONS_MAX);
    assert(count >= 1 && count <= FOLLOWER_PATTERNS_MAX);
    size_t index = follower->subscription_count++;
    struct subscription *subscription = &follower->subscriptions[index];
    *subscription = (struct subscription){.pattern_count = count, .every_ms = every_ms};
    for (size_t i = 0; i < count; i++) {
        subscription->patterns[i] = patterns[i];
    }
    match_again(follower);
    return index;
}

void follower_connect(struct follower *follower) {
    for (struct held *held = NULL; (held = replica_next(&follower->replica, held)) != NULL;) {
        replica_unbind(&follower->replica, held);
    }
    follower->is_welcome = false;
    for (size_t i = 0; i < follower->subscription_count; i++) {
        follower->subscriptions[i].state = SUBSCRIPTION_IDLE;
        follower->subscriptions[i].moving = 0;
    }
}

void follower_narrow(struct follower *follower, size_t index, const char *where, const struct rules_circle *near) {
    follower->subscriptions[index].where = where;
    if (near != NULL) {
        follower->subscriptions[index].near = *near;
    }
}

static json_t *circle_json(const struct rules_circle *near) {
    json_t *circle = json_pack("{s:f s:f s:f}", "lat", near->lat, "lon", near->lon, "radius_m", near->radius_m);
    if (near->limit > 0) {
        json_object_set_new(circle, "limit", json_integer(near->limit));
    }
    return circle;
}

json_t *follower_move(struct follower *follower, size_t index, double lat, double lon) {
    struct subscription *subscription = &follower->subscriptions[index];
    assert(subscription->state == SUBSCRIPTION_LIVE && subscription->near.radius_m > 0);
    subscription->near.lat = lat;
    subscription->near.lon = lon;
    subscription->moving++;
    subscription->state = SUBSCRIPTION_CATCHING_UP;
    subscription->epoch[0] = '\0';
    subscription->complete_seq = 0;
    return json_pack("{s:s s:i s:{s:f s:f}}", "op", "move", "id", (int)index + 1, "near", "lat", lat, "lon", lon);
}

json_t *follower_ask(struct follower *follower, size_t index) {
    struct subscription *subscription = &follower->subscriptions[index];
    json_t *message = json_pack("{s:s s:i}", "op", "sub", "id", (int)index + 1);
    json_t *match = json_array();
    for (size_t i = 0; i < subscription->pattern_count; i++) {
        json_array_append_new(match, json_string(subscription->patterns[i]));
    }
    if (subscription->pattern_count == 1) {
        json_object_set(message, "match", json_array_get(match, 0));
        json_decref(match);
    } else {
        json_object_set_new(message, "match", match);
    }
    char token[80];
    if (follower_token(follower, index, token, sizeof token)) {
        json_object_set_new(message, "since", json_string(token));
    }
    if (subscription->every_ms > 0) {
        json_object_set_new(message, "every_ms", json_integer(subscription->every_ms));
    }
    if (subscription->where != NULL) {
        json_object_set_new(message, "where", json_loads(subscription->where, 0, NULL));
    }
    if (subscription->near.radius_m > 0) {
        json_object_set_new(message, "near", circle_json(&subscription->near));
    }
    subscription->state = SUBSCRIPTION_ASKED;
    return message;
}

void follower_drop(struct follower *follower, size_t index) {
    forget_matched(follower, index);
    follower->subscriptions[index] = (struct subscription){0};
    match_again(follower);
}

bool follower_token(const struct follower *follower, size_t index, char *token, size_t size) {
    const struct subscription *subscription = &follower->subscriptions[index];
    token[0] = '\0';
    if (subscription->epoch[0] == '\0') {
        return false;
    }
    snprintf(token, size, "%s-%" PRId64, subscription->epoch, subscription->complete_seq);
    return true;
}

bool follower_is_complete(const struct follower *follower, int64_t seq) {
    for (size_t i = 0; i < follower->subscription_count; i++) {
        const struct subscription *subscription = &follower->subscriptions[i];
        bool is_current = strcmp(subscription->epoch, follower->epoch) == 0;
        if (subscription->pattern_count > 0 &&
            (subscription->state != SUBSCRIPTION_LIVE || !is_current || subscription->complete_seq < seq)) {
            return false;
        }
    }
    return true;
}

const json_t *follower_document(const struct follower *follower, const char *topic) {
    const struct held *held = replica_find(&follower->replica, topic);
    return held != NULL ? held->data : NULL;
}

int64_t follower_seq(const struct follower *follower, const char *topic) {
    const struct held *held = replica_find(&follower->replica, topic);
    return held != NULL ? held->seq : 0;
}

/* ---- messages ---- */

/* A new epoch: seqs of the old one mean nothing. */
static void seqs_reset(struct follower *follower) {
    for (struct held *held = NULL; (held = replica_next(&follower->replica, held)) != NULL;) {
        held->seq = 0;
    }
    follower->shown_seq = 0;
}

static void take_welcome(struct follower *follower, const json_t *message) {
    const char *epoch = text_at(message, "epoch");
    int64_t seq = number_at(message, "seq");
    if (follower->is_welcome || epoch[0] == '\0' || strlen(epoch) >= sizeof follower->epoch || seq < 0) {
        follower_violate(follower, "a second or broken welcome");
        return;
    }
    if (strcmp(epoch, follower->epoch) == 0 && seq < follower->shown_seq) {
        follower_violate(follower, "welcome with seq %" PRId64 " after seq %" PRId64 " was shown in the same epoch", seq,
                         follower->shown_seq);
    }
    if (strcmp(epoch, follower->epoch) != 0) {
        seqs_reset(follower);
        snprintf(follower->epoch, sizeof follower->epoch, "%s", epoch);
    }
    follower->is_welcome = true;
    follower->beat_ms = number_at(message, "beat_ms");
    follower->shown_seq = seq > follower->shown_seq ? seq : follower->shown_seq;
}

static struct subscription *subscription_at(struct follower *follower, const json_t *message, const char *op) {
    int64_t id = number_at(message, "id");
    if (id < 1 || (size_t)id > follower->subscription_count) {
        follower_violate(follower, "%s for unknown id %" PRId64, op, id);
        return NULL;
    }
    return &follower->subscriptions[id - 1];
}

static void take_subscribed(struct follower *follower, const json_t *message) {
    struct subscription *subscription = subscription_at(follower, message, "subscribed");
    if (subscription == NULL) {
        return;
    }
    const json_t *resumed = json_object_get(message, "resumed");
    bool has_token = subscription->epoch[0] != '\0';
    if (!json_is_boolean(resumed) || (subscription->state != SUBSCRIPTION_ASKED && !follower->is_stream)) {
        follower_violate(follower, "subscribed unasked or without resumed");
    }
    subscription->state = SUBSCRIPTION_CATCHING_UP;
    if (json_is_true(resumed)) {
        follower->resumed++;
        if (!follower->is_stream && (!has_token || strcmp(subscription->epoch, follower->epoch) != 0)) {
            follower_violate(follower, "resumed without a token of this epoch");
        }
        return;
    }
    follower->resyncs += has_token;
    subscription->epoch[0] = '\0';
    subscription->complete_seq = 0;
    forget_matched(follower, (size_t)(subscription - follower->subscriptions));
}

static void seq_shown(struct follower *follower, int64_t seq) {
    follower->shown_seq = seq > follower->shown_seq ? seq : follower->shown_seq;
}

/* Then one of the patterns may come later with what another has shown: it is ignored, as the protocol says. */
static bool is_matched_twice(const struct held *held) {
    return held->match_count > 1;
}

/* What all data have in common. False: not newer than what is held, to be ignored. */
static bool data_is_news(struct follower *follower, struct held *held, int64_t seq, const char *op) {
    if (held->matched_by == 0) {
        follower_violate(follower, "%s of %s, which no subscription matches", op, held->topic);
    }
    if (seq < held->seq && is_matched_twice(held)) {
        follower->repeats++;
        return false;
    }
    if (seq < 1 || seq < held->seq) {
        follower_violate(follower, "%s of %s went back from seq %" PRId64 " to %" PRId64, op, held->topic, held->seq, seq);
        return false;
    }
    bool is_open = follower->is_stream;
    bool is_late = false;
    for (size_t i = 0; i < follower->subscription_count; i++) {
        const struct subscription *subscription = &follower->subscriptions[i];
        if ((held->matched_by >> i & 1) != 0) {
            is_open |= subscription->state >= SUBSCRIPTION_CATCHING_UP;
            is_late |= subscription->state == SUBSCRIPTION_LIVE && seq <= subscription->complete_seq &&
                       subscription->near.radius_m == 0; /* there what did not change may come in for what others did */
        }
    }
    if (!is_open) {
        follower_violate(follower, "%s of %s before subscribed", op, held->topic);
    }
    if (seq == held->seq) {
        follower->repeats++;
        return held->is_forgotten;
    }
    if (is_late) {
        follower_violate(follower, "%s of %s with seq %" PRId64 " after a subscription was complete up to it", op, held->topic,
                         seq);
    }
    seq_shown(follower, seq);
    held->seq = seq;
    held->is_forgotten = false;
    return true;
}

static void take_set(struct follower *follower, const json_t *message) {
    const char *topic = text_at(message, "topic");
    json_t *data = json_object_get(message, "data");
    follower->sets++;
    if (topic[0] == '\0' || !json_is_object(data) || number_at(message, "at") < 0) {
        follower_violate(follower, "set without topic, data or at");
        return;
    }
    struct held *held = held_get(follower, topic);
    ref_bind(follower, held, number_at(message, "ref"));
    if (data_is_news(follower, held, number_at(message, "seq"), "set")) {
        held->is_stale = json_is_true(json_object_get(message, "stale"));
        held->is_forgotten = false;
        replica_set_data(&follower->replica, held, json_incref(data));
    }
}

static void take_patch(struct follower *follower, const json_t *message) {
    int64_t ref = number_at(message, "ref");
    struct held *held = replica_find_ref(&follower->replica, ref);
    const json_t *data = json_object_get(message, "data");
    follower->patches++;
    if (held == NULL || (data != NULL && !json_is_object(data)) || number_at(message, "at") < 0) {
        follower_violate(follower, "patch with unknown ref %" PRId64 ", odd data or without at", ref);
        return;
    }
    if (held->data == NULL) {
        follower_violate(follower, "patch of %s, which is not held", held->topic);
        return;
    }
    if (!data_is_news(follower, held, number_at(message, "seq"), "patch")) {
        return;
    }
    held->is_stale = json_is_true(json_object_get(message, "stale"));
    if (data != NULL) {
        json_t *merged = rules_merge(json_incref(held->data), data);
        replica_set_data(&follower->replica, held, merged);
    }
}

/* It may come with the very seq that is held, and the document may come back with it. */
static void take_left(struct follower *follower, struct held *held, int64_t seq) {
    bool is_narrowed = false;
    for (size_t i = 0; i < follower->subscription_count; i++) {
        const struct subscription *subscription = &follower->subscriptions[i];
        is_narrowed |= (held->matched_by >> i & 1) != 0 && (subscription->where != NULL || subscription->near.radius_m > 0);
    }
    if (!is_narrowed || seq < held->seq) {
        follower_violate(follower, "%s left with seq %" PRId64 " after %" PRId64 "%s", held->topic, seq, held->seq,
                         is_narrowed ? "" : ", and nothing narrows it");
        return;
    }
    seq_shown(follower, seq);
    held->seq = seq;
    held->is_forgotten = true;
    replica_set_data(&follower->replica, held, NULL);
}

static void take_remove(struct follower *follower, const json_t *message) {
    static const char *const whys[] = {"deleted", "expired", "left", "denied"};
    const char *topic = text_at(message, "topic");
    const char *why = text_at(message, "why");
    follower->removes++;
    bool is_known = false;
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++) {
        is_known |= strcmp(why, whys[i]) == 0;
    }
    if (topic[0] == '\0' || !is_known) {
        follower_violate(follower, "remove of '%s' why '%s'", topic, why);
        return;
    }
    struct held *held = held_get(follower, topic);
    if (strcmp(why, "left") == 0) {
        take_left(follower, held, number_at(message, "seq"));
    } else if (data_is_news(follower, held, number_at(message, "seq"), "remove")) {
        replica_set_data(&follower->replica, held, NULL);
    }
}

static void subscription_complete(struct follower *follower, struct subscription *subscription, int64_t seq, const char *op) {
    if (strcmp(subscription->epoch, follower->epoch) == 0 && seq < subscription->complete_seq) {
        follower_violate(follower, "%s went back from %" PRId64 " to %" PRId64, op, subscription->complete_seq, seq);
        return;
    }
    snprintf(subscription->epoch, sizeof subscription->epoch, "%s", follower->epoch);
    subscription->complete_seq = seq;
    subscription->state = SUBSCRIPTION_LIVE;
    seq_shown(follower, seq);
}

static void take_live(struct follower *follower, const json_t *message) {
    struct subscription *subscription = subscription_at(follower, message, "live");
    const json_t *skipped = json_object_get(message, "skipped");
    int64_t seq = number_at(message, "seq");
    follower->lives++;
    if (subscription == NULL) {
        return;
    }
    if (seq < 0 || (skipped != NULL && number_at(message, "skipped") < 0) ||
        (subscription->state < SUBSCRIPTION_CATCHING_UP && !follower->is_stream)) {
        follower_violate(follower, "live without subscribed, or with odd numbers");
        return;
    }
    follower->skipped += skipped != NULL ? (uint64_t)json_integer_value(skipped) : 0;
    if (subscription->moving > 0) {
        return; /* of an older circle */
    }
    subscription_complete(follower, subscription, seq, "live");
}

static void take_beat(struct follower *follower, const json_t *message) {
    int64_t seq = number_at(message, "seq");
    follower->beats++;
    if (seq < 0 || number_at(message, "now") < 0) {
        follower_violate(follower, "beat without seq or now");
        return;
    }
    for (size_t i = 0; i < follower->subscription_count; i++) {
        if (follower->subscriptions[i].state == SUBSCRIPTION_LIVE) {
            subscription_complete(follower, &follower->subscriptions[i], seq, "beat");
        }
    }
}

static void take_error(struct follower *follower, const json_t *message) {
    follower->errors++;
    snprintf(follower->error_code, sizeof follower->error_code, "%s", text_at(message, "code"));
}

static void take_bye(struct follower *follower, const json_t *message) {
    snprintf(follower->bye_reason, sizeof follower->bye_reason, "%s", text_at(message, "reason"));
    if (number_at(message, "retry_ms") < 0) {
        follower_violate(follower, "bye without retry_ms");
    }
}

static void take_ok(struct follower *follower, const json_t *message) {
    int64_t id = number_at(message, "id");
    if (id >= 1 && (size_t)id <= follower->subscription_count && follower->subscriptions[id - 1].moving > 0) {
        follower->subscriptions[id - 1].moving--;
    }
}

static void take_answer(struct follower *follower, const json_t *message) {
    if (number_at(message, "id") < 1) {
        follower_violate(follower, "%s without id", text_at(message, "op"));
    }
}

static const struct {
    const char *op;
    void (*take)(struct follower *, const json_t *);
} takers[] = {
    {"patch", take_patch},     {"set", take_set},     {"remove", take_remove},         {"live", take_live},
    {"beat", take_beat},       {"error", take_error}, {"subscribed", take_subscribed}, {"welcome", take_welcome},
    {"bye", take_bye},         {"ok", take_ok},       {"pong", take_answer},           {"published", take_answer},
    {"snapshot", take_answer},
};

void follower_take(struct follower *follower, const json_t *message) {
    const char *op = text_at(message, "op");
    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++) {
        if (strcmp(op, takers[i].op) == 0) {
            if (!follower->is_welcome && !follower->is_stream && takers[i].take != take_welcome &&
                takers[i].take != take_error) {
                follower_violate(follower, "%s before welcome", op);
            }
            takers[i].take(follower, message);
            return;
        }
    }
    follower_violate(follower, "unknown op '%s'", op);
}
