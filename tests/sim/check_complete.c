/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a client holds when it is told that it has everything: live, beats, ids of a stream, and at rest. */
#include <inttypes.h>
#include <string.h>

#include "tests/sim/check.h"

/* With a circle it must hold what is well inside, and not what is well outside. Where another subscription brings the same topics, the
   client cannot tell what the broker counts to this one, and only the first is certain. */
static void check_near(struct client *client, const struct sub *sub, unsigned topic, const struct version *version,
                       const char *when) {
    const bool alone = !sub->shared && !sub->overlaps;
    const enum standing standing = check_standing(client, sub, version);
    const int64_t held = sub->held[topic];
    const bool must = standing == STANDING_IN && sub->narrow.near.limit == 0;
    const bool may = standing != STANDING_OUT || !alone;
    MUST(!must || held == version->seq, WHO "sub %" PRId64 " at %s: holds %s at seq %" PRId64 ", which lies inside at %" PRId64,
         WHO_OF(client), sub->id, when, check_path(client, topic), held, version->seq);
    MUST(may || held == 0, WHO "sub %" PRId64 " at %s: holds %s at seq %" PRId64 ", which lies outside", WHO_OF(client),
         sub->id, when, check_path(client, topic), held);
    MUST(!alone || held == 0 || held == version->seq, WHO "sub %" PRId64 " at %s: holds %s at seq %" PRId64, WHO_OF(client),
         sub->id, when, check_path(client, topic), held);
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
        const enum standing standing = check_standing(client, sub, version);
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
        const int64_t right = check_standing(client, sub, version) == STANDING_OUT ? 0 : version->seq;
        MUST(sub->held[topic] == right || later,
             WHO "sub %" PRId64 " at %s %" PRId64 ": holds %s at seq %" PRId64 ", must hold %" PRId64, WHO_OF(client), sub->id,
             when, seq, check_path(client, topic), sub->held[topic], right);
    }
    if (sub->narrow.near.limit > 0 && !or_newer && !sub->shared && !sub->overlaps) {
        check_nearest(client, sub, seq);
    }
}

struct sub *check_sub_of(struct client *client, int64_t id) {
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

void check_live(struct client *client, const struct reply *reply, const struct tide *tide) {
    struct sub *sub = check_sub_of(client, reply->id);
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

void check_beat(struct client *client, const struct reply *reply, const struct tide *tide) {
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
