/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The yardstick: the least a server can do. One epoll loop, no library, no history, no rights: what is published to a topic in one turn
 * is laid side by side and handed to each subscriber with one send(). Whatever a broker does on top shows as its distance from this.
 *
 *     ahora-bench-raw --listen 127.0.0.1:PORT
 *
 * It answers any upgrade and believes its client: the bench, which masks with zeros. A message from a client is
 *     'S' topic                                subscribe; answered with the last document, then 'L' and 8 bytes
 *     'P' id(8) count(2) bytes(4) {topic document}…   publish; answered with 'A' id.   'p': the same, not answered
 *     'Q' id(8)                                answered with 'Q' id
 * where a topic is 7 digits. A subscriber whose socket is full is passed over until it has taken what waits.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 512
#define READ_BYTES 65536u
#define MESSAGE_BYTES_MAX (1u << 20)
#define TOPICS_MAX 4194304u
#define TOPIC_DIGITS 7
#define BACKLOG 4096

struct bytes {
    uint8_t *data;
    size_t used;
    size_t room;
};

struct peer {
    int fd;
    uint32_t topic; /* TOPICS_MAX: none */
    uint32_t place; /* in the topic's list */
    bool is_upgraded;
    struct bytes in;  /* an unfinished message */
    struct bytes out; /* what the socket did not take */
};

struct topic {
    struct peer **peers;
    uint32_t count;
    uint32_t room;
    bool is_dirty;
    struct bytes block; /* frames of this turn */
    struct bytes last;  /* the newest frame */
};

static struct topic *topics[TOPICS_MAX];
static uint32_t *dirty;
static uint32_t dirty_count;
static uint32_t dirty_room;
static int epoll_fd;
static volatile sig_atomic_t stopping;
static uint8_t shared[MESSAGE_BYTES_MAX + READ_BYTES];

/* Out of memory is the end of a yardstick. */
static void *grown(void *memory, size_t bytes) {
    void *larger = realloc(memory, bytes);
    if (larger == NULL) {
        perror("ahora-bench-raw");
        exit(1);
    }
    return larger;
}

static void put(struct bytes *bytes, const void *data, size_t count) {
    if (bytes->used + count > bytes->room) {
        bytes->room = 2 * (bytes->used + count);
        bytes->data = grown(bytes->data, bytes->room);
    }
    memcpy(bytes->data + bytes->used, data, count);
    bytes->used += count;
}

static void empty(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){0};
}

/* ---- peers ---- */

static void drop(struct peer *peer) {
    if (peer->topic < TOPICS_MAX) {
        struct topic *topic = topics[peer->topic];
        struct peer *moved = topic->peers[--topic->count];
        topic->peers[peer->place] = moved;
        moved->place = peer->place;
    }
    close(peer->fd);
    empty(&peer->in);
    empty(&peer->out);
    free(peer);
}

static void watch(struct peer *peer, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = peer};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, peer->fd, &event);
}

/* What the socket does not take waits, unless the peer is only a subscriber that has something waiting already. */
static void give(struct peer *peer, const void *data, size_t count) {
    size_t taken = 0;
    if (peer->out.used == 0) {
        ssize_t sent = send(peer->fd, data, count, MSG_NOSIGNAL);
        taken = sent > 0 ? (size_t)sent : 0;
    }
    if (taken < count) {
        if (peer->out.used == 0) {
            watch(peer, EPOLLIN | EPOLLOUT);
        }
        put(&peer->out, (const uint8_t *)data + taken, count - taken);
    }
}

static void give_waiting(struct peer *peer) {
    ssize_t sent = send(peer->fd, peer->out.data, peer->out.used, MSG_NOSIGNAL);
    if (sent > 0) {
        peer->out.used -= (size_t)sent;
        memmove(peer->out.data, peer->out.data + sent, peer->out.used);
    }
    if (peer->out.used == 0) {
        empty(&peer->out);
        watch(peer, EPOLLIN);
    }
}

