/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Bytes in: frames are taken apart, messages put together and given to the session. */
#include "broker/net/broker.h"
#include "broker/net/websocket_internal.h"

#include <assert.h>
#include <stdlib.h>

#define TURN_BYTES_MAX (1u << 20) /* read from all sockets in one turn at full speed; past it each gets the least share */
#define SHARE_BYTES_MIN 4096

static struct broker *broker_of(const struct websocket *websocket) {
    return websocket->transport->broker;
}

/* ---- what is not complete ---- */

static void forget_message(struct websocket *websocket) {
    struct held *held = websocket->held;
    broker_of(websocket)->websockets.messages_bytes -= held->message.bytes;
    link_remove(&held->link);
}

void websocket_drop_held(struct websocket *websocket) {
    struct held *held = websocket->held;
    if (held != NULL) {
        forget_message(websocket);
        buffer_fini(&held->message);
        free(held);
        websocket->held = NULL;
    }
}

/* Its message is not wanted any more, but what comes behind it is still understood. */
void websocket_drop_message(struct websocket *websocket) {
    struct held *held = websocket->held;
    if (held == NULL || held->rest_bytes == 0) {
        websocket_drop_held(websocket);
        return;
    }
    forget_message(websocket);
    buffer_clear(&held->message, 0);
}

static struct held *hold(struct websocket *websocket) {
    if (websocket->held == NULL) {
        struct held *held = calloc(1, sizeof *held);
        if (held != NULL) {
            held->owner = websocket;
            buffer_init(&held->message, core_limits(broker_of(websocket)->core)->message_bytes_max);
        }
        websocket->held = held;
    }
    return websocket->held;
}

static void end_hearing(struct websocket *websocket) {
    websocket->heard_close = true;
    websocket_drop_held(websocket);
}

/* What it sends from here on is not understood, and it is told why, behind the answers that it is owed. */
static void refuse(struct websocket *websocket, int code, const char *reason) {
    end_hearing(websocket);
    if (websocket->peer.session != NULL) {
        session_kick(broker_of(websocket)->core, websocket->peer.session, code, reason);
    }
}

static void refuse_message(struct websocket *websocket, int code, const char *reason) {
    broker_of(websocket)->metrics.messages_refused++;
    refuse(websocket, code, reason);
}

/* ---- messages ---- */

static void note_kick(struct websocket *websocket);

/* What is held of messages that are not complete is bounded in sum, and has no deadline. Whoever begins many and ends none would keep all others
   from sending anything long, so the one that began first makes room, and its session goes. False: that is this one. */
