/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Who a session is: `hello`, `auth`, and the source that it speaks for; `ping`. */
#include <assert.h>
#include <stdio.h>

#include "broker/core/request.h"
#include "broker/core/state.h"

static void put_limit(struct buffer *out, const char *key, size_t value) {
    pack_put_key(out, key);
    pack_put_int(out, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static struct span limits_told(struct core *core, const struct session *session) {
    const struct limits *limits = &core->limits;
    struct buffer *out = &core->items;
    buffer_clear(out, limits->block_bytes);
    pack_put_map(out, 13);
    put_limit(out, "message_bytes_max", limits->message_bytes_max);
    put_limit(out, "document_bytes_max", limits->document_bytes_max);
    put_limit(out, "subscriptions_max", session_subscriptions_max(core, session));
    put_limit(out, "patterns_max", limits->patterns_max);
    put_limit(out, "changes_max", AHORA_CHANGES_MAX);
    put_limit(out, "publishes_max", limits->publishes_max);
    put_limit(out, "publish_rate_max", (size_t)limits->publish_rate_max);
    put_limit(out, "get_items_max", (size_t)limits->get_items_max);
    put_limit(out, "where_conditions_max", limits->where_conditions_max);
    put_limit(out, "where_values_max", limits->where_values_max);
    put_limit(out, "where_bytes_max", limits->where_bytes_max);
    put_limit(out, "nears_max", limits->nears_max);
    put_limit(out, "near_limit_max", limits->near_limit_max);
    return buffer_span(out);
}

static void refuse_hello(struct core *core, struct session *session, enum ahora_code code, const char *detail) {
    const int close_code = code == AHORA_BAD_MESSAGE ? AHORA_CLOSE_BAD_MESSAGE
                           : code == AHORA_FORBIDDEN ? AHORA_CLOSE_FORBIDDEN
                                                     : AHORA_CLOSE_TOO_MANY;
    session_reply_error(core, session, 0, code, detail);
    session_kick(core, session, close_code, ahora_code_name(code));
}

const char *request_source_fault(const struct core *core, const struct request *request) {
    const char *fault = name_segment_fault(request->source);
    return fault == NULL && request->grace_ms > core->limits.grace_ms_max ? "`grace_ms` is too long" : fault;
}

int64_t request_grace_ms(const struct core *core, const struct request *request) {
    return request->has_grace_ms ? request->grace_ms : core->limits.grace_ms;
}

/* The session speaks for a source from now on. False: refused. A follower has asked the ledger before, and keeps the name alone. */
static bool enter_source(struct core *core, struct session *session, const struct request *request) {
    const char *fault = request_source_fault(core, request);
    if (fault != NULL) {
        refuse_hello(core, session, AHORA_BAD_MESSAGE, fault);
        return false;
    }
    if (session->is_public) {
        refuse_hello(core, session, AHORA_FORBIDDEN, "sources do not speak at this address");
        return false;
    }
    if (!rights_allow_source(session->rights, request->source)) {
        refuse_hello(core, session, AHORA_FORBIDDEN, "this session may not speak for that source");
        return false;
    }
    enum ahora_code code = session->answer;
    if (!core->ledger.follows) {
        code = sources_enter(&core->ledger.sources, core->limits.sources_max, request->source, request_grace_ms(core, request),
                             request->on_lost == ON_LOST_DELETE, &session->source);
    } else if (code == AHORA_OK && (session->source = sources_take(&core->ledger.sources, request->source)) == NULL) {
        code = AHORA_OVERLOADED;
    }
    if (code != AHORA_OK) {
        refuse_hello(core, session, code, code == AHORA_TOO_MANY ? "the broker knows as many sources as it may" : "no memory");
    }
    return code == AHORA_OK;
}

void request_handle_hello(struct core *core, struct session *session, const struct request *request) {
    if (session->greeted) {
        session_reply_error(core, session, request->id, AHORA_BAD_MESSAGE, "hello was said before");
        return;
    }
    if (core->draining) {
        session_reply_error(core, session, 0, AHORA_DRAINING, "the broker is about to stop");
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_DRAINING));
        return;
    }
    if (!session_take_verdict(core, session, request) ||
        (request->source.data != NULL && !enter_source(core, session, request))) {
        return;
    }
    session->greeted = true;
    bool set = heap_set(&core->timers, &session->timer, core->mono_ms + core->limits.beat_ms / 2);
    assert(set && "moving a timer needs no memory");
    (void)set;
    char number[24];
    (void)snprintf(number, sizeof number, "s%llu", (unsigned long long)session->number);
    const struct reply reply = {
        .op = REPLY_WELCOME,
        .session = span_of_text(number),
        .epoch = span_of_text(core->epoch),
        .seq = core->seq_shown,
        .now = core->wall_ms,
        .beat_ms = core->limits.beat_ms,
        .limits = limits_told(core, session),
        .server = span_of_text(core->server),
    };
    session_reply(core, session, &reply);
}

void request_handle_auth(struct core *core, struct session *session, const struct request *request) {
    if (core->controlled) {
        session_renew(core, session, request);
        return;
    }
    const struct reply reply = {.op = REPLY_OK, .id = request->id};
    session_reply(core, session, &reply); /* access is open: every token will do */
}

void request_handle_ping(struct core *core, struct session *session, const struct request *request) {
    const struct reply reply = {.op = REPLY_PONG, .id = request->id, .now = core->wall_ms};
    session_reply(core, session, &reply);
}
