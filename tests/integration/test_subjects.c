/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Limits of who somebody is, whichever connections and shards they come by; and who may look after the broker. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/scene.h"
#include "tests/support/token.h"

#define TILL_KEY "ahk_till0till0till0till0till0till0till0till0till0"
#define OFFICE_KEY "ahk_office0office0office0office0office0office0"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define BEARER(key) "Authorization: Bearer " key "\r\n" JSON_TYPE

static void put_key(FILE *file, const char *name, const char *key, const char *rights) {
    uint8_t digest[32];
    token_sha256(key, strlen(key), digest);
    fprintf(file, "%s sha256:", name);
    for (int i = 0; i < 32; i++) {
        fprintf(file, "%02x", digest[i]);
    }
    fprintf(file, " %s\n", rights);
}

/* A broker that knows a till and an office, of which only the latter may look after it. */
static struct broker_process *start(void **state) {
    struct broker_process *broker = scene_prepare(state);
    char path[256];
    snprintf(path, sizeof path, "%s/api_keys", broker->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    put_key(file, "till", TILL_KEY, "sub=** pub=**");
    put_key(file, "office", OFFICE_KEY, "sub=** pub=** admin=true");
    fclose(file);
    scene_configure("AUTH_API_KEYS", path);
    assert_true(broker_process_start(broker, NULL));
    return broker;
}

static bool open_as(struct wire *wire, const struct broker_process *broker, enum codec codec, const char *key) {
    assert_true(wire_open(wire, broker->port, codec));
    json_t *hello = scene_json("{'op':'hello','token':'%s'}", key);
    wire_send_new(wire, hello);
    json_t *welcome = wire_receive_op(wire, "welcome", PATIENCE_MS);
    json_decref(welcome);
    return welcome != NULL && wire->close_code == 0;
}

/* It hears welcome or not, but it is closed. */
static void expect_too_many(const struct broker_process *broker, enum codec codec, const char *key) {
    struct wire wire;
    if (open_as(&wire, broker, codec, key)) {
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4429);
    }
    assert_int_equal(wire.close_code, 4429);
    assert_string_equal(wire.close_reason, "too_many");
    wire_fini(&wire);
}

static void sessions_of_one_subject_are_limited(void **state) {
    static const char *const shards[] = {"1", "3"};
    for (size_t i = 0; i < 2; i++) {
        scene_configure("THREADS_SHARDS", shards[i]);
        scene_configure("LIMITS_SESSIONS_PER_SUBJECT_MAX", "2");
        struct broker_process *broker = start(state);
        struct wire tills[2];
        struct wire office;
        for (int j = 0; j < 2; j++) {
            assert_true(open_as(&tills[j], broker, j == 0 ? CODEC_JSON : CODEC_MSGPACK, TILL_KEY));
        }
        expect_too_many(broker, CODEC_JSON, TILL_KEY);
        expect_too_many(broker, CODEC_MSGPACK, TILL_KEY);
        assert_true(open_as(&office, broker, CODEC_JSON, OFFICE_KEY)); /* others are not meant */
        scene_expect_alive(&office);
        scene_expect_alive(&tills[0]);
        scene_expect_alive(&tills[1]);
        wire_fini(&tills[0]);
        int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
        for (bool open = false; !open;) { /* there is room again */
            struct wire again;
            open = open_as(&again, broker, CODEC_JSON, TILL_KEY);
            wire_fini(&again);
            assert_true(scene_clock_ms() < deadline_ms);
        }
        wire_fini(&tills[1]);
        wire_fini(&office);
        assert_int_equal(broker_process_term(broker), 0);
        broker_process_fini(broker);
    }
}

/* ---- changes over HTTP ---- */

static int put(const struct broker_process *broker, const char *headers, int number) {
    char target[64];
    char retry[32];
    struct http_response response;
    snprintf(target, sizeof target, "/v1/topics/stock/1/%d", number);
    int status = scene_http(broker, "PUT", target, headers, "{}", &response);
    if (status == 429) {
        assert_true(http_response_header(&response, "Retry-After", retry, sizeof retry));
        scene_expect_problem(&response, 429, "rate_limited");
    } else {
        http_response_fini(&response);
    }
    return status;
}

/* Ten changes at once are more than a second's allowance: what comes next has to wait for seconds. */
static void use_up(const struct broker_process *broker, const char *headers) {
    struct http_response response;
    char body[2048] = "{\"changes\":[";
    for (int i = 0; i < 30; i++) {
        size_t used = strlen(body);
        snprintf(body + used, sizeof body - used, "%s{\"op\":\"delete\",\"topic\":\"stock/1/%d\"}", i > 0 ? "," : "", i);
    }
    strncat(body, "]}", sizeof body - strlen(body) - 1);
    assert_int_equal(scene_http(broker, "POST", "/v1/publish", headers, body, &response), 200);
    http_response_fini(&response);
}

static void changes_over_http_are_limited_by_subject(void **state) {
    scene_configure("LIMITS_PUBLISH_RATE_MAX", "1");
    struct broker_process *broker = start(state);
    use_up(broker, BEARER(TILL_KEY));
    assert_int_equal(put(broker, BEARER(TILL_KEY), 1), 429); /* another connection does not help */
    assert_int_equal(put(broker, BEARER(OFFICE_KEY), 1), 201);
    assert_true(scene_metric(broker, "ahora_http_publishes_limited_total") >= 1);
}

