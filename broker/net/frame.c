/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/frame.h"

#include "include/ahora/protocol.h"
#include "proto/utf8.h"

#include <assert.h>

#define FINAL_BIT 0x80
#define RESERVED_BITS 0x70
#define OPCODE_BITS 0x0f
#define CONTROL_BIT 0x08
#define MASK_BIT 0x80
#define LENGTH_BITS 0x7f
#define MASK_BYTES 4

struct head {
    bool is_final;
    uint8_t opcode;
    uint64_t payload_bytes;
    size_t bytes; /* of the head itself, with the mask */
    const uint8_t *mask;
};

static struct frame_event fault(int close_code, const char *text) {
    return (struct frame_event){.kind = FRAME_FAULT, .close_code = close_code, .fault = text};
}

static struct frame_event break_rules(const char *text) {
    return fault(AHORA_CLOSE_PROTOCOL_ERROR, text);
}

/* ---- the mask ---- */

/* Eight bytes at a time: the mask repeats every four, so a word holds it twice. */
static void unmask(uint8_t *data, size_t bytes, const uint8_t mask[MASK_BYTES]) {
    uint64_t key;
    memcpy(&key, mask, MASK_BYTES);
    memcpy((uint8_t *)&key + MASK_BYTES, mask, MASK_BYTES);
    size_t i = 0;
    for (; i + sizeof key <= bytes; i += sizeof key) {
        uint64_t word;
        memcpy(&word, data + i, sizeof word);
        word ^= key;
        memcpy(data + i, &word, sizeof word);
    }
    for (; i < bytes; i++) {
        data[i] ^= mask[i % MASK_BYTES];
    }
}

/* So that it begins with the byte for what comes after so many. */
static void turn_mask(uint8_t mask[MASK_BYTES], size_t bytes) {
    uint8_t turned[MASK_BYTES];
    for (size_t i = 0; i < MASK_BYTES; i++) {
        turned[i] = mask[(bytes + i) % MASK_BYTES];
    }
    memcpy(mask, turned, MASK_BYTES);
}

/* ---- heads ---- */

