/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

static void random_bits(struct client *client, uint64_t *bits) {
    client->options.random.fill(client->options.random.context, bits, sizeof(*bits));
}

static void enter(struct client *client, enum client_state state) {
    /* Which states may follow which; STOPPED may follow any. */
    static const uint8_t allowed[] = {
        [CLIENT_RESTING] = 1 << CLIENT_CONNECTING | 1 << CLIENT_ASKING,
        [CLIENT_ASKING] = 1 << CLIENT_CONNECTING | 1 << CLIENT_RESTING,
        [CLIENT_CONNECTING] = 1 << CLIENT_UPGRADING | 1 << CLIENT_RESTING,
        [CLIENT_UPGRADING] = 1 << CLIENT_GREETING | 1 << CLIENT_RESTING,
        [CLIENT_GREETING] = 1 << CLIENT_READY | 1 << CLIENT_RESTING,
        [CLIENT_READY] = 1 << CLIENT_RESTING,
        [CLIENT_STOPPED] = 0,
    };
    assert(state == CLIENT_STOPPED || (allowed[client->state] & 1 << state) != 0);
    client->state = state;
    client->state_at = client->now;
}

bool client_init(struct client *client, const struct client_options *options) {
    assert(options->authority != NULL && options->name != NULL);
    *client = (struct client){.options = *options, .hint_ms = -1, .renew_at = INT64_MAX, .token_expires_at = -1};
    client->options.authority = strdup(options->authority);
    client->options.name = strdup(options->name);
    client->options.token = options->token == NULL ? NULL : strdup(options->token);
    client->options.source = options->source == NULL ? NULL : strdup(options->source);
    client->results = calloc(AHORA_CHANGES_MAX, sizeof(client->results[0]));
    uint64_t seed = 0;
    random_bits(client, &seed);
    replica_init(&client->replica, options->documents_bytes_max, seed);
    /* JSON text needs at most six bytes for one of MessagePack (a control character); one call may be as large as the outbox. */
    buffer_init(&client->out, CLIENT_OUT_BYTES_MAX + 8 * options->outbox_bytes_max);
    buffer_init(&client->scratch, 8 * options->outbox_bytes_max);
    buffer_init(&client->packed, options->message_bytes_max);
    return client->options.authority != NULL && client->options.name != NULL && client->results != NULL &&
           (options->token == NULL || client->options.token != NULL) &&
           (options->source == NULL || client->options.source != NULL);
}

static void *unconst(const char *owned) {
    return (void *)(uintptr_t)owned;
}

void client_fini(struct client *client) {
    for (unsigned i = 0; i < AHORA_SUBS_MAX; i++) {
        if (client->subs[i] != NULL) {
            client_unsubscribe(client->subs[i]);
        }
    }
    client_calls_cancel(client);
    while (client->first_call != NULL) {
        free(client_call_take(client, client->first_call->id));
    }
    assert(client->call_count == 0 && client->call_bytes == 0);
    replica_fini(&client->replica);
    framing_fini(&client->framing);
    buffer_fini(&client->out);
    buffer_fini(&client->scratch);
    buffer_fini(&client->packed);
    free(client->results);
    free(client->items);
    free(unconst(client->options.authority));
    free(unconst(client->options.name));
    free(unconst(client->options.token));
    free(unconst(client->options.source));
    *client = (struct client){.state = CLIENT_STOPPED};
}

/* ---- losing and opening the line ---- */

/* The broker's wish is obeyed; but one that takes us in, wishes and closes again and again is met with growing waits all the same. */
static int64_t wait_ms(struct client *client) {
    bool is_first = client->backoff.attempts == 0;
    uint64_t bits = 0;
    random_bits(client, &bits);
    int64_t own = backoff_next_ms(&client->backoff, bits);
    if (client->hint_ms < 0) {
        return own;
    }
    int64_t wish = client->hint_ms < CLIENT_RETRY_MS_MAX ? client->hint_ms : CLIENT_RETRY_MS_MAX;
    return is_first || wish > own ? wish : own;
}

/* Everything that belonged to the connection goes. */
static void forget_line(struct client *client) {
    framing_fini(&client->framing);
    client->message = span_of(NULL, 0);
    client->delivery = (struct client_delivery){0};
    client->sweep = (struct client_sweep){0};
    client->leave_at = 0;
    client->unsubs = 0;
    client->auth_id = 0;
    client->renew_at = INT64_MAX;
    client->tell_connected = false;
    buffer_clear(&client->out, FRAMING_CHUNK_BYTES_MAX);
    replica_forget_refs(&client->replica);
}

