/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* GET, PUT, PATCH, DELETE /v1/topics/{topic} and POST /v1/topics/{topic}/adjust: one topic, with the conditions of HTTP. */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/content.h"
#include "broker/net/etag.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct topic_call {
    enum change_op op;
    struct ticket ticket;
    struct buffer results; /* the core's, told when the ticket says so */
    bool waiting;
    bool existed;       /* when the request was complete, */
    int64_t seq_before; /* and this was the newest seq */
};

static void put_etag_header(struct broker *broker, int64_t seq, struct buffer *out) {
    buffer_put_text(out, "ETag: \"");
    token_put(out, core_epoch(broker->core), seq);
    buffer_put_text(out, "\"\r\n");
}

static bool parse_topic(struct exchange *exchange, struct name *name) {
    const char *detail = "";
    enum ahora_code code = name_parse_topic(exchange->rest, name, &detail);
    if (code != AHORA_OK) {
        exchange_refuse(exchange, code, detail);
    }
    return code == AHORA_OK;
}

/* ---- GET ---- */

static void answer_topic(struct exchange *exchange, const struct topic *topic) {
    struct buffer headers;
    struct buffer body;
    buffer_init(&headers, 256);
    buffer_init(&body, SIZE_MAX / 2);
    put_etag_header(exchange->broker, topic->seq, &headers);
    buffer_put_text(&headers, "Cache-Control: no-cache\r\n");
    if (exchange->broker->access.credentials !=
        NULL) { /* who asks decides which fields there are, and the ETag does not tell */
        buffer_put_text(&headers, "Vary: Authorization\r\n");
    }
    buffer_put_byte(&headers, '\0');
    struct answer answer = {.status = 304, .headers = (const char *)headers.data};
    if (!etag_lists(&exchange->head, "if-none-match", exchange->broker->core, topic->seq, true)) {
        content_put_item(&body, topic, exchange->rights);
        buffer_put_text(&body, "\n");
        answer = (struct answer){200, "application/json", (const char *)headers.data, buffer_span(&body)};
    }
    if (headers.failed || body.failed) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
    } else {
        exchange_answer(exchange, &answer);
    }
    buffer_fini(&headers);
    buffer_fini(&body);
}

static void get_end(struct exchange *exchange) {
    struct name name;
    if (!parse_topic(exchange, &name)) {
        return;
    }
    if (!rights_cover(exchange->rights, core_kinds(exchange->broker->core), &name)) { /* also of one that does not exist */
        exchange_refuse(exchange, AHORA_FORBIDDEN, "this topic may not be read");
        return;
    }
    loop_store_changes(exchange->broker);
    const struct topic *topic = core_get(exchange->broker->core, &name);
    if (topic == NULL) {
        const char *detail = "there is no such topic now";
        enum ahora_code code =
            core_parse_pattern(exchange->broker->core, exchange->rest, &name, &detail); /* is its kind known? */
        exchange_refuse(exchange, code == AHORA_OK ? AHORA_NOT_FOUND : code, detail);
        return;
    }
    answer_topic(exchange, topic);
}

const struct handler api_topic_get = {.body = BODY_NONE, .end = get_end};

/* ---- changes ---- */

/* Instants and durations that JSON publishers put into the change stand in the query here. */
static bool read_query(struct exchange *exchange, struct change_request *change) {
    int64_t newer = 0;
    change->at = -1;
    change->fresh_ms = -1;
    change->expire_ms = -1;
    bool good = exchange_query_int(exchange, "at", 0, AHORA_SEQ_MAX, &change->at) &&
                exchange_query_int(exchange, "fresh_ms", 0, AHORA_SEQ_MAX, &change->fresh_ms) &&
                exchange_query_int(exchange, "expire_ms", 0, AHORA_SEQ_MAX, &change->expire_ms) &&
                exchange_query_int(exchange, "if_newer", 0, 1, &newer);
    change->has_at = change->at >= 0;
    change->has_fresh_ms = change->fresh_ms >= 0;
    change->has_expire_ms = change->expire_ms >= 0;
    change->if_newer = newer == 1;
    return good;
}

static bool read_ack(struct exchange *exchange, enum ack *ack) {
    struct buffer text;
    bool malformed = false;
    buffer_init(&text, 16);
    *ack = ACK_DURABLE;
    bool good = !exchange_query(exchange, "ack", &text, &malformed) || content_parse_ack(buffer_span(&text), ack);
    buffer_fini(&text);
    return good && !malformed;
}

