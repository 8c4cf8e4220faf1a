/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Bytes become messages in two steps: `in` collects until a whole frame is there; its payload goes to `message`; when the last
 * fragment came, protocol messages are decoded out of `message` one by one, and only then is the next frame looked at.
 */
#include "tests/support/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/clock.h"
#include "tests/support/http.h"

#define FRAME_BYTES_MAX (64u << 20) /* larger is surely a broken length */
/* The sample nonce of RFC 6455 section 1.3 and its answer: nothing here depends on the key being fresh. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void wire_end(struct wire *wire) {
    if (wire->fd >= 0) {
        close(wire->fd);
        wire->fd = -1;
    }
}

static void wire_fault(struct wire *wire, const char *what) {
    wire->fault = wire->fault != NULL ? wire->fault : what;
    wire_end(wire);
}

static void request_send(struct wire *wire, uint16_t port, const struct wire_options *options) {
    const char *subprotocol = options->subprotocol;
    if (subprotocol == NULL) {
        subprotocol = wire->codec == CODEC_JSON ? "ahora.v1.json" : "ahora.v1.msgpack";
    }
    bytes_printf(&wire->out,
                 "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n",
                 port);
    if (subprotocol[0] != '\0') {
        bytes_printf(&wire->out, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    }
    bytes_printf(&wire->out, "%s\r\n", options->headers != NULL ? options->headers : "");
}

/* Reads the head of the answer byte-exactly: what follows it are frames. */
static void answer_receive(struct wire *wire, struct http_reader *reader, int64_t deadline_ms) {
    char block[4096];
    while (reader->state == HTTP_HEAD && clock_wait_ready(wire->fd, POLLIN, deadline_ms)) {
        ssize_t got = recv(wire->fd, block, sizeof block, 0);
        if (got <= 0) {
            return;
        }
        http_reader_feed(reader, block, (size_t)got);
    }
}

static bool upgrade(struct wire *wire, uint16_t port, const struct wire_options *options) {
    int64_t deadline_ms = clock_ms() + WIRE_TIMEOUT_MS;
    request_send(wire, port, options);
    if (!wire_flush(wire)) {
        return false;
    }
    struct http_reader reader;
    http_reader_init(&reader);
    answer_receive(wire, &reader, deadline_ms);
    wire->status = reader.status;
    char accept[64] = "";
    http_reader_header(&reader, "sec-websocket-accept", accept, sizeof accept);
    http_reader_header(&reader, "sec-websocket-protocol", wire->subprotocol, sizeof wire->subprotocol);
    bytes_append(&wire->in, bytes_data(&reader.raw), bytes_size(&reader.raw));
    http_reader_fini(&reader);
    if (wire->status == 101 && strcmp(accept, ACCEPT) != 0) {
        wire_fault(wire, "wrong Sec-WebSocket-Accept");
    }
    return wire->status == 101 && wire->fault == NULL;
}

bool wire_open_with(struct wire *wire, uint16_t port, enum codec codec, const struct wire_options *options) {
    *wire = (struct wire){.codec = codec, .mask = 0x9d3ac471u};
    wire->fd = http_connect(port, options->receive_bytes);
    if (wire->fd < 0) {
        return false;
    }
    fcntl(wire->fd, F_SETFL, fcntl(wire->fd, F_GETFL) | O_NONBLOCK);
    if (!upgrade(wire, port, options)) {
        wire_end(wire);
        return false;
    }
    return true;
}

bool wire_open(struct wire *wire, uint16_t port, enum codec codec) {
    return wire_open_with(wire, port, codec, &(struct wire_options){0});
}

json_t *wire_open_session(struct wire *wire, uint16_t port, enum codec codec) {
    if (!wire_open(wire, port, codec) || !wire_send_new(wire, json_pack("{s:s}", "op", "hello"))) {
        return NULL;
    }
    json_t *welcome = wire_receive(wire, WIRE_TIMEOUT_MS);
    if (strcmp(wire_text(welcome, "op"), "welcome") != 0) {
        json_decref(welcome);
        return NULL;
    }
    return welcome;
}

void wire_cut(struct wire *wire) {
    if (wire->fd >= 0) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    wire_end(wire);
}

void wire_close(struct wire *wire) {
    if (wire->fd >= 0) {
        wire_send_frame(wire, &(struct wire_frame){WIRE_CLOSE, true, true, 0, "\x03\xe8", 2});
    }
    wire_end(wire);
}

void wire_fini(struct wire *wire) {
    wire_end(wire);
    bytes_fini(&wire->in);
    bytes_fini(&wire->message);
    bytes_fini(&wire->out);
}

