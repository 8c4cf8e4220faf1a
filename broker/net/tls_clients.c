/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/tls_clients.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/exchange.h"
#include "broker/net/tls.h"

#include <inttypes.h>
#include <openssl/ssl.h>

/* In a turn: each takes a signature for each certificate of its chain, about a tenth of a millisecond. */
#define CHECKS_MAX 16

void tls_clients_init(struct tls_clients *clients) {
    list_init(&clients->vouched);
    list_init(&clients->doubted);
    clients->generation = 0;
    clients->revoked = 0;
}

void tls_clients_add(struct tls *tls) {
    struct broker *broker = tls->transport.broker;
    if (SSL_get0_peer_certificate(tls->ssl) != NULL) {
        const bool is_newest = tls_context_made(&broker->shards->tls, tls->ssl);
        list_append(is_newest ? &broker->tls.clients.vouched : &broker->tls.clients.doubted, &tls->client);
        broker->loop.dirty = true;
    }
}

static void doubt_all(struct tls_clients *clients) {
    for (struct link *link; (link = list_pop(&clients->vouched)) != NULL;) {
        list_append(&clients->doubted, link);
    }
}

static void check(struct broker *broker, struct tls *tls) {
    if (tls_context_vouches(&broker->shards->tls, tls->ssl)) {
        list_append(&broker->tls.clients.vouched, &tls->client);
    } else {
        tls->is_revoked = true;
        broker->tls.clients.revoked++;
        broker->metrics.tls_clients_revoked++;
    }
}

/* ---- ending ---- */

static bool is_revoked(const struct transport *transport) {
    return transport->calls == &transport_tls && ((const struct tls *)(const void *)transport)->is_revoked;
}

static void end_sessions(struct broker *broker) {
    struct session *session = NULL;
    while ((session = core_next_session(broker->core, session)) != NULL) {
        const struct peer *peer = session_owner(session);
        if (!session_is_kicked(session) && is_revoked(peer->calls->transport(peer))) {
            broker->metrics.sessions_revoked++;
            session_end_rights(broker->core, session);
        }
    }
}

/* A stream of events is a session. */
static void end_connections(struct broker *broker) {
    for (struct link *link = broker->connections.next, *next; link != &broker->connections; link = next) {
        next = link->next;
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        const struct exchange *exchange = connection->exchange;
        if ((exchange == NULL || !exchange->is_stream) && is_revoked(connection->transport)) {
            connection_close(connection);
        }
    }
}

/* Once for all of them, for it looks at everybody. */
static void end_revoked(struct broker *broker) {
    struct tls_clients *clients = &broker->tls.clients;
    log_event(&broker->log, LOG_WARN, "clients-revoked", "certificates=%zu action=\"their sessions and requests are ended\"",
              clients->revoked);
    clients->revoked = 0;
    end_sessions(broker);
    end_connections(broker);
}

bool tls_clients_work(struct broker *broker) {
    struct tls_clients *clients = &broker->tls.clients;
    const uint64_t newest = tls_context_generation(&broker->shards->tls);
    struct link *link;
    if (clients->generation != newest) {
        clients->generation = newest;
        doubt_all(clients);
    }
    for (int left = CHECKS_MAX; left > 0 && (link = list_pop(&clients->doubted)) != NULL; left--) {
        check(broker, CONTAINER_OF(link, struct tls, client));
    }
    const bool more = !list_is_empty(&clients->doubted);
    if (!more && clients->revoked > 0) {
        end_revoked(broker);
    }
    return more;
}
