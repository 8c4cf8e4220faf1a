/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Freshness, expiry and sources as docs/protocol.md tells them: over WebSocket in both encodings, HTTP and Server-Sent Events,
   through kills and restarts. Deadlines are real, so nothing is said of how long they take: what must come is waited for, and
   what must not come has a deadline of hours. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/scene.h"

/* The next set, patch or remove. The caller owns it. */
static json_t *hear_data(struct wire *wire) {
    for (;;) {
        json_t *message = scene_hear(wire);
        const char *op = wire_text(message, "op");
        if (strcmp(op, "set") == 0 || strcmp(op, "patch") == 0 || strcmp(op, "remove") == 0) {
            return message;
        }
        json_decref(message);
    }
}

static void follow(struct wire *wire, const char *match) {
    scene_say(wire, "{'op':'sub','id':1,'match':'%s'}", match);
    json_decref(scene_hear_op(wire, "live"));
}

static bool is_stale(const json_t *object) {
    return json_is_true(json_object_get(object, "stale"));
}

/* Waits until the topic is stale over HTTP. */
static void wait_stale(const struct broker_process *broker, const char *topic) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (bool stale = false; !stale; scene_sleep(10)) {
        json_t *document = scene_get(broker, topic);
        assert_non_null(document);
        stale = is_stale(document);
        json_decref(document);
        assert_true(scene_clock_ms() < deadline_ms);
    }
}

static void wait_gone(const struct broker_process *broker, const char *topic) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (json_t *document; (document = scene_get(broker, topic)) != NULL; scene_sleep(10)) {
        json_decref(document);
        assert_true(scene_clock_ms() < deadline_ms);
    }
}

/* ---- freshness and expiry ---- */

static void a_broken_promise_is_pushed_and_renewed(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire reader;
        struct wire writer;
        scene_open(&reader, broker, codec);
        scene_open(&writer, broker, codec);
        follow(&reader, "stock/*");
        int64_t seq = scene_apply(&writer, "{'op':'set','topic':'stock/a','data':{'available':3},'at':5,'fresh_ms':150}");
        json_t *message = hear_data(&reader);
        int64_t ref = scene_int(message, "ref");
        assert_false(is_stale(message));
        json_decref(message);
        message = hear_data(&reader);
        assert_string_equal(wire_text(message, "op"), "patch");
        assert_int_equal(scene_int(message, "ref"), ref);
        assert_int_equal(scene_int(message, "at"), 5);
        assert_true(is_stale(message) && scene_int(message, "seq") > seq);
        assert_null(json_object_get(message, "data"));
        seq = scene_int(message, "seq");
        json_decref(message);
        scene_refuse(&writer, "conflict", "{'op':'touch','topic':'stock/a','if_seq':%lld}", (long long)(seq - 1));
        int64_t renewed =
            scene_apply(&writer, "{'op':'touch','topic':'stock/a','fresh_ms':7200000,'if_seq':%lld}", (long long)seq);
        message = hear_data(&reader);
        assert_string_equal(wire_text(message, "op"), "patch");
        assert_int_equal(scene_int(message, "seq"), renewed);
        assert_false(is_stale(message));
        json_decref(message);
        json_decref(scene_change(&writer, "{'op':'delete','topic':'stock/a'}"));
        wire_fini(&reader);
        wire_fini(&writer);
    }
    assert_true(scene_metric(broker, "ahora_stale_total") == 2);
}

