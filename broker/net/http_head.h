/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The head of an HTTP/1.1 request (RFC 9112), from bytes. Pure: no I/O, no allocation; spans point into the caller's bytes.
 *
 * Strict where leniency has let two programs see two different requests: no obsolete line folding, no white space before a colon,
 * no bare LF, no body length given twice, and chunked as the only transfer coding.
 */
#ifndef NET_HTTP_HEAD_H
#define NET_HTTP_HEAD_H

#include "proto/buffer.h"

#define HTTP_HEADERS_MAX 64

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS, /* answered for every path that there is, with what it takes */
    HTTP_OTHER,   /* well-formed, but nothing here takes it */
    HTTP_METHODS,
};

const char *http_method_name(enum http_method method);

struct http_header {
    struct span name;
    struct span value;
};

struct http_head {
    enum http_method method;
    struct span path;  /* as sent, still percent-encoded */
    struct span query; /* without '?'; empty if none */
    int minor;         /* HTTP/1.minor */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    int64_t content_length; /* -1: none given */
    bool chunked;
    bool keep_alive;
    bool expects_continue;
    bool expects_unknown; /* an Expect we do not know: 417 */
};

/* Where the head ends, counted from the front and including its empty line; 0 if `bytes` does not hold all of it yet. */
size_t http_head_end(struct span bytes);

/* Reads a head of exactly `bytes`. 0, or the HTTP status to refuse it with and *detail (static text): 400, 431, 501, 505. */
int http_head_parse(struct span bytes, struct http_head *head, const char **detail);

/* The value of the first header of that name (any case); data NULL if there is none. */
struct span http_header_find(const struct http_head *head, const char *name);

/* How many header lines have that name (any case). */
size_t http_header_count(const struct http_head *head, const char *name);

/* True if one of the comma-separated items of all headers `name` is `token` (any case; parameters after ';' are ignored). */
bool http_header_lists(const struct http_head *head, const char *name, const char *token);

/* Of all items of these headers, the first that is one of `tokens` (byte by byte, the last is NULL): its index there; -1 if there is none. */
int http_header_first_of(const struct http_head *head, const char *name, const char *const *tokens);

/* True if the first such item is not refused by a weight of 0. What "*" stands for is left out. */
bool http_header_accepts(const struct http_head *head, const char *name, const char *token);

/* Undoes percent-encoding once; in a query, '+' is a space. False: malformed, a NUL byte, or `out` is full. */
bool http_percent_decode(struct span text, bool in_query, struct buffer *out);

/* Walks the pairs of a query. *query shrinks from the front; false at its end. */
bool http_query_next(struct span *query, struct span *name, struct span *value);

#endif
