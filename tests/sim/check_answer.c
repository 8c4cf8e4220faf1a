/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Every message a client reads: those that answer one of its own are checked here, the others by their op. */
#include <inttypes.h>
#include <string.h>

#include "tests/sim/check.h"

static bool is_immediate(const struct asked *asked) {
    return asked->op != REQUEST_PUB || asked->expected != AHORA_OK;
}

/* The ask that an answer of this sort must belong to: the first open one. */
static struct asked **next_open(struct client *client, bool immediate, enum ack ack) {
    struct asked **at = &client->open.first;
    while (*at != NULL && (is_immediate(*at) != immediate || (!immediate && (*at)->ack != ack))) {
        at = &(*at)->next;
    }
    return at;
}

/* Takes it, if it is the one of that id. */
static struct asked *answer_to(struct client *client, int64_t id, bool immediate, enum ack ack) {
    struct asked **at = next_open(client, immediate, ack);
    struct asked *asked = *at;
    if (asked == NULL || asked->id != id) {
        return NULL;
    }
    *at = asked->next;
    if (client->open.end == &asked->next) {
        client->open.end = at;
    }
    client->open.count--;
    return asked;
}

static void forget_held(struct sub *sub) {
    memset(sub->held, 0, sizeof sub->held);
    sub->live = false;
    sub->has_token = false;
}

static void begin_sub(struct sub *sub, bool resumed, int64_t count_after) {
    if (!resumed) {
        forget_held(sub);
    }
    memset(sub->last, 0, sizeof sub->last);
    sub->live = false;
    sub->count_after = count_after;
    sub->counted = 0;
    sub->live_ms = 0;
    sub->begun = true;
}

/* What other subscriptions brought before this one began is known to the client, and not told again if it left. */
static void look_around(struct client *client, struct sub *sub) {
    const struct model *model = &client->sim->model;
    for (unsigned topic = 0; topic < model->topic_count; topic++) {
        const int64_t heard = client->heard[topic];
        if ((sub->topics >> topic & 1) && heard > sub->held[topic] && sub->held[topic] > 0) {
            const bool out = check_standing(client, sub, model_version(model, topic, heard)) == STANDING_OUT;
            sub->held[topic] = out ? 0 : heard;
        }
    }
}

void check_start_sub(struct client *client, const struct asked *asked, bool resumed) {
    MUST(!asked->must_resume || resumed, WHO "token %" PRId64 " was good, but did not resume", WHO_OF(client), asked->since);
    MUST(asked->may_resume || !resumed, WHO "token %" PRId64 " must not resume", WHO_OF(client), asked->since);
    if (asked->since >= 0) {
        report_note(resumed ? EVENT_RESUMED : EVENT_RESUME_REFUSED);
        if (resumed && narrow_is_any(&asked->narrow)) {
            report_note(asked->narrow.near.wanted ? EVENT_NEAR_RESUMED : EVENT_WHERE_RESUMED);
        }
    }
    struct sub *sub = &client->subs[asked->slot];
    sub->state = sub->state == SUB_ASKED ? SUB_ACTIVE : sub->state;
    begin_sub(sub, resumed, asked->seq_then);
    if (resumed && narrow_is_any(&sub->narrow)) {
        look_around(client, sub);
    }
}

/* A sub may be answered; or its history of removals was outlived, which nobody asks for, and other messages of that id may be open. */
static void on_subscribed(struct client *client, const struct reply *reply, const struct tide *tide) {
    struct asked *asked = *next_open(client, true, ACK_NONE);
    report_note(EVENT_SUBSCRIBED);
    if (asked != NULL && asked->id == reply->id && asked->op == REQUEST_SUB && asked->expected == AHORA_OK) {
        asked = answer_to(client, reply->id, true, ACK_NONE);
        check_start_sub(client, asked, reply->resumed);
        asked_free(asked);
        return;
    }
    MUST(!reply->resumed, WHO "subscribed again, as resumed", WHO_OF(client));
    begin_sub(check_sub_of(client, reply->id), false, tide->seq_stored);
    report_note(EVENT_RESYNC);
}

static void on_ok(struct client *client, const struct reply *reply) {
    struct asked *asked = answer_to(client, reply->id, true, ACK_NONE);
    MUST(asked != NULL && asked->expected == AHORA_OK &&
             (asked->op == REQUEST_UNSUB || asked->op == REQUEST_AUTH || asked->op == REQUEST_MOVE),
         WHO "an ok that answers nothing: %" PRId64, WHO_OF(client), reply->id);
    if (asked->op == REQUEST_UNSUB) {
        client->subs[asked->slot].state = SUB_NONE;
        client->subs[asked->slot].begun = false;
        report_note(EVENT_UNSUBSCRIBED);
    }
    if (asked->op == REQUEST_MOVE) { /* from here on, but no token stands for it yet */
        struct sub *sub = &client->subs[asked->slot];
        const int64_t limit = sub->narrow.near.limit;
        sub->narrow.near = asked->narrow.near;
        sub->narrow.near.limit = asked->narrow.near.limit > 0 ? asked->narrow.near.limit : limit;
        sub->has_token = false;
        sub->live = false;
        report_note(EVENT_MOVED);
    }
    asked_free(asked);
}

