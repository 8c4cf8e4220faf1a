/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The messages of the protocol (sections 3 and 4) as structs, to and from MessagePack bytes.
 *
 * Decoded structs borrow: their spans point into the decoded bytes. Input must have passed pack_check. Unknown keys are
 * ignored. Integer fields accept integers only (a float with an integer value is refused); negative durations and ids are refused.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include "include/ahora/protocol.h"
#include "proto/buffer.h"
#include "proto/pack.h"

/* ---- client to broker ---- */

enum request_op {
    REQUEST_HELLO,
    REQUEST_SUB,
    REQUEST_UNSUB,
    REQUEST_MOVE,
    REQUEST_GET,
    REQUEST_PUB,
    REQUEST_AUTH,
    REQUEST_PING,
};

enum ack {
    ACK_DURABLE, /* the default */
    ACK_APPLIED,
    ACK_NONE,
};

/* What becomes of what a source wrote when it is lost. */
enum on_lost {
    ON_LOST_STALE, /* the default */
    ON_LOST_DELETE,
};

/* Absent text and values are spans of data NULL; absent numbers are 0 unless said otherwise. */
struct request {
    enum request_op op;
    int64_t id;           /* >= 1; 0 where absent (hello, or a pub with ack none) */
    struct span token;    /* hello, auth: text */
    struct span client;   /* hello: text */
    struct span source;   /* hello: text */
    enum on_lost on_lost; /* hello */
    bool has_grace_ms;
    int64_t grace_ms;    /* hello */
    struct span match;   /* sub, get: the packed value, a text or a list of 1..64 texts; patterns not yet parsed */
    struct span since;   /* sub: text */
    int64_t every_ms;    /* sub */
    struct span where;   /* sub: packed map */
    struct span near;    /* sub, move: packed map */
    int64_t limit;       /* get, sub */
    struct span changes; /* pub: the packed list, 1..AHORA_CHANGES_MAX maps; each read by change_decode */
    uint32_t change_count;
    bool atomic;
    enum ack ack;
};

/* One message. AHORA_OK or AHORA_BAD_MESSAGE with *detail a static text. On failure out->id holds the message's id if that
   much was legible, else 0, so that the error can name it. */
enum ahora_code request_decode(struct span message, struct request *out, const char **detail);

/* For clients. `changes` must hold a packed list. Only the fields of the op are written, absent ones left out. */
void request_put(struct buffer *out, const struct request *request);

enum change_op {
    CHANGE_SET,
    CHANGE_PATCH,
    CHANGE_ADJUST,
    CHANGE_TOUCH,
    CHANGE_DELETE,
    CHANGE_OPS,
};

const char *change_op_name(enum change_op op);

/* One wanted change. The topic is not yet parsed. */
struct change_request {
    enum change_op op;
    struct span topic;
    struct span data; /* set, patch, adjust: the packed map; else data NULL */
    struct span key;  /* data NULL if absent; 1..AHORA_KEY_BYTES_MAX bytes */
    bool has_at;
    bool has_if_seq;
    bool if_newer;
    bool has_fresh_ms;
    bool has_expire_ms;
    int64_t at;
    int64_t if_seq; /* >= 0 */
    int64_t fresh_ms;
    int64_t expire_ms;
};

/* Reads one change at `reader`, and always leaves the reader behind it. AHORA_OK, AHORA_BAD_MESSAGE (shape). */
enum ahora_code change_decode(struct pack_reader *reader, struct change_request *out, const char **detail);
void change_put(struct buffer *out, const struct change_request *change);

/* ---- broker to client ---- */

enum reply_op {
    REPLY_WELCOME,
    REPLY_SUBSCRIBED,
    REPLY_SET,
    REPLY_PATCH,
    REPLY_REMOVE,
    REPLY_LIVE,
    REPLY_BEAT,
    REPLY_SNAPSHOT,
    REPLY_PUBLISHED,
    REPLY_OK,
    REPLY_PONG,
    REPLY_ERROR,
    REPLY_BYE,
};

const char *reply_op_name(enum reply_op op);

/* Any message of the broker; which fields an op has is the table in protocol.md section 4. */
struct reply {
    enum reply_op op;
    int64_t id;          /* 0: absent */
    struct span session; /* welcome */
    struct span epoch;   /* welcome */
    struct span server;  /* welcome */
    struct span limits;  /* welcome: packed map */
    int64_t beat_ms;     /* welcome */
    int64_t seq;
    int64_t now;
    bool resumed;      /* subscribed */
    struct span topic; /* set, remove; empty in patch */
    int64_t ref;       /* 0: absent */
    int64_t at;
    struct span data; /* set, patch: packed map; data NULL if absent */
    bool has_stale;   /* `stale` is present */
    bool stale;
    enum ahora_why why;   /* remove */
    int64_t skipped;      /* live; 0: absent */
    struct span items;    /* snapshot: packed list of {topic, seq, at, data, stale?} */
    bool more;            /* snapshot */
    struct span results;  /* published: packed list of {seq} or {error: {code, detail, seq?, errors?, retry_ms?}} */
    enum ahora_code code; /* error */
    struct span detail;   /* error */
    struct span errors;   /* error: packed list of {pointer, detail} */
    int64_t retry_ms;     /* error, bye; 0: absent in error */
    struct span reason;   /* bye */
};

enum ahora_code reply_decode(struct span message, struct reply *out, const char **detail);

/* Writes the message as one packed map: `op` first, then the fields of that op in the order of the struct, absent ones left out. */
void reply_put(struct buffer *out, const struct reply *reply);

#endif
