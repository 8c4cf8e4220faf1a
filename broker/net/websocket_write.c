/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Bytes out: what the transport takes at once, and a tail of what it does not. */
#include "broker/net/broker.h"
#include "broker/net/websocket_internal.h"

#include <assert.h>
#include <stdlib.h>

/* What is already there, then `bytes`. */
static bool keep(struct websocket *websocket, struct span bytes) {
    size_t before = websocket->tail == NULL ? 0 : websocket->tail->bytes;
    struct tail *tail = realloc(websocket->tail, sizeof *tail + before + bytes.bytes);
    if (tail == NULL) {
        return false;
    }
    if (websocket->tail == NULL) {
        tail->at = 0;
        tail->pong_bytes = 0;
    }
    memcpy(tail->data + before, bytes.data, bytes.bytes);
    tail->bytes = before + bytes.bytes;
    websocket->tail = tail;
    return true;
}

/* What the socket did not take waits for it. */
static enum peer_write choke(struct websocket *websocket, struct span bytes) {
    bool was_choked = websocket->tail != NULL;
    if (!keep(websocket, bytes)) {
        return PEER_BROKEN;
    }
    if (!was_choked && !websocket->closing) {
        struct broker *broker = websocket->transport->broker;
        websocket->overdue = false;
        deadline_set(&broker->deadlines, &websocket->deadline, DEADLINE_CLOSE, broker->now_ms);
    }
    websocket_settle(websocket);
    return PEER_CHOKED;
}

enum peer_write websocket_write(struct websocket *websocket, struct span bytes) {
    if (websocket->tail != NULL) {
        return choke(websocket, bytes);
    }
    ssize_t sent = transport_write(websocket->transport, bytes);
    if (sent < 0) {
        return PEER_BROKEN;
    }
    return sent == (ssize_t)bytes.bytes ? PEER_WRITTEN
                                        : choke(websocket, span_of(bytes.data + sent, bytes.bytes - (size_t)sent));
}

/* The first that did not leave whole, of which `sent` bytes of the sum did. */
static size_t find_cut(const struct span *pieces, size_t count, size_t *sent) {
    size_t at = 0;
    while (at < count && *sent >= pieces[at].bytes) {
        *sent -= pieces[at++].bytes;
    }
    return at;
}

size_t websocket_write_all(struct websocket *websocket, const struct span *pieces, size_t count, enum peer_write *outcome) {
    if (websocket->tail != NULL) { /* a pong's, say */
        *outcome = choke(websocket, pieces[0]);
        return 1;
    }
    ssize_t sum = transport_write_all(websocket->transport, pieces, count);
    if (sum < 0) {
        *outcome = PEER_BROKEN;
        return 0;
    }
    size_t sent = (size_t)sum;
    size_t at = find_cut(pieces, count, &sent);
    if (at == count) {
        *outcome = PEER_WRITTEN;
        return count;
    }
    *outcome = choke(websocket, span_of(pieces[at].data + sent, pieces[at].bytes - sent));
    return at + 1;
}

enum peer_write websocket_write_pongs(struct websocket *websocket, struct span pongs, size_t last) {
    if (websocket->tail == NULL) {
        return websocket_write(websocket, pongs);
    }
    struct tail *tail = websocket->tail;
    assert(pongs.bytes - last <= sizeof tail->pong);
    tail->pong_bytes = (uint8_t)(pongs.bytes - last);
    memcpy(tail->pong, pongs.data + last, tail->pong_bytes);
    return PEER_CHOKED;
}

/* The tail has left. The pong behind it may be the next tail. */
static bool finish_tail(struct websocket *websocket) {
    struct tail *tail = websocket->tail;
    websocket->tail = NULL;
    bool is_fine = true;
    if (tail->pong_bytes > 0 && !websocket->closing) {
        is_fine = websocket_write(websocket, span_of(tail->pong, tail->pong_bytes)) != PEER_BROKEN;
    }
    free(tail);
    return is_fine;
}

bool websocket_flush_tail(struct websocket *websocket) {
    struct tail *tail = websocket->tail;
    struct broker *broker = websocket->transport->broker;
    if (tail == NULL) {
        return true;
    }
    ssize_t sent = transport_write(websocket->transport, span_of(tail->data + tail->at, tail->bytes - tail->at));
    if (sent < 0) {
        return false;
    }
    tail->at += (size_t)sent;
    if (tail->at < tail->bytes) {
        return true;
    }
    if (!finish_tail(websocket)) {
        return false;
    }
    if (websocket->tail == NULL) {
        if (!websocket->closing && !websocket->heard_close) {
            deadline_clear(&websocket->deadline);
        }
        if (websocket->peer.session != NULL) {
            session_set_choked(broker->core, websocket->peer.session, false);
        }
    }
    return true;
}
