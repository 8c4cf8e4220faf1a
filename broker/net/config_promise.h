/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* `[freshness]`: what the operator promises of each kind's documents, as text and as the core wants it. */
#ifndef NET_CONFIG_PROMISE_H
#define NET_CONFIG_PROMISE_H

#include "broker/core/kinds.h"
#include "broker/net/config.h"

/* Reads config->fresh_ms and config->expire_ms ("service:2m stock:0") into config->core. NULL, or the key that is wrong, with
   the reason in `why`. */
const char *config_read_promises(struct config *config, char *why, size_t why_bytes);

/* The first kind that is promised something and not declared; NULL: none. */
const char *config_unknown_promise(const struct config *config, const struct kinds *kinds);

#endif
