/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A transport with TLS: OpenSSL on the socket, on our loop. Loop thread.
 *
 *   accepted ─▶ WAITING ──a slot is free──▶ SHAKING ◀─▶ STEPPING ──done──▶ connection_open; from here on a transport like any other
 *                  │                           │ (for the peer)   (for its turn)
 *                  └───────────────────────────┴──────── tls.handshake_ms over, or it fails: closed, counted
 *
 * A handshake costs much: some 44 KB, and a millisecond of computing. So there are never more than tls.handshakes_max of them under way, who comes
 * later waits in order of arrival and costs no more than a socket, and takes the slot of who has been silent for a second; and a turn of the loop goes no more than tls.handshake_steps_max steps,
 * those who came first first, so that a crowd at the door does not make those wait who are inside. The deadline counts from accept, and no
 * byte moves it.
 *
 * Records cost more than their bytes. So one that carries no data (key updates, hellos in the middle, alerts, a handshake in crumbs), of which OpenSSL
 * would take any number in one call, is allowed but 64 times, and once more for each 64 KiB of data; and of data so many records a turn.
 *
 * OpenSSL takes in one record at a time (up to 16 KB). What the owner does not read of it no socket would tell of any more: such
 * connections are listed, and told in the next turn. (Why not through libwebsockets: docs/adr/0011-tls-on-our-own-loop.md)
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "broker/net/deadlines.h"
#include "broker/net/tls_clients.h"
#include "broker/net/transport.h"

struct ssl_st;

struct tls {
    struct transport transport; /* first: it is freed as one */
    struct ssl_st *ssl;         /* NULL: it waits for a slot */
    struct link link;           /* in one of the lists of struct tls_queues */
    struct link client;         /* in one of the lists of struct tls_clients, if it has shown a certificate */
    struct deadline deadline;   /* of the handshake */
    int64_t silent_since_ms;    /* in the handshake */
    uint64_t read_bytes;        /* of data, and */
    uint64_t idle_records;      /* records of anything else that came, the handshake's included */
    ssize_t end;                /* 0, or what reading gives from now on: TRANSPORT_END, TRANSPORT_BROKEN */
    bool has_slot;
    bool established;
    bool is_revoked;  /* its certificate holds no longer */
    bool is_flooding; /* too many of those */
    bool shut;        /* our end is sent */
    bool read_writes; /* reading goes on when the socket takes something (an answer to the peer's key update) */
};

/* Of one shard. */
struct tls_queues {
    struct link mute;     /* nothing came yet */
    struct link waiting;  /* for a slot */
    struct link shaking;  /* have one, and wait for the peer; the longest silent first */
    struct link stepping; /* for their turn */
    struct link unread;
    size_t handshakes; /* that have a slot */
    struct tls_clients clients;
};

void tls_queues_init(struct tls_queues *queues);

/* An accepted transport of a listener with TLS: it becomes a connection when the handshake is done. */
void tls_start(struct transport *transport);

/* This turn's share of handshakes, and unread bytes. True: more is to be done at once. */
bool tls_work(struct broker *broker);

/* When somebody who waits for a slot may take that of one who is silent; INT64_MAX: nobody waits. */
int64_t tls_next_due(const struct broker *broker);

/* Handshakes that are not done, for draining and stopping. */
void tls_close_handshakes(struct broker *broker);

/* The subject of the certificate that the peer has shown and we have checked, as RFC 2253 writes it ("CN=till,O=hotel"). False: it has shown
   none, or it is longer than that. */
#define TLS_SUBJECT_BYTES 256
bool tls_subject(struct transport *transport, char text[TLS_SUBJECT_BYTES]);

extern const struct transport_calls transport_tls;

#endif
