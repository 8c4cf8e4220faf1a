/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The HTTP API: documents, conditions, publishing, lists, probes. Streams are in test_http_stream.c, bad HTTP in test_http_bad.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scene.h"

#define JSON "Content-Type: application/json\r\n"

static json_t *ask(const struct broker_process *broker, const char *method, const char *target, const char *headers,
                   const char *body, int status) {
    struct http_response response;
    int got = scene_http(broker, method, target, headers, body, &response);
    if (got != status) {
        fail_msg("%s %s: %d instead of %d: %.200s", method, target, got, status, http_response_body(&response));
    }
    json_t *value = http_response_json(&response);
    http_response_fini(&response);
    assert_non_null(value);
    return value;
}

/* A change that must be taken (200 or 201); its seq. */
static int64_t change(const struct broker_process *broker, const char *method, const char *target, const char *headers,
                      const char *body) {
    struct http_response response;
    int status = scene_http(broker, method, target, headers, body, &response);
    if (status != 200 && status != 201) {
        fail_msg("%s %s: %d: %.200s", method, target, status, http_response_body(&response));
    }
    json_t *value = http_response_json(&response);
    int64_t seq = scene_int(value, "seq");
    json_decref(value);
    http_response_fini(&response);
    return seq;
}

/* ---- one topic ---- */

static void a_topic_is_put_patched_adjusted_read_and_deleted(void **state) {
    struct broker_process *broker = scene_start(state);
    const char *topic = "/v1/topics/stock/4711/aachen";
    assert_int_equal(change(broker, "PUT", topic, JSON, "{\"available\":3,\"name\":\"x\"}"), 1);
    assert_int_equal(
        change(broker, "PATCH", topic, "Content-Type: application/merge-patch+json\r\n", "{\"name\":null,\"b\":[1]}"), 2);
    assert_int_equal(change(broker, "POST", "/v1/topics/stock/4711/aachen/adjust", JSON, "{\"available\":-2}"), 3);
    json_t *document = ask(broker, "GET", topic, NULL, NULL, 200);
    json_t *want = scene_json("{'available':1,'b':[1]}");
    assert_true(codec_values_equal(json_object_get(document, "data"), want));
    assert_string_equal(wire_text(document, "topic"), "stock/4711/aachen");
    assert_int_equal(scene_int(document, "seq"), 3);
    assert_true(scene_int(document, "at") > 1700000000000);
    assert_null(json_object_get(document, "stale"));
    json_decref(want);
    json_decref(document);
    assert_int_equal(change(broker, "DELETE", topic, NULL, NULL), 4);
    scene_problem(broker, "GET", topic, NULL, NULL, 404, "not_found");
    scene_problem(broker, "DELETE", topic, NULL, NULL, 404, "not_found");
}

static void each_error_is_a_problem_with_its_code(void **state) {
    struct broker_process *broker = scene_start(state);
    change(broker, "PUT", "/v1/topics/stock/1/a", JSON, "{\"available\":1,\"text\":\"x\"}");
    scene_problem(broker, "PUT", "/v1/topics/stock", JSON, "{}", 400, "bad_topic");
    scene_problem(broker, "PUT", "/v1/topics/stock/*", JSON, "{}", 400, "bad_topic");
    scene_problem(broker, "GET", "/v1/topics/stock//a", NULL, NULL, 400, "bad_topic");
    scene_problem(broker, "PUT", "/v1/topics/nothing/1", JSON, "{}", 404, "unknown_kind");
    scene_problem(broker, "PUT", "/v1/topics/stock/1/a", JSON, "{", 400, "bad_message");
    scene_problem(broker, "PUT", "/v1/topics/stock/1/a", JSON, "[1]", 400, "bad_message");
    scene_problem(broker, "PUT", "/v1/topics/stock/1/a", JSON, "{\"a\":1,\"a\":2}", 400, "bad_message");
    scene_problem(broker, "PUT", "/v1/topics/stock/1/a", JSON, "", 400, "bad_message");
    scene_problem(broker, "POST", "/v1/topics/stock/1/a/adjust", JSON, "{\"available\":-2}", 409, "out_of_range");
    scene_problem(broker, "POST", "/v1/topics/stock/1/a/adjust", JSON, "{\"text\":1}", 422, "invalid");
    scene_problem(broker, "POST", "/v1/topics/stock/1/a/adjust", JSON, "{\"available\":1.5}", 422, "invalid");
    scene_problem(broker, "GET", "/v1/topics?match=stock", NULL, NULL, 400, "bad_pattern");
    scene_problem(broker, "GET", "/v1/topics?match=stock/**/x", NULL, NULL, 400, "bad_pattern");
    scene_problem(broker, "GET", "/v1/stream?match=stock", NULL, NULL, 400, "bad_pattern");
    assert_true(scene_holds(broker, "stock/1/a", "{'available':1,'text':'x'}"));
}

