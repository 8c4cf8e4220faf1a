/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Tokens that the application gets for the client: when it is asked, what goes on meanwhile, and what a refusal does. */
#include "tests/unit/client_rig.h"

#include "clients/c/token.h"

/* {"alg":"HS256"} . {"exp":N} . x, without the padding. */
static char *token_of(const char *claims) {
    static char text[256];
    unsigned char encoded[200];
    int bytes = EVP_EncodeBlock(encoded, (const unsigned char *)claims, (int)strlen(claims));
    for (int i = 0; i < bytes; i++) {
        encoded[i] = encoded[i] == '+' ? '-' : encoded[i] == '/' ? '_' : encoded[i];
    }
    snprintf(text, sizeof(text), "eyJhbGciOiJIUzI1NiJ9.%.*s.x", (int)strcspn((const char *)encoded, "="), encoded);
    return text;
}

static void expiry_is_read_and_nonsense_has_none(void **state) {
    (void)state;
    assert_int_equal(token_expires_at(token_of("{\"exp\":1795000000}")), INT64_C(1795000000000));
    assert_int_equal(token_expires_at(token_of("{\"exp\":1795000000.5,\"sub\":\"a\"}")), INT64_C(1795000000500));
    static const char *const none[] = {"{\"sub\":\"a\"}", "{\"exp\":\"soon\"}", "[]", "{", "{\"exp\":-1}", "{\"exp\":1e300}"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(token_expires_at(token_of(none[i])), -1);
    }
    assert_int_equal(token_expires_at(""), -1);
    assert_int_equal(token_expires_at("a.b"), -1);
    assert_int_equal(token_expires_at("a.!!.c"), -1);
    assert_int_equal(token_expires_at(".."), -1);
}

static void start(struct rig *rig) {
    rig_init_asking(rig, AHORA_ENCODING_MSGPACK, 1 << 20, true);
}

static void welcome_at(struct rig *rig, int64_t now) {
    char text[256];
    rig_upgrade(rig);
    snprintf(text, sizeof(text),
             "{\"op\":\"welcome\",\"session\":\"s\",\"epoch\":\"E\",\"seq\":9,\"now\":%lld,\"beat_ms\":600000,\"limits\":{},"
             "\"server\":\"t\"}",
             (long long)now);
    rig_say(rig, text);
}

static void give(struct rig *rig, const char *token) {
    client_give_token(&rig->client, token);
    rig_settle(rig);
}

static void nothing_is_opened_before_there_is_a_token(void **state) {
    (void)state;
    struct rig rig;
    start(&rig);
    expect_events(&rig, "token wanted\n");
    assert_false(rig.opened);
    rig_wait(&rig, 100000); /* a user who types a password takes as long as it takes */
    expect_events(&rig, "");
    give(&rig, "first");
    assert_true(rig.opened);
    welcome_at(&rig, 1);
    expect_events(&rig, "connected\n");
    expect_heard(&rig, "{\"op\":\"hello\",\"token\":\"first\",\"client\":\"test/1\"}\n");
    rig_fini(&rig);
}

static void an_application_without_a_token_is_asked_again_later(void **state) {
    (void)state;
    struct rig rig;
    start(&rig);
    give(&rig, NULL);
    expect_events(&rig, "token wanted\nlost\n");
    assert_false(rig.opened);
    rig_wait(&rig, BACKOFF_LAST_MS);
    expect_events(&rig, "token wanted\n");
    rig_fini(&rig);
}

/* The broker's clock is years from ours; only differences on it count. */
static void it_is_renewed_in_time_by_the_clock_of_the_broker(void **state) {
    (void)state;
    struct rig rig;
    start(&rig);
    give(&rig, token_of("{\"exp\":2000000000}"));
    welcome_at(&rig, INT64_C(2000000000000) - 100000); /* 100 s before it ends */
    buffer_clear(&rig.events, 65536);
    buffer_clear(&rig.heard, 65536);
    rig_wait(&rig, 89000);
    expect_events(&rig, "");
    rig_wait(&rig, 2000);
    expect_events(&rig, "token wanted\n");
    give(&rig, token_of("{\"exp\":2000000100}"));
    char expected[400];
    snprintf(expected, sizeof(expected), "{\"op\":\"auth\",\"id\":1,\"token\":\"%s\"}\n", token_of("{\"exp\":2000000100}"));
    expect_heard(&rig, expected);
    rig_say(&rig, "{\"op\":\"ok\",\"id\":1}");
    rig_wait(&rig, 90000);
    expect_events(&rig, "");
    rig_wait(&rig, 9000);
    expect_events(&rig, "token wanted\n");
    assert_int_equal(rig.client.state, CLIENT_READY);
    rig_fini(&rig);
}

