/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Messages of the broker, one at a time, into events.
 *
 * Good path: a WebSocket message is cut into protocol messages; each passes pack_check (or the JSON reader), reply_decode, and
 * the handler of its op. A data message updates the replica and is then delivered to one matching subscription per poll.
 * Whatever breaks the protocol (bad bytes, a patch for a document we do not hold, an answer to nothing) loses the line: the
 * next connection starts from what is known to be right.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/client.h"
#include "clients/c/merge.h"
#include "proto/json.h"

static bool refuse(struct client *client, const char *why) {
    client_fail(client, AHORA_FAULT_PROTOCOL, AHORA_CLOSE_BAD_MESSAGE, why);
    return false;
}

/* ---- data ---- */

static bool refuse_size(struct client *client, const char *why) {
    client_fail(client, AHORA_FAULT_LIMIT, AHORA_CLOSE_TOO_BIG, why);
    return false;
}

static bool match_any(const struct client *client, unsigned slot, const struct replica_entry *entry) {
    const struct ahora_sub *sub = client->subs[slot];
    bool told = (entry->told >> slot & 1) != 0;
    return sub != NULL && sub->sent && (told || client_sub_matches(sub, replica_topic(entry)));
}

static void deliver_later(struct client *client, const struct client_delivery *delivery) {
    assert(client->delivery.entry == NULL);
    client->delivery = *delivery;
    delivery->entry->touched = ++client->data_count;
}

static bool take_set(struct client *client, const struct reply *reply) {
    struct name name;
    if (reply->seq <= 0 || reply->data.data == NULL || name_parse_held(reply->topic, &name, NULL) != AHORA_OK) {
        return refuse(client, "a set without topic, seq or data");
    }
    struct replica_entry *entry = replica_add(&client->replica, reply->topic);
    if (entry == NULL) {
        return refuse_size(client, "more documents than this client may hold");
    }
    bool newer = reply->seq > entry->seq;
    if (newer && !replica_store(&client->replica, entry, reply->data)) {
        return refuse_size(client, "more documents than this client may hold");
    }
    if (reply->ref != 0) {
        replica_bind(&client->replica, entry, reply->ref);
    }
    if (newer) {
        entry->seq = reply->seq;
        entry->at = reply->at;
        entry->stale = reply->stale;
    }
    deliver_later(client, &(struct client_delivery){.entry = entry, .kind = AHORA_EVENT_SET, .newer = newer});
    return true;
}

/* Freshness may change without a change: the same seq with another `stale`. */
static bool patch_is_news(const struct replica_entry *entry, const struct reply *reply) {
    return reply->seq > entry->seq || (reply->seq == entry->seq && reply->has_stale && reply->stale != entry->stale);
}

static bool take_patch(struct client *client, const struct reply *reply) {
    struct replica_entry *entry = replica_find_ref(&client->replica, reply->ref);
    if (entry == NULL || reply->seq <= 0) {
        return refuse(client, "a patch for a document that is not held");
    }
    bool newer = patch_is_news(entry, reply);
    if (newer && reply->data.data != NULL && reply->seq > entry->seq) {
        struct buffer merged;
        buffer_init(&merged, client->options.message_bytes_max);
        merge_put(&merged, replica_data(entry), reply->data);
        bool stored = !merged.failed && replica_store(&client->replica, entry, buffer_span(&merged));
        buffer_fini(&merged);
        if (!stored) {
            return refuse_size(client, "a document larger than this client may hold");
        }
    }
    if (newer) {
        entry->seq = reply->seq;
        entry->at = reply->at;
        entry->stale = reply->stale;
    }
    deliver_later(client,
                  &(struct client_delivery){.entry = entry, .kind = AHORA_EVENT_PATCH, .newer = newer, .patch = reply->data});
    return true;
}

static bool take_remove(struct client *client, const struct reply *reply) {
    struct replica_entry *entry = replica_find(&client->replica, reply->topic);
    if (entry == NULL || reply->seq < entry->seq) {
        return true;
    }
    deliver_later(client, &(struct client_delivery){
                              .entry = entry, .kind = AHORA_EVENT_REMOVE, .newer = true, .why = reply->why, .seq = reply->seq});
    return true;
}

