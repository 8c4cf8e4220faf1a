/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `where` (a map as JSON), `near` (LAT,LON,RADIUS_M) and `near_limit` in a query, read as the maps of the protocol and checked, so that
 * what is wrong with them is answered before anything begins. Owned by its caller, for one request.
 */
#ifndef NET_NARROW_QUERY_H
#define NET_NARROW_QUERY_H

#include "broker/net/exchange.h"

struct narrow_query {
    struct buffer where_bytes;
    struct buffer near_bytes;
    struct span where; /* packed, as in `sub`; data NULL: none */
    struct span near;
    struct where *parsed;
    struct circle circle;
};

/* False: the exchange has been answered. Call narrow_query_fini in any case. */
bool narrow_query_read(struct exchange *exchange, struct narrow_query *query);
void narrow_query_fini(struct narrow_query *query);

/* For core_select_where; good as long as the query. */
struct filter narrow_query_filter(const struct narrow_query *query);

#endif
