/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/connection.h"

#include "broker/net/broker.h"
#include "broker/net/exchange.h"
#include "broker/net/upgrade.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define IN_BYTES_MAX 131072          /* what is read ahead of what is used */
#define IN_READ_MAX 65536            /* no more is read while this much waits */
#define OUT_BYTES_MAX (256u << 20)   /* one answer that is not streamed; far above any that the limits allow */
#define OUT_FULL_BYTES 65536         /* a producer waits while this much is unsent */
#define KEEP_BYTES 4096              /* of a buffer, between requests */
#define DISCARD_BYTES_MAX (1u << 20) /* of an unwanted body, to keep the connection */
#define ROUNDS_MAX 64                /* of one connection in one go; pipelined requests behind that wait for their turn */

size_t connection_pending(const struct connection *connection) {
    return connection->out.bytes - connection->out_at;
}

void connection_touch(struct connection *connection) {
    connection->broker->loop.dirty = true;
    if (!link_is_listed(&connection->work)) {
        list_append(&connection->broker->work, &connection->work);
    }
}

/* ---- the end ---- */

static void on_closed(void *owner) {
    struct connection *connection = owner;
    access_forget(&connection->access);
    free(connection);
}

static void release(struct connection *connection) {
    connection->state = CONNECTION_CLOSED;
    deadline_clear(&connection->deadline);
    link_remove(&connection->work);
    link_remove(&connection->link);
    if (connection->exchange != NULL) {
        exchange_destroy(connection->exchange);
        connection->exchange = NULL;
    }
    buffer_fini(&connection->in);
    buffer_fini(&connection->out);
}

/* It is freed when nobody who calls us can be on the stack any more. */
void connection_close(struct connection *connection) {
    if (connection->state != CONNECTION_CLOSED) {
        release(connection);
        transport_close(connection->transport);
    }
}

struct transport *connection_give(struct connection *connection) {
    struct transport *transport = connection->transport;
    transport_own(transport, NULL, NULL, NULL);
    release(connection);
    access_forget(&connection->access);
    free(connection);
    return transport;
}

/* ---- writing ---- */

/* Nothing goes either way any more. */
static void lose(struct connection *connection) {
    connection->ended = true;
    connection->shut = true;
}

/* True if something left. A transport that is broken is noticed by `ended` and `shut`. */
static bool send_out(struct connection *connection) {
    size_t pending = connection_pending(connection);
    if (pending > 0) {
        ssize_t sent = transport_write(connection->transport, span_of(connection->out.data + connection->out_at, pending));
        if (sent >= 0 && (size_t)sent < pending) {
            connection->out_at += (size_t)sent;
            return sent > 0;
        }
        if (sent < 0) {
            lose(connection);
            buffer_clear(&connection->out, 0);
            connection->out_at = 0;
            return false;
        }
    }
    buffer_clear(&connection->out, KEEP_BYTES);
    connection->out_at = 0;
    return pending > 0;
}

bool connection_send(struct connection *connection, struct span bytes) {
    if (connection_pending(connection) == 0 && !connection->shut) {
        ssize_t sent = transport_write(connection->transport, bytes);
        if (sent < 0) {
            lose(connection);
            sent = 0;
        }
        bytes = span_of(bytes.data + sent, bytes.bytes - (size_t)sent);
    }
    if (bytes.bytes > 0 && !connection->shut) {
        buffer_put_span(&connection->out, bytes);
        connection->shut = connection->out.failed;
    }
    if (connection->shut || connection_pending(connection) > 0) {
        connection_touch(connection);
    }
    return !connection->shut;
}

/* ---- the steps of connection_process: true if something moved ---- */

static void set_state(struct connection *connection, enum connection_state state) {
    connection->state = state;
}

/* Closing while the peer's bytes lie unread would reset the connection and may destroy the answer on its way: shut our side, and
   wait for theirs. */
static bool linger(struct connection *connection) {
    buffer_clear(&connection->in, 0);
    connection->in_from = 0;
    connection->in_at = 0;
    connection->piece_left = 0;
    if (connection_pending(connection) > 0 && !connection->shut) {
        return false; /* also to one that has ended: it half closed, and waits for this */
    }
    if (connection->ended) {
        connection_close(connection);
        return false;
    }
    if (!connection->shut) {
        connection->shut = true;
        transport_shut(connection->transport);
    }
    return false;
}

/* The next one is another request's, also if it is of the same class. But whoever takes no answers is not given new time for asking. */
static void forget_deadline(struct connection *connection) {
    if (connection->deadline_class != DEADLINE_STALL) {
        deadline_clear(&connection->deadline);
        connection->deadline_class = -1;
    }
}

