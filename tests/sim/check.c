/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Everything a client reads, held against the model (protocol.md sections 1 and 4). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define WHO "client %u (%s): "
#define WHO_OF(client) (client)->number, encoding_name((client)->encoding)

static const char *encoding_name(enum encoding encoding) {
    static const char *const names[] = {"msgpack", "json", "sse"};
    return names[encoding];
}

static const char *path_of(const struct client *client, unsigned topic) {
    return client->sim->model.topics[topic].path;
}

/* ---- data ---- */

static unsigned topic_of(struct client *client, const struct reply *reply) {
    if (reply->op == REPLY_PATCH) {
        MUST(reply->ref > 0 && reply->ref < REFS_MAX && client->topic_of_ref[reply->ref] >= 0,
             WHO "patch seq %" PRId64 " for ref %" PRId64 " that no `set` introduced here", WHO_OF(client), reply->seq,
             reply->ref);
        return (unsigned)client->topic_of_ref[reply->ref];
    }
    int topic = model_find_topic(&client->sim->model, reply->topic);
    MUST(topic >= 0, WHO "a topic nobody made: %.*s", WHO_OF(client), (int)reply->topic.bytes, (const char *)reply->topic.data);
    if (reply->ref > 0) {
        MUST(reply->ref < REFS_MAX, "more refs than this simulation has room for");
        int known = client->topic_of_ref[reply->ref];
        MUST(known < 0 || known == topic, WHO "ref %" PRId64 " stood for another topic", WHO_OF(client), reply->ref);
    }
    if (reply->op == REPLY_SET) {
        MUST(reply->ref > 0, WHO "a set without ref", WHO_OF(client));
        client->topic_of_ref[reply->ref] = (int8_t)topic;
    }
    return (unsigned)topic;
}

/* The message says what the model says of that topic at that seq. */
static const struct version *check_content(struct client *client, const struct reply *reply, unsigned topic) {
    const struct version *version = model_version(&client->sim->model, topic, reply->seq);
    MUST(version != NULL, WHO "%s never had seq %" PRId64, WHO_OF(client), path_of(client, topic), reply->seq);
    if (reply->op == REPLY_REMOVE && reply->why == AHORA_WHY_LEFT) {
        report_note(EVENT_LEFT);
        return version;
    }
    MUST(version->removed == (reply->op == REPLY_REMOVE), WHO "%s seq %" PRId64 ": %s", WHO_OF(client), path_of(client, topic),
         reply->seq, version->removed ? "was a removal" : "was no removal");
    MUST(version->at == reply->at || reply->op == REPLY_REMOVE, WHO "%s seq %" PRId64 ": wrong `at`", WHO_OF(client),
         path_of(client, topic), reply->seq);
    MUST(reply->op != REPLY_REMOVE || reply->why == version->why, WHO "%s: wrong `why`", WHO_OF(client),
         path_of(client, topic));
    MUST(reply->has_stale == version->stale && reply->stale == version->stale, WHO "%s seq %" PRId64 ": stale or not",
         WHO_OF(client), path_of(client, topic), reply->seq);
    return version;
}

static void check_document(struct client *client, const struct reply *reply, unsigned topic, const struct version *version,
                           const struct version *held) {
    struct paper paper = {0};
    if (reply->data.data != NULL) {
        MUST(paper_read(reply->data, &paper), WHO "%s: data that nobody wrote", WHO_OF(client), path_of(client, topic));
    }
    if (reply->op == REPLY_PATCH) {
        struct paper merged = held->paper;
        paper_merge(&merged, &paper);
        paper = merged;
    }
    MUST(paper_equal(&paper, &version->paper), WHO "%s seq %" PRId64 ": another document than was written", WHO_OF(client),
         path_of(client, topic), reply->seq);
}

static enum standing standing_of(const struct client *client, const struct sub *sub, const struct version *version) {
    if (version == NULL || version->removed) {
        return STANDING_OUT;
    }
    const enum standing standing = narrow_judge(&sub->narrow, &version->paper, &client->sim->limits);
    if (standing == STANDING_BORDER) {
        report_note(EVENT_BORDER);
    }
    return standing;
}

/* It left every view of this client: what it holds of it is gone, and any `set` may bring it back. */
static void hear_left(struct sub *sub, int64_t seq, unsigned topic) {
    sub->counted += seq > sub->count_after;
    if (seq >= sub->held[topic]) {
        sub->held[topic] = 0;
        sub->last[topic] = seq - 1;
    }
}

