/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The body of an HTTP/1.1 request: its framing taken off, piece by piece (RFC 9112 sections 6 and 7). Pure: no I/O, no allocation, no
 * bound on the whole length.
 */
#ifndef NET_HTTP_BODY_H
#define NET_HTTP_BODY_H

#include "broker/net/http_head.h"

enum http_body_state {
    HTTP_BODY_PLAIN,     /* `left` bytes are still to come */
    HTTP_BODY_SIZE,      /* in the digits of a chunk's size */
    HTTP_BODY_EXTENSION, /* behind them, up to the line end */
    HTTP_BODY_SIZE_LF,
    HTTP_BODY_DATA, /* `left` bytes of this chunk are still to come */
    HTTP_BODY_DATA_CR,
    HTTP_BODY_DATA_LF,
    HTTP_BODY_TRAILER,    /* at the start of a trailer line */
    HTTP_BODY_TRAILER_IN, /* inside one */
    HTTP_BODY_TRAILER_LF, /* behind the CR of the last, empty line */
    HTTP_BODY_END,
    HTTP_BODY_BAD,
};

struct http_body {
    enum http_body_state state;
    uint64_t left;
    unsigned digits;   /* of this chunk's size */
    unsigned overhead; /* bytes of extension in this size line, or of trailers; bounded */
};

void http_body_init(struct http_body *body, const struct http_head *head);

/*
 * Takes framing and at most one piece of content off the front of *bytes. True: *piece holds content (at least one byte). False: look at
 * the state: HTTP_BODY_END (what is left of *bytes is the next request), HTTP_BODY_BAD, or everything was taken and more must come.
 */
bool http_body_next(struct http_body *body, struct span *bytes, struct span *piece);

#endif
