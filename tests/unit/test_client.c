/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/unit/client_rig.h"

#define HELLO "{\"op\":\"hello\",\"client\":\"test/1\"}\n"

/* Every scenario runs in both encodings; the rig translates. */
static enum ahora_encoding encoding_of(void **state) {
    return *(const enum ahora_encoding *)*state;
}

/* Welcome, one subscription of every stock/a, two documents, live at 10. */
static struct ahora_sub *start_live(struct rig *rig, void **state) {
    rig_init(rig, encoding_of(state));
    struct ahora_sub *sub = rig_follow(rig, "stock/a/*", NULL);
    rig_welcome(rig, "E");
    rig_say(rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                 "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":1,\"m\":{\"k\":1}}}\n"
                 "{\"op\":\"set\",\"topic\":\"stock/a/y\",\"ref\":2,\"seq\":4,\"at\":7,\"data\":{\"n\":2}}\n"
                 "{\"op\":\"live\",\"id\":1,\"seq\":10}");
    expect_heard(rig, HELLO "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\"}\n");
    expect_events(rig, "connected\n1 subscribed whole\n1 set stock/a/x#3 {\"n\":1,\"m\":{\"k\":1}}\n"
                       "1 set stock/a/y#4 {\"n\":2}\n1 live 10\n");
    assert_int_equal(sub->state, AHORA_LIVE);
    return sub;
}

/* Waits for the next attempt and is welcomed. */
static void come_back(struct rig *rig, const char *epoch) {
    rig_wait(rig, BACKOFF_LAST_MS);
    rig_welcome(rig, epoch);
}

/* ---- following ---- */

static void patch_is_merged_into_what_is_held(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"patch\",\"ref\":1,\"seq\":11,\"at\":8,\"data\":{\"m\":{\"k\":null,\"l\":[1]},\"z\":true}}");
    expect_events(&rig, "1 patch stock/a/x#11 {\"n\":1,\"m\":{\"l\":[1]},\"z\":true}\n");
    rig_say(&rig, "{\"op\":\"patch\",\"ref\":1,\"seq\":12,\"at\":8,\"data\":{\"n\":null,\"m\":2}}");
    expect_events(&rig, "1 patch stock/a/x#12 {\"m\":2,\"z\":true}\n");
    rig_fini(&rig);
}

static void version_that_is_not_newer_is_not_told(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":99}}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":2,\"at\":7,\"data\":{\"n\":98}}\n"
                  "{\"op\":\"patch\",\"ref\":2,\"seq\":4,\"at\":7,\"data\":{\"n\":97}}\n"
                  "{\"op\":\"remove\",\"topic\":\"stock/a/x\",\"seq\":2,\"why\":\"deleted\"}\n"
                  "{\"op\":\"patch\",\"ref\":1,\"seq\":5,\"at\":7,\"data\":{\"o\":1}}");
    expect_events(&rig, "1 patch stock/a/x#5 {\"n\":1,\"m\":{\"k\":1},\"o\":1}\n");
    rig_fini(&rig);
}

static void staleness_is_told_without_a_new_version(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"patch\",\"ref\":2,\"seq\":4,\"at\":7,\"stale\":true}");
    expect_events(&rig, "1 patch stock/a/y#4 {\"n\":2} stale\n");
    rig_fini(&rig);
}

static void removal_is_told_once_with_its_reason(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"remove\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":11,\"why\":\"expired\"}\n"
                  "{\"op\":\"remove\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":11,\"why\":\"expired\"}");
    expect_events(&rig, "1 remove stock/a/x#11 expired\n");
    assert_int_equal(rig.client.replica.count, 1);
    rig_fini(&rig);
}

