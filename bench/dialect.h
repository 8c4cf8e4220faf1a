/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How the bench talks: ahora in MessagePack, JSON or NDJSON, the raw yardstick's few bytes, or a peer's protocol (dialect_peer.c). Stateless
 * but for phrases built once a run.
 *
 * Every document is {"#": n, "t": t, "available": 7, "p": "xxx…"}: a stock level, as its kind wants it. `n` holds topic and count, `t` the intended time of sending. Both have bit 62 set: then
 * they take 9 bytes of MessagePack and 19 digits of JSON whatever their value, a message is made by copying a phrase and writing
 * over known places, and read by looking for the mark "#" and reading behind it. Nothing is decoded per delivery.
 */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include "proto/buffer.h"

#define TOPIC_PREFIX "stock/bench/"
#define TOPIC_DIGITS 7
#define TOPIC_BITS 22
#define COUNT_BITS 40
#define TOPICS_MAX (UINT32_C(1) << TOPIC_BITS)
#define DIALECT_WIDE (UINT64_C(1) << 62) /* set in every number, so that all have the same width */
#define DIALECT_DIGITS 19                /* of any number from 2^62 to 2^63 - 1 */
#define PROBE_BYTES 22                   /* packed: the two numbers and their keys */
#define DOCUMENT_BYTES_MIN 38            /* packed: 16 beside the probe */
#define DOCUMENT_TEXT_BYTES_MIN 71       /* as JSON */
#define DOCUMENT_BYTES_MAX 60000

enum dialect_name {
    DIALECT_MSGPACK,
    DIALECT_JSON,
    DIALECT_NDJSON, /* producers only */
    DIALECT_RAW,
    DIALECT_MQTT,
    DIALECT_NATS,
    DIALECT_NATS_KV,
    DIALECT_REDIS,
    DIALECT_REDIS_KEPT, /* what is published is kept as the last value: SET */
    DIALECT_NCHAN,      /* subscribers: WebSocket */
    DIALECT_NCHAN_POST, /* producers: HTTP */
    DIALECTS,
};

/* What a producer hears. */
enum answering {
    ANSWERS_NUMBERED, /* each message, by its id; with ack none a pong, by its id */
    ANSWERS_COUNTED,  /* each change, in order */
    ANSWERS_ASKED,    /* each question, in order: all before it has been taken in */
};

/* What a document says. */
struct stamp {
    uint32_t topic;
    uint64_t count; /* 1 for the first version of the topic */
    int64_t sent_ns;
    double lat; /* of units on the move */
    double lon;
};

/* Bytes with holes: where the numbers go. */
struct phrase {
    struct buffer bytes;
    size_t topic_at;
    size_t number_at; /* of the document, or the id of a message */
    size_t time_at;
    size_t count_at; /* how many changes follow, 2 bytes */
    size_t bytes_at; /* raw: of one change, 4 bytes */
    size_t mid_at;   /* MQTT: a packet's number, 2 bytes */
    size_t lat_at;   /* of units on the move: two floats */
    size_t lon_at;
};

struct peer_dialect;

/* What a subscriber follows: topics `first` to `first + count - 1`. */
struct interest {
    uint32_t first;
    uint32_t count;
    uint32_t stars; /* 0: each topic by a subscription of its own; else the shape of one pattern for all, dialect_put_pattern */
    int64_t every_ms;
    const char *match; /* stands for the pattern if not NULL; borrowed */
};

struct dialect {
    enum dialect_name name;
    const struct peer_dialect *peer; /* NULL: ahora, or raw */
    enum answering answering;
    bool chunked;     /* publishing over HTTP, each message a chunk */
    const char *path; /* of the upgrade, or of the POST */
    const char *subprotocol;
    bool decimal;
    bool framed;         /* WebSocket; otherwise plain bytes */
    bool streamed;       /* a message may be cut anywhere, also between frames */
    bool has_topic_path; /* each topic has an address of its own */
    uint32_t number;     /* of this dialect, for names of its own */
    uint8_t opcode;
    const char *ack;
    struct phrase head; /* of a message of changes */
    struct phrase change;
    const char *separator;
    const char *tail;
};

/* document_bytes: of the whole document; ack: "none", "applied" or "durable", borrowed. False if there is no memory. */
bool dialect_init(struct dialect *dialect, enum dialect_name name, size_t document_bytes, const char *ack);
void dialect_fini(struct dialect *dialect);

/* ---- out: complete masked frames, or chunks ---- */

/* What a connection opens with; nothing for plain ones but NDJSON. */
void dialect_put_upgrade(const struct dialect *dialect, struct buffer *out, const char *authority, uint32_t topic);

/* A client's frame head; its payload of so many bytes follows. */
void dialect_put_frame_head(const struct dialect *dialect, struct buffer *out, size_t bytes);

/* hello and each sub in one message. `since` is a token or NULL. */
void dialect_put_subscribe(const struct dialect *dialect, struct buffer *out, const struct interest *interest,
                           const char *since);

/* The pattern that stands for the topic; with `stars` above 0, one of DIALECT_PATTERNS that select it and others too. */
#define DIALECT_PATTERNS 8
void dialect_write_pattern(char *out, size_t out_bytes, uint32_t topic, uint32_t stars);

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