static void fill_change(struct ahora_event *change, const struct client_delivery *delivery) {
    const struct replica_entry *entry = delivery->entry;
    *change = (struct ahora_event){.kind = delivery->kind, .topic = bytes_of(replica_topic(entry))};
    if (delivery->kind == AHORA_EVENT_REMOVE) {
        change->seq = delivery->seq;
        change->why = delivery->why;
        return;
    }
    change->seq = entry->seq;
    change->at = entry->at;
    change->stale = entry->stale;
    change->data = bytes_of(replica_data(entry));
    change->patch = bytes_of(delivery->patch);
}

/* What this subscription is to hear of the delivery: nothing, if it knows that version or follows something else. */
static bool deliver_to(struct client *client, unsigned slot, struct ahora_event *change) {
    struct client_delivery *delivery = &client->delivery;
    struct replica_entry *entry = delivery->entry;
    uint64_t bit = UINT64_C(1) << slot;
    bool told = (entry->told & bit) != 0;
    if (delivery->kind == AHORA_EVENT_REMOVE ? !told : ((told && !delivery->newer) || !match_any(client, slot, entry))) {
        return false;
    }
    fill_change(change, delivery);
    if (delivery->kind == AHORA_EVENT_REMOVE) {
        entry->told &= ~bit;
        return true;
    }
    if (!told) {
        change->kind = AHORA_EVENT_SET;
        change->patch = (struct ahora_bytes){0};
    }
    entry->told |= bit;
    return true;
}

static void end_delivery(struct client *client) {
    struct client_delivery ended = client->delivery;
    client->delivery = (struct client_delivery){0};
    if (ended.kind == AHORA_EVENT_REMOVE) {
        assert(ended.entry->told == 0);
        replica_drop(&client->replica, ended.entry);
    }
}

/* The next topic that was held and did not come again in a new snapshot. */
static bool sweep_next(struct client *client, struct ahora_event *change, struct replica_entry **gone) {
    struct client_sweep *sweep = &client->sweep;
    uint64_t bit = UINT64_C(1) << sweep->sub->slot;
    while (sweep->entry != NULL) {
        struct replica_entry *entry = sweep->entry;
        sweep->entry = entry->next;
        if ((entry->told & bit) != 0 && entry->touched <= sweep->sub->resync_from) {
            *change =
                (struct ahora_event){.kind = AHORA_EVENT_REMOVE, .topic = bytes_of(replica_topic(entry)), .seq = sweep->seq};
            entry->told &= ~bit;
            *gone = entry->told == 0 ? entry : NULL;
            return true;
        }
    }
    return false;
}

static void end_sweep(struct client *client, struct ahora_event *change) {
    struct ahora_sub *sub = client->sweep.sub;
    sub->state = AHORA_LIVE;
    sub->resyncing = false;
    sub->has_seq = true;
    sub->seq = client->sweep.seq;
    memcpy(sub->epoch, client->epoch, sizeof(sub->epoch));
    *change = (struct ahora_event){.kind = AHORA_EVENT_LIVE, .seq = client->sweep.seq, .skipped = client->sweep.skipped};
    client->sweep = (struct client_sweep){0};
}

/* The topic of a swept entry must outlive the event, so the entry goes one poll later. */
static bool sweep(struct client *client, struct client_event *event) {
    if (client->swept != NULL) {
        replica_drop(&client->replica, client->swept);
        client->swept = NULL;
    }
    if (client->sweep.sub == NULL) {
        return false;
    }
    *event = (struct client_event){.kind = CLIENT_EVENT_SUB, .sub = client->sweep.sub};
    if (!sweep_next(client, &event->change, &client->swept)) {
        end_sweep(client, &event->change);
    }
    return true;
}

bool client_deliver(struct client *client, struct client_event *event) {
    struct client_delivery *delivery = &client->delivery;
    while (delivery->entry != NULL) {
        if (delivery->slot == AHORA_SUBS_MAX) {
            end_delivery(client);
            break;
        }
        unsigned slot = delivery->slot++;
        if (client->subs[slot] != NULL) {
            *event = (struct client_event){.kind = CLIENT_EVENT_SUB, .sub = client->subs[slot]};
            if (deliver_to(client, slot, &event->change)) {
                return true;
            }
        }
    }
    return sweep(client, event);
}

/* ---- subscriptions ---- */

