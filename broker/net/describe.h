/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The broker's descriptions of itself, written from what it works by: the route table and its operations, the tables of messages,
 * the error codes, the kinds in force. What no table says (the shape of a status, of a query) stands in describe/ and is held against
 * real answers by tests/api. Pure: a kinds list in, JSON text out; fails only by `out->failed`.
 */
#ifndef NET_DESCRIBE_H
#define NET_DESCRIBE_H

#include "broker/core/kinds.h"
#include "proto/buffer.h"

#define DESCRIBE_BYTES_MAX ((size_t)KINDS_MAX * (SCHEMA_BYTES_MAX + 128) + 262144)

/* OpenAPI 3.1 (openapi.c). */
void describe_openapi(struct buffer *out, const struct kinds *kinds);

/* AsyncAPI 3.0 (asyncapi.c). `host` is where the reader found us; empty: no server is named. */
void describe_asyncapi(struct buffer *out, const struct kinds *kinds, struct span host);

/* `"schemas":{…}` of components, for both: describe/schemas.json, what the tables say, and the kinds. */
void describe_put_schemas(struct buffer *out, const struct kinds *kinds);

/* `"info":{…}`. */
void describe_put_info(struct buffer *out, const char *title, const char *description);

/* `"name":` and `"name":"text"`, with a comma in front unless `first`. */
void describe_put_key(struct buffer *out, bool first, const char *name);
void describe_put_pair(struct buffer *out, bool first, const char *name, const char *text);

#endif