static void a_document_deeper_than_a_message_can_carry_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    change(broker, "PUT", "/v1/topics/order/13", JSON, "{\"1\":{\"2\":[[[[[[[[[[{\"13\":1}]]]]]]]]]]}}");
    const char *deep = "{\"1\":{\"2\":[[[[[[[[[[[{\"14\":1}]]]]]]]]]]]}}";
    scene_problem(broker, "PUT", "/v1/topics/order/deep", JSON, deep, 400, "bad_message");
    assert_null(scene_get(broker, "order/deep"));
    char body[256];
    snprintf(body, sizeof body, "{\"op\":\"set\",\"topic\":\"order/deep\",\"data\":%s}\n", deep);
    struct http_response response;
    scene_http(broker, "POST", "/v1/publish", "Content-Type: application/x-ndjson\r\n", body, &response);
    assert_non_null(strstr(http_response_body(&response), "bad_message"));
    http_response_fini(&response);
    snprintf(body, sizeof body, "{\"changes\":[{\"op\":\"set\",\"topic\":\"order/deep\",\"data\":%s}]}", deep);
    scene_problem(broker, "POST", "/v1/publish", JSON, body, 400, "bad_message");
    assert_null(scene_get(broker, "order/deep"));
}

static void a_large_body_is_413(void **state) {
    struct broker_process *broker = scene_start(state);
    size_t size = 5 << 20;
    char *body = malloc(size + 1);
    memset(body, 'x', size);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + 70000, "\"}", 3);
    scene_problem(broker, "PUT", "/v1/topics/stock/1/big", JSON, body, 413, "too_large");
    memset(body + 70000, 'x', 3);
    memcpy(body + size - 2, "\"}", 3);
    struct http_response response;
    http_request(broker->port, "PUT", "/v1/topics/stock/1/big", JSON, body, size, &response);
    assert_int_equal(response.status, 413);
    http_response_fini(&response);
    assert_null(scene_get(broker, "stock/1/big"));
    free(body);
}

static void an_etag_is_the_token_and_answers_304(void **state) {
    struct broker_process *broker = scene_start(state);
    const char *topic = "/v1/topics/stock/1/a";
    int64_t seq = change(broker, "PUT", topic, JSON, "{\"v\":1}");
    json_t *status = ask(broker, "GET", "/v1/status", NULL, NULL, 200);
    char want[64];
    snprintf(want, sizeof want, "\"%s-%lld\"", wire_text(status, "epoch"), (long long)seq);
    json_decref(status);
    struct http_response response;
    char etag[64] = "";
    assert_int_equal(scene_http(broker, "GET", topic, NULL, NULL, &response), 200);
    assert_true(http_response_header(&response, "etag", etag, sizeof etag));
    assert_string_equal(etag, want);
    http_response_fini(&response);
    static const char *const forms[] = {"If-None-Match: %s\r\n", "If-None-Match: W/%s\r\n", "If-None-Match: \"a\", %s\r\n",
                                        "If-None-Match: *\r\n"};
    for (size_t i = 0; i < 4; i++) {
        char *headers = NULL;
        const char *place = strstr(forms[i], "%s");
        size_t before = place == NULL ? strlen(forms[i]) : (size_t)(place - forms[i]);
        assert_true(asprintf(&headers, "%.*s%s%s", (int)before, forms[i], place == NULL ? "" : etag,
                             place == NULL ? "" : place + 2) > 0);
        assert_int_equal(scene_http(broker, "GET", topic, headers, NULL, &response), 304);
        char again[64] = "";
        http_response_header(&response, "etag", again, sizeof again);
        assert_string_equal(again, want);
        assert_int_equal(bytes_size(&response.reader.body), 0);
        http_response_fini(&response);
        free(headers);
    }
    change(broker, "PUT", topic, JSON, "{\"v\":2}");
    char headers[128];
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", etag);
    assert_int_equal(scene_http(broker, "GET", topic, headers, NULL, &response), 200);
    http_response_fini(&response);
}

