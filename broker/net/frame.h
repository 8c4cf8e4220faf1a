/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The frames of a WebSocket as its client sends them (RFC 6455 section 5), taken apart: bytes in; pieces of messages, pings and closes out,
 * unmasked where they lie. Pure: no I/O, nothing allocated, 32 bytes kept for each connection.
 *
 *                      ┌───── head, payload so far ─────┐
 *   ┄┄▶ between ──────▶│ inside a data frame: FRAME_PIECE │──▶ between ──▶ … the last piece of the last fragment is_last
 *         │ ▲          └────────────────────────────────┘
 *         ▼ │ a control frame, taken when it is there in full: FRAME_PING, FRAME_PONG, FRAME_CLOSE
 *
 * A head or a control frame that has not arrived in full is not taken: those bytes, at most FRAME_REST_BYTES_MAX, come again in front of what
 * arrives next. So no state is kept inside of a head, and what is judged is judged whole.
 *
 * It is strict where RFC 6455 lets a server be: reserved bits and opcodes, a frame without a mask, a length that is not written in the
 * shortest way, a control frame that is long or cut in pieces, a continuation of nothing, a message begun inside another, and a close
 * with a code or a reason that may not be sent are FRAME_FAULT. So is a message that is announced larger than it may be, before it comes.
 */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "proto/buffer.h"

#define FRAME_CONTROL_BYTES_MAX 125
#define FRAME_REST_BYTES_MAX (2 + 4 + FRAME_CONTROL_BYTES_MAX - 1)

enum frame_opcode {
    FRAME_OPCODE_CONTINUATION = 0,
    FRAME_OPCODE_TEXT = 1,
    FRAME_OPCODE_BINARY = 2,
    FRAME_OPCODE_CLOSE = 8,
    FRAME_OPCODE_PING = 9,
    FRAME_OPCODE_PONG = 10,
};

enum frame_kind {
    FRAME_MORE,  /* nothing more can be taken until more has arrived */
    FRAME_PIECE, /* of a message, in order; empty only if its frame is */
    FRAME_PING,
    FRAME_PONG,
    FRAME_CLOSE,
    FRAME_FAULT, /* the peer broke the rules, and where its next frame begins is not known any more */
};

/* Zeroed: nothing was read. */
struct frame_reader {
    uint64_t left;          /* of the data frame it is in */
    uint64_t message_bytes; /* the message so far, with all that this frame announced */
    uint32_t fragments;     /* of it so far */
    uint8_t mask[4];        /* begins with the byte for the next one of the payload */
    bool is_final;          /* the frame it is in, or was in last, ends the message */
    bool in_message;        /* a message has begun, and its last piece was not handed out */
    bool is_text;           /* that message */
    bool begins;            /* none of its pieces was */
};

struct frame_event {
    enum frame_kind kind;
    struct span payload; /* unmasked; inside the input */
    bool is_first;       /* FRAME_PIECE: the message's */
    bool is_last;
    bool is_text;
    int close_code;    /* FRAME_CLOSE: 0 if it held none; `payload` is the reason. FRAME_FAULT: what to close with */
    const char *fault; /* FRAME_FAULT: static text, short enough for the reason of a close */
};

/* Input that was received, to be unmasked in place. */
struct frame_input {
    uint8_t *at;
    uint8_t *end;
};

/* Takes the next thing off the front of the input. After FRAME_FAULT and FRAME_CLOSE there is no point in asking again. */
struct frame_event frame_next(struct frame_reader *reader, struct frame_input *input, size_t message_bytes_max);

/* The head of a whole control frame of ours, two bytes, before its payload. */
void frame_put_control_head(uint8_t head[2], enum frame_opcode opcode, size_t payload_bytes);

#endif
