/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Messages in: fragments are put together and given to the session; busy sockets are read more than once a turn. */
#include "broker/net/broker.h"
#include "broker/net/websocket_internal.h"

#include <libwebsockets.h>

#define FRAME_OVERHEAD_BYTES 6         /* of a short frame from a client: two bytes and the mask */
#define MORE_BYTES_MAX 65536           /* read in addition from one socket in one turn */
#define MORE_TURN_BYTES_MAX (1u << 20) /* and from all of them */
#define KEEP_BYTES 16384               /* of a message buffer, between messages */

void websocket_count_message(struct websocket *websocket) {
    websocket->broker->websockets.messages_bytes += websocket->message.bytes - websocket->counted;
    websocket->counted = websocket->message.bytes;
}

static void refuse_message(struct websocket *websocket, int code, const char *reason) {
    websocket->broker->metrics.messages_refused++;
    websocket->skipping = true;
    buffer_clear(&websocket->message, 0);
    websocket_count_message(websocket);
    session_kick(websocket->broker->core, websocket->peer.session, code, reason);
}

/* The kind of frame must be that of the encoding; the whole message must fit. What is announced is refused before it arrives. */
static bool accept_fragment(struct websocket *websocket, size_t bytes) {
    struct lws *wsi = websocket->wsi;
    if (lws_is_first_fragment(wsi) && lws_frame_is_binary(wsi) != (websocket->encoding == ENCODING_MSGPACK)) {
        refuse_message(websocket, AHORA_CLOSE_BAD_MESSAGE, ahora_code_name(AHORA_BAD_MESSAGE));
        return false;
    }
    size_t announced = lws_remaining_packet_payload(wsi);
    size_t bytes_max = core_limits(websocket->broker->core)->message_bytes_max;
    if (announced > bytes_max || websocket->message.bytes + bytes + announced > bytes_max) {
        refuse_message(websocket, AHORA_CLOSE_TOO_BIG, ahora_code_name(AHORA_TOO_LARGE));
        return false;
    }
    return true;
}

/* What is held of messages that are not complete is bounded in sum. The newest piece goes, and its session with it. */
static bool keep_fragment(struct websocket *websocket, struct span fragment) {
    size_t held = websocket->broker->websockets.messages_bytes;
    if (held + fragment.bytes <= (size_t)websocket->broker->config.messages_bytes_max) {
        buffer_put_span(&websocket->message, fragment);
        websocket_count_message(websocket);
        if (!websocket->message.failed) {
            return true;
        }
    }
    refuse_message(websocket, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    return false;
}

static void take_fragment(struct websocket *websocket, struct span fragment) {
    struct core *core = websocket->broker->core;
    bool final = lws_is_final_fragment(websocket->wsi) != 0;
    websocket->received += fragment.bytes;
    if (websocket->closing || websocket->peer.session == NULL || websocket->skipping ||
        !accept_fragment(websocket, fragment.bytes)) {
        return;
    }
    if (final && websocket->message.bytes == 0) {
        session_receive(core, websocket->peer.session, fragment);
    } else {
        if (!keep_fragment(websocket, fragment) || !final) {
            return;
        }
        session_receive(core, websocket->peer.session, buffer_span(&websocket->message));
        buffer_clear(&websocket->message, KEEP_BYTES);
        websocket_count_message(websocket);
    }
    if (websocket->peer.reading && !session_wants_read(websocket->peer.session)) {
        websocket->peer.reading = false;
        lws_rx_flow_control(websocket->wsi, 0);
    }
}

/* A read that filled the buffer leaves more in the socket, whether it brought one large piece or many small messages. */
static void note_hungry(struct websocket *websocket, size_t bytes) {
    if (websocket->heard_turn != websocket->broker->metrics.turns) {
        websocket->heard_turn = websocket->broker->metrics.turns;
        websocket->heard = 0;
    }
    websocket->heard += bytes + FRAME_OVERHEAD_BYTES;
    if (websocket->heard >= (size_t)websocket->broker->config.receive_bytes / 2 && websocket->peer.reading &&
        !link_is_listed(&websocket->hungry)) {
        list_append(&websocket->broker->websockets.hungry, &websocket->hungry);
    }
}

/* What it said ended its session, but its socket takes no Close: its time begins now. */
static void note_kick(struct websocket *websocket) {
    if (websocket->choked && !websocket->closing && !websocket->overdue && websocket->peer.session != NULL &&
        session_is_kicked(websocket->peer.session)) {
        websocket->overdue = true;
        deadline_set(&websocket->broker->deadlines, &websocket->deadline, DEADLINE_CLOSE, websocket->broker->now_ms);
    }
}

void websocket_take(struct websocket *websocket, struct span fragment) {
    take_fragment(websocket, fragment);
    note_kick(websocket);
    note_hungry(websocket, fragment.bytes);
}

/* Lets the library read from the socket until it is empty, the session wants no more, or its share is taken. */
static bool read_more(struct websocket *websocket, size_t *budget) {
    struct lws_pollfd event = {.fd = lws_get_socket_fd(websocket->wsi), .events = LWS_POLLIN, .revents = LWS_POLLIN};
    struct lws_context *context = websocket->broker->websockets.context;
    websocket->received = 0;
    for (;;) {
        size_t before = websocket->received;
        event.revents = LWS_POLLIN;
        if (lws_service_fd(context, &event) != 0) {
            return false; /* it closed; it is freed later, by the loop */
        }
        if (websocket->received == before || !websocket->peer.reading || link_is_listed(&websocket->doomed)) {
            break;
        }
        if (websocket->received >= MORE_BYTES_MAX || websocket->received >= *budget) {
            *budget -= websocket->received < *budget ? websocket->received : *budget;
            return true;
        }
    }
    *budget -= websocket->received < *budget ? websocket->received : *budget;
    return false;
}

bool websockets_read_more(struct broker *broker) {
    struct websockets *websockets = &broker->websockets;
    size_t budget = MORE_TURN_BYTES_MAX;
    struct link later;
    list_init(&later);
    for (struct link *link; budget > 0 && (link = list_pop(&websockets->hungry)) != NULL;) {
        struct websocket *websocket = CONTAINER_OF(link, struct websocket, hungry);
        bool more = read_more(websocket, &budget);
        link_remove(&websocket->hungry); /* what the library read has listed it again */
        if (more) {
            list_append(&later, &websocket->hungry);
        }
    }
    for (struct link *link; (link = list_pop(&later)) != NULL;) {
        list_append(&websockets->hungry, link);
    }
    return !list_is_empty(&websockets->hungry);
}
