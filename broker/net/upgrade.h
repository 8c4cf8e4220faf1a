/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* From an HTTP request to a WebSocket: the checks of RFC 6455 section 4.2 and of our protocol, the answer, and the transport changes hands. */
#ifndef NET_UPGRADE_H
#define NET_UPGRADE_H

struct connection;

/* After api_websocket found the request good: the connection gives up its transport and is freed. */
void upgrade_give(struct connection *connection);

#endif