static void on_pong(struct client *client, const struct reply *reply) {
    struct asked *asked = answer_to(client, reply->id, true, ACK_NONE);
    MUST(asked != NULL && asked->op == REQUEST_PING, WHO "a pong that answers nothing", WHO_OF(client));
    asked_free(asked);
}

static void on_welcome(struct client *client, const struct reply *reply, const struct tide *tide) {
    struct asked *asked = answer_to(client, 0, true, ACK_NONE);
    MUST(asked != NULL && asked->op == REQUEST_HELLO && asked->expected == AHORA_OK, WHO "a welcome too many", WHO_OF(client));
    MUST(span_is(reply->epoch, client->sim->epoch), WHO "welcome names another epoch", WHO_OF(client));
    MUST(reply->seq <= tide->seq_stored, WHO "welcome tells of what is not stored", WHO_OF(client));
    client->greeted = true;
    asked_free(asked);
}

static void on_error(struct client *client, const struct reply *reply) {
    struct asked *asked = answer_to(client, reply->id, true, ACK_NONE);
    if (asked == NULL) {
        MUST(reply->id == 0 && reply->code == AHORA_BAD_MESSAGE && client->expects_close,
             WHO "an error that answers nothing: %s", WHO_OF(client), ahora_code_name(reply->code));
        report_note(EVENT_BAD_MESSAGE);
        return;
    }
    MUST(asked->expected == reply->code, WHO "message %" PRId64 " got %s, must get %s", WHO_OF(client), reply->id,
         ahora_code_name(reply->code), ahora_code_name(asked->expected));
    if (reply->code == AHORA_RATE_LIMITED) {
        MUST(reply->retry_ms > 0, WHO "rate_limited without retry_ms", WHO_OF(client));
        report_note(EVENT_RATE_LIMITED);
    }
    if (asked->wrong_narrow && reply->code == AHORA_INVALID) {
        MUST(reply->errors.data != NULL, WHO "a refusal that does not say where", WHO_OF(client));
        report_note(EVENT_NARROW_REFUSED);
    }
    if (asked->slot >= 0 && asked->op == REQUEST_SUB) {
        client->subs[asked->slot].state = SUB_NONE;
    }
    asked_free(asked);
}

static void on_published(struct client *client, const struct reply *reply, const struct tide *tide) {
    struct asked *asked = answer_to(client, reply->id, false, ACK_DURABLE);
    if (asked != NULL) {
        MUST(asked->ack_seq <= tide->seq_durable, WHO "pub %" PRId64 " was acknowledged before it was durable", WHO_OF(client),
             reply->id);
        report_note(EVENT_ACK_DURABLE);
    } else {
        asked = answer_to(client, reply->id, false, ACK_APPLIED);
        MUST(asked != NULL, WHO "published %" PRId64 ", out of turn or twice", WHO_OF(client), reply->id);
        MUST(asked->ack_seq <= tide->seq_stored, WHO "pub %" PRId64 " was acknowledged before it was stored", WHO_OF(client),
             reply->id);
        report_note(EVENT_ACK_APPLIED);
    }
    check_results(asked, reply->results);
    asked_free(asked);
}

/* ---- get ---- */

/* A snapshot has no margin. */
static bool passes(const struct client *client, const struct asked *asked, const struct version *version) {
    const enum standing standing = narrow_judge(&asked->narrow, &version->paper, &client->sim->limits);
    return standing == STANDING_IN || (standing == STANDING_BORDER && narrow_distance(&asked->narrow.near, &version->paper) <=
                                                                          (double)asked->narrow.near.radius_m);
}

static void check_item(struct client *client, struct span item, const struct asked *asked, int64_t seq, uint64_t *seen) {
    const struct model *model = &client->sim->model;
    struct pack_reader path = pack_reader_of(pack_find(item, "topic"));
    struct pack_reader number = pack_reader_of(pack_find(item, "seq"));
    struct paper paper;
    int topic = model_find_topic(model, pack_read_text(&path));
    MUST(topic >= 0 && asked->topics >> topic & 1 && !(*seen >> topic & 1), WHO "a snapshot holds a wrong topic",
         WHO_OF(client));
    MUST(*seen >> topic == 0 ||
             strcmp(check_path(client, (unsigned)(63 - __builtin_clzll(*seen))), check_path(client, (unsigned)topic)),
         WHO "a topic twice", WHO_OF(client));
    *seen |= UINT64_C(1) << topic;
    const struct version *version = model_at(model, (unsigned)topic, seq);
    MUST(version != NULL && !version->removed && version->seq == pack_read_int(&number),
         WHO "a snapshot holds %s at a wrong seq", WHO_OF(client), check_path(client, (unsigned)topic));
    MUST(paper_read(pack_find(item, "data"), &paper) && paper_equal(&paper, &version->paper),
         WHO "a snapshot holds a wrong document", WHO_OF(client));
    MUST(passes(client, asked, version), WHO "a snapshot holds a document that does not match", WHO_OF(client));
    struct pack_reader stale = pack_reader_of(pack_find(item, "stale"));
    MUST(version->stale ? pack_read_bool(&stale) : pack_peek(&stale) == PACK_END, WHO "a snapshot: stale or not",
         WHO_OF(client));
}

