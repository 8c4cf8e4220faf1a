/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a grant lets through: which topics are read and written, which fields are shown, over WebSocket, HTTP and Server-Sent Events. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/keyed.h"

/* ---- reading ---- */

static void patterns_must_lie_in_the_grant(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire wire;
    keyed_open(&wire, broker, CODEC_JSON,
               keyed_token("'orders':['o1','o2'],'ahora':{'sub':['order/{orders}','stock/*/berlin','service/courier/{sub}']}"));
    static const char *const good[] = {"order/o1", "stock/7/berlin", "stock/*/berlin", "service/courier/u1"};
    static const char *const bad[] = {"order/o3", "order/*", "stock/7/*",  "stock/**",        "service/courier/*",
                                      "**",       "*/o1",    "*/7/berlin", "$demand/order/o1"};
    for (int i = 0; i < 4; i++) {
        json_decref(keyed_subscribe(&wire, i + 1, good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        scene_say(&wire, "{'op':'sub','id':90,'match':['order/o1','%s']}", bad[i]);
        scene_expect_error(&wire, "forbidden", 90);
        scene_say(&wire, "{'op':'get','id':91,'match':'%s'}", bad[i]);
        scene_expect_error(&wire, "forbidden", 91);
    }
    scene_expect_alive(&wire);
    wire_fini(&wire);
    const char *bearer = keyed_bearer(keyed_token("'ahora':{'sub':['**']}"));
    scene_problem(broker, "GET", "/v1/topics/order/o1", bearer, NULL, 403, "forbidden"); /* there or not */
    scene_problem(broker, "GET", "/v1/topics/stock/nowhere", bearer, NULL, 404, "not_found");
    scene_problem(broker, "GET", "/v1/topics?match=stock/*&match=order/o1", bearer, NULL, 403, "forbidden");
    scene_problem(broker, "GET", "/v1/stream?match=*/o1", bearer, NULL, 403, "forbidden");
}

static void fields_that_are_not_granted_are_never_shown(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire backoffice;
    keyed_open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':3,'cost':7,'place':{'shelf':'s1','row':2}}}");
    struct wire masked[4];
    struct wire whole[2];
    for (int i = 0; i < 4; i++) { /* two masks, each in both encodings */
        keyed_open(&masked[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK,
                   keyed_token(i < 2 ? "'ahora':{'sub':['stock/**'],'fields':['available','place.row']}"
                                     : "'ahora':{'sub':['stock/**'],'fields':['cost']}"));
        json_t *messages = keyed_subscribe(&masked[i], 1, "stock/**");
        assert_int_equal(json_array_size(messages), 1);
        keyed_expect_data(json_array_get(messages, 0), i < 2 ? "{'available':3,'place':{'row':2}}" : "{'cost':7}");
        json_decref(messages);
    }
    FOR_BOTH(codec) {
        keyed_open(&whole[codec], broker, codec, keyed_token("'ahora':{'sub':['stock/**']}"));
        json_decref(keyed_subscribe(&whole[codec], 1, "stock/**"));
    }
    scene_apply(&backoffice, "{'op':'patch','topic':'stock/1/a','data':{'available':2}}");
    scene_apply(&backoffice, "{'op':'patch','topic':'stock/1/a','data':{'cost':8,'place':{'shelf':'s2'}}}");
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':1,'cost':9,'place':5}}");
    static const char *const expected[3][3] = {
        {"{'available':2}", "{'place':{}}", "{'available':1}"},
        {NULL, "{'cost':8}", "{'cost':9}"},
        {"{'available':2}", "{'cost':8,'place':{'shelf':'s2'}}", "{'available':1,'cost':9,'place':5}"}};
    for (int i = 0; i < 6; i++) {
        struct wire *wire = i < 4 ? &masked[i] : &whole[i - 4];
        for (int j = 0; j < 3; j++) {
            json_t *message = scene_hear(wire);
            assert_string_equal(wire_text(message, "op"), j < 2 ? "patch" : "set");
            assert_int_equal(scene_int(message, "seq"), j + 2); /* also of what is not shown */
            if (expected[i / 2][j] == NULL) {
                assert_null(json_object_get(message, "data"));
            } else {
                keyed_expect_data(message, expected[i / 2][j]);
            }
            json_decref(message);
        }
        scene_say(wire, "{'op':'get','id':5,'match':'stock/1/a'}");
        json_t *answer = scene_hear_op(wire, "snapshot");
        keyed_expect_data(json_array_get(json_object_get(answer, "items"), 0), expected[i / 2][2]);
        json_decref(answer);
        if (i < 2) {
            scene_say(wire, "{'op':'sub','id':6,'match':'stock/**','where':{'cost':{'gt':1}}}");
            scene_expect_error(wire, "forbidden", 6);
            scene_say(wire, "{'op':'get','id':6,'match':'stock/**','where':{'place':{'exists':true}}}");
            scene_expect_error(wire, "forbidden", 6);
            scene_say(wire, "{'op':'sub','id':6,'match':'stock/**','near':{'lat':1,'lon':1,'radius_m':5}}");
            scene_expect_error(wire, "forbidden", 6);
        }
        wire_fini(wire);
    }
    wire_fini(&backoffice);
    const char *bearer = keyed_bearer(keyed_token("'ahora':{'sub':['stock/**'],'fields':['available']}"));
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=stock/**", bearer, NULL, &response), 200);
    assert_null(strstr(http_response_body(&response), "cost"));
    assert_non_null(strstr(http_response_body(&response), "\"data\":{\"available\":1}"));
    http_response_fini(&response);
}

/* A subscription follows by two patterns and where; a masked session merges its slices like any other. */
static void masked_sessions_with_several_views_are_right(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire backoffice;
    struct wire wire;
    keyed_open_backoffice(&backoffice, broker);
    keyed_open(&wire, broker, CODEC_MSGPACK, keyed_token("'ahora':{'sub':['stock/**'],'fields':['available']}"));
    json_decref(keyed_subscribe(&wire, 1, "stock/**"));
    json_decref(keyed_subscribe(&wire, 2, "stock/*/a"));
    scene_say(&wire, "{'op':'sub','id':3,'match':'stock/**','where':{'available':{'gte':2}}}");
    json_decref(scene_hear_op(&wire, "live"));
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        last = scene_apply(&backoffice, "{'op':'set','topic':'stock/%d/a','data':{'available':%d,'cost':1}}", i % 3, i % 4);
    }
    int64_t seen = 0;
    while (seen < last) {
        json_t *message = scene_hear(&wire);
        if (strcmp(wire_text(message, "op"), "set") == 0) {
            assert_null(json_object_get(json_object_get(message, "data"), "cost"));
            assert_true(scene_int(message, "seq") >= seen);
            seen = scene_int(message, "seq");
        }
        json_decref(message);
    }
    wire_fini(&wire);
    wire_fini(&backoffice);
}

static void every_ms_is_a_floor(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire backoffice;
    struct wire wire;
    keyed_open_backoffice(&backoffice, broker);
    keyed_open(&wire, broker, CODEC_JSON, keyed_token("'ahora':{'sub':['stock/**'],'every_ms':3600000}"));
    json_decref(keyed_subscribe(&wire, 1, "stock/**"));
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1','data':{}}");
    json_t *answer = scene_ask(&backoffice, "{'op':'get','id':1,'match':'$demand/**'}");
    json_t *demand = json_array_get(json_object_get(answer, "items"), 0);
    assert_int_equal(scene_int(json_object_get(demand, "data"), "every_ms"), 3600000);
    json_decref(answer);
    scene_expect_alive(&wire); /* and nothing in front of it */
    wire_fini(&wire);
    wire_fini(&backoffice);
}

/* ---- writing ---- */

static void writing_needs_a_right_for_the_topic_and_the_op(void **state) {
    struct broker_process *broker = keyed_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        keyed_open(&wire, broker, codec, keyed_token("'ahora':{'pub':['stock/**','**'],'ops':['set','delete']}"));
        json_t *answer =
            scene_ask(&wire, "{'op':'pub','id':4,'changes':[{'op':'set','topic':'stock/1','data':{}},"
                             "{'op':'touch','topic':'stock/1'},{'op':'set','topic':'order/1','data':{}},"
                             "{'op':'set','topic':'room/1','data':{}},{'op':'nonsense'},{'op':'delete','topic':'room/1'}]}");
        json_t *results = json_object_get(answer, "results");
        static const char *const codes[] = {"", "forbidden", "forbidden", "", "bad_message", ""};
        for (size_t i = 0; i < 6; i++) {
            assert_string_equal(scene_code(json_array_get(results, i)), codes[i]);
        }
        json_decref(answer);
        answer = scene_ask(&wire, "{'op':'pub','id':4,'atomic':true,'changes':[{'op':'set','topic':'stock/2','data':{}},"
                                  "{'op':'set','topic':'order/1','data':{}}]}");
        results = json_object_get(answer, "results");
        assert_string_equal(scene_code(json_array_get(results, 0)), "aborted");
        assert_string_equal(scene_code(json_array_get(results, 1)), "forbidden");
        json_decref(answer);
        wire_fini(&wire);
    }
    const char *bearer = keyed_bearer(keyed_token("'ahora':{'sub':['**'],'pub':['stock/1']}"));
    struct http_response response;
    scene_problem(broker, "GET", "/v1/topics/stock/2", bearer, NULL, 404, "not_found"); /* the atomic list did nothing */
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/stock/1", bearer, "{\"a\":1}", &response), 200);
    http_response_fini(&response);
    scene_problem(broker, "PUT", "/v1/topics/stock/2", bearer, "{\"a\":1}", 403, "forbidden");
    scene_problem(broker, "PATCH", "/v1/topics/stock/2", bearer, "{\"a\":1}", 403, "forbidden");
    scene_problem(broker, "DELETE", "/v1/topics/room/1", bearer, NULL, 403, "forbidden");
    char headers[TOKEN_BYTES_MAX + 128];
    snprintf(headers, sizeof headers, "%sContent-Type: application/json\r\n", bearer);
    scene_problem(broker, "POST", "/v1/topics/room/1/adjust", headers, "{\"a\":1}", 403, "forbidden");
    snprintf(headers, sizeof headers, "%sContent-Type: application/x-ndjson\r\n", bearer);
    assert_int_equal(
        scene_http(broker, "POST", "/v1/publish", headers,
                   "{\"op\":\"set\",\"topic\":\"stock/2\",\"data\":{}}\n{\"op\":\"touch\",\"topic\":\"stock/1\"}\n", &response),
        200);
    assert_non_null(strstr(http_response_body(&response), "\"forbidden\""));
    assert_non_null(strstr(http_response_body(&response), "{\"seq\":"));
    http_response_fini(&response);
}

static void expect_figures(const struct broker_process *broker, const char *headers, int status) {
    static const char *const targets[] = {"/metrics", "/v1/status"};
    for (size_t i = 0; i < 2; i++) {
        struct http_response response;
        assert_int_equal(scene_http(broker, "GET", targets[i], headers, NULL, &response), status);
        http_response_fini(&response);
    }
}

/* What the broker counts tells strangers how business goes. */
static void figures_take_a_right_where_anybody_may_come(void **state) {
    scene_configure("AUTH_OPEN_FIGURES", "false");
    scene_configure("AUTH_ANONYMOUS_SUB", "stock/**");
    struct broker_process *broker = keyed_prepare(state);
    keyed_write_api_keys(broker, "figures=true");
    assert_true(broker_process_start(broker, NULL));
    expect_figures(broker, NULL, 403);
    expect_figures(broker, "Authorization: Bearer nothing\r\n", 401);
    expect_figures(broker, keyed_bearer(keyed_token("'ahora':{'sub':['**']}")), 403);
    expect_figures(broker, keyed_bearer(keyed_token("'ahora':{'figures':false}")), 403);
    expect_figures(broker, keyed_bearer(keyed_token("'ahora':{'figures':1}")), 401);
    expect_figures(broker, keyed_bearer(keyed_token("'ahora':{'figures':true}")), 200);
    expect_figures(broker, keyed_bearer(keyed_token("'ahora':{'admin':true}")), 200);
    expect_figures(broker, keyed_bearer(KEYED_API_KEY), 200);
    assert_int_equal(http_status(broker->port, "/livez"), 200);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
    struct http_response response;
    scene_http(broker, "GET", "/v1/admin/sessions", keyed_bearer(KEYED_API_KEY), NULL, &response);
    assert_int_equal(response.status, 403); /* to see figures is not to be an admin */
    http_response_fini(&response);
}

static void figures_are_for_nobody_without_a_name(void **state) {
    scene_configure("AUTH_OPEN_FIGURES", "false");
    struct broker_process *broker = keyed_prepare(state);
    struct broker_process internal = {0};
    struct broker_process other;
    char address[32];
    assert_true(broker_process_init(&other, "port")); /* for its port */
    internal.port = other.port;
    broker_process_fini(&other);
    snprintf(address, sizeof address, "127.0.0.1:%u", internal.port);
    scene_configure("LISTEN_INTERNAL", address);
    assert_true(broker_process_start(broker, NULL));
    expect_figures(broker, NULL, 401);
    expect_figures(&internal, NULL, 200); /* who comes there was decided by the network */
}

static void sources_and_demand_are_granted(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire wire;
    static const struct {
        const char *rights, *source;
        bool allowed;
    } rows[] = {{"'ahora':{'pub':['stock/**']}", "u1", true},
                {"'ahora':{'pub':['stock/**']}", "u1:till", true},
                {"'ahora':{'pub':['stock/**']}", "u2", false},
                {"'ahora':{'pub':['stock/**'],'source':['till-*']}", "till-9", true},
                {"'ahora':{'pub':['stock/**'],'source':['till-*']}", "tell-9", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(wire_open(&wire, broker->port, CODEC_JSON));
        scene_say(&wire, "{'op':'hello','token':'%s','source':'%s'}", keyed_token(rows[i].rights), rows[i].source);
        if (rows[i].allowed) {
            json_decref(scene_hear_op(&wire, "welcome"));
        } else {
            scene_expect_error(&wire, "forbidden", 0);
            assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4403);
        }
        wire_fini(&wire);
    }
    keyed_open(&wire, broker, CODEC_JSON, keyed_token("'ahora':{'sub':['**','$demand/stock/**']}"));
    json_decref(keyed_subscribe(&wire, 1, "$demand/stock/*"));
    scene_say(&wire, "{'op':'sub','id':2,'match':'$demand/**'}");
    scene_expect_error(&wire, "forbidden", 2);
    wire_fini(&wire);
}

/* Two principals may use the same key. */
static void idempotency_keys_belong_to_the_subject(void **state) {
    struct broker_process *broker = keyed_start(state);
    int64_t seqs[3];
    for (int i = 0; i < 3; i++) {
        struct wire wire;
        keyed_open(
            &wire, broker, CODEC_JSON,
            keyed_token_of_subject(keyed_header, KEYED_SECRET, i == 1 ? "u2" : "u1", 60, "'ahora':{'pub':['stock/**']}"));
        seqs[i] = scene_apply(&wire, "{'op':'set','topic':'stock/1','data':{},'key':'k'}");
        wire_fini(&wire);
    }
    assert_true(seqs[0] == seqs[2]);
    assert_true(seqs[0] != seqs[1]);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(patterns_must_lie_in_the_grant),
        CASE(fields_that_are_not_granted_are_never_shown),
        CASE(masked_sessions_with_several_views_are_right),
        CASE(every_ms_is_a_floor),
        CASE(writing_needs_a_right_for_the_topic_and_the_op),
        CASE(figures_take_a_right_where_anybody_may_come),
        CASE(figures_are_for_nobody_without_a_name),
        CASE(sources_and_demand_are_granted),
        CASE(idempotency_keys_belong_to_the_subject),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
