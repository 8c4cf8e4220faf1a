/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A raw socket that was upgraded, or is about to be, and an account of all that the broker said on it. It knows nothing of masks or fragments of
 * its own: what is sent are bytes. What comes is held against RFC 6455, as a client must. One thread.
 */
#ifndef TESTS_HOSTILE_RAW_PEER_H
#define TESTS_HOSTILE_RAW_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/bytes.h"

struct raw_peer {
    int fd;
    uint16_t port;
    struct bytes in;
    size_t head_bytes;  /* of the answer to the upgrade; 0: not here yet */
    struct bytes pongs; /* frames as they came, one behind the other */
    unsigned pong_count;
    unsigned data_count; /* messages but beats, welcome, and the answer to the last ping */
    bool is_welcome;
    bool is_answered;  /* the last ping is */
    int close_code;    /* 0: none; 1005: without a code */
    bool is_ended;     /* the line */
    const char *fault; /* what the broker did against the RFC */
};

bool raw_peer_open(struct raw_peer *peer, uint16_t port);
void raw_peer_fini(struct raw_peer *peer);

/* False: the line is dead, which some deserve. */
bool raw_peer_send(struct raw_peer *peer, const void *data, size_t size);
bool raw_peer_send_bytewise(struct raw_peer *peer, const void *data, size_t size);

/* Sends, and waits until the broker has had its turn with what was sent. */
void raw_peer_pause(struct raw_peer *peer);

/* Reads once, waiting at most so long; takes apart what is whole. False: nothing more comes. */
bool raw_peer_read(struct raw_peer *peer, int timeout_ms);

/* The status of the answer to the upgrade, once `head_bytes` is set; copies a header, "" if absent. */
int raw_peer_status(struct raw_peer *peer);
void raw_peer_header(struct raw_peer *peer, const char *name, char *value, size_t size);

#endif
