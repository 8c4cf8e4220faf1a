/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Where the broker is: http://host[:port] or ws://host[:port], an optional "/" after it. Bare "host:port" is accepted too.
 * https and wss are the same with TLS, and port 443 unless it is named. No user, query or fragment: tokens never
 * travel in a URL.
 */
#ifndef CLIENT_URL_H
#define CLIENT_URL_H

#include "include/ahora/protocol.h"

#define URL_HOST_BYTES_MAX 253 /* a DNS name, RFC 1035 section 2.3.4 */
#define URL_PORT_DEFAULT 7600
#define URL_PORT_SECURE 443

struct url {
    char host[URL_HOST_BYTES_MAX + 1];      /* without the brackets of an IPv6 address */
    char authority[URL_HOST_BYTES_MAX + 9]; /* for the Host header: host:port, brackets kept */
    uint16_t port;
    bool is_secure;
};

/* False with *detail (may be NULL) a static text; `url` is then undefined. */
bool url_parse(const char *text, struct url *url, const char **detail);

#endif