static void moved_circle_drops_the_token_until_it_is_live(void **state) {
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    const struct ahora_near near = {.lat = 1.5, .lon = 2.5, .radius_m = 100.5, .limit = 3};
    struct ahora_bytes where = {0};
    assert_int_equal(ahora_from_json("{\"n\":{\"gte\":1}}", &where, NULL), AHORA_OK);
    struct ahora_sub *sub = client_subscribe(
        &rig.client, &(struct ahora_view){.match = {"stock/a/*"}, .match_count = 1, .where = where, .near = &near});
    free((void *)(uintptr_t)where.data);
    assert_non_null(sub);
    rig_welcome(&rig, "E");
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":1}}\n"
                  "{\"op\":\"live\",\"id\":1,\"seq\":10}");
    expect_heard(&rig, HELLO "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\",\"where\":{\"n\":{\"gte\":1}},"
                             "\"near\":{\"lat\":1.5,\"lon\":2.5,\"radius_m\":100.5,\"limit\":3}}\n");
    assert_string_equal(client_sub_token(sub), "E-10");
    assert_true(client_move(sub, &(struct ahora_near){.lat = 1.5, .lon = 3.5, .radius_m = 100.5}));
    assert_false(client_move(sub, &(struct ahora_near){.lat = 91, .lon = 3.5, .radius_m = 100.5}));
    rig_settle(&rig);
    rig_say(&rig, "{\"op\":\"live\",\"id\":1,\"seq\":11}"); /* of the old circle */
    assert_string_equal(client_sub_token(sub), "");
    rig_say(&rig, "{\"op\":\"ok\",\"id\":1}\n{\"op\":\"beat\",\"seq\":12,\"now\":1}\n"
                  "{\"op\":\"remove\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"why\":\"left\"}");
    assert_string_equal(client_sub_token(sub), "");
    rig_say(&rig, "{\"op\":\"live\",\"id\":1,\"seq\":12}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":1}}");
    assert_string_equal(client_sub_token(sub), "E-12");
    expect_heard(&rig, "{\"op\":\"move\",\"id\":1,\"near\":{\"lat\":1.5,\"lon\":3.5,\"radius_m\":100.5,\"limit\":3}}\n");
    expect_events(&rig, "connected\n1 subscribed whole\n1 set stock/a/x#3 {\"n\":1}\n1 live 10\n"
                        "1 remove stock/a/x#3 left\n1 live 12\n1 set stock/a/x#3 {\"n\":1}\n");
    rig_cut(&rig);
    come_back(&rig, "E");
    expect_heard(&rig,
                 HELLO "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\",\"since\":\"E-12\",\"where\":{\"n\":{\"gte\":1}},"
                       "\"near\":{\"lat\":1.5,\"lon\":3.5,\"radius_m\":100.5,\"limit\":3}}\n");
    rig_fini(&rig);
}

static void ref_can_stand_for_another_topic_later(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"set\",\"topic\":\"stock/a/z\",\"ref\":1,\"seq\":11,\"at\":7,\"data\":{}}\n"
                  "{\"op\":\"patch\",\"ref\":1,\"seq\":12,\"at\":7,\"data\":{\"q\":1}}");
    expect_events(&rig, "1 set stock/a/z#11 {}\n1 patch stock/a/z#12 {\"q\":1}\n");
    rig_fini(&rig);
}

static void overlapping_subscriptions_each_hear_once(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_follow(&rig, "stock/**", NULL);
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":2,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"n\":1}}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/b/x\",\"ref\":3,\"seq\":5,\"at\":7,\"data\":{}}\n"
                  "{\"op\":\"live\",\"id\":2,\"seq\":10}\n"
                  "{\"op\":\"patch\",\"ref\":1,\"seq\":11,\"at\":7,\"data\":{\"m\":null}}");
    expect_events(&rig, "2 subscribed whole\n2 set stock/a/x#3 {\"n\":1,\"m\":{\"k\":1}}\n2 set stock/b/x#5 {}\n2 live 10\n"
                        "1 patch stock/a/x#11 {\"n\":1}\n2 patch stock/a/x#11 {\"n\":1}\n");
    rig_fini(&rig);
}

static void unsubscribed_topics_go_when_the_broker_agreed(void **state) {
    struct rig rig;
    struct ahora_sub *sub = start_live(&rig, state);
    client_unsubscribe(sub);
    rig_settle(&rig);
    expect_heard(&rig, "{\"op\":\"unsub\",\"id\":1}\n");
    rig_say(&rig, "{\"op\":\"patch\",\"ref\":1,\"seq\":11,\"at\":8,\"data\":{\"n\":5}}\n{\"op\":\"ok\",\"id\":1}");
    expect_events(&rig, "");
    assert_int_equal(rig.client.replica.count, 0);
    assert_int_equal(rig.drops, 0);
    rig_fini(&rig);
}

static void refused_subscription_is_not_tried_again_in_a_hurry(void **state) {
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    rig_follow(&rig, "stock/a/*", NULL);
    rig_welcome(&rig, "E");
    buffer_clear(&rig.heard, 65536);
    rig_say(&rig, "{\"op\":\"error\",\"id\":1,\"code\":\"too_many\",\"detail\":\"x\",\"retry_ms\":1}");
    rig_wait(&rig, CLIENT_SUB_AGAIN_MS_MIN - 1);
    expect_heard(&rig, "");
    rig_wait(&rig, 1);
    expect_heard(&rig, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\"}\n");
    rig_fini(&rig);
}

