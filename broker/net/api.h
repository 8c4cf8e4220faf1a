/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The handlers of the HTTP API, one struct per call (protocol.md section 6). Each file api_*.c holds those that belong together. */
#ifndef NET_API_H
#define NET_API_H

#include "broker/net/exchange.h"

extern const struct handler api_websocket; /* upgrade.c */
extern const struct handler api_topic_get; /* api_topic.c */
extern const struct handler api_topic_put;
extern const struct handler api_topic_patch;
extern const struct handler api_topic_delete;
extern const struct handler api_topic_adjust;
extern const struct handler api_publish;     /* api_publish.c: chooses by content type */
extern const struct handler api_topics_list; /* api_list.c */
extern const struct handler api_kinds;       /* api_kinds.c */
extern const struct handler api_kind;
extern const struct handler api_range;  /* api_range.c */
extern const struct handler api_stream; /* api_stream.c */
extern const struct handler api_livez;  /* api_admin.c */
extern const struct handler api_readyz;
extern const struct handler api_status;
extern const struct handler api_admin_sessions; /* api_sessions.c */
extern const struct handler api_admin_slowest;
extern const struct handler api_admin_disconnect;
extern const struct handler api_admin_drain; /* api_control.c */
extern const struct handler api_admin_reload;
extern const struct handler api_admin_revoke;
extern const struct handler api_admin_backup;
extern const struct handler api_metrics; /* api_metrics.c */
extern const struct handler api_root;    /* api_page.c */
extern const struct handler api_demo;
extern const struct handler api_page;
extern const struct handler api_page_script;
extern const struct handler api_openapi; /* api_describe.c */
extern const struct handler api_asyncapi;

#endif