static bool take_subscribed(struct client *client, const struct reply *reply, struct client_event *event) {
    struct ahora_sub *sub = client_sub_find(client, reply->id);
    if (sub == NULL || !sub->sent) {
        return false; /* unsubscribed meanwhile */
    }
    if (!reply->resumed) {
        /* Until `live`, only a whole snapshot is sure to be right: a cut from here on must not resume. */
        sub->resyncing = true;
        sub->resync_from = client->data_count;
        sub->has_seq = false;
        sub->token[0] = '\0';
    }
    client_sub_leave_live(client, sub);
    sub->state = AHORA_SUBSCRIBING;
    *event = (struct client_event){
        .kind = CLIENT_EVENT_SUB, .sub = sub, .change = {.kind = AHORA_EVENT_SUBSCRIBED, .resumed = reply->resumed}};
    return true;
}

static void take_live(struct client *client, const struct reply *reply) {
    struct ahora_sub *sub = client_sub_find(client, reply->id);
    if (sub == NULL || !sub->sent || sub->moving > 0) { /* one comes after the move, too */
        return;
    }
    client->sweep = (struct client_sweep){
        .sub = sub, .entry = sub->resyncing ? client->replica.first : NULL, .seq = reply->seq, .skipped = reply->skipped};
}

static void take_beat(struct client *client, const struct reply *reply) {
    client->clock_ahead = reply->now - client->now;
    for (unsigned i = 0; i < AHORA_SUBS_MAX; i++) {
        struct ahora_sub *sub = client->subs[i];
        if (sub != NULL && sub->state == AHORA_LIVE && reply->seq > sub->seq) {
            sub->seq = reply->seq;
        }
    }
}

static void drop_orphans(struct client *client) {
    struct replica_entry *next;
    for (struct replica_entry *entry = client->replica.first; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->told == 0) {
            replica_drop(&client->replica, entry);
        }
    }
}

/* Patches may be under way until `unsub` is answered; only then what nobody follows can go. */
static void take_ok(struct client *client, const struct reply *reply) {
    if (client_token_take_ok(client, reply->id)) {
        return;
    }
    struct ahora_sub *sub = client_sub_find(client, reply->id);
    if (sub != NULL && sub->moving > 0) {
        sub->moving--;
        return;
    }
    if (client->unsubs > 0 && --client->unsubs == 0) {
        drop_orphans(client);
    }
}

/* ---- answers to calls ---- */

static struct ahora_result result_of(struct span item) {
    struct ahora_result result = {.code = AHORA_OK};
    struct span error = pack_find(item, "error");
    struct span from = error.bytes > 0 ? error : item;
    struct pack_reader seq = pack_reader_of(pack_find(from, "seq"));
    result.seq = pack_peek(&seq) == PACK_INT ? pack_read_int(&seq) : 0;
    if (error.bytes == 0) {
        result.code = result.seq > 0 ? AHORA_OK : AHORA_INTERNAL;
        return result;
    }
    struct pack_reader code = pack_reader_of(pack_find(error, "code"));
    struct pack_reader detail = pack_reader_of(pack_find(error, "detail"));
    struct pack_reader retry = pack_reader_of(pack_find(error, "retry_ms"));
    struct span name = pack_peek(&code) == PACK_TEXT ? pack_read_text(&code) : span_of_text("");
    result.code = ahora_code_parse((const char *)name.data, name.bytes);
    result.code = result.code == AHORA_OK ? AHORA_INTERNAL : result.code;
    result.detail = pack_peek(&detail) == PACK_TEXT ? bytes_of(pack_read_text(&detail)) : (struct ahora_bytes){0};
    result.retry_ms = pack_peek(&retry) == PACK_INT ? pack_read_int(&retry) : 0;
    return result;
}

static void hold_calls(struct client *client, int64_t retry_ms) {
    if (retry_ms > 0) {
        int64_t wait = retry_ms < CLIENT_RETRY_MS_MAX ? retry_ms : CLIENT_RETRY_MS_MAX;
        client->hold_until = client->now + wait;
    }
}

static bool take_published(struct client *client, const struct reply *reply, struct client_event *event) {
    struct pack_reader reader = pack_reader_of(reply->results);
    uint32_t count = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 0;
    struct client_call *call = client_call_take(client, reply->id);
    if (call == NULL || call->is_get || count != call->change_count) {
        free(call);
        return refuse(client, "an answer that fits no publish");
    }
    for (uint32_t i = 0; i < count; i++) {
        client->results[i] = result_of(pack_skip(&reader));
        hold_calls(client, client->results[i].retry_ms);
    }
    *event = (struct client_event){.kind = CLIENT_EVENT_PUBLISHED, .on_published = call->on_published, .user = call->user};
    event->published =
        (struct ahora_published){.outcome = AHORA_ANSWERED, .results = client->results, .count = count, .sent = true};
    free(call);
    return true;
}

