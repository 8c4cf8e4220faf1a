/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/poller.h"

#include <assert.h>
#include <unistd.h>
#include <uv.h>

static bool watch(int epoll_fd, int fd, void *pointer) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = pointer}};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool poller_open(struct poller *poller, int backend_fd) {
    list_init(&poller->changed);
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    poller->first_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0 || poller->first_fd < 0 || !watch(poller->fd, poller->first_fd, NULL) ||
        !watch(poller->first_fd, backend_fd, NULL)) {
        poller_close(poller);
        return false;
    }
    return true;
}

static void close_one(int *fd) {
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void poller_close(struct poller *poller) {
    close_one(&poller->fd);
    close_one(&poller->first_fd);
}

void poller_want(struct poller *poller, struct pollee *pollee, int uv_events) {
    assert(!pollee->is_gone);
    pollee->wanted = (uint8_t)uv_events;
    if (pollee->wanted != pollee->told && !link_is_listed(&pollee->changed)) {
        list_append(&poller->changed, &pollee->changed);
    }
}

static int queue_of(const struct poller *poller, const struct pollee *pollee) {
    return pollee->is_first ? poller->first_fd : poller->fd;
}

void poller_prefer(struct poller *poller, struct pollee *pollee) {
    if (pollee->is_first || pollee->is_gone) {
        return;
    }
    if (pollee->told != 0) {
        epoll_ctl(poller->fd, EPOLL_CTL_DEL, pollee->fd, NULL);
        pollee->told = 0;
    }
    pollee->is_first = true;
    poller_want(poller, pollee, pollee->wanted);
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
    if (epoll_ctl(queue_of(poller, pollee), how, pollee->fd, &event) != 0) {
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

/* How many were ready; whether libuv's descriptor was among them. */
static int serve_first(struct poller *poller, bool *is_uv_ready) {
    int count = epoll_wait(poller->first_fd, poller->first_events, POLLER_FIRST_MAX, 0);
    for (int i = 0; i < count; i++) {
        struct pollee *pollee = poller->first_events[i].data.ptr;
        if (pollee == NULL) {
            *is_uv_ready = true;
        } else if (!pollee->is_gone) {
            serve(pollee, poller->first_events[i].events);
        }
    }
    return count;
}

/* True: one that is heard first is among them. */
static bool serve_rest(struct poller *poller, int count) {
    bool has_first = false;
    for (int i = 0; i < count; i++) {
        struct pollee *pollee = poller->events[i].data.ptr;
        if (pollee == NULL) {
            has_first = true;
        } else if (!pollee->is_gone) {
            serve(pollee, poller->events[i].events);
        }
    }
    return has_first;
}

static int64_t clock_us(void) {
    return (int64_t)(uv_hrtime() / 1000);
}

bool poller_serve(struct poller *poller, int count, int64_t slice_us) {
    bool is_uv_ready = false;
    int64_t until_us = count == POLLER_EVENTS_MAX ? clock_us() + slice_us : 0;
    for (;;) {
        bool is_full = count == POLLER_EVENTS_MAX; /* there may be more, and one to be heard first behind them */
        bool has_first = serve_rest(poller, count);
        if ((has_first || is_full) && serve_first(poller, &is_uv_ready) > 0) {
            return is_uv_ready; /* what it brought goes out before more is heard */
        }
        if (!is_full || clock_us() >= until_us) {
            return is_uv_ready;
        }
        count = poller_wait(poller, 0);
    }
}
