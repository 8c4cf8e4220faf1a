/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* MQTT 3.1.1, NATS client protocol 1, RESP 3 of Redis, nchan over HTTP and WebSocket: a few lines of each, written from their specifications. */
#include "bench/dialect_peer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MQTT_PUBACK 4
#define MQTT_SUBACK 9
#define MQTT_PINGRESP 13

static bool wants_answers(const struct dialect *dialect) {
    return strcmp(dialect->ack, "none") != 0;
}

/* A packed document may come out a byte shorter than asked for. */
static size_t size_of_document(size_t bytes) {
    struct dialect scratch = {.peer = NULL};
    buffer_init(&scratch.change.bytes, UINT32_MAX);
    dialect_build_packed_document(&scratch, bytes);
    size_t size = scratch.change.bytes.bytes;
    buffer_fini(&scratch.change.bytes);
    return size;
}

/* What is built so far ends with the topic's digits. */
static void put_topic_hole(struct phrase *phrase) {
    buffer_put_text(&phrase->bytes, "0000000");
    phrase->topic_at = phrase->bytes.bytes - TOPIC_DIGITS;
}

static void put_number(struct buffer *out, const char *before, size_t number, const char *behind) {
    buffer_put_text(out, before);
    buffer_put_decimal(out, (int64_t)number);
    buffer_put_text(out, behind);
}

/* How often `mark` is in the payload; *end is moved behind the last, or to where a cut one may begin. */
static size_t count_marks(struct span payload, const char *mark, size_t *end) {
    size_t mark_bytes = strlen(mark);
    size_t count = 0;
    const uint8_t *at = payload.data;
    const uint8_t *stop = payload.data + payload.bytes;
    for (const uint8_t *found; (found = memmem(at, (size_t)(stop - at), mark, mark_bytes)) != NULL; count++) {
        at = found + mark_bytes;
    }
    size_t left = (size_t)(stop - at);
    size_t keep = left < mark_bytes - 1 ? left : mark_bytes - 1;
    *end = payload.bytes - keep;
    return count;
}

static bool has_text(struct span payload, const char *text) {
    return memmem(payload.data, payload.bytes, text, strlen(text)) != NULL;
}

/* ---- MQTT 3.1.1 ---- */

/* Section 2.2.3: seven bits a byte, the lowest first. */
static void mqtt_put_length(struct buffer *out, size_t bytes) {
    do {
        buffer_put_byte(out, (uint8_t)((bytes & 0x7f) | (bytes > 0x7f ? 0x80 : 0)));
        bytes >>= 7;
    } while (bytes > 0);
}

static void mqtt_put_text(struct buffer *out, const char *text) {
    buffer_put_byte(out, (uint8_t)(strlen(text) >> 8));
    buffer_put_byte(out, (uint8_t)strlen(text));
    buffer_put_text(out, text);
}

/* Retained, so that the broker keeps the last value. An answer is had with QoS 1. */
static void mqtt_build(struct dialect *dialect, size_t document_bytes) {
    struct phrase *change = &dialect->change;
    bool answered = wants_answers(dialect);
    size_t topic_bytes = strlen(TOPIC_PREFIX) + TOPIC_DIGITS;
    buffer_put_byte(&change->bytes, answered ? 0x33 : 0x31);
    mqtt_put_length(&change->bytes, 2 + topic_bytes + (answered ? 2 : 0) + size_of_document(document_bytes));
    mqtt_put_text(&change->bytes, TOPIC_PREFIX "0000000");
    change->topic_at = change->bytes.bytes - TOPIC_DIGITS;
    if (answered) {
        change->mid_at = change->bytes.bytes;
        buffer_put(&change->bytes, "\0\1", 2);
    }
    dialect_build_packed_document(dialect, document_bytes);
    dialect->answering = answered ? ANSWERS_COUNTED : ANSWERS_ASKED;
}

/* Clean session, no keep-alive, no name. */
static void mqtt_put_connect(const struct dialect *dialect, struct buffer *message) {
    (void)dialect;
    buffer_put(message, "\x10\x0c\0\4MQTT\4\2\0\0\0\0", 14);
}

static void mqtt_put_subscribe(struct buffer *message, const char *topic) {
    char name[64];
    snprintf(name, sizeof name, TOPIC_PREFIX "%s", topic);
    mqtt_put_connect(NULL, message);
    buffer_put_byte(message, 0x82);
    mqtt_put_length(message, 2 + 2 + strlen(name) + 1);
    buffer_put(message, "\0\1", 2);
    mqtt_put_text(message, name);
    buffer_put_byte(message, 0);
}

/* Packets of this type. The broker puts whole packets into a frame. */
static size_t mqtt_count(struct span payload, unsigned type) {
    size_t count = 0;
    const uint8_t *at = payload.data;
    const uint8_t *stop = payload.data + payload.bytes;
    while (stop - at >= 2) {
        size_t bytes = 0;
        unsigned shift = 0;
        count += at[0] >> 4 == type;
        do {
            at++;
            bytes |= (size_t)(*at & 0x7f) << shift;
            shift += 7;
        } while ((*at & 0x80) != 0 && shift < 28 && at + 1 < stop);
        at++;
        if ((size_t)(stop - at) < bytes) {
            break;
        }
        at += bytes;
    }
    return count;
}

