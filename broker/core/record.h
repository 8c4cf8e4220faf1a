/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A topic's state after one change, as it is stored: in the journal many to a turn, in the checkpoint one to a key.
 * Pure: bytes in, bytes out. Whoever stores them adds length, checksum and place.
 *
 *   u8 version | u8 flags | u8 why | u8 topic_bytes | u8 key_bytes | u8 source_bytes
 *   | varint seq, seq_created, at, accepted_at, fresh_ms, expire_ms, grace_ms, data_bytes | topic | key | source | data
 *
 *   varint: LEB128; flags: bit 0 removed, bit 1 stale, bit 2 has fresh_ms, bit 3 has expire_ms, bit 4 the source takes its topics with
 *   it; grace_ms is there if source_bytes > 0
 *
 * Records hold whole documents, never differences: to load is to take the newest of each topic, in any order.
 *
 * A record without a topic is a key alone: what is left of a change once a newer record of its topic has taken its place. It has
 * seq, key and accepted_at, and nothing else.
 */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include "include/ahora/protocol.h"
#include "proto/buffer.h"

#define RECORD_VERSION 2

struct record {
    struct span topic;   /* empty: a key alone */
    struct span data;    /* the packed document; empty if removed */
    struct span key;     /* idempotency key with its principal in front ("principal\0key"); empty if none */
    int64_t seq;         /* of this change */
    int64_t seq_created; /* of the change that created the topic (the last time it did not exist before) */
    int64_t at;          /* ms since the Unix epoch */
    int64_t fresh_ms;    /* -1: the kind's default */
    int64_t expire_ms;   /* -1: the kind's default */
    int64_t
        accepted_at; /* when the broker accepted the last write, ms since the Unix epoch: what key, freshness and expiry count from */
    struct span source;  /* of the last write; empty: it named none */
    int64_t grace_ms;    /* of the source; 0 without one */
    bool source_deletes; /* its topics go when it is lost, instead of going stale */
    bool removed;
    bool stale;
    enum ahora_why why; /* of a removal */
};

/* The key alone of a record that has one. */
struct record record_key_alone(const struct record *record);

/* Upper bound of record_put's bytes. */
size_t record_bytes_max(size_t topic_bytes, size_t key_bytes, size_t source_bytes, size_t data_bytes);

void record_put(struct buffer *out, const struct record *record);

/* Reads one record from the front of *bytes and moves *bytes behind it; spans point into it. False if it is not one whole
   well-formed record of a known version: with a good checksum around it, that is a newer format. */
bool record_read(struct span *bytes, struct record *record);

#endif
