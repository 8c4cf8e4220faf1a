/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahorad --budget`: what each thing the broker keeps costs in bytes, struct by struct, and what that comes to at the limits of a
 * configuration. Sizes are those of our structs as compiled.
 */
#ifndef NET_BUDGET_H
#define NET_BUDGET_H

#include "broker/net/config.h"

#include <stdio.h>

void budget_print(const struct config *config, FILE *out);

/* One WebSocket that is connected and follows one pattern, bytes. */
size_t budget_connection_bytes(void);

/* One topic without its document, for each shard. */
size_t budget_topic_bytes(void);

#endif
