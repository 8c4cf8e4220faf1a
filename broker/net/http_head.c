/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/http_head.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const char *const method_names[HTTP_METHODS] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"};

const char *http_method_name(enum http_method method) {
    assert(method < HTTP_METHODS);
    return method_names[method];
}

size_t http_head_end(struct span bytes) {
    const uint8_t *at = bytes.bytes > 0 ? memmem(bytes.data, bytes.bytes, "\r\n\r\n", 4) : NULL;
    return at == NULL ? 0 : (size_t)(at - bytes.data) + 4;
}

/* RFC 9110 section 5.6.2 */
static bool is_token_byte(uint8_t byte) {
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9')) {
        return true;
    }
    return byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

static bool is_token(struct span text) {
    for (size_t i = 0; i < text.bytes; i++) {
        if (!is_token_byte(text.data[i])) {
            return false;
        }
    }
    return text.bytes > 0;
}

static bool span_is_case(struct span text, const char *other) {
    return text.bytes == strlen(other) && strncasecmp((const char *)text.data, other, text.bytes) == 0;
}

static struct span trim(struct span text) {
    while (text.bytes > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.bytes--;
    }
    while (text.bytes > 0 && (text.data[text.bytes - 1] == ' ' || text.data[text.bytes - 1] == '\t')) {
        text.bytes--;
    }
    return text;
}

/* Cuts `rest` at the first `byte`; all of it if there is none. The byte itself is dropped. */
static struct span cut(struct span *rest, uint8_t byte) {
    const uint8_t *at = rest->bytes > 0 ? memchr(rest->data, byte, rest->bytes) : NULL;
    struct span front = {rest->data, at == NULL ? rest->bytes : (size_t)(at - rest->data)};
    size_t used = at == NULL ? rest->bytes : front.bytes + 1;
    rest->data += used;
    rest->bytes -= used;
    return front;
}

/* The next line without its CRLF; false at a bare LF or CR, or a control byte. */
static bool read_line(struct span *rest, struct span *line) {
    *line = cut(rest, '\n');
    if (line->bytes == 0 || line->data[line->bytes - 1] != '\r') {
        return false;
    }
    line->bytes--;
    for (size_t i = 0; i < line->bytes; i++) {
        if ((line->data[i] < ' ' && line->data[i] != '\t') || line->data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static enum http_method method_of(struct span name) {
    for (int i = 0; i < HTTP_OTHER; i++) {
        if (span_is(name, method_names[i])) {
            return (enum http_method)i;
        }
    }
    return HTTP_OTHER;
}

/* A host and perhaps a port. With `?` or `#` in it, a slash behind them would be a path to us and a query to others; and a user is not
   to be named in an http URI (RFC 9110 section 4.2.4). */
static bool is_authority(struct span text) {
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] == '?' || text.data[i] == '#' || text.data[i] == '@') {
            return false;
        }
    }
    return text.bytes > 0;
}

/* Origin form, or absolute form with its scheme and authority dropped (RFC 9112 section 3.2). */
static bool split_target(struct span target, struct http_head *head) {
    for (size_t i = 0; i < target.bytes; i++) {
        if (target.data[i] <= ' ' || target.data[i] >= 0x7f) {
            return false;
        }
    }
    if (target.bytes > 7 && strncasecmp((const char *)target.data, "http://", 7) == 0) {
        struct span rest = {target.data + 7, target.bytes - 7};
        struct span authority = cut(&rest, '/');
        if (!is_authority(authority)) {
            return false;
        }
        if (authority.bytes == target.bytes - 7) {
            head->path = span_of_text("/");
            head->query = (struct span){target.data + target.bytes, 0};
            return true;
        }
        target = (struct span){rest.data - 1, rest.bytes + 1};
    }
    if (target.bytes == 0 || target.data[0] != '/') {
        return false;
    }
    head->path = cut(&target, '?');
    head->query = target;
    return true;
}

static int parse_request_line(struct span line, struct http_head *head, const char **detail) {
    struct span method = cut(&line, ' ');
    struct span target = cut(&line, ' ');
    if (!is_token(method) || line.bytes != 8 || memcmp(line.data, "HTTP/", 5) != 0) {
        *detail = "the request line is malformed";
        return 400;
    }
    if (line.data[5] != '1' || line.data[6] != '.' || line.data[7] < '0' || line.data[7] > '9') {
        *detail = "only HTTP/1.0 and HTTP/1.1 are spoken here";
        return 505;
    }
    head->minor = line.data[7] == '0' ? 0 : 1;
    head->method = method_of(method);
    if (!split_target(target, head)) {
        *detail = "the request target is malformed";
        return 400;
    }
    return 0;
}

static int parse_header_line(struct span line, struct http_head *head, const char **detail) {
    if (head->header_count == HTTP_HEADERS_MAX) {
        *detail = "too many header fields";
        return 431;
    }
    size_t line_bytes = line.bytes;
    struct span name = cut(&line, ':');
    if (name.bytes == line_bytes || !is_token(name)) {
        *detail = "a header field is malformed";
        return 400;
    }
    head->headers[head->header_count++] = (struct http_header){name, trim(line)};
    return 0;
}

/* RFC 9112 section 6.3 allows one that is said twice and is the same both times. Nobody means that. */
static bool read_length(const struct http_head *head, int64_t *length) {
    *length = -1;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!span_is_case(head->headers[i].name, "content-length")) {
            continue;
        }
        struct span value = head->headers[i].value;
        int64_t number = 0;
        if (value.bytes == 0 || value.bytes > 18) {
            return false;
        }
        for (size_t j = 0; j < value.bytes; j++) {
            if (value.data[j] < '0' || value.data[j] > '9') {
                return false;
            }
            number = number * 10 + (value.data[j] - '0');
        }
        if (*length >= 0) {
            return false;
        }
        *length = number;
    }
    return true;
}

