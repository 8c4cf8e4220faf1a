/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The core as one client sees it, in JSON: what it says, line by line, and what it hears. Turns and time are played by hand. */
#include "broker/core/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/bare_rig.h"

static void pass(struct rig *rig, int64_t ms) {
    rig->mono_ms += ms;
    core_set_time(rig->core, NOW + rig->mono_ms, rig->mono_ms);
    core_tick(rig->core);
}

static void say(struct rig *rig, struct session *session, const char *line) {
    session_receive(rig->core, session, span_of_text(line));
}

static const char *hear(struct rig *rig, struct session *session) {
    return hear_lines(rig->core, session);
}

static struct session *open_session(struct rig *rig) {
    struct session *session = session_open(rig->core, ENCODING_JSON, "p", NULL);
    assert_non_null(session);
    return session;
}

static struct session *greet(struct rig *rig) {
    struct session *session = open_session(rig);
    say(rig, session, "{\"op\":\"hello\"}");
    assert_non_null(strstr(hear(rig, session), "\"op\":\"welcome\""));
    return session;
}

static void set(struct rig *rig, struct session *session, const char *topic, int value) {
    char line[200];
    (void)snprintf(
        line, sizeof line,
        "{\"op\":\"pub\",\"ack\":\"none\",\"changes\":[{\"op\":\"set\",\"topic\":\"%s\",\"data\":{\"n\":%d},\"at\":7}]}", topic,
        value);
    say(rig, session, line);
}

static void assert_closed(struct session *session, int code, const char *reason) {
    const char *told = NULL;
    assert_int_equal(session_close_code(session, &told), code);
    assert_string_equal(told, reason);
}

/* ---- hello ---- */

static void welcome_tells_what_a_client_needs(void **state) {
    struct rig *rig = *state;
    struct session *session = open_session(rig);
    say(rig, session, "{\"op\":\"hello\",\"client\":\"x/1\"}");
    assert_string_equal(
        hear(rig, session),
        "{\"op\":\"welcome\",\"session\":\"s1\",\"epoch\":\"e1\",\"server\":\"ahora/test\",\"limits\":{"
        "\"message_bytes_max\":1048576,\"document_bytes_max\":65536,\"subscriptions_max\":1000,\"patterns_max\":64,"
        "\"changes_max\":1000,\"publishes_max\":1024,\"publish_rate_max\":0,\"get_items_max\":1000,"
        "\"where_conditions_max\":16,\"where_values_max\":64,\"where_bytes_max\":4096,\"nears_max\":16,\"near_limit_max\":1000}"
        ","
        "\"beat_ms\":15000,\"seq\":0,\"now\":1795000000000}\n");
    say(rig, session, "{\"op\":\"hello\"}");
    assert_non_null(strstr(hear(rig, session), "\"code\":\"bad_message\""));
    assert_true(session_wants_read(session));
}

static void the_first_message_must_be_a_hello(void **state) {
    struct rig *rig = *state;
    struct session *session = open_session(rig);
    say(rig, session, "{\"op\":\"ping\",\"id\":3}\n{\"op\":\"hello\"}");
    const char *told = hear(rig, session);
    assert_non_null(strstr(told, "\"id\":3,\"code\":\"bad_message\""));
    assert_null(strstr(told, "welcome"));
    assert_closed(session, AHORA_CLOSE_BAD_MESSAGE, "bad_message");
    assert_false(session_wants_read(session));
}

static void no_hello_in_time_ends_the_session(void **state) {
    struct rig *rig = *state;
    struct session *session = open_session(rig);
    struct session *greeted = greet(rig);
    assert_ptr_equal(core_next_ready(rig->core), greeted);
    pass(rig, rig->limits.hello_ms - 1);
    assert_null(core_next_ready(rig->core));
    pass(rig, 1);
    assert_ptr_equal(core_next_ready(rig->core), session);
    assert_string_equal(hear(rig, session), "");
    assert_closed(session, AHORA_CLOSE_NO_HELLO, "no_hello");
    assert_true(session_wants_read(greeted));
    assert_int_equal(core_metrics(rig->core)->hello_timeouts, 1);
}

