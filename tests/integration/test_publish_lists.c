/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Lists of changes, idempotency keys, acknowledgements, and many changes at once. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scene.h"

/* ---- lists ---- */

static void a_plain_list_applies_what_it_can(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        json_t *answer = scene_ask(&wire, "{'op':'pub','id':1,'changes':[{'op':'set','topic':'stock/l/1','data':{'v':1}},"
                                          "{'op':'set','topic':'stock','data':{}},{'op':'delete','topic':'stock/l/9'},"
                                          "{'op':'patch','topic':'stock/l/1','data':{'w':2}}]}");
        json_t *results = json_object_get(answer, "results");
        assert_int_equal(json_array_size(results), 4);
        int64_t seq = scene_int(json_array_get(results, 0), "seq");
        assert_string_equal(scene_code(json_array_get(results, 1)), "bad_topic");
        assert_string_equal(scene_code(json_array_get(results, 2)), "not_found");
        assert_int_equal(scene_int(json_array_get(results, 3), "seq"), seq + 1);
        json_decref(answer);
        assert_true(scene_holds(broker, "stock/l/1", "{'v':1,'w':2}"));
        wire_fini(&wire);
    }
}

static void an_atomic_list_applies_all_or_nothing(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (int night = 1; night <= 3; night++) {
            scene_apply(&wire, "{'op':'set','topic':'room/h/std/%d','data':{'booking_limit':%d}}", night, night == 2 ? 1 : 5);
        }
        int64_t last = 0;
        for (int attempt = 0; attempt < 2; attempt++) {
            json_t *answer = scene_ask(&wire, "{'op':'pub','id':1,'atomic':true,'changes':["
                                              "{'op':'adjust','topic':'room/h/std/1','data':{'booking_limit':-1}},"
                                              "{'op':'adjust','topic':'room/h/std/2','data':{'booking_limit':-1}},"
                                              "{'op':'adjust','topic':'room/h/std/3','data':{'booking_limit':-1}}]}");
            json_t *results = json_object_get(answer, "results");
            assert_int_equal(json_array_size(results), 3);
            for (size_t i = 0; i < 3; i++) {
                json_t *result = json_array_get(results, i);
                if (attempt == 0) {
                    assert_true(last == 0 || scene_int(result, "seq") == last + 1);
                    last = scene_int(result, "seq");
                } else {
                    assert_string_equal(scene_code(result), i == 1 ? "out_of_range" : "aborted");
                }
            }
            json_decref(answer);
        }
        assert_true(scene_holds(broker, "room/h/std/1", "{'booking_limit':4}"));
        assert_true(scene_holds(broker, "room/h/std/2", "{'booking_limit':0}"));
        assert_true(scene_holds(broker, "room/h/std/3", "{'booking_limit':4}"));
        assert_int_equal(scene_apply(&wire, "{'op':'touch','topic':'room/h/std/1'}"), last + 1);
        wire_fini(&wire);
    }
}

static void an_aborted_atomic_list_brings_back_what_it_made_and_removed(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        int64_t seq = scene_apply(&wire, "{'op':'set','topic':'room/back/1','data':{'v':1}}");
        json_t *answer =
            scene_ask(&wire, "{'op':'pub','id':1,'atomic':true,'changes':[{'op':'delete','topic':'room/back/1'},"
                             "{'op':'set','topic':'room/back/2','data':{}},{'op':'set','topic':'room/back/1','data':{}},"
                             "{'op':'delete','topic':'room/back/none'}]}");
        assert_string_equal(scene_code(json_array_get(json_object_get(answer, "results"), 3)), "not_found");
        assert_string_equal(scene_code(json_array_get(json_object_get(answer, "results"), 0)), "aborted");
        json_decref(answer);
        json_t *document = scene_get(broker, "room/back/1");
        assert_int_equal(scene_int(document, "seq"), seq);
        json_decref(document);
        assert_true(scene_holds(broker, "room/back/1", "{'v':1}"));
        assert_null(scene_get(broker, "room/back/2"));
        wire_fini(&wire);
    }
}

