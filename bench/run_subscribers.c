/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The subscribers of a run: room for them, where they connect from, how they join and stall. With --loads each process has some of them. */
#include "bench/crew.h"
#include "bench/needs.h"
#include "bench/run.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define END_BYTES 16384 /* of a connection; twice what many.c asks for, because peers are hungrier */
#define JOINS_AT_ONCE 64
#define PORTS_OF_ADDRESS 25000 /* of the 28,000 that an address has for one server */

/* ---- making ---- */

static bool is_loopback(const struct run *run) {
    return ntohl(run->server.load_address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* A connection is a file in the broker and one in a load process; a broker that others started may have another limit. Memory is asked for
   the ends that are here, with room to spare for a hungry one. */
static bool has_room(struct run *run, uint32_t count) {
    struct limits limits = limits_read();
    uint32_t loads = (uint32_t)crew_count(run);
    bool is_spread = run->options->source == 0 && is_loopback(run);
    struct needs needs = {.connections = count,
                          .of_server = count,
                          .of_process = (count + loads - 1) / loads,
                          .of_address = is_spread && count > PORTS_OF_ADDRESS ? PORTS_OF_ADDRESS : count,
                          .bytes_of_end = END_BYTES,
                          .ends_here = is_loopback(run) ? 2 : 1};
    limits.server_files = server_files_max(&run->server);
    return needs_fit(&needs, &limits, run->skipped, sizeof run->skipped);
}

/* 127.0.0.`this`: one address has not enough ports for all. */
static uint32_t source_of(const struct run *run, uint32_t number, uint32_t count) {
    if (run->options->source > 0) {
        return (uint32_t)run->options->source;
    }
    return is_loopback(run) && count > PORTS_OF_ADDRESS ? 2 + number / PORTS_OF_ADDRESS : 0;
}

bool run_make_subscribers(struct run *run, uint32_t count) {
    assert(run->subscribers == NULL && count > 0);
    if (run->options->views > 1 && (uint32_t)run->options->views > run->active_count) {
        run_fail(run, "--views: more subscriptions of a session than topics that change");
        return false;
    }
    if (!has_room(run, count)) {
        return false;
    }
    run->subscribers = calloc(count, sizeof *run->subscribers);
    run->subscriber_count = run->subscribers != NULL ? count : 0;
    for (uint32_t i = 0; i < run->subscriber_count; i++) {
        run->subscribers[i].number = i;
        run->subscribers[i].connection.fd = -1;
        run->subscribers[i].connection.source = source_of(run, i, count);
        uint32_t views = run->options->views > 1 ? (uint32_t)run->options->views : 1;
        struct interest interest = {.first = i % (run->active_count / views) * views, .count = views};
        if (!subscriber_follow(&run->subscribers[i], &interest)) {
            return false;
        }
    }
    return run->subscribers != NULL;
}

/* ---- joining ---- */

static bool start_next(struct run *run, int64_t due_ns) {
    struct subscriber *subscriber = &run->subscribers[run->started_count++];
    subscriber->started_ns = due_ns;
    if (!subscriber_join(run, subscriber)) {
        run_fail(run, errno == EMFILE ? "too many open files for so many connections" : "a connection could not be opened");
        return false;
    }
    return true;
}

/* How many of this process's subscribers have a lower number. They are in order. */
static uint32_t own_below(const struct run *run, uint32_t number) {
    uint32_t low = 0;
    uint32_t high = run->subscriber_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (run->subscribers[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* When the next of this process is due; without a rate, now. */
static int64_t next_due(const struct run *run, const struct join_pace *pace, int64_t now) {
    int64_t place = (int64_t)run->subscribers[run->started_count].number - (int64_t)pace->first;
    return pace->rate > 0 ? pace->begin_ns + place * NS_PER_S / pace->rate : now;
}

/* Starts who is due, but no more than JOINS_AT_ONCE: who is behind its schedule must still hear those who are under way, or none of them says its hello
   in time. How long the next has to wait. */
static int64_t start_due(struct run *run, const struct join_pace *pace, uint32_t count) {
    for (int started = 0; run->started_count < count && run->failure == NULL; started++) {
        const int64_t now = clock_ns();
        const int64_t due = next_due(run, pace, now);
        if (due > now) {
            return due - now;
        }
        if (pace->rate == 0 && (int64_t)(run->started_count - run->live_count) >= pace->window) {
            break;
        }
        if (started == JOINS_AT_ONCE) {
            return 0;
        }
        run->tally.late += now - due > LATE_NS;
        start_next(run, due);
    }
    return NS_PER_MS;
}

bool run_join_own(struct run *run, const struct join_pace *pace) {
    struct patience patience = {0, 0};
    uint32_t count = own_below(run, pace->count);
    while (run->live_count < count && run_is_patient(run, &patience, run->live_count)) {
        const int64_t wait = start_due(run, pace, count);
        patience.since_ns = wait > NS_PER_MS ? 0 : patience.since_ns; /* it waits for its turn, not for the server */
        run_poll(run, wait < NS_PER_MS ? wait : NS_PER_MS);
        run_note(run, "joining", crew_live(run), (double)crew_live(run) / pace->count);
    }
    if (run->live_count < count) {
        run_fail(run, "not all subscribers became live");
    }
    return run->failure == NULL;
}

/* The window is that of all processes together. */
bool run_join(struct run *run, uint32_t count, int64_t window, int64_t rate) {
    int64_t share = window / crew_count(run);
    struct join_pace pace = {.first = run->started_count > 0 ? run->joined_number : 0,
                             .count = count,
                             .window = share > 0 ? share : 1,
                             .rate = rate,
                             .begin_ns = clock_ns()};
    run->joined_number = count;
    crew_join(run, &pace);
    return run_join_own(run, &pace) && crew_wait(run, "joining", count);
}

void run_set_stalled_own(struct run *run, uint32_t first, bool stalled) {
    for (uint32_t i = own_below(run, first); i < run->subscriber_count; i++) {
        subscriber_set_stalled(run, &run->subscribers[i], stalled);
    }
}

void run_set_stalled(struct run *run, uint32_t first, bool stalled) {
    run_set_stalled_own(run, first, stalled);
    crew_set_stalled(run, first, stalled);
}
