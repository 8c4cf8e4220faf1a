/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Bodies of requests and answers: JSON or MessagePack in, JSON out; and what several calls of the API say alike. */
#ifndef NET_CONTENT_H
#define NET_CONTENT_H

#include "broker/net/exchange.h"
#include "proto/json.h"

/* True if the Content-Type is that media type (its parameters are ignored). */
bool content_is(const struct http_head *head, const char *type);

/* The request's whole body as one checked value appended to `out`: JSON (any type ending in "json"; PUT and PATCH may do without) or
   application/msgpack. If it is not AHORA_OK, the exchange has been answered. */
enum ahora_code content_read_body(struct exchange *exchange, unsigned depth_max, struct buffer *out, const char **detail);

/* `durable`, `applied`, `none`. */
bool content_parse_ack(struct span text, enum ack *ack);

/* {"topic":…,"seq":…,"at":…,"data":…,"stale":…} of a topic that exists, with what the rights show of its document. */
void content_put_item(struct buffer *out, const struct topic *topic, const struct rights *rights);

/* A problem from the core's packed {code, detail, seq?, errors?, retry_ms?}. */
void content_answer_error(struct exchange *exchange, struct span error);

/* What a query can hold of them at all, whatever limits.patterns_max allows. */
#define CONTENT_PATTERNS_MAX 256

/* The `match` parameters of the query ("**" if there is none), decoded into `text` and parsed into `patterns`, which has room for
   CONTENT_PATTERNS_MAX; each lies in what the exchange may read. False: the exchange has been answered. */
bool content_read_patterns(struct exchange *exchange, struct buffer *text, struct name *patterns, size_t *count);

/* May the topics of these patterns be chosen by that? False: the exchange has been answered. */
bool content_may_narrow(struct exchange *exchange, const struct name *patterns, size_t count, const struct filter *filter);

#endif
