/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/judging.h"

#include <stdlib.h>

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/exchange.h"

/* Who waits, with what: of the two owners one is set. */
struct claimant {
    struct lane_place place;
    struct exchange *exchange;
    struct peer *peer;
    struct span token;      /* a session's: the core's */
    struct link aging;      /* a request's */
    int64_t since_ms;       /* a request's */
    uint64_t judged_before; /* of all, when it came */
};

bool judging_init(struct judging *judging, uint64_t seed) {
    *judging = (struct judging){0};
    list_init(&judging->aging);
    return lanes_init(&judging->requests, seed) && lanes_init(&judging->sessions, seed);
}

void judging_fini(struct judging *judging) {
    lanes_fini(&judging->requests);
    lanes_fini(&judging->sessions);
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
    return broker->phase == PHASE_LOADING || (broker->judging.requests.waiting == 0 && has_time(broker));
}

uint64_t judging_begin(struct broker *broker) {
    (void)has_time(broker);
    return uv_hrtime();
}

void judging_end(struct broker *broker, uint64_t began_ns) {
    broker->judging.spent_ns += uv_hrtime() - began_ns;
    broker->judging.judged++;
}

/* ---- those who wait ---- */

static void note_waiting(struct broker *broker) {
    const struct judging *judging = &broker->judging;
    broker->metrics.auth_waiting = judging->requests.waiting + judging->sessions.waiting;
}

/* NULL: no memory. */
static struct claimant *join(struct broker *broker, struct lanes *lanes, const struct transport *transport) {
    struct claimant *claimant = calloc(1, sizeof *claimant);
    if (claimant != NULL && !lanes_join(lanes, &claimant->place, (const struct sockaddr *)&transport->address)) {
        free(claimant);
        claimant = NULL;
    }
    if (claimant != NULL) {
        claimant->judged_before = broker->judging.judged;
        note_waiting(broker);
    }
    return claimant;
}

static void leave(struct broker *broker, struct lanes *lanes, struct claimant *claimant) {
    lanes_leave(lanes, &claimant->place);
    link_remove(&claimant->aging);
    free(claimant);
    note_waiting(broker);
}

bool judging_waits(const struct exchange *exchange) {
    return exchange->claimant != NULL;
}

void judging_forget(struct exchange *exchange) {
    if (judging_waits(exchange)) {
        leave(exchange->broker, &exchange->broker->judging.requests, exchange->claimant);
        exchange->claimant = NULL;
    }
}

void judging_forget_session(struct broker *broker, struct peer *peer) {
    if (peer->claimant != NULL) {
        leave(broker, &broker->judging.sessions, peer->claimant);
        peer->claimant = NULL;
    }
}

/* It goes on, with its rights or a refusal, when its connection is processed. */
static void release(struct exchange *exchange, enum refusal refusal) {
    judging_forget(exchange);
    exchange->refusal = refusal;
    connection_touch(exchange->connection);
}

/* A crowd from one address makes room for who comes from another. */
static bool make_room(struct broker *broker, const struct transport *transport) {
    struct lanes *lanes = &broker->judging.requests;
    if (lanes->waiting < (size_t)broker->config.auth_waiting_max) {
        return true;
    }
    struct lane_place *last = lanes_last_before(lanes, (const struct sockaddr *)&transport->address);
    if (last == NULL) {
        return false;
    }
    release(CONTAINER_OF(last, struct claimant, place)->exchange, REFUSAL_BUSY);
    return true;
}

bool judging_wait(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    struct judging *judging = &broker->judging;
    const struct transport *transport = exchange->connection->transport;
    if (!make_room(broker, transport) || (exchange->claimant = join(broker, &judging->requests, transport)) == NULL) {
        return false;
    }
    exchange->claimant->exchange = exchange;
    exchange->claimant->since_ms = broker->now_ms;
    list_append(&judging->aging, &exchange->claimant->aging);
    broker->metrics.auth_waited++;
    broker->loop.dirty = true;
    return true;
}

/* Sessions whose token came since the last time. */
static void line_up_sessions(struct broker *broker) {
    struct span token;
    for (struct session *session; (session = core_next_token(broker->core, &token)) != NULL;) {
        struct peer *peer = session_owner(session);
        peer->claimant = join(broker, &broker->judging.sessions, peer->calls->transport(peer));
        if (peer->claimant == NULL) {
            session_judge(broker->core, session, AHORA_OVERLOADED, NULL);
            continue;
        }
        peer->claimant->peer = peer;
        peer->claimant->token = token;
    }
}

/* ---- the turn ---- */

/* How many were judged while one waited that was found good: what forged ones cost the honest. */
static void note_accepted(struct broker *broker, uint64_t judged_before) {
    broker->metrics.auth_accepted_behind += broker->judging.judged - judged_before - 1;
}

static bool judge_request(struct broker *broker) {
    struct lane_place *next = lanes_next(&broker->judging.requests);
    if (next == NULL) {
        return false;
    }
    const struct claimant *claimant = CONTAINER_OF(next, struct claimant, place);
    const enum refusal refusal = access_judge_request(claimant->exchange);
    if (refusal == REFUSAL_NONE) {
        note_accepted(broker, claimant->judged_before);
    }
    release(claimant->exchange, refusal);
    return true;
}

static bool judge_session(struct broker *broker) {
    struct lane_place *next = lanes_next(&broker->judging.sessions);
    if (next == NULL) {
        return false;
    }
    const struct claimant claimant = *CONTAINER_OF(next, struct claimant, place);
    judging_forget_session(broker, claimant.peer); /* its next message may show another */
    if (access_judge_session(broker, claimant.peer->session, claimant.token)) {
        note_accepted(broker, claimant.judged_before);
    }
    return true;
}

static void release_late(struct broker *broker) {
    while (!list_is_empty(&broker->judging.aging)) {
        const struct claimant *oldest = CONTAINER_OF(broker->judging.aging.next, struct claimant, aging);
        if (broker->now_ms - oldest->since_ms < broker->config.handshake_wait_ms) {
            return;
        }
        release(oldest->exchange, REFUSAL_BUSY);
    }
}

bool judging_work(struct broker *broker) {
    bool any = true;
    line_up_sessions(broker);
    while (any && has_time(broker)) {
        any = judge_session(broker);
        any |= judge_request(broker);
    }
    release_late(broker);
    return any;
}
