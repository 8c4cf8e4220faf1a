/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The two ways to publish share a path; api_publish.c chooses. */
#ifndef NET_API_PUBLISH_H
#define NET_API_PUBLISH_H

#include "broker/net/exchange.h"

extern const struct handler publish_lines; /* api_publish_lines.c */

#endif
