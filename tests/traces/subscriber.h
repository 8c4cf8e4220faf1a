/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One subscriber of the trace check: a follower on a WebSocket or an event stream, with a plan of what happens to it as the load
 * goes on. Times in the plan are shares (0..1) of the events acknowledged, so that a run repeats whatever its speed.
 *
 *   joins_at         connects for the first time
 *   stall_from..to   does not read at all (its socket fills up)
 *   bytes_a_tick     reads so little in each tick until the load is over; 0: all there is
 *   cuts             drops the line without a word, and comes back with its tokens when `gap` more of the load is done
 *
 * A line that ends otherwise while the same broker lives is a violation.
 */
#ifndef AHORA_TESTS_SUBSCRIBER_H
#define AHORA_TESTS_SUBSCRIBER_H

#include "tests/support/follower.h"
#include "tests/support/http.h"
#include "tests/support/wire.h"

#define CUTS_MAX 6

struct plan {
    double joins_at;
    double stall_from;
    double stall_to;
    size_t bytes_a_tick;
    int receive_bytes;     /* SO_RCVBUF; 0: the system's */
    double cuts[CUTS_MAX]; /* growing */
    size_t cut_count;
    double gap;
};

struct subscriber {
    char name[96];
    struct follower follower;
    struct plan plan;
    bool is_stream;
    enum codec codec;
    struct wire wire;
    int fd; /* of the event stream; -1: no line */
    struct http_reader reader;
    char last_event_id[80];
    size_t cuts_done;
    uint64_t walk; /* where its circle goes, if it moves; 0: it does not */
    uint64_t moves;
    double returns_at;
    bool is_draining; /* the broker was asked to end: a closed line is right */
    bool is_polled;   /* its socket is in the epoll set */
    uint64_t bytes_received;
    uint64_t connects;
    int close_code; /* of the last line that the broker closed */
};

void subscriber_init(struct subscriber *subscriber, bool is_stream, enum codec codec);
void subscriber_fini(struct subscriber *subscriber);

int subscriber_fd(const struct subscriber *subscriber); /* -1: no line */

/* Connects, and asks for everything with the tokens held. False if the broker does not let it. */
bool subscriber_connect(struct subscriber *subscriber, uint16_t port);

/* Drops the line without a word. */
void subscriber_cut(struct subscriber *subscriber);

/* Its circle goes a random step on, if it moves and is complete. */
void subscriber_walk(struct subscriber *subscriber);

/* Reads at most `bytes_max` and takes what is whole. False if the line has ended. */
bool subscriber_read(struct subscriber *subscriber, size_t bytes_max);

#endif
