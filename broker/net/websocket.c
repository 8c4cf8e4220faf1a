/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/websocket.h"

#include "broker/net/broker.h"
#include "broker/net/upgrade.h"
#include "broker/net/websocket_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX 512 /* to an upgrade; it has about 170 */

static struct websocket *websocket_of(struct peer *peer) {
    return CONTAINER_OF(peer, struct websocket, peer);
}

static struct broker *broker_of(const struct websocket *websocket) {
    return websocket->transport->broker;
}

/* ---- the end ---- */

static void leave_session(struct websocket *websocket) {
    peer_leave(broker_of(websocket), &websocket->peer);
}

bool websocket_is_gone(const struct websocket *websocket) {
    return !link_is_listed(&websocket->link);
}

/* Its memory goes when nobody who calls us can be on the stack any more. */
void websocket_drop(struct websocket *websocket) {
    if (websocket_is_gone(websocket)) {
        return;
    }
    leave_session(websocket);
    link_remove(&websocket->link);
    deadline_clear(&websocket->deadline);
    websocket_drop_held(websocket);
    free(websocket->tail);
    websocket->tail = NULL;
    broker_of(websocket)->metrics.websockets--;
    transport_close(websocket->transport);
}

static void on_closed(void *owner) {
    free(owner);
}

/* ---- what is waited for ---- */

static bool wants_reading(const struct websocket *websocket) {
    return !websocket->ended && (websocket->closing || websocket->peer.reading);
}

void websocket_settle(struct websocket *websocket) {
    if (websocket_is_gone(websocket)) {
        return;
    }
    bool is_over = websocket->closing && websocket->heard_close && websocket->tail == NULL;
    if (is_over && websocket->ended) {
        websocket_drop(websocket);
        return;
    }
    if (is_over && !websocket->shut) {
        websocket->shut = true;
        transport_shut(websocket->transport);
    }
    transport_want(websocket->transport,
                   (wants_reading(websocket) ? TRANSPORT_READ : 0) | (websocket->tail != NULL ? TRANSPORT_WRITE : 0));
}

/* ---- the session's side ---- */

static enum peer_write peer_write(struct peer *peer, struct span bytes) {
    return websocket_write(websocket_of(peer), bytes);
}

static size_t peer_write_all(struct peer *peer, const struct span *pieces, size_t count, enum peer_write *outcome) {
    return websocket_write_all(websocket_of(peer), pieces, count, outcome);
}

/* peer->reading says so already. */
static void peer_set_reading(struct peer *peer, bool reading) {
    (void)reading;
    websocket_settle(websocket_of(peer));
}

static void peer_drop(struct peer *peer) {
    websocket_drop(websocket_of(peer));
}

/* Our Close (RFC 6455 section 5.5.1). Theirs, if it came first, is answered with the code that it had, and with none if it had none. */
static size_t put_close(uint8_t frame[4 + FRAME_CONTROL_BYTES_MAX], const struct websocket *websocket, int code,
                        const char *reason) {
    size_t payload_bytes = 0;
    if (!websocket->echoes || websocket->close_code != 0) {
        size_t reason_bytes = strnlen(reason, FRAME_CONTROL_BYTES_MAX - 2);
        frame[2] = (uint8_t)(code >> 8);
        frame[3] = (uint8_t)code;
        memcpy(frame + 4, reason, reason_bytes);
        payload_bytes = 2 + reason_bytes;
    }
    frame_put_control_head(frame, FRAME_OPCODE_CLOSE, payload_bytes);
    return 2 + payload_bytes;
}

/* Everything is written. Now it is the peer's turn. */
static void peer_end(struct peer *peer, int code, const char *reason) {
    struct websocket *websocket = websocket_of(peer);
    struct broker *broker = broker_of(websocket);
    uint8_t frame[4 + FRAME_CONTROL_BYTES_MAX];
    assert(!websocket->closing);
    websocket->closing = true;
    broker->metrics.closed_by_us += !websocket->echoes;
    leave_session(websocket);
    websocket_drop_message(websocket);
    deadline_set(&broker->deadlines, &websocket->deadline, DEADLINE_CLOSE, broker->now_ms);
    if (websocket_write(websocket, span_of(frame, put_close(frame, websocket, code, reason))) == PEER_BROKEN) {
        websocket_drop(websocket);
        return;
    }
    websocket_settle(websocket);
}