static bool is_choked(const struct connection *connection) {
    return connection_pending(connection) >= OUT_FULL_BYTES;
}

static struct span unread(const struct connection *connection) {
    return span_of(connection->in.data + connection->in_from, connection->in.bytes - connection->in_from);
}

/* RFC 9112 section 2.2: an empty line in front of a request is to be ignored. */
static void skip_empty_lines(struct connection *connection) {
    struct span rest = unread(connection);
    while (rest.bytes >= 2 && memcmp(rest.data, "\r\n", 2) == 0) {
        rest = span_of(rest.data + 2, rest.bytes - 2);
    }
    connection->begun |= rest.bytes < unread(connection).bytes;
    connection->in_from = connection->in.bytes - rest.bytes;
    connection->in_at = connection->in_from;
}

static bool begin_exchange(struct connection *connection, struct span head, bool is_too_large) {
    struct exchange *exchange = exchange_create(connection);
    if (exchange == NULL) {
        connection_close(connection);
        return false;
    }
    connection->exchange = exchange;
    connection->begun = false;
    forget_deadline(connection);
    connection->in_at = connection->in_from + head.bytes;
    connection->piece_left = 0;
    set_state(connection, CONNECTION_BODY);
    if (is_too_large) {
        exchange_refuse_head(exchange, 431, "the request head is too large");
    } else {
        exchange_begin(exchange, head);
    }
    return true;
}

static bool read_head(struct connection *connection) {
    if (is_choked(connection)) {
        return false;
    }
    skip_empty_lines(connection);
    struct span rest = unread(connection);
    size_t bytes = http_head_end(rest);
    size_t bytes_max = (size_t)connection->broker->config.header_bytes_max;
    if (bytes == 0 && rest.bytes <= bytes_max) {
        if (connection->ended && connection_pending(connection) == 0) {
            connection_close(connection);
        }
        return false;
    }
    bool is_too_large = bytes == 0 || bytes > bytes_max;
    return begin_exchange(connection, span_of(rest.data, is_too_large ? rest.bytes : bytes), is_too_large);
}

/* Content goes to the exchange, or nowhere if it is answered already. */
static bool feed(struct connection *connection) {
    struct span piece = {connection->in.data + connection->in_at - connection->piece_left, connection->piece_left};
    if (connection->exchange->answered) {
        piece.bytes = 0;
    } else {
        exchange_take(connection->exchange, &piece);
    }
    bool moved = piece.bytes < connection->piece_left;
    connection->piece_left = piece.bytes;
    return moved;
}

static bool decode(struct connection *connection) {
    struct span rest = {connection->in.data + connection->in_at, connection->in.bytes - connection->in_at};
    struct span piece;
    bool found = http_body_next(&connection->body, &rest, &piece);
    bool moved = connection->in_at != connection->in.bytes - rest.bytes;
    connection->in_at = connection->in.bytes - rest.bytes;
    connection->piece_left = found ? piece.bytes : 0;
    return moved || found;
}

/* Many requests may have come together: the rest is moved to the front once for all of them, by drop_used. */
static void pass_used(struct connection *connection) {
    connection->in_from = connection->in_at - connection->piece_left;
}

static void drop_used(struct connection *connection) {
    pass_used(connection);
    buffer_consume(&connection->in, connection->in_from);
    connection->in_at -= connection->in_from;
    connection->in_from = 0;
    if (connection->in.bytes == 0) {
        buffer_clear(&connection->in, KEEP_BYTES);
    }
}

bool connection_reads_rest(const struct connection *connection) {
    if (connection->body.state == HTTP_BODY_END) {
        return true;
    }
    const struct exchange *exchange = connection->exchange;
    bool will_come = !exchange->head.expects_continue || exchange->continued;
    return connection->keep_alive && will_come && connection->body.state == HTTP_BODY_PLAIN &&
           connection->body.left <= DISCARD_BYTES_MAX;
}

/* False: its credentials still wait. */
static bool go_on(struct exchange *exchange) {
    if (judging_waits(exchange)) {
        return false;
    }
    exchange_go_on(exchange);
    return true;
}

static bool read_body(struct connection *connection) {
    if (connection->exchange->is_held) {
        return go_on(connection->exchange);
    }
    if (connection->piece_left > 0) {
        return feed(connection);
    }
    if (connection->body.state == HTTP_BODY_END) {
        set_state(connection, CONNECTION_ANSWER);
        if (!connection->exchange->answered) {
            exchange_end_body(connection->exchange);
        }
        return true;
    }
    if (connection->exchange->answered && !connection_reads_rest(connection)) {
        connection->keep_alive = false;
        set_state(connection, CONNECTION_ANSWER);
        return true;
    }
    bool moved = decode(connection);
    if (connection->body.state == HTTP_BODY_BAD) {
        connection->keep_alive = false;
        exchange_fail_body(connection->exchange);
        set_state(connection, CONNECTION_ANSWER);
        return true;
    }
    if (!moved && connection->ended) {
        connection_close(connection); /* it never sent what it promised: nothing was asked */
    }
    return moved;
}