static void a_token_that_ended_while_away_is_not_tried(void **state) {
    (void)state;
    struct rig rig;
    start(&rig);
    give(&rig, token_of("{\"exp\":2000000000}"));
    welcome_at(&rig, INT64_C(2000000000000) - 100000);
    rig_cut(&rig);
    buffer_clear(&rig.events, 65536);
    rig_wait(&rig, 95000);
    expect_events(&rig, "token wanted\n");
    assert_false(rig.opened);
    rig_fini(&rig);
}

static void a_refused_token_is_asked_for_anew_with_growing_waits(void **state) {
    (void)state;
    struct rig rig;
    start(&rig);
    give(&rig, "bad");
    rig_upgrade(&rig);
    static const uint8_t closed[] = {4401 >> 8, 4401 & 0xff};
    rig_frame(&rig, 0x88, span_of(closed, 2));
    expect_events(&rig, "token wanted\nlost\n");
    assert_int_equal(rig.client.fault, AHORA_FAULT_TOKEN);
    assert_int_equal(rig.client.state, CLIENT_RESTING);
    rig_wait(&rig, BACKOFF_LAST_MS);
    expect_events(&rig, "token wanted\n");
    give(&rig, "good");
    welcome_at(&rig, 1);
    expect_events(&rig, "connected\n");
    rig_fini(&rig);
}

static void a_renewal_that_is_refused_opens_a_new_line_with_a_new_token(void **state) {
    (void)state;
    struct rig rig;
    start(&rig);
    give(&rig, "first");
    welcome_at(&rig, 1);
    give(&rig, "other"); /* unasked: another user */
    buffer_clear(&rig.events, 65536);
    rig_say(&rig, "{\"op\":\"error\",\"id\":1,\"code\":\"unauthorized\",\"detail\":\"no\"}");
    expect_events(&rig, "lost\n");
    rig_wait(&rig, BACKOFF_LAST_MS);
    expect_events(&rig, "token wanted\n");
    rig_fini(&rig);
}

static void without_a_callback_a_refusal_is_for_good(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, AHORA_ENCODING_JSON);
    rig_upgrade(&rig);
    static const uint8_t closed[] = {4401 >> 8, 4401 & 0xff};
    rig_frame(&rig, 0x88, span_of(closed, 2));
    expect_events(&rig, "stopped\n");
    rig_fini(&rig);
}

/* Taken in and sent away at once, again and again, with "come back in 0 ms": the first time it is believed. */
static void a_broker_that_wants_us_back_at_once_again_and_again_gets_growing_waits(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, AHORA_ENCODING_JSON);
    int64_t waited = 0;
    for (int i = 0; i < 20; i++) {
        rig_welcome(&rig, "E");
        rig_say(&rig, "{\"op\":\"bye\",\"reason\":\"shutdown\",\"retry_ms\":0}");
        rig_frame(&rig, 0x88, span_of(NULL, 0));
        int64_t wait = rig.client.retry_at - rig.now;
        assert_true(i > 0 || wait == 0);
        waited += wait;
        rig_wait(&rig, wait);
    }
    assert_true(waited > 20 * 1000);
    rig_fini(&rig);
}

static void what_is_held_is_stale_and_ages_while_the_line_is_lost(void **state) {
    (void)state;
    struct rig rig;
    struct ahora_item item;
    struct span topic = span_of_text("stock/a/x");
    rig_init(&rig, AHORA_ENCODING_JSON);
    struct ahora_sub *sub = rig_follow(&rig, "stock/a/*", NULL);
    assert_int_equal(client_sub_age_ms(sub, rig.now), -1);
    rig_welcome(&rig, "E");
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":1}}\n"
                  "{\"op\":\"live\",\"id\":1,\"seq\":10}");
    assert_true(client_sub_find_item(sub, topic, &item) && !item.stale);
    assert_int_equal(client_sub_age_ms(sub, rig.now), 0);
    rig_cut(&rig);
    assert_true(client_sub_find_item(sub, topic, &item) && item.stale);
    assert_int_equal(client_sub_age_ms(sub, rig.now + 4000), 4000);
    assert_false(client_sub_find_item(sub, span_of_text("stock/a/y"), &item));
    rig_fini(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiry_is_read_and_nonsense_has_none),
        cmocka_unit_test(nothing_is_opened_before_there_is_a_token),
        cmocka_unit_test(an_application_without_a_token_is_asked_again_later),
        cmocka_unit_test(it_is_renewed_in_time_by_the_clock_of_the_broker),
        cmocka_unit_test(a_token_that_ended_while_away_is_not_tried),
        cmocka_unit_test(a_refused_token_is_asked_for_anew_with_growing_waits),
        cmocka_unit_test(a_renewal_that_is_refused_opens_a_new_line_with_a_new_token),
        cmocka_unit_test(without_a_callback_a_refusal_is_for_good),
        cmocka_unit_test(a_broker_that_wants_us_back_at_once_again_and_again_gets_growing_waits),
        cmocka_unit_test(what_is_held_is_stale_and_ages_while_the_line_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
