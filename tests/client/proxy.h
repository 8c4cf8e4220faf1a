/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A faulty wire between a client and a broker, on a libuv loop: passes bytes on, in pieces of any size, until it is told to cut, to refuse or to
 * stand still. One thread.
 */
#ifndef TESTS_CLIENT_PROXY_H
#define TESTS_CLIENT_PROXY_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct proxy_pair;

struct proxy {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uint16_t port;   /* where it listens */
    uint16_t target; /* of the broker, on loopback */
    bool is_refusing;
    size_t piece_bytes; /* 0: as they come */
    struct proxy_pair *pairs;
    unsigned connections; /* taken so far */
};

bool proxy_open(struct proxy *proxy, uv_loop_t *loop, uint16_t target);
void proxy_cut(struct proxy *proxy);                 /* all lines, now */
void proxy_stall(struct proxy *proxy, bool stalled); /* nothing is read from the broker */
unsigned proxy_lines(const struct proxy *proxy);     /* there are now */
void proxy_close(struct proxy *proxy);               /* then run the loop until it is empty */

#endif
