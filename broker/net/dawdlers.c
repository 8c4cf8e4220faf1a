/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/dawdlers.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/exchange.h"

/* Looked at to find one: a crowd of them must not cost the more, the larger it is. */
#define LOOKS_MAX 32

void dawdlers_init(struct dawdlers *dawdlers) {
    list_init(&dawdlers->streams);
    list_init(&dawdlers->bodies);
}

static void add(struct exchange *exchange, struct link *list) {
    link_remove(&exchange->dawdling);
    list_append(list, &exchange->dawdling);
    exchange->dawdling_since_ms = exchange->broker->now_ms;
}

void dawdlers_add_stream(struct exchange *exchange) {
    add(exchange, &exchange->broker->dawdlers.streams);
}

void dawdlers_note_line(struct exchange *exchange) {
    exchange->line_moved = true;
    if (link_is_listed(&exchange->dawdling)) {
        dawdlers_add_stream(exchange);
    }
}

void dawdlers_add_body(struct exchange *exchange) {
    if (!link_is_listed(&exchange->dawdling)) {
        add(exchange, &exchange->broker->dawdlers.bodies);
    }
}

void dawdlers_remove(struct exchange *exchange) {
    link_remove(&exchange->dawdling);
}

static bool has_dawdled(const struct exchange *exchange) {
    const struct broker *broker = exchange->broker;
    return broker->now_ms - exchange->dawdling_since_ms >= broker->config.yield_ms;
}

static void send_away(struct exchange *exchange, const char *detail) {
    struct broker *broker = exchange->broker;
    dawdlers_remove(exchange);
    broker->metrics.bodies_evicted++;
    exchange_problem(exchange, &(struct problem){.code = AHORA_OVERLOADED, .detail = detail, .retry_ms = gate_slot_ms(broker)});
    connection_touch(exchange->connection);
}

/* ---- streams ---- */

/* Lines of it are there, and we have not taken them: it waits for us. */
static bool is_held_up(const struct exchange *exchange) {
    return exchange->connection->piece_left > 0 && connection_pending(exchange->connection) == 0;
}

static void give_up_place(struct exchange *exchange) {
    --*exchange->counted;
    exchange->counted = NULL;
}

bool dawdlers_end_stream(struct broker *broker) {
    struct link *streams = &broker->dawdlers.streams;
    for (int looks = 0; looks < LOOKS_MAX && !list_is_empty(streams); looks++) {
        struct exchange *exchange = CONTAINER_OF(streams->next, struct exchange, dawdling);
        if (!has_dawdled(exchange)) {
            return false;
        }
        if (is_held_up(exchange)) {
            dawdlers_add_stream(exchange); /* its time begins anew, and the next one is another */
        } else {
            give_up_place(exchange);
            send_away(exchange, "others wait, and this stream has sent no line for too long");
            return true;
        }
    }
    return false;
}

/* ---- bodies ---- */

static int64_t bytes_a_second(const struct exchange *exchange) {
    return (int64_t)exchange->body.bytes * 1000 / (exchange->broker->now_ms - exchange->dawdling_since_ms + 1);
}

static void give_up_body(struct exchange *exchange) {
    exchange->broker->bodies_bytes -= exchange->body_counted;
    exchange->body_counted = 0;
    buffer_clear(&exchange->body, 0);
}

bool dawdlers_end_body(struct exchange *taker) {
    struct broker *broker = taker->broker;
    struct link *bodies = &broker->dawdlers.bodies;
    struct exchange *slowest = NULL;
    int looks = 0;
    for (struct link *link = bodies->next; link != bodies && looks < LOOKS_MAX; link = link->next, looks++) {
        struct exchange *exchange = CONTAINER_OF(link, struct exchange, dawdling);
        if (!has_dawdled(exchange)) {
            break;
        }
        if (slowest == NULL || bytes_a_second(exchange) < bytes_a_second(slowest)) {
            slowest = exchange;
        }
    }
    if (slowest == NULL || slowest == taker) {
        return false;
    }
    give_up_body(slowest);
    send_away(slowest, "others wait, and this body comes too slowly");
    return true;
}