/* ---- errors ---- */

static void bytes_that_are_no_message_end_the_session(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":");
    assert_non_null(strstr(hear(rig, session), "{\"op\":\"error\",\"code\":\"bad_message\""));
    assert_closed(session, AHORA_CLOSE_BAD_MESSAGE, "bad_message");
}

static void wrong_messages_get_an_error_and_the_session_goes_on(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    static const struct {
        const char *line, *code;
    } cases[] = {
        {"{\"op\":\"sing\",\"id\":4}", "\"id\":4,\"code\":\"bad_message\""},
        {"{\"op\":\"ping\"}", "\"code\":\"bad_message\""},
        {"{\"op\":\"unsub\",\"id\":4}", "\"id\":4,\"code\":\"not_found\""},
        {"{\"op\":\"sub\",\"id\":4,\"match\":\"stock/**/a\"}", "\"id\":4,\"code\":\"bad_pattern\""},
        {"{\"op\":\"sub\",\"id\":4,\"match\":\"boats/*\"}", "\"id\":4,\"code\":\"unknown_kind\""},
        {"{\"op\":\"sub\",\"id\":4,\"match\":\"stock/*\",\"every_ms\":3600001}", "\"id\":4,\"code\":\"invalid\""},
        {"{\"op\":\"sub\",\"id\":4,\"match\":\"stock/*\",\"where\":{}}", "\"id\":4,\"code\":\"invalid\""},
        {"{\"op\":\"get\",\"id\":4,\"match\":\"stock\"}", "\"id\":4,\"code\":\"bad_pattern\""},
        {"{\"op\":\"move\",\"id\":4,\"near\":{}}", "\"id\":4,\"code\":\"not_found\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        say(rig, session, cases[i].line);
        assert_non_null(strstr(hear(rig, session), cases[i].code));
        assert_true(session_wants_read(session));
    }
    say(rig, session, "{\"op\":\"ping\",\"id\":5}\n \n{\"op\":\"auth\",\"id\":6,\"token\":\"t\"}");
    assert_string_equal(hear(rig, session), "{\"op\":\"pong\",\"id\":5,\"now\":1795000000000}\n{\"op\":\"ok\",\"id\":6}\n");
}

static void an_id_in_use_and_too_many_are_refused(void **state) {
    struct rig *rig = *state;
    rig->limits.subscriptions_max = 1;
    rig->limits.patterns_max = 2;
    restart(rig);
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":[\"stock/*\",\"room/*\",\"order/*\"]}");
    assert_non_null(strstr(hear(rig, session), "\"id\":1,\"code\":\"too_many\""));
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}");
    (void)hear(rig, session);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"room/*\"}");
    assert_non_null(strstr(hear(rig, session), "\"id\":1,\"code\":\"bad_message\""));
    say(rig, session, "{\"op\":\"sub\",\"id\":2,\"match\":\"room/*\"}");
    assert_non_null(strstr(hear(rig, session), "\"id\":2,\"code\":\"too_many\""));
    assert_int_equal(core_metrics(rig->core)->views, 1);
}

/* ---- subscriptions ---- */

static void snapshot_then_live_then_changes(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    set(rig, session, "stock/a", 1);
    turn(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}");
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                        "{\"op\":\"set\",\"seq\":1,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":1}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":1}\n");
    say(rig, session,
        "{\"op\":\"pub\",\"id\":2,\"ack\":\"applied\",\"changes\":["
        "{\"op\":\"patch\",\"topic\":\"stock/a\",\"data\":{\"m\":2},\"at\":8},{\"op\":\"touch\",\"topic\":\"stock/"
        "a\",\"at\":9},"
        "{\"op\":\"delete\",\"topic\":\"stock/a\",\"at\":9}]}");
    assert_string_equal(hear(rig, session), "");
    turn(rig);
    assert_string_equal(
        hear(rig, session),
        "{\"op\":\"published\",\"id\":2,\"results\":[{\"seq\":2},{\"seq\":3},{\"seq\":4}]}\n"
        "{\"op\":\"patch\",\"seq\":2,\"ref\":1,\"at\":8,\"data\":{\"m\":2}}\n{\"op\":\"patch\",\"seq\":3,\"ref\":1,\"at\":9}\n"
        "{\"op\":\"remove\",\"seq\":4,\"topic\":\"stock/a\",\"ref\":1,\"why\":\"deleted\"}\n");
    say(rig, session, "{\"op\":\"unsub\",\"id\":1}");
    set(rig, session, "stock/a", 2);
    turn(rig);
    assert_string_equal(hear(rig, session), "{\"op\":\"ok\",\"id\":1}\n");
}