static void every_way_of_reading_shows_stale(void **state) {
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    char etag[80];
    char condition[128];
    assert_int_equal(scene_http(broker, "POST", "/v1/publish", "Content-Type: application/json\r\n",
                                "{\"changes\":[{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{\"n\":1},\"fresh_ms\":1}]}",
                                &response),
                     200);
    http_response_fini(&response);
    wait_stale(broker, "order/1");
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        json_t *snapshot = scene_ask(&wire, "{'op':'get','id':1,'match':'order/1'}");
        assert_true(is_stale(json_array_get(json_object_get(snapshot, "items"), 0)));
        json_decref(snapshot);
        scene_say(&wire, "{'op':'sub','id':2,'match':'order/1'}");
        json_t *message = hear_data(&wire);
        assert_true(is_stale(message));
        json_decref(message);
        wire_fini(&wire);
    }
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=order/*", NULL, NULL, &response), 200);
    json_t *page = http_response_json(&response);
    assert_true(is_stale(json_array_get(json_object_get(page, "items"), 0)));
    json_decref(page);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=order/*", "Accept: application/x-ndjson\r\n", NULL, &response),
                     200);
    page = http_response_json(&response);
    assert_true(is_stale(page));
    json_decref(page);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "GET", "/v1/topics/order/1", NULL, NULL, &response), 200);
    assert_true(http_response_header(&response, "ETag", etag, sizeof etag));
    http_response_fini(&response);
    snprintf(condition, sizeof condition, "If-None-Match: %s\r\n", etag);
    assert_int_equal(scene_http(broker, "GET", "/v1/topics/order/1", condition, NULL, &response), 304);
    http_response_fini(&response);
}

static void an_event_stream_tells_of_stale_and_expired(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char request[] = "GET /v1/stream?match=room/** HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct http_reader reader;
    int fd = http_connect(broker->port, 0);
    assert_true(fd >= 0);
    http_reader_init(&reader);
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    scene_apply(&writer, "{'op':'set','topic':'room/1/a','data':{'n':1},'fresh_ms':50,'expire_ms':400}");
    for (bool done = false; !done;) {
        char block[4096];
        struct pollfd item = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
        ssize_t got = recv(fd, block, sizeof block, 0);
        assert_true(got > 0);
        http_reader_feed(&reader, block, (size_t)got);
        struct bytes text = {0};
        bytes_append(&text, bytes_data(&reader.body), bytes_size(&reader.body));
        bytes_append(&text, "", 1);
        const char *stale = strstr(bytes_data(&text), "\"stale\":true");
        const char *gone = strstr(bytes_data(&text), "\"why\":\"expired\"");
        assert_true(gone == NULL || (stale != NULL && stale < gone));
        done = gone != NULL && strstr(gone, "\n\n") != NULL;
        bytes_fini(&text);
    }
    close(fd);
    http_reader_fini(&reader);
    wire_fini(&writer);
    assert_null(scene_get(broker, "room/1/a"));
    assert_true(scene_metric(broker, "ahora_expired_total") == 1);
}

static void the_operator_promises_for_a_kind(void **state) {
    scene_configure("FRESHNESS_FRESH_MS", "stock:100ms service:0");
    scene_configure("FRESHNESS_EXPIRE_MS", "room:100ms");
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_MSGPACK);
    scene_apply(&writer, "{'op':'set','topic':'stock/a','data':{}}");
    scene_apply(&writer, "{'op':'set','topic':'room/a','data':{}}");
    scene_apply(&writer, "{'op':'set','topic':'service/a','data':{}}");
    scene_refuse(&writer, "invalid", "{'op':'set','topic':'stock/b','data':{},'expire_ms':9007199254740991}");
    wait_stale(broker, "stock/a");
    wait_gone(broker, "room/a");
    assert_true(scene_metric(broker, "ahora_promises") == 0);
    wire_fini(&writer);
}

/* ---- restarts ---- */

