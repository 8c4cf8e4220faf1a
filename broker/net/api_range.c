/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* POST /v1/range: the same change on each night of one or more ranges, as one atomic list. */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/content.h"
#include "broker/net/range.h"

#include <stdio.h>
#include <string.h>

struct range_call {
    struct ticket ticket;
    struct buffer changes; /* the packed list: its topics are told again in the answer */
    struct buffer results;
    bool waiting;
};

/* The results of AHORA_CHANGES_MAX changes, each with a long error. */
#define RESULTS_BYTES_MAX (4u << 20)

/* The body, the list and the change are three levels around a document. */
#define BODY_DEPTH_MAX (AHORA_DOCUMENT_DEPTH_MAX + 3)

static bool refuse(struct exchange *exchange, const char *detail) {
    exchange_refuse(exchange, AHORA_BAD_MESSAGE, detail);
    return false;
}

static bool read_ack(struct exchange *exchange, struct span body, enum ack *ack) {
    const struct span value = pack_find(body, "ack");
    struct pack_reader reader = pack_reader_of(value);
    *ack = ACK_DURABLE;
    const bool fine = value.bytes == 0 || (pack_peek(&reader) == PACK_TEXT && content_parse_ack(pack_read_text(&reader), ack));
    return fine || refuse(exchange, "`ack` must be durable, applied or none");
}

static bool read_key(struct exchange *exchange, struct span *key) {
    size_t used;
    *key = http_header_find(&exchange->head, "idempotency-key");
    if (key->bytes >= 2 && key->data[0] == '"' && key->data[key->bytes - 1] == '"') {
        *key = span_of(key->data + 1, key->bytes - 2);
    }
    if (key->data == NULL) {
        return true;
    }
    struct buffer text; /* UTF-8? */
    buffer_init(&text, 256);
    pack_put_text(&text, *key);
    const bool fine = key->bytes >= 1 && key->bytes <= RANGE_KEY_BYTES_MAX && !text.failed &&
                      pack_check(buffer_span(&text), 1, &used) == PACK_FINE;
    buffer_fini(&text);
    return fine || refuse(exchange, "Idempotency-Key must be 1 to 59 bytes of UTF-8 here");
}

static void answer_fault(struct exchange *exchange, const struct range_fault *fault) {
    struct buffer errors;
    buffer_init(&errors, 1024);
    pack_put_list(&errors, 1);
    pack_put_map(&errors, 2);
    pack_put_key(&errors, "pointer");
    pack_put_key(&errors, fault->pointer);
    pack_put_key(&errors, "detail");
    pack_put_key(&errors, fault->detail);
    exchange_problem(exchange, &(struct problem){.code = fault->code, .detail = fault->detail, .errors = buffer_span(&errors)});
    buffer_fini(&errors);
}

static bool read_ranges(struct exchange *exchange, struct span body, struct span *ranges) {
    struct pack_reader reader = pack_reader_of(body);
    *ranges = pack_find(body, "changes");
    struct pack_reader list = pack_reader_of(*ranges);
    if (pack_peek(&reader) != PACK_MAP || pack_peek(&list) != PACK_LIST) {
        return refuse(exchange, "the body must be a map, and `changes` in it a list");
    }
    const uint32_t count = pack_read_list(&list);
    for (uint32_t i = 0; i < count; i++) {
        if (pack_peek(&list) != PACK_MAP) {
            return refuse(exchange, "every one of `changes` must be a map");
        }
        (void)pack_skip(&list);
    }
    return count > 0 || refuse(exchange, "`changes` must not be empty");
}

static bool expand(struct exchange *exchange, struct span ranges, struct span key, uint32_t *count) {
    struct range_call *call = exchange->state;
    const struct broker *broker = exchange->broker;
    struct range_options options = {core_kinds(broker->core), broker->now_wall_ms, broker->config.range_nights_max, key};
    struct range_fault fault;
    struct buffer changes;
    buffer_init(&changes, (size_t)broker->config.body_bytes_max);
    const bool fine = range_expand(&options, ranges, &changes, count, &fault);
    if (fine) {
        buffer_init(&call->changes, changes.bytes + 8);
        pack_put_list(&call->changes, *count);
        buffer_put_span(&call->changes, buffer_span(&changes));
    } else {
        answer_fault(exchange, &fault);
    }
    buffer_fini(&changes);
    if (fine && call->changes.failed) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
    }
    return fine && !call->changes.failed;
}