static void a_token_brings_what_changed_since(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    set(rig, session, "stock/a", 1);
    set(rig, session, "stock/b", 1);
    set(rig, session, "stock/c", 1);
    turn(rig);
    say(rig, session, "{\"op\":\"pub\",\"ack\":\"none\",\"changes\":[{\"op\":\"delete\",\"topic\":\"stock/a\"}]}");
    set(rig, session, "stock/b", 2);
    turn(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\",\"since\":\"e1-3\"}");
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"subscribed\",\"id\":1,\"resumed\":true}\n"
                        "{\"op\":\"remove\",\"seq\":4,\"topic\":\"stock/a\",\"ref\":1,\"why\":\"deleted\"}\n"
                        "{\"op\":\"set\",\"seq\":5,\"topic\":\"stock/b\",\"ref\":2,\"at\":7,\"data\":{\"n\":2}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":5}\n");
    static const char *const useless[] = {"e2-3", "e1-6", "e1", "?"};
    for (size_t i = 0; i < sizeof useless / sizeof useless[0]; i++) {
        char line[100];
        (void)snprintf(line, sizeof line, "{\"op\":\"sub\",\"id\":%zu,\"match\":\"stock/b\",\"since\":\"%s\"}", i + 2,
                       useless[i]);
        say(rig, session, line);
        assert_non_null(strstr(hear(rig, session), "\"resumed\":false"));
    }
}

static void a_patch_waits_until_its_ref_was_introduced(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    set(rig, session, "stock/a", 1);
    turn(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\",\"since\":\"e1-1\"}");
    (void)hear(rig, session);
    static const char patch[] =
        "{\"op\":\"pub\",\"ack\":\"none\",\"changes\":[{\"op\":\"patch\",\"topic\":\"stock/a\",\"data\":{\"n\":2},\"at\":8}]}";
    say(rig, session, patch);
    turn(rig);
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"set\",\"seq\":2,\"topic\":\"stock/a\",\"ref\":1,\"at\":8,\"data\":{\"n\":2}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":2}\n");
    say(rig, session, patch);
    turn(rig);
    assert_string_equal(hear(rig, session), "{\"op\":\"patch\",\"seq\":3,\"ref\":1,\"at\":8,\"data\":{\"n\":2}}\n");
}

static void a_choked_reader_gets_the_newest_and_how_many_it_skipped(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}");
    (void)hear(rig, session);
    session_set_choked(rig->core, session, true);
    for (int i = 1; i <= 5; i++) {
        set(rig, session, "stock/a", i);
        turn(rig);
    }
    assert_string_equal(hear(rig, session), "");
    session_set_choked(rig->core, session, false);
    assert_ptr_equal(core_next_ready(rig->core), session);
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"set\",\"seq\":5,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":5}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":5,\"skipped\":4}\n");
}

static void a_removal_is_told_though_the_topic_came_and_went_meanwhile(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    set(rig, session, "stock/a", 1);
    turn(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}");
    (void)hear(rig, session);
    session_set_choked(rig->core, session, true);
    say(rig, session,
        "{\"op\":\"pub\",\"ack\":\"none\",\"changes\":[{\"op\":\"delete\",\"topic\":\"stock/a\"},"
        "{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{}},{\"op\":\"delete\",\"topic\":\"stock/a\"}]}");
    turn(rig);
    session_set_choked(rig->core, session, false);
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"remove\",\"seq\":4,\"topic\":\"stock/a\",\"ref\":1,\"why\":\"deleted\"}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":4,\"skipped\":2}\n");
}