static void a_list_of_1000_is_taken_and_1001_is_refused_whole(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (int count = 1000; count <= 1001; count++) {
            json_t *changes = json_array();
            for (int i = 0; i < count; i++) {
                json_array_append_new(changes, scene_json("{'op':'set','topic':'service/n%d/%d','data':{}}", count, i));
            }
            assert_true(wire_send_new(&wire, json_pack("{s:s s:i s:o}", "op", "pub", "id", 2, "changes", changes)));
            if (count > 1000) {
                scene_expect_error(&wire, "bad_message", 2);
                break;
            }
            json_t *answer = scene_hear(&wire);
            assert_int_equal(json_array_size(json_object_get(answer, "results")), 1000);
            assert_true(scene_int(json_array_get(json_object_get(answer, "results"), 999), "seq") > 0);
            json_decref(answer);
        }
        assert_null(scene_get(broker, "service/n1001/0"));
        wire_fini(&wire);
    }
}

/* ---- idempotency, acks ---- */

#define SALE "{'op':'adjust','topic':'%s','data':{'available':-4},'key':'sale-%s'}"

static void a_key_used_again_returns_the_first_result_and_applies_nothing(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        char topic[64];
        snprintf(topic, sizeof topic, "stock/k/%s", codec_name(codec));
        scene_apply(&wire, "{'op':'set','topic':'%s','data':{'available':10}}", topic);
        int64_t seq = scene_apply(&wire, SALE, topic, codec_name(codec));
        assert_int_equal(scene_apply(&wire, SALE, topic, codec_name(codec)), seq);
        scene_apply(&wire, "{'op':'touch','topic':'%s'}", topic);
        wire_fini(&wire);
        scene_open(&wire, broker, codec); /* another session of the same principal */
        assert_int_equal(scene_apply(&wire, SALE, topic, codec_name(codec)), seq);
        assert_true(scene_holds(broker, topic, "{'available':6}"));
        scene_refuse(&wire, "out_of_range", "{'op':'adjust','topic':'%s','data':{'available':-9},'key':'no-%s'}", topic,
                     codec_name(codec));
        scene_apply(&wire, "{'op':'set','topic':'%s','data':{'available':100}}", topic);
        scene_apply(&wire, "{'op':'adjust','topic':'%s','data':{'available':-9},'key':'no-%s'}", topic, codec_name(codec));
        assert_true(scene_holds(broker, topic, "{'available':91}")); /* what was refused is tried anew */
        wire_fini(&wire);
    }
}

static void start_again_and_expect_the_sale(struct broker_process *broker, int64_t seq) {
    struct wire wire;
    assert_true(broker_process_start(broker, NULL));
    scene_open(&wire, broker, CODEC_JSON);
    assert_int_equal(scene_apply(&wire, "{'op':'adjust','topic':'stock/k/1','data':{'available':-4},'key':'sale'}"), seq);
    assert_true(scene_holds(broker, "stock/k/1", "{'available':6,'seen':true}"));
    wire_fini(&wire);
}

/* A later change hides the one with the key: from the journal after the kill, from the checkpoint after the stop. */
static void a_key_is_known_after_a_restart(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    scene_apply(&wire, "{'op':'set','topic':'stock/k/1','data':{'available':10}}");
    int64_t seq = scene_apply(&wire, "{'op':'adjust','topic':'stock/k/1','data':{'available':-4},'key':'sale'}");
    scene_apply(&wire, "{'op':'patch','topic':'stock/k/1','data':{'seen':true}}");
    wire_fini(&wire);
    broker_process_kill(broker);
    start_again_and_expect_the_sale(broker, seq);
    assert_int_equal(broker_process_term(broker), 0);
    start_again_and_expect_the_sale(broker, seq);
}

