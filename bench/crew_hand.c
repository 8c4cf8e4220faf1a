/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/crew_hand.h"

#include "bench/child.h"
#include "bench/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IDLE_NS (1000 * NS_PER_S) /* it is woken by its connections and by orders */

static struct options own_options;

/* The first process's connections, server and loop are not ours; all else of the run is a copy. */
static bool become_hand(struct run *run, struct crew *crew, int fd, int number) {
    crew->number = number;
    crew->fd = fd;
    own_options = *run->options;
    own_options.progress = false;
    run->options = &own_options;
    signal(SIGINT, SIG_IGN); /* from a terminal it is for all; the first process ends us */
    signal(SIGTERM, SIG_DFL);
    for (uint32_t i = 0; i < run->producer_count; i++) {
        if (run->producers[i].connection.fd >= 0) {
            close(run->producers[i].connection.fd);
        }
    }
    close(run->epoll_fd);
    run->producer_count = 0;
    run->server.pid = 0;
    run->server.watched = 0;
    run->server.directory[0] = '\0';
    run->moved_count = 0;
    for (uint32_t i = 0; i < run->topic_count; i++) {
        run->topics[i].is_listed = false;
    }
    run->histogram = &crew->memory.hands[number].state->histogram;
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = crew};
    return run->epoll_fd >= 0 && epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void take_versions(struct run *run, const struct crew *crew) {
    for (uint32_t i = 0; i < run->topic_count; i++) {
        run->topics[i].published = crew->memory.published[i];
    }
}

static void carry_out(struct run *run, struct crew *crew, const struct order *order) {
    struct hand_state *state = crew->memory.hands[crew->number].state;
    switch (order->kind) {
    case ORDER_MARK:
        run_mark_own(run, order->recording);
        break;
    case ORDER_JOIN:
        run_join_own(run, &order->pace);
        hand_tell_topics(&crew->memory, crew->number, run);
        break;
    case ORDER_STALL:
        run_set_stalled_own(run, order->first, order->stalled);
        hand_tell_topics(&crew->memory, crew->number, run);
        break;
    case ORDER_TALLY:
        state->tally = run_tally_own(run);
        break;
    case ORDER_GATHER:
        run->recording = RECORD_NOTHING;
        break;
    case ORDER_CHECK:
        take_versions(run, crew);
        state->verdict = run_verdict_own(run);
        break;
    }
}

/* False: the first process is gone, or has ended us. */
static bool take_order(struct run *run, struct crew *crew) {
    struct order order;
    char done = ANSWER_DONE;
    crew->has_order = false;
    if (!child_hear(crew->fd, &order, sizeof order)) {
        return false;
    }
    carry_out(run, crew, &order);
    return run->failure != NULL || child_tell(crew->fd, &done, 1);
}

void hand_run(struct run *run, struct crew *crew, int fd, int number) {
    char letter = ANSWER_DONE;
    if (!become_hand(run, crew, fd, number)) {
        run_fail(run, strerror(errno));
    }
    bool goes_on = run->failure != NULL || child_tell(fd, &letter, 1);
    while (goes_on && run->failure == NULL) {
        run_poll(run, IDLE_NS);
        if (crew->has_order) {
            goes_on = take_order(run, crew);
        }
    }
    if (run->failure != NULL) {
        struct hand_state *state = crew->memory.hands[number].state;
        snprintf(state->failure, sizeof state->failure, "%s", run->failure);
        letter = ANSWER_FAILED;
        child_tell(fd, &letter, 1);
    }
    _exit(run->failure != NULL ? 1 : 0);
}