static void a_forgotten_removal_costs_a_new_snapshot(void **state) {
    struct rig *rig = *state;
    rig->limits.removals_max = 0;
    restart(rig);
    struct session *session = greet(rig);
    set(rig, session, "stock/a", 1);
    set(rig, session, "stock/b", 1);
    turn(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}");
    (void)hear(rig, session);
    session_set_choked(rig->core, session, true);
    say(rig, session, "{\"op\":\"pub\",\"ack\":\"none\",\"changes\":[{\"op\":\"delete\",\"topic\":\"stock/a\"}]}");
    turn(rig);
    session_set_choked(rig->core, session, false);
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                        "{\"op\":\"set\",\"seq\":2,\"topic\":\"stock/b\",\"ref\":2,\"at\":7,\"data\":{\"n\":1}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":3}\n");
    assert_int_equal(core_metrics(rig->core)->resyncs, 1);
}

static void a_paced_subscription_hears_not_more_often_than_it_asked(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\",\"every_ms\":100}");
    (void)hear(rig, session);
    set(rig, session, "stock/a", 1);
    turn(rig);
    set(rig, session, "stock/a", 2);
    turn(rig);
    pass(rig, 99);
    assert_string_equal(hear(rig, session), "");
    assert_int_equal(core_next_due(rig->core), 100);
    pass(rig, 1);
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"set\",\"seq\":2,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":2}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":2,\"skipped\":1}\n");
    pass(rig, 100);
    set(rig, session, "stock/a", 3);
    turn(rig);
    assert_non_null(strstr(hear(rig, session), "\"seq\":3")); /* it had waited long enough */
}

static void overlapping_subscriptions_hear_a_change_once_and_in_order(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}\n{\"op\":\"sub\",\"id\":2,\"match\":\"**\"}");
    (void)hear(rig, session);
    set(rig, session, "stock/a", 1);
    set(rig, session, "room/a", 1);
    set(rig, session, "stock/a", 2);
    turn(rig);
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"set\",\"seq\":1,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":1}}\n"
                        "{\"op\":\"set\",\"seq\":2,\"topic\":\"room/a\",\"ref\":2,\"at\":7,\"data\":{\"n\":1}}\n"
                        "{\"op\":\"set\",\"seq\":3,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":2}}\n");
}

static void the_same_pattern_twice_is_once(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    set(rig, session, "stock/a", 1);
    turn(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":[\"stock/*\",\"stock/*\"]}");
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                        "{\"op\":\"set\",\"seq\":1,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":1}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":1}\n");
}

static void what_is_stored_in_the_middle_of_a_turn_is_shown_at_its_end(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    int64_t first = 0;
    int64_t last = 0;
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}");
    (void)hear(rig, session);
    set(rig, session, "stock/a", 1);
    assert_true(core_turn(rig->core, &first, &last).bytes > 0);
    core_turn_appended(rig->core);
    assert_int_equal(core_seq(rig->core), 1);
    assert_string_equal(hear(rig, session), "");
    set(rig, session, "stock/b", 2);
    assert_true(core_turn(rig->core, &first, &last).bytes > 0);
    assert_int_equal(first, 2);
    assert_int_equal(last, 2);
    core_turn_stored(rig->core);
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"set\",\"seq\":1,\"topic\":\"stock/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":1}}\n"
                        "{\"op\":\"set\",\"seq\":2,\"topic\":\"stock/b\",\"ref\":2,\"at\":7,\"data\":{\"n\":2}}\n");
}

/* ---- answers, acknowledgements, limits ---- */

static void acknowledgements_wait_for_what_they_promise(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session,
        "{\"op\":\"pub\",\"id\":1,\"changes\":[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{}}]}\n"
        "{\"op\":\"pub\",\"id\":2,\"ack\":\"applied\",\"changes\":[{\"op\":\"touch\",\"topic\":\"stock/a\",\"if_seq\":9}]}");
    assert_string_equal(hear(rig, session), "");
    turn(rig);
    assert_string_equal(
        hear(rig, session),
        "{\"op\":\"published\",\"id\":2,\"results\":[{\"error\":{\"code\":\"conflict\",\"detail\":\"the topic's seq is "
        "another\",\"seq\":1}}]}\n");
    core_durable(rig->core, 1);
    assert_string_equal(hear(rig, session), "{\"op\":\"published\",\"id\":1,\"results\":[{\"seq\":1}]}\n");
}

