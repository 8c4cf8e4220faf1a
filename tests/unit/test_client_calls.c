/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/unit/client_rig.h"

#define SET_X "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"data\":{}}"
#define SET_KEYED "{\"op\":\"set\",\"topic\":\"stock/a/x\",\"data\":{},\"key\":\"k1\"}"
#define PUB(id, changes) "{\"op\":\"pub\",\"id\":" id ",\"changes\":[" changes "]}\n"
#define HELLO "{\"op\":\"hello\",\"client\":\"test/1\"}\n"

static const uint8_t empty_map[] = {0x80};

static struct ahora_change change_of(const char *topic, const char *key) {
    return (struct ahora_change){
        .op = AHORA_SET, .topic = ahora_text(topic), .data = {empty_map, sizeof(empty_map)}, .key = ahora_text(key)};
}

static enum ahora_code publish(struct rig *rig, const char *topic, const char *key, unsigned count, enum ahora_ack ack) {
    struct ahora_change changes[4];
    enum ahora_code code;
    for (unsigned i = 0; i < count; i++) {
        changes[i] = change_of(topic, key);
    }
    client_publish(&rig->client, changes, count, false, ack, &code);
    rig_settle(rig);
    return code;
}

static void start(struct rig *rig, void **state) {
    rig_init(rig, *(const enum ahora_encoding *)*state);
    rig_welcome(rig, "E");
    buffer_clear(&rig->heard, 65536);
    buffer_clear(&rig->events, 65536);
}

static void come_back(struct rig *rig, const char *epoch) {
    rig_cut(rig);
    rig_wait(rig, BACKOFF_LAST_MS);
    rig_welcome(rig, epoch);
}

static void publishes_are_pipelined_and_answered_in_any_order(void **state) {
    struct rig rig;
    start(&rig, state);
    assert_int_equal(publish(&rig, "stock/a/x", NULL, 1, AHORA_ACK_DURABLE), AHORA_OK);
    assert_int_equal(publish(&rig, "stock/a/x", NULL, 2, AHORA_ACK_DURABLE), AHORA_OK);
    expect_heard(&rig, PUB("1", SET_X) PUB("2", SET_X "," SET_X));
    rig_say(&rig, "{\"op\":\"published\",\"id\":2,\"results\":[{\"seq\":5},{\"error\":{\"code\":\"conflict\",\"detail\":\"d\","
                  "\"seq\":9}}]}\n"
                  "{\"op\":\"published\",\"id\":1,\"results\":[{\"seq\":6}]}");
    expect_events(&rig, "published answered 5 conflict#9\npublished answered 6\n");
    rig_fini(&rig);
}

static void publishes_wait_for_the_welcome(void **state) {
    struct rig rig;
    rig_init(&rig, *(const enum ahora_encoding *)*state);
    publish(&rig, "stock/a/x", NULL, 1, AHORA_ACK_DURABLE);
    rig_upgrade(&rig);
    expect_heard(&rig, HELLO);
    rig_cut(&rig);
    expect_events(&rig, "lost\n");
    rig_wait(&rig, BACKOFF_LAST_MS);
    rig_welcome(&rig, "E");
    expect_heard(&rig, HELLO PUB("1", SET_X));
    rig_fini(&rig);
}

static void unanswered_publish_without_a_key_ends_unknown(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", NULL, 1, AHORA_ACK_DURABLE);
    buffer_clear(&rig.heard, 65536);
    come_back(&rig, "E");
    expect_events(&rig, "lost\npublished disconnected\nconnected\n");
    expect_heard(&rig, HELLO);
    rig_fini(&rig);
}

static void unanswered_publish_with_keys_goes_again(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", "k1", 1, AHORA_ACK_DURABLE);
    buffer_clear(&rig.heard, 65536);
    come_back(&rig, "E");
    expect_heard(&rig, HELLO PUB("1", SET_KEYED));
    rig_say(&rig, "{\"op\":\"published\",\"id\":1,\"results\":[{\"seq\":6}]}");
    expect_events(&rig, "lost\nconnected\npublished answered 6\n");
    rig_fini(&rig);
}

static void keys_do_not_cross_epochs(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", "k1", 1, AHORA_ACK_DURABLE);
    come_back(&rig, "F");
    expect_events(&rig, "lost\nconnected\npublished disconnected\n");
    rig_fini(&rig);
}