void client_lose(struct client *client, enum ahora_fault fault, const char *reason) {
    assert(client->state != CLIENT_STOPPED && client->state != CLIENT_RESTING);
    if (client->state == CLIENT_READY && client->now - client->state_at >= CLIENT_STEADY_MS) {
        backoff_reset(&client->backoff);
    }
    snprintf(client->reason, sizeof(client->reason), "%s", reason);
    client->fault = fault;
    client->fault_status = fault == AHORA_FAULT_UPGRADE  ? client->framing.status
                           : fault == AHORA_FAULT_CLOSED ? client->framing.close_code
                                                         : 0;
    forget_line(client);
    client_subs_lose(client);
    client_calls_lose(client);
    client->retry_at = client->now + wait_ms(client);
    client->hint_ms = -1;
    client->tell_lost = true;
    client->tell_connect = false;
    enter(client, CLIENT_RESTING);
}

void client_fail(struct client *client, enum ahora_fault fault, uint16_t close_code, const char *reason) {
    struct buffer goodbye;
    buffer_init(&goodbye, 64);
    if (client->framing.open && close_code != 0) {
        framing_put_close(&client->framing, &goodbye, close_code);
    }
    client_lose(client, fault, reason);
    buffer_put_span(&client->out, buffer_span(&goodbye));
    buffer_fini(&goodbye);
    client->tell_drop = true;
}

/* `reason` may lie in memory that goes with the line. */
static void stop_for_good(struct client *client, enum ahora_fault fault, uint16_t close_code, const char *reason) {
    char text[sizeof(client->reason)];
    snprintf(text, sizeof(text), "%s", reason);
    if (client->state != CLIENT_RESTING) {
        client_fail(client, fault, close_code, text);
    }
    client->fault = fault;
    snprintf(client->reason, sizeof(client->reason), "%s", text);
    client_calls_cancel(client);
    client->tell_lost = false;
    client->tell_connect = false;
    client->tell_token = false;
    client->tell_stopped = true;
    enter(client, CLIENT_STOPPED);
}

void client_stop(struct client *client, const char *reason) {
    if (client->state != CLIENT_STOPPED) {
        stop_for_good(client, AHORA_FAULT_NONE, AHORA_CLOSE_NORMAL, reason);
    }
}

void client_connect(struct client *client) {
    enter(client, CLIENT_CONNECTING);
    client->tell_connect = true;
}

static void connect_again(struct client *client) {
    if (client_token_is_needed(client)) {
        enter(client, CLIENT_ASKING);
        client_token_ask(client);
    } else {
        client_connect(client);
    }
}

void client_start(struct client *client, int64_t now) {
    assert(client->state == CLIENT_RESTING);
    client->now = now;
    connect_again(client);
}

void client_on_connected(struct client *client, int64_t now) {
    client->now = now;
    assert(client->state == CLIENT_CONNECTING);
    enter(client, CLIENT_UPGRADING);
    framing_init(&client->framing, client->options.random, client->options.message_bytes_max,
                 client->options.encoding == AHORA_ENCODING_JSON);
    framing_put_upgrade(&client->framing, &client->out, client->options.authority, client->options.name);
}

void client_on_bytes(struct client *client, int64_t now, struct span bytes) {
    assert(client->state == CLIENT_UPGRADING || client->state == CLIENT_GREETING || client->state == CLIENT_READY);
    client->now = now;
    client->heard_at = now;
    if (!framing_feed(&client->framing, bytes)) {
        client_fail(client, AHORA_FAULT_LIMIT, AHORA_CLOSE_TOO_BIG, "no memory for what the broker sends");
    }
}

void client_on_disconnected(struct client *client, int64_t now, const char *reason) {
    client->now = now;
    if (client->state != CLIENT_RESTING && client->state != CLIENT_STOPPED) {
        client_lose(client, AHORA_FAULT_LINE, reason);
    }
}

/* ---- time ---- */

