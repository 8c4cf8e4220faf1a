/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * POST /v1/publish with application/x-ndjson: one change a line, any number of lines, one line of result for each, in order, while the
 * body still arrives.
 *
 *   lines ─▶ batch being filled ─▶ core_publish ─▶ batches that wait, oldest first ─▶ answer, as their tickets complete
 *
 * The lines that arrived together are published together. A line that is no JSON, or too long, closes the batch before it and joins
 * one of errors, so that the order of results is kept. While too many results wait, no more lines are taken; the connection
 * then stops reading, and TCP holds the sender.
 */
#include "broker/net/api_publish.h"
#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/content.h"
#include "broker/net/ndjson.h"

#include <assert.h>
#include <stdlib.h>

#define BATCH_LINES_MAX 512
#define BATCH_BYTES_MAX (1u << 20)
#define RESULTS_BYTES_MAX (1u << 20) /* of one batch: 512 errors of 2 KB */
#define ANSWER_BYTES_MAX (8u << 20)  /* the same as text */
#define WAITING_BYTES_MAX 262144     /* of results the reader has not taken */

struct batch {
    struct link link; /* in stream->waiting */
    struct ticket ticket;
    struct buffer results; /* packed list; or text, ready */
    size_t lines;
    bool is_text;
    bool waiting; /* for its ticket */
};

struct lines {
    struct ndjson ndjson;
    struct buffer changes; /* packed, of the batch being filled */
    uint32_t change_count;
    struct link waiting;
    size_t lines_waiting;
    enum ack ack;
    bool ended;
};

/* ---- results out ---- */

static void put_results(struct buffer *out, struct batch *batch) {
    if (batch->is_text) {
        buffer_put_span(out, buffer_span(&batch->results));
        return;
    }
    struct pack_reader reader = pack_reader_of(buffer_span(&batch->results));
    for (uint32_t left = pack_read_list(&reader); left > 0; left--) {
        json_put(out, pack_skip(&reader));
        buffer_put_byte(out, '\n');
    }
}

static void destroy_batch(struct batch *batch) {
    link_remove(&batch->link);
    buffer_fini(&batch->results);
    free(batch);
}

static void begin_answer(struct exchange *exchange) {
    if (!exchange->begun) {
        exchange_answer_begin(exchange, &(struct answer){.status = 200, .type = "application/x-ndjson"});
    }
}

static void tell(struct exchange *exchange, struct lines *lines) {
    struct buffer text;
    buffer_init(&text, ANSWER_BYTES_MAX);
    while (!list_is_empty(&lines->waiting)) {
        struct batch *batch = CONTAINER_OF(lines->waiting.next, struct batch, link);
        if (batch->waiting) {
            break;
        }
        put_results(&text, batch);
        lines->lines_waiting -= batch->lines;
        destroy_batch(batch);
        if (text.bytes > WAITING_BYTES_MAX) {
            begin_answer(exchange);
            exchange_answer_piece(exchange, buffer_span(&text));
            buffer_cut(&text, 0);
        }
    }
    if (text.bytes > 0) {
        begin_answer(exchange);
        exchange_answer_piece(exchange, buffer_span(&text));
    }
    buffer_fini(&text);
    if (lines->ended && list_is_empty(&lines->waiting)) {
        begin_answer(exchange);
        exchange_answer_end(exchange);
    }
}

/* ---- lines in ---- */

static struct batch *add_batch(struct exchange *exchange, struct lines *lines, bool is_text, size_t bytes_max) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
        return NULL;
    }
    batch->is_text = is_text;
    batch->ticket.owner = exchange;
    buffer_init(&batch->results, bytes_max);
    list_append(&lines->waiting, &batch->link);
    return batch;
}

static void put_error(struct buffer *out, enum ahora_code code, const char *detail) {
    buffer_put_text(out, "{\"error\":{\"code\":\"");
    buffer_put_text(out, ahora_code_name(code));
    buffer_put_text(out, "\",\"detail\":");
    json_put_text(out, span_of_text(detail));
    buffer_put_text(out, "}}\n");
}

/* Errors behind each other share a batch. */
static bool add_errors(struct exchange *exchange, struct lines *lines, enum ahora_code code, const char *detail, size_t count) {
    struct batch *last = list_is_empty(&lines->waiting) ? NULL : CONTAINER_OF(lines->waiting.prev, struct batch, link);
    if (last == NULL || !last->is_text || last->results.bytes > RESULTS_BYTES_MAX / 2) {
        last = add_batch(exchange, lines, true, RESULTS_BYTES_MAX);
    }
    if (last == NULL) {
        return false;
    }
    last->lines += count;
    lines->lines_waiting += count;
    for (; count > 0; count--) {
        put_error(&last->results, code, detail);
    }
    return true;
}

static bool publish(struct exchange *exchange, struct lines *lines) {
    if (lines->change_count == 0) {
        return true;
    }
    if (!access_is_good(exchange->broker, exchange->rights)) { /* a stream may outlast its token */
        exchange_refuse(exchange, AHORA_UNAUTHORIZED, "the credentials are not valid");
        return false;
    }
    struct buffer list;
    uint32_t count = lines->change_count;
    buffer_init(&list, 2 * (size_t)BATCH_BYTES_MAX + lines->changes.bytes);
    pack_put_list(&list, count);
    buffer_put_span(&list, buffer_span(&lines->changes));
    buffer_clear(&lines->changes, 65536);
    lines->change_count = 0;
    struct batch *batch = list.failed ? NULL : add_batch(exchange, lines, false, RESULTS_BYTES_MAX);
    if (batch == NULL) {
        buffer_fini(&list);
        return false;
    }
    (void)exchange_take_changes(exchange,
                                count); /* no more than there were: is_full has looked; others may have used it up since */
    struct publish wanted = {.principal = rights_principal(exchange->rights),
                             .rights = exchange->rights,
                             .changes = buffer_span(&list),
                             .change_count = count,
                             .ack = lines->ack};
    enum ahora_code code = core_publish(exchange->broker->core, &wanted, &batch->results, &batch->ticket);
    buffer_fini(&list);
    batch->waiting = code == AHORA_OK;
    batch->lines = count;
    if (code != AHORA_OK) {
        destroy_batch(batch);
        return add_errors(exchange, lines, code, "the broker does not take changes now", count);
    }
    lines->lines_waiting += count;
    return true;
}