static bool item_of(struct span packed, struct ahora_item *item) {
    struct pack_reader topic = pack_reader_of(pack_find(packed, "topic"));
    struct pack_reader seq = pack_reader_of(pack_find(packed, "seq"));
    struct pack_reader at = pack_reader_of(pack_find(packed, "at"));
    struct pack_reader stale = pack_reader_of(pack_find(packed, "stale"));
    struct span data = pack_find(packed, "data");
    struct pack_reader map = pack_reader_of(data);
    item->topic = bytes_of(pack_read_text(&topic));
    item->seq = pack_read_int(&seq);
    item->at = pack_peek(&at) == PACK_INT ? pack_read_int(&at) : 0;
    item->stale = pack_peek(&stale) == PACK_BOOL && pack_read_bool(&stale);
    item->data = bytes_of(data);
    return !topic.failed && !seq.failed && pack_peek(&map) == PACK_MAP;
}

static bool take_snapshot(struct client *client, const struct reply *reply, struct client_event *event) {
    struct pack_reader reader = pack_reader_of(reply->items);
    uint32_t count = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 0;
    free(client->items);
    client->items = calloc((size_t)count + 1, sizeof(client->items[0]));
    bool good = client->items != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        good = item_of(pack_skip(&reader), &client->items[i]);
    }
    struct client_call *call = good ? client_call_take(client, reply->id) : NULL;
    if (call == NULL || !call->is_get) {
        free(call);
        return refuse(client, "an answer that fits no get");
    }
    *event = (struct client_event){.kind = CLIENT_EVENT_SNAPSHOT, .on_snapshot = call->on_snapshot, .user = call->user};
    event->snapshot = (struct ahora_snapshot){
        .outcome = AHORA_ANSWERED, .seq = reply->seq, .items = client->items, .count = count, .more = reply->more};
    free(call);
    return true;
}

/* The whole call was refused: each of its changes is. */
static void refuse_call(struct client *client, struct client_call *call, const struct reply *reply,
                        struct client_event *event) {
    *event = (struct client_event){.kind = call->is_get ? CLIENT_EVENT_SNAPSHOT : CLIENT_EVENT_PUBLISHED,
                                   .on_published = call->on_published,
                                   .on_snapshot = call->on_snapshot,
                                   .user = call->user};
    event->snapshot =
        (struct ahora_snapshot){.outcome = AHORA_ANSWERED, .code = reply->code, .detail = bytes_of(reply->detail)};
    for (size_t i = 0; i < call->change_count; i++) {
        client->results[i] =
            (struct ahora_result){.code = reply->code, .detail = bytes_of(reply->detail), .retry_ms = reply->retry_ms};
    }
    event->published = (struct ahora_published){
        .outcome = AHORA_ANSWERED, .results = client->results, .count = call->change_count, .sent = true};
    free(call);
}

static void refuse_sub(struct client *client, struct ahora_sub *sub, const struct reply *reply, struct client_event *event) {
    sub->sent = false;
    sub->over = reply->retry_ms == 0;
    int64_t wait = reply->retry_ms < CLIENT_RETRY_MS_MAX ? reply->retry_ms : CLIENT_RETRY_MS_MAX;
    wait = wait < CLIENT_SUB_AGAIN_MS_MIN ? CLIENT_SUB_AGAIN_MS_MIN : wait;
    sub->again_at = client->now + wait;
    client_sub_leave_live(client, sub);
    sub->state = sub->over ? AHORA_ENDED : sub->state;
    *event = (struct client_event){.kind = CLIENT_EVENT_SUB, .sub = sub};
    event->change = (struct ahora_event){
        .kind = AHORA_EVENT_REFUSED, .code = reply->code, .detail = bytes_of(reply->detail), .retry_ms = sub->over ? 0 : wait};
}

