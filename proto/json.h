/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * JSON (RFC 8259) at the edge: text in becomes MessagePack, MessagePack becomes text out.
 * What is usual is read in one pass of our own, all else and every error by jansson; writing is a stream of our own. Both refuse what pack.h calls illegal.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "include/ahora/protocol.h"
#include "proto/buffer.h"

#define JSON_MEMORY_FACTOR 96

/* What one JSON text from the network may hold of values, keys not counted: 262 for each of 1,000 changes. Reading so many takes
   some 50 ms and 30 MB; four million bytes of `{}` would take ten times as much. MessagePack is read in place and not bounded so. */
#define JSON_VALUES_MAX 262144

/*
 * Translates one JSON value (white space around it is allowed, anything else after it is not) and appends it to `out`.
 * AHORA_OK, AHORA_BAD_MESSAGE (syntax, UTF-8, repeated key, integer out of int64, number out of double, deeper than
 * depth_max, "\u0000"), or AHORA_TOO_LARGE (`out` is full). On failure `out` is as before, and *detail, if not NULL,
 * a static text for people.
 * Memory: at most JSON_MEMORY_FACTOR times `text.bytes` while it runs (reached by a list of many `{}`); nothing afterwards.
 */
enum ahora_code json_to_pack(struct span text, unsigned depth_max, struct buffer *out, const char **detail);

/* The same, and AHORA_TOO_LARGE if the text may hold more values than that, which a pass over its commas and brackets tells. */
enum ahora_code json_to_pack_bounded(struct span text, unsigned depth_max, size_t values_max, struct buffer *out,
                                     const char **detail);

/* Appends the JSON text of one checked MessagePack value, no white space. Floats are the shortest text that reads back the
   same, and always look like floats (165.0). Fails only by `out->failed`. */
void json_put(struct buffer *out, struct span value);

/* Appends `text` as a JSON string with its quotes. */
void json_put_text(struct buffer *out, struct span text);

#endif
