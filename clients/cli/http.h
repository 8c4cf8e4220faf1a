/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One HTTP request over a blocking socket, for `ahora status` and `ahora range`: a command that asks one question needs no loop.
 */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include "clients/cli/options.h"
#include "proto/buffer.h"

#define HTTP_BODY_BYTES_MAX 16777216
#define HTTP_WAIT_S 10 /* for each of connect, write and read */

struct http_question {
    const char *path;
    const char *token; /* NULL: none */
    const char *key;   /* Idempotency-Key; NULL: none */
    struct span json;  /* data NULL: a GET; else the body of a POST */
};

/* Asks options->server. The status, with the body in `body` (initialized by the caller); 0 with *why a text if there was no answer. */
int http_ask(const struct options *options, const struct http_question *question, struct buffer *body, const char **why);

#endif
