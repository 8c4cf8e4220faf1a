/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Both encodings of the protocol to and from jansson values, so that one test serves both: JSON by jansson, MessagePack by
 * msgpack-c's unpacker. Stateless; safe from any thread.
 */
#ifndef AHORA_TESTS_CODEC_H
#define AHORA_TESTS_CODEC_H

#include <jansson.h>
#include <stdbool.h>

#include "tests/support/bytes.h"

enum codec {
    CODEC_JSON,
    CODEC_MSGPACK,
};

/* "json" or "msgpack". */
const char *codec_name(enum codec codec);

/* Appends the value; a message of several protocol messages is made by calling it again (JSON: with '\n' between). */
void codec_encode(enum codec codec, const json_t *value, struct bytes *out);

/*
 * The next protocol message of one WebSocket message, from *offset on, which moves past it. NULL at the end, or on bytes that are
 * not legal, told apart by *is_bad. The caller owns the value.
 */
json_t *codec_decode(enum codec codec, const char *data, size_t size, size_t *offset, bool *is_bad);

/* Equal as documents: numbers by value (165 and 165.0 are one number), keys in any order. */
bool codec_values_equal(const json_t *a, const json_t *b);

#endif