/* A client that narrows looks at each document itself, because it may have come for another subscription. */
static bool hear_narrowed(struct client *client, struct sub *sub, const struct reply *reply, unsigned topic,
                          const struct version *version) {
    const bool alone = !sub->shared && !sub->overlaps;
    const enum standing standing = standing_of(client, sub, version);
    MUST(!alone || reply->op == REPLY_REMOVE || standing != STANDING_OUT,
         WHO "sub %" PRId64 ": %s seq %" PRId64 " does not match what it asked for", WHO_OF(client), sub->id,
         path_of(client, topic), reply->seq);
    MUST(reply->seq >= sub->last[topic], WHO "sub %" PRId64 ": %s went back", WHO_OF(client), sub->id, path_of(client, topic));
    const bool fits = reply->op != REPLY_PATCH || sub->held[topic] == version->seq_before || sub->held[topic] == reply->seq;
    if (standing == STANDING_OUT) {
        sub->held[topic] = 0;
    } else if (fits) {
        sub->held[topic] = reply->seq;
    }
    if (fits) {
        sub->last[topic] = reply->seq;
    }
    return fits;
}

/* One subscription's part of it. True: it was news, or may be taken as such. */
static bool hear(struct client *client, struct sub *sub, const struct reply *reply, unsigned topic,
                 const struct version *version) {
    const int64_t seq = reply->seq;
    const bool repeated = seq <= sub->last[topic];
    MUST(seq > sub->last[topic] || (seq == sub->last[topic] && (sub->shared || sub->overlaps)),
         WHO "sub %" PRId64 ": %s went from seq %" PRId64 " back to %" PRId64, WHO_OF(client), sub->id, path_of(client, topic),
         sub->last[topic], seq);
    if (seq > sub->count_after) {
        sub->counted++;
    }
    if (repeated || seq < sub->held[topic]) {
        return true;
    }
    if (reply->op == REPLY_PATCH && seq > sub->held[topic] && sub->held[topic] != version->seq_before) {
        return false; /* not for this one: it has not got so far */
    }
    if (version->seq_before > sub->held[topic] && sub->held[topic] > 0) {
        report_note(EVENT_CONFLATED);
    }
    sub->last[topic] = seq;
    sub->held[topic] = reply->op == REPLY_REMOVE ? 0 : seq;
    return true;
}

static void on_data(struct client *client, const struct reply *reply, const struct tide *tide) {
    MUST(reply->seq <= tide->seq_stored, WHO "seq %" PRId64 " was shown while only %" PRId64 " was stored", WHO_OF(client),
         reply->seq, tide->seq_stored);
    const unsigned topic = topic_of(client, reply);
    MUST(reply->seq >= client->heard[topic], WHO "%s went from seq %" PRId64 " back to %" PRId64, WHO_OF(client),
         path_of(client, topic), client->heard[topic], reply->seq);
    client->heard[topic] = reply->seq;
    const struct version *version = check_content(client, reply, topic);
    const struct version *before = model_at(&client->sim->model, topic, reply->seq - 1);
    if (reply->op != REPLY_REMOVE) {
        MUST(reply->op == REPLY_SET || (before != NULL && !before->removed), WHO "a patch on nothing", WHO_OF(client));
        check_document(client, reply, topic, version, before);
    }
    unsigned wanted = 0;
    unsigned fitting = 0;
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &client->subs[i];
        if (!sub->begun || !(sub->topics >> topic & 1)) {
            continue;
        }
        wanted += reply->why != AHORA_WHY_LEFT || narrow_is_any(&sub->narrow);
        if (reply->op == REPLY_REMOVE && reply->why == AHORA_WHY_LEFT) {
            hear_left(sub, reply->seq, topic);
            fitting++;
        } else if (narrow_is_any(&sub->narrow)) {
            fitting += hear_narrowed(client, sub, reply, topic, version);
        } else {
            fitting += hear(client, sub, reply, topic, version);
        }
    }
    MUST(wanted > 0, WHO "%s seq %" PRId64 " belongs to no subscription", WHO_OF(client), path_of(client, topic), reply->seq);
    MUST(fitting > 0, WHO "%s seq %" PRId64 ": a patch on a version this client does not hold", WHO_OF(client),
         path_of(client, topic), reply->seq);
    report_note(reply->op == REPLY_SET ? EVENT_SET : reply->op == REPLY_PATCH ? EVENT_PATCH : EVENT_REMOVE);
    if (wanted > 1) {
        report_note(EVENT_OVERLAP);
    }
}

/* ---- complete up to a seq ---- */

/* With a circle it must hold what is well inside, and not what is well outside. Where another subscription brings the same topics, the
   client cannot tell what the broker counts to this one, and only the first is certain. */
