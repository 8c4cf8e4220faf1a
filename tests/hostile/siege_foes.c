/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/hostile/siege_foes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/frame_script.h"

#define TICK_MS 20
#define RETURN_MS 2000    /* one that was thrown out comes back */
#define OPENS_PER_TICK 40 /* two thousand newcomers a second at most */
#define BURST_BYTES 1024  /* a foe sends no more at once */

enum foe_style {
    STYLE_ONCE,    /* says its first words and waits */
    STYLE_TRICKLE, /* a byte of its endless part a second */
    STYLE_FLOOD,   /* its endless part, as fast as it may */
    STYLE_RESET,   /* says its first words, then cuts the line */
};

struct foe_kind {
    const char *name;
    enum foe_style style;
    bool is_upgraded; /* asks for a WebSocket and says hello first */
    bool reads;
    const char *first;   /* a script of frames if upgraded or with '=' in front, else bytes */
    const char *endless; /* the same, again and again */
    int every_ms;        /* between two bursts of a flood */
};

#define REQUEST "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\n"
/* A ClientHello of TLS 1.2. */
#define CLIENT_HELLO                                                                                                           \
    "=16030100310100002d0303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f000006c02bc02fc030010000"
#define DEEP                                                                                                                   \
    "{'op':'sub','id':3,'match':'stock/"                                                                                       \
    "**','where':{'a.b.c.d.e.f.g.h':{'eq':1},'b':{'in':[1,2,3,4,5,6,7,8,9]},'c':{'ne':1},'d':{'exists':false}}}"
#define HUGE_CIRCLE "{'op':'sub','id':4,'match':'service/**','near':{'lat':0,'lon':0,'radius_m':20000000,'limit':1000}}"