static void input_waits_while_too_many_publishes_are_open(void **state) {
    struct rig *rig = *state;
    rig->limits.publishes_max = 1;
    restart(rig);
    struct session *session = greet(rig);
    say(rig, session,
        "{\"op\":\"pub\",\"id\":1,\"changes\":[{\"op\":\"set\",\"topic\":\"stock/"
        "a\",\"data\":{}}]}\n{\"op\":\"ping\",\"id\":2}");
    assert_false(session_wants_read(session));
    turn(rig);
    core_durable(rig->core, 1);
    pass(rig, 0);
    const char *told = hear(rig, session);
    assert_non_null(strstr(told, "\"op\":\"published\""));
    assert_non_null(strstr(told, "\"op\":\"pong\""));
    assert_true(session_wants_read(session));
}

/* Numbers with a point grow most as MessagePack: four bytes of JSON become nine. */
static void a_message_of_the_largest_size_is_taken_however_it_grows(void **state) {
    struct rig *rig = *state;
    static const char head[] = "{\"op\":\"ping\",\"id\":7,\"numbers\":[1.5";
    const size_t bytes = rig->limits.message_bytes_max;
    char *line = malloc(bytes + 1);
    struct session *session = greet(rig);
    assert_non_null(line);
    memcpy(line, head, sizeof head);
    size_t used = sizeof head - 1;
    for (; used + 6 <= bytes; used += 4) {
        memcpy(line + used, ",1.5", 4);
    }
    memcpy(line + used, "]}", 3);
    say(rig, session, line);
    free(line);
    assert_non_null(strstr(hear(rig, session), "{\"op\":\"pong\",\"id\":7,"));
}

static void too_much_input_that_waits_ends_the_session(void **state) {
    struct rig *rig = *state;
    rig->limits.publishes_max = 1;
    rig->limits.message_bytes_max = 200;
    restart(rig);
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":\"pub\",\"id\":1,\"changes\":[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{}}]}");
    for (int i = 0; i < 60000; i++) {
        say(rig, session, "{\"op\":\"ping\",\"id\":2}");
    }
    (void)hear(rig, session);
    assert_closed(session, AHORA_CLOSE_TOO_MANY, "too_many");
}

static void a_publisher_faster_than_it_may_is_told_when_to_come_back(void **state) {
    struct rig *rig = *state;
    rig->limits.publish_rate_max = 2;
    restart(rig);
    struct session *session = greet(rig);
    set(rig, session, "stock/a", 1);
    set(rig, session, "stock/a", 2);
    say(rig, session, "{\"op\":\"pub\",\"id\":3,\"changes\":[{\"op\":\"set\",\"topic\":\"stock/a\",\"data\":{}}]}");
    turn(rig);
    assert_non_null(strstr(hear(rig, session), "\"id\":3,\"code\":\"rate_limited\""));
    assert_int_equal(core_seq(rig->core), 2);
    pass(rig, 1000);
    set(rig, session, "stock/a", 3);
    turn(rig);
    assert_int_equal(core_seq(rig->core), 3);
}

static void get_answers_with_what_is_there(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":\"get\",\"id\":1,\"match\":\"stock/*\"}");
    assert_string_equal(hear(rig, session), "{\"op\":\"snapshot\",\"id\":1,\"seq\":0,\"items\":[]}\n");
    set(rig, session, "stock/b", 1);
    set(rig, session, "stock/a", 2);
    turn(rig);
    say(rig, session, "{\"op\":\"get\",\"id\":2,\"match\":[\"stock/*\",\"**\"],\"limit\":1}");
    assert_string_equal(hear(rig, session),
                        "{\"op\":\"snapshot\",\"id\":2,\"seq\":2,\"items\":[{\"topic\":\"stock/a\",\"seq\":2,\"at\":7,"
                        "\"data\":{\"n\":2}}],\"more\":true}\n");
}

