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
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include "broker/base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define POLLER_EVENTS_MAX 512 /* of one wait; the next turn has the rest */

/* Embedded in what has the descriptor. Zeroed, with `fd` and `on_event` set: it waits for nothing. */
struct pollee {
    struct link changed; /* in poller->changed */
    void (*on_event)(struct pollee *pollee, int status,
                     int events); /* enum uv_poll_event, of those wanted; status < 0: the descriptor is broken */
    int fd;
    uint8_t wanted; /* enum uv_poll_event */
    uint8_t told;   /* what the kernel knows */
    bool is_gone;
};

struct poller {
    int fd;
    struct link changed;
    struct epoll_event events[POLLER_EVENTS_MAX];
};

/* `backend_fd`: libuv's. False: the kernel has no descriptor for us. */
bool poller_open(struct poller *poller, int backend_fd);
void poller_close(struct poller *poller);

/* UV_READABLE, UV_WRITABLE, both, or 0; heard of as long as it holds. */
void poller_want(struct poller *poller, struct pollee *pollee, int uv_events);

/* Nothing is heard any more. Close the descriptor now; the memory must stay until poller_serve has returned. */
void poller_forget(struct pollee *pollee);

/* Sleeps until something happens, at most `timeout_ms` (-1: for ever). The number of events for poller_serve. */
int poller_wait(struct poller *poller, int timeout_ms);

/* Calls those that something happened to. True: libuv's descriptor was among them. */
bool poller_serve(struct poller *poller, int count);

#endif