static uint64_t read_big_endian(const uint8_t *at, size_t bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

/* What two bytes already show to be wrong is not waited for. NULL: nothing. */
static const char *find_fault(const struct frame_reader *reader, uint8_t first, uint8_t second) {
    uint8_t opcode = first & OPCODE_BITS;
    bool is_control = (opcode & CONTROL_BIT) != 0;
    if (first & RESERVED_BITS) {
        return "a reserved bit is set";
    }
    if (opcode > FRAME_OPCODE_PONG || (opcode > FRAME_OPCODE_BINARY && !is_control)) {
        return "a reserved opcode";
    }
    if (!(second & MASK_BIT)) {
        return "a frame without a mask";
    }
    if (is_control && !(first & FINAL_BIT)) {
        return "a control frame in fragments";
    }
    if (is_control && (second & LENGTH_BITS) > FRAME_CONTROL_BYTES_MAX) {
        return "a control frame is too long";
    }
    if (!is_control && (opcode == FRAME_OPCODE_CONTINUATION) != reader->in_message) {
        return reader->in_message ? "a message begins inside another" : "a continuation of nothing";
    }
    return NULL;
}

/* FRAME_MORE: it has not arrived in full. FRAME_PIECE: it has. */
static struct frame_event read_head(const struct frame_reader *reader, const struct frame_input *input, struct head *head) {
    size_t there = (size_t)(input->end - input->at);
    if (there < 2) {
        return (struct frame_event){.kind = FRAME_MORE};
    }
    const char *text = find_fault(reader, input->at[0], input->at[1]);
    if (text != NULL) {
        return break_rules(text);
    }
    uint8_t length = input->at[1] & LENGTH_BITS;
    size_t width = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (there < 2 + width + MASK_BYTES) {
        return (struct frame_event){.kind = FRAME_MORE};
    }
    head->is_final = (input->at[0] & FINAL_BIT) != 0;
    head->opcode = input->at[0] & OPCODE_BITS;
    head->payload_bytes = width == 0 ? length : read_big_endian(input->at + 2, width);
    head->bytes = 2 + width + MASK_BYTES;
    head->mask = input->at + 2 + width;
    if (head->payload_bytes >> 63 != 0) {
        return break_rules("a length beyond 63 bits");
    }
    if ((width == 2 && head->payload_bytes < 126) || (width == 8 && head->payload_bytes <= UINT16_MAX)) {
        return break_rules("a length is not in its shortest form");
    }
    return (struct frame_event){.kind = FRAME_PIECE};
}

/* ---- control frames ---- */

/* What an endpoint may send (RFC 6455 section 7.4, and what IANA has registered since). */
static bool is_close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static struct frame_event read_close(struct span payload) {
    struct frame_event event = {.kind = FRAME_CLOSE};
    if (payload.bytes == 0) {
        return event;
    }
    if (payload.bytes == 1) {
        return break_rules("half a close code");
    }
    event.close_code = (int)read_big_endian(payload.data, 2);
    event.payload = span_of(payload.data + 2, payload.bytes - 2);
    if (!is_close_code((unsigned)event.close_code)) {
        return break_rules("a close code that may not be sent");
    }
    return utf8_is_legal(event.payload) ? event : fault(AHORA_CLOSE_NOT_UTF8, "the reason of a close is not UTF-8");
}

static struct frame_event take_control(struct frame_input *input, const struct head *head) {
    size_t bytes = (size_t)head->payload_bytes;
    if ((size_t)(input->end - input->at) < head->bytes + bytes) {
        return (struct frame_event){.kind = FRAME_MORE};
    }
    uint8_t *payload = input->at + head->bytes;
    unmask(payload, bytes, head->mask);
    input->at = payload + bytes;
    if (head->opcode == FRAME_OPCODE_CLOSE) {
        return read_close(span_of(payload, bytes));
    }
    return (struct frame_event){.kind = head->opcode == FRAME_OPCODE_PING ? FRAME_PING : FRAME_PONG,
                                .payload = span_of(payload, bytes)};
}

void frame_put_control_head(uint8_t head[2], enum frame_opcode opcode, size_t payload_bytes) {
    assert(payload_bytes <= FRAME_CONTROL_BYTES_MAX);
    head[0] = (uint8_t)(FINAL_BIT | opcode);
    head[1] = (uint8_t)payload_bytes;
}

/* ---- data frames ---- */

static struct frame_event take_piece(struct frame_reader *reader, struct frame_input *input) {
    size_t there = (size_t)(input->end - input->at);
    size_t bytes = reader->left < there ? (size_t)reader->left : there;
    struct frame_event event = {
        .kind = FRAME_PIECE,
        .payload = span_of(input->at, bytes),
        .is_first = reader->begins,
        .is_last = reader->is_final && bytes == reader->left,
        .is_text = reader->is_text,
    };
    unmask(input->at, bytes, reader->mask);
    input->at += bytes;
    reader->left -= bytes;
    reader->begins = false;
    if (reader->left > 0) {
        turn_mask(reader->mask, bytes);
    }
    if (event.is_last) {
        reader->in_message = false;
        reader->message_bytes = 0;
    }
    return event;
}

static struct frame_event begin_data(struct frame_reader *reader, struct frame_input *input, const struct head *head,
                                     size_t message_bytes_max) {
    if (head->payload_bytes > message_bytes_max || reader->message_bytes > message_bytes_max - head->payload_bytes) {
        return fault(AHORA_CLOSE_TOO_BIG, ahora_code_name(AHORA_TOO_LARGE));
    }
    if (head->opcode != FRAME_OPCODE_CONTINUATION) {
        reader->in_message = true;
        reader->is_text = head->opcode == FRAME_OPCODE_TEXT;
        reader->begins = true;
        reader->fragments = 0;
    }
    reader->fragments += reader->fragments < UINT32_MAX;
    reader->is_final = head->is_final;
    reader->left = head->payload_bytes;
    reader->message_bytes += head->payload_bytes;
    memcpy(reader->mask, head->mask, MASK_BYTES);
    input->at += head->bytes;
    bool is_there = reader->left == 0 || input->at < input->end;
    return is_there ? take_piece(reader, input) : (struct frame_event){.kind = FRAME_MORE};
}

struct frame_event frame_next(struct frame_reader *reader, struct frame_input *input, size_t message_bytes_max) {
    if (input->at == input->end) {
        return (struct frame_event){.kind = FRAME_MORE};
    }
    if (reader->left > 0) {
        return take_piece(reader, input);
    }
    struct head head;
    struct frame_event event = read_head(reader, input, &head);
    if (event.kind != FRAME_PIECE) {
        return event;
    }
    return head.opcode & CONTROL_BIT ? take_control(input, &head) : begin_data(reader, input, &head, message_bytes_max);
}
