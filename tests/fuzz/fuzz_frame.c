/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Any bytes as a client's frames, received in one go and in pieces cut where the input says: both must be heard alike, and as a
 * reader hears them that has all bytes at hand and looks at one after the other.
 */
#include "broker/net/frame.h"
#include "include/ahora/protocol.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* ---- what was heard, as bytes: a mark, then the payload; pieces of a message side by side ---- */

static void note_event(struct buffer *heard, const struct frame_event *event) {
    uint8_t mark[4] = {(uint8_t)event->kind, (uint8_t)event->is_text, (uint8_t)(event->close_code >> 8),
                       (uint8_t)event->close_code};
    if (event->kind == FRAME_MORE) {
        return;
    }
    if (event->kind != FRAME_PIECE || event->is_first) {
        buffer_put(heard, mark, sizeof mark);
    }
    buffer_put_span(heard, event->payload);
    if (event->kind == FRAME_PIECE && event->is_last) {
        buffer_put_byte(heard, 0xff);
    }
}

/* ---- the reader under test, fed `cuts` bytes at a time ---- */

static void hear(const uint8_t *data, size_t bytes, uint8_t cut, struct buffer *heard) {
    uint8_t *buffer = malloc(bytes + FRAME_REST_BYTES_MAX + 1);
    struct frame_reader reader = {0};
    size_t rest = 0;
    size_t step = cut == 0 ? bytes + 1 : cut;
    for (size_t at = 0; at < bytes; at += step) {
        size_t count = bytes - at < step ? bytes - at : step;
        memcpy(buffer + rest, data + at, count);
        struct frame_input input = {buffer, buffer + rest + count};
        struct frame_event event;
        do {
            event = frame_next(&reader, &input, MESSAGE_BYTES_MAX);
            assert(input.at <= input.end);
            note_event(heard, &event);
        } while (event.kind != FRAME_MORE && event.kind != FRAME_CLOSE && event.kind != FRAME_FAULT);
        if (event.kind != FRAME_MORE) {
            break;
        }
        rest = (size_t)(input.end - input.at);
        assert(rest <= FRAME_REST_BYTES_MAX);
        memmove(buffer, input.at, rest);
    }
    free(buffer);
}

/* ---- the other reader ---- */

struct naive {
    const uint8_t *data;
    size_t bytes;
    size_t at;
    bool in_message;
    bool is_text;
    uint64_t sum;
};

static void say(struct buffer *heard, enum frame_kind kind, bool is_text, int code) {
    const struct frame_event event = {.kind = kind, .is_first = true, .is_text = is_text, .close_code = code};
    note_event(heard, &event);
}

static uint8_t unmasked(const struct naive *naive, size_t payload, size_t i) {
    return naive->data[payload + i] ^ naive->data[payload - 4 + i % 4];
}

static void put_unmasked(const struct naive *naive, size_t payload, size_t from, size_t to, struct buffer *heard) {
    for (size_t i = from; i < to; i++) {
        buffer_put_byte(heard, unmasked(naive, payload, i));
    }
}

static bool is_good_code(int code) {
    static const int good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (good[i] == code) {
            return true;
        }
    }
    return code / 1000 == 3 || code / 1000 == 4;
}