static void on_snapshot(struct client *client, const struct reply *reply, const struct tide *tide) {
    struct asked *asked = answer_to(client, reply->id, true, ACK_NONE);
    MUST(asked != NULL && asked->op == REQUEST_GET && asked->expected == AHORA_OK, WHO "a snapshot that answers nothing",
         WHO_OF(client));
    MUST(reply->seq <= tide->seq_stored, WHO "a snapshot was shown before it was stored", WHO_OF(client));
    struct pack_reader items = pack_reader_of(reply->items);
    uint64_t seen = 0;
    int64_t count = pack_read_list(&items);
    MUST(asked->limit == 0 || count <= asked->limit, WHO "a snapshot past its limit", WHO_OF(client));
    for (int64_t left = count; left > 0; left--) {
        check_item(client, pack_skip(&items), asked, reply->seq, &seen);
    }
    int64_t there = 0;
    for (unsigned topic = 0; topic < client->sim->model.topic_count; topic++) {
        there += (asked->topics >> topic & 1) && model_exists_at(&client->sim->model, topic, reply->seq) &&
                 passes(client, asked, model_at(&client->sim->model, topic, reply->seq));
    }
    MUST(reply->more == (count < there), WHO "a snapshot of %" PRId64 " out of %" PRId64 ", more: %d", WHO_OF(client), count,
         there, reply->more);
    report_note(EVENT_SNAPSHOT);
    asked_free(asked);
}

/* ---- all of them ---- */

static void on_bye(struct client *client, const struct reply *reply) {
    MUST(client->sim->draining && !client->bye && reply->retry_ms >= 1, WHO "a bye out of season", WHO_OF(client));
    client->bye = true;
}

void check_reply(struct client *client, const struct reply *reply, const struct tide *tide) {
    report_line("client %u hears %s id %" PRId64 " ref %" PRId64 " seq %" PRId64 " %.*s %s", client->number,
                reply_op_name(reply->op), reply->id, reply->ref, reply->seq, (int)reply->topic.bytes,
                reply->topic.data == NULL ? "" : (const char *)reply->topic.data,
                reply->op == REPLY_REMOVE ? ahora_why_name(reply->why) : "");
    switch (reply->op) {
    case REPLY_SET:
    case REPLY_PATCH:
    case REPLY_REMOVE:
        check_data(client, reply, tide);
        return;
    case REPLY_WELCOME:
        on_welcome(client, reply, tide);
        return;
    case REPLY_SUBSCRIBED:
        on_subscribed(client, reply, tide);
        return;
    case REPLY_LIVE:
        check_live(client, reply, tide);
        return;
    case REPLY_BEAT:
        check_beat(client, reply, tide);
        return;
    case REPLY_SNAPSHOT:
        on_snapshot(client, reply, tide);
        return;
    case REPLY_PUBLISHED:
        on_published(client, reply, tide);
        return;
    case REPLY_OK:
        on_ok(client, reply);
        return;
    case REPLY_PONG:
        on_pong(client, reply);
        return;
    case REPLY_ERROR:
        on_error(client, reply);
        return;
    case REPLY_BYE:
        on_bye(client, reply);
        return;
    }
    report_failure(WHO "a message of no op", WHO_OF(client));
}

/* ---- results of a pub ---- */

static void check_result(const struct asked *asked, unsigned index, struct span result) {
    const struct verdict *right = &asked->verdicts[index];
    struct span error = pack_find(result, "error");
    struct pack_reader seq = pack_reader_of(pack_find(error.data == NULL ? result : error, "seq"));
    enum ahora_code code = AHORA_OK;
    if (error.data != NULL) {
        struct pack_reader name = pack_reader_of(pack_find(error, "code"));
        struct span text = pack_read_text(&name);
        code = ahora_code_parse((const char *)text.data, text.bytes);
    }
    const struct wish *wish = &asked->wishes[index];
    MUST(code == right->code, "change %u of a pub (%s %s): %s, must be %s", index, change_op_name(wish->op), wish->path,
         ahora_code_name(code), ahora_code_name(right->code));
    if (code == AHORA_OK || code == AHORA_CONFLICT) {
        const int64_t number = pack_read_int(&seq);
        MUST(!seq.failed && number == right->seq, "change %u of a pub (%s %s): seq %" PRId64 ", must be %" PRId64, index,
             change_op_name(wish->op), wish->path, number, right->seq);
    }
}

void check_results(const struct asked *asked, struct span results) {
    struct pack_reader reader = pack_reader_of(results);
    const uint32_t count = pack_read_list(&reader);
    MUST(!reader.failed && count == asked->wish_count, "a pub of %u changes has %u results", asked->wish_count, count);
    for (unsigned i = 0; i < count; i++) {
        check_result(asked, i, pack_skip(&reader));
    }
}
