/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* From an HTTP request to a WebSocket: the checks of RFC 6455 section 4.2 and of our protocol, the answer, and the transport changes hands. */
#ifndef NET_UPGRADE_H
#define NET_UPGRADE_H

struct connection;
struct evp_md_ctx_st; /* EVP_MD_CTX */

/* After api_websocket found the request good: the connection gives up its transport and is freed. */
void upgrade_give(struct connection *connection);

/* The digest of Sec-WebSocket-Accept, of one loop. NULL: no memory. */
struct evp_md_ctx_st *upgrade_digest_create(void);
void upgrade_digest_destroy(struct evp_md_ctx_st *digest);

#endif
