/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Sources, as clients see them: who is lost when, and what goes with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "tests/unit/core_rig.h"

#define SET(topic) "{\"op\":\"set\",\"topic\":\"" topic "\",\"data\":{\"n\":1},\"at\":7}"
#define HELLO(name, more) "{\"op\":\"hello\",\"source\":\"" name "\"" more "}"

static bool is_stale(struct rig *rig, const char *path) {
    const struct topic *topic = topic_of(rig, path);
    assert_non_null(topic);
    return topic->stale;
}

static void what_a_lost_source_wrote_goes_stale(void **state) {
    struct rig *rig = *state;
    struct session *reader = greet(rig, "{\"op\":\"hello\"}");
    say(rig, reader, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\"}");
    struct session *source = greet(rig, HELLO("van-7", ",\"grace_ms\":500"));
    (void)change(rig, source, SET("service/a") "," SET("stock/b"));
    (void)change(rig, reader, SET("stock/c"));
    (void)hear(rig, reader);
    session_close(rig->core, source);
    pass(rig, 499);
    assert_string_equal(hear(rig, reader), "");
    pass(rig, 1);
    assert_string_equal(hear(rig, reader), "{\"op\":\"patch\",\"seq\":4,\"ref\":1,\"at\":7,\"stale\":true}\n"
                                           "{\"op\":\"patch\",\"seq\":5,\"ref\":2,\"at\":7,\"stale\":true}\n");
    assert_false(is_stale(rig, "stock/c"));
    assert_int_equal(core_metrics(rig->core)->lost, 2);
    assert_int_equal(core_metrics(rig->core)->sources, 0);
}

static void or_is_removed(void **state) {
    struct rig *rig = *state;
    struct session *source = greet(rig, HELLO("van-7", ",\"on_lost\":\"delete\",\"grace_ms\":0"));
    struct session *reader = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, source, SET("service/a"));
    say(rig, reader, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\"}");
    turn(rig);
    (void)hear(rig, reader);
    session_close(rig->core, source);
    pass(rig, 0);
    assert_string_equal(hear(rig, reader),
                        "{\"op\":\"remove\",\"seq\":2,\"topic\":\"service/a\",\"ref\":1,\"why\":\"expired\"}\n");
    assert_null(topic_of(rig, "service/a"));
}

static void one_that_returns_within_its_grace_is_not_lost(void **state) {
    struct rig *rig = *state;
    struct session *source = greet(rig, HELLO("van-7", ",\"grace_ms\":500"));
    (void)change(rig, source, SET("service/a"));
    session_close(rig->core, source);
    pass(rig, 400);
    source = greet(rig, HELLO("van-7", ",\"grace_ms\":100"));
    pass(rig, 10000);
    assert_false(is_stale(rig, "service/a"));
    session_close(rig->core, source); /* the newest hello's grace */
    pass(rig, 99);
    assert_false(is_stale(rig, "service/a"));
    pass(rig, 1);
    assert_true(is_stale(rig, "service/a"));
}

static void a_source_is_there_while_one_of_its_sessions_is(void **state) {
    struct rig *rig = *state;
    struct session *one = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    struct session *two = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    (void)change(rig, one, SET("service/a"));
    session_close(rig->core, one);
    pass(rig, 1000);
    assert_false(is_stale(rig, "service/a"));
    session_close(rig->core, two);
    pass(rig, 0);
    assert_true(is_stale(rig, "service/a"));
}

static void only_the_last_writer_counts(void **state) {
    struct rig *rig = *state;
    struct session *van = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    struct session *bus = greet(rig, HELLO("bus-1", ",\"grace_ms\":0"));
    struct session *other = greet(rig, "{\"op\":\"hello\"}");
    (void)change(rig, van, SET("service/a") "," SET("service/b") "," SET("service/c") "," SET("service/d"));
    (void)change(rig, bus, SET("service/b"));
    (void)change(rig, other, "{\"op\":\"touch\",\"topic\":\"service/c\"}");
    (void)change(rig, other, "{\"op\":\"delete\",\"topic\":\"service/d\"}");
    session_close(rig->core, van);
    pass(rig, 0);
    assert_true(is_stale(rig, "service/a"));
    assert_false(is_stale(rig, "service/b"));
    assert_false(is_stale(rig, "service/c"));
    assert_int_equal(core_metrics(rig->core)->lost, 1);
    session_close(rig->core, bus);
    pass(rig, 0);
    assert_true(is_stale(rig, "service/b"));
}

static void an_aborted_list_leaves_every_source_as_it_was(void **state) {
    struct rig *rig = *state;
    struct session *van = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    struct session *bus = greet(rig, HELLO("bus-1", ""));
    (void)change(rig, van, SET("service/a"));
    say(rig, bus,
        "{\"op\":\"pub\",\"id\":9,\"atomic\":true,\"changes\":[" SET("service/a") "," SET(
            "service/b") ",{\"op\":\"touch\",\"topic\":"
                         "\"stock/no\"}]}");
    turn(rig);
    session_close(rig->core, van);
    pass(rig, 0);
    assert_true(is_stale(rig, "service/a"));
    assert_int_equal(core_metrics(rig->core)->sources, 1); /* the bus */
}

