/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Whether this machine can hold so many connections, asked before the first is opened: what is not enough would show as resets in the middle. */
#ifndef BENCH_NEEDS_H
#define BENCH_NEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -1: unknown, then it is not asked for. */
struct limits {
    int64_t memory_bytes;    /* available now */
    int64_t process_files;   /* that the load may hold, each of its processes */
    int64_t server_files;    /* that the broker may */
    int64_t machine_files;   /* still free, of all processes together */
    int64_t ports;           /* of one address, towards one server */
    int64_t tcp_pages;       /* of memory for what is in sockets, used by now */
    int64_t tcp_pages_tight; /* from here on the kernel presses; */
    int64_t tcp_pages_max;   /* from here on it resets connections */
};

struct needs {
    int64_t connections;  /* in all; both ends are here */
    int64_t of_server;    /* at one broker */
    int64_t of_process;   /* in one load process */
    int64_t of_address;   /* from one address */
    int64_t bytes_of_end; /* memory, kernel and process */
    int ends_here;        /* of each connection: 2, or 1 if the broker is on another machine */
};

/* While a change goes out: what has come and is not yet read; where it was sent it is freed at once on loopback. A quarter of it was measured,
   with a reader that keeps pace. */
#define TCP_PAGES_EACH 1

struct limits limits_read(void);

/* False: `why` names the limit and how much it is. */
bool needs_fit(const struct needs *needs, const struct limits *limits, char *why, size_t why_bytes);

/* So many groups of `connections` may hear a change at the same time before the kernel presses; at least 1. */
int needs_at_once(int64_t connections, int most, const struct limits *limits);

#endif
