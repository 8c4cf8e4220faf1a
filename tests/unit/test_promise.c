/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Freshness and expiry, as clients see them: what is due, when, across restarts and clocks that jump, and how much of it in one
   turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "tests/unit/core_rig.h"

#define SET(topic, more) "{\"op\":\"set\",\"topic\":\"" topic "\",\"data\":{\"n\":1},\"at\":7" more "}"
#define TOUCH(topic, more) "{\"op\":\"touch\",\"topic\":\"" topic "\",\"at\":8" more "}"

/* A reader of everything, live, and a writer. */
struct pair {
    struct session *reader;
    struct session *writer;
};

static struct pair meet(struct rig *rig) {
    struct pair pair = {.reader = greet(rig, "{\"op\":\"hello\"}"), .writer = greet(rig, "{\"op\":\"hello\"}")};
    say(rig, pair.reader, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\"}");
    turn(rig);
    (void)hear(rig, pair.reader);
    return pair;
}

/* ---- going stale ---- */

static void a_broken_promise_is_told_and_the_next_write_clears_it(void **state) {
    struct rig *rig = *state;
    struct pair pair = meet(rig);
    (void)change(rig, pair.writer, SET("stock/a", ",\"fresh_ms\":1000"));
    assert_string_equal(hear(rig, pair.reader),
                        "{\"op\":\"set\",\"seq\":1,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":1}}\n");
    pass(rig, 999);
    assert_string_equal(hear(rig, pair.reader), "");
    pass(rig, 1);
    assert_string_equal(hear(rig, pair.reader), "{\"op\":\"patch\",\"seq\":2,\"ref\":1,\"at\":7,\"stale\":true}\n");
    assert_true(topic_of(rig, "stock/a")->stale);
    pass(rig, 100000);
    assert_string_equal(hear(rig, pair.reader), "");
    (void)change(rig, pair.writer, TOUCH("stock/a", ""));
    assert_string_equal(hear(rig, pair.reader), "{\"op\":\"patch\",\"seq\":3,\"ref\":1,\"at\":8}\n");
    pass(rig, 1000); /* the promise stays with the topic */
    assert_string_equal(hear(rig, pair.reader), "{\"op\":\"patch\",\"seq\":4,\"ref\":1,\"at\":8,\"stale\":true}\n");
    (void)change(rig, pair.writer, SET("stock/a", ",\"fresh_ms\":0"));
    assert_non_null(strstr(hear(rig, pair.reader), "\"seq\":5"));
    pass(rig, 100000000);
    assert_null(strstr(hear(rig, pair.reader), "stock/a"));
    assert_int_equal(core_metrics(rig->core)->stale, 2);
    assert_int_equal(core_metrics(rig->core)->promises, 0);
}

static void what_reads_shows_stale(void **state) {
    struct rig *rig = *state;
    struct pair pair = meet(rig);
    (void)change(rig, pair.writer, SET("stock/a", ",\"fresh_ms\":10"));
    pass(rig, 10);
    say(rig, pair.writer, "{\"op\":\"get\",\"id\":2,\"match\":\"stock/*\"}");
    turn(rig);
    assert_non_null(strstr(hear(rig, pair.writer), "\"data\":{\"n\":1},\"stale\":true}]"));
    say(rig, pair.writer, "{\"op\":\"sub\",\"id\":3,\"match\":\"stock/*\"}");
    turn(rig);
    assert_non_null(strstr(hear(rig, pair.writer), "\"data\":{\"n\":1},\"stale\":true}\n{\"op\":\"live\""));
}

static void a_write_that_renews_moves_the_deadline(void **state) {
    struct rig *rig = *state;
    struct pair pair = meet(rig);
    (void)change(rig, pair.writer, SET("stock/a", ",\"fresh_ms\":100"));
    for (int i = 0; i < 10; i++) {
        pass(rig, 90);
        (void)change(rig, pair.writer, TOUCH("stock/a", ""));
    }
    assert_null(strstr(hear(rig, pair.reader), "stale"));
    pass(rig, 50);
    (void)change(rig, pair.writer, TOUCH("stock/a", ",\"fresh_ms\":20")); /* shorter than what is set already */
    pass(rig, 20);
    assert_non_null(strstr(hear(rig, pair.reader), "\"stale\":true"));
    assert_int_equal(core_metrics(rig->core)->stale, 1);
}

