/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/judging.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/exchange.h"

void judging_init(struct judging *judging) {
    *judging = (struct judging){0};
    list_init(&judging->waiting);
}

/* ---- time ---- */

/* What came between two turns was read at the end of the first: it is paid for there. */
static bool has_time(struct broker *broker) {
    struct judging *judging = &broker->judging;
    if (judging->turn != broker->metrics.turns) {
        judging->turn = broker->metrics.turns;
        judging->spent_ns = 0;
    }
    return judging->spent_ns < (uint64_t)broker->config.auth_judge_ms * 1000000;
}

bool judging_is_free(struct broker *broker) {
    return broker->phase == PHASE_LOADING || (list_is_empty(&broker->judging.waiting) && has_time(broker));
}

uint64_t judging_begin(struct broker *broker) {
    (void)has_time(broker);
    return uv_hrtime();
}

void judging_end(struct broker *broker, uint64_t began_ns) {
    broker->judging.spent_ns += uv_hrtime() - began_ns;
}

/* ---- those who wait ---- */

bool judging_wait(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    struct judging *judging = &broker->judging;
    if (judging->count >= (size_t)broker->config.auth_waiting_max) {
        return false;
    }
    exchange->waits_since_ms = broker->now_ms;
    list_append(&judging->waiting, &exchange->judging);
    judging->count++;
    broker->metrics.auth_waited++;
    broker->metrics.auth_waiting = judging->count;
    broker->loop.dirty = true;
    return true;
}

bool judging_waits(const struct exchange *exchange) {
    return link_is_listed(&exchange->judging);
}

void judging_forget(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    if (judging_waits(exchange)) {
        link_remove(&exchange->judging);
        broker->judging.count--;
        broker->metrics.auth_waiting = broker->judging.count;
    }
}

static struct exchange *oldest(struct broker *broker) {
    struct link *waiting = &broker->judging.waiting;
    return list_is_empty(waiting) ? NULL : CONTAINER_OF(waiting->next, struct exchange, judging);
}

/* It goes on, with its rights or a refusal, when its connection is processed. */
static void release(struct exchange *exchange, enum refusal refusal) {
    judging_forget(exchange);
    exchange->refusal = refusal;
    connection_touch(exchange->connection);
}

static void release_late(struct broker *broker) {
    struct exchange *exchange;
    while ((exchange = oldest(broker)) != NULL &&
           broker->now_ms - exchange->waits_since_ms >= broker->config.handshake_wait_ms) {
        release(exchange, REFUSAL_BUSY);
    }
}

static bool judge_request(struct broker *broker) {
    struct exchange *exchange = oldest(broker);
    if (exchange != NULL) {
        release(exchange, access_judge_request(exchange));
    }
    return exchange != NULL;
}

bool judging_work(struct broker *broker) {
    bool any = true;
    while (any && has_time(broker)) {
        any = access_judge_session(broker);
        any |= judge_request(broker);
    }
    release_late(broker);
    return any;
}
