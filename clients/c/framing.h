/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The client's side of WebSocket (RFC 6455) as a value: bytes in, messages out; requests in, bytes out. No socket, no clock.
 *
 * One framing lives as long as one connection. It sends the upgrade request, checks the answer, answers pings, joins fragments,
 * and refuses what a server must not send: masked frames, reserved bits, oversized or broken control frames, messages larger
 * than `message_bytes_max`. Memory: at most twice message_bytes_max and a read chunk.
 */
#ifndef CLIENT_FRAMING_H
#define CLIENT_FRAMING_H

#include "proto/buffer.h"

#define FRAMING_UPGRADE_BYTES_MAX 8192 /* response head; ours needs about 200 */
#define FRAMING_CHUNK_BYTES_MAX 65536  /* what framing_feed takes at once */

/* Fills `bytes` bytes with randomness; masks must not be predictable (RFC 6455 section 10.3). */
struct framing_random {
    void (*fill)(void *context, void *bytes, size_t count);
    void *context;
};

enum framing_step {
    FRAMING_MORE,    /* feed it */
    FRAMING_OPENED,  /* the server agreed to the upgrade */
    FRAMING_REFUSED, /* it answered with `status` instead */
    FRAMING_MESSAGE,
    FRAMING_CLOSE, /* the server closes, with `close_code` and `reason` */
    FRAMING_FAULT, /* it broke the rules: `fault` says how, `close_code` what to answer */
};

struct framing {
    struct framing_random random;
    size_t message_bytes_max;
    bool text;            /* which of the two encodings was asked for */
    bool open;            /* after the upgrade */
    bool done;            /* after a close or a fault: nothing more is read */
    struct buffer in;     /* raw bytes */
    size_t in_at;         /* read up to here */
    struct buffer joined; /* a fragmented message so far */
    bool joining;
    char key[25]; /* Sec-WebSocket-Key, base64 of 16 bytes */
    int status;
    int64_t retry_s;     /* of Retry-After, if the upgrade was refused; 0: it was not said in seconds */
    uint16_t close_code; /* 0: the Close frame held none */
    char reason[124];    /* of a Close frame; or where a redirection leads to. Terminated, printable */
    const char *fault;
};

void framing_init(struct framing *framing, struct framing_random random, size_t message_bytes_max, bool text);
void framing_fini(struct framing *framing);

/* Appends the upgrade request. `authority` is the Host header. */
void framing_put_upgrade(struct framing *framing, struct buffer *out, const char *authority, const char *client);

/* Appends one whole message, masked. */
void framing_put_message(struct framing *framing, struct buffer *out, struct span payload);
void framing_put_close(struct framing *framing, struct buffer *out, uint16_t code);

/* Takes up to FRAMING_CHUNK_BYTES_MAX bytes from the server; read all steps before feeding again. Invalidates messages.
   False without memory. */
bool framing_feed(struct framing *framing, struct span bytes);

/* The next thing that happened. *message is valid until the next call. Answers to pings are appended to `out`. */
enum framing_step framing_next(struct framing *framing, struct buffer *out, struct span *message);

#endif
