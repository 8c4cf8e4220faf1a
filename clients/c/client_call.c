/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Publishes and gets, in the order they were asked for, until they are answered.
 *
 *   QUEUED ──sent──▶ SENT ──answer──▶ (taken)
 *      ▲              │ line lost: a get, and a publish whose changes all have keys, goes again after the next welcome,
 *      └──────────────┘ if that is the same epoch and the broker still remembers the keys
 *                     └──▶ DONE   line lost otherwise, not to be answered, cancelled: told by the next poll
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/client.h"

static void end_call(struct client *client, struct client_call *call, enum ahora_outcome outcome) {
    assert(call->state != CALL_DONE);
    call->state = CALL_DONE;
    call->outcome = outcome;
    client->done_count++;
}

/* ---- making calls ---- */

static bool change_is_legal(const struct ahora_change *change) {
    bool with_data = change->op == AHORA_SET || change->op == AHORA_PATCH || change->op == AHORA_ADJUST;
    size_t used = 0;
    struct span data = span_of(change->data.data, change->data.bytes);
    struct name name;
    if (change->op > AHORA_DELETE || change->key.bytes > AHORA_KEY_BYTES_MAX || with_data != (data.data != NULL) ||
        name_parse_topic(span_of(change->topic.data, change->topic.bytes), &name, NULL) != AHORA_OK) {
        return false;
    }
    struct pack_reader reader = pack_reader_of(data);
    return !with_data ||
           (pack_check(data, AHORA_DEPTH_MAX, &used) == PACK_FINE && used == data.bytes && pack_peek(&reader) == PACK_MAP);
}

static struct change_request request_of_change(const struct ahora_change *change) {
    static const enum change_op ops[] = {
        [AHORA_SET] = CHANGE_SET,     [AHORA_PATCH] = CHANGE_PATCH,   [AHORA_ADJUST] = CHANGE_ADJUST,
        [AHORA_TOUCH] = CHANGE_TOUCH, [AHORA_DELETE] = CHANGE_DELETE,
    };
    return (struct change_request){
        .op = ops[change->op],
        .topic = span_of(change->topic.data, change->topic.bytes),
        .data = span_of(change->data.data, change->data.bytes),
        .key = span_of(change->key.bytes > 0 ? change->key.data : NULL, change->key.bytes),
        .has_at = change->has_at,
        .has_if_seq = change->has_if_seq,
        .if_newer = change->if_newer,
        .has_fresh_ms = change->has_fresh_ms,
        .has_expire_ms = change->has_expire_ms,
        .at = change->at,
        .if_seq = change->if_seq,
        .fresh_ms = change->fresh_ms,
        .expire_ms = change->expire_ms,
    };
}

static struct client_call *add_call(struct client *client, const struct buffer *request) {
    struct client_call *call = calloc(1, sizeof(*call) + request->bytes);
    if (call == NULL) {
        return NULL;
    }
    call->bytes = request->bytes;
    memcpy(call->request, request->data, request->bytes);
    call->id = client->last_id;
    *(client->last_call == NULL ? &client->first_call : &client->last_call->next) = call;
    client->last_call = call;
    client->next_call = client->next_call == NULL ? call : client->next_call;
    client->call_count++;
    client->call_bytes += sizeof(*call) + call->bytes;
    return call;
}

/* Encodes and queues; AHORA_AGAIN if the outbox has no room. */
static struct client_call *queue(struct client *client, const struct request *request, enum ahora_code *code) {
    struct buffer message;
    buffer_init(&message, client->options.outbox_bytes_max);
    request_put(&message, request);
    bool fits = !message.failed && client->call_bytes + message.bytes <= client->options.outbox_bytes_max;
    struct client_call *call = fits ? add_call(client, &message) : NULL;
    buffer_fini(&message);
    *code = call != NULL ? AHORA_OK : AHORA_AGAIN;
    return call;
}

static bool put_changes(struct buffer *out, const struct ahora_change *changes, size_t count) {
    pack_put_list(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        if (!change_is_legal(&changes[i])) {
            return false;
        }
        struct change_request change = request_of_change(&changes[i]);
        change_put(out, &change);
    }
    return true;
}

static bool all_keyed(const struct ahora_change *changes, size_t count) {
    size_t keyed = 0;
    for (size_t i = 0; i < count; i++) {
        keyed += changes[i].key.bytes > 0;
    }
    return keyed == count;
}

struct client_call *client_publish(struct client *client, const struct ahora_change *changes, size_t count, bool atomic,
                                   enum ahora_ack ack, enum ahora_code *code) {
    struct buffer list;
    buffer_init(&list, client->options.outbox_bytes_max);
    if (count == 0 || count > AHORA_CHANGES_MAX || ack > AHORA_ACK_NONE || !put_changes(&list, changes, count)) {
        buffer_fini(&list);
        *code = AHORA_INVALID;
        return NULL;
    }
    static const enum ack acks[] = {ACK_DURABLE, ACK_APPLIED, ACK_NONE};
    struct request request = {.op = REQUEST_PUB, .id = ++client->last_id, .atomic = atomic, .ack = acks[ack]};
    request.changes = buffer_span(&list);
    request.change_count = (uint32_t)count;
    struct client_call *call = list.failed ? NULL : queue(client, &request, code);
    if (call != NULL) {
        call->change_count = count;
        call->keyed = all_keyed(changes, count);
        call->silent = ack == AHORA_ACK_NONE;
    } else {
        *code = AHORA_AGAIN;
    }
    buffer_fini(&list);
    return call;
}