static void if_match_and_if_none_match_guard_changes(void **state) {
    struct broker_process *broker = scene_start(state);
    const char *topic = "/v1/topics/room/1/a";
    scene_problem(broker, "PUT", topic, JSON "If-Match: *\r\n", "{}", 412, "conflict");
    change(broker, "PUT", topic, JSON "If-None-Match: *\r\n", "{\"v\":1}");
    scene_problem(broker, "PUT", topic, JSON "If-None-Match: *\r\n", "{\"v\":2}", 412, "conflict");
    struct http_response response;
    char etag[64] = "";
    scene_http(broker, "GET", topic, NULL, NULL, &response);
    http_response_header(&response, "etag", etag, sizeof etag);
    http_response_fini(&response);
    char headers[200];
    snprintf(headers, sizeof headers, JSON "If-Match: %s\r\n", etag);
    change(broker, "PATCH", topic, headers, "{\"w\":1}");
    scene_problem(broker, "PATCH", topic, headers, "{\"w\":2}", 412, "conflict");
    scene_problem(broker, "DELETE", topic, headers, NULL, 412, "conflict");
    scene_problem(broker, "PUT", topic, JSON "If-Match: \"other-1\"\r\n", "{}", 412, "conflict");
    scene_problem(broker, "PUT", topic, JSON "If-Match: nonsense\r\n", "{}", 412, "conflict");
    assert_true(scene_holds(broker, "room/1/a", "{'v':1,'w':1}"));
    scene_http(broker, "PATCH", topic, headers, "{}", &response);
    json_t *problem = http_response_json(&response);
    assert_int_equal(scene_int(problem, "seq"), 2); /* a conflict tells the current seq */
    json_decref(problem);
    http_response_fini(&response);
    change(broker, "PUT", topic, JSON "If-Match: *\r\n", "{\"v\":9}");
}

static void a_condition_on_what_is_not_there_is_told_seq_0(void **state) {
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/room/1/a", JSON "If-Match: *\r\n", "{}", &response), 412);
    json_t *problem = http_response_json(&response);
    assert_int_equal(scene_int(problem, "seq"), 0);
    json_decref(problem);
    http_response_fini(&response);
    scene_problem(broker, "GET", "/v1/topics/nothing/1", NULL, NULL, 404, "unknown_kind");
    scene_problem(broker, "GET", "/v1/topics/room/1/a", NULL, NULL, 404, "not_found");
}

static void expect_again(const struct broker_process *broker, const char *method, const char *headers, const char *body,
                         int status, int64_t seq) {
    for (int i = 0; i < 2; i++) {
        struct http_response response;
        assert_int_equal(scene_http(broker, method, "/v1/topics/stock/1/a", headers, body, &response), status);
        json_t *answer = http_response_json(&response);
        assert_int_equal(scene_int(answer, "seq"), seq);
        json_decref(answer);
        http_response_fini(&response);
    }
}

