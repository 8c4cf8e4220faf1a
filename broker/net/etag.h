/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Entity tags: a topic's version as `"<epoch>-<seq>"` in If-Match and If-None-Match (RFC 9110 sections 8.8.3, 13.1). Pure. */
#ifndef NET_ETAG_H
#define NET_ETAG_H

#include "broker/core/core.h"
#include "broker/net/http_head.h"

/* True if the header lists `"<epoch>-<seq>"` or is "*". Weak tags count if `weak`. */
bool etag_lists(const struct http_head *head, const char *header, const struct core *core, int64_t seq, bool weak);

/* For If-Match: the one of its versions that the change must find: the current one (`seq`, 0: none exists) if it is listed, else the first
   of this epoch. False if it lists none of this epoch, or "*" while there is no topic. */
bool etag_choose(const struct http_head *head, const struct core *core, int64_t seq, int64_t *chosen);

/* Walks a list of entity tags: the opaque text without quotes. False at the end, or at something malformed. */
bool etag_next(struct span *list, struct span *tag, bool *weak);

#endif