static void keys_are_not_trusted_for_longer_than_the_broker_keeps_them(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", "k1", 1, AHORA_ACK_DURABLE);
    rig_cut(&rig);
    rig.now += CLIENT_RESEND_MS;
    rig_wait(&rig, 0);
    rig_welcome(&rig, "E");
    expect_events(&rig, "lost\nconnected\npublished disconnected\n");
    rig_fini(&rig);
}

/* It was down, and comes back with a clock that is ahead of what it was: it has forgotten the keys. */
static void keys_grow_old_by_the_brokers_clock(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", "k1", 1, AHORA_ACK_DURABLE);
    rig.broker_now += CLIENT_RESEND_MS;
    come_back(&rig, "E");
    expect_events(&rig, "lost\nconnected\npublished disconnected\n");
    rig_fini(&rig);
}

/* Asked to wait, it still holds it when the line is lost once more; the epoch that comes then is what counts. */
static void keys_that_wait_to_go_again_do_not_cross_epochs(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", "k1", 1, AHORA_ACK_DURABLE);
    publish(&rig, "stock/b/x", NULL, 1, AHORA_ACK_DURABLE);
    rig_say(&rig, "{\"op\":\"published\",\"id\":2,\"results\":[{\"error\":{\"code\":\"overloaded\",\"detail\":\"d\","
                  "\"retry_ms\":500000}}]}");
    buffer_clear(&rig.events, 65536);
    come_back(&rig, "E");
    assert_int_equal(rig.client.call_count, 1);
    come_back(&rig, "F");
    assert_int_equal(rig.client.call_count, 0);
    expect_events(&rig, "lost\nconnected\nlost\nconnected\npublished disconnected\n");
    rig_fini(&rig);
}

static void publish_that_kills_the_line_is_given_up(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", "k1", 1, AHORA_ACK_DURABLE);
    for (unsigned i = 0; i < CLIENT_SENDS_MAX - 1; i++) {
        come_back(&rig, "E");
    }
    assert_int_equal(rig.client.call_count, 1);
    come_back(&rig, "E");
    assert_int_equal(rig.client.call_count, 0);
    rig_fini(&rig);
}

static void refused_message_refuses_each_of_its_changes(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", NULL, 2, AHORA_ACK_DURABLE);
    buffer_clear(&rig.heard, 65536);
    rig_say(&rig, "{\"op\":\"error\",\"id\":1,\"code\":\"overloaded\",\"detail\":\"d\",\"retry_ms\":300}");
    expect_events(&rig, "published answered overloaded#0 overloaded#0\n");
    publish(&rig, "stock/a/x", NULL, 1, AHORA_ACK_DURABLE);
    rig_wait(&rig, 299);
    expect_heard(&rig, "");
    rig_wait(&rig, 1);
    expect_heard(&rig, PUB("2", SET_X));
    rig_fini(&rig);
}

static void publish_that_wants_no_answer_ends_when_sent(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", NULL, 1, AHORA_ACK_NONE);
    expect_events(&rig, "published answered\n");
    assert_int_equal(rig.client.call_count, 0);
    rig_fini(&rig);
}

static void answer_that_fits_nothing_ends_the_line(void **state) {
    static const char *const answers[] = {
        "{\"op\":\"published\",\"id\":7,\"results\":[{\"seq\":6}]}",
        "{\"op\":\"published\",\"id\":1,\"results\":[{\"seq\":6},{\"seq\":7}]}",
        "{\"op\":\"published\",\"id\":1,\"results\":[]}",
        "{\"op\":\"snapshot\",\"id\":1,\"seq\":6,\"items\":[]}",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct rig rig;
        start(&rig, state);
        publish(&rig, "stock/a/x", NULL, 1, AHORA_ACK_DURABLE);
        rig_say(&rig, answers[i]);
        assert_int_equal(rig.drops, 1);
        assert_int_equal(rig.close_code, AHORA_CLOSE_BAD_MESSAGE);
        rig_fini(&rig);
    }
}