static void give_answer(struct peer *peer, char letter, const uint8_t *id) {
    uint8_t frame[11] = {0x82, 9, (uint8_t)letter};
    memcpy(frame + 3, id, 8);
    give(peer, frame, sizeof frame);
}

/* ---- topics ---- */

static uint32_t read_topic(const uint8_t *at) {
    uint32_t topic = 0;
    for (int i = 0; i < TOPIC_DIGITS; i++) {
        topic = topic * 10 + (uint32_t)(at[i] - '0');
    }
    return topic % TOPICS_MAX;
}

static struct topic *topic_at(uint32_t number) {
    if (topics[number] == NULL) {
        topics[number] = grown(NULL, sizeof *topics[number]);
        *topics[number] = (struct topic){0};
    }
    return topics[number];
}

static void deliver_topic(struct topic *topic) {
    for (uint32_t i = 0; topic->block.used > 0 && i < topic->count; i++) {
        if (topic->peers[i]->out.used == 0) {
            give(topic->peers[i], topic->block.data, topic->block.used);
        }
    }
    topic->block.used = 0;
}

static void subscribe(struct peer *peer, uint32_t number) {
    static const uint8_t none[8] = {0};
    struct topic *topic = topic_at(number);
    if (peer->topic < TOPICS_MAX) {
        return;
    }
    deliver_topic(topic); /* this turn's changes are in the newest that it gets: it must not hear them again */
    if (topic->count == topic->room) {
        topic->room = topic->room > 0 ? 2 * topic->room : 8;
        topic->peers = grown(topic->peers, topic->room * sizeof *topic->peers);
    }
    peer->topic = number;
    peer->place = topic->count;
    topic->peers[topic->count++] = peer;
    if (topic->last.used > 0) {
        give(peer, topic->last.data, topic->last.used);
    }
    give_answer(peer, 'L', none);
}

static void publish(uint32_t number, const uint8_t *document, size_t bytes) {
    struct topic *topic = topic_at(number);
    uint8_t head[4] = {0x82, (uint8_t)bytes};
    size_t head_bytes = 2;
    if (bytes >= 126) {
        head[1] = 126;
        head[2] = (uint8_t)(bytes >> 8);
        head[3] = (uint8_t)bytes;
        head_bytes = 4;
    }
    topic->last.used = 0;
    put(&topic->last, head, head_bytes);
    put(&topic->last, document, bytes);
    if (topic->count > 0) {
        put(&topic->block, topic->last.data, topic->last.used);
    }
    if (!topic->is_dirty) {
        topic->is_dirty = true;
        if (dirty_count == dirty_room) {
            dirty_room = dirty_room > 0 ? 2 * dirty_room : 64;
            dirty = grown(dirty, dirty_room * sizeof *dirty);
        }
        dirty[dirty_count++] = number;
    }
}

static void publish_all(const uint8_t *at, const uint8_t *end, size_t count, size_t bytes) {
    for (; count > 0 && (size_t)(end - at) >= TOPIC_DIGITS + bytes; count--) {
        publish(read_topic(at), at + TOPIC_DIGITS, bytes);
        at += TOPIC_DIGITS + bytes;
    }
}

/* The end of a turn: one send for each subscriber of each topic that changed. */
static void deliver(void) {
    for (; dirty_count > 0; dirty_count--) {
        struct topic *topic = topics[dirty[dirty_count - 1]];
        topic->is_dirty = false;
        deliver_topic(topic);
    }
}

/* ---- messages ---- */