static void what_was_lost_stays_lost_when_the_source_returns(void **state) {
    struct rig *rig = *state;
    rig->limits.due_changes_max = 2;
    restart(rig, 0);
    struct session *van = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    (void)change(rig, van, SET("service/a") "," SET("service/b") "," SET("service/c") "," SET("service/d"));
    session_close(rig->core, van);
    pass(rig, 0); /* the loss itself, and one topic */
    assert_int_equal(core_metrics(rig->core)->due, 3);
    van = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    (void)change(rig, van, SET("service/d"));
    say(rig, van,
        "{\"op\":\"pub\",\"id\":9,\"atomic\":true,\"changes\":[" SET(
            "service/c") ",{\"op\":\"touch\",\"topic\":\"stock/no\"}]}");
    turn(rig);
    assert_int_equal(core_metrics(rig->core)->due, 2);
    pass(rig, 0);
    assert_true(is_stale(rig, "service/a"));
    assert_true(is_stale(rig, "service/b"));
    assert_true(is_stale(rig, "service/c"));
    assert_false(is_stale(rig, "service/d"));
    assert_int_equal(core_metrics(rig->core)->due, 0);
    assert_int_equal(core_metrics(rig->core)->due_turn_max, 2);
}

static void a_restart_begins_every_grace_anew(void **state) {
    struct rig *rig = *state;
    struct session *van = greet(rig, HELLO("van-7", ",\"grace_ms\":500"));
    struct session *bus = greet(rig, HELLO("bus-1", ",\"grace_ms\":500,\"on_lost\":\"delete\""));
    (void)change(rig, van, SET("stock/a"));
    (void)change(rig, bus, SET("stock/b"));
    restart(rig, 100000);
    assert_int_equal(core_metrics(rig->core)->sources, 2);
    pass(rig, 499);
    assert_false(is_stale(rig, "stock/a"));
    van = greet(rig, HELLO("van-7", ",\"grace_ms\":500"));
    pass(rig, 1);
    assert_false(is_stale(rig, "stock/a"));
    assert_null(topic_of(rig, "stock/b"));
    session_close(rig->core, van);
    pass(rig, 500);
    assert_true(is_stale(rig, "stock/a"));
    restart(rig, 0);
    assert_true(is_stale(rig, "stock/a"));
    assert_int_equal(core_metrics(rig->core)->sources, 0);
}

static void a_broker_that_stops_loses_no_source(void **state) {
    struct rig *rig = *state;
    struct session *van = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    (void)change(rig, van, SET("stock/a"));
    core_drain(rig->core, "stopping", 1000);
    session_close(rig->core, van);
    pass(rig, 1000);
    assert_false(is_stale(rig, "stock/a"));
    restart(rig, 0);
    van = greet(rig, HELLO("van-7", ",\"grace_ms\":0"));
    pass(rig, 1000);
    assert_false(is_stale(rig, "stock/a"));
}

static void wrong_names_and_graces_end_the_session(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *hello;
    } cases[] = {
        {HELLO("", "")},
        {HELLO("a/b", "")},
        {HELLO("..", "")},
        {HELLO("a b", "")},
        {HELLO("1234567890123456789012345678901234567890123456789012345678901234x", "")},
        {HELLO("van", ",\"grace_ms\":86400001")},
        {HELLO("van", ",\"grace_ms\":-1")},
        {HELLO("van", ",\"on_lost\":\"shrug\"")},
        {"{\"op\":\"hello\",\"source\":7}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session *session = open_session(rig);
        const char *reason = NULL;
        say(rig, session, cases[i].hello);
        const char *told = hear(rig, session);
        assert_non_null(strstr(told, "\"code\":\"bad_message\""));
        assert_null(strstr(told, "welcome"));
        assert_int_equal(session_close_code(session, &reason), AHORA_CLOSE_BAD_MESSAGE);
    }
    assert_int_equal(core_metrics(rig->core)->sources, 0);
}

static void there_are_only_so_many_sources(void **state) {
    struct rig *rig = *state;
    rig->limits.sources_max = 2;
    restart(rig, 0);
    struct session *first = greet(rig, HELLO("a", ""));
    (void)greet(rig, HELLO("b", ""));
    (void)greet(rig, HELLO("b", ""));
    struct session *session = open_session(rig);
    const char *reason = NULL;
    say(rig, session, HELLO("c", ""));
    assert_non_null(strstr(hear(rig, session), "\"code\":\"too_many\""));
    assert_int_equal(session_close_code(session, &reason), AHORA_CLOSE_TOO_MANY);
    session_close(rig->core, first); /* it wrote nothing: nobody needs its name */
    (void)greet(rig, HELLO("c", ""));
    assert_int_equal(core_metrics(rig->core)->sources, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(what_a_lost_source_wrote_goes_stale),
        CASE(or_is_removed),
        CASE(one_that_returns_within_its_grace_is_not_lost),
        CASE(a_source_is_there_while_one_of_its_sessions_is),
        CASE(only_the_last_writer_counts),
        CASE(an_aborted_list_leaves_every_source_as_it_was),
        CASE(what_was_lost_stays_lost_when_the_source_returns),
        CASE(a_restart_begins_every_grace_anew),
        CASE(a_broker_that_stops_loses_no_source),
        CASE(wrong_names_and_graces_end_the_session),
        CASE(there_are_only_so_many_sources),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
