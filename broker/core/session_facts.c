/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What an operator asks about sessions, and how one is sent away. */
#include "broker/core/state.h"

#include <assert.h>

static const struct subscription *subscription_of_link(const struct link *link) {
    static_assert(offsetof(struct subscription, of_session) == 0, "the link comes first");
    return (const struct subscription *)(const void *)link;
}

static bool has_everything(const struct subscription *subscription) {
    return subscription->announced && subscription->complete_count == subscription->cursor_count;
}

void session_facts(const struct core *core, const struct session *session, struct session_facts *facts) {
    *facts = (struct session_facts){
        .number = session->number,
        .principal = session_principal(session),
        .encoding = session->encoding,
        .age_ms = core->mono_ms - session->opened_ms,
        .subscriptions = session->subscription_count,
        .skipped = session->skipped,
        .outbox_bytes = session->outbox.bytes,
        .choked = session->choked,
        .greeted = session->greeted,
    };
    if (session->source != NULL) {
        facts->source = span_of(session->source->name, session->source->bytes);
    }
    for (const struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        const struct subscription *subscription = subscription_of_link(link);
        facts->live += has_everything(subscription);
        for (uint32_t i = 0; i < subscription->cursor_count; i++) {
            const struct cursor *cursor = &subscription->cursors[i];
            const int64_t behind = cursor->complete ? 0 : core->seq_shown - cursor->seq;
            facts->behind = behind > facts->behind ? behind : facts->behind;
        }
    }
}

bool session_follows(const struct session *session, const struct name *match) {
    for (const struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        const struct subscription *subscription = subscription_of_link(link);
        for (uint32_t i = 0; i < subscription->cursor_count; i++) {
            const struct name *pattern = &subscription->cursors[i].view->pattern;
            if (name_equal(pattern, match) || (!match->wild && name_matches(pattern, match))) {
                return true;
            }
        }
    }
    return false;
}

void session_put_patterns(const struct session *session, size_t count_max, struct buffer *out) {
    size_t count = 0;
    for (const struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        const struct subscription *subscription = subscription_of_link(link);
        for (uint32_t i = 0; i < subscription->cursor_count && count < count_max; i++, count++) {
            buffer_put_text(out, count > 0 ? "," : "");
            json_put_text(out, subscription->cursors[i].view->pattern.text);
        }
    }
}

void session_dismiss(struct core *core, struct session *session, const char *reason, int64_t retry_ms) {
    if (session->close_code != 0) {
        return;
    }
    const struct reply reply = {.op = REPLY_BYE, .reason = span_of_text(reason), .retry_ms = retry_ms};
    session_reply(core, session, &reply);
    session_kick(core, session, AHORA_CLOSE_GOING_AWAY, reason);
}