static void check_near(struct client *client, const struct sub *sub, unsigned topic, const struct version *version,
                       const char *when) {
    const bool alone = !sub->shared && !sub->overlaps;
    const enum standing standing = standing_of(client, sub, version);
    const int64_t held = sub->held[topic];
    const bool must = standing == STANDING_IN && sub->narrow.near.limit == 0;
    const bool may = standing != STANDING_OUT || !alone;
    MUST(!must || held == version->seq, WHO "sub %" PRId64 " at %s: holds %s at seq %" PRId64 ", which lies inside at %" PRId64,
         WHO_OF(client), sub->id, when, path_of(client, topic), held, version->seq);
    MUST(may || held == 0, WHO "sub %" PRId64 " at %s: holds %s at seq %" PRId64 ", which lies outside", WHO_OF(client),
         sub->id, when, path_of(client, topic), held);
    MUST(!alone || held == 0 || held == version->seq, WHO "sub %" PRId64 " at %s: holds %s at seq %" PRId64, WHO_OF(client),
         sub->id, when, path_of(client, topic), held);
}

/* Of those inside the nearest so many, and none that is farther than one it does not hold. */
static void check_nearest(struct client *client, const struct sub *sub, int64_t seq) {
    const struct model *model = &client->sim->model;
    int64_t inside = 0;
    int64_t border = 0;
    int64_t held = 0;
    double farthest_held = 0;
    double nearest_other = 1e9;
    for (unsigned topic = 0; topic < model->topic_count; topic++) {
        const struct version *version = sub->topics >> topic & 1 ? model_at(model, topic, seq) : NULL;
        const enum standing standing = standing_of(client, sub, version);
        if (standing == STANDING_OUT) {
            continue;
        }
        const double distance = narrow_distance(&sub->narrow.near, &version->paper);
        inside += standing == STANDING_IN;
        border += standing == STANDING_BORDER;
        held += sub->held[topic] > 0;
        if (sub->held[topic] > 0) {
            farthest_held = distance > farthest_held ? distance : farthest_held;
        } else if (standing == STANDING_IN) {
            nearest_other = distance < nearest_other ? distance : nearest_other;
        }
    }
    const int64_t limit = sub->narrow.near.limit;
    const int64_t least = inside < limit ? inside : limit;
    const int64_t most = inside + border < limit ? inside + border : limit;
    MUST(held >= least && held <= most, WHO "sub %" PRId64 ": holds %" PRId64 " of %" PRId64 " inside, limit %" PRId64,
         WHO_OF(client), sub->id, held, inside, limit);
    MUST(farthest_held <= nearest_other + 1, WHO "sub %" PRId64 ": holds one %.0f m away, and not another %.0f m away",
         WHO_OF(client), sub->id, farthest_held, nearest_other);
    report_note(EVENT_NEAREST);
}

/* Whoever is complete up to `seq` holds each topic as it was then, or (`or_newer`) a later version. */
static void check_complete(struct client *client, const struct sub *sub, int64_t seq, bool or_newer, const char *when) {
    const struct model *model = &client->sim->model;
    for (unsigned topic = 0; topic < model->topic_count; topic++) {
        if (!(sub->topics >> topic & 1)) {
            continue;
        }
        const struct version *version = model_at(model, topic, seq);
        const bool later = or_newer && (sub->held[topic] > seq || sub->last[topic] >= seq);
        if (sub->narrow.near.wanted) {
            if (!later) {
                check_near(client, sub, topic, version, when);
            }
            continue;
        }
        const int64_t right = standing_of(client, sub, version) == STANDING_OUT ? 0 : version->seq;
        MUST(sub->held[topic] == right || later,
             WHO "sub %" PRId64 " at %s %" PRId64 ": holds %s at seq %" PRId64 ", must hold %" PRId64, WHO_OF(client), sub->id,
             when, seq, path_of(client, topic), sub->held[topic], right);
    }
    if (sub->narrow.near.limit > 0 && !or_newer && !sub->shared && !sub->overlaps) {
        check_nearest(client, sub, seq);
    }
}

static struct sub *sub_of(struct client *client, int64_t id) {
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &client->subs[i];
        if (sub->begun && sub->id == id) {
            return sub;
        }
    }
    report_failure(WHO "a message for subscription %" PRId64 " that is not there", WHO_OF(client), id);
}

static void note_token(struct client *client, struct sub *sub, int64_t seq) {
    memcpy(sub->token_epoch, client->epoch, sizeof sub->token_epoch);
    sub->token = !sub->has_token || seq > sub->token ? seq : sub->token;
    sub->has_token = true;
}

