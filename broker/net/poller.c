/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/poller.h"

#include <assert.h>
#include <unistd.h>
#include <uv.h>

bool poller_open(struct poller *poller, int backend_fd) {
    list_init(&poller->changed);
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    if (poller->fd < 0) {
        return false;
    }
    if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, backend_fd, &event) != 0) {
        poller_close(poller);
        return false;
    }
    return true;
}

void poller_close(struct poller *poller) {
    if (poller->fd >= 0) {
        close(poller->fd);
        poller->fd = -1;
    }
}

void poller_want(struct poller *poller, struct pollee *pollee, int uv_events) {
    assert(!pollee->is_gone);
    pollee->wanted = (uint8_t)uv_events;
    if (pollee->wanted != pollee->told && !link_is_listed(&pollee->changed)) {
        list_append(&poller->changed, &pollee->changed);
    }
}

void poller_forget(struct pollee *pollee) {
    link_remove(&pollee->changed);
    pollee->is_gone = true;
}

static uint32_t kernel_events(uint8_t uv_events) {
    return (uv_events & UV_READABLE ? EPOLLIN : 0U) | (uv_events & UV_WRITABLE ? EPOLLOUT : 0U);
}

/* One that waits for nothing is taken out: else the kernel would go on telling that its peer is gone. */
static bool tell(const struct poller *poller, struct pollee *pollee) {
    struct epoll_event event = {.events = kernel_events(pollee->wanted), .data = {.ptr = pollee}};
    int how = pollee->told == 0 ? EPOLL_CTL_ADD : pollee->wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(poller->fd, how, pollee->fd, &event) != 0) {
        return false;
    }
    pollee->told = pollee->wanted;
    return true;
}

static void tell_changes(struct poller *poller) {
    for (struct link *link; (link = list_pop(&poller->changed)) != NULL;) {
        struct pollee *pollee = CONTAINER_OF(link, struct pollee, changed);
        if (pollee->wanted != pollee->told && !tell(poller, pollee)) {
            pollee->on_event(pollee, -1, 0);
        }
    }
}

int poller_wait(struct poller *poller, int timeout_ms) {
    tell_changes(poller);
    int count = epoll_wait(poller->fd, poller->events, POLLER_EVENTS_MAX, timeout_ms);
    return count > 0 ? count : 0;
}

/* Both sides at their end: whoever waits hears what it waits for, and finds out. */
static void serve(struct pollee *pollee, uint32_t events) {
    int heard = (events & (EPOLLIN | EPOLLHUP) ? UV_READABLE : 0) | (events & (EPOLLOUT | EPOLLHUP) ? UV_WRITABLE : 0);
    heard &= pollee->wanted;
    if (events & EPOLLERR) {
        pollee->on_event(pollee, -1, 0);
    } else if (heard != 0) {
        pollee->on_event(pollee, 0, heard);
    }
}

bool poller_serve(struct poller *poller, int count) {
    bool is_uv_ready = false;
    for (int i = 0; i < count; i++) {
        struct pollee *pollee = poller->events[i].data.ptr;
        if (pollee == NULL) {
            is_uv_ready = true;
        } else if (!pollee->is_gone) {
            serve(pollee, poller->events[i].events);
        }
    }
    return is_uv_ready;
}
