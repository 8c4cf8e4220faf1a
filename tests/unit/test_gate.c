/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The gate alone, told the time: who is let in, who waits, who is sent away. What lies behind it and in front of it stands here, and counts. */
#include "broker/net/broker.h"
#include "broker/net/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define COMERS_MAX 20000

/* ---- what is around it ---- */

static struct broker broker;
static struct shards shards;
static struct listener public_listener;
static struct listener internal_listener;
static struct transport doors[COMERS_MAX]; /* by descriptor */

static int let_in[COMERS_MAX]; /* descriptors, in order */
static size_t let_in_count;
static int sent_away[COMERS_MAX];
static int64_t sent_away_ms[COMERS_MAX]; /* when each is to come back, by its place in sent_away */
static size_t sent_away_count;
static int next_fd;
static bool transports_fail;
static size_t secure_count;

struct transport *transport_open(struct broker *of, const struct listener *listener, int fd, const struct sockaddr *address,
                                 struct address_count *count) {
    (void)listener, (void)address;
    assert_ptr_equal(of, &broker);
    if (transports_fail) {
        connection_limits_leave(&shards.limits, count);
        return NULL;
    }
    let_in[let_in_count++] = fd;
    doors[fd].count = count;
    return &doors[fd];
}

void connection_open(struct transport *transport) {
    assert_non_null(transport);
}

void tls_start(struct transport *transport) {
    assert_non_null(transport);
    secure_count++;
}

void listener_refuse(const struct listener *listener, int fd, const char *status, const char *code, int64_t retry_ms) {
    assert_non_null(listener);
    assert_string_equal(status, "503 Service Unavailable");
    assert_string_equal(code, broker.phase >= PHASE_DRAINING ? "draining" : "overloaded");
    assert_true(retry_ms >= 1000 && retry_ms <= 61000);
    sent_away_ms[sent_away_count] = broker.now_ms + retry_ms;
    sent_away[sent_away_count++] = fd;
}

/* ---- a gate ---- */

static int set_up(void **state) {
    (void)state;
    memset(&broker, 0, sizeof broker);
    memset(&shards, 0, sizeof shards);
    memset(doors, 0, sizeof doors);
    let_in_count = sent_away_count = secure_count = 0;
    next_fd = 0;
    transports_fail = false;
    public_listener = (struct listener){.role = LISTENER_PUBLIC};
    internal_listener = (struct listener){.role = LISTENER_INTERNAL};
    broker.shards = &shards;
    broker.phase = PHASE_READY;
    broker.now_ms = 1000000;
    shards.count = 1;
    broker.config.handshakes_waiting_max = 10000;
    broker.config.handshake_wait_ms = 10000;
    broker.config.return_rate_max = 2000;
    broker.config.turn_ms = 10;
    assert_true(connection_limits_init(&shards.limits, 7));
    shards.limits.connections_max = COMERS_MAX;
    shards.limits.connections_per_address_max = COMERS_MAX;
    assert_true(gate_init(&broker.gate, 42, broker.now_ms));
    gate_configure(&broker);
    return 0;
}

/* Nobody is lost: who came was let in or sent away, or waited till now; and only who was let in counts as a connection. */
static int tear_down(void **state) {
    (void)state;
    gate_close(&broker);
    assert_int_equal(broker.gate.lanes.waiting, 0);
    assert_int_equal(broker.gate.lanes.count, 0);
    if (!transports_fail) {
        assert_int_equal(let_in_count + sent_away_count, next_fd);
        assert_int_equal(connection_limits_count(&shards.limits), let_in_count);
    }
    bool seen[COMERS_MAX] = {false};
    for (size_t i = 0; i < let_in_count + sent_away_count; i++) {
        int fd = i < let_in_count ? let_in[i] : sent_away[i - let_in_count];
        assert_false(seen[fd]);
        seen[fd] = true;
    }
    for (size_t i = 0; i < let_in_count; i++) {
        connection_limits_leave(&shards.limits, doors[let_in[i]].count);
    }
    assert_int_equal(connection_limits_count(&shards.limits), 0);
    gate_fini(&broker.gate);
    connection_limits_fini(&shards.limits);
    return 0;
}

static void configure(int64_t handshake_rate_max, int64_t waiting_max) {
    broker.config.handshake_rate_max = handshake_rate_max;
    broker.config.handshakes_waiting_max = waiting_max;
    gate_configure(&broker);
}