/* By the bits, code points put together (RFC 3629 section 3). */
static bool is_utf8(const uint8_t *text, size_t bytes) {
    for (size_t i = 0; i < bytes;) {
        unsigned more = text[i] < 0x80             ? 0
                        : (text[i] & 0xe0) == 0xc0 ? 1
                        : (text[i] & 0xf0) == 0xe0 ? 2
                        : (text[i] & 0xf8) == 0xf0 ? 3
                                                   : 9;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        uint32_t point = more == 0 ? text[i] : text[i] & (0x3fu >> more);
        if (more == 9 || i + more >= bytes) {
            return false;
        }
        for (unsigned k = 1; k <= more; k++) {
            if (text[i + k] >> 6 != 2) {
                return false;
            }
            point = point << 6 | (text[i + k] & 0x3f);
        }
        if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

static bool hear_close(const struct naive *naive, size_t payload, size_t count, struct buffer *heard) {
    uint8_t text[128];
    for (size_t i = 0; i < count; i++) {
        text[i] = unmasked(naive, payload, i);
    }
    int code = count < 2 ? 0 : text[0] * 256 + text[1];
    if (count == 1 || (count > 1 && !is_good_code(code))) {
        say(heard, FRAME_FAULT, false, AHORA_CLOSE_PROTOCOL_ERROR);
    } else if (count > 2 && !is_utf8(text + 2, count - 2)) {
        say(heard, FRAME_FAULT, false, AHORA_CLOSE_NOT_UTF8);
    } else {
        say(heard, FRAME_CLOSE, false, code);
        put_unmasked(naive, payload, 2, count, heard);
    }
    return false;
}

static bool hear_data(struct naive *naive, size_t payload, uint64_t count, struct buffer *heard) {
    uint8_t first = naive->data[naive->at];
    naive->sum += count;
    if (count > MESSAGE_BYTES_MAX || naive->sum > MESSAGE_BYTES_MAX) {
        say(heard, FRAME_FAULT, false, AHORA_CLOSE_TOO_BIG);
        return false;
    }
    if (payload == naive->bytes && count > 0) {
        return false; /* nothing of it has come */
    }
    if ((first & 15) != 0) {
        naive->is_text = (first & 15) == 1;
        say(heard, FRAME_PIECE, naive->is_text, 0);
    }
    naive->in_message = first < 0x80;
    size_t there = naive->bytes - payload;
    put_unmasked(naive, payload, 0, there < count ? there : (size_t)count, heard);
    if (there < count) {
        return false;
    }
    if (!naive->in_message) {
        buffer_put_byte(heard, 0xff);
        naive->sum = 0;
    }
    naive->at = payload + (size_t)count;
    return true;
}

static bool hear_frame(struct naive *naive, struct buffer *heard) {
    const uint8_t *head = naive->data + naive->at;
    size_t there = naive->bytes - naive->at;
    if (there < 2) {
        return false;
    }
    unsigned opcode = head[0] & 15u;
    unsigned length = head[1] & 127u;
    bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
    bool bad_control = opcode >= 8 && (head[0] < 0x80 || length > 125);
    bool bad_order = opcode < 8 && (opcode == 0) != naive->in_message;
    if ((head[0] & 0x70) != 0 || !known || head[1] < 0x80 || bad_control || bad_order) {
        say(heard, FRAME_FAULT, false, AHORA_CLOSE_PROTOCOL_ERROR);
        return false;
    }
    size_t width = length < 126 ? 0 : length == 126 ? 2 : 8;
    if (there < 6 + width) {
        return false;
    }
    uint64_t count = width == 0 ? length : 0;
    for (size_t i = 0; i < width; i++) {
        count = count * 256 + head[2 + i];
    }
    if (count > INT64_MAX || (width == 2 && count < 126) || (width == 8 && count < 65536)) {
        say(heard, FRAME_FAULT, false, AHORA_CLOSE_PROTOCOL_ERROR);
        return false;
    }
    size_t payload = naive->at + 6 + width;
    if (opcode < 8) {
        return hear_data(naive, payload, count, heard);
    }
    if (naive->bytes - payload < count) {
        return false;
    }
    if (opcode == 8) {
        return hear_close(naive, payload, (size_t)count, heard);
    }
    say(heard, opcode == 9 ? FRAME_PING : FRAME_PONG, false, 0);
    put_unmasked(naive, payload, 0, (size_t)count, heard);
    naive->at = payload + (size_t)count;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes < 1) {
        return 0;
    }
    struct buffer whole, pieces, wanted;
    buffer_init(&whole, 16 * bytes);
    buffer_init(&pieces, 16 * bytes);
    buffer_init(&wanted, 16 * bytes);
    struct naive naive = {.data = data + 1, .bytes = bytes - 1};
    hear(data + 1, bytes - 1, 0, &whole);
    hear(data + 1, bytes - 1, data[0], &pieces);
    while (hear_frame(&naive, &wanted)) {
    }
    assert(span_equal(buffer_span(&whole), buffer_span(&wanted)));
    assert(span_equal(buffer_span(&pieces), buffer_span(&wanted)));
    buffer_fini(&whole);
    buffer_fini(&pieces);
    buffer_fini(&wanted);
    return 0;
}
