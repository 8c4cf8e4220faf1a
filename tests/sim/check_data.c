/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a client is told of topics, held against the model (protocol.md sections 1 and 4). */
#include <inttypes.h>

#include "tests/sim/check.h"

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
    MUST(version != NULL, WHO "%s never had seq %" PRId64, WHO_OF(client), check_path(client, topic), reply->seq);
    if (reply->op == REPLY_REMOVE && reply->why == AHORA_WHY_LEFT) {
        report_note(EVENT_LEFT);
        return version;
    }
    MUST(version->removed == (reply->op == REPLY_REMOVE), WHO "%s seq %" PRId64 ": %s", WHO_OF(client),
         check_path(client, topic), reply->seq, version->removed ? "was a removal" : "was no removal");
    MUST(version->at == reply->at || reply->op == REPLY_REMOVE, WHO "%s seq %" PRId64 ": wrong `at`", WHO_OF(client),
         check_path(client, topic), reply->seq);
    MUST(reply->op != REPLY_REMOVE || reply->why == version->why, WHO "%s: wrong `why`", WHO_OF(client),
         check_path(client, topic));
    MUST(reply->has_stale == version->stale && reply->stale == version->stale, WHO "%s seq %" PRId64 ": stale or not",
         WHO_OF(client), check_path(client, topic), reply->seq);
    return version;
}

static void check_document(struct client *client, const struct reply *reply, unsigned topic, const struct version *version,
                           const struct version *held) {
    struct paper paper = {0};
    if (reply->data.data != NULL) {
        MUST(paper_read(reply->data, &paper), WHO "%s: data that nobody wrote", WHO_OF(client), check_path(client, topic));
    }
    if (reply->op == REPLY_PATCH) {
        struct paper merged = held->paper;
        paper_merge(&merged, &paper);
        paper = merged;
    }
    MUST(paper_equal(&paper, &version->paper), WHO "%s seq %" PRId64 ": another document than was written", WHO_OF(client),
         check_path(client, topic), reply->seq);
}

enum standing check_standing(const struct client *client, const struct sub *sub, const struct version *version) {
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
    const enum standing standing = check_standing(client, sub, version);
    MUST(!alone || reply->op == REPLY_REMOVE || standing != STANDING_OUT,
         WHO "sub %" PRId64 ": %s seq %" PRId64 " does not match what it asked for", WHO_OF(client), sub->id,
         check_path(client, topic), reply->seq);
    MUST(reply->seq >= sub->last[topic], WHO "sub %" PRId64 ": %s went back", WHO_OF(client), sub->id,
         check_path(client, topic));
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
         WHO "sub %" PRId64 ": %s went from seq %" PRId64 " back to %" PRId64, WHO_OF(client), sub->id,
         check_path(client, topic), sub->last[topic], seq);
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

void check_data(struct client *client, const struct reply *reply, const struct tide *tide) {
    MUST(reply->seq <= tide->seq_stored, WHO "seq %" PRId64 " was shown while only %" PRId64 " was stored", WHO_OF(client),
         reply->seq, tide->seq_stored);
    const unsigned topic = topic_of(client, reply);
    MUST(reply->seq >= client->heard[topic], WHO "%s went from seq %" PRId64 " back to %" PRId64, WHO_OF(client),
         check_path(client, topic), client->heard[topic], reply->seq);
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
    MUST(wanted > 0, WHO "%s seq %" PRId64 " belongs to no subscription", WHO_OF(client), check_path(client, topic),
         reply->seq);
    MUST(fitting > 0, WHO "%s seq %" PRId64 ": a patch on a version this client does not hold", WHO_OF(client),
         check_path(client, topic), reply->seq);
    report_note(reply->op == REPLY_SET ? EVENT_SET : reply->op == REPLY_PATCH ? EVENT_PATCH : EVENT_REMOVE);
    if (wanted > 1) {
        report_note(EVENT_OVERLAP);
    }
}