static const struct foe_kind foe_kinds[FOE_KINDS] = {
    {"slow heads, a byte a second", STYLE_TRICKLE, false, true, REQUEST "X: ", "y", 0},
    {"slow hellos, a byte a second", STYLE_TRICKLE, true, true, "", "=81fe0fff0000000020", 0},
    {"subscribers that never read", STYLE_ONCE, true, false, "81<{'op':'sub','id':1,'match':'stock/siege/*'}>", NULL, 0},
    {"ping floods that are read", STYLE_FLOOD, true, true, "", "*8 89x100", 40},
    {"ping floods that are never read", STYLE_FLOOD, true, false, "", "*8 89x100", 40},
    {"floods of empty fragments", STYLE_FLOOD, true, true, "01<{>", "*256 00", 100},
    {"subscription bombs", STYLE_FLOOD, true, false, "81<" DEEP "> 81<" HUGE_CIRCLE ">", NULL, 200},
    {"connect and reset", STYLE_RESET, false, false, REQUEST, NULL, 0},
    {"half requests", STYLE_ONCE, false, true,
     "PUT /v1/topics/stock/half/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
     "60000\r\n\r\n{\"a\":\"",
     NULL, 0},
    {"giant heads", STYLE_FLOOD, false, true, REQUEST "X: ", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
     20},
    {"noise", STYLE_FLOOD, false, true, "\x01\x02\xff\xfe\r\n\r\n", "\x80\x81\x0a\xff\x1b", 200},
    {"TLS at the plain port", STYLE_ONCE, false, true, CLIENT_HELLO, NULL, 0},
    {"pipelined requests that are never read", STYLE_FLOOD, false, false, "",
     "GET /v1/topics?match=** HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 100},
    {"event streams that are never read", STYLE_ONCE, false, false,
     "GET /v1/stream?match=stock/siege/* HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", NULL, 0},
};

struct foe {
    const struct foe_kind *kind;
    struct foe_tally *tally;
    int fd; /* -1: not open */
    bool is_begun;
    bool was_in_place;
    uint32_t bombs; /* subscriptions asked for */
    struct bytes out;
    size_t endless_at;
    int64_t due_ms;
};

struct siege {
    struct sockaddr_in to;
    int epoll_fd;
    int64_t now_ms;
    size_t first; /* whose turn it is to be first */
    struct foe *foes;
    size_t count;
    struct siege_tally *tally;
    struct bytes endless[FOE_KINDS];
};

const char *foe_name(size_t kind) {
    return foe_kinds[kind].name;
}

static int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put_script(struct bytes *out, const char *script) {
    while (script_next(&script, out) != SCRIPT_END) {
    }
}

/* ---- one foe ---- */

static void foe_close(struct siege *siege, struct foe *foe, bool is_cut) {
    if (is_cut) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(foe->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(foe->fd);
    foe->fd = -1;
    bytes_clear(&foe->out);
    foe->is_begun = false;
    foe->due_ms = siege->now_ms + RETURN_MS;
}

static void foe_open(struct siege *siege, struct foe *foe) {
    int small = 2048;
    foe->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (foe->fd < 0) {
        foe->tally->refused++;
        foe->due_ms = siege->now_ms + 1000;
        return;
    }
    if (!foe->kind->reads) {
        setsockopt(foe->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    struct epoll_event event = {.events = foe->kind->reads ? EPOLLIN : EPOLLRDHUP, .data.ptr = foe};
    epoll_ctl(siege->epoll_fd, EPOLL_CTL_ADD, foe->fd, &event);
    if (connect(foe->fd, (const struct sockaddr *)&siege->to, sizeof siege->to) != 0 && errno != EINPROGRESS) {
        foe->tally->refused++;
        foe_close(siege, foe, false);
        return;
    }
    foe->tally->opened++;
    foe->endless_at = 0;
    foe->bombs = 0;
    if (foe->kind->is_upgraded) {
        bytes_append_text(&foe->out, REQUEST
                          "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ahora.v1.json\r\n\r\n");
        put_script(&foe->out, strstr(foe->kind->name, "slow") == NULL ? "81<{'op':'hello'}>" : "");
        put_script(&foe->out, foe->kind->first);
    } else if (foe->kind->first[0] == '=') {
        put_script(&foe->out, foe->kind->first);
    } else {
        bytes_append_text(&foe->out, foe->kind->first);
    }
    foe->due_ms = siege->now_ms;
}

static bool foe_send(struct siege *siege, struct foe *foe, size_t bytes_max) {
    size_t size = bytes_size(&foe->out) < bytes_max ? bytes_size(&foe->out) : bytes_max;
    ssize_t sent = send(foe->fd, bytes_data(&foe->out), size, MSG_NOSIGNAL);
    if (sent > 0) {
        foe->tally->sent += (uint64_t)sent;
        bytes_consume(&foe->out, (size_t)sent);
        return true;
    }
    if (sent < 0 && errno != EAGAIN && errno != ENOTCONN) {
        foe->tally->ended++;
        foe_close(siege, foe, false);
    }
    return false;
}

static void put_bomb(struct foe *foe) {
    char script[256];
    foe->bombs++;
    snprintf(script, sizeof script, "81<{'op':'sub','id':%u,'match':['stock/%u/*','order/%u/**','room/*/%u/*','*/%u/a']}>",
             foe->bombs + 10, foe->bombs, foe->bombs, foe->bombs, foe->bombs);
    put_script(&foe->out, script);
}

/* More of what never ends. */
static void foe_refill(struct siege *siege, struct foe *foe) {
    const struct bytes *endless = &siege->endless[foe->kind - foe_kinds];
    if (foe->kind->endless == NULL) {
        for (int i = 0; foe->kind->style == STYLE_FLOOD && i < 20; i++) {
            put_bomb(foe);
        }
        return;
    }
    size_t wanted = foe->kind->style == STYLE_TRICKLE ? 1 : BURST_BYTES;
    for (size_t put = 0; put < wanted; put++) {
        size_t at = foe->endless_at++;
        at = at < bytes_size(endless) || strstr(foe->kind->name, "hello") == NULL ? at % bytes_size(endless)
                                                                                  : bytes_size(endless) - 1;
        bytes_append(&foe->out, bytes_data(endless) + at, 1);
    }
}

static void begin(struct siege *siege, struct foe *foe) {
    foe->is_begun = true;
    if (!foe->was_in_place) {
        foe->was_in_place = true;
        siege->tally->in_place++;
    }
}

static void foe_act(struct siege *siege, struct foe *foe) {
    if (bytes_size(&foe->out) > 0 && !foe_send(siege, foe, BURST_BYTES)) {
        if (foe->fd >= 0) {
            foe->due_ms = siege->now_ms + 100; /* the broker takes no more from it */
        }
        return;
    }
    begin(siege, foe);
    switch (foe->kind->style) {
    case STYLE_RESET:
        foe_close(siege, foe, true);
        return;
    case STYLE_ONCE:
        foe->due_ms = INT64_MAX;
        return;
    case STYLE_TRICKLE:
        foe->due_ms = siege->now_ms + 1000;
        break;
    case STYLE_FLOOD:
        foe->due_ms = siege->now_ms + foe->kind->every_ms;
        break;
    }
    if (bytes_size(&foe->out) < 2 * BURST_BYTES) {
        foe_refill(siege, foe);
    }
}

static void foe_read(struct siege *siege, struct foe *foe) {
    char block[16384];
    ssize_t got = recv(foe->fd, block, sizeof block, 0);
    if (got > 0) {
        foe->tally->upgraded += foe->tally->heard == 0 || memmem(block, (size_t)got, "HTTP/1.1 101", 12) != NULL;
        foe->tally->heard += (uint64_t)got;
    } else if (got == 0 || errno != EAGAIN) {
        foe->tally->ended++;
        foe_close(siege, foe, false);
    }
}

/* ---- all of them ---- */

static void turn(struct siege *siege) {
    struct epoll_event events[512];
    int count = epoll_wait(siege->epoll_fd, events, 512, TICK_MS);
    siege->now_ms = clock_ms();
    for (int i = 0; i < count; i++) {
        struct foe *foe = events[i].data.ptr;
        if (foe->fd >= 0 && foe->kind->reads) {
            foe_read(siege, foe);
        } else if (foe->fd >= 0) {
            foe->tally->ended++;
            foe_close(siege, foe, false);
        }
    }
}

static void play(struct siege *siege) {
    int64_t acted_ms = 0;
    for (;;) {
        turn(siege);
        if (siege->now_ms - acted_ms < TICK_MS) {
            continue;
        }
        acted_ms = siege->now_ms;
        int opens = OPENS_PER_TICK;
        siege->first = (siege->first + 997) % siege->count;
        for (size_t i = 0; i < siege->count; i++) {
            struct foe *foe = &siege->foes[(siege->first + i) % siege->count];
            if (foe->due_ms > siege->now_ms) {
                continue;
            }
            if (foe->fd >= 0) {
                foe_act(siege, foe);
            } else if (opens-- > 0) {
                foe_open(siege, foe);
            }
        }
    }
}

static void foes_main(uint16_t port, size_t count, struct siege_tally *tally) {
    struct siege siege = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .count = count, .tally = tally};
    siege.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    siege.foes = calloc(count, sizeof *siege.foes);
    for (size_t i = 0; i < FOE_KINDS; i++) {
        if (foe_kinds[i].endless != NULL && foe_kinds[i].is_upgraded) {
            put_script(&siege.endless[i], foe_kinds[i].endless);
        } else if (foe_kinds[i].endless != NULL) {
            bytes_append_text(&siege.endless[i], foe_kinds[i].endless);
        }
    }
    for (size_t i = 0; i < count; i++) {
        siege.foes[i] = (struct foe){.kind = &foe_kinds[i % FOE_KINDS], .tally = &tally->kinds[i % FOE_KINDS], .fd = -1};
    }
    play(&siege);
}

/*
 * Foes have machines of their own; here they share the broker's, and the good ones'. An idle task is put aside as soon as another wants its processor,
 * a nice one only at the end of its slice (EEVDF, sched(7)). What foes send costs the broker as much either way.
 */
static void give_way(void) {
    struct sched_param none = {.sched_priority = 0};
    sched_setscheduler(0, SCHED_IDLE, &none);
}

pid_t foes_start(uint16_t port, size_t count, struct siege_tally **tally) {
    *tally = mmap(NULL, sizeof **tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (*tally == MAP_FAILED) {
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        give_way();
        foes_main(port, count, *tally);
    }
    return pid;
}

void foes_stop(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
