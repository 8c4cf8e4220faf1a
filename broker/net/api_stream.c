/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * GET /v1/stream?match=…&where=&near=&since=&every_ms=: Server-Sent Events, a session of the core like any other whose subscription stands in the
 * query. The answer has no length and ends with the connection.
 */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/content.h"
#include "broker/net/narrow_query.h"

#include <assert.h>
#include <string.h>

struct stream_call {
    struct peer peer; /* first: the session's owner is the peer */
    struct exchange *exchange;
    bool choked;
    bool counted; /* among the event streams */
};

static struct stream_call *call_of(struct peer *peer) {
    return CONTAINER_OF(peer, struct stream_call, peer);
}

static enum peer_write stream_write(struct peer *peer, struct span bytes) {
    struct stream_call *call = call_of(peer);
    struct connection *connection = call->exchange->connection;
    if (!connection_send(connection, bytes)) {
        return PEER_BROKEN;
    }
    call->choked = connection_pending(connection) > 0;
    return call->choked ? PEER_CHOKED : PEER_WRITTEN;
}

/* The request is all there is to read. */
static void stream_set_reading(struct peer *peer, bool reading) {
    (void)peer;
    (void)reading;
}

static void leave_session(struct stream_call *call) {
    peer_leave(call->exchange->broker, &call->peer);
}

static void stream_end(struct peer *peer, int close_code, const char *reason) {
    (void)close_code;
    (void)reason; /* an `error` or `bye` event has told it */
    struct stream_call *call = call_of(peer);
    leave_session(call);
    exchange_answer_end(call->exchange);
}

static void stream_drop(struct peer *peer) {
    leave_session(call_of(peer));
    connection_close(call_of(peer)->exchange->connection);
}

static const struct transport *stream_transport(const struct peer *peer) {
    const struct stream_call *call = (const struct stream_call *)(const void *)peer;
    static_assert(offsetof(struct stream_call, peer) == 0, "the peer comes first");
    return call->exchange->connection->transport;
}

static const struct peer_calls calls = {
    .transport = stream_transport,
    .write = stream_write,
    .set_reading = stream_set_reading,
    .end = stream_end,
    .drop = stream_drop,
};

/* The subscription as the message that a WebSocket client would send. */
static bool put_subscription(struct exchange *exchange, const struct name *patterns, size_t count,
                             const struct narrow_query *narrow, struct buffer *out) {
    struct request request = {.op = REQUEST_SUB, .id = 1, .where = narrow->where, .near = narrow->near};
    struct buffer match;
    struct buffer since;
    bool malformed = false;
    buffer_init(&match, 65536);
    buffer_init(&since, AHORA_TOKEN_BYTES_MAX);
    pack_put_list(&match, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        pack_put_text(&match, patterns[i].text);
    }
    struct span last_event = http_header_find(&exchange->head, "last-event-id");
    request.match = buffer_span(&match);
    request.since = last_event;
    if (last_event.data == NULL && exchange_query(exchange, "since", &since, &malformed)) {
        request.since = buffer_span(&since);
    }
    bool good =
        exchange_query_int(exchange, "every_ms", 0, core_limits(exchange->broker->core)->every_ms_max, &request.every_ms);
    request_put(out, &request);
    size_t used;
    good = good && !malformed && !match.failed && !out->failed &&
           pack_check(buffer_span(out), AHORA_DEPTH_MAX, &used) == PACK_FINE;
    buffer_fini(&match);
    buffer_fini(&since);
    return good;
}

static bool refuse(struct exchange *exchange, enum ahora_code code, const char *detail) {
    exchange_problem(exchange, &(struct problem){.code = code, .detail = detail, .retry_ms = gate_slot_ms(exchange->broker)});
    return false;
}

static bool may_open(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    if (core_is_draining(broker->core)) {
        return refuse(exchange, AHORA_DRAINING, "the broker is going away");
    }
    if (pressure_is_high(broker)) {
        broker->metrics.joins_refused++;
        return refuse(exchange, AHORA_OVERLOADED, "the broker is short of memory");
    }
    if (broker->metrics.event_streams >= (uint64_t)broker->config.event_streams_max) {
        broker->metrics.event_streams_refused++;
        return refuse(exchange, AHORA_OVERLOADED, "as many event streams are open as may be");
    }
    return true;
}

static void open_stream(struct exchange *exchange, struct span subscription) {
    struct stream_call *call = exchange->state;
    struct core *core = exchange->broker->core;
    if (!may_open(exchange)) {
        return;
    }
    exchange->is_stream = true;
    call->exchange = exchange;
    call->peer.calls = &calls;
    call->peer.reading = true;
    if (exchange->head.method == HTTP_GET &&
        (call->peer.session = session_open(core, ENCODING_SSE, "anonymous", &call->peer)) == NULL) {
        exchange->is_stream = false;
        refuse(exchange, AHORA_OVERLOADED, "out of memory");
        return;
    }
    if (call->peer.session != NULL && !session_grant(core, call->peer.session, exchange->rights)) {
        leave_session(call);
        exchange->is_stream = false;
        refuse(exchange, AHORA_OVERLOADED, "out of memory, or too many different sets of fields");
        return;
    }
    call->counted = call->peer.session != NULL;
    exchange->broker->metrics.event_streams += call->counted;
    exchange_answer_begin(exchange, &(struct answer){.status = 200,
                                                     .type = "text/event-stream",
                                                     .headers = "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"});
    if (call->peer.session == NULL) {
        exchange_answer_end(exchange); /* HEAD */
        return;
    }
    session_receive_packed(core, call->peer.session, subscription);
}

static void stream_end_body(struct exchange *exchange) {
    struct name patterns[CONTENT_PATTERNS_MAX];
    struct buffer text;
    struct buffer subscription;
    struct narrow_query narrow = {0};
    size_t count;
    buffer_init(&text, (size_t)exchange->broker->config.header_bytes_max);
    buffer_init(&subscription, 131072);
    if (content_read_patterns(exchange, &text, patterns, &count) && narrow_query_read(exchange, &narrow)) {
        if (put_subscription(exchange, patterns, count, &narrow, &subscription)) {
            open_stream(exchange, buffer_span(&subscription));
        } else {
            exchange_refuse(exchange, AHORA_BAD_MESSAGE, "`since` or `every_ms` is malformed");
        }
    }
    narrow_query_fini(&narrow);
    buffer_fini(&text);
    buffer_fini(&subscription);
}

static void stream_room(struct exchange *exchange) {
    struct stream_call *call = exchange->state;
    if (call->choked && call->peer.session != NULL) {
        call->choked = false;
        session_set_choked(exchange->broker->core, call->peer.session, false);
    }
}

static void stream_release(struct exchange *exchange) {
    struct stream_call *call = exchange->state;
    if (call->exchange != NULL) {
        leave_session(call);
    }
    exchange->broker->metrics.event_streams -= call->counted;
}

const struct handler api_stream = {
    .body = BODY_NONE,
    .state_bytes = sizeof(struct stream_call),
    .end = stream_end_body,
    .room = stream_room,
    .release = stream_release,
};