static bool make_room(struct websocket *websocket, size_t bytes) {
    struct broker *broker = broker_of(websocket);
    struct websockets *all = &broker->websockets;
    while (all->messages_bytes + bytes > (size_t)broker->config.messages_bytes_max) {
        if (list_is_empty(&all->unfinished)) {
            return false;
        }
        struct websocket *first = CONTAINER_OF(all->unfinished.next, struct held, link)->owner;
        if (first == websocket) {
            return false;
        }
        refuse_message(first, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
        note_kick(first);
        broker->loop.dirty = true;
    }
    return true;
}

static bool keep_piece(struct websocket *websocket, struct span piece) {
    struct websockets *all = &broker_of(websocket)->websockets;
    struct held *held = hold(websocket);
    if (held != NULL && make_room(websocket, piece.bytes)) {
        buffer_put_span(&held->message, piece);
        if (!held->message.failed) {
            all->messages_bytes += piece.bytes;
            if (!link_is_listed(&held->link)) {
                list_append(&all->unfinished, &held->link);
            }
            return true;
        }
    }
    refuse_message(websocket, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    return false;
}

static void take_message(struct websocket *websocket, struct span message) {
    struct session *session = websocket->peer.session;
    session_receive(broker_of(websocket)->core, session, message);
    if (session_is_producer(session)) {
        transport_prefer(websocket->transport);
    }
}

static void take_piece(struct websocket *websocket, const struct frame_event *event) {
    const struct session *session = websocket->peer.session;
    if (session == NULL || session_is_kicked(session)) {
        return;
    }
    if (event->is_first && event->is_text != websocket->is_text) {
        refuse_message(websocket, AHORA_CLOSE_BAD_MESSAGE, ahora_code_name(AHORA_BAD_MESSAGE));
        return;
    }
    if (event->is_first && event->is_last) {
        take_message(websocket, event->payload);
        return;
    }
    if (keep_piece(websocket, event->payload) && event->is_last) {
        take_message(websocket, buffer_span(&websocket->held->message));
        websocket_drop_held(websocket);
    }
}

/* ---- control frames ---- */

/* Pongs of one read leave together. They are shorter than the pings were, so that they fit. */
struct pongs {
    uint8_t *data; /* LOOP_SCRATCH_BYTES */
    size_t bytes;
    size_t last;
};

static bool write_pongs(struct websocket *websocket, struct pongs *pongs) {
    struct span bytes = {pongs->data, pongs->bytes};
    pongs->bytes = 0;
    return bytes.bytes == 0 || websocket_write_pongs(websocket, bytes, pongs->last) != PEER_BROKEN;
}

static bool take_ping(struct websocket *websocket, const struct frame_event *event, struct pongs *pongs) {
    if (websocket->closing) {
        return true;
    }
    if (pongs->bytes + 2 + event->payload.bytes > LOOP_SCRATCH_BYTES && !write_pongs(websocket, pongs)) {
        return false;
    }
    pongs->last = pongs->bytes;
    frame_put_control_head(pongs->data + pongs->bytes, FRAME_OPCODE_PONG, event->payload.bytes);
    memcpy(pongs->data + pongs->bytes + 2, event->payload.data, event->payload.bytes);
    pongs->bytes += 2 + event->payload.bytes;
    return true;
}

/* Theirs, of their own accord or as the answer to ours. Answers to what they said before still go first. */
static void take_close(struct websocket *websocket, const struct frame_event *event) {
    struct session *session = websocket->peer.session;
    end_hearing(websocket);
    if (session != NULL && !session_is_kicked(session)) {
        websocket->echoes = true;
        websocket->close_code = (uint16_t)event->close_code;
        session_kick(broker_of(websocket)->core, session, event->close_code == 0 ? AHORA_CLOSE_NORMAL : event->close_code, "");
    }
}

static void take_fault(struct websocket *websocket, const struct frame_event *event) {
    if (event->close_code == AHORA_CLOSE_TOO_BIG) {
        refuse_message(websocket, event->close_code, event->fault);
        return;
    }
    broker_of(websocket)->metrics.frames_refused++;
    refuse(websocket, event->close_code, event->fault);
}

/* ---- taking and reading ---- */

/* Pings, pongs and empty fragments cost us as much as what means something, and no limit of messages sees them. */
static bool says_nothing(const struct frame_event *event) {
    return event->kind == FRAME_PING || event->kind == FRAME_PONG ||
           (event->kind == FRAME_PIECE && event->payload.bytes == 0 && !event->is_last);
}

/* False: it has said nothing too often, and is not listened to any more. */
static bool may_say_nothing(struct websocket *websocket) {
    struct broker *broker = broker_of(websocket);
    if (allowance_take(&websocket->idle, broker->config.idle_frames_rate_max, broker->now_ms, 1) == 0) {
        return true;
    }
    broker->metrics.idle_frames_refused++;
    refuse(websocket, AHORA_CLOSE_TOO_MANY, ahora_code_name(AHORA_RATE_LIMITED));
    return false;
}

/* Each costs a head, and a message of one byte in each would have a million. False: it has too many, and nothing more is understood. */
static bool has_few_fragments(struct websocket *websocket) {
    struct broker *broker = broker_of(websocket);
    if (websocket->reader.fragments <= (uint64_t)broker->config.fragments_max) {
        return true;
    }
    broker->metrics.fragments_refused++;
    refuse_message(websocket, AHORA_CLOSE_TOO_BIG, ahora_code_name(AHORA_TOO_LARGE));
    return false;
}

/* False: the connection is lost. */
static bool take_event(struct websocket *websocket, const struct frame_event *event, struct pongs *pongs) {
    if (says_nothing(event) && !may_say_nothing(websocket)) {
        return true;
    }
    switch (event->kind) {
    case FRAME_PIECE:
        if (has_few_fragments(websocket)) {
            take_piece(websocket, event);
        }
        break;
    case FRAME_PING:
        return take_ping(websocket, event, pongs);
    case FRAME_CLOSE:
        take_close(websocket, event);
        break;
    case FRAME_FAULT:
        take_fault(websocket, event);
        break;
    case FRAME_PONG:
    case FRAME_MORE:
        break;
    }
    return true;
}

/* The bytes of a frame that is not complete: they come again, in front of the next ones. */
static void keep_rest(struct websocket *websocket, const struct frame_input *input) {
    size_t bytes = (size_t)(input->end - input->at);
    if (bytes == 0 || websocket->heard_close) {
        return;
    }
    assert(bytes <= FRAME_REST_BYTES_MAX);
    struct held *held = hold(websocket);
    if (held == NULL) {
        refuse_message(websocket, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
        return;
    }
    memcpy(held->rest, input->at, bytes);
    held->rest_bytes = (uint8_t)bytes;
}

/* What it said ended its session, but its socket takes no Close, or its answers wait for the disk: its time begins now. */
static void note_kick(struct websocket *websocket) {
    struct broker *broker = broker_of(websocket);
    bool waits = websocket->tail != NULL || websocket->heard_close;
    if (waits && !websocket->closing && !websocket->overdue && websocket->peer.session != NULL &&
        session_is_kicked(websocket->peer.session)) {
        websocket->overdue = true;
        deadline_set(&broker->deadlines, &websocket->deadline, DEADLINE_CLOSE, broker->now_ms);
    }
}

void websocket_take(struct websocket *websocket, struct frame_input input) {
    struct broker *broker = broker_of(websocket);
    size_t message_bytes_max = core_limits(broker->core)->message_bytes_max;
    struct pongs pongs = {.data = broker->loop.scratch};
    struct frame_event event = {.kind = FRAME_PIECE};
    bool is_fine = true;
    while (is_fine && !websocket->heard_close && event.kind != FRAME_MORE) {
        event = frame_next(&websocket->reader, &input, message_bytes_max);
        is_fine = take_event(websocket, &event, &pongs);
    }
    keep_rest(websocket, &input);
    if (!is_fine || !write_pongs(websocket, &pongs)) {
        websocket_drop(websocket);
        return;
    }
    if (websocket->peer.session != NULL) {
        websocket->peer.reading &= session_wants_read(websocket->peer.session);
    }
    note_kick(websocket);
    websocket_settle(websocket);
}

/* So that who sends without end does not hold up the others: past what a turn may read, everybody gets little. */
static size_t share_of_turn(struct broker *broker) {
    struct websockets *all = &broker->websockets;
    if (all->turn != broker->metrics.turns) {
        all->turn = broker->metrics.turns;
        all->turn_left = TURN_BYTES_MAX;
    }
    size_t share = (size_t)broker->config.receive_bytes;
    return share <= all->turn_left ? share : all->turn_left > SHARE_BYTES_MIN ? all->turn_left : SHARE_BYTES_MIN;
}

static void note_read(struct broker *broker, size_t bytes) {
    struct websockets *all = &broker->websockets;
    all->turn_left -= bytes < all->turn_left ? bytes : all->turn_left;
}

/* The rest of the frame before goes in front of what is read. It is forgotten here, and its memory with it if that was all. */
static size_t place_rest(struct websocket *websocket, uint8_t *end) {
    struct held *held = websocket->held;
    if (held == NULL || held->rest_bytes == 0) {
        return 0;
    }
    size_t bytes = held->rest_bytes;
    memcpy(end - bytes, held->rest, bytes);
    held->rest_bytes = 0;
    if (held->message.bytes == 0) {
        websocket_drop_held(websocket);
    }
    return bytes;
}

void websocket_read(struct websocket *websocket) {
    struct broker *broker = broker_of(websocket);
    uint8_t *place = broker->websockets.receive + FRAME_REST_BYTES_MAX;
    ssize_t bytes = transport_read(websocket->transport, place, share_of_turn(broker));
    if (bytes == 0) {
        return;
    }
    if (bytes > 0) {
        note_read(broker, (size_t)bytes);
        if (!websocket->heard_close) {
            size_t rest = place_rest(websocket, place);
            websocket_take(websocket, (struct frame_input){place - rest, place + bytes});
        }
        return;
    }
    websocket->ended = true;
    if (bytes == TRANSPORT_BROKEN || !websocket->heard_close) {
        websocket_drop(websocket); /* without a Close: it is just gone */
        return;
    }
    websocket_settle(websocket);
}
