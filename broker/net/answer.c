/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/exchange.h"
#include "broker/net/origin.h"
#include "proto/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct status_text {
    int status;
    const char *text;
};

static const struct status_text status_texts[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *status_text_of(int status) {
    for (size_t i = 0; i < sizeof status_texts / sizeof status_texts[0]; i++) {
        if (status_texts[i].status == status) {
            return status_texts[i].text;
        }
    }
    return "Other";
}

static void put_date(struct buffer *out, int64_t wall_ms) {
    char text[64];
    struct tm utc;
    time_t now = (time_t)(wall_ms / 1000);
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
    buffer_put_text(out, text);
}

static void put_head(struct exchange *exchange, const struct answer *answer, int64_t length) {
    struct buffer *out = &exchange->connection->out;
    bool keep =
        exchange->connection->keep_alive && exchange->broker->phase != PHASE_DRAINING && !pressure_is_high(exchange->broker);
    exchange->connection->keep_alive = keep;
    buffer_put_text(out, exchange->head.minor == 0 ? "HTTP/1.0 " : "HTTP/1.1 ");
    buffer_put_decimal(out, answer->status);
    buffer_put_text(out, " ");
    buffer_put_text(out, status_text_of(answer->status));
    buffer_put_text(out, "\r\n");
    put_date(out, exchange->broker->now_wall_ms);
    if (answer->type != NULL) {
        buffer_put_text(out, "Content-Type: ");
        buffer_put_text(out, answer->type);
        buffer_put_text(out, "\r\n");
    }
    if (length >= 0) {
        buffer_put_text(out, "Content-Length: ");
        buffer_put_decimal(out, length);
        buffer_put_text(out, "\r\n");
    } else if (exchange->chunked) {
        buffer_put_text(out, "Transfer-Encoding: chunked\r\n");
    }
    if (answer->headers != NULL) {
        buffer_put_text(out, answer->headers);
    }
    origin_put_headers(exchange, out);
    if (!keep) {
        buffer_put_text(out, "Connection: close\r\n");
    } else if (exchange->head.minor == 0) {
        buffer_put_text(out, "Connection: keep-alive\r\n");
    }
    buffer_put_text(out, "\r\n");
    exchange->begun = true;
    exchange->broker->metrics.responses[answer->status / 100]++;
}

/* An answer that cannot be kept whole in memory is not sent at all. */
static void finish(struct exchange *exchange) {
    exchange->answered = true;
    if (exchange->connection->out.failed) {
        buffer_cut(&exchange->connection->out, exchange->connection->out_at);
        exchange->connection->keep_alive = false;
    }
    connection_touch(exchange->connection);
}

void exchange_answer(struct exchange *exchange, const struct answer *answer) {
    assert(!exchange->begun);
    bool bodyless = answer->status == 304 || answer->status == 204;
    exchange->connection->keep_alive &= connection_reads_rest(exchange->connection);
    put_head(exchange, answer, bodyless ? -1 : (int64_t)answer->body.bytes);
    if (exchange->head.method != HTTP_HEAD && !bodyless) {
        buffer_put_span(&exchange->connection->out, answer->body);
    }
    finish(exchange);
}

static void put_problem(struct buffer *out, const struct problem *problem, int status) {
    buffer_put_text(out, "{\"type\":\"about:blank\",\"title\":\"");
    buffer_put_text(out, status_text_of(status));
    buffer_put_text(out, "\",\"status\":");
    buffer_put_decimal(out, status);
    buffer_put_text(out, ",\"code\":\"");
    buffer_put_text(out, ahora_code_name(problem->code));
    buffer_put_text(out, "\",\"detail\":");
    json_put_text(out, span_of_text(problem->detail));
    if (problem->errors.bytes > 0) {
        buffer_put_text(out, ",\"errors\":");
        json_put(out, problem->errors);
    }
    if (problem->seq > 0 || problem->code == AHORA_CONFLICT) { /* there 0 says something: the topic does not exist */
        buffer_put_text(out, ",\"seq\":");
        buffer_put_decimal(out, problem->seq);
    }
    if (problem->retry_ms > 0) { /* Retry-After is rounded to seconds */
        buffer_put_text(out, ",\"retry_ms\":");
        buffer_put_decimal(out, problem->retry_ms);
    }
    buffer_put_text(out, "}\n");
}

void exchange_problem(struct exchange *exchange, const struct problem *problem) {
    if (exchange->begun) {
        exchange->connection->keep_alive = false;
        exchange->answered = true;
        connection_touch(exchange->connection);
        return;
    }
    int status = problem->status != 0 ? problem->status : ahora_code_status(problem->code);
    struct buffer text;
    struct buffer headers;
    buffer_init(&text, 65536);
    buffer_init(&headers, 1024);
    put_problem(&text, problem, status);
    if (problem->headers != NULL) {
        buffer_put_text(&headers, problem->headers);
    }
    if (problem->retry_ms > 0) {
        buffer_put_text(&headers, "Retry-After: ");
        buffer_put_decimal(&headers, (problem->retry_ms + 999) / 1000);
        buffer_put_text(&headers, "\r\n");
    }
    buffer_put_byte(&headers, '\0');
    exchange_answer(exchange, &(struct answer){.status = status,
                                               .type = "application/problem+json",
                                               .headers = headers.data != NULL ? (const char *)headers.data : "",
                                               .body = buffer_span(&text)});
    buffer_fini(&headers);
    buffer_fini(&text);
}

void exchange_refuse(struct exchange *exchange, enum ahora_code code, const char *detail) {
    exchange_problem(exchange, &(struct problem){.code = code, .detail = detail});
}

void exchange_answer_begin(struct exchange *exchange, const struct answer *answer) {
    assert(!exchange->begun);
    exchange->chunked = exchange->head.minor == 1 && !exchange->is_stream;
    if (!exchange->chunked) {
        exchange->connection->keep_alive = false; /* the end of the answer is the end of the connection */
    }
    put_head(exchange, answer, -1);
    connection_touch(exchange->connection);
}

void exchange_answer_piece(struct exchange *exchange, struct span piece) {
    struct buffer *out = &exchange->connection->out;
    if (piece.bytes == 0 || exchange->head.method == HTTP_HEAD) {
        return;
    }
    if (!exchange->chunked) {
        buffer_put_span(out, piece);
    } else {
        char size[24];
        snprintf(size, sizeof size, "%zx\r\n", piece.bytes);
        buffer_put_text(out, size);
        buffer_put_span(out, piece);
        buffer_put_text(out, "\r\n");
    }
    connection_touch(exchange->connection);
}

void exchange_answer_end(struct exchange *exchange) {
    if (exchange->chunked && exchange->head.method != HTTP_HEAD) {
        buffer_put_text(&exchange->connection->out, "0\r\n\r\n");
    }
    finish(exchange);
}