static bool is_opening(const struct client *client) {
    return client->state == CLIENT_CONNECTING || client->state == CLIENT_UPGRADING || client->state == CLIENT_GREETING;
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t client_deadline(const struct client *client) {
    if (client->state == CLIENT_RESTING) {
        return client->retry_at;
    }
    if (is_opening(client)) {
        return client->state_at + CLIENT_OPEN_MS;
    }
    if (client->state != CLIENT_READY) {
        return INT64_MAX;
    }
    int64_t at = earlier(client->heard_at + 2 * client->beat_ms, client_subs_deadline(client));
    at = earlier(at, client->renew_at);
    at = client->leave_at > 0 ? earlier(at, client->leave_at) : at;
    return client->hold_until > client->now ? earlier(at, client->hold_until) : at;
}

void client_on_time(struct client *client, int64_t now) {
    client->now = now;
    if (client->state == CLIENT_RESTING) {
        if (now >= client->retry_at) {
            connect_again(client);
        }
    } else if (is_opening(client)) {
        if (now >= client->state_at + CLIENT_OPEN_MS) {
            client_fail(client, AHORA_FAULT_SILENT, 0, "no answer in time");
        }
    } else if (client->state == CLIENT_READY) {
        if (now >= client->heard_at + 2 * client->beat_ms) {
            client_fail(client, AHORA_FAULT_SILENT, AHORA_CLOSE_GOING_AWAY, "the line is silent");
        } else if (client->leave_at > 0 && now >= client->leave_at) {
            client_fail(client, AHORA_FAULT_CLOSED, AHORA_CLOSE_GOING_AWAY, "the broker said bye");
        } else {
            client_token_on_time(client);
        }
    }
}

/* ---- greeting ---- */

void client_send(struct client *client, struct span message) {
    if (client->options.encoding == AHORA_ENCODING_JSON) {
        buffer_clear(&client->scratch, FRAMING_CHUNK_BYTES_MAX);
        json_put(&client->scratch, message);
        message = buffer_span(&client->scratch);
    }
    framing_put_message(&client->framing, &client->out, message);
}

static void greet(struct client *client) {
    enter(client, CLIENT_GREETING);
    struct request hello = {.op = REQUEST_HELLO, .client = span_of_text(client->options.name)};
    if (client->options.token != NULL) {
        hello.token = span_of_text(client->options.token);
    }
    if (client->options.source != NULL) {
        hello.source = span_of_text(client->options.source);
        hello.on_lost = client->options.on_lost == AHORA_LOST_DELETE ? ON_LOST_DELETE : ON_LOST_STALE;
        hello.has_grace_ms = client->options.has_grace_ms;
        hello.grace_ms = client->options.grace_ms;
    }
    struct buffer message;
    buffer_init(&message, 65536);
    request_put(&message, &hello);
    client_send(client, buffer_span(&message));
    buffer_fini(&message);
}

void client_welcome(struct client *client, const struct reply *reply) {
    char epoch[AHORA_EPOCH_BYTES_MAX + 1] = {0};
    if (client->state != CLIENT_GREETING || reply->epoch.bytes == 0 || reply->epoch.bytes > AHORA_EPOCH_BYTES_MAX) {
        client_fail(client, AHORA_FAULT_PROTOCOL, AHORA_CLOSE_BAD_MESSAGE, "unexpected welcome");
        return;
    }
    memcpy(epoch, reply->epoch.data, reply->epoch.bytes);
    bool same_epoch = strcmp(epoch, client->epoch) == 0;
    memcpy(client->epoch, epoch, sizeof(epoch));
    if (!same_epoch) {
        replica_forget_seqs(&client->replica);
    }
    int64_t beat_ms = reply->beat_ms;
    client->beat_ms = beat_ms < CLIENT_BEAT_MS_MIN ? CLIENT_BEAT_MS_MIN : earlier(beat_ms, CLIENT_BEAT_MS_MAX);
    client->welcome_seq = reply->seq;
    client->tell_connected = true;
    client->clock_ahead = reply->now - client->now;
    client->knows_clock = true;
    enter(client, CLIENT_READY);
    client_token_plan(client);
    client_calls_welcome(client, same_epoch);
}

/* ---- what the WebSocket layer says ---- */

static void refuse_upgrade(struct client *client) {
    char text[sizeof(client->reason)];
    int status = client->framing.status;
    const char *leads_to = client->framing.reason; /* not followed: a token would go with us */
    snprintf(text, sizeof(text), "the upgrade was answered with HTTP %d%s%.80s", status,
             leads_to[0] == '\0' ? "" : ", which points to ", leads_to);
    /* A proxy's 404 or 502 may pass; rights do not come by themselves. */
    if (client->framing.retry_s > 0) { /* whole seconds are the same for many: within the next one they spread */
        uint64_t bits = 0;
        random_bits(client, &bits);
        client->hint_ms = client->framing.retry_s * 1000 + (int64_t)(bits % 1000);
    }
    if (status == 401 && client->options.asks_token) {
        client->token_refused = true;
        client_fail(client, AHORA_FAULT_TOKEN, 0, text);
    } else if (status == 401 || status == 403) {
        stop_for_good(client, AHORA_FAULT_TOKEN, 0, text);
    } else {
        client_fail(client, AHORA_FAULT_UPGRADE, 0, text);
    }
}

static void take_close(struct client *client) {
    char text[sizeof(client->reason)];
    uint16_t code = client->framing.close_code;
    const char *reason = client->framing.reason;
    snprintf(text, sizeof(text), "closed by the broker: %u%s%s", code, reason[0] == '\0' ? "" : " ", reason);
    if (code == AHORA_CLOSE_UNAUTHORIZED && client->options.asks_token) {
        client->token_refused = true;
        client_fail(client, AHORA_FAULT_TOKEN, code, text);
    } else if (code == AHORA_CLOSE_UNAUTHORIZED || code == AHORA_CLOSE_FORBIDDEN) {
        stop_for_good(client, AHORA_FAULT_TOKEN, code, text);
    } else {
        client_fail(client, AHORA_FAULT_CLOSED, code == 0 ? AHORA_CLOSE_NORMAL : code, text);
    }
}

static void take_step(struct client *client, enum framing_step step) {
    switch (step) {
    case FRAMING_OPENED:
        greet(client);
        return;
    case FRAMING_REFUSED:
        refuse_upgrade(client);
        return;
    case FRAMING_CLOSE:
        take_close(client);
        return;
    case FRAMING_FAULT:
        client_fail(client, client->framing.close_code == AHORA_CLOSE_TOO_BIG ? AHORA_FAULT_LIMIT : AHORA_FAULT_PROTOCOL,
                    client->framing.close_code, client->framing.fault);
        return;
    case FRAMING_MESSAGE:
    case FRAMING_MORE:
        return;
    }
}

/* True if there is something new to look at. */
static bool next_message(struct client *client) {
    if (client->state != CLIENT_UPGRADING && client->state != CLIENT_GREETING && client->state != CLIENT_READY) {
        return false;
    }
    struct span message = span_of(NULL, 0);
    enum framing_step step = framing_next(&client->framing, &client->out, &message);
    client->message = step == FRAMING_MESSAGE ? message : span_of(NULL, 0);
    take_step(client, step);
    return step != FRAMING_MORE;
}

/* ---- events ---- */

static bool take_flag(bool *flag) {
    bool was = *flag;
    *flag = false;
    return was;
}

static bool next_notice(struct client *client, struct client_event *event) {
    *event = (struct client_event){.kind = CLIENT_EVENT_LINE};
    if (take_flag(&client->tell_drop)) {
        event->kind = CLIENT_EVENT_DROP;
        return true;
    }
    if (take_flag(&client->tell_lost)) {
        int64_t wait = client->retry_at > client->now ? client->retry_at - client->now : 0;
        event->line = (struct ahora_line_event){.line = AHORA_LINE_DISCONNECTED,
                                                .fault = client->fault,
                                                .status = client->fault_status,
                                                .reason = client->reason,
                                                .retry_ms = wait};
        return true;
    }
    if (take_flag(&client->tell_stopped)) {
        event->line = (struct ahora_line_event){
            .line = AHORA_LINE_STOPPED, .fault = client->fault, .status = client->fault_status, .reason = client->reason};
        return true;
    }
    if (take_flag(&client->tell_connected)) {
        event->line =
            (struct ahora_line_event){.line = AHORA_LINE_CONNECTED, .epoch = client->epoch, .seq = client->welcome_seq};
        return true;
    }
    if (take_flag(&client->tell_token)) {
        event->kind = CLIENT_EVENT_TOKEN;
        return true;
    }
    event->kind = CLIENT_EVENT_CONNECT;
    return take_flag(&client->tell_connect);
}

static bool next_behind(struct client *client, struct client_event *event) {
    for (unsigned i = 0; i < AHORA_SUBS_MAX; i++) {
        struct ahora_sub *sub = client->subs[i];
        if (sub != NULL && take_flag(&sub->tell_behind)) {
            *event = (struct client_event){.kind = CLIENT_EVENT_SUB, .sub = sub, .change = {.kind = AHORA_EVENT_BEHIND}};
            return true;
        }
    }
    return false;
}

static void send_waiting(struct client *client) {
    if (client->state != CLIENT_READY) {
        return;
    }
    client_subs_send(client);
    if (client->leave_at == 0 && client->now >= client->hold_until) {
        client_calls_send(client);
    }
    if (client->out.failed) {
        client_fail(client, AHORA_FAULT_LIMIT, 0, "no memory for what is to be sent");
    }
}

bool client_poll(struct client *client, struct client_event *event) {
    for (;;) {
        if (next_notice(client, event) || client_calls_next_done(client, event) || next_behind(client, event) ||
            client_deliver(client, event)) {
            return true;
        }
        bool more = client->message.bytes > 0;
        if (more && client_read(client, event, &more)) {
            return true;
        }
        if (more || next_message(client)) {
            continue;
        }
        send_waiting(client);
        if (client->done_count == 0 && !client->tell_drop) {
            return false;
        }
    }
}

void client_output(struct client *client, struct buffer *to) {
    if (to->bytes > 0) {
        buffer_put_span(to, buffer_span(&client->out));
        buffer_clear(&client->out, FRAMING_CHUNK_BYTES_MAX);
        return;
    }
    struct buffer swapped = client->out;
    client->out = *to;
    *to = swapped;
    client->out.bytes_max = to->bytes_max;
}
