/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/gate.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/tls.h"

#include <stdlib.h>
#include <string.h>

#define BUDGET_FIRST 64    /* about 3 ms of joins */
#define BUDGET_MAX 256     /* what is accepted in a turn */
#define RATE_LEAST 1000    /* a second, however long the turns are */
#define SLOT_FIRST_MS 1000 /* nobody comes back sooner: Retry-After counts in seconds */
#define SLOT_LAST_MS 60000 /* nor is sent away for longer; then slots begin anew */

struct waiter {
    struct lane_place place;
    struct link of_all;
    int64_t since_ms;
    struct newcomer newcomer;
};

/* ---- life ---- */

bool gate_init(struct gate *gate, uint64_t seed, int64_t now_ms) {
    memset(gate, 0, sizeof *gate);
    list_init(&gate->all);
    gate->budget = BUDGET_FIRST;
    gate->slot_rate_max = RATE_LEAST;
    gate->allowance.filled_ms = now_ms;
    return lanes_init(&gate->lanes, seed);
}

void gate_fini(struct gate *gate) {
    lanes_fini(&gate->lanes);
}

static int64_t share(int64_t of_all, size_t shards) {
    return of_all == 0 ? 0 : of_all < (int64_t)shards ? 1 : of_all / (int64_t)shards;
}

void gate_configure(struct broker *broker) {
    const struct config *config = &broker->config;
    struct gate *gate = &broker->gate;
    gate->waiting_max = (size_t)config->handshakes_waiting_max;
    gate->rate_max = share(config->handshake_rate_max, broker->shards->count);
    gate->slot_rate_max = share(config->return_rate_max, broker->shards->count);
    allowance_init(&gate->allowance, gate->rate_max, broker->now_ms);
}

/* Frees it; the socket and its count are the caller's. */
static struct newcomer leave_line(struct gate *gate, struct waiter *waiter) {
    struct newcomer newcomer = waiter->newcomer;
    lanes_leave(&gate->lanes, &waiter->place);
    link_remove(&waiter->of_all);
    free(waiter);
    return newcomer;
}

/* ---- sending away ---- */

int64_t gate_slot_ms(struct broker *broker) {
    struct gate *gate = &broker->gate;
    const int64_t now_us = broker->now_ms * 1000;
    const int64_t first_us = now_us + (int64_t)SLOT_FIRST_MS * 1000;
    if (gate->told_until_us < first_us || gate->told_until_us > now_us + (int64_t)SLOT_LAST_MS * 1000) {
        gate->told_until_us = first_us;
    }
    gate->told_until_us += 1000000 / gate->slot_rate_max + 1;
    return (gate->told_until_us - now_us) / 1000;
}

static void send_away(struct broker *broker, const struct newcomer *newcomer) {
    broker->metrics.handshakes_refused++;
    listener_refuse(newcomer->listener, newcomer->fd, "503 Service Unavailable",
                    broker->phase >= PHASE_DRAINING ? "draining" : "overloaded", gate_slot_ms(broker));
    connection_limits_leave(&broker->shards->limits, newcomer->count);
}

static void send_waiter_away(struct broker *broker, struct waiter *waiter) {
    struct newcomer newcomer = leave_line(&broker->gate, waiter);
    send_away(broker, &newcomer);
}

/* ---- entering ---- */

static bool may_let_in(struct broker *broker) {
    struct gate *gate = &broker->gate;
    return gate->let_in < gate->budget && allowance_left(&gate->allowance, gate->rate_max, broker->now_ms) > 0;
}

static void let_in(struct broker *broker, const struct newcomer *newcomer) {
    struct gate *gate = &broker->gate;
    struct transport *transport =
        transport_open(broker, newcomer->listener, newcomer->fd, (const struct sockaddr *)&newcomer->address, newcomer->count);
    (void)allowance_take(&gate->allowance, gate->rate_max, broker->now_ms, 1);
    gate->let_in++;
    if (transport == NULL) {
        broker->metrics.refused_other++;
    } else if (newcomer->listener->is_secure) {
        tls_start(transport);
    } else {
        connection_open(transport);
    }
}