static void refused_subscription_is_tried_again_when_told_when(void **state) {
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    rig_follow(&rig, "stock/a/*", NULL);
    rig_follow(&rig, "room/a/*", NULL);
    rig_welcome(&rig, "E");
    buffer_clear(&rig.heard, 65536);
    rig_say(&rig, "{\"op\":\"error\",\"id\":1,\"code\":\"too_many\",\"detail\":\"x\",\"retry_ms\":500}\n"
                  "{\"op\":\"error\",\"id\":2,\"code\":\"forbidden\",\"detail\":\"x\"}");
    expect_events(&rig, "connected\n1 refused too_many\n2 refused forbidden\n");
    rig_wait(&rig, 499);
    expect_heard(&rig, "");
    rig_wait(&rig, 1);
    expect_heard(&rig, "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\"}\n");
    rig_fini(&rig);
}

/* ---- cuts ---- */

static void resumes_with_the_token_of_the_last_beat(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"beat\",\"seq\":15,\"now\":1}");
    rig_cut(&rig);
    expect_events(&rig, "lost\n1 behind\n");
    come_back(&rig, "E");
    expect_heard(&rig, HELLO "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\",\"since\":\"E-15\"}\n");
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":true}\n"
                  "{\"op\":\"remove\",\"topic\":\"stock/a/y\",\"seq\":17,\"why\":\"deleted\"}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":9,\"seq\":16,\"at\":7,\"data\":{\"n\":6}}\n"
                  "{\"op\":\"live\",\"id\":1,\"seq\":17,\"skipped\":2}");
    expect_events(&rig, "connected\n1 subscribed resumed\n1 remove stock/a/y#17 deleted\n1 set stock/a/x#16 {\"n\":6}\n"
                        "1 live 17 skipped\n");
    rig_fini(&rig);
}

static void token_of_the_caller_is_used_at_first(void **state) {
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    rig_follow(&rig, "stock/a/*", "E-5");
    rig_welcome(&rig, "E");
    expect_heard(&rig, HELLO "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\",\"since\":\"E-5\"}\n");
    rig_fini(&rig);
}

static void topics_missing_from_a_new_snapshot_are_removed_at_live(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_cut(&rig);
    come_back(&rig, "E");
    buffer_clear(&rig.events, 65536);
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/y\",\"ref\":1,\"seq\":4,\"at\":7,\"data\":{\"n\":2}}\n"
                  "{\"op\":\"live\",\"id\":1,\"seq\":20}");
    expect_events(&rig, "1 subscribed whole\n1 remove stock/a/x#20 unknown\n1 live 20\n");
    assert_int_equal(rig.client.replica.count, 1);
    rig_fini(&rig);
}

static void cut_within_a_snapshot_asks_for_the_whole_again(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_cut(&rig);
    come_back(&rig, "E");
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":12,\"at\":7,\"data\":{\"n\":5}}");
    rig_cut(&rig);
    buffer_clear(&rig.heard, 65536);
    buffer_clear(&rig.events, 65536);
    come_back(&rig, "E");
    expect_heard(&rig, HELLO "{\"op\":\"sub\",\"id\":1,\"match\":\"stock/a/*\"}\n");
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":12,\"at\":7,\"data\":{\"n\":5}}\n"
                  "{\"op\":\"live\",\"id\":1,\"seq\":20}");
    expect_events(&rig, "connected\n1 subscribed whole\n1 remove stock/a/y#20 unknown\n1 live 20\n");
    rig_fini(&rig);
}

static void new_epoch_makes_lower_seqs_news(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_cut(&rig);
    come_back(&rig, "F");
    buffer_clear(&rig.events, 65536);
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"ref\":1,\"seq\":1,\"at\":7,\"data\":{\"n\":7}}\n"
                  "{\"op\":\"live\",\"id\":1,\"seq\":2}");
    expect_events(&rig, "1 subscribed whole\n1 set stock/a/x#1 {\"n\":7}\n1 remove stock/a/y#2 unknown\n1 live 2\n");
    assert_string_equal(client_sub_token(rig.client.subs[0]), "F-2");
    rig_fini(&rig);
}

