/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The keys kinds.topics_max and kinds.bytes_max: "stock:1000000 order:50000", read into config->core.kind_bounds. */
#ifndef NET_CONFIG_KINDS_H
#define NET_CONFIG_KINDS_H

#include "broker/core/kinds.h"
#include "broker/net/config.h"

/* NULL, or the key that is wrong, with the reason in `why`. */
const char *config_read_bounds(struct config *config, char *why, size_t why_bytes);

/* The first kind with a bound that is not declared, NULL if all are. */
const char *config_unknown_bound(const struct config *config, const struct kinds *kinds);

#endif
