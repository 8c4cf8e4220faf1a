/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/client.h"

#define WHERE_BYTES_MAX 65536
#define SUB_REQUEST_BYTES_MAX (CLIENT_MATCH_BYTES_MAX + WHERE_BYTES_MAX + 512)

bool client_match_put(struct buffer *out, const char *const *match, unsigned count) {
    if (count == 0 || count > AHORA_PATTERNS_MAX) {
        return false;
    }
    pack_put_list(out, count);
    for (unsigned i = 0; i < count; i++) {
        struct name name;
        if (match[i] == NULL || name_parse_pattern(span_of_text(match[i]), &name, NULL) != AHORA_OK) {
            return false;
        }
        pack_put_text(out, span_of_text(match[i]));
    }
    return !out->failed;
}

static unsigned free_slot(const struct client *client) {
    unsigned slot = 0;
    while (slot < AHORA_SUBS_MAX && client->subs[slot] != NULL) {
        slot++;
    }
    return slot;
}

/* The patterns point into `match`, which stays where it is. */
static bool parse_patterns(struct ahora_sub *sub, unsigned count) {
    sub->patterns = calloc(count, sizeof(sub->patterns[0]));
    if (sub->patterns == NULL) {
        return false;
    }
    struct pack_reader reader = pack_reader_of(sub->match);
    sub->pattern_count = pack_read_list(&reader);
    for (unsigned i = 0; i < count; i++) {
        enum ahora_code code = name_parse_pattern(pack_read_text(&reader), &sub->patterns[i], NULL);
        assert(code == AHORA_OK);
    }
    return true;
}

/* A value from the caller, checked and copied. True if it is absent. */
static bool keep_where(struct ahora_sub *sub, struct ahora_bytes where) {
    size_t used = 0;
    struct span packed = span_of(where.data, where.bytes);
    if (where.data == NULL) {
        return true;
    }
    if (packed.bytes > WHERE_BYTES_MAX || pack_check(packed, AHORA_DEPTH_MAX, &used) != PACK_FINE || used != packed.bytes) {
        return false;
    }
    struct pack_reader reader = pack_reader_of(packed);
    uint8_t *copy = pack_peek(&reader) == PACK_MAP ? malloc(packed.bytes) : NULL;
    if (copy != NULL) {
        memcpy(copy, packed.data, packed.bytes);
        sub->where = span_of(copy, packed.bytes);
    }
    return copy != NULL;
}

static bool is_circle(const struct ahora_near *near) {
    return near->lat >= -90 && near->lat <= 90 && near->lon >= -180 && near->lon <= 180 && near->radius_m > 0 &&
           near->radius_m <= 20000000;
}

static void put_near(struct buffer *out, const struct ahora_near *near) {
    pack_put_map(out, near->limit > 0 ? 4 : 3);
    pack_put_key(out, "lat");
    pack_put_float(out, near->lat);
    pack_put_key(out, "lon");
    pack_put_float(out, near->lon);
    pack_put_key(out, "radius_m");
    pack_put_float(out, near->radius_m);
    if (near->limit > 0) {
        pack_put_key(out, "limit");
        pack_put_int(out, near->limit);
    }
}

static void sub_free(struct ahora_sub *sub) {
    free((void *)(uintptr_t)sub->where.data);
    free((void *)(uintptr_t)sub->match.data);
    free(sub->patterns);
    free(sub);
}

struct ahora_sub *client_subscribe(struct client *client, const struct ahora_view *view) {
    unsigned slot = free_slot(client);
    size_t since_bytes = view->since == NULL ? 0 : strlen(view->since);
    struct ahora_sub *sub = calloc(1, sizeof(*sub));
    struct buffer match;
    buffer_init(&match, CLIENT_MATCH_BYTES_MAX);
    bool good = sub != NULL && slot < AHORA_SUBS_MAX && since_bytes <= AHORA_TOKEN_BYTES_MAX && view->every_ms >= 0 &&
                client_match_put(&match, view->match, view->match_count);
    if (!good) {
        buffer_fini(&match);
        free(sub);
        return NULL;
    }
    sub->match = buffer_span(&match);
    if (!parse_patterns(sub, view->match_count) || !keep_where(sub, view->where) ||
        (view->near != NULL && !is_circle(view->near))) {
        sub_free(sub);
        return NULL;
    }
    sub->client = client;
    sub->slot = slot;
    sub->id = ++client->last_id;
    sub->every_ms = view->every_ms;
    sub->is_near = view->near != NULL;
    sub->near = sub->is_near ? *view->near : (struct ahora_near){0};
    memcpy(sub->token, view->since == NULL ? "" : view->since, since_bytes + 1);
    client->subs[slot] = sub;
    return sub;
}

/* What only it was told of is kept until the broker has answered, because patches for it may be under way. */
void client_unsubscribe(struct ahora_sub *sub) {
    struct client *client = sub->client;
    assert(client->subs[sub->slot] == sub);
    client->subs[sub->slot] = NULL;
    for (struct replica_entry *entry = client->replica.first; entry != NULL; entry = entry->next) {
        entry->told &= ~(UINT64_C(1) << sub->slot);
    }
    if (client->sweep.sub == sub) {
        client->sweep = (struct client_sweep){0};
    }
    if (client->state == CLIENT_READY && sub->sent) {
        struct buffer message;
        buffer_init(&message, SUB_REQUEST_BYTES_MAX);
        request_put(&message, &(struct request){.op = REQUEST_UNSUB, .id = sub->id});
        client_send(client, buffer_span(&message));
        buffer_fini(&message);
        client->unsubs += 1 + sub->moving; /* answers to moves may be under way, too */
    }
    sub_free(sub);
}