/* Whatever its conditions say by then. */
static void a_request_made_again_gets_its_first_answer(void **state) {
    struct broker_process *broker = scene_start(state);
    expect_again(broker, "PUT", JSON "Idempotency-Key: k1\r\nIf-None-Match: *\r\n", "{}", 201, 1);
    expect_again(broker, "PUT", JSON "Idempotency-Key: k2\r\nIf-Match: *\r\n", "{\"a\":1}", 200, 2);
    expect_again(broker, "PUT", JSON "Idempotency-Key: k1\r\nIf-None-Match: *\r\n", "{}", 201, 1);
    expect_again(broker, "DELETE", "Idempotency-Key: k3\r\nIf-Match: *\r\n", NULL, 200, 3);
    expect_again(broker, "PUT", JSON "Idempotency-Key: k2\r\nIf-Match: *\r\n", "{\"a\":1}", 200, 2);
    assert_null(scene_get(broker, "stock/1/a"));
}

static void an_idempotency_key_used_again_applies_nothing(void **state) {
    struct broker_process *broker = scene_start(state);
    change(broker, "PUT", "/v1/topics/stock/1/a", JSON, "{\"available\":9}");
    const char *adjust = "/v1/topics/stock/1/a/adjust";
    int64_t seq = change(broker, "POST", adjust, JSON "Idempotency-Key: sale-1\r\n", "{\"available\":-2}");
    assert_int_equal(change(broker, "POST", adjust, JSON "Idempotency-Key: sale-1\r\n", "{\"available\":-2}"), seq);
    assert_true(scene_holds(broker, "stock/1/a", "{'available':7}"));
    seq = change(broker, "PUT", "/v1/topics/stock/1/b", JSON "Idempotency-Key: put-1\r\n", "{}");
    change(broker, "DELETE", "/v1/topics/stock/1/b", NULL, NULL);
    assert_int_equal(change(broker, "PUT", "/v1/topics/stock/1/b", JSON "Idempotency-Key: put-1\r\n", "{}"), seq);
    assert_null(scene_get(broker, "stock/1/b"));
    char headers[256];
    snprintf(headers, sizeof headers, JSON "Idempotency-Key: %065d\r\n", 1);
    scene_problem(broker, "PUT", "/v1/topics/stock/1/c", headers, "{}", 400, "bad_message");
}

static void topics_may_be_percent_encoded(void **state) {
    struct broker_process *broker = scene_start(state);
    change(broker, "PUT", "/v1/topics/%73tock/a%3Ab%7e/%41", JSON, "{\"v\":1}");
    assert_true(scene_holds(broker, "stock/a:b~/A", "{'v':1}"));
    scene_problem(broker, "PUT", "/v1/topics/stock/a%20b", JSON, "{}", 400, "bad_topic");
    struct http_response response;
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/stock/a%00b", JSON, "{}", &response), 400);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "GET", "/v1/topics/stock/a%zz", NULL, NULL, &response), 400);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "GET", "/v1/topics/stock/a%4", NULL, NULL, &response), 400);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/stock%2Fa", JSON, "{}", &response),
                     400); /* an encoded slash separates nothing */
    http_response_fini(&response);
    json_t *page = ask(broker, "GET", "/v1/topics?match=stock%2F%2A%2fA", NULL, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    json_decref(page);
}

static void head_is_get_without_the_body(void **state) {
    struct broker_process *broker = scene_start(state);
    change(broker, "PUT", "/v1/topics/stock/1/a", JSON, "{\"v\":1}");
    static const char *const targets[] = {"/v1/topics/stock/1/a",
                                          "/v1/topics?match=**",
                                          "/v1/topics?match=stock/**",
                                          "/livez",
                                          "/readyz",
                                          "/metrics",
                                          "/v1/status",
                                          "/v1/topics/stock/1/none",
                                          "/nothing"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct http_response get;
        struct http_response head;
        int status = scene_http(broker, "GET", targets[i], NULL, NULL, &get);
        assert_int_equal(scene_http(broker, "HEAD", targets[i], NULL, NULL, &head), status);
        assert_int_equal(bytes_size(&head.reader.body) + bytes_size(&head.reader.raw), 0);
        char a[64] = "";
        char b[64] = "";
        http_response_header(&get, "etag", a, sizeof a);
        http_response_header(&head, "etag", b, sizeof b);
        assert_string_equal(a, b);
        http_response_fini(&get);
        http_response_fini(&head);
    }
}

/* ---- publish ---- */

