/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Clients that have shown a certificate and are in. When authorities or the list of revoked certificates were read anew, each is held against
 * them as if it stood at the door, some in a turn, and who would not be let in any more is ended.
 *
 *   handshake done ──▶ VOUCHED ──files read anew──▶ DOUBTED ──holds──▶ VOUCHED
 *          └── begun before they were read ────────────▲  └── does not ──▶ revoked: its session is closed with 4401, its request is cut off
 *
 * One for each shard, on its thread.
 */
#ifndef NET_TLS_CLIENTS_H
#define NET_TLS_CLIENTS_H

#include "broker/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct tls;

struct tls_clients {
    struct link vouched;
    struct link doubted;
    uint64_t generation; /* of the files that VOUCHED hold against */
    size_t revoked;      /* and not ended yet */
};

void tls_clients_init(struct tls_clients *clients);

/* Its handshake is done. */
void tls_clients_add(struct tls *tls);

/* This turn's share. True: more is to be done at once. */
bool tls_clients_work(struct broker *broker);

#endif
