/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the net counts. Everything refused, dropped or delayed is here; /metrics prints it, tests assert on it. */
#ifndef NET_METRICS_H
#define NET_METRICS_H

#include "broker/net/jwt_claims.h"

#include <stdint.h>

struct net_metrics {
    uint64_t accepted;
    uint64_t refused_full;       /* connections_max, or no descriptor left */
    uint64_t refused_address;    /* connections_per_address_max */
    uint64_t refused_other;      /* no memory, or the kernel would not */
    uint64_t handshakes_waiting; /* gauge: at the gate */
    uint64_t handshakes_waited;  /* had to */
    uint64_t handshakes_refused; /* told to come back later */
    uint64_t turns_long;         /* longer than turn_ms */
    uint64_t joins_refused;      /* WebSockets and event streams, because memory is short */
    uint64_t subjects_refused;   /* sessions_per_subject_max */
    uint64_t event_streams;      /* gauge */
    uint64_t event_streams_refused;
    uint64_t tls_handshakes; /* done */
    uint64_t tls_resumed;    /* of these, by a ticket */
    uint64_t tls_failed;
    uint64_t tls_reloads_refused;
    uint64_t tls_connections; /* gauge */
    uint64_t upgrades;        /* to WebSocket */
    uint64_t upgrades_refused;
    uint64_t origins_refused;    /* requests by their Origin or Host */
    uint64_t url_tokens_refused; /* requests with a token in their URL */
    uint64_t roles_refused;      /* requests at a public address for what is internal */
    uint64_t figures_refused;    /* requests for what the broker counts, without the right to it */
    uint64_t websockets;         /* gauge */
    uint64_t requests;
    uint64_t responses[6];      /* by class: 1xx … 5xx at its hundred */
    uint64_t bodies_refused;    /* requests_max or bodies_bytes_max */
    uint64_t bodies_evicted;    /* bodies and streams that made room because they dawdled */
    uint64_t publishes_limited; /* HTTP requests faster than publish_rate_max */
    uint64_t streams_paced;     /* NDJSON streams that had to wait for it */
    uint64_t timeouts_handshake;
    uint64_t timeouts_header;
    uint64_t timeouts_body;
    uint64_t timeouts_idle;
    uint64_t timeouts_stall;
    uint64_t timeouts_close;
    uint64_t messages_refused;    /* WebSocket messages of the wrong kind, too large, or too many at once */
    uint64_t fragments_refused;   /* of these, those of too many fragments */
    uint64_t idle_frames_refused; /* WebSockets closed for pings, pongs and empty fragments without end */
    uint64_t frames_refused;      /* WebSocket frames against RFC 6455 */
    uint64_t closed_by_us;        /* WebSocket closes with a code of ours */
    uint64_t writes;              /* to sessions */
    uint64_t written_bytes;
    uint64_t choked; /* a session's socket took no more */
    uint64_t yields; /* a session had its share of a turn */
    uint64_t turns;
    uint64_t tls_floods;             /* ended for records without data, in the handshake or after it */
    uint64_t tls_clients_revoked;    /* certificates of clients that were in, and hold no longer */
    uint64_t auth_accepted;          /* tokens and keys that were judged, and good; */
    uint64_t auth_refused[REFUSALS]; /* and those that were not, by the reason */
    uint64_t auth_accepted_behind;   /* credentials that were judged while one waited that was good, summed over these */
    uint64_t auth_waiting;           /* gauge: requests and sessions whose credentials wait to be judged */
    uint64_t auth_waited;            /* requests that had to */
    uint64_t sessions_revoked;       /* ended because of a revocation, or because their key is gone */
    uint64_t access_reloads, access_reloads_failed;
    uint64_t shard_waits; /* the first shard waited for one whose queue of changes was full */
};

#endif
