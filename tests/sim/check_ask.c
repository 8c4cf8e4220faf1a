/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the broker must answer to a message, known when it looks at it. */
#include <inttypes.h>
#include <string.h>

#include "tests/sim/check.h"

static enum ahora_code expect_sub(struct client *client, const struct asked *asked) {
    const struct sim *sim = client->sim;
    if (sim->draining) {
        return AHORA_DRAINING;
    }
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        if (client->subs[i].at_broker && client->subs[i].id == asked->id) {
            return AHORA_BAD_MESSAGE;
        }
    }
    if (asked->fault == AHORA_INVALID && !asked->wrong_narrow) {
        return AHORA_INVALID;
    }
    return client->at_broker_count >= sim->limits.subscriptions_max ? AHORA_TOO_MANY : asked->fault;
}

static void begin_at_broker(struct client *client, struct asked *asked) {
    const struct model *model = &client->sim->model;
    bool same_epoch = asked->since >= 0 && strcmp(asked->since_epoch, client->sim->epoch) == 0;
    asked->may_resume = same_epoch && asked->since <= model->seq_stored;
    asked->must_resume = asked->may_resume && asked->since >= model->floor;
    if (narrow_is_any(&asked->narrow)) { /* more may have left than is remembered */
        asked->must_resume = asked->must_resume && client->sim->limits.lefts_max >= TOPICS_MAX;
    }
    struct sub *sub = &client->subs[asked->slot];
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        struct sub *other = &client->subs[i];
        if (other != sub && other->at_broker && (other->topics & sub->topics) != 0) {
            other->shared = true;
            sub->shared = true;
        }
    }
    sub->at_broker = true;
    client->at_broker_count++;
}

static enum ahora_code expect_unsub(struct client *client, const struct asked *asked) {
    if (asked->slot < 0) {
        return AHORA_NOT_FOUND;
    }
    struct sub *sub = &client->subs[asked->slot];
    if (!sub->at_broker) {
        return AHORA_NOT_FOUND;
    }
    sub->at_broker = false;
    client->at_broker_count--;
    return AHORA_OK;
}

static enum ahora_code expect_move(const struct client *client, const struct asked *asked) {
    const struct sub *sub = &client->subs[asked->slot];
    if (!sub->at_broker || sub->id != asked->id) {
        return AHORA_NOT_FOUND;
    }
    return !sub->narrow.near.wanted || asked->wrong_narrow ? AHORA_INVALID : AHORA_OK;
}

void check_handling(struct client *client, struct asked *asked) {
    const struct sim *sim = client->sim;
    asked->seq_then = sim->model.seq_stored;
    asked->expected = asked->fault;
    if (!client->hello_handled && (asked->op != REQUEST_HELLO || asked->unknown)) {
        client->expects_close = true;
        asked->expected = AHORA_BAD_MESSAGE;
        return;
    }
    if (asked->unknown) {
        asked->expected = AHORA_BAD_MESSAGE;
        return;
    }
    switch (asked->op) {
    case REQUEST_HELLO:
        asked->expected = client->hello_handled ? AHORA_BAD_MESSAGE : sim->draining ? AHORA_DRAINING : AHORA_OK;
        client->hello_handled = client->hello_handled || !sim->draining;
        if (asked->expected == AHORA_OK && asked->source != NO_SOURCE) {
            client->source = asked->source;
            model_source_enter(&client->sim->model, asked->source, asked->grace_ms);
        }
        return;
    case REQUEST_SUB:
        asked->expected = expect_sub(client, asked);
        if (asked->expected == AHORA_OK) {
            begin_at_broker(client, asked);
        }
        return;
    case REQUEST_MOVE:
        asked->expected = expect_move(client, asked);
        return;
    case REQUEST_UNSUB:
        asked->expected = expect_unsub(client, asked);
        return;
    case REQUEST_PUB:
        asked->expected =
            sim->draining ? AHORA_DRAINING : AHORA_OK; /* or rate_limited: known when it did not reach the ledger */
        return;
    default:
        return;
    }
}

void check_handled(struct client *client, struct asked *asked, bool resumed) {
    if (asked->op == REQUEST_PUB && !asked->unknown && asked->expected == AHORA_OK && !asked->applied) {
        MUST(client->sim->limits.publish_rate_max > 0, WHO "a pub did not reach the ledger", WHO_OF(client));
        asked->expected = AHORA_RATE_LIMITED;
    }
    bool is_quiet = asked->since < 0 || resumed; /* a stream is told only that its token failed */
    bool is_stream = client->encoding == ENCODING_SSE && asked->op == REQUEST_SUB && asked->expected == AHORA_OK && is_quiet;
    if (is_stream) {
        check_start_sub(client, asked, resumed);
    }
    if (is_stream || (asked->op == REQUEST_PUB && asked->expected == AHORA_OK && asked->ack == ACK_NONE)) {
        asked_free(asked);
        report_note(is_stream ? EVENT_SUBSCRIBED : EVENT_ACK_NONE);
        return;
    }
    asked_push(&client->open, asked);
}