/* ---- time ---- */

static void an_idle_session_hears_a_beat(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    pass(rig, rig->limits.beat_ms / 2); /* it was just welcomed */
    assert_string_equal(hear(rig, session), "");
    pass(rig, rig->limits.beat_ms / 2);
    assert_string_equal(hear(rig, session), "{\"op\":\"beat\",\"seq\":0,\"now\":1795000015000}\n");
    pass(rig, rig->limits.beat_ms / 2);
    assert_string_equal(hear(rig, session), "");
}

static void a_beat_does_not_promise_what_a_paced_subscription_waits_for(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\",\"every_ms\":3600000}");
    (void)hear(rig, session);
    set(rig, session, "stock/a", 1);
    turn(rig);
    pass(rig, rig->limits.beat_ms / 2);
    pass(rig, rig->limits.beat_ms / 2);
    assert_string_equal(hear(rig, session), "{\"op\":\"beat\",\"seq\":0,\"now\":1795000015000}\n");
}

/* ---- drain ---- */

static void a_malformed_hello_is_told_what_is_wrong(void **state) {
    struct rig *rig = *state;
    struct session *session = open_session(rig);
    say(rig, session, "{\"op\":\"hello\",\"token\":5}");
    const char *heard = hear(rig, session);
    assert_non_null(strstr(heard, "\"code\":\"bad_message\""));
    assert_non_null(strstr(heard, "`token`"));
    assert_closed(session, AHORA_CLOSE_BAD_MESSAGE, "bad_message");
}

static void draining_spreads_the_return_of_browsers(void **state) {
    struct rig *rig = *state;
    struct session *streams[2];
    for (int i = 0; i < 2; i++) {
        streams[i] = session_open(rig->core, ENCODING_SSE, "p", NULL);
    }
    core_drain(rig->core, "stopping", 1000);
    for (int i = 0; i < 2; i++) {
        char expected[128];
        struct span piece;
        int retry_ms = 1 + 500 * i;
        int bytes = snprintf(expected, sizeof expected,
                             "event: bye\nretry: %d\ndata: {\"op\":\"bye\",\"retry_ms\":%d,\"reason\":\"stopping\"}\n\n",
                             retry_ms, retry_ms);
        assert_true(session_pull(rig->core, streams[i], &piece));
        assert_int_equal(piece.bytes, bytes);
        assert_memory_equal(piece.data, expected, (size_t)bytes);
        session_close(rig->core, streams[i]);
    }
}

static void draining_spreads_the_return_and_refuses_what_comes(void **state) {
    struct rig *rig = *state;
    struct session *first = greet(rig);
    struct session *second = greet(rig);
    core_drain(rig->core, "stopping", 1000);
    assert_true(core_is_draining(rig->core));
    assert_string_equal(hear(rig, first), "{\"op\":\"bye\",\"retry_ms\":1,\"reason\":\"stopping\"}\n");
    assert_string_equal(hear(rig, second), "{\"op\":\"bye\",\"retry_ms\":501,\"reason\":\"stopping\"}\n");
    assert_closed(first, AHORA_CLOSE_GOING_AWAY, "draining");
    struct session *late = open_session(rig);
    say(rig, late, "{\"op\":\"hello\"}");
    assert_non_null(strstr(hear(rig, late), "\"code\":\"draining\""));
    assert_closed(late, AHORA_CLOSE_TRY_AGAIN_LATER, "draining");
    struct ticket ticket = {0};
    struct buffer results;
    buffer_init(&results, SIZE_MAX);
    const struct publish publish = {.principal = "p", .changes = span_of("\x91\x80", 2), .change_count = 1};
    assert_int_equal(core_publish(rig->core, &publish, &results, &ticket), AHORA_DRAINING);
    assert_false(ticket.waiting);
}

/* ---- tickets ---- */