static void publish_takes_json(void **state) {
    struct broker_process *broker = scene_start(state);
    json_t *answer =
        ask(broker, "POST", "/v1/publish", JSON,
            "{\"changes\":[{\"op\":\"set\",\"topic\":\"stock/1/a\",\"data\":{\"available\":1}},"
            "{\"op\":\"adjust\",\"topic\":\"stock/1/a\",\"data\":{\"available\":-2}},{\"op\":\"touch\",\"topic\":\"x\"}]}",
            200);
    json_t *results = json_object_get(answer, "results");
    assert_int_equal(json_array_size(results), 3);
    assert_int_equal(scene_int(json_array_get(results, 0), "seq"), 1);
    assert_string_equal(scene_code(json_array_get(results, 1)), "out_of_range");
    assert_string_equal(scene_code(json_array_get(results, 2)), "bad_topic");
    json_decref(answer);
    answer = ask(broker, "POST", "/v1/publish", JSON,
                 "{\"atomic\":true,\"ack\":\"applied\",\"changes\":[{\"op\":\"delete\",\"topic\":\"stock/1/a\"},"
                 "{\"op\":\"delete\",\"topic\":\"stock/1/a\"}]}",
                 200);
    results = json_object_get(answer, "results");
    assert_string_equal(scene_code(json_array_get(results, 0)), "aborted");
    assert_string_equal(scene_code(json_array_get(results, 1)), "not_found");
    json_decref(answer);
    assert_true(scene_holds(broker, "stock/1/a", "{'available':1}"));
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"changes\":[]}",
                                      "{\"changes\":{}}",
                                      "{\"changes\":[1],\"atomic\":1}",
                                      "{\"changes\":[{\"op\":\"touch\",\"topic\":\"stock/1/a\"}],\"ack\":\"x\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        scene_problem(broker, "POST", "/v1/publish", JSON, bad[i], 400, "bad_message");
    }
}

static void publish_takes_msgpack(void **state) {
    struct broker_process *broker = scene_start(state);
    json_t *message =
        scene_json("{'changes':[{'op':'set','topic':'stock/1/a','data':{'v':1.5}},{'op':'delete','topic':'room/1'}]}");
    struct bytes body = {0};
    codec_encode(CODEC_MSGPACK, message, &body);
    json_decref(message);
    struct http_response response;
    http_request(broker->port, "POST", "/v1/publish", "Content-Type: application/msgpack\r\n", bytes_data(&body),
                 bytes_size(&body), &response);
    assert_int_equal(response.status, 200);
    size_t offset = 0;
    bool is_bad = false;
    json_t *answer =
        codec_decode(CODEC_MSGPACK, bytes_data(&response.reader.body), bytes_size(&response.reader.body), &offset, &is_bad);
    json_t *results = json_object_get(answer, "results");
    assert_int_equal(scene_int(json_array_get(results, 0), "seq"), 1);
    assert_string_equal(scene_code(json_array_get(results, 1)), "not_found");
    json_decref(answer);
    http_response_fini(&response);
    assert_true(scene_holds(broker, "stock/1/a", "{'v':1.5}"));
    static const char bombs[][6] = {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc1"};
    for (size_t i = 0; i < 4; i++) {
        http_request(broker->port, "POST", "/v1/publish", "Content-Type: application/msgpack\r\n", bombs[i], strlen(bombs[i]),
                     &response);
        scene_expect_problem(&response, 400, "bad_message");
        http_response_fini(&response);
    }
    bytes_fini(&body);
}

/* ---- lists ---- */

#define MANY 5000

static void fill(const struct broker_process *broker) {
    struct bytes body = {0};
    for (int i = 0; i < MANY; i++) {
        bytes_printf(&body, "{\"op\":\"set\",\"topic\":\"stock/%d/%d\",\"data\":{\"i\":%d}}\n", i % 10, i, i);
    }
    struct http_response response;
    http_request(broker->port, "POST", "/v1/publish", "Content-Type: application/x-ndjson\r\n", bytes_data(&body),
                 bytes_size(&body), &response);
    assert_int_equal(response.status, 200);
    http_response_fini(&response);
    bytes_fini(&body);
}

static void a_list_is_paged_without_gap_or_repeat(void **state) {
    struct broker_process *broker = scene_start(state);
    fill(broker);
    char after[128] = "";
    char last[128] = "";
    int count = 0;
    bool more = true;
    while (more) {
        char target[512];
        snprintf(target, sizeof target, "/v1/topics?match=stock/**&limit=700%s%s", after[0] ? "&after=" : "", after);
        json_t *page = ask(broker, "GET", target, NULL, NULL, 200);
        assert_int_equal(scene_int(page, "seq"), MANY);
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(page, "items"), i, item) {
            assert_true(strcmp(wire_text(item, "topic"), last) > 0);
            snprintf(last, sizeof last, "%s", wire_text(item, "topic"));
            assert_true(json_is_object(json_object_get(item, "data")));
            count++;
        }
        more = json_is_true(json_object_get(page, "more"));
        snprintf(after, sizeof after, "%s", last);
        json_decref(page);
    }
    assert_int_equal(count, MANY);
}