/* The exchange is over once its answer is whole; what is left of it is in `out`. */
static bool answer(struct connection *connection) {
    struct exchange *exchange = connection->exchange;
    if (!exchange->answered) {
        if (exchange->is_stream && connection->ended) {
            connection_close(connection);
            return false;
        }
        return !is_choked(connection) && exchange_produce(exchange);
    }
    connection->keep_alive &= connection->broker->phase != PHASE_DRAINING;
    exchange_destroy(exchange);
    connection->exchange = NULL;
    set_state(connection, connection->keep_alive ? CONNECTION_HEAD : CONNECTION_LINGER);
    return true;
}

static bool step(struct connection *connection) {
    switch (connection->state) {
    case CONNECTION_HEAD:
        return read_head(connection);
    case CONNECTION_BODY:
        return read_body(connection);
    case CONNECTION_ANSWER:
        return answer(connection);
    case CONNECTION_LINGER:
        return linger(connection);
    case CONNECTION_CLOSED:
        break;
    }
    return false;
}

/* ---- what it waits for ---- */

static bool wants_reading(const struct connection *connection) {
    if (connection->ended) {
        return false;
    }
    if (connection->state == CONNECTION_BODY && connection->piece_left > 0) {
        return false; /* the exchange wants no more for now */
    }
    if (connection->state == CONNECTION_HEAD && is_choked(connection)) {
        return false;
    }
    return connection->state == CONNECTION_LINGER || connection->in.bytes < IN_READ_MAX;
}

static void update_events(struct connection *connection) {
    transport_want(connection->transport, (wants_reading(connection) ? TRANSPORT_READ : 0) |
                                              (connection_pending(connection) > 0 ? TRANSPORT_WRITE : 0));
}

/* Lines are worked on as they come: a stream may last as long as it moves, but a line that has begun has to end. Any other body only fills memory until it is complete. */
static int body_deadline(const struct connection *connection) {
    const struct exchange *exchange = connection->exchange;
    if (exchange->is_held) {
        return -1; /* it waits for us, and not for long */
    }
    if (exchange->answered || exchange->handler->body != BODY_STREAM) {
        return DEADLINE_BODY;
    }
    if (exchange->in_line && connection->piece_left == 0) {
        return DEADLINE_BODY;
    }
    bool waits_for_us = connection->piece_left > 0 && connection_pending(connection) == 0;
    return !waits_for_us ? DEADLINE_STALL : exchange->is_paced ? DEADLINE_PACE : -1;
}

static int deadline_wanted(const struct connection *connection) {
    switch (connection->state) {
    case CONNECTION_HEAD:
        return connection_pending(connection) > 0              ? DEADLINE_STALL
               : connection->in.bytes > 0 || connection->begun ? DEADLINE_HEADER
                                                               : DEADLINE_IDLE;
    case CONNECTION_BODY:
        return body_deadline(connection);
    case CONNECTION_ANSWER:
        return connection_pending(connection) > 0 && !connection->exchange->is_stream ? DEADLINE_STALL : -1;
    case CONNECTION_LINGER:
        return DEADLINE_CLOSE;
    case CONNECTION_CLOSED:
        break;
    }
    return -1;
}

/* Each line of a stream has a time of its own. */
static bool begins_line(struct connection *connection) {
    struct exchange *exchange = connection->state == CONNECTION_BODY ? connection->exchange : NULL;
    if (exchange == NULL || !exchange->line_moved) {
        return false;
    }
    exchange->line_moved = false;
    return exchange->in_line;
}

/* Header, body and close deadlines are absolute: a byte a second does not move them. The stall deadline moves with every byte that is
   taken from us; while a body comes, also with every one that we take. */
static void update_deadline(struct connection *connection, bool moved, bool sent) {
    int class = deadline_wanted(connection);
    bool goes_on = class == DEADLINE_STALL && (sent || (moved && connection->state == CONNECTION_BODY));
    goes_on |= begins_line(connection);
    if (class == connection->deadline_class && !goes_on) {
        return;
    }
    connection->deadline_class = class;
    if (class < 0) {
        deadline_clear(&connection->deadline);
    } else {
        deadline_set(&connection->broker->deadlines, &connection->deadline, (enum deadline_class) class,
                     connection->broker->now_ms);
    }
}