static void refs_do_not_outlive_the_connection(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_cut(&rig);
    come_back(&rig, "E");
    buffer_clear(&rig.events, 65536);
    rig_say(&rig, "{\"op\":\"patch\",\"ref\":1,\"seq\":30,\"at\":8,\"data\":{\"n\":5}}");
    expect_events(&rig, "lost\n");
    assert_int_equal(rig.close_code, AHORA_CLOSE_BAD_MESSAGE);
    rig_fini(&rig);
}

/* ---- the life of the line ---- */

static void bye_says_when_to_come_back(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"bye\",\"reason\":\"draining\",\"retry_ms\":7000}");
    rig_cut(&rig);
    rig_wait(&rig, 6999);
    assert_false(rig.opened);
    rig_wait(&rig, 1);
    assert_true(rig.opened);
    rig_fini(&rig);
}

static void bye_without_a_close_ends_too(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_say(&rig, "{\"op\":\"bye\",\"reason\":\"draining\",\"retry_ms\":0}");
    for (unsigned i = 0; i < 5; i++) {
        rig_wait(&rig, 999);
        assert_int_equal(rig.drops, 0);
        rig_say(&rig, "{\"op\":\"beat\",\"seq\":15,\"now\":1}");
    }
    rig_wait(&rig, 5);
    assert_int_equal(rig.drops, 1);
    rig_fini(&rig);
}

static void silence_of_two_beats_is_a_dead_line(void **state) {
    struct rig rig;
    start_live(&rig, state);
    rig_wait(&rig, 1999);
    rig_say(&rig, "{\"op\":\"beat\",\"seq\":15,\"now\":1}");
    assert_int_equal(client_deadline(&rig.client), rig.now + 2000);
    rig_wait(&rig, 1999);
    assert_int_equal(rig.drops, 0);
    rig_wait(&rig, 1);
    assert_int_equal(rig.drops, 1);
    expect_events(&rig, "lost\n1 behind\n");
    rig_fini(&rig);
}

static void opening_that_takes_too_long_is_given_up(void **state) {
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    rig_wait(&rig, CLIENT_OPEN_MS - 1);
    assert_int_equal(rig.drops, 0);
    rig_wait(&rig, 1);
    assert_int_equal(rig.drops, 1);
    rig_wait(&rig, BACKOFF_LAST_MS);
    rig_upgrade(&rig);
    rig_wait(&rig, CLIENT_OPEN_MS);
    assert_int_equal(rig.drops, 2);
    expect_events(&rig, "lost\nlost\n");
    rig_fini(&rig);
}

