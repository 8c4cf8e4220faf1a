/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Who a browser speaks for. A page of any site can make the browser open a WebSocket to us, or post to us, with whatever access the
 * browser's machine has; all that tells it from our own page is its Origin header (RFC 6454). And a name that its owner points at a
 * loopback address makes a foreign page look like our own, so a broker that is open to loopback does not answer to domains.
 * Pure, loop thread. Programs that are no browser send no Origin and are not concerned.
 */
#ifndef NET_ORIGIN_H
#define NET_ORIGIN_H

#include "proto/buffer.h"

#include <stdbool.h>

struct exchange;

/* True if a page of `origin` may use a broker it reached as `host` (the Host header: name and perhaps port). `allowed` is
   listen.allowed_origins: origins as browsers write them, separated by blanks; "*" stands for all. Over TLS the page of our own name is the
   one that came by https, too: with http somebody on the way could have written it. */
bool origin_is_admitted(struct span origin, struct span host, bool is_secure, const char *allowed);

/* True if `host` is an address, a name without a dot, or that of an origin in `allowed`: a stranger can point a domain at a loopback
   address (DNS rebinding), but not the others. */
bool origin_host_is_known(struct span host, const char *allowed);

/* What a page may send and how long its browser may remember that it may (10 minutes: a changed configuration is noticed). */
#define ORIGIN_PREFLIGHT_HEADERS                                                                                               \
    "Access-Control-Allow-Headers: Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "            \
    "Last-Event-ID\r\n"                                                                                                        \
    "Access-Control-Max-Age: 600\r\n"

/* Notes in exchange->origin who may see the answers, whatever these will be. */
void origin_read(struct exchange *exchange);

/* The lines that tell a browser so (the Fetch standard's CORS); none if no page asks. */
void origin_put_headers(const struct exchange *exchange, struct buffer *out);

/* Both questions, for a request whose route is known. False: it is refused and counted. */
bool origin_admit(struct exchange *exchange);

#endif