static bool mqtt_is_confirmed(struct span payload) {
    return mqtt_count(payload, MQTT_SUBACK) > 0;
}

static size_t mqtt_count_answers(const struct dialect *dialect, struct span payload, size_t *end, size_t *errors) {
    *end = payload.bytes;
    *errors = 0;
    return mqtt_count(payload, dialect->answering == ANSWERS_COUNTED ? MQTT_PUBACK : MQTT_PINGRESP);
}

/* ---- NATS ---- */

#define NATS_CONNECT "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n"
#define NATS_PING "PING\r\n"

static void nats_build_to(struct dialect *dialect, const char *subject, size_t document_bytes) {
    struct phrase *change = &dialect->change;
    buffer_put_text(&change->bytes, subject);
    put_topic_hole(change);
    if (dialect->answering == ANSWERS_COUNTED) {
        put_number(&change->bytes, " _INBOX.p", dialect->number, "");
    }
    put_number(&change->bytes, " ", size_of_document(document_bytes), "\r\n");
    dialect_build_packed_document(dialect, document_bytes);
    buffer_put_text(&change->bytes, "\r\n");
}

/* Core NATS answers nothing; a PING behind each message does. */
static void nats_build(struct dialect *dialect, size_t document_bytes) {
    dialect->answering = ANSWERS_ASKED;
    dialect->tail = wants_answers(dialect) ? NATS_PING : NULL;
    nats_build_to(dialect, "PUB stock.bench.", document_bytes);
}

static void nats_put_hello(const struct dialect *dialect, struct buffer *message) {
    (void)dialect;
    buffer_put_text(message, NATS_CONNECT);
}

static void nats_put_subscribe(struct buffer *message, const char *topic) {
    char text[64];
    snprintf(text, sizeof text, "SUB stock.bench.%s 1\r\n", topic);
    buffer_put_text(message, NATS_CONNECT);
    buffer_put_text(message, text);
    buffer_put_text(message, NATS_PING);
}

static bool nats_is_confirmed(struct span payload) {
    return has_text(payload, "PONG\r\n");
}

static size_t nats_count_answers(const struct dialect *dialect, struct span payload, size_t *end, size_t *errors) {
    size_t ignored;
    *errors = count_marks(payload, "-ERR", &ignored);
    if (dialect->answering == ANSWERS_ASKED) {
        return count_marks(payload, "PONG\r\n", end);
    }
    *errors += count_marks(payload, "\"error\":{", &ignored);
    return count_marks(payload, "\"seq\":", end);
}

/* ---- NATS, JetStream's key-value buckets: streams that keep the last message of each subject ---- */

#define KV_STREAM                                                                                                              \
    "{\"name\":\"KV_bench\",\"subjects\":[\"$KV.bench.>\"],\"max_msgs_per_subject\":1,\"storage\":\"memory\","                 \
    "\"discard\":\"new\",\"allow_direct\":true,\"allow_rollup_hdrs\":true,\"deny_delete\":true,\"num_replicas\":1}"

static void kv_build(struct dialect *dialect, size_t document_bytes) {
    dialect->answering = wants_answers(dialect) ? ANSWERS_COUNTED : ANSWERS_ASKED;
    nats_build_to(dialect, "PUB $KV.bench.", document_bytes);
}

/* The same bucket may be made any number of times. */
static void kv_put_hello(const struct dialect *dialect, struct buffer *message) {
    buffer_put_text(message, NATS_CONNECT);
    put_number(message, "SUB _INBOX.p", dialect->number, " 1\r\n");
    put_number(message, "PUB $JS.API.STREAM.CREATE.KV_bench _INBOX.p", dialect->number, "");
    put_number(message, " ", strlen(KV_STREAM), "\r\n" KV_STREAM "\r\n");
}

/* Updates first, then the last value, so that nothing falls between. */
/* The answer goes to a name that no other connection has, of this process or another. */
static void kv_put_subscribe(struct buffer *message, const char *topic) {
    static unsigned inboxes;
    char inbox[48];
    char text[320];
    snprintf(inbox, sizeof inbox, "_INBOX.%d.s%u", (int)getpid(), ++inboxes);
    snprintf(text, sizeof text, "SUB $KV.bench.%s 1\r\nSUB %s 2\r\nPUB $JS.API.DIRECT.GET.KV_bench.$KV.bench.%s %s 0\r\n\r\n",
             topic, inbox, topic, inbox);
    buffer_put_text(message, NATS_CONNECT);
    buffer_put_text(message, text);
    buffer_put_text(message, NATS_PING);
}

/* ---- Redis ---- */

static void redis_build_command(struct dialect *dialect, const char *command, size_t document_bytes) {
    struct phrase *change = &dialect->change;
    buffer_put_text(&change->bytes, command);
    buffer_put_text(&change->bytes, TOPIC_PREFIX);
    put_topic_hole(change);
    put_number(&change->bytes, "\r\n$", size_of_document(document_bytes), "\r\n");
    dialect_build_packed_document(dialect, document_bytes);
    buffer_put_text(&change->bytes, "\r\n");
    dialect->answering = ANSWERS_COUNTED;
}