static void refused_token_is_not_tried_again(void **state) {
    static const char denied[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    static const uint8_t closed[] = {0x88, 2, 4401 >> 8, 4401 & 0xff};
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    client_on_connected(&rig.client, rig.now);
    rig_bytes(&rig, denied, sizeof(denied) - 1);
    expect_events(&rig, "stopped\n");
    assert_int_equal(client_deadline(&rig.client), INT64_MAX);
    rig_fini(&rig);
    rig_init(&rig, encoding_of(state));
    rig_welcome(&rig, "E");
    rig_bytes(&rig, closed, sizeof(closed));
    expect_events(&rig, "connected\nstopped\n");
    rig_fini(&rig);
}

static void other_refusals_are_tried_again(void **state) {
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    client_on_connected(&rig.client, rig.now);
    rig_bytes(&rig, busy, sizeof(busy) - 1);
    expect_events(&rig, "lost\n");
    rig_wait(&rig, 500);
    assert_true(rig.opened);
    rig_fini(&rig);
}

/* Whole seconds are the same for many, so within the next one they spread. */
static void a_refusal_may_say_when_to_come_back(void **state) {
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after:  7 \r\nContent-Length: 0\r\n\r\n";
    static const char dated[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n";
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    client_on_connected(&rig.client, rig.now);
    rig_bytes(&rig, busy, sizeof(busy) - 1);
    expect_events(&rig, "lost\n");
    assert_in_range(client_deadline(&rig.client) - rig.now, 7000, 7999);
    rig_wait(&rig, 6999);
    assert_false(rig.opened);
    rig_wait(&rig, 1000);
    assert_true(rig.opened);
    client_on_connected(&rig.client, rig.now);
    rig_bytes(&rig, dated, sizeof(dated) - 1); /* as if it had said nothing */
    assert_in_range(client_deadline(&rig.client) - rig.now, 0, 2000);
    rig_fini(&rig);
}

static void lines_that_never_hold_wait_longer(void **state) {
    struct rig rig;
    int64_t longest = 0;
    rig_init(&rig, encoding_of(state));
    for (unsigned i = 0; i < 40; i++) {
        rig_welcome(&rig, "E");
        rig_cut(&rig);
        int64_t wait = client_deadline(&rig.client) - rig.now;
        assert_true(wait <= BACKOFF_LAST_MS);
        longest = wait > longest ? wait : longest;
        rig_wait(&rig, wait);
        buffer_clear(&rig.heard, 65536);
    }
    assert_true(longest > 10000);
    rig_fini(&rig);
}

#define BOTH(scenario)                                                                                                         \
    {#scenario " (msgpack)", scenario, NULL, NULL, &encodings[0]}, {                                                           \
#scenario " (json)", scenario, NULL, NULL, &encodings[1]                                                               \
    }

/* ---- sources, staleness and demand ---- */

static void a_source_says_so_in_each_hello(void **state) {
    static const char hello[] =
        "{\"op\":\"hello\",\"client\":\"test/1\",\"source\":\"van-7\",\"on_lost\":\"delete\",\"grace_ms\":0}\n";
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    rig.client.options.source = strdup("van-7");
    rig.client.options.on_lost = AHORA_LOST_DELETE;
    rig.client.options.has_grace_ms = true;
    rig_welcome(&rig, "E");
    expect_heard(&rig, hello);
    rig_cut(&rig);
    come_back(&rig, "E");
    expect_heard(&rig, hello);
    rig_fini(&rig);
}

static void topics_of_the_brokers_own_are_followed(void **state) {
    struct rig rig;
    rig_init(&rig, encoding_of(state));
    rig_follow(&rig, "$demand/stock/**", NULL);
    rig_welcome(&rig, "E");
    rig_say(&rig, "{\"op\":\"subscribed\",\"id\":1,\"resumed\":false}\n"
                  "{\"op\":\"set\",\"topic\":\"$demand/stock/**\",\"ref\":1,\"seq\":3,\"at\":7,\"data\":{\"subscribers\":1}}\n"
                  "{\"op\":\"live\",\"id\":1,\"seq\":10}\n"
                  "{\"op\":\"remove\",\"topic\":\"$demand/stock/**\",\"ref\":1,\"seq\":11,\"why\":\"deleted\"}");
    expect_events(&rig, "connected\n1 subscribed whole\n1 set $demand/stock/**#3 {\"subscribers\":1}\n1 live 10\n"
                        "1 remove $demand/stock/**#11 deleted\n");
    rig_fini(&rig);
}

int main(void) {
    static enum ahora_encoding encodings[] = {AHORA_ENCODING_MSGPACK, AHORA_ENCODING_JSON};
    const struct CMUnitTest tests[] = {
        BOTH(patch_is_merged_into_what_is_held),
        BOTH(version_that_is_not_newer_is_not_told),
        BOTH(staleness_is_told_without_a_new_version),
        BOTH(removal_is_told_once_with_its_reason),
        BOTH(moved_circle_drops_the_token_until_it_is_live),
        BOTH(a_source_says_so_in_each_hello),
        BOTH(topics_of_the_brokers_own_are_followed),
        BOTH(ref_can_stand_for_another_topic_later),
        BOTH(overlapping_subscriptions_each_hear_once),
        BOTH(unsubscribed_topics_go_when_the_broker_agreed),
        BOTH(refused_subscription_is_tried_again_when_told_when),
        BOTH(refused_subscription_is_not_tried_again_in_a_hurry),
        BOTH(resumes_with_the_token_of_the_last_beat),
        BOTH(token_of_the_caller_is_used_at_first),
        BOTH(topics_missing_from_a_new_snapshot_are_removed_at_live),
        BOTH(cut_within_a_snapshot_asks_for_the_whole_again),
        BOTH(new_epoch_makes_lower_seqs_news),
        BOTH(refs_do_not_outlive_the_connection),
        BOTH(bye_says_when_to_come_back),
        BOTH(bye_without_a_close_ends_too),
        BOTH(silence_of_two_beats_is_a_dead_line),
        BOTH(opening_that_takes_too_long_is_given_up),
        BOTH(refused_token_is_not_tried_again),
        BOTH(other_refusals_are_tried_again),
        BOTH(a_refusal_may_say_when_to_come_back),
        BOTH(lines_that_never_hold_wait_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