static void illegal_changes_are_not_queued(void **state) {
    static const uint8_t list[] = {0x90};
    static const uint8_t cut[] = {0x81};
    struct rig rig;
    start(&rig, state);
    struct ahora_change good = change_of("stock/a/x", NULL);
    struct ahora_change bad[] = {change_of("stock", NULL), good, good, good, good};
    bad[1].data = (struct ahora_bytes){list, sizeof(list)};
    bad[2].data = (struct ahora_bytes){cut, sizeof(cut)};
    bad[3].data = (struct ahora_bytes){0};
    bad[4].op = AHORA_DELETE;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum ahora_code code;
        assert_null(client_publish(&rig.client, &bad[i], 1, false, AHORA_ACK_DURABLE, &code));
        assert_int_equal(code, AHORA_INVALID);
    }
    rig_fini(&rig);
}

static void full_outbox_pushes_back_until_an_answer(void **state) {
    struct rig rig;
    unsigned queued = 0;
    start(&rig, state);
    while (publish(&rig, "stock/a/x", NULL, 4, AHORA_ACK_DURABLE) == AHORA_OK) {
        queued++;
        buffer_clear(&rig.heard, 65536);
        assert_true(queued < 1000);
    }
    assert_true(queued > 100);
    rig_say(&rig, "{\"op\":\"published\",\"id\":1,\"results\":[{\"seq\":1},{\"seq\":2},{\"seq\":3},{\"seq\":4}]}");
    assert_int_equal(publish(&rig, "stock/a/x", NULL, 4, AHORA_ACK_DURABLE), AHORA_OK);
    rig_fini(&rig);
}

static void stop_cancels_what_waits(void **state) {
    struct rig rig;
    start(&rig, state);
    publish(&rig, "stock/a/x", "k1", 1, AHORA_ACK_DURABLE);
    client_stop(&rig.client, "done");
    rig_settle(&rig);
    expect_events(&rig, "stopped\npublished cancelled\n");
    assert_int_equal(rig.close_code, AHORA_CLOSE_NORMAL);
    rig_fini(&rig);
}

static void get_is_asked_again_after_a_cut(void **state) {
    static const char *const match[] = {"stock/a/*"};
    enum ahora_code code;
    struct rig rig;
    start(&rig, state);
    assert_non_null(client_get(&rig.client, match, 1, 0, &code));
    rig_settle(&rig);
    buffer_clear(&rig.heard, 65536);
    come_back(&rig, "F");
    expect_heard(&rig, HELLO "{\"op\":\"get\",\"id\":1,\"match\":[\"stock/a/*\"]}\n");
    rig_say(&rig,
            "{\"op\":\"snapshot\",\"id\":1,\"seq\":6,\"items\":[{\"topic\":\"stock/a/x\",\"seq\":3,\"at\":1,\"data\":{}}]}");
    expect_events(&rig, "lost\nconnected\nsnapshot ok 1\n");
    rig_fini(&rig);
}

#define BOTH(scenario)                                                                                                         \
    {#scenario " (msgpack)", scenario, NULL, NULL, &encodings[0]}, {                                                           \
#scenario " (json)", scenario, NULL, NULL, &encodings[1]                                                               \
    }

int main(void) {
    static enum ahora_encoding encodings[] = {AHORA_ENCODING_MSGPACK, AHORA_ENCODING_JSON};
    const struct CMUnitTest tests[] = {
        BOTH(publishes_are_pipelined_and_answered_in_any_order),
        BOTH(publishes_wait_for_the_welcome),
        BOTH(unanswered_publish_without_a_key_ends_unknown),
        BOTH(unanswered_publish_with_keys_goes_again),
        BOTH(keys_do_not_cross_epochs),
        BOTH(keys_are_not_trusted_for_longer_than_the_broker_keeps_them),
        BOTH(keys_grow_old_by_the_brokers_clock),
        BOTH(keys_that_wait_to_go_again_do_not_cross_epochs),
        BOTH(publish_that_kills_the_line_is_given_up),
        BOTH(refused_message_refuses_each_of_its_changes),
        BOTH(publish_that_wants_no_answer_ends_when_sent),
        BOTH(answer_that_fits_nothing_ends_the_line),
        BOTH(illegal_changes_are_not_queued),
        BOTH(full_outbox_pushes_back_until_an_answer),
        BOTH(stop_cancels_what_waits),
        BOTH(get_is_asked_again_after_a_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
