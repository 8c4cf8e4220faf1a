/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Messages as JSON Schemas (2020-12), written from the same tables that read and write them: what a description says of them
 * cannot differ from what is understood. Shapes that the tables leave open (a document, a condition) are references into
 * "#/components/schemas/", where the caller puts them. Pure.
 */
#ifndef PROTO_MESSAGE_SCHEMA_H
#define PROTO_MESSAGE_SCHEMA_H

#include "proto/buffer.h"

/* The name of an operation, NULL past the last; requests and replies are counted from 0 as in enum request_op and reply_op. */
const char *message_request_name(unsigned op);
const char *message_reply_name(unsigned op);

/* Appends the schema of that message as JSON text. */
void message_request_schema(struct buffer *out, unsigned op);
void message_reply_schema(struct buffer *out, unsigned op);

/* The same of one change of a `pub`. */
void message_change_schema(struct buffer *out);

/* {"enum":[…]} of all error codes; with `status` not 0 of those that go with that HTTP status. */
void message_codes_schema(struct buffer *out, int status);

#endif
