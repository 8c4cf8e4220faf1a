/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Public and internal addresses: what each offers, and what it says of what it does not. */
#include "tests/integration/scene.h"

#include <stdio.h>
#include <string.h>

/* A broker whose own address is internal, and one more that is public. */
static struct broker_process *start_two(void **state, struct broker_process *public) {
    static char addresses[2][32];
    struct broker_process *broker = scene_prepare(state);
    *public = (struct broker_process){0};
    struct broker_process other;
    assert_true(broker_process_init(&other, "port")); /* for its port */
    public->port = other.port;
    broker_process_fini(&other);
    snprintf(addresses[0], sizeof addresses[0], "127.0.0.1:%u", public->port);
    scene_configure("LISTEN_PUBLIC", addresses[0]);
    assert_true(broker_process_start(broker, NULL));
    return broker;
}

static void a_public_address_offers_reading(void **state) {
    struct broker_process public;
    struct broker_process *broker = start_two(state, &public);
    struct http_response response;
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/order/1", NULL, "{\"i\":1}", &response), 201);
    http_response_fini(&response);
    static const char *const targets[] = {
        "/v1/topics?match=order/*", "/v1/topics/order/1", "/v1/kinds", "/v1/kinds/order", "/livez", "/readyz"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_int_equal(http_status(public.port, targets[i]), 200);
    }
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, &public, codec);
        scene_say(&wire, "{'op':'sub','id':1,'match':['order/*']}");
        json_t *set = scene_hear_op(&wire, "set");
        assert_string_equal(wire_text(set, "topic"), "order/1");
        json_decref(set);
        wire_fini(&wire);
    }
}

static void what_is_internal_is_not_there(void **state) {
    struct broker_process public;
    struct broker_process *broker = start_two(state, &public);
    static const char *const targets[] = {"/metrics", "/v1/status", "/v1/admin/sessions", "/", "/nothing"};
    const size_t count = sizeof targets / sizeof targets[0];
    for (size_t i = 0; i < count; i++) {
        scene_problem(&public, "GET", targets[i], NULL, NULL, 404, "not_found");
        assert_int_equal(http_status(broker->port, targets[i]), i < count - 1 ? 200 : 404);
    }
    scene_problem(&public, "POST", "/v1/admin/drain", NULL, NULL, 404, "not_found");
    assert_true(scene_metric(broker, "ahora_http_roles_refused_total") >= 5);
}

static void nothing_is_published_there_over_http(void **state) {
    struct broker_process public;
    struct broker_process *broker = start_two(state, &public);
    static const struct {
        const char *method;
        const char *target;
        const char *headers;
        const char *body;
    } cases[] = {
        {"PUT", "/v1/topics/order/1", NULL, "{\"i\":1}"},
        {"PATCH", "/v1/topics/order/1", NULL, "{\"i\":1}"},
        {"DELETE", "/v1/topics/order/1", NULL, NULL},
        {"POST", "/v1/topics/order/1/adjust", NULL, "{\"add\":{\"i\":1}}"},
        {"POST", "/v1/publish", "Content-Type: application/json\r\n", "{\"changes\":[]}"},
        {"POST", "/v1/publish", "Content-Type: application/x-ndjson\r\n",
         "{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{}}\n"},
        {"POST", "/v1/range", "Content-Type: application/json\r\n", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene_problem(&public, cases[i].method, cases[i].target, cases[i].headers, cases[i].body, 403, "forbidden");
    }
    assert_null(scene_get(broker, "order/1"));
}

static void nothing_is_published_there_by_a_session(void **state) {
    struct broker_process public;
    struct broker_process *broker = start_two(state, &public);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, &public, codec);
        scene_say(&wire, "{'op':'pub','id':5,'changes':[{'op':'set','topic':'order/1','data':{'i':1}}]}");
        scene_expect_error(&wire, "forbidden", 5);
        scene_expect_alive(&wire);
        wire_fini(&wire);
    }
    assert_null(scene_get(broker, "order/1"));
}

static void no_source_speaks_there(void **state) {
    struct broker_process public;
    start_two(state, &public);
    struct wire wire;
    assert_true(wire_open(&wire, public.port, CODEC_JSON));
    scene_say(&wire, "{'op':'hello','source':'town'}");
    scene_expect_error(&wire, "forbidden", 0);
    assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4403);
    wire_fini(&wire);
}

static void with_an_address_of_ones_own_the_usual_one_is_closed(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    assert_int_equal(
        scene_run(&out, "AHORA_LISTEN_INTERNAL=127.0.0.1:%u %s -t | grep -A3 '^.listen'", broker->port, scene_broker_path()),
        0);
    assert_non_null(strstr(bytes_text(&out), "address = \n"));
    bytes_clear(&out);
    assert_int_equal(scene_run(&out, "%s -t | grep -A3 '^.listen'", scene_broker_path()), 0);
    assert_non_null(strstr(bytes_text(&out), "address = 127.0.0.1:7600\n"));
    bytes_fini(&out);
}

static void no_address_beyond_loopback_is_open_by_itself(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    static const char *const names[] = {"LISTEN_ADDRESS", "LISTEN_PUBLIC", "LISTEN_INTERNAL"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bytes_clear(&out);
        assert_int_equal(
            scene_run(&out, "AHORA_%s=127.0.0.1:1,0.0.0.0:%u %s -t 2>&1", names[i], broker->port, scene_broker_path()), 1);
        assert_non_null(strstr(bytes_text(&out), "insecure-open"));
        assert_int_equal(
            scene_run(&out, "AHORA_%s=0.0.0.0:%u %s -t --insecure-open", names[i], broker->port, scene_broker_path()), 0);
    }
    bytes_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_public_address_offers_reading),
        CASE(what_is_internal_is_not_there),
        CASE(nothing_is_published_there_over_http),
        CASE(nothing_is_published_there_by_a_session),
        CASE(no_source_speaks_there),
        CASE(with_an_address_of_ones_own_the_usual_one_is_closed),
        CASE(no_address_beyond_loopback_is_open_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
