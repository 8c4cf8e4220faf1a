/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/origin.h"

#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/connection.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool texts_equal(struct span a, struct span b) {
    return a.bytes == b.bytes && (a.bytes == 0 || strncasecmp((const char *)a.data, (const char *)b.data, a.bytes) == 0);
}

/* "https://a.example:8443" -> "a.example:8443"; nothing if it is no such thing ("null"). */
static struct span authority_of(struct span origin) {
    for (size_t i = 1; i + 3 <= origin.bytes; i++) {
        if (memcmp(origin.data + i, "://", 3) == 0) {
            return (struct span){origin.data + i + 3, origin.bytes - i - 3};
        }
    }
    return (struct span){0};
}

/* "localhost:80@evil.example" has no port. */
static struct span without_port(struct span authority) {
    size_t at = authority.bytes;
    while (at > 0 && authority.data[at - 1] >= '0' && authority.data[at - 1] <= '9') {
        at--;
    }
    bool has_port = at > 0 && authority.data[at - 1] == ':' && at < authority.bytes && authority.bytes - at <= 5;
    return has_port ? (struct span){authority.data, at - 1} : authority;
}

static bool is_ipv4(struct span name, struct in_addr *address) {
    char text[16];
    if (name.bytes == 0 || name.bytes >= sizeof text) {
        return false;
    }
    memcpy(text, name.data, name.bytes);
    text[name.bytes] = '\0';
    return inet_pton(AF_INET, text, address) == 1;
}

/* A name in the domain name system, which its owner can point anywhere: neither an address nor a bare local name. */
static bool is_domain(struct span name) {
    struct in_addr address;
    return name.bytes > 0 && name.data[0] != '[' && memchr(name.data, '.', name.bytes) != NULL && !is_ipv4(name, &address);
}

static bool is_loopback(struct span authority) {
    struct span name = without_port(authority);
    struct in_addr address;
    return texts_equal(name, span_of_text("localhost")) || texts_equal(name, span_of_text("[::1]")) ||
           (is_ipv4(name, &address) && (ntohl(address.s_addr) >> 24) == 127);
}

/* The next item of a list separated by blanks; false at its end. */
static bool next_item(const char **rest, struct span *item) {
    *rest += strspn(*rest, " \t");
    size_t bytes = strcspn(*rest, " \t");
    *item = (struct span){(const uint8_t *)*rest, bytes};
    *rest += bytes;
    return bytes > 0;
}

static bool is_https(struct span origin) {
    static const char scheme[] = "https://";
    return origin.bytes >= sizeof scheme - 1 && strncasecmp((const char *)origin.data, scheme, sizeof scheme - 1) == 0;
}

bool origin_is_admitted(struct span origin, struct span host, bool is_secure, const char *allowed) {
    struct span item;
    while (next_item(&allowed, &item)) {
        if (span_is(item, "*") || texts_equal(item, origin)) {
            return true;
        }
    }
    struct span authority = authority_of(origin);
    bool is_own = texts_equal(authority, host) && (!is_secure || is_https(origin));
    return authority.bytes > 0 && (is_own || (is_loopback(authority) && is_loopback(host)));
}

bool origin_host_is_known(struct span host, const char *allowed) {
    struct span item;
    while (next_item(&allowed, &item)) {
        if (span_is(item, "*") || (host.bytes > 0 && texts_equal(authority_of(item), host))) {
            return true;
        }
    }
    return host.bytes > 0 && !is_domain(without_port(host));
}

static bool is_secure(const struct exchange *exchange) {
    return transport_is_secure(exchange->connection->transport);
}

/* Without a Host (HTTP/1.0) it is no browser. Over TLS the certificate has told the browser whose name it is; and where everybody shows who they
   are, a foreign page has nothing to show. */
static bool is_host_known(const struct exchange *exchange, struct span host) {
    const struct config *config = &exchange->broker->config;
    return config->insecure_open || host.data == NULL || is_secure(exchange) || access_is_controlled(config) ||
           origin_host_is_known(host, config->allowed_origins);
}

/* No browser says it twice; who does may mean to be understood in two ways. */
static bool is_said_twice(const struct http_head *head, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        count += texts_equal(head->headers[i].name, span_of_text(name)) ? 1 : 0;
    }
    return count > 1;
}

void origin_read(struct exchange *exchange) {
    struct span host = http_header_find(&exchange->head, "host");
    struct span origin = http_header_find(&exchange->head, "origin");
    if (origin.bytes > 0 && is_host_known(exchange, host) &&
        origin_is_admitted(origin, host, is_secure(exchange), exchange->broker->config.allowed_origins)) {
        exchange->origin = origin;
    }
}

void origin_put_headers(const struct exchange *exchange, struct buffer *out) {
    if (http_header_find(&exchange->head, "origin").data != NULL) {
        buffer_put_text(out, "Vary: Origin\r\n");
    }
    if (exchange->origin.bytes > 0) {
        buffer_put_text(out, "Access-Control-Allow-Origin: ");
        buffer_put_span(out, exchange->origin);
        buffer_put_text(out, "\r\nAccess-Control-Expose-Headers: ETag, Location, Retry-After\r\n");
    }
}

/* Reading is left alone: without our leave no browser shows an answer to a page of another origin. An event stream is refused all
   the same, since it holds a session. */
static bool needs_origin(const struct exchange *exchange) {
    enum http_method method = exchange->head.method;
    return (method != HTTP_GET && method != HTTP_HEAD) || exchange->handler == &api_websocket ||
           exchange->handler == &api_stream;
}

static bool refuse(struct exchange *exchange, const char *detail) {
    struct net_metrics *metrics = &exchange->broker->metrics;
    metrics->origins_refused++;
    metrics->upgrades_refused += exchange->handler == &api_websocket ? 1 : 0;
    exchange_refuse(exchange, AHORA_FORBIDDEN, detail);
    return false;
}

bool origin_admit(struct exchange *exchange) {
    const struct config *config = &exchange->broker->config;
    struct span host = http_header_find(&exchange->head, "host");
    struct span origin = http_header_find(&exchange->head, "origin");
    if (is_said_twice(&exchange->head, "origin") || is_said_twice(&exchange->head, "host")) {
        return refuse(exchange, "Origin and Host may be said once");
    }
    if (!is_host_known(exchange, host)) {
        return refuse(exchange, "this broker does not answer to the name in Host; see listen.allowed_origins");
    }
    if (origin.data != NULL && needs_origin(exchange) &&
        !origin_is_admitted(origin, host, is_secure(exchange), config->allowed_origins)) {
        return refuse(exchange, "pages of this origin may not use this broker; see listen.allowed_origins");
    }
    return true;
}