static const struct transport *peer_transport(const struct peer *peer) {
    static_assert(offsetof(struct websocket, peer) == 0, "the peer comes first");
    return ((const struct websocket *)(const void *)peer)->transport;
}

static const struct peer_calls calls = {
    .transport = peer_transport,
    .write = peer_write,
    .write_all = peer_write_all,
    .set_reading = peer_set_reading,
    .end = peer_end,
    .drop = peer_drop,
};

/* ---- the transport's side ---- */

static void on_ready(void *owner, int events) {
    struct websocket *websocket = owner;
    if ((events & TRANSPORT_LOST) || ((events & TRANSPORT_WRITE) && !websocket_flush_tail(websocket))) {
        websocket_drop(websocket);
        return;
    }
    if (events & TRANSPORT_READ) {
        websocket_read(websocket);
    }
    websocket_settle(websocket);
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
    struct broker *broker = broker_of(websocket);
    if (may_go_on(websocket)) {
        deadline_set(&broker->deadlines, deadline, DEADLINE_CLOSE, broker->now_ms);
        return;
    }
    broker->metrics.timeouts_close++;
    websocket_drop(websocket);
}

/* ---- the beginning ---- */

static struct session *open_session(struct websocket *websocket, struct transport *transport, enum encoding encoding,
                                    struct rights *rights) {
    struct core *core = transport->broker->core;
    char subject[TLS_SUBJECT_BYTES];
    const char *principal = tls_subject(transport, subject) ? subject : "anonymous";
    struct session *session = session_open(core, encoding, principal, &websocket->peer);
    if (session != NULL && !session_grant(core, session, rights)) {
        session_close(core, session);
        return NULL;
    }
    return session;
}

struct websocket *websocket_open(struct transport *transport, enum encoding encoding, struct rights *rights) {
    struct broker *broker = transport->broker;
    struct websocket *websocket = calloc(1, sizeof *websocket);
    if (websocket != NULL) {
        websocket->peer.session = open_session(websocket, transport, encoding, rights);
    }
    if (websocket == NULL || websocket->peer.session == NULL) {
        free(websocket);
        transport_close(transport);
        return NULL;
    }
    if (transport->role == LISTENER_PUBLIC) {
        session_set_public(broker->core, websocket->peer.session);
    }
    websocket->peer.calls = &calls;
    websocket->peer.reading = true;
    allowance_init(&websocket->idle, broker->config.idle_frames_rate_max, broker->now_ms);
    websocket->transport = transport;
    websocket->is_text = encoding == ENCODING_JSON;
    websocket->deadline.on_expired = on_deadline;
    list_append(&broker->websockets.open, &websocket->link);
    broker->metrics.websockets++;
    broker->metrics.upgrades++;
    broker->loop.dirty = true;
    transport_own(transport, websocket, on_ready, on_closed);
    return websocket;
}

void websocket_begin(struct websocket *websocket, struct span answer, uint8_t *behind, size_t behind_bytes) {
    if (websocket_write(websocket, answer) == PEER_BROKEN) {
        websocket_drop(websocket);
    } else {
        websocket_take(websocket, (struct frame_input){behind, behind + behind_bytes});
    }
}

/* ---- all of them ---- */

bool websockets_init(struct broker *broker) {
    struct websockets *all = &broker->websockets;
    list_init(&all->open);
    list_init(&all->unfinished);
    buffer_init(&all->answer, ANSWER_BYTES_MAX);
    all->receive = malloc(FRAME_REST_BYTES_MAX + (size_t)broker->config.receive_bytes);
    all->digest = upgrade_digest_create();
    return all->receive != NULL && all->digest != NULL;
}

void websockets_fini(struct broker *broker) {
    struct websockets *all = &broker->websockets;
    assert(list_is_empty(&all->open) && all->messages_bytes == 0);
    buffer_fini(&all->answer);
    upgrade_digest_destroy(all->digest);
    free(all->receive);
    *all = (struct websockets){0};
}

void websockets_close(struct broker *broker) {
    while (!list_is_empty(&broker->websockets.open)) {
        websocket_drop(CONTAINER_OF(broker->websockets.open.next, struct websocket, link));
    }
}