bool client_move(struct ahora_sub *sub, const struct ahora_near *near) {
    struct client *client = sub->client;
    if (!sub->is_near || !is_circle(near)) {
        return false;
    }
    const unsigned limit = near->limit > 0 ? near->limit : sub->near.limit;
    sub->near = *near;
    sub->near.limit = limit;
    sub->has_seq = false; /* what is held is of the old circle */
    sub->token[0] = '\0';
    if (client->state != CLIENT_READY || !sub->sent) {
        return true; /* it will be asked for so */
    }
    struct buffer circle;
    struct buffer message;
    buffer_init(&circle, 256);
    buffer_init(&message, SUB_REQUEST_BYTES_MAX);
    put_near(&circle, &sub->near);
    request_put(&message, &(struct request){.op = REQUEST_MOVE, .id = sub->id, .near = buffer_span(&circle)});
    client_send(client, buffer_span(&message));
    buffer_fini(&circle);
    buffer_fini(&message);
    sub->moving++;
    client_sub_leave_live(client, sub);
    sub->state = AHORA_SUBSCRIBING;
    return true;
}

void client_sub_leave_live(struct client *client, struct ahora_sub *sub) {
    if (sub->state == AHORA_LIVE) {
        sub->state = AHORA_BEHIND;
        sub->known_at = client->heard_at;
    }
}

int64_t client_sub_age_ms(const struct ahora_sub *sub, int64_t now) {
    int64_t known_at = sub->state == AHORA_LIVE ? sub->client->heard_at : sub->known_at;
    return known_at == 0 ? -1 : now > known_at ? now - known_at : 0;
}

bool client_sub_find_item(const struct ahora_sub *sub, struct span topic, struct ahora_item *item) {
    const struct replica_entry *entry = replica_find(&sub->client->replica, topic);
    bool held = entry != NULL && (entry->told >> sub->slot & 1) != 0;
    if (held) {
        *item = client_item_of(sub, entry);
    }
    return held;
}

struct ahora_item client_item_of(const struct ahora_sub *sub, const struct replica_entry *entry) {
    return (struct ahora_item){.topic = bytes_of(replica_topic(entry)),
                               .seq = entry->seq,
                               .at = entry->at,
                               .data = bytes_of(replica_data(entry)),
                               .stale = entry->stale || sub->state != AHORA_LIVE};
}

const char *client_sub_token(struct ahora_sub *sub) {
    if (sub->has_seq) {
        struct buffer text;
        buffer_init(&text, sizeof(sub->token) - 1);
        token_put(&text, sub->epoch, sub->seq);
        assert(!text.failed && text.bytes < sizeof(sub->token));
        memcpy(sub->token, text.data, text.bytes);
        sub->token[text.bytes] = '\0';
        buffer_fini(&text);
    }
    return sub->token;
}

struct ahora_sub *client_sub_find(struct client *client, int64_t id) {
    for (unsigned i = 0; i < AHORA_SUBS_MAX; i++) {
        if (client->subs[i] != NULL && client->subs[i]->id == id) {
            return client->subs[i];
        }
    }
    return NULL;
}

bool client_sub_matches(const struct ahora_sub *sub, struct span topic) {
    struct name name;
    if (name_parse_held(topic, &name, NULL) != AHORA_OK) {
        return false;
    }
    for (unsigned i = 0; i < sub->pattern_count; i++) {
        if (name_matches(&sub->patterns[i], &name)) {
            return true;
        }
    }
    return false;
}

static void sub_send(struct client *client, struct ahora_sub *sub) {
    struct request request = {.op = REQUEST_SUB, .id = sub->id, .match = sub->match, .every_ms = sub->every_ms};
    if (sub->pattern_count == 1) { /* the text alone: without the list's head, which is one byte */
        request.match = span_of(sub->match.data + 1, sub->match.bytes - 1);
    }
    const char *token = client_sub_token(sub);
    if (token[0] != '\0') {
        request.since = span_of_text(token);
    }
    struct buffer circle;
    struct buffer message;
    buffer_init(&circle, 256);
    buffer_init(&message, SUB_REQUEST_BYTES_MAX);
    request.where = sub->where;
    if (sub->is_near) {
        put_near(&circle, &sub->near);
        request.near = buffer_span(&circle);
    }
    request_put(&message, &request);
    assert(!message.failed);
    client_send(client, buffer_span(&message));
    buffer_fini(&circle);
    buffer_fini(&message);
    sub->sent = true;
}

void client_subs_send(struct client *client) {
    for (unsigned i = 0; i < AHORA_SUBS_MAX; i++) {
        struct ahora_sub *sub = client->subs[i];
        if (sub != NULL && !sub->sent && !sub->over && client->now >= sub->again_at) {
            sub_send(client, sub);
        }
    }
}

void client_subs_lose(struct client *client) {
    for (unsigned i = 0; i < AHORA_SUBS_MAX; i++) {
        struct ahora_sub *sub = client->subs[i];
        if (sub == NULL) {
            continue;
        }
        sub->sent = false;
        sub->resyncing = false;
        sub->moving = 0;
        sub->again_at = 0;
        sub->tell_behind = sub->state == AHORA_LIVE;
        client_sub_leave_live(client, sub);
    }
}

int64_t client_subs_deadline(const struct client *client) {
    int64_t at = INT64_MAX;
    for (unsigned i = 0; i < AHORA_SUBS_MAX; i++) {
        const struct ahora_sub *sub = client->subs[i];
        if (sub != NULL && !sub->sent && !sub->over && sub->again_at < at) {
            at = sub->again_at;
        }
    }
    return at;
}