static void redis_build(struct dialect *dialect, size_t document_bytes) {
    redis_build_command(dialect, "*3\r\n$7\r\nPUBLISH\r\n$19\r\n", document_bytes);
}

static void redis_build_kept(struct dialect *dialect, size_t document_bytes) {
    redis_build_command(dialect, "*3\r\n$3\r\nSET\r\n$19\r\n", document_bytes);
}

/* With RESP 3, a connection that has subscribed may still ask for the last value. */
static void redis_put_subscribe(struct buffer *message, const char *topic) {
    char text[160];
    snprintf(text, sizeof text, "HELLO 3\r\nSUBSCRIBE " TOPIC_PREFIX "%s\r\nGET " TOPIC_PREFIX "%s\r\n", topic, topic);
    buffer_put_text(message, text);
}

static bool redis_is_confirmed(struct span payload) {
    return has_text(payload, "\r\nsubscribe\r\n");
}

/* PUBLISH is answered by ":n", SET by "+OK": a line each. */
static size_t redis_count_answers(const struct dialect *dialect, struct span payload, size_t *end, size_t *errors) {
    (void)dialect;
    size_t ignored;
    *errors = count_marks(payload, "-ERR", &ignored);
    size_t lines = count_marks(payload, "\n", end);
    return lines - (*errors < lines ? *errors : lines);
}

/* ---- nchan ---- */

static void nchan_build(struct dialect *dialect, size_t document_bytes) {
    struct phrase *change = &dialect->change;
    buffer_put_text(&change->bytes, "POST /pub/");
    put_topic_hole(change);
    put_number(&change->bytes, " HTTP/1.1\r\nHost: bench\r\nContent-Length: ", size_of_document(document_bytes), "\r\n\r\n");
    dialect_build_packed_document(dialect, document_bytes);
    dialect->answering = ANSWERS_COUNTED;
}

static void nchan_put_subscribe(struct buffer *message, const char *topic) {
    (void)message; /* the address it connected to has said it */
    (void)topic;
}

static size_t nchan_count_answers(const struct dialect *dialect, struct span payload, size_t *end, size_t *errors) {
    (void)dialect;
    size_t ignored;
    *errors = count_marks(payload, "HTTP/1.1 4", &ignored) + count_marks(payload, "HTTP/1.1 5", &ignored);
    return count_marks(payload, "HTTP/1.1 2", end);
}

/* ---- the table ---- */

static const struct peer_dialect peers[DIALECTS] = {
    [DIALECT_MQTT] = {.base = {.path = "/", .subprotocol = "mqtt", .framed = true, .opcode = 2},
                      .build = mqtt_build,
                      .put_subscribe = mqtt_put_subscribe,
                      .put_hello = mqtt_put_connect,
                      .question = "\xc0\0",
                      .question_bytes = 2,
                      .is_confirmed = mqtt_is_confirmed,
                      .keeps_last = true,
                      .count_answers = mqtt_count_answers},
    [DIALECT_NATS] = {.base = {.path = "/", .framed = true, .streamed = true, .opcode = 2},
                      .build = nats_build,
                      .put_subscribe = nats_put_subscribe,
                      .put_hello = nats_put_hello,
                      .question = NATS_PING,
                      .question_bytes = sizeof NATS_PING - 1,
                      .is_confirmed = nats_is_confirmed,
                      .count_answers = nats_count_answers},
    [DIALECT_NATS_KV] = {.base = {.path = "/", .framed = true, .streamed = true, .opcode = 2},
                         .build = kv_build,
                         .put_subscribe = kv_put_subscribe,
                         .put_hello = kv_put_hello,
                         .welcome = "stream_create_response",
                         .question = NATS_PING,
                         .question_bytes = sizeof NATS_PING - 1,
                         .is_confirmed = nats_is_confirmed,
                         .keeps_last = true,
                         .count_answers = nats_count_answers},
    [DIALECT_REDIS] = {.base = {.streamed = true},
                       .build = redis_build,
                       .put_subscribe = redis_put_subscribe,
                       .is_confirmed = redis_is_confirmed,
                       .keeps_last = true,
                       .count_answers = redis_count_answers},
    [DIALECT_REDIS_KEPT] = {.base = {.streamed = true},
                            .build = redis_build_kept,
                            .put_subscribe = redis_put_subscribe,
                            .count_answers = redis_count_answers},
    [DIALECT_NCHAN] = {.base = {.path = "/sub/", .framed = true, .opcode = 2, .has_topic_path = true},
                       .build = nchan_build,
                       .put_subscribe = nchan_put_subscribe,
                       .keeps_last = true,
                       .count_answers = nchan_count_answers},
    [DIALECT_NCHAN_POST] = {.base = {.streamed = true},
                            .build = nchan_build,
                            .put_subscribe = nchan_put_subscribe,
                            .count_answers = nchan_count_answers},
};

const struct peer_dialect *peer_dialect_of(enum dialect_name name) {
    return peers[name].build != NULL ? &peers[name] : NULL;
}