static void a_list_as_ndjson_holds_everything_once(void **state) {
    struct broker_process *broker = scene_start(state);
    fill(broker);
    struct http_response response;
    char type[64] = "";
    assert_int_equal(
        scene_http(broker, "GET", "/v1/topics?match=stock/**", "Accept: application/x-ndjson\r\n", NULL, &response), 200);
    http_response_header(&response, "content-type", type, sizeof type);
    assert_string_equal(type, "application/x-ndjson");
    static bool is_seen[MANY];
    memset(is_seen, 0, sizeof is_seen);
    int count = 0;
    size_t offset = 0;
    bool is_bad = false;
    for (json_t *item; (item = codec_decode(CODEC_JSON, bytes_data(&response.reader.body), bytes_size(&response.reader.body),
                                            &offset, &is_bad)) != NULL;
         json_decref(item)) {
        int64_t i = scene_int(json_object_get(item, "data"), "i");
        assert_false(is_seen[i]);
        is_seen[i] = true;
        count++;
    }
    assert_false(is_bad);
    assert_int_equal(count, MANY);
    http_response_fini(&response);
    assert_int_equal(
        scene_http(broker, "GET", "/v1/topics?match=stock/3/*&limit=7", "Accept: application/x-ndjson\r\n", NULL, &response),
        200);
    count = 0;
    for (const char *place = http_response_body(&response); (place = strchr(place, '\n')) != NULL; place++) {
        count++;
    }
    assert_int_equal(count, 7);
    http_response_fini(&response);
}