static void a_promise_outlives_a_kill(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    scene_apply(&writer, "{'op':'set','topic':'stock/short','data':{},'fresh_ms':1200}");
    scene_apply(&writer, "{'op':'set','topic':'stock/gone','data':{},'fresh_ms':1,'expire_ms':1200}");
    scene_apply(&writer, "{'op':'set','topic':'stock/long','data':{},'fresh_ms':7200000,'expire_ms':7200000}");
    wait_stale(broker, "stock/gone");
    json_t *beat = scene_ask(&writer, "{'op':'sub','id':1,'match':'stock/*'}");
    json_decref(beat);
    json_t *live = scene_hear_op(&writer, "live");
    long long seq = (long long)scene_int(live, "seq");
    json_decref(live);
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/status", NULL, NULL, &response), 200);
    json_t *status = http_response_json(&response);
    char epoch[40];
    snprintf(epoch, sizeof epoch, "%s", wire_text(status, "epoch"));
    json_decref(status);
    http_response_fini(&response);
    broker_process_kill(broker);
    wire_fini(&writer);
    scene_sleep(1300); /* both end while nobody is there to see it */
    assert_true(broker_process_start(broker, NULL));
    FOR_BOTH(codec) {
        struct wire reader;
        scene_open(&reader, broker, codec);
        scene_say(&reader, "{'op':'sub','id':1,'match':'stock/*','since':'%s-%lld'}", epoch, seq);
        json_t *subscribed = scene_hear_op(&reader, "subscribed");
        assert_true(scene_bool(subscribed, "resumed"));
        json_decref(subscribed);
        bool stale = false;
        bool gone = false;
        while (!stale || !gone) {
            json_t *message = hear_data(&reader);
            const char *topic = wire_text(message, "topic");
            assert_string_not_equal(topic, "stock/long");
            stale |= strcmp(topic, "stock/short") == 0 && is_stale(message);
            gone |= strcmp(topic, "stock/gone") == 0 && strcmp(wire_text(message, "why"), "expired") == 0;
            json_decref(message);
        }
        wire_fini(&reader);
    }
    json_t *document = scene_get(broker, "stock/long");
    assert_false(is_stale(document));
    json_decref(document);
}

/* ---- sources ---- */

static void open_source(struct wire *wire, const struct broker_process *broker, enum codec codec, const char *hello) {
    assert_true(wire_open(wire, broker->port, codec));
    scene_say(wire, "%s", hello);
    json_decref(scene_hear_op(wire, "welcome"));
}

static void a_lost_source_takes_its_documents_with_it(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire van;
        struct wire bus;
        struct wire reader;
        struct wire writer;
        scene_open(&reader, broker, codec);
        scene_open(&writer, broker, codec);
        follow(&reader, "**");
        open_source(&van, broker, codec, "{'op':'hello','source':'van-7','grace_ms':0}");
        open_source(&bus, broker, codec, "{'op':'hello','source':'bus-1','grace_ms':0,'on_lost':'delete'}");
        scene_apply(&van, "{'op':'set','topic':'service/van','data':{}}");
        scene_apply(&van, "{'op':'set','topic':'service/kept','data':{}}");
        scene_apply(&writer, "{'op':'set','topic':'service/kept','data':{},'at':9}");
        for (int i = 0; i < 3; i++) {
            json_decref(hear_data(&reader));
        }
        wire_fini(&van);
        json_t *message = hear_data(&reader);
        assert_true(is_stale(message));
        json_decref(message);
        scene_apply(&bus, "{'op':'set','topic':'service/bus','data':{}}");
        json_decref(hear_data(&reader));
        wire_fini(&bus);
        message = hear_data(&reader);
        assert_string_equal(wire_text(message, "topic"), "service/bus");
        assert_string_equal(wire_text(message, "why"), "expired");
        json_decref(message);
        json_t *document = scene_get(broker, "service/kept");
        assert_false(is_stale(document));
        json_decref(document);
        scene_apply(&writer, "{'op':'delete','topic':'service/van'}");
        scene_apply(&writer, "{'op':'delete','topic':'service/kept'}");
        wire_fini(&reader);
        wire_fini(&writer);
    }
    assert_true(scene_metric(broker, "ahora_lost_total") == 4);
    assert_true(scene_metric(broker, "ahora_sources") == 0);
}

static void a_source_is_remembered_through_a_kill(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire van;
    struct wire bus;
    open_source(&van, broker, CODEC_JSON, "{'op':'hello','source':'van-7','grace_ms':0}");
    open_source(&bus, broker, CODEC_MSGPACK, "{'op':'hello','source':'bus-1','grace_ms':7200000}");
    scene_apply(&van, "{'op':'set','topic':'order/van','data':{}}");
    scene_apply(&bus, "{'op':'set','topic':'order/bus','data':{}}");
    broker_process_kill(broker);
    wire_fini(&van);
    wire_fini(&bus);
    assert_true(broker_process_start(broker, NULL));
    wait_stale(broker, "order/van");
    assert_true(scene_metric(broker, "ahora_sources") == 1);
    assert_true(scene_metric(broker, "ahora_lost_total") == 1);
    open_source(&bus, broker, CODEC_MSGPACK, "{'op':'hello','source':'bus-1','grace_ms':0}");
    wire_fini(&bus);
    wait_stale(broker, "order/bus");
}

