/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* UTF-8 as RFC 3629 has it: no overlong sequence, no surrogate, nothing above U+10FFFF. Pure. */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include "proto/buffer.h"

/* Bytes of the sequence at `at`, which begins with a byte of 0x80 or more; 0 if it is none. Reads no more than `left`, at least 1. */
unsigned utf8_sequence_bytes(const uint8_t *at, size_t left);

/* Is all of it UTF-8? NUL is. */
bool utf8_is_legal(struct span text);

#endif
