/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Subscriptions with `where` and `near`, and `move`, in both encodings; their HTTP forms; what is refused. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scene.h"

/* The next message must be of that op, about that topic (NULL: not looked at). */
static json_t *expect(struct wire *wire, const char *op, const char *topic) {
    json_t *message = scene_hear(wire);
    assert_non_null(message);
    if (strcmp(wire_text(message, "op"), op) != 0 || (topic != NULL && strcmp(wire_text(message, "topic"), topic) != 0)) {
        char *text = json_dumps(message, JSON_COMPACT);
        fail_msg("%s, not %s of %s", text, op, topic == NULL ? "anything" : topic);
    }
    return message;
}

static void expect_left(struct wire *wire, const char *topic) {
    json_t *message = expect(wire, "remove", topic);
    assert_string_equal(wire_text(message, "why"), "left");
    json_decref(message);
}

static int64_t expect_set(struct wire *wire, const char *topic) {
    json_t *message = expect(wire, "set", topic);
    int64_t seq = scene_int(message, "seq");
    json_decref(message);
    return seq;
}

static void expect_op(struct wire *wire, const char *op) {
    json_decref(expect(wire, op, NULL));
}

/* Follows, and hears `subscribed`, which must tell that. */
static void expect_subscribed(struct wire *wire, bool resumed) {
    json_t *message = expect(wire, "subscribed", NULL);
    assert_int_equal(scene_bool(message, "resumed"), resumed);
    json_decref(message);
}

static void branches_with_stock_come_and_go(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_apply(&writer, "{'op':'set','topic':'stock/1/a','data':{'available':1}}");
        scene_apply(&writer, "{'op':'set','topic':'stock/1/b','data':{'available':0}}");
        scene_say(&wire, "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}}}");
        expect_subscribed(&wire, false);
        expect_set(&wire, "stock/1/a");
        expect_op(&wire, "live");
        scene_apply(&writer, "{'op':'adjust','topic':'stock/1/b','data':{'available':2}}");
        expect_set(&wire, "stock/1/b");
        scene_apply(&writer, "{'op':'adjust','topic':'stock/1/b','data':{'available':-1}}");
        expect_op(&wire, "patch");
        scene_apply(&writer, "{'op':'adjust','topic':'stock/1/a','data':{'available':-1}}");
        expect_left(&wire, "stock/1/a");
        scene_apply(&writer, "{'op':'patch','topic':'stock/1/a','data':{'price':'1.00'}}"); /* nobody's business here */
        scene_apply(&writer, "{'op':'delete','topic':'stock/1/b'}");
        json_t *message = expect(&wire, "remove", "stock/1/b");
        assert_string_equal(wire_text(message, "why"), "deleted");
        json_decref(message);
        wire_fini(&wire);
    }
    wire_fini(&writer);
}

static void place(struct wire *writer, const char *unit, double lat, double lon) {
    scene_apply(writer, "{'op':'set','topic':'service/bike/%s','data':{'position':{'lat':%.6f,'lon':%.6f}}}", unit, lat, lon);
}

static void a_circle_follows_and_moves(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        place(&writer, "west", 52.5, 13.39); /* 677 m from 13.40 */
        place(&writer, "here", 52.5, 13.40);
        place(&writer, "east", 52.5, 13.42); /* 1,354 m */
        scene_say(&wire, "{'op':'sub','id':1,'match':'service/**','near':{'lat':52.5,'lon':13.4,'radius_m':1000}}");
        expect_subscribed(&wire, false);
        expect_set(&wire, NULL);
        expect_set(&wire, NULL);
        expect_op(&wire, "live");
        scene_apply(&writer, "{'op':'patch','topic':'service/bike/here','data':{'position':{'lat':52.501}}}");
        expect_op(&wire, "patch");
        scene_say(&wire, "{'op':'move','id':1,'near':{'lon':13.41}}");
        expect_op(&wire, "ok");
        expect_left(&wire, "service/bike/west");
        int64_t seq = expect_set(&wire, "service/bike/east");
        expect_op(&wire, "live");
        scene_say(&wire, "{'op':'move','id':1,'near':{'lon':13.35}}");
        expect_op(&wire, "ok");
        expect_left(&wire, NULL);
        expect_left(&wire, NULL);
        expect_op(&wire, "live");
        scene_say(&wire, "{'op':'move','id':1,'near':{'lon':13.42}}");
        expect_op(&wire, "ok");
        assert_int_equal(expect_set(&wire, "service/bike/east"), seq); /* as it was told before, and again */
        expect_op(&wire, "live");
        place(&writer, "east", 53, 13);
        expect_left(&wire, "service/bike/east");
        scene_expect_alive(&wire);
        wire_fini(&wire);
    }
    wire_fini(&writer);
}