/* Its descriptor. */
static int come_to(const struct listener *listener, uint32_t address) {
    struct newcomer newcomer = {.listener = listener, .fd = next_fd};
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + address)};
    memcpy(&newcomer.address, &in4, sizeof in4);
    assert_int_equal(connection_limits_enter(&shards.limits, (const struct sockaddr *)&in4, &newcomer.count), ADMISSION_OK);
    gate_enter(&broker, &newcomer);
    return next_fd++;
}

static int come(uint32_t address) {
    return come_to(&public_listener, address);
}

/* A turn of the loop that took so long, and the next begins. */
static bool turn(int64_t took_ms) {
    broker.now_ms += took_ms;
    gate_end_turn(&broker, took_ms * 1000);
    return gate_pump(&broker);
}

/* ---- cases ---- */

static void who_comes_alone_is_let_in_at_once(void **state) {
    (void)state;
    assert_int_equal(gate_next_due(&broker), INT64_MAX);
    for (uint32_t i = 0; i < 1000; i++) {
        come(i);
        assert_int_equal(let_in_count, i + 1);
        turn(1);
    }
    assert_int_equal(broker.metrics.handshakes_waited, 0);
    assert_int_equal(gate_next_due(&broker), INT64_MAX);
}

static void a_turn_has_a_budget_and_the_rest_wait(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 300; i++) {
        come(i);
    }
    const size_t first = let_in_count;
    assert_true(first > 0 && first < 300);
    assert_int_equal(broker.gate.lanes.waiting, 300 - first);
    assert_int_equal(broker.metrics.handshakes_waited, 300 - first);
    assert_true(gate_next_due(&broker) > broker.now_ms && gate_next_due(&broker) <= broker.now_ms + 1);
    assert_true(gate_pump(&broker)); /* there are more, but none in this turn */
    assert_int_equal(let_in_count, first);
    int turns = 0;
    while (turn(1)) {
        assert_true(++turns < 10);
    }
    assert_int_equal(let_in_count, 300);
    assert_int_equal(sent_away_count, 0);
    for (size_t i = 0; i < let_in_count; i++) {
        assert_int_equal(let_in[i], i); /* each of another address: in the order in which they came */
    }
}

static void who_comes_later_does_not_pass_who_waits(void **state) {
    (void)state;
    configure(100, 10000);
    for (uint32_t i = 0; i < 150; i++) {
        come(i);
    }
    assert_true(broker.gate.lanes.waiting > 0);
    broker.now_ms += 1000; /* there would be room now, for one as for another */
    gate_end_turn(&broker, 1000);
    const int late = come(999);
    while (broker.gate.lanes.waiting > 0) {
        turn(100);
    }
    assert_int_equal(let_in[let_in_count - 1], late);
}

static void the_rate_is_kept_and_saved_up_for_a_second(void **state) {
    (void)state;
    configure(100, 10000);
    for (uint32_t i = 0; i < 600; i++) {
        come(i);
        turn(0);
    }
    assert_int_equal(let_in_count, 100);
    assert_int_equal(gate_next_due(&broker), broker.now_ms + 10);
    assert_false(turn(0)); /* it is of no use to be asked again at once */
    for (int i = 0; i < 20; i++) {
        turn(100);
        assert_int_equal(let_in_count, 100 + 10 * (size_t)(i + 1));
    }
    for (int i = 0; i < 4; i++) {
        turn(5000); /* long ago: it does not save up more than a second's */
        turn(0);
        turn(0);
    }
    assert_true(let_in_count <= 300 + 400);
}

static void a_rate_is_shared_among_the_shards(void **state) {
    (void)state;
    shards.count = 4;
    configure(100, 10000);
    assert_int_equal(broker.gate.rate_max, 25);
    configure(2, 10000);
    assert_int_equal(broker.gate.rate_max, 1); /* not 0, which would be no bound */
    configure(0, 10000);
    assert_int_equal(broker.gate.rate_max, 0);
}