static void hellos_that_are_wrong_are_refused(void **state) {
    scene_configure("LIMITS_SOURCES_MAX", "1");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        static const char *const hellos[] = {"{'op':'hello','source':'a/b'}", "{'op':'hello','source':''}",
                                             "{'op':'hello','source':'a','on_lost':'shrug'}",
                                             "{'op':'hello','source':'a','grace_ms':864000000000}"};
        for (size_t i = 0; i < sizeof hellos / sizeof hellos[0]; i++) {
            struct wire wire;
            assert_true(wire_open(&wire, broker->port, codec));
            scene_say(&wire, "%s", hellos[i]);
            scene_expect_error(&wire, "bad_message", 0);
            assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4400);
            wire_fini(&wire);
        }
        struct wire first;
        struct wire second;
        open_source(&first, broker, codec, "{'op':'hello','source':'a'}");
        assert_true(wire_open(&second, broker->port, codec));
        scene_say(&second, "{'op':'hello','source':'b'}");
        scene_expect_error(&second, "too_many", 0);
        assert_int_equal(wire_receive_close(&second, PATIENCE_MS), 4429);
        wire_fini(&second);
        wire_fini(&first);
        scene_wait_at_most(broker, "ahora_websockets", 0);
    }
}

/* ---- many at once ---- */

#define CROWD 20000
#define A_TURN 50

static void a_mass_expiry_leaves_room_for_live_changes(void **state) {
    scene_configure("LIMITS_DUE_CHANGES_MAX", "50");
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    struct wire reader;
    scene_open(&writer, broker, CODEC_MSGPACK);
    scene_open(&reader, broker, CODEC_MSGPACK);
    follow(&reader, "order/*");
    struct wire source;
    open_source(&source, broker, CODEC_MSGPACK, "{'op':'hello','source':'crowd','grace_ms':0,'on_lost':'delete'}");
    for (int i = 0; i < CROWD; i += 1000) {
        json_t *changes = json_array();
        for (int j = i; j < i + 1000; j++) {
            char topic[32];
            snprintf(topic, sizeof topic, "stock/%d", j);
            json_array_append_new(changes, json_pack("{s:s,s:s,s:{}}", "op", "set", "topic", topic, "data"));
        }
        json_t *message = json_pack("{s:s,s:i,s:o}", "op", "pub", "id", i + 1, "changes", changes);
        assert_true(wire_send_new(&source, message));
        json_decref(scene_hear_op(&source, "published"));
    }
    const double turns = scene_metric(broker, "ahora_turns_total");
    wire_fini(&source); /* all 20,000 at one moment */
    int between = 0;
    do {
        scene_apply(&writer, "{'op':'set','topic':'order/1','data':{'n':%d}}", between);
        json_decref(hear_data(&reader));
        between++;
    } while (scene_metric(broker, "ahora_lost_total") < CROWD);
    assert_true(scene_metric(broker, "ahora_due_turn_max") <= A_TURN);
    assert_true(scene_metric(broker, "ahora_turns_total") - turns >= (double)CROWD / A_TURN);
    assert_true(scene_metric(broker, "ahora_due") == 0);
    assert_true(scene_metric(broker, "ahora_topics") == 1);
    wire_fini(&writer);
    wire_fini(&reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_broken_promise_is_pushed_and_renewed),
        CASE(every_way_of_reading_shows_stale),
        CASE(an_event_stream_tells_of_stale_and_expired),
        CASE(the_operator_promises_for_a_kind),
        CASE(a_promise_outlives_a_kill),
        CASE(a_lost_source_takes_its_documents_with_it),
        CASE(a_source_is_remembered_through_a_kill),
        CASE(hellos_that_are_wrong_are_refused),
        CASE(a_mass_expiry_leaves_room_for_live_changes),
    };
    return cmocka_run_group_tests_name("fresh", tests, NULL, NULL);
}
