/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Which handler a path and method lead to. Pure: a table (route.c). */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "broker/net/exchange.h"

struct route_match {
    const struct handler *handler; /* NULL: none */
    struct span rest;              /* of the path, behind a prefix and in front of a suffix */
    char allow[64];                /* without a handler: the methods this path takes; empty if the path leads nowhere */
};

struct route_match route_find(struct span path, enum http_method method);

/* Probes and metrics answer before the store is loaded. */
bool route_works_while_loading(const struct handler *handler);

/* True for what anybody may ask for, at a public address: to subscribe, to read, to know whether the broker is there. */
bool route_is_public(const struct handler *handler);

#endif
