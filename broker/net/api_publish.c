/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* POST /v1/publish with one JSON or MessagePack map {changes, atomic?, ack?}: applied as a whole, answered with its results. */
#include "broker/net/api_publish.h"
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/content.h"

#include <string.h>

/* The results of AHORA_CHANGES_MAX changes, each with a long error. */
#define RESULTS_BYTES_MAX (4u << 20)

struct publish_call {
    struct ticket ticket;
    struct buffer results;
    bool waiting;
    bool packed; /* the answer is MessagePack */
};

/* The body, the list and the change are three levels around a document. */
#define BODY_DEPTH_MAX (AHORA_DOCUMENT_DEPTH_MAX + 3)

static bool read_flag(struct span value, bool *flag) {
    struct pack_reader reader = pack_reader_of(value);
    if (value.bytes > 0) {
        *flag = pack_read_bool(&reader);
    }
    return !reader.failed;
}

static bool read_ack(struct span value, enum ack *ack) {
    struct pack_reader reader = pack_reader_of(value);
    *ack = ACK_DURABLE;
    return value.bytes == 0 || (pack_peek(&reader) == PACK_TEXT && content_parse_ack(pack_read_text(&reader), ack));
}

static const char *read_publish(struct span body, struct publish *publish) {
    struct pack_reader reader = pack_reader_of(body);
    if (pack_peek(&reader) != PACK_MAP) {
        return "the body must be a map";
    }
    publish->changes = pack_find(body, "changes");
    struct pack_reader changes = pack_reader_of(publish->changes);
    if (publish->changes.bytes == 0 || pack_peek(&changes) != PACK_LIST) {
        return "`changes` must be a list";
    }
    publish->change_count = pack_read_list(&changes);
    if (publish->change_count == 0 || publish->change_count > AHORA_CHANGES_MAX) {
        return "`changes` must hold 1 to 1000 changes";
    }
    for (uint32_t i = 0; i < publish->change_count; i++) { /* as with `pub`: a change may be wrong, but it must be one */
        if (pack_peek(&changes) != PACK_MAP) {
            return "`changes` must be a list of maps";
        }
        pack_skip(&changes);
    }
    if (!read_flag(pack_find(body, "atomic"), &publish->atomic)) {
        return "`atomic` must be true or false";
    }
    return read_ack(pack_find(body, "ack"), &publish->ack) ? NULL : "`ack` must be durable, applied or none";
}

static void publish_end(struct exchange *exchange) {
    struct publish_call *call = exchange->state;
    struct buffer body;
    const char *detail = "";
    buffer_init(&body, (size_t)exchange->broker->config.body_bytes_max);
    if (content_read_body(exchange, BODY_DEPTH_MAX, &body, &detail) != AHORA_OK) {
        buffer_fini(&body);
        return;
    }
    struct publish publish = {.principal = rights_principal(exchange->rights), .rights = exchange->rights};
    detail = read_publish(buffer_span(&body), &publish);
    if (detail != NULL) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, detail);
    } else if (exchange_may_publish(exchange, publish.change_count)) {
        buffer_init(&call->results, RESULTS_BYTES_MAX);
        call->packed =
            content_is(&exchange->head, "application/msgpack") || content_is(&exchange->head, "application/vnd.msgpack");
        call->ticket.owner = exchange;
        enum ahora_code code = core_publish(exchange->broker->core, &publish, &call->results, &call->ticket);
        call->waiting = code == AHORA_OK;
        if (code != AHORA_OK) {
            exchange_refuse(exchange, code, "the broker does not take changes now");
        }
    }
    buffer_fini(&body);
}

static void publish_ticket(struct exchange *exchange, struct ticket *ticket) {
    (void)ticket;
    struct publish_call *call = exchange->state;
    struct buffer body;
    call->waiting = false;
    buffer_init(&body, 8 * (size_t)RESULTS_BYTES_MAX);
    if (call->packed) {
        pack_put_map(&body, 1);
        pack_put_key(&body, "results");
        pack_put_raw(&body, buffer_span(&call->results));
    } else {
        buffer_put_text(&body, "{\"results\":");
        json_put(&body, buffer_span(&call->results));
        buffer_put_text(&body, "}\n");
    }
    exchange_answer(exchange, &(struct answer){.status = 200,
                                               .type = call->packed ? "application/msgpack" : "application/json",
                                               .body = buffer_span(&body)});
    buffer_fini(&body);
}

static void publish_release(struct exchange *exchange) {
    struct publish_call *call = exchange->state;
    if (call->waiting) {
        core_cancel(exchange->broker->core, &call->ticket);
    }
    buffer_fini(&call->results);
}

static const struct handler publish_whole = {
    .body = BODY_WHOLE,
    .state_bytes = sizeof(struct publish_call),
    .end = publish_end,
    .ticket = publish_ticket,
    .release = publish_release,
};

static const struct handler *choose(const struct http_head *head) {
    return content_is(head, "application/x-ndjson") || content_is(head, "application/ndjson") ? &publish_lines : &publish_whole;
}

const struct handler api_publish = {.choose = choose};