static void each_ack_mode_applies_and_none_says_nothing(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        static const char *const modes[] = {"durable", "applied"};
        for (int i = 0; i < 2; i++) {
            json_t *answer =
                scene_ask(&wire, "{'op':'pub','id':3,'ack':'%s','changes':[{'op':'set','topic':'stock/ack/%s','data':{}}]}",
                          modes[i], modes[i]);
            assert_string_equal(wire_text(answer, "op"), "published");
            json_decref(answer);
            assert_true(scene_holds(broker, "stock/ack/durable", "{}"));
        }
        scene_say(&wire, "{'op':'pub','id':3,'ack':'none','changes':[{'op':'set','topic':'stock/ack/%s','data':{'v':1}}]}",
                  codec_name(codec));
        scene_say(&wire,
                  "{'op':'pub','ack':'none','changes':[{'op':'patch','topic':'stock/ack/%s','data':{'w':2}},"
                  "{'op':'set','topic':'bad','data':{}}]}",
                  codec_name(codec));
        scene_expect_alive(&wire); /* the next word heard is the pong */
        char topic[64];
        snprintf(topic, sizeof topic, "stock/ack/%s", codec_name(codec));
        assert_true(scene_holds(broker, topic, "{'v':1,'w':2}"));
        wire_fini(&wire);
    }
}

/* The same on both ways in. */
static void a_list_with_something_that_is_no_change_is_refused_whole(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    scene_say(&wire, "{'op':'pub','id':1,'changes':[{'op':'set','topic':'order/1','data':{}},5]}");
    scene_expect_error(&wire, "bad_message", 1);
    scene_problem(broker, "POST", "/v1/publish", "Content-Type: application/json\r\n",
                  "{\"changes\":[{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{}},5]}", 400, "bad_message");
    assert_null(scene_get(broker, "order/1"));
    wire_fini(&wire);
}

/* ---- limits of publishing ---- */

static void publishing_faster_than_the_rate_is_rate_limited(void **state) {
    scene_configure("LIMITS_PUBLISH_RATE_MAX", "50");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        int refused = 0;
        for (int i = 0; i < 2000 && refused == 0; i++) {
            json_t *answer = scene_ask(
                &wire, "{'op':'pub','id':1,'ack':'applied','changes':[{'op':'set','topic':'order/r/%d','data':{}}]}", i);
            bool is_error = strcmp(wire_text(answer, "op"), "error") == 0;
            json_t *error = is_error ? answer : json_object_get(json_array_get(json_object_get(answer, "results"), 0), "error");
            if (error != NULL) {
                assert_string_equal(wire_text(error, "code"), "rate_limited");
                assert_true(scene_int(error, "retry_ms") > 0);
                char topic[64];
                snprintf(topic, sizeof topic, "order/r/%d", i);
                assert_true(codec == CODEC_MSGPACK || scene_get(broker, topic) == NULL);
                refused++;
            }
            json_decref(answer);
        }
        assert_int_equal(refused, 1);
        scene_expect_alive(&wire);
        wire_fini(&wire);
    }
}

static void more_topics_than_allowed_are_too_many(void **state) {
    scene_configure("LIMITS_TOPICS_MAX", "3");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    for (int i = 0; i < 3; i++) {
        scene_apply(&wire, "{'op':'set','topic':'order/%d','data':{}}", i);
    }
    scene_refuse(&wire, "too_many", "{'op':'set','topic':'order/3','data':{}}");
    scene_apply(&wire, "{'op':'set','topic':'order/2','data':{'v':2}}");
    scene_apply(&wire, "{'op':'delete','topic':'order/2'}");
    scene_apply(&wire, "{'op':'set','topic':'order/3','data':{}}");
    wire_fini(&wire);
}

static void publishing_while_draining_is_answered_draining(void **state) {
    scene_configure("DRAIN_DRAIN_MS", "3000");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    kill(broker->pid, SIGTERM);
    json_decref(scene_hear_op(&wire, "bye"));
    scene_say(&wire, "{'op':'pub','id':1,'changes':[{'op':'set','topic':'order/1','data':{}}]}");
    json_t *answer = wire_receive(&wire, PATIENCE_MS);
    if (answer != NULL) { /* it may have closed at once: then nothing was applied either */
        assert_string_equal(wire_text(answer, "code"), "draining");
        json_decref(answer);
    }
    wire_fini(&wire);
    assert_int_equal(scene_wait_end(broker), 0);
    assert_true(broker_process_start(broker, NULL));
    assert_null(scene_get(broker, "order/1"));
}