static void a_kind_has_a_promise_and_the_operator_another(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("service/bike/1", "") "," SET("stock/a", "") "," SET("service/bike/2", ",\"fresh_ms\":0"));
    pass(rig, 119999);
    assert_false(topic_of(rig, "service/bike/1")->stale);
    pass(rig, 1);
    assert_true(topic_of(rig, "service/bike/1")->stale);
    assert_false(topic_of(rig, "service/bike/2")->stale);
    assert_false(topic_of(rig, "stock/a")->stale);
    rig->limits.kind_promises[0] = (struct kind_promise){"stock", 500, 2000};
    rig->limits.kind_promises[1] = (struct kind_promise){"service", 0, -1};
    rig->limits.kind_promise_count = 2;
    buffer_cut(&rig->journal, 0);
    restart(rig, 0);
    writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("service/bike/1", "") "," SET("stock/a", ""));
    pass(rig, 500);
    assert_true(topic_of(rig, "stock/a")->stale);
    pass(rig, 1499);
    assert_non_null(topic_of(rig, "stock/a"));
    pass(rig, 1);
    assert_null(topic_of(rig, "stock/a"));
    pass(rig, 1000000);
    assert_false(topic_of(rig, "service/bike/1")->stale);
}

static void going_stale_takes_a_seq(void **state) {
    struct rig *rig = *state;
    struct pair pair = meet(rig);
    (void)change(rig, pair.writer, SET("stock/a", ",\"fresh_ms\":10"));
    pass(rig, 10);
    assert_non_null(strstr(change(rig, pair.writer, TOUCH("stock/a", ",\"if_seq\":1")), "\"code\":\"conflict\""));
    assert_null(strstr(change(rig, pair.writer, TOUCH("stock/a", ",\"if_seq\":2,\"if_newer\":true")), "error"));
}

/* ---- expiry ---- */

static void what_nobody_writes_expires(void **state) {
    struct rig *rig = *state;
    struct pair pair = meet(rig);
    (void)change(rig, pair.writer, SET("stock/a", ",\"fresh_ms\":100,\"expire_ms\":300"));
    (void)change(rig, pair.writer, SET("stock/b", ",\"expire_ms\":300"));
    (void)hear(rig, pair.reader);
    pass(rig, 100);
    assert_string_equal(hear(rig, pair.reader), "{\"op\":\"patch\",\"seq\":3,\"ref\":1,\"at\":7,\"stale\":true}\n");
    (void)change(rig, pair.writer, TOUCH("stock/b", ""));
    (void)hear(rig, pair.reader);
    pass(rig, 200);
    assert_string_equal(hear(rig, pair.reader),
                        "{\"op\":\"remove\",\"seq\":5,\"topic\":\"stock/a\",\"ref\":1,\"why\":\"expired\"}\n");
    assert_null(topic_of(rig, "stock/a"));
    pass(rig, 100);
    assert_non_null(strstr(hear(rig, pair.reader), "\"topic\":\"stock/b\",\"ref\":2,\"why\":\"expired\""));
    assert_int_equal(core_metrics(rig->core)->expired, 2);
    assert_int_equal(core_metrics(rig->core)->topics, 0);
    assert_int_equal(core_metrics(rig->core)->promises, 0);
    assert_null(strstr(change(rig, pair.writer, SET("stock/a", "")), "error"));
    pass(rig, 100000); /* a new topic promises nothing of the old one */
    assert_false(topic_of(rig, "stock/a")->stale);
}

static void a_promise_too_long_is_refused(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    assert_non_null(strstr(change(rig, writer, SET("stock/a", ",\"fresh_ms\":31622400001")), "\"code\":\"invalid\""));
    assert_non_null(strstr(change(rig, writer, SET("stock/a", ",\"expire_ms\":9223372036854775807")), "\"code\":\"invalid\""));
    assert_null(topic_of(rig, "stock/a"));
    assert_null(strstr(change(rig, writer, SET("stock/a", ",\"fresh_ms\":31622400000")), "error"));
}