static void frame_queue(struct wire *wire, const struct wire_frame *frame) {
    uint8_t head[14];
    size_t head_bytes = 2;
    size_t size = frame->payload_bytes;
    head[0] = (uint8_t)((frame->is_final ? 0x80 : 0) | frame->reserved_bits << 4 | frame->opcode);
    head[1] = (uint8_t)(size < 126 ? size : size < 65536 ? 126 : 127);
    for (size_t i = size < 126 ? 0 : size < 65536 ? 2 : 8; i > 0; i--) {
        head[head_bytes++] = (uint8_t)((uint64_t)size >> (8 * (i - 1)));
    }
    uint8_t mask[4] = {0};
    if (frame->is_masked) {
        wire->mask = wire->mask * 1664525u + 1013904223u;
        memcpy(mask, &wire->mask, sizeof mask);
        memcpy(head + head_bytes, mask, sizeof mask);
        head[1] |= 0x80;
        head_bytes += sizeof mask;
    }
    bytes_append(&wire->out, head, head_bytes);
    char *place = bytes_reserve(&wire->out, size + 1);
    const char *payload = frame->payload;
    for (size_t i = 0; i < size; i++) {
        place[i] = (char)(payload[i] ^ (char)mask[i % 4]);
    }
    bytes_commit(&wire->out, size);
}

void wire_queue(struct wire *wire, const void *payload, size_t bytes) {
    uint8_t opcode = wire->codec == CODEC_JSON ? WIRE_TEXT : WIRE_BINARY;
    frame_queue(wire, &(struct wire_frame){opcode, true, true, 0, payload, bytes});
}

bool wire_flush(struct wire *wire) {
    while (wire->fd >= 0 && bytes_size(&wire->out) > 0) {
        ssize_t sent = send(wire->fd, bytes_data(&wire->out), bytes_size(&wire->out), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes_consume(&wire->out, (size_t)sent);
        } else if (errno == EAGAIN) {
            return true;
        } else {
            return false; /* not closed here: what the peer said before is still to be read */
        }
    }
    return wire->fd >= 0;
}

size_t wire_unsent(const struct wire *wire) {
    return bytes_size(&wire->out);
}

static bool flush_wait(struct wire *wire) {
    int64_t deadline_ms = clock_ms() + WIRE_TIMEOUT_MS;
    while (wire_flush(wire)) {
        if (wire_unsent(wire) == 0) {
            return true;
        }
        if (!clock_wait_ready(wire->fd, POLLOUT, deadline_ms)) {
            return false;
        }
    }
    return false;
}

bool wire_send_frame(struct wire *wire, const struct wire_frame *frame) {
    frame_queue(wire, frame);
    return flush_wait(wire);
}

bool wire_send_payload(struct wire *wire, const void *payload, size_t bytes) {
    wire_queue(wire, payload, bytes);
    return flush_wait(wire);
}

bool wire_send_raw(struct wire *wire, const void *data, size_t bytes) {
    bytes_append(&wire->out, data, bytes);
    return flush_wait(wire);
}

bool wire_send(struct wire *wire, const json_t *message) {
    struct bytes payload = {0};
    codec_encode(wire->codec, message, &payload);
    bool is_sent = wire_send_payload(wire, bytes_data(&payload), bytes_size(&payload));
    bytes_fini(&payload);
    return is_sent;
}

bool wire_send_new(struct wire *wire, json_t *message) {
    assert(message != NULL);
    bool is_sent = wire_send(wire, message);
    json_decref(message);
    return is_sent;
}

