/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A WebSocket client for tests, written from RFC 6455 and docs/protocol.md alone: it shares nothing with the broker, so that a
 * mistake cannot hide by being made twice. It can also do wrong on purpose: unmasked frames, reserved bits, half a frame, a cut.
 * The socket is non-blocking after the upgrade. Functions named wire_receive* wait with a deadline; wire_read, wire_next and
 * wire_flush never wait, for users with an epoll of their own. A reader that does not call them is a stalled reader. One thread.
 */
#ifndef AHORA_TESTS_WIRE_H
#define AHORA_TESTS_WIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/support/bytes.h"
#include "tests/support/codec.h"

#define WIRE_TIMEOUT_MS 10000

enum wire_opcode {
    WIRE_CONTINUATION = 0,
    WIRE_TEXT = 1,
    WIRE_BINARY = 2,
    WIRE_CLOSE = 8,
    WIRE_PING = 9,
    WIRE_PONG = 10,
};

struct wire_options {
    const char *subprotocol; /* the header's value; NULL: that of the encoding; "": no such header */
    const char *headers;     /* more header lines of the upgrade request, each ended by \r\n */
    int receive_bytes;       /* SO_RCVBUF; 0: the system's */
};

struct wire_frame {
    uint8_t opcode;
    bool is_final;
    bool is_masked;
    uint8_t reserved_bits; /* 0-7: RSV1-3 */
    const void *payload;
    size_t payload_bytes;
};

struct wire {
    int fd; /* -1: closed */
    enum codec codec;
    int status;           /* of the upgrade: 101, an HTTP status, or 0 for no answer */
    char subprotocol[64]; /* the one the server chose */
    int close_code;       /* of the peer's Close frame; 0: none came; 1005: without a code */
    char close_reason[124];
    const char *fault;          /* what the peer did against RFC 6455 or the encoding, or NULL */
    uint64_t messages_received; /* protocol messages */
    uint64_t bytes_received;
    struct bytes in;       /* received, not yet a whole frame */
    struct bytes message;  /* payload of the WebSocket message being received or decoded */
    size_t message_offset; /* of the next protocol message in it */
    bool is_message_whole;
    uint8_t message_opcode;
    struct bytes out; /* not yet sent */
    uint32_t mask;
};

/* Connects and upgrades. False if there was no 101; `status` says why. Call wire_fini in any case. */
bool wire_open(struct wire *wire, uint16_t port, enum codec codec);
bool wire_open_with(struct wire *wire, uint16_t port, enum codec codec, const struct wire_options *options);

/* Opens, sends hello and takes the welcome (the caller owns it); NULL on failure. */
json_t *wire_open_session(struct wire *wire, uint16_t port, enum codec codec);

/* Says Close 1000, does not wait for the answer. */
void wire_close(struct wire *wire);

/* Cuts the line: RST, no Close frame. */
void wire_cut(struct wire *wire);

void wire_fini(struct wire *wire);

/* Sends one protocol message in the connection's encoding; waits until it is in the kernel. False if the line is dead. */
bool wire_send(struct wire *wire, const json_t *message);
bool wire_send_new(struct wire *wire, json_t *message); /* takes the message */
bool wire_send_payload(struct wire *wire, const void *payload, size_t bytes);
bool wire_send_frame(struct wire *wire, const struct wire_frame *frame);
bool wire_send_raw(struct wire *wire, const void *data, size_t bytes);

/* Queues a message's payload without sending, and sends what the kernel takes now. wire_flush is false if the line is dead. */
void wire_queue(struct wire *wire, const void *payload, size_t bytes);
bool wire_flush(struct wire *wire);
size_t wire_unsent(const struct wire *wire);

/* Reads at most `bytes_max` now. 1: got something, 0: nothing there, -1: the line is closed (what came before is still to be had). */
int wire_read(struct wire *wire, size_t bytes_max);

/* The next protocol message already received, NULL if none is whole. The caller owns it. Answers pings by itself. */
json_t *wire_next(struct wire *wire);

/* The next protocol message, NULL on close, fault or timeout. */
json_t *wire_receive(struct wire *wire, int timeout_ms);

/* The next protocol message of that op; others are dropped. NULL as above. */
json_t *wire_receive_op(struct wire *wire, const char *op, int timeout_ms);

/* Waits for the peer's Close or the end of the line, dropping messages; the close code, 0 if the line ended without, -1 on timeout. */
int wire_receive_close(struct wire *wire, int timeout_ms);

/* The text at `key`, or "" - so that a test can compare without looking for NULL first. */
const char *wire_text(const json_t *message, const char *key);

#endif
