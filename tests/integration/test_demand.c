/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Demand as docs/protocol.md tells it: what a producer hears of who follows what, in both encodings, over HTTP and Server-Sent
   Events, and through a kill. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/scene.h"

/* Waits for a document of that pattern with so many subscribers and that pace (subscribers 0: for its removal). */
static void wait_told(struct wire *producer, const char *pattern, int subscribers, int every_ms) {
    char topic[300];
    snprintf(topic, sizeof topic, "$demand/%s", pattern);
    for (bool told = false; !told;) {
        json_t *message = scene_hear(producer);
        const json_t *data = json_object_get(message, "data");
        const bool ours = strcmp(wire_text(message, "topic"), topic) == 0;
        if (ours && subscribers == 0) {
            told = strcmp(wire_text(message, "op"), "remove") == 0 && strcmp(wire_text(message, "why"), "deleted") == 0;
        } else if (ours && data != NULL) {
            told = scene_int(data, "subscribers") == subscribers && scene_int(data, "every_ms") == every_ms &&
                   scene_int(data, "since_at") > 0;
        }
        json_decref(message);
    }
}

static void follow_demand(struct wire *producer, const char *match) {
    scene_say(producer, "{'op':'sub','id':1,'match':'%s'}", match);
    json_decref(scene_hear_op(producer, "subscribed"));
}

static void a_producer_hears_who_follows_what(void **state) {
    scene_configure("DEMAND_LINGER_MS", "200");
    scene_configure("DEMAND_EVERY_MS", "50");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire producer;
        struct wire reader;
        struct wire other;
        scene_open(&producer, broker, codec);
        scene_open(&reader, broker, codec);
        scene_open(&other, broker, codec);
        follow_demand(&producer, "$demand/service/**");
        scene_say(&reader, "{'op':'sub','id':1,'match':['service/courier/**','stock/1/*'],'every_ms':1000}");
        wait_told(&producer, "service/courier/**", 1, 1000);
        scene_say(&other, "{'op':'sub','id':1,'match':'service/courier/**','every_ms':250}");
        wait_told(&producer, "service/courier/**", 2, 250);
        wire_fini(&other);
        wait_told(&producer, "service/courier/**", 1, 1000);
        wire_fini(&reader);
        wait_told(&producer, "service/courier/**", 0, 0);
        wire_fini(&producer);
    }
}

static void stars_and_writers_do_not_reach_it(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire producer;
        struct wire reader;
        scene_open(&producer, broker, codec);
        scene_open(&reader, broker, codec);
        scene_say(&reader, "{'op':'sub','id':1,'match':['**','*/**','*/order/*']}");
        json_decref(scene_hear_op(&reader, "live"));
        follow_demand(&producer, "$demand/**");
        wait_told(&producer, "**", 1, 0);
        scene_say(&reader, "{'op':'pub','id':7,'ack':'none','changes':[{'op':'set','topic':'order/last','data':{}}]}");
        for (bool last = false; !last;) {
            json_t *message = scene_hear(&reader);
            const char *topic = wire_text(message, "topic");
            assert_true(strncmp(topic, "$demand", 7) != 0);
            last = strcmp(topic, "order/last") == 0;
            json_decref(message);
        }
        wire_fini(&producer);
        wire_fini(&reader);
        scene_open(&reader, broker, codec);
        scene_refuse(&reader, "bad_topic", "{'op':'set','topic':'$demand/order/a','data':{}}");
        scene_refuse(&reader, "bad_topic", "{'op':'delete','topic':'$demand/**'}");
        json_t *error = scene_ask(&reader, "{'op':'sub','id':3,'match':'$supply/**'}");
        assert_string_equal(wire_text(error, "code"), "bad_pattern");
        json_decref(error);
        wire_fini(&reader);
    }
    scene_problem(broker, "PUT", "/v1/topics/$demand/order/a", "Content-Type: application/json\r\n", "{}", 400, "bad_topic");
}

/* What GET /v1/topics lists of demand: how many, and the subscribers of the first. */
static size_t list_demand(const struct broker_process *broker, const char *match, int64_t *subscribers) {
    char target[128];
    struct http_response response;
    snprintf(target, sizeof target, "/v1/topics?match=%s", match);
    assert_int_equal(scene_http(broker, "GET", target, NULL, NULL, &response), 200);
    json_t *page = http_response_json(&response);
    const json_t *items = json_object_get(page, "items");
    const size_t count = json_array_size(items);
    *subscribers = count == 0 ? 0 : scene_int(json_object_get(json_array_get(items, 0), "data"), "subscribers");
    json_decref(page);
    http_response_fini(&response);
    return count;
}

static void one_who_only_looks_sees_what_is(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire readers[3];
    int64_t subscribers = 0;
    for (int i = 0; i < 3; i++) {
        scene_open(&readers[i], broker, CODEC_MSGPACK);
        scene_say(&readers[i], "{'op':'sub','id':1,'match':'order/*'}");
        json_decref(scene_hear_op(&readers[i], "live"));
    }
    assert_true(scene_metric(broker, "ahora_seq") == 0); /* nobody asked so far */
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (list_demand(broker, "$demand/**", &subscribers) != 1 ||
           subscribers != 3) { /* one of several shards asks the ledger first */
        scene_sleep(10);
        assert_true(scene_clock_ms() < deadline_ms);
    }
    assert_int_equal(list_demand(broker, "$demand/stock/*", &subscribers), 0);
    json_t *snapshot = scene_ask(&readers[0], "{'op':'get','id':5,'match':'$demand/order/*'}");
    assert_int_equal(json_array_size(json_object_get(snapshot, "items")), 1);
    json_decref(snapshot);
    for (int i = 0; i < 3; i++) {
        wire_fini(&readers[i]);
    }
}

