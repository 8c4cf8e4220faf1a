/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a loop waits on: its many sockets, and libuv's own descriptor as one among them. Owned by the loop, loop thread.
 *
 * libuv's poll handles cost a socket 160 bytes and, in the version we build with, four calls of epoll_ctl and one of ioctl until the kernel watches it,
 * and two more for every change of what it waits for. Here a change is only noted, and told to the kernel before the loop sleeps if it still is
 * one: most sockets have one such call in their life, and closing the descriptor ends it without another.
 *
 * There are two queues, both the kernel's, which gives out who is ready in the order in which they became so:
 *
 *   first ── libuv, the store, who has to be heard whatever the others do (poller_prefer)
 *   rest  ── everybody else, and `first` as one among them, so that one wait sleeps on both
 *
 * As long as few are ready, there is no difference. When more are than one call gives out, the rest is heard for a slice of time, or until `first`,
 * which is asked after each call, has something: then the turn goes on to what it has to deliver, and whoever is left comes first in the next.
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include "broker/base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define POLLER_EVENTS_MAX 16 /* of one call: within so many neither `first` nor the clock is looked at */
#define POLLER_FIRST_MAX 64  /* of one call, of those heard first; the next turn has the rest */

/* Embedded in what has the descriptor. Zeroed, with `fd` and `on_event` set: it waits for nothing. */
struct pollee {
    struct link changed; /* in poller->changed */
    void (*on_event)(struct pollee *pollee, int status,
                     int events); /* enum uv_poll_event, of those wanted; status < 0: the descriptor is broken */
    int fd;
    uint8_t wanted; /* enum uv_poll_event */
    uint8_t told;   /* what the kernel knows */
    bool is_first;  /* set before it waits for anything, or by poller_prefer */
    bool is_gone;
};

struct poller {
    int fd;       /* of the rest */
    int first_fd; /* in it, too */
    struct link changed;
    struct epoll_event events[POLLER_EVENTS_MAX];
    struct epoll_event first_events[POLLER_FIRST_MAX];
};

/* `backend_fd`: libuv's. False: the kernel has no descriptor for us. */
bool poller_open(struct poller *poller, int backend_fd);
void poller_close(struct poller *poller);

/* UV_READABLE, UV_WRITABLE, both, or 0; heard of as long as it holds. */
void poller_want(struct poller *poller, struct pollee *pollee, int uv_events);

/* From now on it is heard before the rest. */
void poller_prefer(struct poller *poller, struct pollee *pollee);

/* Nothing is heard any more. Close the descriptor now; the memory must stay until poller_serve has returned. */
void poller_forget(struct pollee *pollee);

/* Sleeps until something happens, at most `timeout_ms` (-1: for ever). The number of events for poller_serve. */
int poller_wait(struct poller *poller, int timeout_ms);

/* Calls those that something happened to; when there are many, no further ones of the rest after `slice_us`. True: libuv's descriptor
   was among them. */
bool poller_serve(struct poller *poller, int count, int64_t slice_us);

#endif
