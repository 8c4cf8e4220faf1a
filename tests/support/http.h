/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A small HTTP/1.1 client for tests, over loopback. http_request and http_exchange block with a deadline and close the connection
 * after one answer; struct http_reader is the incremental half for those who keep a connection of their own (event streams,
 * answers that arrive while the request is still being sent). One thread.
 */
#ifndef AHORA_TESTS_HTTP_H
#define AHORA_TESTS_HTTP_H

#include <jansson.h>
#include <stdbool.h>

#include "tests/support/bytes.h"

#define HTTP_TIMEOUT_MS 10000

enum http_state {
    HTTP_HEAD,
    HTTP_LENGTH,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK,
    HTTP_TRAILER,
    HTTP_UNTIL_CLOSE,
    HTTP_DONE,
    HTTP_BROKEN,
};

struct http_reader {
    enum http_state state;
    int status;        /* 0 until the head is complete */
    struct bytes head; /* status line and header lines as received, with the empty line */
    struct bytes body; /* decoded; the user may consume it as it comes */
    struct bytes raw;  /* received, not yet understood */
    size_t left;       /* of the body or chunk */
    bool is_head_only; /* answer to HEAD: no body follows */
};

void http_reader_init(struct http_reader *reader);
void http_reader_fini(struct http_reader *reader);
void http_reader_feed(struct http_reader *reader, const void *data, size_t size);
void http_reader_end(struct http_reader *reader); /* the peer closed */

/* The value of a header, copied to `value`; false if it is absent. */
bool http_reader_header(const struct http_reader *reader, const char *name, char *value, size_t size);

struct http_response {
    int status; /* 0: no answer (refused, cut, timed out, not HTTP) */
    struct http_reader reader;
    bool is_timed_out;
};

/*
 * One request. `headers` are whole lines each ended by \r\n, or NULL; Host, Connection: close and Content-Length (if there is a
 * body) are added. True if a whole answer came. Call http_response_fini in any case.
 */
bool http_request(uint16_t port, const char *method, const char *target, const char *headers, const void *body,
                  size_t body_bytes, struct http_response *response);

/* Sends these very bytes and reads one answer. With `is_shut` the writing side is closed after them. */
bool http_exchange(uint16_t port, const void *data, size_t size, bool is_shut, int timeout_ms, struct http_response *response);

bool http_response_header(const struct http_response *response, const char *name, char *value, size_t size);
const char *http_response_body(struct http_response *response); /* terminated */
json_t *http_response_json(struct http_response *response);     /* NULL if the body is not JSON; the caller owns it */
void http_response_fini(struct http_response *response);

/* Convenience: GET, and its status (0: no answer). */
int http_status(uint16_t port, const char *target);

/* A connected blocking socket to 127.0.0.1, or -1. `receive_bytes` > 0 sets SO_RCVBUF before connecting. */
int http_connect(uint16_t port, int receive_bytes);

#endif
