/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/url.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool refuse(const char **detail, const char *why) {
    if (detail != NULL) {
        *detail = why;
    }
    return false;
}

/* The text after the scheme, NULL with *detail if the scheme is not ours. */
static const char *skip_scheme(const char *text, bool *is_secure, const char **detail) {
    static const struct {
        const char *prefix;
        bool is_secure;
    } schemes[] = {{"http://", false}, {"ws://", false}, {"https://", true}, {"wss://", true}};
    *is_secure = false;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t bytes = strlen(schemes[i].prefix);
        if (strncmp(text, schemes[i].prefix, bytes) == 0) {
            *is_secure = schemes[i].is_secure;
            return text + bytes;
        }
    }
    return strstr(text, "://") == NULL ? text : (refuse(detail, "unknown scheme, expected http, https, ws or wss"), NULL);
}

/* Only what a host name or a numeric address is made of may reach the Host header. */
static bool host_is_clean(const char *host, size_t bytes, bool bracketed) {
    for (size_t i = 0; i < bytes; i++) {
        char c = host[i];
        bool name =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (!name && !(bracketed && (c == ':' || c == '%'))) {
            return false;
        }
    }
    return bytes > 0;
}

/* ":port" up to `end`, or nothing: then it is left as it is. */
static bool parse_port(const char *at, const char *end, uint16_t *port) {
    if (at == end) {
        return true;
    }
    if (*at != ':' || end - at < 2 || end - at > 6) {
        return false;
    }
    unsigned value = 0;
    for (at++; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(*at - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

bool url_parse(const char *text, struct url *url, const char **detail) {
    assert(text != NULL && url != NULL);
    const char *host = skip_scheme(text, &url->is_secure, detail);
    if (host == NULL) {
        return false;
    }
    const char *end = host + strcspn(host, "/?#");
    if (*end != '\0' && strcmp(end, "/") != 0) {
        return refuse(detail, "a path, query or fragment has no place in the broker's URL");
    }
    bool bracketed = *host == '[';
    const char *stop = bracketed ? memchr(host, ']', (size_t)(end - host)) : memchr(host, ':', (size_t)(end - host));
    if (bracketed && stop == NULL) {
        return refuse(detail, "missing ] in the address");
    }
    host += bracketed;
    size_t bytes = (size_t)((stop == NULL ? end : stop) - host);
    if (bytes > URL_HOST_BYTES_MAX || !host_is_clean(host, bytes, bracketed)) {
        return refuse(detail, "not a host name or address");
    }
    url->port = url->is_secure ? URL_PORT_SECURE : URL_PORT_DEFAULT;
    if (!parse_port(host + bytes + bracketed, end, &url->port)) {
        return refuse(detail, "the port is not a number from 1 to 65535");
    }
    memcpy(url->host, host, bytes);
    url->host[bytes] = '\0';
    snprintf(url->authority, sizeof(url->authority), bracketed ? "[%s]:%u" : "%s:%u", url->host, url->port);
    return true;
}
