/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Who is behind a proxy. Without this everybody would come from the proxy's address, and share one place in the limit per address.
 *
 * Only a proxy that listen.trusted_proxies names is believed, and of X-Forwarded-For only what such proxies wrote: entries are read from the right
 * as long as they are trusted proxies themselves, and the first that is not is the client. What stands left of it the client may have
 * invented. Each request may be of somebody else: the connection is counted for whoever asks.
 */
#ifndef NET_FORWARDED_H
#define NET_FORWARDED_H

#include "proto/buffer.h"

#include <netinet/in.h>
#include <stdbool.h>

struct exchange;
struct http_head;

/* `trusted`: addresses and networks ("127.0.0.1 10.0.0.0/8 2001:db8::/32"), separated by blanks. IPv4 addresses are mapped. */
bool forwarded_is_trusted(const struct in6_addr *address, const char *trusted);

/* False, with the fault of the first bad item in `why`. */
bool forwarded_check(const char *trusted, char *why, size_t why_bytes);

/* The client that the head tells of. False: it tells of none. */
bool forwarded_client(const struct http_head *head, const char *trusted, struct in6_addr *client);

/* Counts the connection for the client of this request. False: that one has as many as it may, and the request is refused. */
bool forwarded_admit(struct exchange *exchange);

#endif
