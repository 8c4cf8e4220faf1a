/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Which handler a path and method lead to. Pure: a table (route.c). */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "broker/net/exchange.h"

struct route {
    const char *path;   /* a prefix if it ends in '/' and is not only that */
    const char *suffix; /* behind the prefix's rest; NULL: none */
    const struct handler *handlers[HTTP_METHODS];
};

struct route_match {
    const struct handler *handler; /* NULL: none */
    struct span rest;              /* of the path, behind a prefix and in front of a suffix */
    char allow[64];                /* without a handler: the methods this path takes; empty if the path leads nowhere */
};

/* The table, for those who describe it (openapi.c); NULL past the last. */
const struct route *route_at(size_t index);

struct route_match route_find(struct span path, enum http_method method);

/* Probes and metrics answer before the store is loaded. */
bool route_works_while_loading(const struct handler *handler);

/* True for what anybody may ask for, at a public address: to subscribe, to read, to know whether the broker is there. */
bool route_is_public(const struct handler *handler);

#endif
