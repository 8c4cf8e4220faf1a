/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/hostile/raw_peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/http.h"

bool raw_peer_open(struct raw_peer *peer, uint16_t port) {
    int yes = 1;
    *peer = (struct raw_peer){.fd = http_connect(port, 0), .port = port};
    if (peer->fd >= 0) {
        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    return peer->fd >= 0;
}

void raw_peer_fini(struct raw_peer *peer) {
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    bytes_fini(&peer->in);
    bytes_fini(&peer->pongs);
    *peer = (struct raw_peer){.fd = -1};
}

/* ---- sending ---- */

bool raw_peer_send(struct raw_peer *peer, const void *data, size_t size) {
    const char *rest = data;
    while (size > 0) {
        ssize_t sent = send(peer->fd, rest, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        rest += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool raw_peer_send_bytewise(struct raw_peer *peer, const void *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (!raw_peer_send(peer, (const char *)data + i, 1)) {
            return false;
        }
        usleep(200); /* mostly apart; where it must be, there is raw_peer_pause */
    }
    return true;
}

/* Its loop serves one event after the other: two questions of another connection are answered behind what was sent before. */
void raw_peer_pause(struct raw_peer *peer) {
    http_status(peer->port, "/livez");
    http_status(peer->port, "/livez");
}

/* ---- what comes ---- */

static bool holds(const char *data, size_t size, const char *text) {
    return memmem(data, size, text, strlen(text)) != NULL;
}

/* Both encodings: a JSON text, and MessagePack with the same names. */
static void on_data(struct raw_peer *peer, const char *data, size_t size) {
    if (holds(data, size, "welcome")) {
        peer->is_welcome = true;
    } else if (holds(data, size, "\"id\":99") || holds(data, size, "\xa2id\x63")) {
        peer->is_answered = true;
    } else if (!holds(data, size, "beat")) {
        peer->data_count++;
    }
}

static void on_frame(struct raw_peer *peer, const uint8_t *frame, size_t head_bytes, size_t size) {
    const char *payload = (const char *)frame + head_bytes;
    switch (frame[0]) {
    case 0x81:
    case 0x82:
        on_data(peer, payload, size);
        break;
    case 0x88:
        if (peer->close_code != 0 || size == 1 || size > 125) {
            peer->fault = "a second Close, or a malformed one";
        }
        peer->close_code = size >= 2 ? (uint8_t)payload[0] << 8 | (uint8_t)payload[1] : 1005;
        break;
    case 0x8a:
        peer->pong_count++;
        bytes_append(&peer->pongs, payload, size);
        bytes_append(&peer->pongs, "", 1);
        break;
    default:
        peer->fault = "a frame of an unexpected kind";
    }
}

static void take_head(struct raw_peer *peer) {
    const char *end = memmem(bytes_data(&peer->in), bytes_size(&peer->in), "\r\n\r\n", 4);
    if (end != NULL) {
        peer->head_bytes = (size_t)(end - bytes_data(&peer->in)) + 4;
    }
}

/* Frames lie behind the head, which is kept. */
static void take_frames(struct raw_peer *peer) {
    size_t at = peer->head_bytes;
    for (;;) {
        const uint8_t *frame = (const uint8_t *)bytes_data(&peer->in) + at;
        size_t left = bytes_size(&peer->in) - at;
        if (left < 2) {
            break;
        }
        size_t head_bytes = (frame[1] & 0x7f) == 126 ? 4 : (frame[1] & 0x7f) == 127 ? 10 : 2;
        if (left < head_bytes) {
            break;
        }
        size_t size = head_bytes == 2 ? frame[1] : head_bytes == 4 ? (size_t)(frame[2] << 8 | frame[3]) : (size_t)1 << 30;
        if ((frame[1] & 0x80) != 0) {
            peer->fault = "a masked frame";
            break;
        }
        if (left < head_bytes + size) {
            break;
        }
        if (peer->close_code != 0) {
            peer->fault = "a frame behind its Close";
        }
        on_frame(peer, frame, head_bytes, size);
        at += head_bytes + size;
    }
    struct bytes rest = {0};
    bytes_append(&rest, bytes_data(&peer->in), peer->head_bytes);
    bytes_append(&rest, bytes_data(&peer->in) + at, bytes_size(&peer->in) - at);
    bytes_fini(&peer->in);
    peer->in = rest;
}

bool raw_peer_read(struct raw_peer *peer, int timeout_ms) {
    struct pollfd item = {.fd = peer->fd, .events = POLLIN};
    if (peer->is_ended || poll(&item, 1, timeout_ms) <= 0) {
        return false;
    }
    char block[16384];
    ssize_t got = recv(peer->fd, block, sizeof block, 0);
    if (got <= 0) {
        peer->is_ended = true;
        return false;
    }
    bytes_append(&peer->in, block, (size_t)got);
    if (peer->head_bytes == 0) {
        take_head(peer);
    }
    if (peer->head_bytes > 0 && raw_peer_status(peer) == 101) {
        take_frames(peer);
    }
    return true;
}

/* ---- the answer to the upgrade ---- */

int raw_peer_status(struct raw_peer *peer) {
    const char *text = bytes_data(&peer->in);
    return peer->head_bytes >= 12 && strncmp(text, "HTTP/1.", 7) == 0 ? (int)strtol(text + 9, NULL, 10) : 0;
}

void raw_peer_header(struct raw_peer *peer, const char *name, char *value, size_t size) {
    size_t name_bytes = strlen(name);
    value[0] = '\0';
    const char *end = bytes_data(&peer->in) + peer->head_bytes;
    for (const char *line = bytes_data(&peer->in); line < end;) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        if ((size_t)(end - line) > name_bytes && strncasecmp(line, name, name_bytes) == 0 && line[name_bytes] == ':') {
            const char *from = line + name_bytes + 1;
            from += strspn(from, " ");
            snprintf(value, size, "%.*s", (int)strcspn(from, "\r\n"), from);
            return;
        }
        line = line_end + 1;
    }
}
