/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/http_body.h"

#include <assert.h>
#include <string.h>

#define CHUNK_DIGITS_MAX 15     /* a size below 2^60 */
#define OVERHEAD_BYTES_MAX 4096 /* of extensions in one size line, or of all trailers; more is an attack on our patience */

void http_body_init(struct http_body *body, const struct http_head *head) {
    memset(body, 0, sizeof *body);
    if (head->chunked) {
        body->state = HTTP_BODY_SIZE;
        return;
    }
    body->left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    body->state = body->left > 0 ? HTTP_BODY_PLAIN : HTTP_BODY_END;
}

static enum http_body_state end_size_line(struct http_body *body) {
    body->digits = 0;
    body->overhead = 0;
    return body->left > 0 ? HTTP_BODY_DATA : HTTP_BODY_TRAILER;
}

static enum http_body_state on_size(struct http_body *body, uint8_t byte) {
    uint8_t lower = byte | 0x20;
    int digit = byte >= '0' && byte <= '9' ? byte - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    if (digit >= 0) {
        body->left = body->left * 16 + (uint64_t)digit;
        return ++body->digits > CHUNK_DIGITS_MAX ? HTTP_BODY_BAD : HTTP_BODY_SIZE;
    }
    if (body->digits == 0) {
        return HTTP_BODY_BAD;
    }
    if (byte == '\r') {
        return HTTP_BODY_SIZE_LF;
    }
    return byte == ';' || byte == ' ' || byte == '\t' ? HTTP_BODY_EXTENSION : HTTP_BODY_BAD;
}

static enum http_body_state count_overhead(struct http_body *body, enum http_body_state state) {
    return ++body->overhead > OVERHEAD_BYTES_MAX ? HTTP_BODY_BAD : state;
}

/* One byte of framing. */
static enum http_body_state on_byte(struct http_body *body, uint8_t byte) {
    switch (body->state) {
    case HTTP_BODY_SIZE:
        return on_size(body, byte);
    case HTTP_BODY_EXTENSION:
        return byte == '\r' ? HTTP_BODY_SIZE_LF : byte == '\n' ? HTTP_BODY_BAD : count_overhead(body, HTTP_BODY_EXTENSION);
    case HTTP_BODY_SIZE_LF:
        return byte == '\n' ? end_size_line(body) : HTTP_BODY_BAD;
    case HTTP_BODY_DATA_CR:
        return byte == '\r' ? HTTP_BODY_DATA_LF : HTTP_BODY_BAD;
    case HTTP_BODY_DATA_LF:
        return byte == '\n' ? HTTP_BODY_SIZE : HTTP_BODY_BAD;
    case HTTP_BODY_TRAILER:
        return byte == '\r' ? HTTP_BODY_TRAILER_LF : byte == '\n' ? HTTP_BODY_BAD : count_overhead(body, HTTP_BODY_TRAILER_IN);
    case HTTP_BODY_TRAILER_IN:
        return count_overhead(body, byte == '\n' ? HTTP_BODY_TRAILER : HTTP_BODY_TRAILER_IN);
    case HTTP_BODY_TRAILER_LF:
        return byte == '\n' ? HTTP_BODY_END : HTTP_BODY_BAD;
    case HTTP_BODY_PLAIN:
    case HTTP_BODY_DATA:
    case HTTP_BODY_END:
    case HTTP_BODY_BAD:
        break;
    }
    assert(false);
    return HTTP_BODY_BAD;
}

static bool has_content(const struct http_body *body) {
    return body->state == HTTP_BODY_PLAIN || body->state == HTTP_BODY_DATA;
}

static void take_content(struct http_body *body, struct span *bytes, struct span *piece) {
    size_t count = bytes->bytes < body->left ? bytes->bytes : (size_t)body->left;
    *piece = (struct span){bytes->data, count};
    bytes->data += count;
    bytes->bytes -= count;
    body->left -= count;
    if (body->left == 0) {
        body->state = body->state == HTTP_BODY_PLAIN ? HTTP_BODY_END : HTTP_BODY_DATA_CR;
    }
}

bool http_body_next(struct http_body *body, struct span *bytes, struct span *piece) {
    while (bytes->bytes > 0 && body->state != HTTP_BODY_END && body->state != HTTP_BODY_BAD) {
        if (has_content(body)) {
            take_content(body, bytes, piece);
            return true;
        }
        body->state = on_byte(body, bytes->data[0]);
        bytes->data++;
        bytes->bytes--;
    }
    return false;
}