static void an_aborted_list_leaves_every_promise_as_it_was(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("stock/a", ",\"fresh_ms\":100") "," SET("stock/b", ",\"expire_ms\":100"));
    pass(rig, 60);
    say(rig, writer,
        "{\"op\":\"pub\",\"id\":9,\"atomic\":true,\"changes\":[" SET("stock/c", ",\"fresh_ms\":5") "," TOUCH(
            "stock/a", "") ",{\"op\":\"delete\",\"topic\":\"stock/b\"}," SET("stock/b", "") "," TOUCH("stock/z", "") "]}");
    turn(rig);
    assert_null(topic_of(rig, "stock/c"));
    pass(rig, 39);
    assert_false(topic_of(rig, "stock/a")->stale);
    assert_non_null(topic_of(rig, "stock/b"));
    pass(rig, 1);
    assert_true(topic_of(rig, "stock/a")->stale);
    assert_null(topic_of(rig, "stock/b"));
    assert_int_equal(core_metrics(rig->core)->promises, 0);
}

/* ---- restarts and clocks ---- */

static void a_promise_goes_on_where_it_stood_before_a_restart(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("stock/a", ",\"fresh_ms\":1000,\"expire_ms\":5000"));
    pass(rig, 400);
    restart(rig, 300);
    pass(rig, 299);
    assert_false(topic_of(rig, "stock/a")->stale);
    pass(rig, 1);
    assert_true(topic_of(rig, "stock/a")->stale);
    restart(rig, 3999);
    assert_true(topic_of(rig, "stock/a")->stale);
    pass(rig, 0);
    assert_non_null(topic_of(rig, "stock/a"));
    pass(rig, 1);
    assert_null(topic_of(rig, "stock/a"));
}

static void what_broke_while_the_broker_was_down_is_told_after_it(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("stock/a", ",\"fresh_ms\":1000"));
    (void)change(rig, writer, SET("stock/b", ",\"fresh_ms\":1000,\"expire_ms\":2000"));
    restart(rig, 3000);
    struct session *reader = greet(rig, "{\"op\":\"hello\"}");
    say(rig, reader, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\",\"since\":\"e1-2\"}");
    pass(rig, 0);
    const char *told = hear(rig, reader);
    assert_non_null(strstr(told, "\"resumed\":true"));
    assert_non_null(strstr(told, "\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":1},\"stale\":true}"));
    assert_non_null(strstr(told, "\"topic\":\"stock/b\",\"ref\":2,\"why\":\"expired\"}"));
    assert_int_equal(core_metrics(rig->core)->stale, 1); /* what is over is not first made stale */
}

static void clocks_that_jump_break_no_promise(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("stock/a", ",\"fresh_ms\":1000"));
    rig->wall_ms += 86400000;
    pass(rig, 999);
    assert_false(topic_of(rig, "stock/a")->stale);
    rig->wall_ms -= 2 * INT64_C(86400000);
    (void)change(rig, writer, TOUCH("stock/a", ""));
    pass(rig, 999);
    assert_false(topic_of(rig, "stock/a")->stale);
    pass(rig, 1);
    assert_true(topic_of(rig, "stock/a")->stale);
    (void)change(rig, writer, TOUCH("stock/a", ""));
    restart(rig, -3600000); /* set back while the broker was down: the promise begins anew */
    pass(rig, 999);
    assert_false(topic_of(rig, "stock/a")->stale);
    pass(rig, 1);
    assert_true(topic_of(rig, "stock/a")->stale);
}

/* ---- how much in one turn ---- */

