/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Who may do what, from tokens to what is seen, over WebSocket, HTTP and Server-Sent Events. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/scene.h"
#include "tests/support/token.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define SECOND_SECRET "fedcba9876543210fedcba9876543210-"
#define API_KEY "ahk_backoffice0backoffice0backoffice0backoffice"

static const char header_shop[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"shop\"}";
static const char header_next[] = "{\"alg\":\"HS256\",\"kid\":\"next\"}";

/* ---- a broker with keys ---- */

static void write_file(const struct broker_process *broker, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void write_file(const struct broker_process *broker, const char *name, const char *format, ...) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", broker->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fclose(file);
}

static void point_at(const struct broker_process *broker, const char *key, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", broker->directory, name);
    scene_configure(key, path);
}

static void write_api_keys(const struct broker_process *broker, const char *rights) {
    uint8_t digest[32];
    char hex[65];
    token_sha256(API_KEY, strlen(API_KEY), digest);
    for (int i = 0; i < 32; i++) {
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    write_file(broker, "api_keys", "# who\n\nbackoffice sha256:%s %s\n", hex, rights);
}

/* A directory with the key `shop`, an API key that may do everything, and whatever was configured before. */
static struct broker_process *prepare(void **state) {
    struct broker_process *broker = scene_prepare(state);
    char path[256];
    snprintf(path, sizeof path, "%s/keys", broker->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(broker, "keys/shop.hs256", "%s\n", SECRET);
    write_api_keys(broker, "sub=**,order/**,$demand/** pub=**,order/** source=*");
    point_at(broker, "AUTH_KEYS", "keys");
    point_at(broker, "AUTH_API_KEYS", "api_keys");
    point_at(broker, "AUTH_REVOKED", "revoked");
    return broker;
}

static struct broker_process *start(void **state) {
    struct broker_process *broker = prepare(state);
    assert_true(broker_process_start(broker, NULL));
    return broker;
}

/* ---- tokens ---- */

/* Of u1, for an hour; `rest` are more claims with ' for ". Good until the next but one. */
static const char *token_of_subject(const char *header, const char *secret, const char *subject, long seconds,
                                    const char *rest) {
    static char tokens[2][TOKEN_BYTES_MAX];
    static int next;
    char claims[4096];
    snprintf(claims, sizeof claims, "{'sub':'%s','exp':%ld%s%s}", subject, (long)time(NULL) + seconds,
             rest[0] != '\0' ? "," : "", rest);
    for (char *c = claims; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    next = !next;
    token_make(secret, header, claims, tokens[next]);
    return tokens[next];
}

static const char *token_of(const char *rest) {
    return token_of_subject(header_shop, SECRET, "u1", 3600, rest);
}

static const char *bearer_of(const char *token) {
    static char header[TOKEN_BYTES_MAX + 64];
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
    return header;
}

/* ---- sessions ---- */

static void open_with(struct wire *wire, const struct broker_process *broker, enum codec codec, const char *token) {
    assert_true(wire_open(wire, broker->port, codec));
    json_t *welcome = scene_ask(wire, "{'op':'hello','token':'%s'}", token);
    assert_string_equal(wire_text(welcome, "op"), "welcome");
    json_decref(welcome);
}

static void open_backoffice(struct wire *wire, const struct broker_process *broker) {
    open_with(wire, broker, CODEC_JSON, API_KEY);
}

static void expect_close(struct wire *wire, int code) {
    assert_int_equal(wire_receive_close(wire, PATIENCE_MS), code);
}

/* The answer to a `sub` is `subscribed`; what follows it up to `live` is returned as a list. */
static json_t *hear_until_live(struct wire *wire) {
    json_t *messages = json_array();
    for (;;) {
        json_t *message = scene_hear(wire);
        const bool is_live = strcmp(wire_text(message, "op"), "live") == 0;
        if (!is_live) {
            json_array_append(messages, message);
        }
        json_decref(message);
        if (is_live) {
            return messages;
        }
    }
}

static json_t *subscribe(struct wire *wire, int id, const char *match) {
    json_t *answer = scene_ask(wire, "{'op':'sub','id':%d,'match':'%s'}", id, match);
    if (strcmp(wire_text(answer, "op"), "subscribed") != 0) {
        fail_msg("%s: %s %s", match, wire_text(answer, "code"), wire_text(answer, "detail"));
    }
    json_decref(answer);
    return hear_until_live(wire);
}

static void expect_data(const json_t *message, const char *format) {
    json_t *expected = scene_json("%s", format);
    if (!json_equal(json_object_get(message, "data"), expected)) {
        char *text = json_dumps(message, JSON_COMPACT);
        fail_msg("%s is not %s", text, format);
    }
    json_decref(expected);
}

static void renew(struct wire *wire, const char *token) {
    json_t *answer = scene_ask(wire, "{'op':'auth','id':7,'token':'%s'}", token);
    if (strcmp(wire_text(answer, "op"), "ok") != 0) {
        fail_msg("no ok: %s %s", wire_text(answer, "code"), wire_text(answer, "detail"));
    }
    json_decref(answer);
}

/* ---- getting in ---- */

static void tokens_get_in_and_bad_ones_do_not(void **state) {
    struct broker_process *broker = start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        open_with(&wire, broker, codec, token_of("'ahora':{'sub':['stock/**']}"));
        json_decref(subscribe(&wire, 1, "stock/*"));
        scene_expect_alive(&wire);
        wire_fini(&wire);
        assert_true(wire_open(&wire, broker->port, codec));
        scene_say(&wire, "{'op':'hello','token':'%s'}", token_of_subject(header_shop, SECOND_SECRET, "u1", 60, ""));
        scene_expect_error(&wire, "unauthorized", 0);
        expect_close(&wire, 4401);
        assert_string_equal(wire.close_reason, "unauthorized");
        wire_fini(&wire);
        assert_true(wire_open(&wire, broker->port, codec)); /* none at all */
        scene_say(&wire, "{'op':'hello'}");
        scene_expect_error(&wire, "unauthorized", 0);
        expect_close(&wire, 4401);
        wire_fini(&wire);
    }
    assert_true(scene_metric(broker, "ahora_auth_accepted_total") == 2);
    assert_true(scene_metric(broker, "ahora_auth_refused_total") == 2);
    scene_problem(broker, "GET", "/v1/topics/stock/1", NULL, NULL, 401, "unauthorized");
    scene_problem(broker, "GET", "/v1/kinds", NULL, NULL, 401, "unauthorized");
    scene_problem(broker, "GET", "/v1/stream?match=stock/*", NULL, NULL, 401, "unauthorized");
    scene_problem(broker, "PUT", "/v1/topics/stock/1", NULL, "{}", 401, "unauthorized");
    scene_problem(broker, "POST", "/v1/publish", "Authorization: Basic eDp5\r\n", "{}", 401, "unauthorized");
    scene_problem(broker, "GET", "/v1/topics/stock/1", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", NULL, 401,
                  "unauthorized");
    assert_int_equal(http_status(broker->port, "/livez"), 200);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
    assert_false(scene_log_has(broker, SECRET));
    assert_false(scene_log_has(broker, "eyJ"));
}

/* What stands behind a hello waits for its verdict, and then is answered in order. */
static void messages_behind_a_token_wait_for_it(void **state) {
    struct broker_process *broker = start(state);
    struct wire wire;
    char text[TOKEN_BYTES_MAX + 512];
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    snprintf(text, sizeof text,
             "{\"op\":\"hello\",\"token\":\"%s\"}\n{\"op\":\"ping\",\"id\":1}\n{\"op\":\"get\",\"id\":2,\"match\":\"room/*\"}\n"
             "{\"op\":\"auth\",\"id\":3,\"token\":\"%s\"}\n{\"op\":\"get\",\"id\":4,\"match\":\"room/*\"}",
             token_of("'ahora':{'sub':['stock/**']}"), token_of("'ahora':{'sub':['room/**']}"));
    assert_true(wire_send_payload(&wire, text, strlen(text)));
    json_decref(scene_hear_op(&wire, "welcome"));
    json_decref(scene_hear_op(&wire, "pong"));
    scene_expect_error(&wire, "forbidden", 2);
    json_t *answer = scene_hear(&wire);
    assert_string_equal(wire_text(answer, "op"), "ok");
    json_decref(answer);
    answer = scene_hear(&wire);
    assert_string_equal(wire_text(answer, "op"), "snapshot");
    assert_int_equal(scene_int(answer, "id"), 4);
    json_decref(answer);
    wire_fini(&wire);
}

static void a_token_may_come_with_the_upgrade(void **state) {
    struct broker_process *broker = start(state);
    struct wire wire;
    struct wire_options options = {.headers = bearer_of(token_of("'ahora':{'sub':['stock/**']}"))};
    assert_true(wire_open_with(&wire, broker->port, CODEC_MSGPACK, &options));
    json_t *welcome = scene_ask(&wire, "{'op':'hello'}");
    assert_string_equal(wire_text(welcome, "op"), "welcome");
    json_decref(welcome);
    json_decref(subscribe(&wire, 1, "stock/**"));
    wire_fini(&wire);
    options.headers = bearer_of("x.y.z");
    assert_false(wire_open_with(&wire, broker->port, CODEC_JSON, &options));
    assert_int_equal(wire.status, 401);
    wire_fini(&wire);
}

static void anonymous_may_what_is_configured(void **state) {
    scene_configure("AUTH_ANONYMOUS_SUB", "stock/** room/**");
    scene_configure("AUTH_ANONYMOUS_FIELDS", "available");
    scene_configure("AUTH_ANONYMOUS_MAX_SUBS", "2");
    struct broker_process *broker = start(state);
    struct wire backoffice;
    struct wire wire;
    open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':3,'cost':7}}");
    scene_open(&wire, broker, CODEC_JSON);
    json_t *messages = subscribe(&wire, 1, "stock/**");
    assert_int_equal(json_array_size(messages), 1);
    expect_data(json_array_get(messages, 0), "{'available':3}");
    json_decref(messages);
    scene_say(&wire, "{'op':'sub','id':2,'match':'order/1'}");
    scene_expect_error(&wire, "forbidden", 2);
    scene_say(&wire, "{'op':'sub','id':2,'match':'**'}");
    scene_expect_error(&wire, "forbidden", 2);
    scene_say(&wire, "{'op':'sub','id':2,'match':'$demand/**'}");
    scene_expect_error(&wire, "forbidden", 2);
    json_decref(subscribe(&wire, 2, "room/*"));
    scene_say(&wire, "{'op':'sub','id':3,'match':'room/x'}");
    scene_expect_error(&wire, "too_many", 3);
    scene_say(&wire, "{'op':'unsub','id':2}");
    json_decref(scene_hear_op(&wire, "ok"));
    wire_fini(&wire);
    scene_open(&wire, broker, CODEC_JSON);
    scene_refuse(&wire, "forbidden", "{'op':'set','topic':'stock/1/a','data':{'available':9}}");
    wire_fini(&wire);
    wire_fini(&backoffice);
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/topics/stock/1/a", NULL, NULL, &response), 200);
    json_t *item = http_response_json(&response);
    expect_data(item, "{'available':3}");
    json_decref(item);
    char value[64];
    assert_true(http_response_header(&response, "Vary", value, sizeof value));
    http_response_fini(&response);
    scene_problem(broker, "GET", "/v1/topics/order/1", NULL, NULL, 403, "forbidden");
    scene_problem(broker, "GET", "/v1/topics", NULL, NULL, 403, "forbidden");
    scene_problem(broker, "GET", "/v1/topics?match=stock/**&where=%7B%22cost%22:%7B%22gt%22:1%7D%7D", NULL, NULL, 403,
                  "forbidden");
    scene_problem(broker, "GET", "/v1/stream?match=order/**", NULL, NULL, 403, "forbidden");
    scene_problem(broker, "PUT", "/v1/topics/stock/1/a", NULL, "{\"available\":1}", 403, "forbidden");
}

/* ---- reading ---- */

static void patterns_must_lie_in_the_grant(void **state) {
    struct broker_process *broker = start(state);
    struct wire wire;
    open_with(&wire, broker, CODEC_JSON,
              token_of("'orders':['o1','o2'],'ahora':{'sub':['order/{orders}','stock/*/berlin','service/courier/{sub}']}"));
    static const char *const good[] = {"order/o1", "stock/7/berlin", "stock/*/berlin", "service/courier/u1"};
    static const char *const bad[] = {"order/o3", "order/*", "stock/7/*",  "stock/**",        "service/courier/*",
                                      "**",       "*/o1",    "*/7/berlin", "$demand/order/o1"};
    for (int i = 0; i < 4; i++) {
        json_decref(subscribe(&wire, i + 1, good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        scene_say(&wire, "{'op':'sub','id':90,'match':['order/o1','%s']}", bad[i]);
        scene_expect_error(&wire, "forbidden", 90);
        scene_say(&wire, "{'op':'get','id':91,'match':'%s'}", bad[i]);
        scene_expect_error(&wire, "forbidden", 91);
    }
    scene_expect_alive(&wire);
    wire_fini(&wire);
    const char *bearer = bearer_of(token_of("'ahora':{'sub':['**']}"));
    scene_problem(broker, "GET", "/v1/topics/order/o1", bearer, NULL, 403, "forbidden"); /* there or not */
    scene_problem(broker, "GET", "/v1/topics/stock/nowhere", bearer, NULL, 404, "not_found");
    scene_problem(broker, "GET", "/v1/topics?match=stock/*&match=order/o1", bearer, NULL, 403, "forbidden");
    scene_problem(broker, "GET", "/v1/stream?match=*/o1", bearer, NULL, 403, "forbidden");
}

static void fields_that_are_not_granted_are_never_shown(void **state) {
    struct broker_process *broker = start(state);
    struct wire backoffice;
    open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':3,'cost':7,'place':{'shelf':'s1','row':2}}}");
    struct wire masked[4];
    struct wire whole[2];
    for (int i = 0; i < 4; i++) { /* two masks, each in both encodings */
        open_with(&masked[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK,
                  token_of(i < 2 ? "'ahora':{'sub':['stock/**'],'fields':['available','place.row']}"
                                 : "'ahora':{'sub':['stock/**'],'fields':['cost']}"));
        json_t *messages = subscribe(&masked[i], 1, "stock/**");
        assert_int_equal(json_array_size(messages), 1);
        expect_data(json_array_get(messages, 0), i < 2 ? "{'available':3,'place':{'row':2}}" : "{'cost':7}");
        json_decref(messages);
    }
    FOR_BOTH(codec) {
        open_with(&whole[codec], broker, codec, token_of("'ahora':{'sub':['stock/**']}"));
        json_decref(subscribe(&whole[codec], 1, "stock/**"));
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
                expect_data(message, expected[i / 2][j]);
            }
            json_decref(message);
        }
        scene_say(wire, "{'op':'get','id':5,'match':'stock/1/a'}");
        json_t *answer = scene_hear_op(wire, "snapshot");
        expect_data(json_array_get(json_object_get(answer, "items"), 0), expected[i / 2][2]);
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
    const char *bearer = bearer_of(token_of("'ahora':{'sub':['stock/**'],'fields':['available']}"));
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=stock/**", bearer, NULL, &response), 200);
    assert_null(strstr(http_response_body(&response), "cost"));
    assert_non_null(strstr(http_response_body(&response), "\"data\":{\"available\":1}"));
    http_response_fini(&response);
}

/* A subscription follows by two patterns and where; a masked session merges its slices like any other. */
static void masked_sessions_with_several_views_are_right(void **state) {
    struct broker_process *broker = start(state);
    struct wire backoffice;
    struct wire wire;
    open_backoffice(&backoffice, broker);
    open_with(&wire, broker, CODEC_MSGPACK, token_of("'ahora':{'sub':['stock/**'],'fields':['available']}"));
    json_decref(subscribe(&wire, 1, "stock/**"));
    json_decref(subscribe(&wire, 2, "stock/*/a"));
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
    struct broker_process *broker = start(state);
    struct wire backoffice;
    struct wire wire;
    open_backoffice(&backoffice, broker);
    open_with(&wire, broker, CODEC_JSON, token_of("'ahora':{'sub':['stock/**'],'every_ms':3600000}"));
    json_decref(subscribe(&wire, 1, "stock/**"));
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
    struct broker_process *broker = start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        open_with(&wire, broker, codec, token_of("'ahora':{'pub':['stock/**','**'],'ops':['set','delete']}"));
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
    const char *bearer = bearer_of(token_of("'ahora':{'sub':['**'],'pub':['stock/1']}"));
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
    struct broker_process *broker = prepare(state);
    write_api_keys(broker, "figures=true");
    assert_true(broker_process_start(broker, NULL));
    expect_figures(broker, NULL, 403);
    expect_figures(broker, "Authorization: Bearer nothing\r\n", 401);
    expect_figures(broker, bearer_of(token_of("'ahora':{'sub':['**']}")), 403);
    expect_figures(broker, bearer_of(token_of("'ahora':{'figures':false}")), 403);
    expect_figures(broker, bearer_of(token_of("'ahora':{'figures':1}")), 401);
    expect_figures(broker, bearer_of(token_of("'ahora':{'figures':true}")), 200);
    expect_figures(broker, bearer_of(token_of("'ahora':{'admin':true}")), 200);
    expect_figures(broker, bearer_of(API_KEY), 200);
    assert_int_equal(http_status(broker->port, "/livez"), 200);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
    struct http_response response;
    scene_http(broker, "GET", "/v1/admin/sessions", bearer_of(API_KEY), NULL, &response);
    assert_int_equal(response.status, 403); /* to see figures is not to be an admin */
    http_response_fini(&response);
}

static void figures_are_for_nobody_without_a_name(void **state) {
    scene_configure("AUTH_OPEN_FIGURES", "false");
    struct broker_process *broker = prepare(state);
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
    struct broker_process *broker = start(state);
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
        scene_say(&wire, "{'op':'hello','token':'%s','source':'%s'}", token_of(rows[i].rights), rows[i].source);
        if (rows[i].allowed) {
            json_decref(scene_hear_op(&wire, "welcome"));
        } else {
            scene_expect_error(&wire, "forbidden", 0);
            expect_close(&wire, 4403);
        }
        wire_fini(&wire);
    }
    open_with(&wire, broker, CODEC_JSON, token_of("'ahora':{'sub':['**','$demand/stock/**']}"));
    json_decref(subscribe(&wire, 1, "$demand/stock/*"));
    scene_say(&wire, "{'op':'sub','id':2,'match':'$demand/**'}");
    scene_expect_error(&wire, "forbidden", 2);
    wire_fini(&wire);
}

/* Two principals may use the same key. */
static void idempotency_keys_belong_to_the_subject(void **state) {
    struct broker_process *broker = start(state);
    int64_t seqs[3];
    for (int i = 0; i < 3; i++) {
        struct wire wire;
        open_with(&wire, broker, CODEC_JSON,
                  token_of_subject(header_shop, SECRET, i == 1 ? "u2" : "u1", 60, "'ahora':{'pub':['stock/**']}"));
        seqs[i] = scene_apply(&wire, "{'op':'set','topic':'stock/1','data':{},'key':'k'}");
        wire_fini(&wire);
    }
    assert_true(seqs[0] == seqs[2]);
    assert_true(seqs[0] != seqs[1]);
}

/* ---- the end of a token, and another one ---- */

static void a_session_ends_with_its_token(void **state) {
    struct broker_process *broker = start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        open_with(&wire, broker, codec, token_of_subject(header_shop, SECRET, "u1", 2, "'ahora':{'sub':['stock/**']}"));
        json_decref(subscribe(&wire, 1, "stock/**"));
        json_t *error = scene_hear_op(&wire, "error");
        assert_string_equal(wire_text(error, "code"), "unauthorized");
        json_decref(error);
        expect_close(&wire, 4401);
        wire_fini(&wire);
    }
    struct http_response response; /* the answer has an end, so the request returns */
    const char *bearer = bearer_of(token_of_subject(header_shop, SECRET, "u1", 2, "'ahora':{'sub':['stock/**']}"));
    assert_int_equal(scene_http(broker, "GET", "/v1/stream?match=stock/**", bearer, NULL, &response), 200);
    assert_non_null(strstr(http_response_body(&response), "event: error"));
    http_response_fini(&response);
    assert_true(scene_metric(broker, "ahora_sessions_expired_total") == 3);
}

static void renewal_lets_a_session_live_on(void **state) {
    struct broker_process *broker = start(state);
    struct wire wire;
    open_with(&wire, broker, CODEC_MSGPACK, token_of_subject(header_shop, SECRET, "u1", 2, "'ahora':{'sub':['stock/**']}"));
    json_decref(subscribe(&wire, 1, "stock/**"));
    renew(&wire, token_of("'ahora':{'sub':['stock/**']}"));
    struct wire other; /* of the same second: when this one is over, so would have been the first */
    open_with(&other, broker, CODEC_JSON, token_of_subject(header_shop, SECRET, "u1", 3, ""));
    expect_close(&other, 4401);
    wire_fini(&other);
    scene_expect_alive(&wire);
    scene_say(&wire, "{'op':'auth','id':8,'token':'%s'}", token_of_subject(header_shop, SECRET, "u2", 60, ""));
    scene_expect_error(&wire, "forbidden", 8);
    scene_say(&wire, "{'op':'auth','id':9,'token':'a.b.c'}");
    scene_expect_error(&wire, "unauthorized", 9);
    scene_expect_alive(&wire);
    for (int i = 0; i < 2; i++) {
        scene_say(&wire, "{'op':'auth','id':9,'token':'a.b.c'}");
        scene_expect_error(&wire, "unauthorized", 9);
    }
    expect_close(&wire, 4401); /* three in vain */
    wire_fini(&wire);
}

static void narrower_rights_take_back_what_no_longer_fits(void **state) {
    struct broker_process *broker = start(state);
    struct wire backoffice;
    open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':1}}");
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/b','data':{'available':2}}");
    scene_apply(&backoffice, "{'op':'set','topic':'stock/2/a','data':{'available':3}}");
    scene_apply(&backoffice, "{'op':'set','topic':'service/c/1','data':{'position':{'lat':1.0,'lon':1.0}}}");
    FOR_BOTH(codec) {
        struct wire wire;
        open_with(&wire, broker, codec, token_of("'ahora':{'sub':['**']}"));
        json_decref(subscribe(&wire, 1, "stock/**"));
        json_decref(subscribe(&wire, 2, "stock/1/*"));
        scene_say(&wire, "{'op':'sub','id':3,'match':'service/**','near':{'lat':1,'lon':1,'radius_m':100}}");
        json_decref(scene_hear_op(&wire, "live"));
        renew(&wire, token_of("'ahora':{'sub':['stock/1/*']}"));
        json_t *message = scene_hear(&wire); /* what subscription 2 still follows is not taken back */
        assert_string_equal(wire_text(message, "op"), "remove");
        assert_string_equal(wire_text(message, "topic"), "stock/2/a");
        assert_string_equal(wire_text(message, "why"), "denied");
        json_decref(message);
        scene_expect_error(&wire, "forbidden", 1);
        message = scene_hear(&wire);
        assert_string_equal(wire_text(message, "topic"), "service/c/1");
        assert_string_equal(wire_text(message, "why"), "denied");
        json_decref(message);
        scene_expect_error(&wire, "forbidden", 3);
        scene_apply(&backoffice, "{'op':'set','topic':'stock/2/a','data':{'available':4}}");
        scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':5}}");
        message = scene_hear(&wire);
        assert_string_equal(wire_text(message, "topic"), "stock/1/a");
        json_decref(message);
        json_decref(subscribe(&wire, 1, "stock/1/a")); /* the id is free */
        wire_fini(&wire);
    }
    assert_true(scene_metric(broker, "ahora_subscriptions_denied_total") == 4);
    wire_fini(&backoffice);
}

static void other_fields_begin_anew(void **state) {
    struct broker_process *broker = start(state);
    struct wire backoffice;
    struct wire wire;
    open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1','data':{'available':1,'cost':2}}");
    open_with(&wire, broker, CODEC_JSON, token_of("'ahora':{'sub':['stock/**']}"));
    json_decref(subscribe(&wire, 1, "stock/**"));
    json_decref(subscribe(&wire, 2, "stock/1"));
    renew(&wire, token_of("'ahora':{'sub':['stock/**'],'fields':['available'],'max_subs':1}"));
    json_t *message = scene_hear(&wire); /* one too many; its document is the other's, too */
    assert_string_equal(wire_text(message, "op"), "error");
    assert_int_equal(scene_int(message, "id"), 2);
    json_decref(message);
    message = scene_hear(&wire);
    assert_string_equal(wire_text(message, "op"), "subscribed");
    assert_false(scene_bool(message, "resumed"));
    json_decref(message);
    json_t *messages = hear_until_live(&wire);
    expect_data(json_array_get(messages, 0), "{'available':1}");
    json_decref(messages);
    scene_apply(&backoffice, "{'op':'patch','topic':'stock/1','data':{'cost':3}}");
    message = scene_hear(&wire);
    assert_string_equal(wire_text(message, "op"), "patch");
    assert_null(json_object_get(message, "data"));
    json_decref(message);
    wire_fini(&wire);
    wire_fini(&backoffice);
}

/* ---- keys that come and go ---- */

static void reload(const struct broker_process *broker, double reloads, double failed) {
    kill(broker->pid, SIGHUP);
    const int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (scene_metric(broker, "ahora_access_reloads_total") < reloads ||
           scene_metric(broker, "ahora_access_reloads_failed_total") < failed) {
        assert_true(scene_clock_ms() < deadline_ms);
        scene_sleep(20);
    }
}

static void keys_are_read_again(void **state) {
    struct broker_process *broker = start(state);
    struct wire old;
    struct wire wire;
    open_with(&old, broker, CODEC_JSON, token_of("'ahora':{'sub':['stock/**']}"));
    write_file(broker, "keys/next.hs256", "%s", SECOND_SECRET);
    reload(broker, 1, 0);
    open_with(&wire, broker, CODEC_JSON, token_of_subject(header_next, SECOND_SECRET, "u2", 60, ""));
    scene_expect_alive(&old);
    write_file(broker, "keys/short.hs256", "%s", "too short");
    reload(broker, 1, 1);
    assert_true(scene_log_has(broker, "credentials-not-reloaded"));
    scene_expect_alive(&old);
    char path[256];
    snprintf(path, sizeof path, "%s/keys/short.hs256", broker->directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/keys/shop.hs256", broker->directory);
    unlink(path);
    reload(broker, 2, 1);
    expect_close(&old, 4401); /* nobody vouches for it any more */
    scene_expect_alive(&wire);
    wire_fini(&old);
    wire_fini(&wire);
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    scene_say(&wire, "{'op':'hello','token':'%s'}", token_of(""));
    scene_expect_error(&wire, "unauthorized", 0);
    wire_fini(&wire);
}

static void what_is_revoked_ends(void **state) {
    struct broker_process *broker = start(state);
    struct wire wires[4];
    char rest[64];
    open_with(&wires[0], broker, CODEC_JSON, token_of("'jti':'t-1'"));
    open_with(&wires[1], broker, CODEC_JSON, token_of("'jti':'t-2'"));
    open_with(&wires[2], broker, CODEC_MSGPACK, token_of_subject(header_shop, SECRET, "u2", 60, ""));
    snprintf(rest, sizeof rest, "'iat':%ld", (long)time(NULL) - 1);
    open_with(&wires[3], broker, CODEC_MSGPACK, token_of_subject(header_shop, SECRET, "u3", 60, rest));
    write_file(broker, "revoked", "# lost phones\njti t-1\nsub u2\nsub u3 before %ld\n", (long)time(NULL) - 100);
    reload(broker, 1, 0);
    expect_close(&wires[0], 4401);
    expect_close(&wires[2], 4401);
    scene_expect_alive(&wires[1]);
    scene_expect_alive(&wires[3]); /* issued later */
    for (int i = 0; i < 4; i++) {
        wire_fini(&wires[i]);
    }
    assert_true(scene_metric(broker, "ahora_sessions_revoked_total") == 2);
    scene_problem(broker, "GET", "/v1/kinds", bearer_of(token_of("'jti':'t-1'")), NULL, 401, "unauthorized");
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/kinds", bearer_of(token_of("'jti':'t-3'")), NULL, &response), 200);
    http_response_fini(&response);
}

static void api_keys_are_principals_with_rights(void **state) {
    struct broker_process *broker = start(state);
    struct wire wire;
    struct http_response response;
    open_backoffice(&wire, broker);
    json_decref(subscribe(&wire, 1, "**"));
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/order/1", bearer_of(API_KEY), "{\"a\":1}", &response), 201);
    http_response_fini(&response);
    scene_problem(broker, "GET", "/v1/topics/order/1", bearer_of(API_KEY "x"), NULL, 401, "unauthorized");
    write_api_keys(broker, "sub=stock/** every_ms=5");
    reload(broker, 1, 0);
    wire_receive_close(&wire, PATIENCE_MS); /* its line changed: it comes back under the new one */
    assert_int_equal(wire.close_code, 4401);
    wire_fini(&wire);
    scene_problem(broker, "GET", "/v1/topics/order/1", bearer_of(API_KEY), NULL, 403, "forbidden");
}

/* ---- the command line ---- */

/* $A is the program. */
static void expect_run(const char *directory, const char *command, int code, const char *expected) {
    struct bytes out = {0};
    const int got = scene_run(&out, "cd %s && %s", directory, command);
    if (got != code || strstr(bytes_text(&out), expected) == NULL) {
        fail_msg("%s: exit code %d: %s", command, got, bytes_text(&out));
    }
    bytes_fini(&out);
}

/* What `ahora key` and `ahora token` make is what the broker takes, and nothing of it stands on a command line. */
static void what_the_command_line_makes_is_taken(void **state) {
    struct broker_process *broker = prepare(state);
    const char *directory = broker->directory;
    char path[PATH_MAX];
    assert_non_null(realpath(scene_client_path(), path));
    setenv("A", path, 1);
    expect_run(directory, "$A key secret >keys/desk.hs256", 0, "");
    expect_run(directory, "$A key make erp 'sub=**,order/**' 'pub=stock/**' >>api_keys 2>erp.key && cat api_keys", 0,
               "erp sha256:");
    expect_run(directory,
               "$A token make keys/desk.hs256 sub=anna exp=1h 'ahora.sub=stock/{shops}/*' 'shops:=[\"s1\"]' >anna.token", 0,
               "");
    expect_run(directory, "$A token check keys/desk.hs256 --token-file anna.token", 0, "\"shops\":[\"s1\"]");
    expect_run(directory, "$A token check keys/shop.hs256 --token-file anna.token", 3,
               "not valid: its `kid` names another key");
    expect_run(directory, "$A token make keys/desk.hs256 sub=anna exp=1 | $A token check keys/desk.hs256", 3, "it has expired");
    expect_run(directory, "$A token make keys/desk.hs256 exp=1h", 1, "sub=SUBJECT");
    expect_run(directory, "$A token make keys/none.hs256 sub=anna", 1, "cannot be read");
    expect_run(directory, "printf a.b.c | $A token show", 3, "not valid");
    assert_true(broker_process_start(broker, NULL));
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", broker->port);
    setenv("AHORA_URL", url, 1);
    expect_run(directory, "$A put --token-file erp.key stock/s1/a '{\"available\":3}'", 0, "");
    expect_run(directory, "$A get --token-file anna.token 'stock/s1/*'", 0, "stock/s1/a");
    expect_run(directory, "$A get --token-file anna.token 'stock/**'", 3, "forbidden");
    expect_run(directory, "$A put --token-file anna.token stock/s1/a '{}'", 3, "forbidden");
    expect_run(directory, "$A get stock/s1/a", 3, "unauthorized");
    unsetenv("AHORA_URL");
}

/* ---- what must not start ---- */

static void expect_no_start(void **state, const char *reason) {
    struct broker_process *broker = *state;
    assert_true(broker_process_spawn(broker, NULL));
    assert_int_equal(scene_wait_end(broker), 1);
    if (!scene_log_has(broker, reason)) {
        broker_process_print_log(broker);
        fail_msg("the log has no: %s", reason);
    }
}

static void a_weak_secret_is_no_key(void **state) {
    struct broker_process *broker = prepare(state);
    write_file(broker, "keys/weak.hs256", "%s", "1234567890123456789012345678901");
    expect_no_start(state, "at least 32 bytes");
}

static void a_public_key_is_no_secret(void **state) {
    struct broker_process *broker = prepare(state);
    write_file(broker, "keys/rsa.hs256", "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", SECRET);
    expect_no_start(state, "no secret for HS256");
}

static void a_mistake_in_rights_is_found_at_the_start(void **state) {
    struct broker_process *broker = prepare(state);
    write_api_keys(broker, "subs=stock/**");
    expect_no_start(state, "line 3");
}

static void a_mistake_in_anonymous_rights_is_found_at_the_start(void **state) {
    scene_configure("AUTH_ANONYMOUS_SUB", "stock/**/a");
    prepare(state);
    expect_no_start(state, "auth.anonymous_sub");
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(tokens_get_in_and_bad_ones_do_not),
        CASE(messages_behind_a_token_wait_for_it),
        CASE(a_token_may_come_with_the_upgrade),
        CASE(anonymous_may_what_is_configured),
        CASE(patterns_must_lie_in_the_grant),
        CASE(fields_that_are_not_granted_are_never_shown),
        CASE(masked_sessions_with_several_views_are_right),
        CASE(every_ms_is_a_floor),
        CASE(writing_needs_a_right_for_the_topic_and_the_op),
        CASE(figures_take_a_right_where_anybody_may_come),
        CASE(figures_are_for_nobody_without_a_name),
        CASE(sources_and_demand_are_granted),
        CASE(idempotency_keys_belong_to_the_subject),
        CASE(a_session_ends_with_its_token),
        CASE(renewal_lets_a_session_live_on),
        CASE(narrower_rights_take_back_what_no_longer_fits),
        CASE(other_fields_begin_anew),
        CASE(keys_are_read_again),
        CASE(what_is_revoked_ends),
        CASE(api_keys_are_principals_with_rights),
        CASE(what_the_command_line_makes_is_taken),
        CASE(a_weak_secret_is_no_key),
        CASE(a_public_key_is_no_secret),
        CASE(a_mistake_in_rights_is_found_at_the_start),
        CASE(a_mistake_in_anonymous_rights_is_found_at_the_start),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