struct client_call *client_get(struct client *client, const char *const *match, unsigned count, int64_t limit,
                               enum ahora_code *code) {
    struct buffer list;
    buffer_init(&list, CLIENT_MATCH_BYTES_MAX);
    struct client_call *call = NULL;
    *code = AHORA_INVALID;
    if (limit >= 0 && client_match_put(&list, match, count)) {
        struct request request = {.op = REQUEST_GET, .id = ++client->last_id, .match = buffer_span(&list), .limit = limit};
        call = queue(client, &request, code);
    }
    if (call != NULL) {
        call->is_get = true;
    }
    buffer_fini(&list);
    return call;
}

/* ---- sending ---- */

static void send_call(struct client *client, struct client_call *call) {
    client_send(client, span_of(call->request, call->bytes));
    int64_t there = client->now + client->clock_ahead;
    bool is_first = call->sends == 0;
    call->first_sent_at = is_first ? client->now : call->first_sent_at;
    call->broker_sent_at = is_first || there < call->broker_sent_at ? there : call->broker_sent_at;
    call->sends++;
    if (call->silent) {
        end_call(client, call, AHORA_ANSWERED);
    } else {
        call->state = CALL_SENT;
    }
}

void client_calls_send(struct client *client) {
    struct client_call *call = client->next_call;
    while (call != NULL && client->out.bytes < CLIENT_OUT_BYTES_MAX) {
        if (call->state == CALL_QUEUED) {
            send_call(client, call);
        }
        call = call->next;
    }
    client->next_call = call;
}

/* ---- losing the line ---- */

void client_calls_lose(struct client *client) {
    for (struct client_call *call = client->first_call; call != NULL; call = call->next) {
        if (call->state == CALL_SENT && !call->is_get && !call->keyed) {
            end_call(client, call, AHORA_DISCONNECTED);
        }
    }
}

/* Keys grow old by the broker's clock, and one that was set forward while it was down has forgotten them. */
static bool may_go_again(const struct client *client, const struct client_call *call, bool same_epoch) {
    if (call->is_get) {
        return true;
    }
    return same_epoch && call->sends < CLIENT_SENDS_MAX && client->now - call->first_sent_at < CLIENT_RESEND_MS &&
           client->now + client->clock_ahead - call->broker_sent_at < CLIENT_RESEND_MS;
}

void client_calls_welcome(struct client *client, bool same_epoch) {
    for (struct client_call *call = client->first_call; call != NULL; call = call->next) {
        if (call->sends == 0 || call->state == CALL_DONE) {
            continue; /* one that was to go again, and whose line was lost before, is judged anew */
        }
        if (may_go_again(client, call, same_epoch)) {
            call->state = CALL_QUEUED;
        } else {
            end_call(client, call, AHORA_DISCONNECTED);
        }
    }
    client->next_call = client->first_call;
}

void client_calls_cancel(struct client *client) {
    for (struct client_call *call = client->first_call; call != NULL; call = call->next) {
        if (call->state != CALL_DONE) {
            end_call(client, call, AHORA_CANCELLED);
        }
    }
}

/* ---- endings ---- */

static struct client_call *unlink_call(struct client *client, struct client_call *before, struct client_call *call) {
    *(before == NULL ? &client->first_call : &before->next) = call->next;
    client->last_call = client->last_call == call ? before : client->last_call;
    client->next_call = client->next_call == call ? call->next : client->next_call;
    client->call_count--;
    client->call_bytes -= sizeof(*call) + call->bytes;
    client->done_count -= call->state == CALL_DONE;
    return call;
}

/* Answers come in the order of the questions, so the search ends at the first call almost always. */
struct client_call *client_call_take(struct client *client, int64_t id) {
    struct client_call *before = NULL;
    struct client_call *call = client->first_call;
    while (call != NULL && (call->id != id || call->state == CALL_QUEUED)) {
        before = call;
        call = call->next;
    }
    return call == NULL ? NULL : unlink_call(client, before, call);
}

bool client_calls_next_done(struct client *client, struct client_event *event) {
    if (client->done_count == 0) {
        return false;
    }
    struct client_call *before = NULL;
    struct client_call *call = client->first_call;
    while (call->state != CALL_DONE) {
        before = call;
        call = call->next;
    }
    unlink_call(client, before, call);
    *event = (struct client_event){.kind = call->is_get ? CLIENT_EVENT_SNAPSHOT : CLIENT_EVENT_PUBLISHED,
                                   .on_published = call->on_published,
                                   .on_snapshot = call->on_snapshot,
                                   .user = call->user};
    event->published = (struct ahora_published){.outcome = call->outcome, .sent = call->sends > 0};
    event->snapshot = (struct ahora_snapshot){.outcome = call->outcome};
    free(call);
    return true;
}
