/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* One ledger and two cores that follow it, in JSON. What crosses between them is carried by hand, so that it can be late. */
#include "broker/core/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/hear.h"
#include "tests/unit/loose_kinds.h"

#define NOW INT64_C(1795000000000)
#define FOLLOWERS 2
#define AWAY_MAX 64

struct follower {
    struct core *core;
    struct batch *away[AWAY_MAX]; /* on their way to it, oldest first */
    size_t away_count;
};

struct rig {
    struct kinds *kinds;
    struct limits limits;
    struct core *first;
    struct session *publisher; /* at the first core */
    struct follower followers[FOLLOWERS];
    int64_t mono_ms;
};

static struct core *create(const struct rig *rig, unsigned followers, bool follows) {
    const struct core_options options = {
        .limits = rig->limits,
        .kinds = rig->kinds,
        .epoch = "e1",
        .server = "ahora/test",
        .seed = 1,
        .followers = followers,
        .follows = follows,
    };
    struct core *core = core_create(&options);
    assert_non_null(core);
    core_set_time(core, NOW, 0);
    core_set_room(core, SIZE_MAX);
    return core;
}

/* ---- carrying ---- */

static void give_batch(struct rig *rig, struct batch *batch) {
    for (size_t i = 0; batch != NULL && i < FOLLOWERS; i++) {
        struct follower *follower = &rig->followers[i];
        assert_true(follower->away_count < AWAY_MAX);
        follower->away[follower->away_count++] = batch;
    }
}

/* A turn of the first core; everything is durable at once. */
static void turn_first(struct rig *rig) {
    int64_t first = 0;
    int64_t last = 0;
    (void)core_turn(rig->first, &first, &last);
    core_turn_stored(rig->first);
    core_durable(rig->first, last);
    give_batch(rig, core_take_batch(rig->first));
}

static void carry_mail_up(struct rig *rig, size_t index) {
    for (struct mail *mail; (mail = core_next_mail(rig->followers[index].core)) != NULL;) {
        mail->from = (unsigned)index + 1;
        core_serve(rig->first, mail);
    }
}

/* With one follower that publishes, every answer is its own. */
static void carry_mail_down(struct rig *rig, size_t index) {
    for (struct mail *mail; (mail = core_next_served(rig->first)) != NULL;) {
        core_mail_back(rig->followers[index].core, mail);
    }
}

static void show(struct rig *rig, size_t index) {
    struct follower *follower = &rig->followers[index];
    for (size_t i = 0; i < follower->away_count; i++) {
        core_follow(follower->core, follower->away[i]);
    }
    core_turn_stored(follower->core);
}

static void give_back(struct rig *rig, size_t index) {
    struct follower *follower = &rig->followers[index];
    for (size_t i = 0; i < follower->away_count; i++) {
        core_return_batch(rig->first, follower->away[i]);
    }
    follower->away_count = 0;
}

/* Everything said is heard. `index`: the follower that publishes. */
static void settle(struct rig *rig, size_t index) {
    carry_mail_up(rig, index);
    turn_first(rig);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        show(rig, i);
        give_back(rig, i);
    }
    carry_mail_down(rig, index);
    core_tick(rig->followers[index].core); /* input that waited */
}

/* ---- sessions ---- */

static void say(struct core *core, struct session *session, const char *line) {
    session_receive(core, session, span_of_text(line));
}

static struct session *greet(struct core *core) {
    struct session *session = session_open(core, ENCODING_JSON, "p", NULL);
    assert_non_null(session);
    say(core, session, "{\"op\":\"hello\"}");
    assert_non_null(strstr(hear_lines(core, session), "\"op\":\"welcome\""));
    return session;
}

static void change(struct rig *rig, const char *change) {
    char line[400];
    (void)snprintf(line, sizeof line, "{\"op\":\"pub\",\"id\":1,\"ack\":\"none\",\"changes\":[%s]}", change);
    say(rig->first, rig->publisher, line);
}

#define SET(topic, data) "{\"op\":\"set\",\"topic\":\"" topic "\",\"data\":" data ",\"at\":7}"

/* ---- each case ---- */

static int set_up(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    rig->kinds = loose_kinds();
    limits_default(&rig->limits);
    rig->limits.removals_max = 2;
    rig->limits.sources_max = 2;
    rig->first = create(rig, FOLLOWERS, false);
    assert_int_equal(core_loaded(rig->first, "e1", 0), RESULT_OK);
    rig->publisher = greet(rig->first);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        rig->followers[i].core = create(rig, 0, true);
        core_followed_all(rig->followers[i].core, "e1", 0, 0);
    }
    *state = rig;
    return 0;
}

