/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/listen_address.h"

#include "broker/net/access.h"
#include "broker/net/config.h"
#include "broker/net/limits.h"
#include "broker/net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool parse_port(const char *text, size_t bytes, uint16_t *port) {
    unsigned long value = 0;
    if (bytes == 0 || bytes > 5) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned long)(text[i] - '0');
    }
    *port = htons((uint16_t)value);
    return value <= 65535;
}

/* "127.0.0.1:7600", "[::1]:7600". */
static bool parse_address(const char *text, size_t bytes, struct listen_address *to) {
    char host[64];
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    size_t colon = bytes;
    while (colon > 0 && text[colon - 1] != ':') {
        colon--;
    }
    bool bracketed = colon > 2 && text[0] == '[' && text[colon - 2] == ']';
    size_t host_bytes = colon == 0 ? 0 : bracketed ? colon - 3 : colon - 1;
    if (host_bytes == 0 || host_bytes >= sizeof host || !parse_port(text + colon, bytes - colon, &in4.sin_port)) {
        return false;
    }
    memcpy(host, text + (bracketed ? 1 : 0), host_bytes);
    host[host_bytes] = '\0';
    in6.sin6_port = in4.sin_port;
    bool good = bracketed ? inet_pton(AF_INET6, host, &in6.sin6_addr) == 1 : inet_pton(AF_INET, host, &in4.sin_addr) == 1;
    to->address_bytes = bracketed ? sizeof in6 : sizeof in4;
    if (bracketed) {
        memcpy(&to->address, &in6, sizeof in6);
    } else {
        memcpy(&to->address, &in4, sizeof in4);
    }
    return good;
}

static const char *list_of(const struct config *config, int role) {
    const char *const lists[LISTENER_ROLES] = {
        [LISTENER_BOTH] = config->listen,
        [LISTENER_PUBLIC] = config->listen_public,
        [LISTENER_INTERNAL] = config->listen_internal,
    };
    return lists[role];
}

bool listen_next(struct listen_cursor *cursor, struct listen_address *address) {
    for (; cursor->role < LISTENER_ROLES; cursor->role++, cursor->rest = NULL) {
        const char *rest = cursor->rest != NULL ? cursor->rest : list_of(cursor->config, cursor->role);
        rest += strspn(rest, ", \t");
        size_t bytes = strcspn(rest, ", \t");
        cursor->rest = rest + bytes;
        if (bytes > 0) {
            memset(address, 0, sizeof *address);
            address->role = (enum listener_role)cursor->role;
            address->text = rest;
            address->text_bytes = bytes;
            address->is_secure = bytes > 4 && memcmp(rest, "tls:", 4) == 0;
            size_t skipped = address->is_secure ? 4 : 0;
            address->is_malformed = !parse_address(rest + skipped, bytes - skipped, address);
            return true;
        }
    }
    return false;
}

/* Only who shows a certificate of ours gets in. */
static bool needs_certificate(const struct config *config, const struct listen_address *address) {
    return address->is_secure && config->tls_client_ca[0] != '\0' && strcmp(config->tls_client_certificates, "required") == 0;
}

static const char *fault_of(const struct config *config, const struct listen_address *address) {
    if (address->is_malformed) {
        return "is not ADDR:PORT or tls:ADDR:PORT (IPv6 in brackets)";
    }
    if (address->is_secure && (config->tls_certificate[0] == '\0' || config->tls_key[0] == '\0')) {
        return "needs tls.certificate and tls.key";
    }
    if (!sockaddr_is_loopback((const struct sockaddr *)&address->address) && !config->insecure_open &&
        !access_is_controlled(config) && !needs_certificate(config, address)) {
        return "is not loopback, and nobody is asked there who they are (auth.keys, auth.jwks, auth.api_keys); with "
               "--insecure-open "
               "anybody who reaches it may read and write everything";
    }
    return NULL;
}

bool listen_check(const struct config *config, char *why, size_t why_bytes) {
    struct listen_cursor cursor = {.config = config};
    struct listen_address address;
    size_t count = 0;
    for (; listen_next(&cursor, &address); count++) {
        static const char *const names[LISTENER_ROLES] = {"address", "public", "internal"};
        const char *fault = fault_of(config, &address);
        if (fault != NULL) {
            snprintf(why, why_bytes, "listen.%s: '%.*s' %s", names[address.role],
                     (int)(address.text_bytes < 64 ? address.text_bytes : 64), address.text, fault);
            return false;
        }
    }
    if (count == 0 || count > LISTENERS_MAX) {
        snprintf(why, why_bytes, "listen: 1 to %d addresses are needed in all", LISTENERS_MAX);
        return false;
    }
    return true;
}

bool listen_has_tls(const struct config *config) {
    struct listen_cursor cursor = {.config = config};
    struct listen_address address;
    while (listen_next(&cursor, &address)) {
        if (address.is_secure) {
            return true;
        }
    }
    return false;
}
