/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* When a JSON Web Token ends (RFC 7519, `exp`). Nothing is verified: that is the broker's business, we only want to be in time. Pure. */
#ifndef CLIENT_TOKEN_H
#define CLIENT_TOKEN_H

#include <stdint.h>

/* In ms since the Unix epoch; -1 if it is no such token or does not say. */
int64_t token_expires_at(const char *token);

#endif