static int tear_down(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < FOLLOWERS; i++) {
        core_destroy(rig->followers[i].core);
    }
    core_destroy(rig->first);
    kinds_destroy(rig->kinds);
    free(rig);
    return 0;
}

/* ---- what followers show ---- */

static void a_follower_shows_its_own_sessions_what_the_ledger_changed(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[1].core;
    struct session *session = greet(core);
    change(rig, SET("stock/1/a", "{\"n\":1}"));
    settle(rig, 0);
    say(core, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/1/*\"}");
    assert_string_equal(hear_lines(core, session),
                        "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                        "{\"op\":\"set\",\"seq\":1,\"topic\":\"stock/1/a\",\"ref\":1,\"at\":7,\"data\":{\"n\":1}}\n"
                        "{\"op\":\"live\",\"id\":1,\"seq\":1}\n");
    change(rig, "{\"op\":\"patch\",\"topic\":\"stock/1/a\",\"data\":{\"n\":2},\"at\":8}");
    change(rig, SET("stock/1/b", "{\"n\":3}"));
    change(rig, "{\"op\":\"delete\",\"topic\":\"stock/1/b\"}");
    settle(rig, 0);
    const char *heard = hear_lines(core, session);
    assert_non_null(strstr(heard, "{\"op\":\"patch\",\"seq\":2,\"ref\":1,\"at\":8,\"data\":{\"n\":2}}"));
    assert_non_null(strstr(heard, "\"why\":\"deleted\""));
}

static void several_batches_are_shown_in_one_turn(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *session = greet(core);
    say(core, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\"}");
    (void)hear_lines(core, session);
    for (int i = 0; i < 5; i++) {
        change(rig, SET("stock/1/a", "{\"n\":1}"));
        turn_first(rig);
    }
    assert_int_equal(rig->followers[0].away_count, 5);
    show(rig, 0);
    assert_non_null(strstr(hear_lines(core, session), "\"seq\":5"));
    assert_true(core_has_batches_away(rig->first));
    give_back(rig, 0);
    assert_true(core_has_batches_away(rig->first));
    show(rig, 1);
    give_back(rig, 1);
    assert_false(core_has_batches_away(rig->first));
}

/* AddressSanitizer sees it if a document goes too early. */
static void what_a_follower_still_shows_outlives_its_replacement(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    change(rig, SET("stock/1/a", "{\"n\":1}"));
    settle(rig, 0);
    for (int i = 0; i < 4; i++) { /* one more removal than is remembered, all while the follower sleeps */
        change(rig, SET("stock/1/a", "{\"n\":2}"));
        change(rig, "{\"op\":\"delete\",\"topic\":\"stock/1/a\"}");
        change(rig, SET("stock/2/a", "{\"n\":2}"));
        change(rig, "{\"op\":\"delete\",\"topic\":\"stock/2/a\"}");
        change(rig, SET("stock/3/a", "{\"n\":2}"));
        change(rig, "{\"op\":\"delete\",\"topic\":\"stock/3/a\"}");
        turn_first(rig);
    }
    struct session *session = greet(core);
    say(core, session, "{\"op\":\"get\",\"id\":1,\"match\":\"**\"}");
    assert_non_null(strstr(hear_lines(core, session), "\"data\":{\"n\":1}"));
    settle(rig, 0);
    say(core, session, "{\"op\":\"get\",\"id\":2,\"match\":\"**\"}");
    assert_non_null(strstr(hear_lines(core, session), "\"items\":[]"));
}

static void a_token_of_one_core_resumes_at_another(void **state) {
    struct rig *rig = *state;
    change(rig, SET("stock/1/a", "{\"n\":1}"));
    change(rig, SET("stock/1/b", "{\"n\":1}"));
    settle(rig, 0);
    change(rig, "{\"op\":\"delete\",\"topic\":\"stock/1/a\"}");
    settle(rig, 0);
    struct session *session = greet(rig->followers[1].core);
    say(rig->followers[1].core, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\",\"since\":\"e1-2\"}");
    const char *heard = hear_lines(rig->followers[1].core, session);
    assert_non_null(strstr(heard, "\"resumed\":true"));
    assert_non_null(strstr(heard, "\"op\":\"remove\",\"seq\":3,\"topic\":\"stock/1/a\""));
    assert_null(strstr(heard, "stock/1/b"));
}

/* ---- publishing through a follower ---- */

static void an_answer_waits_for_no_follower(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *session = greet(core);
    say(core, session,
        "{\"op\":\"pub\",\"id\":5,\"ack\":\"applied\",\"changes\":[" SET(
            "stock/1/a", "{\"n\":1}") "]}\n"
                                      "{\"op\":\"pub\",\"id\":6,\"changes\":[{\"op\":\"delete\",\"topic\":\"stock/9/z\"}]}");
    assert_string_equal(hear_lines(core, session), "");
    carry_mail_up(rig, 0);
    turn_first(rig);
    carry_mail_down(rig, 0);
    const char *heard = hear_lines(core, session);
    assert_non_null(strstr(heard, "{\"op\":\"published\",\"id\":5,\"results\":[{\"seq\":1}]}"));
    assert_non_null(strstr(heard, "\"code\":\"not_found\""));
}

static void a_token_that_another_core_gave_first_waits_for_its_turn(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    change(rig, SET("stock/1/a", "{\"n\":1}"));
    settle(rig, 0);
    struct session *session = greet(core);
    change(rig, SET("stock/1/b", "{\"n\":1}"));
    turn_first(rig);
    core_follow(core, rig->followers[0].away[0]);
    say(core, session, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\",\"since\":\"e1-2\"}");
    assert_string_equal(hear_lines(core, session), "");
    core_turn_stored(core);
    core_tick(core);
    assert_string_equal(hear_lines(core, session), "{\"op\":\"subscribed\",\"id\":1,\"resumed\":true}\n"
                                                   "{\"op\":\"live\",\"id\":1,\"seq\":2}\n");
}

static void who_publishes_reads_what_it_published(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *session = greet(core);
    say(core, session,
        "{\"op\":\"pub\",\"id\":5,\"ack\":\"none\",\"changes\":[" SET(
            "stock/1/a", "{\"n\":1}") "]}\n"
                                      "{\"op\":\"get\",\"id\":6,\"match\":\"stock/1/*\"}\n{\"op\":\"ping\",\"id\":7}");
    assert_string_equal(hear_lines(core, session), "");
    assert_false(session_wants_read(session));
    settle(rig, 0);
    const char *heard = hear_lines(core, session);
    assert_non_null(strstr(heard, "\"items\":[{\"topic\":\"stock/1/a\",\"seq\":1"));
    assert_non_null(strstr(heard, "\"op\":\"pong\""));
    assert_null(strstr(heard, "published"));
    assert_true(session_wants_read(session));
}

static void an_answer_to_nobody_is_harmless(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *session = greet(core);
    struct buffer results;
    struct ticket ticket = {0};
    buffer_init(&results, 4096);
    say(core, session, "{\"op\":\"pub\",\"id\":5,\"changes\":[" SET("stock/1/a", "{\"n\":1}") "]}");
    const uint8_t touch[] = "\x91\x82\xa2op\xa5touch\xa5topic\xa9stock/1/a";
    const struct publish publish = {
        .principal = "p", .changes = span_of(touch, sizeof touch - 1), .change_count = 1, .atomic = false, .ack = ACK_DURABLE};
    assert_int_equal(core_publish(core, &publish, &results, &ticket), AHORA_OK);
    carry_mail_up(rig, 0);
    session_close(core, session);
    core_cancel(core, &ticket);
    settle(rig, 0);
    assert_null(core_next_ticket(core));
    assert_int_equal(results.bytes, 0);
    assert_int_equal(core_publish(core, &publish, &results, &ticket), AHORA_OK);
    settle(rig, 0);
    assert_ptr_equal(core_next_ticket(core), &ticket);
    assert_true(results.bytes > 0);
    buffer_fini(&results);
}

static void mail_that_is_never_answered_is_freed(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *session = greet(core);
    say(core, session, "{\"op\":\"pub\",\"id\":5,\"changes\":[" SET("stock/1/a", "{\"n\":1}") "]}");
    carry_mail_up(rig, 0);
    turn_first(rig);
    say(core, session, "{\"op\":\"pub\",\"id\":6,\"changes\":[" SET("stock/1/b", "{\"n\":1}") "]}");
    struct mail *mail = core_next_mail(core);
    session_close(core, session);
    mail_destroy(mail);
    /* The batches that are away go with the core. */
}

/* ---- the feed ---- */

static void a_feed_holds_everything_with_removals_in_order(void **state) {
    struct rig *rig = *state;
    for (int i = 0; i < FOLLOWERS; i++) {
        core_destroy(rig->followers[i].core);
    }
    core_destroy(rig->first);
    rig->first = create(rig, FOLLOWERS, false);
    for (int i = 0; i < FOLLOWERS; i++) {
        rig->followers[i].core = create(rig, 0, true);
    }
    for (int64_t seq = 20; seq >= 11; seq--) { /* loading knows no order */
        char topic[32];
        (void)snprintf(topic, sizeof topic, "order/%lld", (long long)seq);
        struct record record = {.topic = span_of_text(topic), .seq = seq, .seq_created = seq, .at = 1, .fresh_ms = -1};
        record.expire_ms = -1;
        record.data = seq == 20 ? (struct span){0} : span_of((const uint8_t *)"\x81\xa1n\x01", 4);
        record.removed = seq == 20;
        record.why = seq == 20 ? AHORA_WHY_DELETED : AHORA_WHY_NONE;
        assert_int_equal(core_load(rig->first, &record), RESULT_OK);
    }
    assert_int_equal(core_loaded(rig->first, "e9", 21), RESULT_OK);
    rig->publisher = greet(rig->first);
    struct batch *batch;
    size_t batches = 0;
    for (;;) {
        assert_int_equal(core_take_feed(rig->first, 3, &batch), RESULT_OK);
        if (batch == NULL) {
            break;
        }
        batches++;
        assert_true(batch_change_count(batch) <= 3);
        give_batch(rig, batch);
    }
    assert_int_equal(batches, 4);
    assert_int_equal(core_take_feed(rig->first, 3, &batch), RESULT_OK);
    assert_null(batch);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        show(rig, i);
        give_back(rig, i);
        core_followed_all(rig->followers[i].core, "e9", core_seq(rig->first), 21);
    }
    struct core *core = rig->followers[1].core;
    assert_int_equal(core_metrics(core)->topics, 9);
    assert_int_equal(core_metrics(core)->removals, 1);
    assert_int_equal(core_seq(core), 21);
    change(rig, "{\"op\":\"delete\",\"topic\":\"order/11\"}");
    settle(rig, 0);
    assert_int_equal(core_metrics(core)->topics, 8);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- sources and demand ---- */

static void pass(struct rig *rig, int64_t ms) {
    const int64_t mono_ms = rig->mono_ms += ms;
    core_set_time(rig->first, NOW + mono_ms, mono_ms);
    core_tick(rig->first);
    for (size_t i = 0; i < FOLLOWERS; i++) {
        core_set_time(rig->followers[i].core, NOW + mono_ms, mono_ms);
        core_tick(rig->followers[i].core);
    }
}

static struct session *greet_source(struct rig *rig, size_t index, const char *hello) {
    struct core *core = rig->followers[index].core;
    struct session *session = session_open(core, ENCODING_JSON, "p", NULL);
    assert_non_null(session);
    say(core, session, hello);
    assert_string_equal(hear_lines(core, session), ""); /* the ledger is asked first */
    settle(rig, index);
    return session;
}

static void a_source_at_a_follower_is_lost_like_any(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *source = greet_source(rig, 0, "{\"op\":\"hello\",\"source\":\"van-7\",\"grace_ms\":0}");
    assert_non_null(strstr(hear_lines(core, source), "\"op\":\"welcome\""));
    struct session *reader = greet(rig->followers[1].core);
    say(rig->followers[1].core, reader, "{\"op\":\"sub\",\"id\":1,\"match\":\"**\"}");
    say(core, source, "{\"op\":\"pub\",\"id\":1,\"changes\":[" SET("stock/a", "{}") "]}");
    settle(rig, 0);
    pass(rig, 1000);
    settle(rig, 0);
    assert_null(strstr(hear_lines(rig->followers[1].core, reader), "stale"));
    say(core, source, "{\"op\":\"pub\",\"id\":2,\"changes\":[" SET("stock/b", "{}") "]}");
    session_close(core, source); /* what it published before still is its own */
    settle(rig, 0);
    (void)hear_lines(rig->followers[1].core, reader);
    pass(rig, 1);
    settle(rig, 0);
    const char *told = hear_lines(rig->followers[1].core, reader);
    assert_non_null(strstr(told, "\"ref\":1,\"at\":7,\"stale\":true}"));
    assert_non_null(strstr(told, "\"ref\":2,\"at\":7,\"stale\":true}"));
    assert_int_equal(core_metrics(rig->first)->sources, 0);
}

static void one_that_is_gone_before_it_was_let_in_leaves(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *session = session_open(core, ENCODING_MSGPACK, "p", NULL);
    say(core, session,
        "\x82\xa2op\xa5hello\xa6source\xa1"
        "a");
    session_close(core, session);
    settle(rig, 0);
    assert_int_equal(core_metrics(rig->first)->sources, 1);
    settle(rig, 0);
    assert_int_equal(core_metrics(rig->first)->sources, 0);
}

static void the_ledger_alone_says_how_many_sources_there_may_be(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    const char *reason = NULL;
    for (int i = 0; i < 3; i++) {
        char hello[64];
        (void)snprintf(hello, sizeof hello, "{\"op\":\"hello\",\"source\":\"s%d\"}", i);
        struct session *session = greet_source(rig, 0, hello);
        const char *told = hear_lines(core, session);
        if (i < 2) {
            assert_non_null(strstr(told, "welcome"));
        } else {
            assert_non_null(strstr(told, "\"code\":\"too_many\""));
            assert_int_equal(session_close_code(session, &reason), AHORA_CLOSE_TOO_MANY);
        }
    }
}

static void demand_of_all_cores_is_told_at_each(void **state) {
    struct rig *rig = *state;
    struct core *core = rig->followers[0].core;
    struct session *here = greet(core);
    struct session *there = greet(rig->first);
    say(core, here, "{\"op\":\"sub\",\"id\":1,\"match\":\"order/*\",\"every_ms\":500}");
    say(rig->first, there, "{\"op\":\"sub\",\"id\":1,\"match\":\"order/*\",\"every_ms\":300}");
    settle(rig, 0);
    settle(rig, 0);
    struct session *producer = greet(core);
    say(core, producer, "{\"op\":\"sub\",\"id\":1,\"match\":\"$demand/**\"}");
    assert_string_equal(hear_lines(core, producer), "");
    settle(rig, 0);
    const char *told = hear_lines(core, producer);
    const char *document = strstr(told, "\"data\":{\"subscribers\":2,\"every_ms\":300,");
    assert_true(document != NULL && strstr(document, "\"op\":\"live\"") != NULL); /* before it is live */
    session_close(rig->first, there);
    settle(rig, 0);
    pass(rig, 2000);
    settle(rig, 0);
    assert_non_null(strstr(hear_lines(core, producer), "\"data\":{\"subscribers\":1,\"every_ms\":500,"));
    pass(rig, 60000);
    settle(rig, 0);
    assert_int_equal(core_metrics(rig->first)->demand_awake, 1);
    session_close(core, producer);
    settle(rig, 0);
    settle(rig, 0);
    pass(rig, 1);
    pass(rig, 60000);
    settle(rig, 0);
    assert_int_equal(core_metrics(rig->first)->demand_awake, 0);
    say(core, here, "{\"op\":\"get\",\"id\":2,\"match\":\"$demand/**\"}");
    settle(rig, 0);
    assert_non_null(strstr(hear_lines(core, here), "\"data\":{\"subscribers\":1,\"every_ms\":500,"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_follower_shows_its_own_sessions_what_the_ledger_changed),
        CASE(several_batches_are_shown_in_one_turn),
        CASE(what_a_follower_still_shows_outlives_its_replacement),
        CASE(a_token_of_one_core_resumes_at_another),
        CASE(an_answer_waits_for_no_follower),
        CASE(a_token_that_another_core_gave_first_waits_for_its_turn),
        CASE(who_publishes_reads_what_it_published),
        CASE(an_answer_to_nobody_is_harmless),
        CASE(mail_that_is_never_answered_is_freed),
        CASE(a_feed_holds_everything_with_removals_in_order),
        CASE(a_source_at_a_follower_is_lost_like_any),
        CASE(one_that_is_gone_before_it_was_let_in_leaves),
        CASE(the_ledger_alone_says_how_many_sources_there_may_be),
        CASE(demand_of_all_cores_is_told_at_each),
    };
    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