static void publish(struct exchange *exchange, uint32_t count, enum ack ack) {
    struct range_call *call = exchange->state;
    const struct publish publish = {.principal = rights_principal(exchange->rights),
                                    .rights = exchange->rights,
                                    .changes = buffer_span(&call->changes),
                                    .change_count = count,
                                    .atomic = true,
                                    .ack = ack};
    buffer_init(&call->results, RESULTS_BYTES_MAX);
    call->ticket.owner = exchange;
    const enum ahora_code code = core_publish(exchange->broker->core, &publish, &call->results, &call->ticket);
    call->waiting = code == AHORA_OK;
    if (code != AHORA_OK) {
        exchange_refuse(exchange, code, "the broker does not take changes now");
    }
}

static void range_end(struct exchange *exchange) {
    struct buffer body;
    const char *detail = "";
    struct span ranges, key;
    enum ack ack;
    uint32_t count = 0;
    buffer_init(&body, (size_t)exchange->broker->config.body_bytes_max);
    if (content_read_body(exchange, BODY_DEPTH_MAX, &body, &detail) == AHORA_OK &&
        read_ranges(exchange, buffer_span(&body), &ranges) && read_ack(exchange, buffer_span(&body), &ack) &&
        read_key(exchange, &key) && expand(exchange, ranges, key, &count)) {
        publish(exchange, count, ack);
    }
    buffer_fini(&body);
}

/* ---- the answer ---- */

static struct span text_at(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_read_text(&reader);
}

/* All or nothing: one night has a reason, the others were aborted. */
static bool answer_refusal(struct exchange *exchange) {
    const struct range_call *call = exchange->state;
    struct pack_reader results = pack_reader_of(buffer_span(&call->results));
    struct pack_reader changes = pack_reader_of(buffer_span(&call->changes));
    (void)pack_read_list(&changes);
    for (uint32_t left = pack_read_list(&results); left > 0; left--) {
        const struct span error = pack_find(pack_skip(&results), "error");
        const struct span topic = text_at(pack_skip(&changes), "topic");
        const struct span name = text_at(error, "code");
        const enum ahora_code code = error.bytes > 0 ? ahora_code_parse((const char *)name.data, name.bytes) : AHORA_OK;
        if (code == AHORA_OK || code == AHORA_ABORTED) {
            continue;
        }
        const struct span why = text_at(error, "detail");
        char detail[AHORA_TOPIC_BYTES_MAX + 256];
        snprintf(detail, sizeof detail, "%.*s: %.*s", (int)topic.bytes, (const char *)topic.data, (int)why.bytes,
                 (const char *)why.data);
        exchange_problem(exchange, &(struct problem){.code = code, .detail = detail, .errors = pack_find(error, "errors")});
        return true;
    }
    return false;
}

static void range_ticket(struct exchange *exchange, struct ticket *ticket) {
    (void)ticket;
    struct range_call *call = exchange->state;
    call->waiting = false;
    if (answer_refusal(exchange)) {
        return;
    }
    struct buffer body;
    buffer_init(&body, (size_t)AHORA_CHANGES_MAX * (AHORA_TOPIC_BYTES_MAX + 64));
    struct pack_reader results = pack_reader_of(buffer_span(&call->results));
    struct pack_reader changes = pack_reader_of(buffer_span(&call->changes));
    (void)pack_read_list(&changes);
    buffer_put_text(&body, "{\"results\":[");
    const uint32_t count = pack_read_list(&results);
    for (uint32_t i = 0; i < count; i++) {
        struct pack_reader seq = pack_reader_of(pack_find(pack_skip(&results), "seq"));
        buffer_put_text(&body, i > 0 ? ",{\"topic\":" : "{\"topic\":");
        json_put_text(&body, text_at(pack_skip(&changes), "topic"));
        buffer_put_text(&body, ",\"seq\":");
        buffer_put_decimal(&body, pack_read_int(&seq));
        buffer_put_text(&body, "}");
    }
    buffer_put_text(&body, "]}\n");
    exchange_answer(exchange, &(struct answer){200, "application/json", NULL, buffer_span(&body)});
    buffer_fini(&body);
}

static void range_release(struct exchange *exchange) {
    struct range_call *call = exchange->state;
    if (call->waiting) {
        core_cancel(exchange->broker->core, &call->ticket);
    }
    buffer_fini(&call->changes);
    buffer_fini(&call->results);
}

const struct handler api_range = {
    .body = BODY_WHOLE,
    .state_bytes = sizeof(struct range_call),
    .end = range_end,
    .ticket = range_ticket,
    .release = range_release,
};