static void an_event_stream_counts_and_tells(void **state) {
    scene_configure("DEMAND_LINGER_MS", "100");
    struct broker_process *broker = scene_start(state);
    static const char request[] = "GET /v1/stream?match=order/1&every_ms=750 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct wire producer;
    scene_open(&producer, broker, CODEC_JSON);
    follow_demand(&producer, "$demand/order/*");
    int fd = http_connect(broker->port, 0);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    wait_told(&producer, "order/1", 1, 750);
    close(fd);
    wait_told(&producer, "order/1", 0, 0);
    wire_fini(&producer);
}

static void readers_that_come_back_after_a_kill_were_never_gone(void **state) {
    scene_configure("DEMAND_LINGER_MS", "1h"); /* the kill itself must not end it */
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire producer;
        struct wire reader;
        scene_open(&producer, broker, codec);
        scene_open(&reader, broker, codec);
        follow_demand(&producer, "$demand/**");
        scene_say(&reader, "{'op':'sub','id':1,'match':'room/hotel-%d/*'}", (int)codec);
        char pattern[64];
        snprintf(pattern, sizeof pattern, "room/hotel-%d/*", (int)codec);
        wait_told(&producer, pattern, 1, 0);
        json_t *pong = scene_ask(&producer, "{'op':'unsub','id':1}");
        json_decref(pong);
        const long long seq = (long long)scene_metric(broker, "ahora_seq");
        wire_fini(&producer);
        broker_process_kill(broker);
        wire_fini(&reader);
        assert_true(broker_process_start(broker, NULL));
        assert_true(wire_open(&producer, broker->port, codec));
        scene_say(&producer, "{'op':'hello'}");
        json_t *welcome = scene_hear_op(&producer, "welcome");
        scene_say(&producer, "{'op':'sub','id':1,'match':'$demand/**','since':'%s-%lld'}", wire_text(welcome, "epoch"), seq);
        json_decref(welcome);
        json_t *subscribed = scene_hear_op(&producer, "subscribed");
        assert_true(scene_bool(subscribed, "resumed"));
        json_decref(subscribed);
        json_t *live = scene_hear(&producer); /* nothing changed meanwhile */
        assert_string_equal(wire_text(live, "op"), "live");
        json_decref(live);
        scene_open(&reader, broker, codec);
        scene_say(&reader, "{'op':'sub','id':1,'match':'%s','every_ms':40}", pattern);
        wait_told(&producer, pattern, 1, 40);
        wire_fini(&reader);
        wire_fini(&producer);
    }
}

static void a_flapping_crowd_does_not_flood(void **state) {
    scene_configure("DEMAND_RATE_MAX", "20");
    scene_configure("DEMAND_LINGER_MS", "0");
    struct broker_process *broker = scene_start(state);
    struct wire producer;
    struct wire crowd;
    scene_open(&producer, broker, CODEC_MSGPACK);
    scene_open(&crowd, broker, CODEC_MSGPACK);
    follow_demand(&producer, "$demand/**");
    const int64_t began_ms = scene_clock_ms();
    for (int i = 0; i < 3000; i++) {
        json_decref(scene_ask(&crowd, "{'op':'sub','id':1,'match':'stock/%d/*'}", i));
        json_decref(scene_hear_op(&crowd, "live"));
        json_decref(scene_ask(&crowd, "{'op':'unsub','id':1}"));
    }
    const double seconds = (double)(scene_clock_ms() - began_ms) / 1000;
    const double changes = scene_metric(broker, "ahora_demand_changes_total");
    assert_true(changes <= 20 * (seconds + 2)); /* a bucket of one second, and one being filled */
    wire_fini(&crowd);
    wire_fini(&producer);
}

static void the_client_shows_it(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire reader;
    struct bytes out = {0};
    scene_open(&reader, broker, CODEC_JSON);
    scene_say(&reader, "{'op':'sub','id':1,'match':'order/*','every_ms':300}");
    json_decref(scene_hear_op(&reader, "live"));
    assert_int_equal(
        scene_run(&out, "%s sub -s http://127.0.0.1:%u '$demand/**' --until-live", scene_client_path(), broker->port), 0);
    assert_non_null(strstr(bytes_text(&out), "\"topic\":\"$demand/order/*\""));
    assert_non_null(strstr(bytes_text(&out), "\"subscribers\":1,\"every_ms\":300"));
    bytes_fini(&out);
    wire_fini(&reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_producer_hears_who_follows_what),
        CASE(stars_and_writers_do_not_reach_it),
        CASE(one_who_only_looks_sees_what_is),
        CASE(an_event_stream_counts_and_tells),
        CASE(readers_that_come_back_after_a_kill_were_never_gone),
        CASE(a_flapping_crowd_does_not_flood),
        CASE(the_client_shows_it),
    };
    return cmocka_run_group_tests_name("demand", tests, NULL, NULL);
}