static void on_live(struct client *client, const struct reply *reply, const struct tide *tide) {
    struct sub *sub = sub_of(client, reply->id);
    MUST(reply->seq <= tide->seq_stored, WHO "live before it was stored", WHO_OF(client));
    check_complete(client, sub, reply->seq, false, "live");
    const int64_t skipped = model_count(&client->sim->model, sub->topics, sub->count_after, reply->seq) - sub->counted;
    if (!sub->shared && !sub->overlaps && !narrow_is_any(&sub->narrow)) {
        MUST(skipped == reply->skipped,
             WHO "sub %" PRId64 ": live %" PRId64 " tells of %" PRId64 " skipped versions, not %" PRId64, WHO_OF(client),
             sub->id, reply->seq, reply->skipped, skipped);
        report_note(EVENT_SKIPPED_EXACT);
    }
    if (reply->skipped > 0) {
        report_note(EVENT_SKIPPED);
    }
    MUST(sub->live_ms == 0 || tide->mono_ms - sub->live_ms >= sub->every_ms,
         WHO "sub %" PRId64 " asked for every %" PRId64 " ms and got %" PRId64, WHO_OF(client), sub->id, sub->every_ms,
         tide->mono_ms - sub->live_ms);
    sub->live = true;
    sub->live_ms = tide->mono_ms;
    sub->count_after = reply->seq;
    sub->counted = 0;
    if (client->encoding != ENCODING_SSE) {
        note_token(client, sub, reply->seq);
    }
    report_note(EVENT_LIVE);
    if (sub->narrow.count > 0) {
        report_note(EVENT_WHERE);
    }
    if (sub->narrow.near.wanted) {
        report_note(EVENT_NEAR);
    }
    if (sub->every_ms > 0) {
        report_note(EVENT_PACED);
    }
}

static void on_beat(struct client *client, const struct reply *reply, const struct tide *tide) {
    MUST(reply->seq <= tide->seq_stored, WHO "a beat of what is not stored", WHO_OF(client));
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &client->subs[i];
        if (sub->state == SUB_ACTIVE && sub->live) {
            if (reply->seq > sub->count_after) { /* else its last `live` said more: another subscription holds the beat back */
                check_complete(client, sub, reply->seq, true, "beat");
            }
            if (client->encoding != ENCODING_SSE) {
                note_token(client, sub, reply->seq);
            }
        }
    }
    report_note(EVENT_BEAT);
}

void check_token(struct client *client, const struct token *token, const struct tide *tide) {
    MUST(strcmp(token->epoch, client->epoch) == 0, WHO "an id of another epoch", WHO_OF(client));
    MUST(token->seq <= tide->seq_stored, WHO "an id of what is not stored", WHO_OF(client));
    if (client->subs[0].state == SUB_ACTIVE) {
        note_token(client, &client->subs[0], token->seq);
    }
}

void check_quiet(struct client *client) {
    const struct model *model = &client->sim->model;
    for (unsigned i = 0; i < SUBS_MAX; i++) {
        const struct sub *sub = &client->subs[i];
        if (sub->state == SUB_ACTIVE) {
            MUST(sub->live, WHO "sub %" PRId64 " never became live", WHO_OF(client), sub->id);
            check_complete(client, sub, model->seq, false, "rest");
        }
        MUST(sub->state != SUB_ASKED && sub->state != SUB_LEAVING, WHO "sub %" PRId64 " was not answered", WHO_OF(client),
             sub->id);
    }
    MUST(client->open.count == 0, WHO "%u messages were not answered", WHO_OF(client), client->open.count);
    report_note(EVENT_QUIET);
}

/* ---- answers ---- */

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
            const bool out = standing_of(client, sub, model_version(model, topic, heard)) == STANDING_OUT;
            sub->held[topic] = out ? 0 : heard;
        }
    }
}

static void start_sub(struct client *client, const struct asked *asked, bool resumed) {
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
        start_sub(client, asked, reply->resumed);
        asked_free(asked);
        return;
    }
    MUST(!reply->resumed, WHO "subscribed again, as resumed", WHO_OF(client));
    begin_sub(sub_of(client, reply->id), false, tide->seq_stored);
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
             strcmp(path_of(client, (unsigned)(63 - __builtin_clzll(*seen))), path_of(client, (unsigned)topic)),
         WHO "a topic twice", WHO_OF(client));
    *seen |= UINT64_C(1) << topic;
    const struct version *version = model_at(model, (unsigned)topic, seq);
    MUST(version != NULL && !version->removed && version->seq == pack_read_int(&number),
         WHO "a snapshot holds %s at a wrong seq", WHO_OF(client), path_of(client, (unsigned)topic));
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
        on_data(client, reply, tide);
        return;
    case REPLY_WELCOME:
        on_welcome(client, reply, tide);
        return;
    case REPLY_SUBSCRIBED:
        on_subscribed(client, reply, tide);
        return;
    case REPLY_LIVE:
        on_live(client, reply, tide);
        return;
    case REPLY_BEAT:
        on_beat(client, reply, tide);
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

/* ---- what is expected of a message ---- */

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
        start_sub(client, asked, resumed);
    }
    if (is_stream || (asked->op == REQUEST_PUB && asked->expected == AHORA_OK && asked->ack == ACK_NONE)) {
        asked_free(asked);
        report_note(is_stream ? EVENT_SUBSCRIBED : EVENT_ACK_NONE);
        return;
    }
    asked_push(&client->open, asked);
}
