/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/websocket.h"

#include "broker/net/broker.h"
#include "broker/net/websocket_internal.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TX_BYTES (1u << 20) /* one write is not cut into smaller ones */
#define SERVICE_BYTES 20480 /* its shared buffer: a whole request head fits */

/* ---- writing ---- */

/* What the socket takes at once, as the library would send it, in a third of the instructions. The number of bytes; -1: the connection is lost. */
static ssize_t send_now(const struct websocket *websocket, struct span bytes) {
    ssize_t sent;
    do {
        sent = send(websocket->fd, bytes.data, bytes.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

/* The one place that writes to a WebSocket. The library keeps what the socket does not take; while it has something of its own waiting (a pong),
   it has to do the writing. */
static enum peer_write socket_write(struct websocket *websocket, struct span bytes) {
    if (!websocket->choked && !lws_partial_buffered(websocket->wsi)) {
        ssize_t sent = send_now(websocket, bytes);
        if (sent == (ssize_t)bytes.bytes) {
            return PEER_WRITTEN;
        }
        if (sent < 0) {
            return PEER_BROKEN;
        }
        bytes = span_of(bytes.data + sent, bytes.bytes - (size_t)sent);
    }
    /* The library takes a pointer to non-const, and with LWS_WRITE_RAW neither writes to it nor in front of it. */
    uint8_t *data;
    memcpy(&data, &bytes.data, sizeof data);
    if (lws_write(websocket->wsi, data, bytes.bytes, LWS_WRITE_RAW) < 0) {
        return PEER_BROKEN;
    }
    bool was_choked = websocket->choked;
    websocket->choked = lws_partial_buffered(websocket->wsi) != 0;
    if (websocket->choked && !was_choked && !websocket->closing) {
        websocket->overdue = false;
        deadline_set(&websocket->broker->deadlines, &websocket->deadline, DEADLINE_CLOSE, websocket->broker->now_ms);
    }
    return websocket->choked ? PEER_CHOKED : PEER_WRITTEN;
}

static struct websocket *websocket_of(struct peer *peer) {
    return CONTAINER_OF(peer, struct websocket, peer);
}

static enum peer_write peer_write(struct peer *peer, struct span bytes) {
    return socket_write(websocket_of(peer), bytes);
}

static void peer_set_reading(struct peer *peer, bool reading) {
    struct websocket *websocket = websocket_of(peer);
    if (!websocket->closing) {
        lws_rx_flow_control(websocket->wsi, reading ? 1 : 0);
    }
}

static void leave_session(struct websocket *websocket) {
    if (websocket->peer.session != NULL) {
        struct session *session = websocket->peer.session;
        websocket->peer.session = NULL;
        link_remove(&websocket->peer.yielding);
        session_close(websocket->broker->core, session);
    }
}

static void doom(struct websocket *websocket) {
    leave_session(websocket);
    if (!link_is_listed(&websocket->doomed)) {
        list_append(&websocket->broker->websockets.doomed, &websocket->doomed);
        websocket->broker->loop.dirty = true;
    }
}

static void peer_drop(struct peer *peer) {
    doom(websocket_of(peer));
}

/* Writes our Close (RFC 6455 section 5.5.1); then it is the peer's turn. */
static void start_close(struct websocket *websocket, int code, const char *reason) {
    if (websocket->closing) {
        return;
    }
    uint8_t frame[4 + 123];
    size_t reason_bytes = strlen(reason) < 123 ? strlen(reason) : 123;
    frame[0] = 0x88;
    frame[1] = (uint8_t)(2 + reason_bytes);
    frame[2] = (uint8_t)(code >> 8);
    frame[3] = (uint8_t)code;
    memcpy(frame + 4, reason, reason_bytes);
    websocket->closing = true;
    websocket->broker->metrics.closed_by_us++;
    leave_session(websocket);
    buffer_fini(&websocket->message);
    websocket_count_message(websocket);
    deadline_set(&websocket->broker->deadlines, &websocket->deadline, DEADLINE_CLOSE, websocket->broker->now_ms);
    if (socket_write(websocket, (struct span){frame, 4 + reason_bytes}) == PEER_BROKEN) {
        doom(websocket);
        return;
    }
    lws_rx_flow_control(websocket->wsi, 1); /* their Close is what we wait for */
}

static void peer_end(struct peer *peer, int close_code, const char *reason) {
    start_close(websocket_of(peer), close_code, reason);
}

static const struct peer_calls calls = {
    .write = peer_write,
    .set_reading = peer_set_reading,
    .end = peer_end,
    .drop = peer_drop,
};

/* ---- the library's events ---- */

static int on_established(struct websocket *websocket, enum encoding encoding) {
    struct broker *broker = websocket->broker;
    websocket->encoding = encoding;
    websocket->peer.session = session_open(broker->core, encoding, "anonymous", &websocket->peer);
    if (websocket->peer.session == NULL || !session_grant(broker->core, websocket->peer.session, websocket->rights)) {
        return -1;
    }
    rights_unref(websocket->rights);
    websocket->rights = NULL;
    broker->metrics.upgrades++;
    return 0;
}

static int on_writable(struct websocket *websocket) {
    if (websocket->choked && lws_partial_buffered(websocket->wsi) == 0) {
        websocket->choked = false;
        if (!websocket->closing) {
            deadline_clear(&websocket->deadline);
        }
        if (websocket->peer.session != NULL) {
            session_set_choked(websocket->broker->core, websocket->peer.session, false);
        }
    }
    return 0;
}

/* The socket is closed: the last that is heard of it. */
static void on_gone(struct websocket *websocket) {
    struct broker *broker = websocket->broker;
    leave_session(websocket);
    deadline_clear(&websocket->deadline);
    link_remove(&websocket->link);
    link_remove(&websocket->hungry);
    link_remove(&websocket->doomed);
    buffer_fini(&websocket->message);
    websocket_count_message(websocket);
    rights_unref(websocket->rights);
    connection_limits_leave(&broker->shards->limits, websocket->count);
    broker->metrics.websockets--;
    free(websocket);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t bytes, enum encoding encoding) {
    struct websocket *websocket = lws_get_opaque_user_data(wsi);
    if (websocket == NULL) {
        return 0;
    }
    loop_enter(websocket->broker);
    switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(websocket, encoding);
    case LWS_CALLBACK_RECEIVE:
        websocket_take(websocket, (struct span){in, bytes});
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writable(websocket);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        /* The answer to our Close ends it; one of their own accord is echoed by the library first. */
        return websocket->closing ? -1 : 0;
    case LWS_CALLBACK_CLOSED:
        websocket->closed = true;
        leave_session(websocket);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(wsi, NULL);
        on_gone(websocket);
        return 0;
    default:
        return 0;
    }
}

/* The library has made its object for the socket we just gave it: tie the two together, before it reads anything. */
static int on_instantiated(struct lws *wsi) {
    struct broker *broker = lws_context_user(lws_get_context(wsi));
    struct websocket *websocket = broker->websockets.adopting;
    assert(websocket != NULL);
    broker->websockets.adopting = NULL;
    websocket->wsi = wsi;
    lws_set_opaque_user_data(wsi, websocket);
    return 0;
}

static int on_event_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes) {
    (void)user;
    switch ((int)reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        return on_instantiated(wsi);
    case LWS_CALLBACK_WSI_DESTROY:
        return on_event(wsi, reason, in, bytes, ENCODING_JSON);
    case LWS_CALLBACK_HTTP:
        return -1; /* only upgrades are given to the library */
    default:
        return 0;
    }
}

static int on_event_json(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes) {
    (void)user;
    return on_event(wsi, reason, in, bytes, ENCODING_JSON);
}

static int on_event_msgpack(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes) {
    (void)user;
    return on_event(wsi, reason, in, bytes, ENCODING_MSGPACK);
}

/* ---- the library's context ---- */

/* The library's way to say what a connection speaks; the last one is empty. */
static bool make_protocols(struct broker *broker) {
    const struct lws_protocols protocols[] = {
        {.name = "http", .callback = on_event_http},
        {.name = AHORA_SUBPROTOCOL_JSON, .callback = on_event_json},
        {.name = AHORA_SUBPROTOCOL_MSGPACK, .callback = on_event_msgpack},
        {.name = NULL},
    };
    struct lws_protocols *made = malloc(sizeof protocols);
    if (made == NULL) {
        return false;
    }
    memcpy(made, protocols, sizeof protocols);
    for (struct lws_protocols *protocol = made; protocol->name != NULL; protocol++) {
        protocol->rx_buffer_size = (size_t)broker->config.receive_bytes;
        protocol->tx_packet_size = TX_BYTES;
    }
    broker->websockets.protocols = made;
    return true;
}

/* No pings, no validity checks: the core's beats and our own deadlines do that. */
static const lws_retry_bo_t no_retries;

bool websockets_init(struct broker *broker) {
    struct websockets *websockets = &broker->websockets;
    void *loops[1] = {&broker->loop.uv};
    list_init(&websockets->open);
    list_init(&websockets->hungry);
    list_init(&websockets->doomed);
    if (!make_protocols(broker)) {
        return false;
    }
    log_take_lws(broker->shards->count == 1 ? &broker->log : NULL);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = websockets->protocols,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .foreign_loops = loops,
        .user = broker,
        .pt_serv_buf_size = SERVICE_BYTES,
        .max_http_header_data = (unsigned short)(broker->config.header_bytes_max + 1024),
        .max_http_header_pool = 64, /* a head is complete when it gets here: each is held for one call */
        .retry_and_idle_policy = &no_retries,
        .timeout_secs = 10,
        .pcontext = &websockets->context, /* becomes NULL when it is gone */
    };
    websockets->context = lws_create_context(&info);
    if (websockets->context == NULL) {
        return false;
    }
    websockets->vhost = lws_create_vhost(websockets->context, &info);
    return websockets->vhost != NULL;
}