static void take_message(struct peer *peer, const uint8_t *at, size_t bytes) {
    const uint8_t *end = at + bytes;
    if (at[0] == 'S' && bytes >= 1 + TOPIC_DIGITS) {
        subscribe(peer, read_topic(at + 1));
    } else if ((at[0] == 'P' || at[0] == 'p') && bytes >= 15) {
        size_t count = (size_t)at[9] << 8 | at[10];
        size_t size = (size_t)at[11] << 24 | (size_t)at[12] << 16 | (size_t)at[13] << 8 | at[14];
        if (size <= UINT16_MAX) {
            publish_all(at + 15, end, count, size);
        }
        if (at[0] == 'P') {
            give_answer(peer, 'A', at + 1);
        }
    } else if (at[0] == 'Q' && bytes >= 9) {
        give_answer(peer, 'Q', at + 1);
    }
}

/* Returns what is unfinished. */
static const uint8_t *take_messages(struct peer *peer, const uint8_t *at, const uint8_t *end) {
    while (end - at >= 2) {
        size_t length_bytes = (at[1] & 0x7f) == 126 ? 2 : (at[1] & 0x7f) == 127 ? 8 : 0;
        size_t head = 2 + length_bytes + 4;
        size_t bytes = at[1] & 0x7f;
        if ((size_t)(end - at) < head) {
            break;
        }
        for (size_t i = 0; i < length_bytes; i++) {
            bytes = (i == 0 ? 0 : bytes << 8) | at[2 + i];
        }
        if (bytes > MESSAGE_BYTES_MAX - head || (size_t)(end - at) < head + bytes) {
            break;
        }
        if (bytes > 0) {
            take_message(peer, at + head, bytes);
        }
        at += head + bytes;
    }
    return at;
}

static const uint8_t *take_upgrade(struct peer *peer, const uint8_t *at, const uint8_t *end) {
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    const uint8_t *behind = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    if (behind == NULL) {
        return at;
    }
    peer->is_upgraded = true;
    give(peer, answer, sizeof answer - 1);
    return behind + 4;
}

/* False: the peer has gone. */
static bool read_peer(struct peer *peer) {
    size_t kept = peer->in.used;
    if (kept > 0) {
        memcpy(shared, peer->in.data, kept);
    }
    ssize_t received = recv(peer->fd, shared + kept, READ_BYTES, 0);
    if (received < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    const uint8_t *end = shared + kept + received;
    const uint8_t *rest = shared;
    if (!peer->is_upgraded) {
        rest = take_upgrade(peer, rest, end);
    }
    if (peer->is_upgraded) {
        rest = take_messages(peer, rest, end);
    }
    if (received == 0 || (size_t)(end - rest) > MESSAGE_BYTES_MAX) {
        return false;
    }
    peer->in.used = 0;
    if (rest < end) {
        put(&peer->in, rest, (size_t)(end - rest));
    } else if (kept > 0) {
        empty(&peer->in);
    }
    return true;
}

/* ---- the loop ---- */

static void welcome(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer *peer = grown(NULL, sizeof *peer);
        *peer = (struct peer){.fd = fd, .topic = TOPICS_MAX};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void turn(int listener) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
        struct peer *peer = events[i].data.ptr;
        if (peer == NULL) {
            welcome(listener);
            continue;
        }
        if ((events[i].events & EPOLLOUT) != 0) {
            give_waiting(peer);
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !read_peer(peer)) {
            drop(peer);
        }
    }
    deliver();
}

static int listen_at(const char *text) {
    char host[64];
    struct sockaddr_in address = {.sin_family = AF_INET};
    snprintf(host, sizeof host, "%s", text);
    char *port = strchr(host, ':');
    if (port == NULL) {
        return -1;
    }
    *port++ = '\0';
    address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)(const void *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0) {
        return -1;
    }
    return fd;
}

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

int main(int argc, char **argv) {
    if (argc != 3 || strcmp(argv[1], "--listen") != 0) {
        fprintf(stderr, "usage: ahora-bench-raw --listen ADDR:PORT\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int listener = listen_at(argv[2]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (listener < 0 || epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0) {
        perror("ahora-bench-raw");
        return 1;
    }
    while (!stopping) {
        turn(listener);
    }
    return 0;
}
