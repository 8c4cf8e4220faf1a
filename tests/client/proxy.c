/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/client/proxy.h"

#include <stdlib.h>
#include <string.h>

struct proxy_side {
    uv_tcp_t tcp;
    struct proxy_pair *pair;
    struct proxy_side *other;
};

struct proxy_pair {
    struct proxy *proxy;
    struct proxy_pair *next;
    struct proxy_side client, broker;
    uv_connect_t connecting;
    unsigned open;
    bool is_connected;
};

struct piece {
    uv_write_t request;
    char bytes[];
};

static void on_closed(uv_handle_t *handle) {
    struct proxy_side *side = handle->data;
    struct proxy_pair *pair = side->pair;
    if (--pair->open > 0) {
        return;
    }
    struct proxy_pair **at = &pair->proxy->pairs;
    while (*at != pair) {
        at = &(*at)->next;
    }
    *at = pair->next;
    free(pair);
}

static void end(struct proxy_pair *pair, bool reset) {
    struct proxy_side *sides[] = {&pair->client, &pair->broker};
    for (int i = 0; i < 2; i++) {
        if (!uv_is_closing((uv_handle_t *)&sides[i]->tcp)) {
            if (!reset || uv_tcp_close_reset(&sides[i]->tcp, on_closed) != 0) {
                uv_close((uv_handle_t *)&sides[i]->tcp, on_closed);
            }
        }
    }
}

static void on_written(uv_write_t *request, int status) {
    (void)status;
    free(request->data);
}

static void pass_on(struct proxy_side *to, const char *bytes, size_t count) {
    struct piece *piece = malloc(sizeof(*piece) + count);
    memcpy(piece->bytes, bytes, count);
    piece->request.data = piece;
    uv_buf_t block = uv_buf_init(piece->bytes, (unsigned)count);
    if (uv_write(&piece->request, (uv_stream_t *)&to->tcp, &block, 1, on_written) != 0) {
        free(piece);
    }
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    static char room[65536];
    const struct proxy_side *side = handle->data;
    size_t most = side->pair->proxy->piece_bytes;
    (void)wanted;
    *buffer = uv_buf_init(room, (unsigned)(most > 0 && most < sizeof(room) ? most : sizeof(room)));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct proxy_side *side = stream->data;
    if (count < 0) {
        end(side->pair, false);
    } else if (count > 0) {
        pass_on(side->other, buffer->base, (size_t)count);
    }
}

static void on_connect(uv_connect_t *request, int status) {
    struct proxy_pair *pair = request->data;
    if (status < 0) {
        end(pair, true);
        return;
    }
    pair->is_connected = true;
    uv_read_start((uv_stream_t *)&pair->client.tcp, give_room, on_read);
    uv_read_start((uv_stream_t *)&pair->broker.tcp, give_room, on_read);
}

static void on_connection(uv_stream_t *listener, int status) {
    struct proxy *proxy = listener->data;
    struct proxy_pair *pair = calloc(1, sizeof(*pair));
    struct sockaddr_in to;
    (void)status;
    *pair = (struct proxy_pair){.proxy = proxy, .next = proxy->pairs, .open = 2};
    pair->client = (struct proxy_side){.pair = pair, .other = &pair->broker};
    pair->broker = (struct proxy_side){.pair = pair, .other = &pair->client};
    proxy->pairs = pair;
    proxy->connections++;
    uv_tcp_init(proxy->loop, &pair->client.tcp);
    uv_tcp_init(proxy->loop, &pair->broker.tcp);
    pair->client.tcp.data = &pair->client;
    pair->broker.tcp.data = &pair->broker;
    uv_ip4_addr("127.0.0.1", proxy->target, &to);
    pair->connecting.data = pair;
    if (uv_accept(listener, (uv_stream_t *)&pair->client.tcp) != 0 || proxy->is_refusing ||
        uv_tcp_connect(&pair->connecting, &pair->broker.tcp, (const struct sockaddr *)&to, on_connect) != 0) {
        end(pair, true);
    }
}

bool proxy_open(struct proxy *proxy, uv_loop_t *loop, uint16_t target) {
    struct sockaddr_in at;
    int bytes = sizeof(at);
    *proxy = (struct proxy){.loop = loop, .target = target};
    uv_ip4_addr("127.0.0.1", 0, &at);
    uv_tcp_init(loop, &proxy->listener);
    proxy->listener.data = proxy;
    bool good = uv_tcp_bind(&proxy->listener, (const struct sockaddr *)&at, 0) == 0 &&
                uv_listen((uv_stream_t *)&proxy->listener, 16, on_connection) == 0 &&
                uv_tcp_getsockname(&proxy->listener, (struct sockaddr *)&at, &bytes) == 0;
    proxy->port = (uint16_t)(at.sin_port >> 8 | at.sin_port << 8);
    return good;
}

void proxy_cut(struct proxy *proxy) {
    for (struct proxy_pair *pair = proxy->pairs; pair != NULL; pair = pair->next) {
        end(pair, true);
    }
}

void proxy_stall(struct proxy *proxy, bool stalled) {
    for (struct proxy_pair *pair = proxy->pairs; pair != NULL; pair = pair->next) {
        uv_stream_t *stream = (uv_stream_t *)&pair->broker.tcp;
        if (pair->is_connected && !uv_is_closing((uv_handle_t *)stream)) {
            if (stalled) {
                uv_read_stop(stream);
            } else {
                uv_read_start(stream, give_room, on_read);
            }
        }
    }
}

unsigned proxy_lines(const struct proxy *proxy) {
    unsigned lines = 0;
    for (const struct proxy_pair *pair = proxy->pairs; pair != NULL; pair = pair->next) {
        lines++;
    }
    return lines;
}

void proxy_close(struct proxy *proxy) {
    proxy_cut(proxy);
    uv_close((uv_handle_t *)&proxy->listener, NULL);
}