static void circles_know_no_seams(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    struct wire wire;
    scene_open(&writer, broker, CODEC_JSON);
    scene_open(&wire, broker, CODEC_MSGPACK);
    static const char *const circles[] = {"'lat':0,'lon':179.999", "'lat':89.999,'lon':10"};
    for (int i = 0; i < 2; i++) {
        scene_say(&wire, "{'op':'sub','id':%d,'match':'service/**','near':{%s,'radius_m':1000}}", i + 1, circles[i]);
        expect_subscribed(&wire, false);
        expect_op(&wire, "live");
    }
    place(&writer, "fiji", 0, -179.999);
    expect_set(&wire, "service/bike/fiji");
    place(&writer, "pole", 89.999, -170);
    expect_set(&wire, "service/bike/pole");
    place(&writer, "pole", -90, 0);
    expect_left(&wire, "service/bike/pole");
    wire_fini(&wire);
    wire_fini(&writer);
}

static void the_nearest_are_kept(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        place(&writer, "1", 52.501, 13.4);
        place(&writer, "2", 52.502, 13.4);
        place(&writer, "3", 52.503, 13.4);
        scene_say(&wire, "{'op':'sub','id':1,'match':'service/*/*','near':{'lat':52.5,'lon':13.4,'radius_m':1000,'limit':2}}");
        expect_subscribed(&wire, false);
        expect_set(&wire, NULL);
        expect_set(&wire, NULL);
        expect_op(&wire, "live");
        place(&writer, "3", 52.5001, 13.4);
        json_t *first = scene_hear(&wire);
        json_t *second = scene_hear(&wire);
        const bool in_order = strcmp(wire_text(first, "op"), "set") == 0;
        assert_string_equal(wire_text(in_order ? first : second, "topic"), "service/bike/3");
        assert_string_equal(wire_text(in_order ? second : first, "topic"), "service/bike/2");
        assert_string_equal(wire_text(in_order ? second : first, "why"), "left");
        json_decref(first);
        json_decref(second);
        expect_op(&wire, "live");
        wire_fini(&wire);
    }
    wire_fini(&writer);
}

/* Who comes back after the broker was killed is told what left meanwhile, though no view remembers it. */
static void what_left_is_told_to_who_resumes_also_after_a_crash(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        struct wire wire;
        json_t *welcome = wire_open_session(&wire, broker->port, codec);
        scene_apply(&writer, "{'op':'set','topic':'stock/1/a','data':{'available':1}}");
        place(&writer, "1", 52.5, 13.4);
        scene_say(&wire, "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}}}");
        scene_say(&wire, "{'op':'sub','id':2,'match':'service/**','near':{'lat':52.5,'lon':13.4,'radius_m':500}}");
        json_t *live = NULL;
        for (int i = 0; i < 2; i++) {
            json_decref(live);
            live = scene_hear_op(&wire, "live");
        }
        char token[80];
        (void)snprintf(token, sizeof token, "%s-%" PRId64, wire_text(welcome, "epoch"), scene_int(live, "seq"));
        json_decref(live);
        json_decref(welcome);
        wire_cut(&wire);
        wire_fini(&wire);
        scene_apply(&writer, "{'op':'patch','topic':'stock/1/a','data':{'available':0}}");
        place(&writer, "1", 0, 0);
        wire_fini(&writer);
        broker_process_kill(broker);
        assert_true(broker_process_start(broker, NULL));
        scene_open(&writer, broker, CODEC_JSON);
        scene_open(&wire, broker, codec);
        scene_say(&wire, "{'op':'sub','id':1,'match':'stock/1/*','where':{'available':{'gte':1}},'since':'%s'}", token);
        expect_subscribed(&wire, true);
        expect_left(&wire, "stock/1/a");
        expect_op(&wire, "live");
        scene_say(&wire, "{'op':'sub','id':2,'match':'service/**','near':{'lat':52.5,'lon':13.4,'radius_m':500},'since':'%s'}",
                  token);
        expect_subscribed(&wire, true);
        expect_left(&wire, "service/bike/1");
        expect_op(&wire, "live");
        wire_fini(&wire);
    }
    wire_fini(&writer);
}