static void many_deadlines_of_one_moment_take_their_turns(void **state) {
    struct rig *rig = *state;
    rig->limits.due_changes_max = 10;
    restart(rig, 0);
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    for (int i = 0; i < 95; i++) {
        char json[128];
        (void)snprintf(json, sizeof json, "{\"op\":\"set\",\"topic\":\"stock/%d\",\"data\":{},\"fresh_ms\":100}", i);
        (void)change(rig, writer, json);
    }
    tick(rig, 100);
    tick(rig, 1); /* the same turn */
    assert_int_equal(core_metrics(rig->core)->stale, 10);
    assert_int_equal(core_metrics(rig->core)->due, 85);
    assert_int_equal(core_metrics(rig->core)->due_lag_ms, 1);
    assert_true(core_next_due(rig->core) <= rig->mono_ms);
    turn(rig);
    for (int i = 2; i <= 10; i++) {
        assert_null(strstr(change(rig, writer, SET("order/x", "")), "error")); /* writes go on in between */
        pass(rig, 0);
        assert_int_equal(core_metrics(rig->core)->stale, i < 10 ? 10 * i : 95);
    }
    assert_int_equal(core_metrics(rig->core)->due, 0);
    assert_int_equal(core_metrics(rig->core)->due_lag_ms, 0);
    assert_int_equal(core_metrics(rig->core)->due_turn_max, 10);
    assert_true(core_next_due(rig->core) > rig->mono_ms);
}

static void two_ticks_of_one_turn_share_its_bound(void **state) {
    struct rig *rig = *state;
    rig->limits.due_changes_max = 10;
    restart(rig, 0);
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    for (int i = 0; i < 20; i++) {
        char json[128];
        (void)snprintf(json, sizeof json, "{\"op\":\"set\",\"topic\":\"stock/%d\",\"data\":{},\"fresh_ms\":%d}", i,
                       i < 4 ? 100 : 101);
        (void)change(rig, writer, json);
    }
    tick(rig, 100);
    assert_int_equal(core_metrics(rig->core)->stale, 4);
    tick(rig, 1);
    assert_int_equal(core_metrics(rig->core)->stale, 10);
    turn(rig);
    tick(rig, 0);
    assert_int_equal(core_metrics(rig->core)->stale, 20);
}

static void a_full_store_lets_deadlines_wait(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("stock/a", ",\"fresh_ms\":100"));
    core_set_room(rig->core, 20);
    pass(rig, 100);
    assert_false(topic_of(rig, "stock/a")->stale);
    assert_int_equal(core_metrics(rig->core)->due, 1);
    assert_int_equal(core_metrics(rig->core)->due_waits, 1);
    assert_true(core_next_due(rig->core) > rig->mono_ms && "no busy loop");
    pass(rig, 50);
    assert_int_equal(core_metrics(rig->core)->due_waits, 1);
    core_set_room(rig->core, SIZE_MAX);
    pass(rig, 50);
    assert_true(topic_of(rig, "stock/a")->stale);
}

static void a_broker_that_stops_breaks_no_promise(void **state) {
    struct rig *rig = *state;
    struct session *writer = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, writer, SET("stock/a", ",\"fresh_ms\":100"));
    core_drain(rig->core, "stopping", 1000);
    pass(rig, 1000);
    assert_false(topic_of(rig, "stock/a")->stale);
    assert_true(core_next_due(rig->core) > rig->mono_ms);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_broken_promise_is_told_and_the_next_write_clears_it),
        CASE(what_reads_shows_stale),
        CASE(a_write_that_renews_moves_the_deadline),
        CASE(a_kind_has_a_promise_and_the_operator_another),
        CASE(going_stale_takes_a_seq),
        CASE(what_nobody_writes_expires),
        CASE(a_promise_too_long_is_refused),
        CASE(an_aborted_list_leaves_every_promise_as_it_was),
        CASE(a_promise_goes_on_where_it_stood_before_a_restart),
        CASE(what_broke_while_the_broker_was_down_is_told_after_it),
        CASE(clocks_that_jump_break_no_promise),
        CASE(many_deadlines_of_one_moment_take_their_turns),
        CASE(two_ticks_of_one_turn_share_its_bound),
        CASE(a_full_store_lets_deadlines_wait),
        CASE(a_broker_that_stops_breaks_no_promise),
    };
    return cmocka_run_group_tests_name("promise", tests, NULL, NULL);
}