int wire_read(struct wire *wire, size_t bytes_max) {
    if (wire->fd < 0) {
        return -1;
    }
    ssize_t got = recv(wire->fd, bytes_reserve(&wire->in, bytes_max), bytes_max, 0);
    if (got > 0) {
        bytes_commit(&wire->in, (size_t)got);
        wire->bytes_received += (uint64_t)got;
        return 1;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    wire_end(wire);
    return -1;
}

static void control_received(struct wire *wire, uint8_t opcode, const char *payload, size_t size) {
    if (opcode == WIRE_PING) {
        frame_queue(wire, &(struct wire_frame){WIRE_PONG, true, true, 0, payload, size});
        wire_flush(wire);
        return;
    }
    if (opcode != WIRE_CLOSE) {
        return;
    }
    wire->close_code = size >= 2 ? (uint8_t)payload[0] << 8 | (uint8_t)payload[1] : 1005;
    if (size > 2) {
        memcpy(wire->close_reason, payload + 2, size - 2);
    }
    frame_queue(wire, &(struct wire_frame){WIRE_CLOSE, true, true, 0, payload, size >= 2 ? 2 : 0});
    wire_flush(wire);
    wire_end(wire);
}

static void data_received(struct wire *wire, uint8_t opcode, bool is_final, const char *payload, size_t size) {
    bool is_start = opcode != WIRE_CONTINUATION;
    if (is_start == (wire->message_opcode != 0)) {
        wire_fault(wire, "a continuation without a start, or a start within a message");
        return;
    }
    wire->message_opcode = is_start ? opcode : wire->message_opcode;
    if (wire->message_opcode != (wire->codec == CODEC_JSON ? WIRE_TEXT : WIRE_BINARY)) {
        wire_fault(wire, "a frame of the other kind than the subprotocol's");
        return;
    }
    bytes_append(&wire->message, payload, size);
    wire->is_message_whole = is_final;
    wire->message_opcode = is_final ? 0 : wire->message_opcode;
}

/* Takes one frame from `in`; false if it is not whole yet. */
static bool frame_take(struct wire *wire) {
    const uint8_t *head = (const uint8_t *)bytes_data(&wire->in);
    size_t held = bytes_size(&wire->in);
    if (held < 2) {
        return false;
    }
    uint64_t size = head[1] & 0x7f;
    size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (held < 2 + extra) {
        return false;
    }
    for (size_t i = 0; i < extra; i++) {
        size = (i == 0 ? 0 : size << 8) | head[2 + i];
    }
    uint8_t opcode = head[0] & 0x0f;
    bool is_control = opcode >= WIRE_CLOSE;
    if ((head[0] & 0x70) != 0 || (head[1] & 0x80) != 0 || size > FRAME_BYTES_MAX || (opcode > WIRE_BINARY && !is_control) ||
        opcode > WIRE_PONG || (is_control && (size > 125 || (head[0] & 0x80) == 0))) {
        wire_fault(wire, "a frame against RFC 6455: masked, reserved bits, bad opcode or length");
        return false;
    }
    if (held - 2 - extra < size) {
        return false;
    }
    const char *payload = bytes_data(&wire->in) + 2 + extra;
    if (is_control) {
        control_received(wire, opcode, payload, size);
    } else {
        data_received(wire, opcode, (head[0] & 0x80) != 0, payload, size);
    }
    bytes_consume(&wire->in, 2 + extra + size);
    return true;
}

static json_t *message_decode(struct wire *wire) {
    bool is_bad;
    json_t *value =
        codec_decode(wire->codec, bytes_data(&wire->message), bytes_size(&wire->message), &wire->message_offset, &is_bad);
    if (is_bad || (value != NULL && !json_is_object(value))) {
        wire_fault(wire, "a message that does not decode to a map");
        json_decref(value);
        value = NULL;
    }
    if (value == NULL) {
        bytes_clear(&wire->message);
        wire->message_offset = 0;
        wire->is_message_whole = false;
    } else {
        wire->messages_received++;
    }
    return value;
}

json_t *wire_next(struct wire *wire) {
    while (wire->fault == NULL) {
        if (wire->is_message_whole) {
            json_t *value = message_decode(wire);
            if (value != NULL) {
                return value;
            }
        } else if (!frame_take(wire)) {
            return NULL;
        }
    }
    return NULL;
}

json_t *wire_receive(struct wire *wire, int timeout_ms) {
    int64_t deadline_ms = clock_ms() + timeout_ms;
    for (;;) {
        json_t *value = wire_next(wire);
        if (value != NULL || wire->fault != NULL || wire->fd < 0) {
            return value;
        }
        if (!clock_wait_ready(wire->fd, POLLIN, deadline_ms)) {
            return NULL;
        }
        wire_read(wire, 65536);
    }
}

json_t *wire_receive_op(struct wire *wire, const char *op, int timeout_ms) {
    int64_t deadline_ms = clock_ms() + timeout_ms;
    for (;;) {
        int64_t left_ms = deadline_ms - clock_ms();
        json_t *value = wire_receive(wire, left_ms > 0 ? (int)left_ms : 0);
        if (value == NULL || strcmp(wire_text(value, "op"), op) == 0) {
            return value;
        }
        json_decref(value);
    }
}

int wire_receive_close(struct wire *wire, int timeout_ms) {
    int64_t deadline_ms = clock_ms() + timeout_ms;
    while (wire->fd >= 0 && wire->fault == NULL) {
        int64_t left_ms = deadline_ms - clock_ms();
        json_decref(wire_receive(wire, left_ms > 0 ? (int)left_ms : 0));
        if (left_ms <= 0) {
            return -1;
        }
    }
    return wire->close_code;
}

const char *wire_text(const json_t *message, const char *key) {
    const char *text = json_string_value(json_object_get(message, key));
    return text != NULL ? text : "";
}
