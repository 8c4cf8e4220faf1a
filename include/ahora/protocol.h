/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The words of the wire protocol that both sides must spell alike: error codes, close codes, operations, limits.
 * The prose is docs/protocol.md. Constants only: no state, safe from any thread.
 */
#ifndef AHORA_PROTOCOL_H
#define AHORA_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AHORA_SUBPROTOCOL_JSON "ahora.v1.json"
#define AHORA_SUBPROTOCOL_MSGPACK "ahora.v1.msgpack"

/* Topic grammar (protocol.md section 1). */
#define AHORA_TOPIC_BYTES_MAX 255
#define AHORA_SEGMENT_BYTES_MAX 64
#define AHORA_SEGMENTS_MIN 2
#define AHORA_SEGMENTS_MAX 8

/* Seq stays below 2^53, so that every JSON reader holds it exactly. */
#define AHORA_SEQ_MAX ((INT64_C(1) << 53) - 1)

#define AHORA_KEY_BYTES_MAX 64   /* idempotency key */
#define AHORA_CHANGES_MAX 1000   /* changes in one `pub` */
#define AHORA_EPOCH_BYTES_MAX 32 /* [A-Za-z0-9]+ */
#define AHORA_TOKEN_BYTES_MAX (AHORA_EPOCH_BYTES_MAX + 1 + 16)
#define AHORA_DEPTH_MAX 16                             /* nesting of a document or message; the outermost map is 1 */
#define AHORA_DOCUMENT_DEPTH_MAX (AHORA_DEPTH_MAX - 3) /* of a document alone: a message wraps it three levels deep */
#define AHORA_MAP_ENTRIES_MAX 1024                     /* entries of one map in a document */

/* Error codes (protocol.md section 5). AHORA_OK is success and never travels. */
enum ahora_code {
    AHORA_OK = 0,
    AHORA_BAD_MESSAGE,
    AHORA_BAD_TOPIC,
    AHORA_BAD_PATTERN,
    AHORA_UNAUTHORIZED,
    AHORA_FORBIDDEN,
    AHORA_NOT_FOUND,
    AHORA_UNKNOWN_KIND,
    AHORA_CONFLICT,
    AHORA_SUPERSEDED,
    AHORA_OUT_OF_RANGE,
    AHORA_TOO_LARGE,
    AHORA_INVALID,
    AHORA_ABORTED,
    AHORA_RATE_LIMITED,
    AHORA_TOO_MANY,
    AHORA_STORE_FULL,
    AHORA_OVERLOADED,
    AHORA_DRAINING,
    AHORA_INTERNAL,
    AHORA_CODES,

    /* What the client library says to its program; these never travel. */
    AHORA_AGAIN = 100, /* no room, or no line, at the moment: nothing was taken */
    AHORA_CLOSED,      /* the client has stopped */
};

/* "conflict" for AHORA_CONFLICT, "ok" for AHORA_OK. Never NULL; static. */
const char *ahora_code_name(enum ahora_code code);

/* The HTTP status of the same condition, 200 for AHORA_OK. */
int ahora_code_status(enum ahora_code code);

/* The code of that name (`bytes` long, not necessarily terminated), AHORA_INTERNAL if unknown. */
enum ahora_code ahora_code_parse(const char *name, size_t bytes);

/* WebSocket close codes (RFC 6455 section 7.4, and 4000-4999 for applications). */
enum ahora_close {
    AHORA_CLOSE_NORMAL = 1000,
    AHORA_CLOSE_GOING_AWAY = 1001,
    AHORA_CLOSE_PROTOCOL_ERROR = 1002,
    AHORA_CLOSE_NOT_UTF8 = 1007,
    AHORA_CLOSE_TOO_BIG = 1009,
    AHORA_CLOSE_TRY_AGAIN_LATER = 1013,
    AHORA_CLOSE_BAD_MESSAGE = 4400,
    AHORA_CLOSE_UNAUTHORIZED = 4401,
    AHORA_CLOSE_FORBIDDEN = 4403,
    AHORA_CLOSE_NO_HELLO = 4408,
    AHORA_CLOSE_TOO_MANY = 4429,
};

/* Why a topic left a view: the `why` of `remove`. */
enum ahora_why {
    AHORA_WHY_NONE = 0,
    AHORA_WHY_DELETED,
    AHORA_WHY_EXPIRED,
    AHORA_WHY_LEFT,
    AHORA_WHY_DENIED,
};

const char *ahora_why_name(enum ahora_why why);
enum ahora_why ahora_why_parse(const char *name, size_t bytes); /* AHORA_WHY_NONE if unknown */

#ifdef __cplusplus
}
#endif

#endif
