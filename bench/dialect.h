/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How the bench talks: ahora in MessagePack, JSON or NDJSON, or the raw yardstick's few bytes. Stateless but for phrases built once a run.
 *
 * Every document is {"#": n, "t": t, "pad": "xxx…"}. `n` holds topic and count, `t` the intended time of sending. Both have bit 62 set: then
 * they take 9 bytes of MessagePack and 19 digits of JSON whatever their value, a message is made by copying a phrase and writing
 * over known places, and read by looking for the mark "#" and reading behind it. Nothing is decoded per delivery.
 */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include "proto/buffer.h"

#define TOPIC_PREFIX "service/bench/" /* a kind that requires no field */
#define TOPIC_DIGITS 7
#define TOPIC_BITS 22
#define COUNT_BITS 40
#define TOPICS_MAX (UINT32_C(1) << TOPIC_BITS)
#define DIALECT_WIDE (UINT64_C(1) << 62) /* set in every number, so that all have the same width */
#define DIALECT_DIGITS 19                /* of any number from 2^62 to 2^63 - 1 */
#define DOCUMENT_BYTES_MIN 64

enum dialect_name {
    DIALECT_MSGPACK,
    DIALECT_JSON,
    DIALECT_NDJSON, /* producers only */
    DIALECT_RAW,
};

/* What a document says. */
struct stamp {
    uint32_t topic;
    uint64_t count; /* 1 for the first version of the topic */
    int64_t sent_ns;
};

/* Bytes with holes: where the numbers go. */
struct phrase {
    struct buffer bytes;
    size_t topic_at;
    size_t number_at; /* of the document, or the id of a message */
    size_t time_at;
    size_t count_at; /* how many changes follow, 2 bytes */
    size_t bytes_at; /* raw: of one change, 4 bytes */
};

struct dialect {
    enum dialect_name name;
    const char *path; /* of the upgrade, or of the POST */
    const char *subprotocol;
    bool decimal;
    bool framed; /* WebSocket; otherwise chunks of HTTP */
    uint8_t opcode;
    const char *ack;
    struct phrase head; /* of a message of changes */
    struct phrase change;
    const char *separator;
    const char *tail;
};

/* document_bytes: of the whole document; ack: "none", "applied" or "durable". False if no memory or the document cannot be so small. */
bool dialect_init(struct dialect *dialect, enum dialect_name name, size_t document_bytes, const char *ack);
void dialect_fini(struct dialect *dialect);

/* ---- out: complete masked frames, or chunks ---- */

void dialect_put_upgrade(const struct dialect *dialect, struct buffer *out, const char *authority);

/* hello and sub in one message. `since` is a token or NULL. */
void dialect_put_subscribe(const struct dialect *dialect, struct buffer *out, uint32_t topic, const char *since);

/* Only hello: what a producer starts with. */
void dialect_put_hello(const struct dialect *dialect, struct buffer *out);
void dialect_put_ping(const struct dialect *dialect, struct buffer *out, uint64_t id);

/* One message of `count` changes (1 to AHORA_CHANGES_MAX). */
void dialect_put_publish(const struct dialect *dialect, struct buffer *out, uint64_t id, const struct stamp *stamps,
                         uint32_t count);

/* ---- in: the payload of one frame ---- */

/* The next document at or behind `at`, into *out; NULL if there is none, else where to go on. *stride remembers how far apart
   documents were, so that the next is usually found with one look; start it at 0. */
const uint8_t *dialect_find_document(const struct dialect *dialect, const uint8_t *at, const uint8_t *end, struct stamp *out,
                                     size_t *stride);

enum answer_kind {
    ANSWER_LIVE,      /* number: seq */
    ANSWER_SKIPPED,   /* of a live */
    ANSWER_RESUMED,   /* resumed: true */
    ANSWER_PUBLISHED, /* number: id */
    ANSWER_PONG,      /* number: id */
    ANSWER_ERROR,
};

/* Looks for an answer in the payload, from *at on; true: *number is what it says and *at is behind it. */
bool dialect_find_answer(const struct dialect *dialect, enum answer_kind kind, struct span payload, size_t *at,
                         uint64_t *number);

/* The epoch in a welcome, as text into `out`; false if there is none. */
bool dialect_find_epoch(const struct dialect *dialect, struct span payload, char *out, size_t out_bytes);

#endif