size_t http_header_count(const struct http_head *head, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        count += span_is_case(head->headers[i].name, name) ? 1 : 0;
    }
    return count;
}

static int read_framing(struct http_head *head, const char **detail) {
    if (!read_length(head, &head->content_length)) {
        *detail = "Content-Length is malformed";
        return 400;
    }
    size_t codings = http_header_count(head, "transfer-encoding");
    if (codings == 0) {
        return 0;
    }
    if (head->content_length >= 0 || head->minor == 0) {
        *detail = "Transfer-Encoding is not allowed here";
        return 400;
    }
    if (codings > 1 || !span_is_case(http_header_find(head, "transfer-encoding"), "chunked")) {
        *detail = "the only transfer coding is chunked";
        return 501;
    }
    head->chunked = true;
    return 0;
}

static void read_connection(struct http_head *head) {
    head->keep_alive = head->minor == 1 ? !http_header_lists(head, "connection", "close")
                                        : http_header_lists(head, "connection", "keep-alive");
    struct span expect = http_header_find(head, "expect");
    head->expects_continue = head->minor == 1 && expect.data != NULL && span_is_case(expect, "100-continue");
    head->expects_unknown = head->minor == 1 && expect.data != NULL && !head->expects_continue;
}

int http_head_parse(struct span bytes, struct http_head *head, const char **detail) {
    memset(head, 0, sizeof *head);
    struct span line;
    if (!read_line(&bytes, &line)) {
        *detail = "the request line is malformed";
        return 400;
    }
    int status = parse_request_line(line, head, detail);
    while (status == 0) {
        if (!read_line(&bytes, &line)) {
            *detail = "a header field is malformed";
            return 400;
        }
        if (line.bytes == 0) {
            break;
        }
        status = parse_header_line(line, head, detail);
    }
    if (status == 0 && head->minor == 1 && http_header_count(head, "host") != 1) {
        *detail = "exactly one Host is needed";
        status = 400;
    }
    if (status == 0) {
        status = read_framing(head, detail);
    }
    if (status == 0) {
        read_connection(head);
    }
    return status;
}

struct span http_header_find(const struct http_head *head, const char *name) {
    for (size_t i = 0; i < head->header_count; i++) {
        if (span_is_case(head->headers[i].name, name)) {
            return head->headers[i].value;
        }
    }
    return (struct span){NULL, 0};
}

bool http_header_lists(const struct http_head *head, const char *name, const char *token) {
    for (size_t i = 0; i < head->header_count; i++) {
        if (!span_is_case(head->headers[i].name, name)) {
            continue;
        }
        struct span rest = head->headers[i].value;
        while (rest.bytes > 0) {
            struct span item = cut(&rest, ',');
            if (span_is_case(trim(cut(&item, ';')), token)) {
                return true;
            }
        }
    }
    return false;
}

static int index_of(struct span item, const char *const *tokens) {
    for (int i = 0; tokens[i] != NULL; i++) {
        if (span_is(item, tokens[i])) {
            return i;
        }
    }
    return -1;
}

int http_header_first_of(const struct http_head *head, const char *name, const char *const *tokens) {
    for (size_t i = 0; i < head->header_count; i++) {
        if (!span_is_case(head->headers[i].name, name)) {
            continue;
        }
        struct span rest = head->headers[i].value;
        while (rest.bytes > 0) {
            int index = index_of(trim(cut(&rest, ',')), tokens);
            if (index >= 0) {
                return index;
            }
        }
    }
    return -1;
}

/* "q=0", "q=0.000": not this one (RFC 9110 section 12.4.2). */
static bool weighs_nothing(struct span parameters) {
    while (parameters.bytes > 0) {
        struct span parameter = trim(cut(&parameters, ';'));
        if (parameter.bytes >= 3 && (parameter.data[0] | 0x20) == 'q' && parameter.data[1] == '=') {
            size_t zeros = 2;
            while (zeros < parameter.bytes && (parameter.data[zeros] == '0' || parameter.data[zeros] == '.')) {
                zeros++;
            }
            return zeros == parameter.bytes;
        }
    }
    return false;
}

bool http_header_accepts(const struct http_head *head, const char *name, const char *token) {
    for (size_t i = 0; i < head->header_count; i++) {
        struct span rest = span_is_case(head->headers[i].name, name) ? head->headers[i].value : (struct span){0};
        while (rest.bytes > 0) {
            struct span item = cut(&rest, ',');
            if (span_is_case(trim(cut(&item, ';')), token)) {
                return !weighs_nothing(item);
            }
        }
    }
    return false;
}

static int hex_of(uint8_t byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool http_percent_decode(struct span text, bool in_query, struct buffer *out) {
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t byte = text.data[i];
        if (byte == '%') {
            int high = text.bytes - i > 2 ? hex_of(text.data[i + 1]) : -1;
            int low = text.bytes - i > 2 ? hex_of(text.data[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (byte == '+' && in_query) {
            byte = ' ';
        }
        buffer_put_byte(out, byte);
    }
    return !out->failed;
}

bool http_query_next(struct span *query, struct span *name, struct span *value) {
    while (query->bytes > 0) {
        struct span pair = cut(query, '&');
        if (pair.bytes > 0) {
            *name = cut(&pair, '=');
            *value = pair;
            return true;
        }
    }
    return false;
}
