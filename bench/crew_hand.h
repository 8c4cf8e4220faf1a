/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A load process other than the first: does what it is ordered, and says when it is done. One thread, its only one. */
#ifndef BENCH_CREW_HAND_H
#define BENCH_CREW_HAND_H

#include "bench/child.h"
#include "bench/crew_memory.h"

enum order_kind {
    ORDER_JOIN,   /* pace */
    ORDER_MARK,   /* recording */
    ORDER_TALLY,  /* into its state */
    ORDER_GATHER, /* records nothing more, so that its histogram can be read */
    ORDER_STALL,  /* first, stalled */
    ORDER_CHECK,  /* into its state; versions are in the shared memory */
};

struct order {
    enum order_kind kind;
    struct join_pace pace;
    enum recording recording;
    uint32_t first;
    bool stalled;
};

#define ANSWER_DONE 'D'
#define ANSWER_FAILED 'F' /* why is in its state; it ends */

struct crew {
    int count;  /* processes, this one among them */
    int number; /* 0: the first */
    struct crew_memory memory;

    /* A hand's. */
    int fd;
    bool has_order;

    /* The first one's. */
    struct child children[LOADS_MAX]; /* number k is children[k - 1] */
    uint32_t open[LOADS_MAX];         /* orders without an answer so far, of process k */
    int ear;                          /* epoll of all that may be heard of them, and of the bell */
    int core_count;                   /* that they share */
    double own_share;                 /* of the first process's core, when it was last asked for */
};

/* In the child. Never returns. */
void hand_run(struct run *run, struct crew *crew, int fd, int number);

#endif
