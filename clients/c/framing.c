/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/framing.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "include/ahora/protocol.h"

enum opcode {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
};

#define CONTROL_BYTES_MAX 125 /* RFC 6455 section 5.5 */
#define PONGS_BYTES_MAX 65536 /* while more waits to be sent, pings are not answered: their sender does not read */

struct frame {
    bool final;
    uint8_t opcode;
    struct span payload;
};

void framing_init(struct framing *framing, struct framing_random random, size_t message_bytes_max, bool text) {
    assert(random.fill != NULL && message_bytes_max > 0);
    *framing = (struct framing){.random = random, .message_bytes_max = message_bytes_max, .text = text};
    /* An unfinished frame with its head, an unread answer to the upgrade, and one chunk. */
    buffer_init(&framing->in, message_bytes_max + FRAMING_UPGRADE_BYTES_MAX + FRAMING_CHUNK_BYTES_MAX);
    buffer_init(&framing->joined, message_bytes_max);
}

void framing_fini(struct framing *framing) {
    buffer_fini(&framing->in);
    buffer_fini(&framing->joined);
}

void framing_put_upgrade(struct framing *framing, struct buffer *out, const char *authority, const char *client) {
    uint8_t nonce[16];
    framing->random.fill(framing->random.context, nonce, sizeof(nonce));
    EVP_EncodeBlock((unsigned char *)framing->key, nonce, sizeof(nonce));
    buffer_put_text(out, "GET /v1/ws HTTP/1.1\r\nHost: ");
    buffer_put_text(out, authority);
    buffer_put_text(out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    buffer_put_text(out, framing->key);
    buffer_put_text(out, "\r\nSec-WebSocket-Protocol: ");
    buffer_put_text(out, framing->text ? AHORA_SUBPROTOCOL_JSON : AHORA_SUBPROTOCOL_MSGPACK);
    buffer_put_text(out, "\r\nUser-Agent: ");
    buffer_put_text(out, client);
    buffer_put_text(out, "\r\n\r\n");
}

/* ---- writing frames ---- */

static size_t put_head(struct buffer *out, uint8_t opcode, size_t bytes) {
    uint8_t head[10] = {(uint8_t)(0x80 | opcode)};
    size_t used = 2;
    if (bytes <= 125) {
        head[1] = (uint8_t)(0x80 | bytes);
    } else {
        unsigned width = bytes <= 0xffff ? 2 : 8;
        head[1] = (uint8_t)(0x80 | (width == 2 ? 126 : 127));
        for (unsigned i = 0; i < width; i++) {
            head[2 + i] = (uint8_t)((uint64_t)bytes >> (8 * (width - 1 - i)));
        }
        used += width;
    }
    buffer_put(out, head, used);
    return used;
}

/* Eight bytes at a time: the mask repeats every four, so a whole word can carry it twice. */
static void copy_masked(uint8_t *to, const uint8_t *from, size_t bytes, const uint8_t mask[4]) {
    uint8_t twice[8];
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    uint64_t key;
    memcpy(&key, twice, sizeof(key));
    size_t i = 0;
    for (; i + sizeof(key) <= bytes; i += sizeof(key)) {
        uint64_t word;
        memcpy(&word, from + i, sizeof(word));
        word ^= key;
        memcpy(to + i, &word, sizeof(word));
    }
    for (; i < bytes; i++) {
        to[i] = from[i] ^ mask[i % 4];
    }
}

static void put_frame(struct framing *framing, struct buffer *out, uint8_t opcode, struct span payload) {
    size_t before = out->bytes;
    uint8_t mask[4];
    framing->random.fill(framing->random.context, mask, sizeof(mask));
    put_head(out, opcode, payload.bytes);
    buffer_put(out, mask, sizeof(mask));
    uint8_t *to = out->failed ? NULL : buffer_extend(out, payload.bytes);
    if (to != NULL) {
        copy_masked(to, payload.data, payload.bytes, mask);
    }
    if (out->failed) {
        /* Half a frame would turn everything after it into noise. */
        buffer_cut(out, before);
        out->failed = true;
    }
}

void framing_put_message(struct framing *framing, struct buffer *out, struct span payload) {
    assert(framing->open);
    put_frame(framing, out, framing->text ? OPCODE_TEXT : OPCODE_BINARY, payload);
}

void framing_put_close(struct framing *framing, struct buffer *out, uint16_t code) {
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    put_frame(framing, out, OPCODE_CLOSE, span_of(payload, sizeof(payload)));
}

/* ---- the answer to the upgrade ---- */

static bool span_is_nocase(struct span span, const char *text) {
    return span.bytes == strlen(text) && strncasecmp((const char *)span.data, text, span.bytes) == 0;
}

static struct span trim(struct span span) {
    while (span.bytes > 0 && (span.data[0] == ' ' || span.data[0] == '\t')) {
        span = span_of(span.data + 1, span.bytes - 1);
    }
    while (span.bytes > 0 && (span.data[span.bytes - 1] == ' ' || span.data[span.bytes - 1] == '\t')) {
        span.bytes--;
    }
    return span;
}

/* True if the comma separated `list` holds `token`. */
static bool list_holds(struct span list, const char *token) {
    while (list.bytes > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.bytes);
        size_t bytes = comma == NULL ? list.bytes : (size_t)(comma - list.data);
        if (span_is_nocase(trim(span_of(list.data, bytes)), token)) {
            return true;
        }
        bytes += comma != NULL;
        list = span_of(list.data + bytes, list.bytes - bytes);
    }
    return false;
}