static void tickets_come_when_their_promise_holds(void **state) {
    struct rig *rig = *state;
    struct ticket tickets[3] = {{.seq = 0}};
    struct buffer results;
    buffer_init(&results, SIZE_MAX);
    for (int i = 0; i < 3; i++) {
        const struct publish publish = {
            .principal = "p",
            .changes = span_of("\x91\x83\xa2op\xa3set\xa5topic\xa7stock/a\xa4"
                               "data\x80",
                               30),
            .change_count = 1,
            .ack = (enum ack)i,
        };
        assert_int_equal(core_publish(rig->core, &publish, &results, &tickets[i]), AHORA_OK);
    }
    assert_null(core_next_ticket(rig->core));
    core_cancel(rig->core, &tickets[2]);
    turn(rig);
    assert_ptr_equal(core_next_ticket(rig->core), &tickets[ACK_APPLIED]);
    assert_null(core_next_ticket(rig->core));
    core_durable(rig->core, 3);
    assert_ptr_equal(core_next_ticket(rig->core), &tickets[ACK_DURABLE]);
    assert_null(core_next_ticket(rig->core));
    buffer_fini(&results);
}

/* ---- the end of a session ---- */

static void a_kicked_session_gets_its_answers_and_nothing_of_later_turns(void **state) {
    struct rig *rig = *state;
    struct session *session = greet(rig);
    struct session *other = greet(rig);
    say(rig, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/*\"}");
    (void)hear(rig, session);
    session_kick(rig->core, session, AHORA_CLOSE_FORBIDDEN, "forbidden");
    for (int i = 0; i < 3; i++) { /* the connection takes its time to end */
        set(rig, other, "stock/a", i);
        turn(rig);
        assert_string_equal(hear(rig, session), "");
    }
    assert_int_equal(core_metrics(rig->core)->subscriptions_live, 0); /* on no list that is handed slices */
    assert_closed(session, AHORA_CLOSE_FORBIDDEN, "forbidden");
    session_close(rig->core, session);
    assert_int_equal(core_metrics(rig->core)->subscriptions, 0);
    assert_int_equal(core_metrics(rig->core)->views, 0);
    assert_int_equal(core_session_count(rig->core), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(welcome_tells_what_a_client_needs),
        TEST(the_first_message_must_be_a_hello),
        TEST(no_hello_in_time_ends_the_session),
        TEST(bytes_that_are_no_message_end_the_session),
        TEST(wrong_messages_get_an_error_and_the_session_goes_on),
        TEST(an_id_in_use_and_too_many_are_refused),
        TEST(snapshot_then_live_then_changes),
        TEST(a_token_brings_what_changed_since),
        TEST(a_patch_waits_until_its_ref_was_introduced),
        TEST(a_choked_reader_gets_the_newest_and_how_many_it_skipped),
        TEST(a_removal_is_told_though_the_topic_came_and_went_meanwhile),
        TEST(a_forgotten_removal_costs_a_new_snapshot),
        TEST(a_paced_subscription_hears_not_more_often_than_it_asked),
        TEST(overlapping_subscriptions_hear_a_change_once_and_in_order),
        TEST(the_same_pattern_twice_is_once),
        TEST(what_is_stored_in_the_middle_of_a_turn_is_shown_at_its_end),
        TEST(acknowledgements_wait_for_what_they_promise),
        TEST(input_waits_while_too_many_publishes_are_open),
        TEST(a_message_of_the_largest_size_is_taken_however_it_grows),
        TEST(too_much_input_that_waits_ends_the_session),
        TEST(a_publisher_faster_than_it_may_is_told_when_to_come_back),
        TEST(get_answers_with_what_is_there),
        TEST(an_idle_session_hears_a_beat),
        TEST(a_beat_does_not_promise_what_a_paced_subscription_waits_for),
        TEST(draining_spreads_the_return_and_refuses_what_comes),
        TEST(a_malformed_hello_is_told_what_is_wrong),
        TEST(draining_spreads_the_return_of_browsers),
        TEST(tickets_come_when_their_promise_holds),
        TEST(a_kicked_session_gets_its_answers_and_nothing_of_later_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
