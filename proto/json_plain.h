/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The two ways from JSON text to MessagePack behind json_to_pack. Only proto/json*.c and their tests look here.
 */
#ifndef PROTO_JSON_PLAIN_H
#define PROTO_JSON_PLAIN_H

#include "proto/json.h"

/*
 * The short way: one pass, no tree, no allocation but the growth of `out`. It takes only what is usual and never says what is wrong:
 * false, with `out` as before, for everything it does not take, whether that is JSON or not. What it takes it writes byte for byte as
 * json_tree_to_pack does. `out` must not have failed.
 */
bool json_plain_to_pack(struct span text, unsigned depth_max, size_t values_max, struct buffer *out);

/* The long way, by jansson: takes all of RFC 8259, and finds the words for what is wrong. */
enum ahora_code json_tree_to_pack(struct span text, unsigned depth_max, size_t values_max, struct buffer *out,
                                  const char **detail);

#endif