static bool take_error(struct client *client, const struct reply *reply, struct client_event *event) {
    if (reply->id == 0) {
        /* Usually followed by a close, whose text is shorter; then this is when to come back. */
        client->hint_ms = reply->retry_ms > 0 ? reply->retry_ms : client->hint_ms;
        hold_calls(client, reply->retry_ms);
        return false;
    }
    if (client_token_take_error(client, reply)) {
        return false;
    }
    struct ahora_sub *sub = client_sub_find(client, reply->id);
    if (sub != NULL && sub->sent) {
        refuse_sub(client, sub, reply, event);
        return true;
    }
    struct client_call *call = client_call_take(client, reply->id);
    if (call == NULL) {
        return false; /* to an `unsub`, or to a publish that wanted no answer */
    }
    hold_calls(client, reply->retry_ms);
    refuse_call(client, call, reply, event);
    return true;
}

static void take_bye(struct client *client, const struct reply *reply) {
    client->hint_ms = reply->retry_ms;
    client->leave_at = client->now + CLIENT_LEAVE_MS;
}

/* True if `event` was filled. */
static bool take_reply(struct client *client, const struct reply *reply, struct client_event *event) {
    if (client->state != CLIENT_READY && reply->op != REPLY_WELCOME && reply->op != REPLY_ERROR && reply->op != REPLY_BYE) {
        return refuse(client, "data before welcome");
    }
    switch (reply->op) {
    case REPLY_WELCOME:
        client_welcome(client, reply);
        return false;
    case REPLY_SUBSCRIBED:
        return take_subscribed(client, reply, event);
    case REPLY_SET:
        return take_set(client, reply) && client_deliver(client, event);
    case REPLY_PATCH:
        return take_patch(client, reply) && client_deliver(client, event);
    case REPLY_REMOVE:
        return take_remove(client, reply) && client_deliver(client, event);
    case REPLY_LIVE:
        take_live(client, reply);
        return client_deliver(client, event);
    case REPLY_BEAT:
        take_beat(client, reply);
        return false;
    case REPLY_SNAPSHOT:
        return take_snapshot(client, reply, event);
    case REPLY_PUBLISHED:
        return take_published(client, reply, event);
    case REPLY_OK:
        take_ok(client, reply);
        return false;
    case REPLY_PONG:
        return false;
    case REPLY_ERROR:
        return take_error(client, reply, event);
    case REPLY_BYE:
        take_bye(client, reply);
        return false;
    }
    return refuse(client, "unknown message");
}

/* ---- cutting a WebSocket message into protocol messages ---- */

static void advance(struct client *client, size_t bytes) {
    client->message = span_of(client->message.data + bytes, client->message.bytes - bytes);
}

/* NULL or what is wrong. An empty line gives an empty span. */
static const char *next_line(struct client *client, struct span *packed) {
    const uint8_t *end = memchr(client->message.data, '\n', client->message.bytes);
    size_t bytes = end == NULL ? client->message.bytes : (size_t)(end - client->message.data);
    struct span line = span_of(client->message.data, bytes);
    advance(client, bytes + (end != NULL));
    buffer_clear(&client->packed, FRAMING_CHUNK_BYTES_MAX);
    *packed = span_of(NULL, 0);
    if (bytes == 0) {
        return NULL;
    }
    const char *detail = "bad JSON";
    if (json_to_pack(line, CLIENT_DEPTH_MAX, &client->packed, &detail) != AHORA_OK) {
        return detail;
    }
    *packed = buffer_span(&client->packed);
    return NULL;
}

static const char *next_packed(struct client *client, struct span *packed) {
    size_t used = 0;
    enum pack_fault fault = pack_check(client->message, CLIENT_DEPTH_MAX, &used);
    if (fault != PACK_FINE) {
        return pack_fault_text(fault);
    }
    *packed = span_of(client->message.data, used);
    advance(client, used);
    return NULL;
}

bool client_read(struct client *client, struct client_event *event, bool *more) {
    struct span packed = span_of(NULL, 0);
    struct reply reply;
    bool json = client->options.encoding == AHORA_ENCODING_JSON;
    const char *detail = json ? next_line(client, &packed) : next_packed(client, &packed);
    *more = true;
    if (detail == NULL && packed.bytes == 0) {
        return false;
    }
    if (detail == NULL && reply_decode(packed, &reply, &detail) == AHORA_OK) {
        return take_reply(client, &reply, event);
    }
    char text[128];
    snprintf(text, sizeof(text), "not understood: %s", detail == NULL ? "bad message" : detail);
    return refuse(client, text);
}
