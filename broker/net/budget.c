/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/budget.h"

#include "broker/core/budget.h"
#include "broker/net/connection.h"
#include "broker/net/listen_address.h"
#include "broker/net/tls.h"
#include "broker/net/websocket_internal.h"

#include <inttypes.h>
#include <string.h>

/* OpenSSL 3.0 on Debian 12: an idle connection after its handshake, whose record buffers are given back. */
#define OPENSSL_BYTES 13800
#define HANDSHAKE_BYTES 44000 /* under way, at most */

static const struct budget_item net_items[] = {
    {"WebSocket", "struct websocket", "net/websocket_internal.h", BUDGET_ALLOCATED(sizeof(struct websocket))},
    {"WebSocket", "struct transport", "net/transport.h", BUDGET_ALLOCATED(sizeof(struct transport))},
    {"HTTP connection, idle", "struct connection", "net/connection.h", BUDGET_ALLOCATED(sizeof(struct connection))},
    {"HTTP connection, idle", "struct transport", "net/transport.h", BUDGET_ALLOCATED(sizeof(struct transport))},
    {"TLS, on top", "SSL, its session, keys (measured)", "OpenSSL", OPENSSL_BYTES},
    {"TLS, on top", "what struct tls has more", "net/tls.h", sizeof(struct tls) - sizeof(struct transport)},
    {"TLS, on top, busy", "a record being read (at most)", "OpenSSL", BUDGET_ALLOCATED(16384 + 344)},
    {"TLS, on top, busy", "a record being written (at most)", "OpenSSL", BUDGET_ALLOCATED(16384 + 96)},
};

#define NET_ITEMS (sizeof net_items / sizeof net_items[0])

static size_t sum_of(const struct budget_item *items, size_t count, const char *of) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += strcmp(items[i].of, of) == 0 ? items[i].bytes : 0;
    }
    return sum;
}

static size_t core_sum(const char *of) {
    size_t count;
    const struct budget_item *items = core_budget(&count);
    return sum_of(items, count, of);
}

size_t budget_connection_bytes(void) {
    return sum_of(net_items, NET_ITEMS, "WebSocket") + core_sum("session") + core_sum("subscription");
}

size_t budget_topic_bytes(void) {
    return core_sum("topic");
}

static void print_items(const struct budget_item *items, size_t count, FILE *out) {
    for (size_t i = 0; i < count; i++) {
        bool begins = i == 0 || strcmp(items[i - 1].of, items[i].of) != 0;
        if (begins) {
            fprintf(out, "%-24s %8zu\n", items[i].of, sum_of(items, count, items[i].of));
        }
        fprintf(out, "    %-34s %5zu  %s\n", items[i].what, items[i].bytes, items[i].where);
    }
}

static void print_bound(FILE *out, const char *what, int64_t count, size_t bytes_each) {
    fprintf(out, "    %-44s %14" PRId64 " x %6zu = %10.1f MiB\n", what, count, bytes_each,
            (double)count * (double)bytes_each / 1048576.0);
}

static void print_limits(const struct config *config, FILE *out) {
    fprintf(out, "\nAt the limits of this configuration, in this process:\n");
    const int64_t shards = config->shards > 0 ? config->shards : 1;
    print_bound(out, "limits.documents_bytes_max", (int64_t)config->core.documents_bytes_max, 1);
    print_bound(out, "limits.topics_max, for each shard", (int64_t)config->core.topics_max * shards, budget_topic_bytes());
    print_bound(out, "limits.removals_max, for each shard", (int64_t)config->core.removals_max * shards,
                core_sum("removal remembered"));
    print_bound(out, "limits.keys_max", (int64_t)config->core.keys_max, core_sum("idempotency key"));
    print_bound(out, "limits.sources_max", (int64_t)config->core.sources_max, core_sum("source"));
    print_bound(out, "limits.connections_max (0: 65,472), idle", config->connections_max > 0 ? config->connections_max : 65472,
                budget_connection_bytes());
    if (listen_has_tls(config)) {
        print_bound(out, "the same, if all have TLS, on top", config->connections_max > 0 ? config->connections_max : 65472,
                    sum_of(net_items, NET_ITEMS, "TLS, on top"));
        print_bound(out, "tls.handshakes_max", config->handshakes_max, HANDSHAKE_BYTES);
    }
    print_bound(out, "http.bodies_bytes_max", config->bodies_bytes_max, 1);
    print_bound(out, "websocket.messages_bytes_max", config->messages_bytes_max, 1);
    print_bound(out, "http.listed_topics_max", config->listed_topics_max, sizeof(void *));
    print_bound(out, "limits.encoded_bytes_max, for each shard", (int64_t)config->core.encoded_bytes_max * shards, 1);
    print_bound(out, "limits.views_max", (int64_t)config->core.views_max, core_sum("view"));
    print_bound(out, "limits.places_max", (int64_t)config->core.places_max, core_sum("topic in a view"));
    fprintf(out, "and each session that does not read its answers: limits.outbox_bytes_max, %" PRId64 " bytes.\n",
            (int64_t)config->core.outbox_bytes_max);
}

void budget_print(const struct config *config, FILE *out) {
    size_t count;
    const struct budget_item *items = core_budget(&count);
    fprintf(out, "Bytes of memory, with what malloc adds (glibc). The kernel's own memory for sockets comes on top.\n\n");
    fprintf(out, "%-24s %8zu\n    a WebSocket, its session, one subscription\n", "connection, subscribed",
            budget_connection_bytes());
    print_items(net_items, NET_ITEMS, out);
    print_items(items, count, out);
    print_limits(config, out);
}