static void a_crowd_of_one_address_does_not_hold_up_another(void **state) {
    (void)state;
    configure(100, 10000);
    for (int i = 0; i < 2000; i++) {
        come(1);
        turn(0);
    }
    const size_t before = let_in_count;
    int others[10];
    for (uint32_t i = 0; i < 10; i++) {
        others[i] = come(100 + i);
    }
    assert_int_equal(let_in_count, before); /* they wait, too */
    while (let_in_count < before + 20) {
        turn(10);
    }
    for (int i = 0; i < 10; i++) {
        bool is_in = false;
        for (size_t j = before; j < let_in_count; j++) {
            is_in |= let_in[j] == others[i];
        }
        assert_true(is_in); /* among the next twenty: its lane and ten others take turns */
    }
}

static void lanes_take_turns_and_each_keeps_its_order(void **state) {
    (void)state;
    configure(1, 10000);
    come(9); /* the only one that is let in now */
    for (int i = 0; i < 6; i++) {
        come((uint32_t)(i < 3 ? 1 : i < 5 ? 2 : 3)); /* 1 1 1 2 2 3, descriptors 1 to 6 */
    }
    static const int order[] = {0, 1, 4, 6, 2, 5, 3};
    while (broker.gate.lanes.waiting > 0) {
        turn(1000);
    }
    assert_int_equal(let_in_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(let_in[i], order[i]);
    }
}

static void a_full_gate_sends_the_last_of_the_longest_lane_away(void **state) {
    (void)state;
    configure(1, 10);
    come(9);
    for (int i = 0; i < 8; i++) {
        come(1); /* 1 to 8 */
    }
    come(2); /* 9 */
    come(2); /* 10: the gate is full */
    assert_int_equal(sent_away_count, 0);
    const int newcomer = come(3);
    assert_int_equal(sent_away_count, 1);
    assert_int_equal(sent_away[0], 8);
    const int of_the_crowd = come(1); /* it would make its own lane the longest */
    assert_int_equal(sent_away_count, 2);
    assert_int_equal(sent_away[1], of_the_crowd);
    assert_int_equal(broker.gate.lanes.waiting, 10);
    assert_int_equal(broker.metrics.handshakes_refused, 2);
    bool is_in = false;
    for (int i = 0; i < 3; i++) {
        turn(1000);
        is_in |= let_in[let_in_count - 1] == newcomer;
    }
    assert_true(is_in);
}

static void as_many_addresses_as_places_keep_them(void **state) {
    (void)state;
    configure(1, 10);
    come(99);
    for (uint32_t i = 0; i < 10; i++) {
        come(i);
    }
    come(50); /* nobody has more than one: who is there stays */
    assert_int_equal(sent_away_count, 1);
    assert_int_equal(sent_away[0], 11);
}

static void a_gate_without_places_sends_away(void **state) {
    (void)state;
    configure(1, 0);
    come(1);
    come(2);
    assert_int_equal(let_in_count, 1);
    assert_int_equal(sent_away_count, 1);
}

static void who_waited_too_long_is_sent_away(void **state) {
    (void)state;
    broker.config.handshake_wait_ms = 500;
    configure(1, 10000);
    come(9);
    for (uint32_t i = 0; i < 5; i++) {
        come(i);
        turn(100);
    }
    assert_int_equal(sent_away_count, 1); /* 500 ms are over for the first */
    assert_int_equal(sent_away[0], 1);
    turn(99);
    assert_int_equal(sent_away_count, 1);
    turn(1);
    assert_int_equal(sent_away_count, 2);
}

static void slots_lie_one_behind_the_other(void **state) {
    (void)state;
    configure(1, 0);
    come(9);
    for (uint32_t i = 0; i < 4000; i++) {
        come(i);
    }
    assert_int_equal(sent_away_count, 4000);
    assert_true(sent_away_ms[0] - broker.now_ms <= 1001);
    for (size_t i = 1; i < 4000; i++) {
        assert_true(sent_away_ms[i] >= sent_away_ms[i - 1]);
        assert_true(i < 100 || sent_away_ms[i] - sent_away_ms[i - 100] >= 49); /* 2,000 a second */
    }
    assert_true(sent_away_ms[3999] - broker.now_ms >= 2900 && sent_away_ms[3999] - broker.now_ms <= 3100);
    broker.now_ms += 30000; /* those are back */
    come(1);
    come(2);
    assert_true(sent_away_ms[sent_away_count - 1] - broker.now_ms <= 1002);
}