void connection_process(struct connection *connection) {
    if (connection->busy || connection->state == CONNECTION_CLOSED) {
        return;
    }
    connection->busy = true;
    bool sent = send_out(connection);
    int rounds = 0;
    while (rounds < ROUNDS_MAX && step(connection)) {
        rounds++;
        if (connection->state != CONNECTION_CLOSED && connection->exchange != NULL && connection->exchange->upgrading) {
            connection->busy = false;
            upgrade_give(connection);
            return;
        }
        pass_used(connection);
    }
    connection->busy = false;
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    drop_used(connection);
    bool was_choked = is_choked(connection);
    sent |= send_out(connection);
    if (connection->shut && connection->ended) {
        connection_close(connection);
        return;
    }
    if (connection->exchange != NULL && connection->exchange->is_stream && connection_pending(connection) == 0) {
        exchange_on_room(connection->exchange);
    }
    if (rounds == ROUNDS_MAX || (was_choked && !is_choked(connection)) ||
        (connection->state == CONNECTION_LINGER && connection_pending(connection) == 0 &&
         (!connection->shut || connection->ended))) {
        connection_touch(connection);
    }
    update_events(connection);
    update_deadline(connection, rounds > 0, sent);
}

static void read_some(struct connection *connection) {
    struct loop *loop = &connection->broker->loop;
    ssize_t bytes = transport_read(connection->transport, loop->scratch, sizeof loop->scratch);
    if (bytes < 0) {
        connection->ended = true;
        connection->shut |= bytes == TRANSPORT_BROKEN;
    } else if (bytes > 0 && connection->state != CONNECTION_LINGER) {
        buffer_put(&connection->in, loop->scratch, (size_t)bytes);
        connection->ended |= connection->in.failed;
    }
}

static void on_ready(void *owner, int events) {
    struct connection *connection = owner;
    if (events & TRANSPORT_LOST) {
        connection_close(connection);
        return;
    }
    if (events & TRANSPORT_READ) {
        read_some(connection);
    }
    connection_process(connection);
}

/* ---- the beginning ---- */

static void on_deadline(struct deadline *deadline) {
    struct connection *connection = CONTAINER_OF(deadline, struct connection, deadline);
    struct net_metrics *metrics = &connection->broker->metrics;
    if (deadline->class == DEADLINE_PACE) {
        connection->deadline_class = -1;
        connection_process(connection);
        return;
    }
    uint64_t *const counters[DEADLINE_CLASSES] = {&metrics->timeouts_header,
                                                  &metrics->timeouts_body,
                                                  &metrics->timeouts_idle,
                                                  &metrics->timeouts_stall,
                                                  &metrics->timeouts_close,
                                                  NULL,
                                                  NULL};
    ++*counters[deadline->class];
    connection->deadline_class = -1;
    bool is_half = connection->exchange != NULL && !connection->exchange->begun;
    bool says_why =
        (deadline->class == DEADLINE_HEADER && connection->in.bytes > 0) || (deadline->class == DEADLINE_BODY && is_half);
    if (says_why) {
        static const char text[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        connection->keep_alive = false;
        if (is_half) {
            exchange_destroy(connection->exchange);
            connection->exchange = NULL;
        }
        set_state(connection, CONNECTION_LINGER);
        buffer_put(&connection->out, text, sizeof text - 1);
        connection_process(connection);
        return;
    }
    connection_close(connection);
}

void connection_open(struct transport *transport) {
    struct broker *broker = transport->broker;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        broker->metrics.refused_other++;
        transport_close(transport);
        return;
    }
    connection->broker = broker;
    connection->transport = transport;
    allowance_init(&connection->allowance, broker->config.core.publish_rate_max, broker->now_ms);
    connection->deadline.on_expired = on_deadline;
    connection->deadline_class = DEADLINE_HEADER;
    buffer_init(&connection->in, IN_BYTES_MAX);
    buffer_init(&connection->out, OUT_BYTES_MAX);
    list_append(&broker->connections, &connection->link);
    deadline_set(&broker->deadlines, &connection->deadline, DEADLINE_HEADER, broker->now_ms);
    transport_own(transport, connection, on_ready, on_closed);
    transport_want(transport, TRANSPORT_READ);
}

void connections_drain(struct broker *broker) {
    struct link *next;
    for (struct link *link = broker->connections.next; link != &broker->connections; link = next) {
        next = link->next;
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        connection->keep_alive = false;
        if (connection->state == CONNECTION_HEAD && connection->in.bytes == 0 && connection_pending(connection) == 0) {
            connection_close(connection);
        }
    }
}

void connections_close(struct broker *broker) {
    while (!list_is_empty(&broker->connections)) {
        connection_close(CONTAINER_OF(broker->connections.next, struct connection, link));
    }
}
