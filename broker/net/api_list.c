/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * GET /v1/topics?match=…&where=&near=&limit=&after=: the topics that match, in byte order, as one JSON page or as NDJSON without end. The
 * selection is taken at once; the documents are written as the reader takes them, each as it is by then. What was removed meanwhile is
 * left out.
 */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/content.h"
#include "broker/net/narrow_query.h"

#include <stdio.h>
#include <string.h>

/* Written in one go; the connection asks again while there is room. */
#define PIECE_BYTES 65536

struct list_call {
    struct selection selection;
    struct narrow_query narrow;
    size_t next;
    bool selected;
    bool lines;
    bool comma; /* an item stands in front */
};

static void begin_page(struct exchange *exchange, struct list_call *call) {
    char text[64];
    exchange_answer_begin(exchange, &(struct answer){.status = 200,
                                                     .type = call->lines ? "application/x-ndjson" : "application/json",
                                                     .headers = "Cache-Control: no-store\r\n"});
    if (!call->lines) {
        int bytes = snprintf(text, sizeof text, "{\"seq\":%lld,\"items\":[", (long long)core_seq(exchange->broker->core));
        exchange_answer_piece(exchange, span_of(text, (size_t)bytes));
    }
}

/* NDJSON has no place for `more`: without a limit there is none, and with one the reader knows what it asked for. */
static void end_page(struct exchange *exchange, struct list_call *call) {
    if (!call->lines) {
        exchange_answer_piece(exchange, span_of_text(call->selection.more ? "],\"more\":true}\n" : "]}\n"));
    }
    exchange_answer_end(exchange);
}

static bool read_limit(struct exchange *exchange, const struct list_call *call, int64_t *limit) {
    int64_t page = exchange->broker->config.page_items_max;
    *limit = call->lines ? 0 : page;
    return exchange_query_int(exchange, "limit", 1, call->lines ? AHORA_SEQ_MAX : page, limit);
}

/* Every selection is one pointer for each topic, held until the reader has taken the last: all of them together are bounded. One alone
   may be of any size. */
static bool select_topics(struct exchange *exchange, const struct name *patterns, size_t count, struct span from,
                          size_t limit) {
    struct list_call *call = exchange->state;
    struct broker *broker = exchange->broker;
    size_t listed_max = (size_t)broker->config.listed_topics_max;
    const struct filter filter = narrow_query_filter(&call->narrow);
    enum ahora_code code = AHORA_OVERLOADED;
    if (!content_may_narrow(exchange, patterns, count, &filter)) {
        return false;
    }
    if (broker->listed < listed_max) {
        core_wake_demand(broker->core, patterns, count);
        loop_store_changes(broker);
        code = core_select_where(broker->core, patterns, count, &filter, from, limit, &call->selection);
        call->selected = code == AHORA_OK;
        broker->listed += call->selection.count;
    }
    if (call->selected && (broker->listed == call->selection.count || broker->listed <= listed_max)) {
        return true;
    }
    exchange_problem(exchange, &(struct problem){.code = code != AHORA_OK ? code : AHORA_OVERLOADED,
                                                 .detail = "too many topics are being listed at once",
                                                 .retry_ms = 1000});
    return false;
}

static void list_end(struct exchange *exchange) {
    struct list_call *call = exchange->state;
    struct broker *broker = exchange->broker;
    struct name patterns[CONTENT_PATTERNS_MAX];
    struct buffer text;
    struct buffer after;
    size_t count;
    int64_t limit;
    bool malformed = false;
    call->lines = http_header_lists(&exchange->head, "accept", "application/x-ndjson");
    buffer_init(&text, (size_t)broker->config.header_bytes_max);
    buffer_init(&after, AHORA_TOPIC_BYTES_MAX);
    bool has_after = exchange_query(exchange, "after", &after, &malformed);
    if (!read_limit(exchange, call, &limit) || malformed) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "`limit` or `after` is malformed or out of bounds");
    } else if (content_read_patterns(exchange, &text, patterns, &count) && narrow_query_read(exchange, &call->narrow)) {
        struct span from = has_after ? buffer_span(&after) : (struct span){NULL, 0};
        if (select_topics(exchange, patterns, count, from, (size_t)limit)) {
            begin_page(exchange, call);
        }
    }
    buffer_fini(&text);
    buffer_fini(&after);
}

/* What was removed meanwhile, or matches no more, is left out. */
static void put_topic(const struct exchange *exchange, const struct topic *topic, struct buffer *out) {
    struct list_call *call = exchange->state;
    const struct filter filter = narrow_query_filter(&call->narrow);
    if (topic_is_removed(topic) || !filter_passes(&filter, topic)) {
        return;
    }
    if (call->comma) {
        buffer_put_text(out, ",");
    }
    content_put_item(out, topic, exchange->rights);
    if (call->lines) {
        buffer_put_text(out, "\n");
    }
    call->comma = !call->lines;
}

static bool list_produce(struct exchange *exchange) {
    struct list_call *call = exchange->state;
    if (!call->selected) {
        return false;
    }
    struct buffer piece;
    buffer_init(&piece, SIZE_MAX / 2);
    loop_store_changes(exchange->broker);
    while (call->next < call->selection.count && piece.bytes < PIECE_BYTES && !piece.failed) {
        put_topic(exchange, call->selection.topics[call->next++], &piece);
    }
    if (piece.failed) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory"); /* breaks it off: the reader sees no end */
    } else {
        exchange_answer_piece(exchange, buffer_span(&piece));
        if (call->next == call->selection.count || exchange->head.method == HTTP_HEAD) {
            end_page(exchange, call);
        }
    }
    buffer_fini(&piece);
    return true;
}

static void list_release(struct exchange *exchange) {
    struct list_call *call = exchange->state;
    narrow_query_fini(&call->narrow);
    if (call->selected) {
        exchange->broker->listed -= call->selection.count;
        selection_fini(exchange->broker->core, &call->selection);
    }
}

const struct handler api_topics_list = {
    .body = BODY_NONE,
    .state_bytes = sizeof(struct list_call),
    .end = list_end,
    .produce = list_produce,
    .release = list_release,
};