static void long_turns_halve_the_budget_and_short_ones_raise_it(void **state) {
    (void)state;
    const size_t first = broker.gate.budget;
    turn(11);
    assert_int_equal(broker.gate.budget, first / 2);
    assert_int_equal(broker.metrics.turns_long, 1);
    turn(1);
    assert_int_equal(broker.gate.budget, first / 2); /* nobody came: nothing was learnt */
    for (uint32_t i = 0; i < 100; i++) {
        come(i);
        turn(1);
    }
    assert_true(broker.gate.budget > first);
    assert_int_equal(broker.gate.budget, 256);
    assert_int_equal(broker.metrics.turns_long, 1);
}

static void a_slow_broker_still_lets_in_a_thousand_a_second(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 6000; i++) {
        come(i);
    }
    for (int i = 0; i < 40; i++) {
        turn(50); /* two seconds, every turn too long */
    }
    assert_true(let_in_count >= 2000);
    assert_true(let_in_count < 3000);
}

static void without_a_bound_no_turn_is_too_long(void **state) {
    (void)state;
    broker.config.turn_ms = 0;
    const size_t first = broker.gate.budget;
    turn(5000);
    assert_true(broker.gate.budget >= first);
    assert_int_equal(broker.metrics.turns_long, 0);
}

static void the_back_office_waits_for_nobody(void **state) {
    (void)state;
    configure(1, 0);
    come(1);
    come(2);
    assert_int_equal(sent_away_count, 1);
    const int admin = come_to(&internal_listener, 3);
    assert_int_equal(let_in[let_in_count - 1], admin);
}

static void a_secure_newcomer_begins_with_its_handshake(void **state) {
    (void)state;
    public_listener.is_secure = true;
    come(1);
    assert_int_equal(secure_count, 1);
}

static void one_that_cannot_be_opened_is_counted(void **state) {
    (void)state;
    transports_fail = true;
    come(1);
    assert_int_equal(broker.metrics.refused_other, 1);
    assert_int_equal(connection_limits_count(&shards.limits), 0);
}

static void at_the_end_all_who_wait_are_sent_away(void **state) {
    (void)state;
    configure(1, 10000);
    for (uint32_t i = 0; i < 50; i++) {
        come(i % 7);
    }
    broker.phase = PHASE_DRAINING;
    gate_close(&broker);
    assert_int_equal(sent_away_count, 49);
    assert_int_equal(broker.metrics.handshakes_waiting, 0);
}

/* Many turns of many kinds; what must hold at the end is in tear_down, and in between nothing is passed. */
static void nobody_is_lost_in_any_weather(void **state) {
    (void)state;
    uint64_t dice = 88172645463325252u;
    configure(250, 80);
    broker.config.handshake_wait_ms = 400;
    for (int i = 0; i < 4000; i++) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        for (uint64_t n = dice % 9; n > 0; n--) {
            come((uint32_t)(dice >> (8 + n)) % 23);
        }
        turn((int64_t)(dice >> 40) % 25);
        assert_true(broker.gate.lanes.waiting <= 80);
        assert_true(broker.gate.lanes.count <= 23);
        assert_true(next_fd < COMERS_MAX - 10);
    }
    assert_true(sent_away_count > 0 && let_in_count > 0);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(who_comes_alone_is_let_in_at_once),
        CASE(a_turn_has_a_budget_and_the_rest_wait),
        CASE(who_comes_later_does_not_pass_who_waits),
        CASE(the_rate_is_kept_and_saved_up_for_a_second),
        CASE(a_rate_is_shared_among_the_shards),
        CASE(a_crowd_of_one_address_does_not_hold_up_another),
        CASE(lanes_take_turns_and_each_keeps_its_order),
        CASE(a_full_gate_sends_the_last_of_the_longest_lane_away),
        CASE(as_many_addresses_as_places_keep_them),
        CASE(a_gate_without_places_sends_away),
        CASE(who_waited_too_long_is_sent_away),
        CASE(slots_lie_one_behind_the_other),
        CASE(long_turns_halve_the_budget_and_short_ones_raise_it),
        CASE(a_slow_broker_still_lets_in_a_thousand_a_second),
        CASE(without_a_bound_no_turn_is_too_long),
        CASE(the_back_office_waits_for_nobody),
        CASE(a_secure_newcomer_begins_with_its_handshake),
        CASE(one_that_cannot_be_opened_is_counted),
        CASE(at_the_end_all_who_wait_are_sent_away),
        CASE(nobody_is_lost_in_any_weather),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