static bool take_line(struct exchange *exchange, struct lines *lines, struct span line) {
    const char *detail = "";
    size_t before = lines->changes.bytes;
    enum ahora_code code = json_to_pack(line, AHORA_DOCUMENT_DEPTH_MAX + 1, &lines->changes, &detail);
    if (code == AHORA_OK) {
        lines->change_count++;
        return (lines->change_count < BATCH_LINES_MAX && lines->changes.bytes < BATCH_BYTES_MAX) || publish(exchange, lines);
    }
    buffer_cut(&lines->changes, before);
    return publish(exchange, lines) && add_errors(exchange, lines, code, detail != NULL ? detail : "malformed", 1);
}

static bool take_item(struct exchange *exchange, struct lines *lines, enum ndjson_item item, struct span line) {
    switch (item) {
    case NDJSON_LINE:
        return take_line(exchange, lines, line);
    case NDJSON_TOO_LONG:
        return publish(exchange, lines) && add_errors(exchange, lines, AHORA_TOO_LARGE, "the line is too long", 1);
    case NDJSON_NO_MEMORY:
        exchange_refuse(exchange, AHORA_OVERLOADED, "out of memory");
        return false;
    case NDJSON_NONE:
        break;
    }
    return true;
}

static bool is_full(const struct exchange *exchange, const struct lines *lines) {
    return lines->lines_waiting >= (size_t)exchange->broker->config.stream_results_max ||
           (lines->lines_waiting > 0 && !core_wants_changes(exchange->broker->core)) ||
           connection_pending(exchange->connection) > WAITING_BYTES_MAX;
}

/* A stream that is faster than it may be is not refused: it waits. */
static bool is_too_fast(struct exchange *exchange, const struct lines *lines) {
    exchange->is_paced = exchange_publishes_left(exchange) <= (int64_t)lines->change_count;
    return exchange->is_paced;
}

static void lines_take(struct exchange *exchange, struct span *piece) {
    struct lines *lines = exchange->state;
    struct span line;
    bool was_paced = exchange->is_paced;
    exchange->is_paced = false;
    while (piece->bytes > 0 && !is_full(exchange, lines) && !is_too_fast(exchange, lines)) {
        enum ndjson_item item = ndjson_next(&lines->ndjson, piece, &line);
        if (item == NDJSON_NONE) {
            break;
        }
        dawdlers_note_line(exchange);
        if (!take_item(exchange, lines, item, line)) {
            return;
        }
    }
    exchange->in_line = ndjson_is_inside(&lines->ndjson);
    exchange->broker->metrics.streams_paced += exchange->is_paced && !was_paced;
    if (publish(exchange, lines)) {
        tell(exchange, lines);
    }
}

static void lines_end(struct exchange *exchange) {
    struct lines *lines = exchange->state;
    struct span line = {NULL, 0};
    if (take_item(exchange, lines, ndjson_last(&lines->ndjson, &line), line) && publish(exchange, lines)) {
        lines->ended = true;
        tell(exchange, lines);
    }
}

static void lines_ticket(struct exchange *exchange, struct ticket *ticket) {
    CONTAINER_OF(ticket, struct batch, ticket)->waiting = false;
    if (!exchange->answered) {
        tell(exchange, exchange->state);
    }
}

static void lines_begin(struct exchange *exchange) {
    struct lines *lines = exchange->state;
    struct broker *broker = exchange->broker;
    size_t line_bytes_max = core_limits(broker->core)->document_bytes_max * 2 + CONTENT_SPARE_BYTES;
    struct buffer ack;
    bool malformed = false;
    list_init(&lines->waiting);
    ndjson_init(&lines->ndjson, line_bytes_max);
    buffer_init(&lines->changes, 2 * (size_t)BATCH_BYTES_MAX + line_bytes_max);
    buffer_init(&ack, 16);
    lines->ack = ACK_DURABLE;
    if ((exchange_query(exchange, "ack", &ack, &malformed) && !content_parse_ack(buffer_span(&ack), &lines->ack)) ||
        malformed) {
        exchange_refuse(exchange, AHORA_BAD_MESSAGE, "`ack` must be durable, applied or none");
    }
    buffer_fini(&ack);
}

static void lines_release(struct exchange *exchange) {
    struct lines *lines = exchange->state;
    if (lines->waiting.next == NULL) {
        return;
    }
    while (!list_is_empty(&lines->waiting)) {
        struct batch *batch = CONTAINER_OF(lines->waiting.next, struct batch, link);
        if (batch->waiting) {
            core_cancel(exchange->broker->core, &batch->ticket);
        }
        destroy_batch(batch);
    }
    ndjson_fini(&lines->ndjson);
    buffer_fini(&lines->changes);
}

const struct handler publish_lines = {
    .body = BODY_STREAM,
    .state_bytes = sizeof(struct lines),
    .begin = lines_begin,
    .take = lines_take,
    .end = lines_end,
    .ticket = lines_ticket,
    .release = lines_release,
};