/* No topic has it, so the core refuses the change; unless its key is known, which comes first. */
#define SEQ_OF_NONE AHORA_SEQ_MAX

/* If-Match and If-None-Match become if_seq. */
static void read_conditions(const struct exchange *exchange, const struct topic *topic, struct change_request *change) {
    int64_t seq = topic != NULL ? topic->seq : 0;
    const struct core *core = exchange->broker->core;
    struct span none = http_header_find(&exchange->head, "if-none-match");
    if (http_header_find(&exchange->head, "if-match").data != NULL) {
        change->has_if_seq = true;
        if (!etag_choose(&exchange->head, core, seq, &change->if_seq)) {
            change->if_seq = SEQ_OF_NONE;
        }
    }
    if (none.data != NULL && span_is(none, "*")) {
        change->has_if_seq = true;
        change->if_seq = 0;
    } else if (none.data != NULL && seq > 0 && etag_lists(&exchange->head, "if-none-match", core, seq, true)) {
        change->has_if_seq = true;
        change->if_seq = SEQ_OF_NONE;
    }
}

static bool read_key(struct exchange *exchange, struct change_request *change) {
    struct span key = http_header_find(&exchange->head, "idempotency-key");
    /* The draft of that header wants a quoted string; most senders send a bare one. Both are taken. */
    if (key.bytes >= 2 && key.data[0] == '"' && key.data[key.bytes - 1] == '"') {
        key = (struct span){key.data + 1, key.bytes - 2};
    }
    change->key = key;
    return key.data == NULL || (key.bytes >= 1 && key.bytes <= AHORA_KEY_BYTES_MAX);
}

static void publish(struct exchange *exchange, const struct change_request *change, enum ack ack) {
    struct topic_call *call = exchange->state;
    struct buffer list;
    buffer_init(&list, exchange->body.bytes + (size_t)exchange->broker->config.body_bytes_max + 65536);
    buffer_init(&call->results, 65536);
    pack_put_list(&list, 1);
    change_put(&list, change);
    size_t used;
    enum ahora_code code = AHORA_TOO_LARGE;
    const char *detail = "the change is too large";
    if (!list.failed && pack_check(buffer_span(&list), AHORA_DEPTH_MAX + 2, &used) != PACK_FINE) {
        code = AHORA_BAD_MESSAGE;
        detail = "Idempotency-Key is not UTF-8";
    } else if (!list.failed) {
        struct publish wanted = {.principal = rights_principal(exchange->rights),
                                 .rights = exchange->rights,
                                 .changes = buffer_span(&list),
                                 .change_count = 1,
                                 .ack = ack};
        call->ticket.owner = exchange;
        code = core_publish(exchange->broker->core, &wanted, &call->results, &call->ticket);
        detail = "the broker does not take changes now";
    }
    buffer_fini(&list);
    call->waiting = code == AHORA_OK;
    if (code != AHORA_OK) {
        exchange_refuse(exchange, code, detail);
    }
}

/* The document, patch or map of integers: JSON, or MessagePack if the content type says so. */
static bool read_body(struct exchange *exchange, struct buffer *data) {
    const char *detail = "";
    enum ahora_code code = content_read_body(exchange, AHORA_DOCUMENT_DEPTH_MAX, data, &detail);
    if (code != AHORA_OK) {
        return false;
    }
    struct pack_reader reader = pack_reader_of(buffer_span(data));
    if (pack_peek(&reader) != PACK_MAP) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "the body must be a map");
        return false;
    }
    return true;
}

static void change_topic(struct exchange *exchange, const struct name *name, struct span data) {
    struct topic_call *call = exchange->state;
    struct change_request change = {.op = call->op, .topic = name->text, .data = data};
    enum ack ack;
    loop_store_changes(exchange->broker);
    const struct topic *topic = core_get(exchange->broker->core, name);
    call->existed = topic != NULL;
    call->seq_before = core_seq(exchange->broker->core);
    if (!read_query(exchange, &change) || !read_ack(exchange, &ack)) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "a query parameter is malformed");
    } else if (!read_key(exchange, &change)) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "Idempotency-Key must have 1 to 64 bytes");
    } else if (exchange_may_publish(exchange, 1)) {
        read_conditions(exchange, topic, &change);
        publish(exchange, &change, ack);
    }
}

