/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Base64 as in URLs (RFC 4648 section 5), without padding, the strict way: one text for each row of bytes. Pure functions. */
#ifndef PROTO_BASE64URL_H
#define PROTO_BASE64URL_H

#include "proto/buffer.h"

/* Appends the bytes. False: a character that is none, padding, a length that cannot be, bits behind the last byte, or out->failed. */
bool base64url_decode(struct span text, struct buffer *out);
void base64url_put(struct buffer *out, struct span bytes);

#endif
