/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Tokens for tests, signed with HS256, written from RFC 7515, RFC 2104 and FIPS 180-4 alone: nothing of it is the broker's. */
#ifndef AHORA_TESTS_TOKEN_H
#define AHORA_TESTS_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#define TOKEN_BYTES_MAX 16384

void token_sha256(const void *data, size_t bytes, uint8_t digest[32]);

/* Writes the token of that header and those claims, JSON texts that need not be good ones, to `out`. */
void token_make(const char *secret, const char *header, const char *claims, char out[TOKEN_BYTES_MAX]);

#endif