static void change_end(struct exchange *exchange) {
    struct topic_call *call = exchange->state;
    struct name name;
    struct buffer data;
    if (!parse_topic(exchange, &name)) {
        return;
    }
    buffer_init(&data, (size_t)exchange->broker->config.body_bytes_max);
    if (call->op == CHANGE_DELETE) {
        change_topic(exchange, &name, (struct span){NULL, 0});
    } else if (read_body(exchange, &data)) {
        change_topic(exchange, &name, buffer_span(&data));
    }
    buffer_fini(&data);
}

/* Did the change of this seq bring the topic into being? So the first answer of a known key is given again, as long as that topic is there; once
   it is gone, only what is new can tell. */
static bool has_created(const struct exchange *exchange, int64_t seq) {
    const struct topic_call *call = exchange->state;
    struct name name;
    const struct topic *topic = NULL;
    if (call->op == CHANGE_SET && name_parse_topic(exchange->rest, &name, NULL) == AHORA_OK) {
        topic = core_get(exchange->broker->core, &name);
    }
    return topic != NULL ? topic->seq_created == seq : call->op == CHANGE_SET && !call->existed && seq > call->seq_before;
}

static void answer_seq(struct exchange *exchange, int64_t seq) {
    struct buffer headers;
    struct buffer body;
    buffer_init(&headers, 256);
    buffer_init(&body, 512);
    put_etag_header(exchange->broker, seq, &headers);
    buffer_put_byte(&headers, '\0');
    buffer_put_text(&body, "{\"topic\":");
    json_put_text(&body, exchange->rest);
    buffer_put_text(&body, ",\"seq\":");
    buffer_put_decimal(&body, seq);
    buffer_put_text(&body, "}\n");
    bool created = has_created(exchange, seq);
    exchange_answer(exchange, &(struct answer){.status = created ? 201 : 200,
                                               .type = "application/json",
                                               .headers = headers.data != NULL ? (const char *)headers.data : "",
                                               .body = buffer_span(&body)});
    buffer_fini(&headers);
    buffer_fini(&body);
}

static void on_ticket(struct exchange *exchange, struct ticket *ticket) {
    (void)ticket;
    struct topic_call *call = exchange->state;
    call->waiting = false;
    struct pack_reader reader = pack_reader_of(buffer_span(&call->results));
    pack_read_list(&reader);
    struct span result = pack_skip(&reader);
    struct span error = pack_find(result, "error");
    if (error.bytes > 0) {
        content_answer_error(exchange, error);
        return;
    }
    struct pack_reader seq = pack_reader_of(pack_find(result, "seq"));
    answer_seq(exchange, pack_read_int(&seq));
}

static void release(struct exchange *exchange) {
    struct topic_call *call = exchange->state;
    if (call->waiting) {
        core_cancel(exchange->broker->core, &call->ticket);
    }
    buffer_fini(&call->results);
}

static void put_begin(struct exchange *exchange) {
    ((struct topic_call *)exchange->state)->op = CHANGE_SET;
}

static void patch_begin(struct exchange *exchange) {
    ((struct topic_call *)exchange->state)->op = CHANGE_PATCH;
}

static void delete_begin(struct exchange *exchange) {
    ((struct topic_call *)exchange->state)->op = CHANGE_DELETE;
}

static void adjust_begin(struct exchange *exchange) {
    ((struct topic_call *)exchange->state)->op = CHANGE_ADJUST;
}

#define CHANGE_HANDLER(mode, document, begins)                                                                                 \
    {                                                                                                                          \
        .body = mode, .is_document = document, .state_bytes = sizeof(struct topic_call), .begin = begins, .end = change_end,   \
        .ticket = on_ticket, .release = release                                                                                \
    }

const struct handler api_topic_put = CHANGE_HANDLER(BODY_WHOLE, true, put_begin);
const struct handler api_topic_patch = CHANGE_HANDLER(BODY_WHOLE, true, patch_begin);
const struct handler api_topic_delete = CHANGE_HANDLER(BODY_NONE, false, delete_begin);
const struct handler api_topic_adjust = CHANGE_HANDLER(BODY_WHOLE, true, adjust_begin);
