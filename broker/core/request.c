/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/request.h"

#include "broker/core/state.h"

typedef void request_function(struct core *core, struct session *session, const struct request *request);

static request_function *const handlers[] = {
    [REQUEST_HELLO] = request_handle_hello, [REQUEST_SUB] = request_handle_sub,   [REQUEST_UNSUB] = request_handle_unsub,
    [REQUEST_MOVE] = request_handle_move,   [REQUEST_GET] = request_handle_get,   [REQUEST_PUB] = request_handle_pub,
    [REQUEST_AUTH] = request_handle_auth,   [REQUEST_PING] = request_handle_ping,
};

/* A token of what is applied here and not shown yet: another core was faster with showing it. */
static bool is_ahead(const struct core *core, const struct request *request) {
    struct token token;
    return request->op == REQUEST_SUB && request->since.data != NULL && token_parse(request->since, &token) &&
           token.seq > core->seq_shown && token.seq <= core->ledger.seq;
}

/* Who reads after publishing reads what was published: a follower's answer waits until its publications are back. */
static bool must_wait(const struct core *core, const struct session *session, const struct request *request) {
    if (!core->ledger.follows) {
        return false;
    }
    const bool asks = request->op == REQUEST_GET || request->op == REQUEST_SUB || request->op == REQUEST_PING;
    return (session->posted_count > 0 && asks) || is_ahead(core, request);
}

/* Also if it is malformed. */
static bool says_hello(struct span message) {
    struct pack_reader reader = pack_reader_of(pack_find(message, "op"));
    return pack_peek(&reader) == PACK_TEXT && span_is(pack_read_text(&reader), "hello");
}

/* Is one of the patterns below `$demand`? They are not checked yet. */
static bool asks_demand(const struct request *request) {
    struct pack_reader reader = pack_reader_of(request->match);
    size_t left = pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 1;
    for (; left > 0; left--) {
        struct span text = pack_read_text(&reader);
        if (text.bytes > 0 && text.data[0] == '$') {
            return true;
        }
    }
    return false;
}

static bool may_be_source(const struct core *core, const struct session *session, const struct request *request) {
    const struct rights *rights;
    return session_verdict(core, session, request, &rights) == AHORA_OK && rights_allow_source(rights, request->source);
}

/* What a follower cannot answer by itself is asked of the ledger first; the message comes again with the answer. True: it waits. */
static bool must_ask(struct core *core, struct session *session, const struct request *request) {
    if (!core->ledger.follows || core->draining) {
        return false;
    }
    if (session->asked != NULL) {
        return true;
    }
    bool enters = request->op == REQUEST_HELLO && !session->greeted && request->source.data != NULL &&
                  request_source_fault(core, request) == NULL && !session->is_public && may_be_source(core, session, request);
    bool reads = (request->op == REQUEST_SUB || request->op == REQUEST_GET) && session->greeted && asks_demand(request) &&
                 rights_touch_demand(session->rights);
    if (!enters && !reads) {
        return false;
    }
    if (session->is_answered) {
        session->is_answered = false;
        return false;
    }
    bool asked = enters ? follow_enter(core, session, request->source, request_grace_ms(core, request),
                                       request->on_lost == ON_LOST_DELETE)
                        : follow_ask(core, session);
    if (!asked) {
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    }
    return true;
}

/* How many messages beyond its rate a session may send before it is ended. Each costs it an answer that it has to read. */
#define LIMITED_MAX 1000

/* 0: the message may be worked on, and is counted; else for how long the session has to wait. */
static int64_t take_allowance(struct core *core, struct session *session, size_t bytes) {
    const struct limits *limits = &core->limits;
    const int64_t messages_max = session->is_public ? limits->public_message_rate_max : limits->message_rate_max;
    const int64_t bytes_max = session->is_public ? limits->public_receive_rate_max : limits->receive_rate_max;
    const int64_t left = allowance_left(&session->received, bytes_max, core->mono_ms);
    if (left <= 0) {
        return allowance_take(&session->received, bytes_max, core->mono_ms, (int64_t)bytes);
    }
    const int64_t retry_ms = allowance_take(&session->messages, messages_max, core->mono_ms, 1);
    if (retry_ms == 0) {
        (void)allowance_take(&session->received, bytes_max, core->mono_ms, (int64_t)bytes);
        const bool rested = left >= bytes_max && session->messages.left + 1 >= messages_max;
        session->limited_count = rested ? 0 : session->limited_count;
    }
    return retry_ms;
}

/* It is told when it may go on; one that does not care is ended. */
static bool is_too_fast(struct core *core, struct session *session, int64_t id, size_t bytes) {
    const int64_t retry_ms = take_allowance(core, session, bytes);
    if (retry_ms == 0) {
        return false;
    }
    core->metrics.messages_limited++;
    session_reply_retry(core, session, id, AHORA_RATE_LIMITED, "this session sends faster than it may", retry_ms);
    if (++session->limited_count > LIMITED_MAX) {
        core->metrics.flooders++;
        session_kick(core, session, AHORA_CLOSE_TOO_MANY, ahora_code_name(AHORA_RATE_LIMITED));
    }
    return true;
}

bool request_handle(struct core *core, struct session *session, struct span message) {
    struct request request;
    const char *detail = NULL;
    enum ahora_code code = request_decode(message, &request, &detail);
    if (code == AHORA_OK && (must_wait(core, session, &request) || session_must_claim(core, session, &request) ||
                             must_ask(core, session, &request))) {
        return false;
    }
    core->metrics.messages_in++;
    if (!session->greeted && (code != AHORA_OK || request.op != REQUEST_HELLO)) {
        const bool is_malformed = code != AHORA_OK && says_hello(message);
        session_reply_error(core, session, request.id, AHORA_BAD_MESSAGE,
                            is_malformed ? detail : "the first message must be a hello");
        session_kick(core, session, AHORA_CLOSE_BAD_MESSAGE, ahora_code_name(AHORA_BAD_MESSAGE));
        return true;
    }
    if (session->encoding != ENCODING_SSE && is_too_fast(core, session, request.id, message.bytes)) {
        return true;
    }
    if (code != AHORA_OK) {
        session_reply_error(core, session, request.id, code, detail);
        return true;
    }
    handlers[request.op](core, session, &request);
    return true;
}