static void what_is_wrong_is_refused_and_named(void **state) {
    static const struct {
        const char *rest, *pointer;
    } cases[] = {
        {"'where':{}", "/where"},
        {"'where':{'a':{'like':1}}", "/where/a"},
        {"'where':{'a':{'lt':true}}", "/where/a/lt"},
        {"'where':{'a':{'in':[]}}", "/where/a/in"},
        {"'where':{'a':1}", "/where/a"},
        {"'near':{'lat':1,'lon':2}", "/near/radius_m"},
        {"'near':{'lat':1,'lon':2,'radius_m':20000001}", "/near/radius_m"},
        {"'near':{'lat':-91,'lon':2,'radius_m':1}", "/near/lat"},
        {"'near':{'lat':1,'lon':'2','radius_m':1}", "/near/lon"},
        {"'near':{'lat':1,'lon':2,'radius_m':1,'limit':0}", "/near/limit"},
    };
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            json_t *error = scene_ask(&wire, "{'op':'sub','id':3,'match':'service/**',%s}", cases[i].rest);
            assert_string_equal(wire_text(error, "code"), "invalid");
            const json_t *first = json_array_get(json_object_get(error, "errors"), 0);
            assert_string_equal(wire_text(first, "pointer"), cases[i].pointer);
            json_decref(error);
        }
        scene_say(&wire, "{'op':'sub','id':3,'match':'service/**','where':5}");
        scene_expect_error(&wire, "bad_message", 3);
        scene_say(&wire, "{'op':'move','id':3,'near':{'lat':1,'lon':2,'radius_m':3}}");
        scene_expect_error(&wire, "not_found", 3);
        scene_say(&wire, "{'op':'sub','id':3,'match':'service/**'}"); /* the id was free all the time */
        expect_subscribed(&wire, false);
        expect_op(&wire, "live");
        scene_say(&wire, "{'op':'move','id':3,'near':{'lat':1,'lon':2,'radius_m':3}}");
        scene_expect_error(&wire, "invalid", 3);
        scene_expect_alive(&wire);
        wire_fini(&wire);
    }
}

static void limits_are_told_and_kept(void **state) {
    scene_configure("LIMITS_NEARS_MAX", "1");
    scene_configure("LIMITS_WHERE_CONDITIONS_MAX", "2");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    json_t *welcome = wire_open_session(&wire, broker->port, CODEC_JSON);
    assert_int_equal(scene_int(json_object_get(welcome, "limits"), "nears_max"), 1);
    assert_int_equal(scene_int(json_object_get(welcome, "limits"), "where_conditions_max"), 2);
    json_decref(welcome);
    scene_say(&wire, "{'op':'sub','id':1,'match':'service/**','near':{'lat':1,'lon':2,'radius_m':3}}");
    expect_subscribed(&wire, false);
    expect_op(&wire, "live");
    scene_say(&wire, "{'op':'sub','id':2,'match':'service/**','near':{'lat':1,'lon':2,'radius_m':3}}");
    scene_expect_error(&wire, "too_many", 2);
    scene_say(&wire, "{'op':'sub','id':2,'match':'service/**','where':{'a':{'gt':1,'lt':5},'b':{'eq':1}}}");
    scene_expect_error(&wire, "invalid", 2);
    wire_fini(&wire);
}

static size_t items_of(const struct broker_process *broker, const char *target) {
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", target, NULL, NULL, &response), 200);
    json_t *page = http_response_json(&response);
    size_t count = json_array_size(json_object_get(page, "items"));
    json_decref(page);
    http_response_fini(&response);
    return count;
}

static void a_list_over_http_may_be_narrowed(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    scene_apply(&writer, "{'op':'set','topic':'stock/1/a','data':{'available':1}}");
    scene_apply(&writer, "{'op':'set','topic':'stock/1/b','data':{'available':0}}");
    place(&writer, "1", 52.5, 13.4);
    place(&writer, "2", 52.6, 13.4);
    assert_int_equal(items_of(broker, "/v1/topics?match=stock/**"), 2);
    assert_int_equal(items_of(broker, "/v1/topics?match=stock/**&where=%7B%22available%22:%7B%22gte%22:1%7D%7D"), 1);
    assert_int_equal(items_of(broker, "/v1/topics?near=52.5,13.4,1000"), 1);
    assert_int_equal(items_of(broker, "/v1/topics?near=52.5,13.4,20000"), 2);
    scene_problem(broker, "GET", "/v1/topics?where=%7B%22a%22:%7B%22like%22:1%7D%7D", NULL, NULL, 422, "invalid");
    scene_problem(broker, "GET", "/v1/topics?where=x", NULL, NULL, 422, "invalid");
    scene_problem(broker, "GET", "/v1/topics?near=1,2", NULL, NULL, 422, "invalid");
    scene_problem(broker, "GET", "/v1/topics?near=91,2,3", NULL, NULL, 422, "invalid");
    scene_problem(broker, "GET", "/v1/stream?near=1,2,nan", NULL, NULL, 422, "invalid");
    scene_problem(broker, "GET", "/v1/stream?where=%7B%7D", NULL, NULL, 422, "invalid");
    struct wire wire;
    scene_open(&wire, broker, CODEC_MSGPACK);
    json_t *snapshot = scene_ask(&wire, "{'op':'get','id':1,'match':'**','near':{'lat':52.5,'lon':13.4,'radius_m':1000}}");
    assert_int_equal(json_array_size(json_object_get(snapshot, "items")), 1);
    json_decref(snapshot);
    wire_fini(&wire);
    wire_fini(&writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(branches_with_stock_come_and_go),
        CASE(a_circle_follows_and_moves),
        CASE(circles_know_no_seams),
        CASE(the_nearest_are_kept),
        CASE(what_left_is_told_to_who_resumes_also_after_a_crash),
        CASE(what_is_wrong_is_refused_and_named),
        CASE(limits_are_told_and_kept),
        CASE(a_list_over_http_may_be_narrowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