/* A crowd from one address makes room for who comes from another. */
static bool make_room(struct broker *broker, const struct newcomer *newcomer) {
    struct gate *gate = &broker->gate;
    if (gate->lanes.waiting < gate->waiting_max) {
        return true;
    }
    struct lane_place *last = lanes_last_before(&gate->lanes, (const struct sockaddr *)&newcomer->address);
    if (last == NULL) {
        return false;
    }
    send_waiter_away(broker, CONTAINER_OF(last, struct waiter, place));
    return true;
}

static bool stand_in_line(struct broker *broker, const struct newcomer *newcomer) {
    struct gate *gate = &broker->gate;
    struct waiter *waiter = NULL;
    if (!make_room(broker, newcomer) || (waiter = calloc(1, sizeof *waiter)) == NULL) {
        return false;
    }
    *waiter = (struct waiter){.since_ms = broker->now_ms, .newcomer = *newcomer};
    if (!lanes_join(&gate->lanes, &waiter->place, (const struct sockaddr *)&newcomer->address)) {
        free(waiter);
        return false;
    }
    list_append(&gate->all, &waiter->of_all);
    broker->metrics.handshakes_waited++;
    return true;
}

void gate_enter(struct broker *broker, const struct newcomer *newcomer) {
    const bool at_once = broker->gate.lanes.waiting == 0 && may_let_in(broker);
    if (at_once || newcomer->listener->role == LISTENER_INTERNAL) {
        let_in(broker, newcomer);
    } else if (!stand_in_line(broker, newcomer)) {
        send_away(broker, newcomer);
    }
}

/* ---- letting in ---- */

static void send_late_away(struct broker *broker) {
    struct gate *gate = &broker->gate;
    while (!list_is_empty(&gate->all)) {
        struct waiter *oldest = CONTAINER_OF(gate->all.next, struct waiter, of_all);
        if (broker->now_ms - oldest->since_ms < broker->config.handshake_wait_ms) {
            return;
        }
        send_waiter_away(broker, oldest);
    }
}

bool gate_pump(struct broker *broker) {
    struct gate *gate = &broker->gate;
    while (gate->lanes.waiting > 0 && may_let_in(broker)) {
        struct lane_place *next = lanes_next(&gate->lanes);
        struct newcomer newcomer = leave_line(gate, CONTAINER_OF(next, struct waiter, place));
        let_in(broker, &newcomer);
    }
    send_late_away(broker);
    broker->metrics.handshakes_waiting = gate->lanes.waiting;
    return gate->lanes.waiting > 0 && allowance_left(&gate->allowance, gate->rate_max, broker->now_ms) > 0;
}

void gate_end_turn(struct broker *broker, int64_t took_us) {
    struct gate *gate = &broker->gate;
    const int64_t bound_us = broker->config.turn_ms * 1000;
    const bool is_long = bound_us > 0 && took_us > bound_us;
    const size_t least = 1 + (size_t)(took_us * RATE_LEAST / 1000000);
    broker->metrics.turns_long += is_long;
    if (is_long) {
        gate->budget /= 2;
    } else if (gate->let_in > 0 || gate->lanes.waiting > 0) {
        gate->budget += gate->budget / 8 + 1;
    }
    gate->budget = gate->budget < least ? least : gate->budget;
    gate->budget = gate->budget > BUDGET_MAX ? BUDGET_MAX : gate->budget;
    gate->let_in = 0;
}

int64_t gate_next_due(struct broker *broker) {
    struct gate *gate = &broker->gate;
    if (gate->lanes.waiting == 0) {
        return INT64_MAX;
    }
    return broker->now_ms + (gate->rate_max > 0 && gate->rate_max < 1000 ? 1000 / gate->rate_max : 1);
}

void gate_close(struct broker *broker) {
    while (!list_is_empty(&broker->gate.all)) {
        send_waiter_away(broker, CONTAINER_OF(broker->gate.all.next, struct waiter, of_all));
    }
    broker->metrics.handshakes_waiting = 0;
}
