/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* One session as an operator sees it: what the core knows, from where, and what the kernel counts. On its shard's thread. */
#ifndef NET_SESSION_REPORT_H
#define NET_SESSION_REPORT_H

#include "broker/core/core.h"
#include "broker/net/inquiry.h"

struct broker;

bool session_report_selects(const struct session *session, const struct session_facts *facts,
                            const struct session_filter *filter);

/* A JSON object. */
void session_report_put(struct broker *broker, const struct session *session, struct buffer *out);

#endif