/* RFC 6455 section 4.2.2, step 5.4: SHA-1 over our key and a fixed GUID proves that a WebSocket server answered. */
static void accept_of_key(const char *key, char accept[32]) {
    char text[64];
    size_t bytes = strlen(key);
    memcpy(text, key, bytes);
    memcpy(text + bytes, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1((const unsigned char *)text, bytes + 36, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
}

struct upgrade {
    bool upgrade;
    bool connection;
    bool accept;
    bool protocol;
    bool extensions;
};

static void read_header(struct framing *framing, struct span line, struct upgrade *seen) {
    const uint8_t *colon = memchr(line.data, ':', line.bytes);
    if (colon == NULL) {
        return;
    }
    struct span name = span_of(line.data, (size_t)(colon - line.data));
    struct span value = trim(span_of(colon + 1, line.bytes - name.bytes - 1));
    if (span_is_nocase(name, "upgrade")) {
        seen->upgrade = span_is_nocase(value, "websocket");
    } else if (span_is_nocase(name, "connection")) {
        seen->connection = list_holds(value, "upgrade");
    } else if (span_is_nocase(name, "sec-websocket-accept")) {
        char accept[32];
        accept_of_key(framing->key, accept);
        seen->accept = span_is(value, accept);
    } else if (span_is_nocase(name, "sec-websocket-protocol")) {
        seen->protocol = span_is(value, framing->text ? AHORA_SUBPROTOCOL_JSON : AHORA_SUBPROTOCOL_MSGPACK);
    } else if (span_is_nocase(name, "sec-websocket-extensions")) {
        seen->extensions = true;
    }
}

static enum framing_step fault(struct framing *framing, uint16_t code, const char *why) {
    framing->done = true;
    framing->close_code = code;
    framing->fault = why;
    return FRAMING_FAULT;
}

/* "HTTP/1.1 101 …": the three digits, 0 if it is not HTTP. */
static int status_of(struct span head) {
    if (head.bytes < 12 || memcmp(head.data, "HTTP/1.", 7) != 0 || head.data[8] != ' ') {
        return 0;
    }
    int status = 0;
    for (unsigned i = 9; i < 12; i++) {
        if (head.data[i] < '0' || head.data[i] > '9') {
            return 0;
        }
        status = status * 10 + (head.data[i] - '0');
    }
    return status;
}

/* The value of a header of the answer; empty if it is absent. `start` is "\r\nname:". */
static struct span find_header(struct span head, const char *start) {
    const size_t bytes = strlen(start);
    for (size_t at = 0; at + bytes <= head.bytes; at++) {
        if (span_is_nocase(span_of(head.data + at, bytes), start)) {
            const uint8_t *rest = head.data + at + bytes;
            const uint8_t *line_end = memmem(rest, (size_t)(head.data + head.bytes - rest), "\r\n", 2);
            return trim(span_of(rest, (size_t)((line_end == NULL ? head.data + head.bytes : line_end) - rest)));
        }
    }
    return span_of(NULL, 0);
}

/* RFC 9110 section 10.2.3: seconds, or a date, which is passed over. */
static int64_t retry_after(struct span head) {
    struct span value = find_header(head, "\r\nretry-after:");
    int64_t seconds = 0;
    for (size_t i = 0; i < value.bytes; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || seconds > 1000000) {
            return 0;
        }
        seconds = seconds * 10 + (value.data[i] - '0');
    }
    return seconds;
}

/* What another side says ends on people's terminals. */
static void keep_reason(struct framing *framing, struct span text) {
    size_t bytes = text.bytes < sizeof(framing->reason) ? text.bytes : sizeof(framing->reason) - 1;
    for (size_t i = 0; i < bytes; i++) {
        framing->reason[i] = text.data[i] >= ' ' && text.data[i] <= '~' ? (char)text.data[i] : '?';
    }
    framing->reason[bytes] = '\0';
}

static enum framing_step read_upgrade(struct framing *framing, struct span head) {
    framing->status = status_of(head);
    if (framing->status == 0) {
        return fault(framing, AHORA_CLOSE_PROTOCOL_ERROR, "the answer is not HTTP");
    }
    if (framing->status != 101) {
        framing->retry_s = retry_after(head);
        keep_reason(framing, find_header(head, "\r\nlocation:"));
        framing->done = true;
        return FRAMING_REFUSED;
    }
    struct upgrade seen = {0};
    while (head.bytes > 0) {
        const uint8_t *end = memmem(head.data, head.bytes, "\r\n", 2);
        size_t bytes = end == NULL ? head.bytes : (size_t)(end - head.data);
        read_header(framing, span_of(head.data, bytes), &seen);
        bytes += end == NULL ? 0 : 2;
        head = span_of(head.data + bytes, head.bytes - bytes);
    }
    if (!seen.upgrade || !seen.connection || !seen.accept || !seen.protocol || seen.extensions) {
        return fault(framing, AHORA_CLOSE_PROTOCOL_ERROR, "the upgrade was not answered as asked");
    }
    framing->open = true;
    return FRAMING_OPENED;
}

static enum framing_step next_upgrade(struct framing *framing) {
    struct span in = buffer_span(&framing->in);
    const uint8_t *end = in.bytes == 0 ? NULL : memmem(in.data, in.bytes, "\r\n\r\n", 4);
    if (end == NULL) {
        bool endless = in.bytes > FRAMING_UPGRADE_BYTES_MAX;
        return endless ? fault(framing, AHORA_CLOSE_PROTOCOL_ERROR, "endless answer to the upgrade") : FRAMING_MORE;
    }
    framing->in_at = (size_t)(end - in.data) + 4;
    return read_upgrade(framing, span_of(in.data, (size_t)(end - in.data)));
}

/* ---- reading frames ---- */

static uint64_t length_of(const uint8_t *at, unsigned width) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* One whole frame, or FRAMING_MORE, or a fault. The length is judged before the payload is there: a promise of more than the
   bound ends it at once. */
static enum framing_step next_frame(struct framing *framing, struct frame *frame) {
    const uint8_t *at = framing->in.data + framing->in_at;
    size_t left = framing->in.bytes - framing->in_at;
    if (left < 2) {
        return FRAMING_MORE;
    }
    if ((at[0] & 0x70) != 0 || (at[1] & 0x80) != 0) {
        return fault(framing, AHORA_CLOSE_PROTOCOL_ERROR, "reserved bits or a mask in a frame");
    }
    unsigned width = at[1] == 126 ? 2 : at[1] == 127 ? 8 : 0;
    if (left < 2 + width) {
        return FRAMING_MORE;
    }
    uint64_t bytes = width == 0 ? at[1] : length_of(at + 2, width);
    frame->final = (at[0] & 0x80) != 0;
    frame->opcode = at[0] & 0x0f;
    if (frame->opcode >= OPCODE_CLOSE && (bytes > CONTROL_BYTES_MAX || !frame->final)) {
        return fault(framing, AHORA_CLOSE_PROTOCOL_ERROR, "oversized or fragmented control frame");
    }
    if (bytes > framing->message_bytes_max) {
        return fault(framing, AHORA_CLOSE_TOO_BIG, "message too large");
    }
    if (left - 2 - width < bytes) {
        return FRAMING_MORE;
    }
    frame->payload = span_of(at + 2 + width, (size_t)bytes);
    framing->in_at += 2 + width + (size_t)bytes;
    return FRAMING_MESSAGE;
}

static enum framing_step take_close(struct framing *framing, struct span payload) {
    framing->done = true;
    framing->close_code = 0;
    if (payload.bytes >= 2) {
        framing->close_code = (uint16_t)length_of(payload.data, 2);
        keep_reason(framing, span_of(payload.data + 2, payload.bytes - 2));
    }
    return FRAMING_CLOSE;
}

static enum framing_step take_data(struct framing *framing, const struct frame *frame, struct span *message) {
    uint8_t wanted = framing->text ? OPCODE_TEXT : OPCODE_BINARY;
    if (frame->opcode != (framing->joining ? OPCODE_CONTINUATION : wanted)) {
        return fault(framing, AHORA_CLOSE_PROTOCOL_ERROR, "unexpected kind of frame");
    }
    if (frame->final && !framing->joining) {
        *message = frame->payload;
        return FRAMING_MESSAGE;
    }
    if (!framing->joining) {
        buffer_clear(&framing->joined, FRAMING_CHUNK_BYTES_MAX);
    }
    buffer_put_span(&framing->joined, frame->payload);
    if (framing->joined.failed) {
        return fault(framing, AHORA_CLOSE_TOO_BIG, "message too large");
    }
    framing->joining = !frame->final;
    *message = buffer_span(&framing->joined);
    return frame->final ? FRAMING_MESSAGE : FRAMING_MORE;
}

bool framing_feed(struct framing *framing, struct span bytes) {
    assert(bytes.bytes <= FRAMING_CHUNK_BYTES_MAX);
    if (framing->done) {
        return true;
    }
    buffer_consume(&framing->in, framing->in_at);
    framing->in_at = 0;
    buffer_put_span(&framing->in, bytes);
    return !framing->in.failed;
}

enum framing_step framing_next(struct framing *framing, struct buffer *out, struct span *message) {
    if (framing->done) {
        return FRAMING_MORE;
    }
    if (!framing->open) {
        return next_upgrade(framing);
    }
    for (;;) {
        struct frame frame;
        enum framing_step step = next_frame(framing, &frame);
        if (step != FRAMING_MESSAGE) {
            return step;
        }
        if (frame.opcode == OPCODE_PING && out->bytes > PONGS_BYTES_MAX) {
            continue; /* section 5.5.3: the answer to a later one will do */
        }
        if (frame.opcode == OPCODE_PING) {
            put_frame(framing, out, OPCODE_PONG, frame.payload);
        } else if (frame.opcode == OPCODE_CLOSE) {
            return take_close(framing, frame.payload);
        } else if (frame.opcode != OPCODE_PONG) {
            step = take_data(framing, &frame, message);
            if (step != FRAMING_MORE) {
                return step;
            }
        }
    }
}