void websockets_stop(struct broker *broker) {
    if (broker->websockets.context != NULL) {
        lws_context_destroy(broker->websockets.context);
    }
}

/* On a loop that is not its own, the library frees its memory only when asked a second time. */
void websockets_fini(struct broker *broker) {
    if (broker->websockets.context != NULL) {
        lws_context_destroy(broker->websockets.context);
    }
    assert(broker->websockets.context == NULL);
    free(broker->websockets.protocols);
    broker->websockets.protocols = NULL;
}

/* ---- a socket's life ---- */

/* With a tail waiting the library would wait for it; a socket that is shut makes its next write fail instead. */
static void kill_socket(struct websocket *websocket) {
    if (websocket->closed) {
        return;
    }
    if (lws_partial_buffered(websocket->wsi)) {
        shutdown(lws_get_socket_fd(websocket->wsi), SHUT_RDWR);
    } else {
        lws_set_timeout(websocket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    }
}

/* A session can be told to end while its socket is choked; our Close then stands behind what the peer does not read. So a choked
   socket is looked at every close_ms: if it was to end the last time, too, it has had its chance. */
static bool may_go_on(struct websocket *websocket) {
    if (websocket->closing || websocket->overdue) {
        return false;
    }
    websocket->overdue = websocket->peer.session == NULL || session_is_kicked(websocket->peer.session);
    return true;
}

static void on_deadline(struct deadline *deadline) {
    struct websocket *websocket = CONTAINER_OF(deadline, struct websocket, deadline);
    if (may_go_on(websocket)) {
        deadline_set(&websocket->broker->deadlines, deadline, DEADLINE_CLOSE, websocket->broker->now_ms);
        return;
    }
    websocket->broker->metrics.timeouts_close++;
    doom(websocket);
}

void websocket_adopt(struct broker *broker, int fd, struct address_count *count, struct rights *rights, struct span bytes,
                     size_t head_bytes) {
    struct websocket *websocket = calloc(1, sizeof *websocket);
    if (websocket == NULL) {
        rights_unref(rights);
        close(fd);
        connection_limits_leave(&broker->shards->limits, count);
        return;
    }
    int lowat = (int)broker->config.notsent_lowat_bytes;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
    websocket->peer.calls = &calls;
    websocket->deadline.on_expired = on_deadline;
    websocket->peer.reading = true;
    websocket->broker = broker;
    websocket->count = count;
    websocket->rights = rights;
    websocket->fd = fd;
    buffer_init(&websocket->message, core_limits(broker->core)->message_bytes_max);
    list_append(&broker->websockets.open, &websocket->link);
    broker->metrics.websockets++;
    broker->websockets.adopting = websocket;
    struct lws *wsi = lws_adopt_socket_vhost_readbuf(broker->websockets.vhost, fd, (const char *)bytes.data, bytes.bytes);
    if (broker->websockets.adopting != NULL) {
        broker->websockets.adopting = NULL; /* it failed before it told us of the socket, which it closed */
        on_gone(websocket);
        return;
    }
    /* What came behind the head waits in the library until its next event, so ask for one. */
    if (wsi != NULL && bytes.bytes > head_bytes) {
        lws_callback_on_writable(wsi);
    }
}

void websockets_reap(struct broker *broker) {
    for (struct link *link; (link = list_pop(&broker->websockets.doomed)) != NULL;) {
        kill_socket(CONTAINER_OF(link, struct websocket, doomed));
    }
}

void websockets_close(struct broker *broker) {
    struct link *open = &broker->websockets.open;
    for (struct link *link = open->next; link != open; link = link->next) {
        struct websocket *websocket = CONTAINER_OF(link, struct websocket, link);
        leave_session(websocket);
        kill_socket(websocket); /* asynchronous: it leaves the list later */
    }
}
