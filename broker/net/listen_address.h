/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Where the configuration says to listen: listen.address, listen.public and listen.internal, each a list of ADDR:PORT or tls:ADDR:PORT.
 * Pure: no socket is touched here.
 */
#ifndef NET_LISTEN_ADDRESS_H
#define NET_LISTEN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct config;

/* Who is expected behind a listening socket. */
enum listener_role {
    LISTENER_BOTH,
    LISTENER_PUBLIC,   /* anybody: to subscribe and to read */
    LISTENER_INTERNAL, /* the back office: to publish, and to look after the broker */
    LISTENER_ROLES,
};

struct listen_address {
    enum listener_role role;
    bool is_secure; /* TLS */
    bool is_malformed;
    struct sockaddr_storage address;
    socklen_t address_bytes;
    const char *text; /* as it was written */
    size_t text_bytes;
};

/* Zero it but for `config`. */
struct listen_cursor {
    const struct config *config;
    int role;
    const char *rest; /* NULL: the list of this role has not begun */
};

/* The next address of all lists; false at the end. */
bool listen_next(struct listen_cursor *cursor, struct listen_address *address);

/* Whether the broker may listen on all of that: well-formed, TLS where there is a certificate, beyond loopback only where it is known who comes
   or where the operator said that everybody may. False, with the reason in `why`. */
bool listen_check(const struct config *config, char *why, size_t why_bytes);

/* True if any of them has TLS. */
bool listen_has_tls(const struct config *config);

#endif