static void a_list_of_nothing_is_empty(void **state) {
    struct broker_process *broker = scene_start(state);
    json_t *page = ask(broker, "GET", "/v1/topics?match=stock/**", NULL, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 0);
    assert_int_equal(scene_int(page, "seq"), 0);
    json_decref(page);
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=room/*", "Accept: application/x-ndjson\r\n", NULL, &response),
                     200);
    assert_int_equal(bytes_size(&response.reader.body), 0);
    http_response_fini(&response);
    static const char *const bad[] = {"limit=0", "limit=-1", "limit=x", "limit=99999999999999999999", "limit=1.5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char target[128];
        snprintf(target, sizeof target, "/v1/topics?match=stock/**&%s", bad[i]);
        scene_problem(broker, "GET", target, NULL, NULL, 400, "bad_message");
    }
}

static void several_patterns_may_be_asked_for_at_once(void **state) {
    struct broker_process *broker = scene_start(state);
    change(broker, "PUT", "/v1/topics/stock/1/a", JSON, "{}");
    change(broker, "PUT", "/v1/topics/room/1/a", JSON, "{}");
    change(broker, "PUT", "/v1/topics/order/1", JSON, "{}");
    json_t *page = ask(broker, "GET", "/v1/topics?match=stock/**&match=room/1/*&match=stock/1/a", NULL, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 2);
    json_decref(page);
}

/* ---- probes ---- */

static void probes_status_and_metrics_answer(void **state) {
    struct broker_process *broker = scene_start(state);
    change(broker, "PUT", "/v1/topics/stock/1/a", JSON, "{}");
    assert_int_equal(http_status(broker->port, "/livez"), 200);
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
    assert_int_equal(http_status(broker->port, "/"), 200);
    json_t *status = ask(broker, "GET", "/v1/status", NULL, NULL, 200);
    assert_true(wire_text(status, "epoch")[0] != '\0');
    assert_int_equal(scene_int(status, "seq"), 1);
    assert_int_equal(scene_int(status, "topics"), 1);
    json_decref(status);
}

/* Prometheus text exposition: comments, or `name{labels} value`; a TYPE before its samples, and no name twice. */
static void metrics_are_prometheus_text(void **state) {
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    char type[64] = "";
    assert_int_equal(scene_http(broker, "GET", "/metrics", NULL, NULL, &response), 200);
    http_response_header(&response, "content-type", type, sizeof type);
    assert_int_equal(strncmp(type, "text/plain", 10), 0);
    int samples = 0;
    char typed[128] = "";
    for (const char *line = http_response_body(&response); *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_non_null(strchr(line, '\n'));
        char name[128];
        char value[64];
        if (line[0] == '#') {
            sscanf(line, "# TYPE %127s", typed);
            continue;
        }
        assert_int_equal(sscanf(line, "%127[a-zA-Z0-9_:]", name), 1);
        assert_int_equal(strncmp(name, typed, strlen(typed)), 0);
        const char *space = line + strlen(name);
        if (*space == '{') {
            space = strstr(space, "} ") + 1;
        }
        assert_int_equal(sscanf(space, " %63s", value), 1);
        char *end;
        strtod(value, &end);
        assert_int_equal(*end, '\0');
        samples++;
    }
    assert_true(samples > 20);
    http_response_fini(&response);
}

static void unknown_paths_are_404_and_other_methods_405(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const unknown[] = {"/nothing", "/v1", "/v1/", "/v2/topics", "/v1/topicsx", "/v1/publish/x", "/livez/"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        scene_problem(broker, "GET", unknown[i], NULL, NULL, 404, "not_found");
    }
    static const char *const wrong[][2] = {{"POST", "/livez"},         {"PUT", "/v1/publish"},
                                           {"GET", "/v1/publish"},     {"DELETE", "/v1/topics"},
                                           {"POST", "/v1/topics/a/b"}, {"GET", "/v1/topics/stock/a/adjust"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct http_response response;
        char allow[128] = "";
        int status = scene_http(broker, wrong[i][0], wrong[i][1], NULL, NULL, &response);
        if (i == 5) { /* stock/a/adjust is a topic, too */
            assert_int_equal(status, 404);
        } else {
            assert_int_equal(status, 405);
            assert_true(http_response_header(&response, "allow", allow, sizeof allow));
            assert_null(strstr(allow, wrong[i][0]));
        }
        http_response_fini(&response);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_topic_is_put_patched_adjusted_read_and_deleted),
        CASE(each_error_is_a_problem_with_its_code),
        CASE(a_document_deeper_than_a_message_can_carry_is_refused),
        CASE(a_large_body_is_413),
        CASE(an_etag_is_the_token_and_answers_304),
        CASE(if_match_and_if_none_match_guard_changes),
        CASE(an_idempotency_key_used_again_applies_nothing),
        CASE(a_condition_on_what_is_not_there_is_told_seq_0),
        CASE(a_request_made_again_gets_its_first_answer),
        CASE(topics_may_be_percent_encoded),
        CASE(head_is_get_without_the_body),
        CASE(publish_takes_json),
        CASE(publish_takes_msgpack),
        CASE(a_list_is_paged_without_gap_or_repeat),
        CASE(a_list_as_ndjson_holds_everything_once),
        CASE(a_list_of_nothing_is_empty),
        CASE(several_patterns_may_be_asked_for_at_once),
        CASE(probes_status_and_metrics_answer),
        CASE(metrics_are_prometheus_text),
        CASE(unknown_paths_are_404_and_other_methods_405),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