/* ---- many ---- */

#define PIPELINED 10000

static void ten_thousand_pipelined_publishes_are_answered_in_order(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        struct bytes payload = {0};
        int sent = 0;
        int64_t last = 0;
        for (int heard = 0; heard < PIPELINED;) {
            while (sent < PIPELINED && wire_unsent(&wire) < 65536) {
                json_t *message =
                    scene_json("{'op':'pub','id':%d,'changes':[{'op':'set','topic':'service/p/%d','data':{'i':%d}}]}", sent + 1,
                               sent % 100, sent);
                bytes_clear(&payload);
                codec_encode(codec, message, &payload);
                json_decref(message);
                wire_queue(&wire, bytes_data(&payload), bytes_size(&payload));
                sent++;
            }
            assert_true(wire_flush(&wire));
            json_t *answer = wire_receive(&wire, sent < PIPELINED ? 1 : PATIENCE_MS);
            if (answer == NULL) {
                assert_true(wire.fd >= 0 && sent < PIPELINED + 1);
                continue;
            }
            assert_string_equal(wire_text(answer, "op"), "published");
            assert_int_equal(scene_int(answer, "id"), ++heard);
            int64_t seq = scene_int(json_array_get(json_object_get(answer, "results"), 0), "seq");
            assert_true(seq > last);
            last = seq;
            json_decref(answer);
        }
        assert_true(scene_holds(broker, "service/p/99", "{'i':9999}"));
        bytes_fini(&payload);
        wire_fini(&wire);
    }
}

#define WRITERS 4
#define SALES 500

static void concurrent_adjusts_end_exactly_right(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wires[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        scene_open(&wires[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
    }
    int stock = WRITERS * SALES - 300; /* so that exactly 300 are refused at the floor */
    scene_apply(&wires[0], "{'op':'set','topic':'stock/c/1','data':{'available':%d,'sold':0}}", stock);
    for (int n = 0; n < SALES; n++) {
        for (int i = 0; i < WRITERS; i++) {
            scene_say(&wires[i],
                      "{'op':'pub','id':%d,'changes':[{'op':'adjust','topic':'stock/c/1',"
                      "'data':{'available':-1,'sold':1}}]}",
                      n + 1);
        }
    }
    int refused = 0;
    for (int n = 0; n < SALES; n++) {
        for (int i = 0; i < WRITERS; i++) {
            json_t *answer = scene_hear_op(&wires[i], "published");
            json_t *result = json_array_get(json_object_get(answer, "results"), 0);
            if (scene_code(result)[0] != '\0') {
                assert_string_equal(scene_code(result), "out_of_range");
                refused++;
            }
            json_decref(answer);
        }
    }
    assert_int_equal(refused, 300);
    assert_true(scene_holds(broker, "stock/c/1", "{'available':0,'sold':%d}", stock));
    for (int i = 0; i < WRITERS; i++) {
        wire_fini(&wires[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_plain_list_applies_what_it_can),
        CASE(an_atomic_list_applies_all_or_nothing),
        CASE(an_aborted_atomic_list_brings_back_what_it_made_and_removed),
        CASE(a_list_of_1000_is_taken_and_1001_is_refused_whole),
        CASE(a_key_used_again_returns_the_first_result_and_applies_nothing),
        CASE(a_key_is_known_after_a_restart),
        CASE(each_ack_mode_applies_and_none_says_nothing),
        CASE(a_list_with_something_that_is_no_change_is_refused_whole),
        CASE(publishing_faster_than_the_rate_is_rate_limited),
        CASE(more_topics_than_allowed_are_too_many),
        CASE(publishing_while_draining_is_answered_draining),
        CASE(ten_thousand_pipelined_publishes_are_answered_in_order),
        CASE(concurrent_adjusts_end_exactly_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