static void changes_over_http_are_limited_by_address(void **state) {
    scene_configure("LIMITS_PUBLISH_RATE_MAX", "1");
    scene_configure("LIMITS_LIMIT_LOOPBACK", "true");
    struct broker_process *broker = scene_start(state);
    use_up(broker, JSON_TYPE);
    assert_int_equal(put(broker, JSON_TYPE, 1), 429);
}

static void behind_a_proxy_on_this_machine_they_are_limited_by_connection(void **state) {
    scene_configure("LIMITS_PUBLISH_RATE_MAX", "1");
    struct broker_process *broker = scene_start(state);
    use_up(broker, JSON_TYPE);
    assert_int_equal(put(broker, JSON_TYPE, 1), 201);
}

/* ---- looking after the broker ---- */

static const struct {
    const char *method;
    const char *target;
    const char *body;
} calls[] = {
    {"GET", "/v1/admin/sessions", NULL},
    {"GET", "/v1/admin/sessions/slowest", NULL},
    {"POST", "/v1/admin/disconnect", "{\"subject\":\"till\"}"},
    {"POST", "/v1/admin/revoke", "{\"subject\":\"nobody\"}"},
    {"POST", "/v1/admin/reload", "{}"},
    {"POST", "/v1/admin/backup", "{\"name\":\"mine\"}"},
    {"POST", "/v1/admin/drain", "{}"},
};

/* A name that would end the quotes around it, and add fields of its own. */
#define SPOOF "{\"subject\":\"x\\\" result=ok who=\\\"office\\n\"}"

static void what_is_named_cannot_forge_a_line(void **state) {
    struct broker_process *broker = start(state);
    struct http_response response;
    scene_http(broker, "POST", "/v1/admin/revoke", BEARER(OFFICE_KEY), SPOOF, &response);
    http_response_fini(&response);
    scene_http(broker, "POST", "/v1/admin/disconnect", BEARER(OFFICE_KEY), SPOOF, &response);
    http_response_fini(&response);
    assert_true(scene_log_has(broker, "what=revoke"));
    assert_true(scene_log_has(broker, "what=disconnect"));
    assert_false(scene_log_has(broker, "\"x\" result=ok"));
}

static void who_looks_after_it_must_have_the_right(void **state) {
    struct broker_process *broker = start(state);
    struct wire till;
    assert_true(open_as(&till, broker, CODEC_JSON, TILL_KEY));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        scene_problem(broker, calls[i].method, calls[i].target, BEARER(TILL_KEY), calls[i].body, 403, "forbidden");
        scene_problem(broker, calls[i].method, calls[i].target, JSON_TYPE, calls[i].body, 401, "unauthorized");
    }
    scene_expect_alive(&till);
    for (int i = 0; i < 100; i++) {
        scene_problem(broker, "POST", "/v1/admin/drain", BEARER(TILL_KEY), "{}", 403, "forbidden");
    }
    assert_true(scene_log_has(broker, "admin who=\"till\" from=127.0.0.1 what=sessions result=forbidden"));
    assert_true(scene_log_count(broker, "result=forbidden") <
                50); /* one now and then: whoever is refused does not fill the log */
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct http_response response;
        int status = scene_http(broker, calls[i].method, calls[i].target, BEARER(OFFICE_KEY), calls[i].body, &response);
        assert_in_range(status, 200, 202);
        http_response_fini(&response);
    }
    assert_int_equal(scene_wait_end(broker), 0);
    assert_true(scene_log_has(broker, "admin who=\"office\" from=127.0.0.1 what=drain result=ok"));
    assert_false(scene_log_has(broker, TILL_KEY));
    assert_false(scene_log_has(broker, OFFICE_KEY));
    wire_fini(&till);
}

static void who_is_revoked_is_gone(void **state) {
    struct broker_process *broker = start(state);
    struct wire till;
    struct wire office;
    struct http_response response;
    assert_true(open_as(&till, broker, CODEC_JSON, TILL_KEY));
    assert_true(open_as(&office, broker, CODEC_JSON, OFFICE_KEY));
    static const char *const wrong[] = {"{}", "[]", "{\"subject\":7}", "{\"subject\":\"a\",\"id\":\"b\"}",
                                        "{\"subject\":\"till\",\"before_s\":-1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        scene_problem(broker, "POST", "/v1/admin/revoke", BEARER(OFFICE_KEY), wrong[i], 400, "bad_message");
    }
    assert_int_equal(scene_http(broker, "POST", "/v1/admin/revoke", BEARER(OFFICE_KEY), "{\"subject\":\"till\"}", &response),
                     200);
    http_response_fini(&response);
    assert_int_equal(wire_receive_close(&till, PATIENCE_MS), 4401);
    scene_expect_alive(&office);
    scene_problem(broker, "GET", "/v1/topics/order/1", BEARER(TILL_KEY), NULL, 401, "unauthorized");
    assert_true(scene_log_has(broker, "what=revoke subject=\"till\" result=ok"));
    wire_fini(&till);
    wire_fini(&office);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(sessions_of_one_subject_are_limited),
        CASE(changes_over_http_are_limited_by_subject),
        CASE(changes_over_http_are_limited_by_address),
        CASE(behind_a_proxy_on_this_machine_they_are_limited_by_connection),
        CASE(who_looks_after_it_must_have_the_right),
        CASE(what_is_named_cannot_forge_a_line),
        CASE(who_is_revoked_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
