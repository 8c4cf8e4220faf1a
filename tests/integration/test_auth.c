/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Who gets in: tokens, API keys and anonymous, keys that are read again and revoked, and what must not start. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/keyed.h"

#define SECOND_SECRET "fedcba9876543210fedcba9876543210-"

static const char header_next[] = "{\"alg\":\"HS256\",\"kid\":\"next\"}";

/* ---- getting in ---- */

static void tokens_get_in_and_bad_ones_do_not(void **state) {
    struct broker_process *broker = keyed_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        keyed_open(&wire, broker, codec, keyed_token("'ahora':{'sub':['stock/**']}"));
        json_decref(keyed_subscribe(&wire, 1, "stock/*"));
        scene_expect_alive(&wire);
        wire_fini(&wire);
        assert_true(wire_open(&wire, broker->port, codec));
        scene_say(&wire, "{'op':'hello','token':'%s'}", keyed_token_of_subject(keyed_header, SECOND_SECRET, "u1", 60, ""));
        scene_expect_error(&wire, "unauthorized", 0);
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4401);
        assert_string_equal(wire.close_reason, "unauthorized");
        wire_fini(&wire);
        assert_true(wire_open(&wire, broker->port, codec)); /* none at all */
        scene_say(&wire, "{'op':'hello'}");
        scene_expect_error(&wire, "unauthorized", 0);
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4401);
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
    assert_false(scene_log_has(broker, KEYED_SECRET));
    assert_false(scene_log_has(broker, "eyJ"));
}

/* What stands behind a hello waits for its verdict, and then is answered in order. */
static void messages_behind_a_token_wait_for_it(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire wire;
    char text[TOKEN_BYTES_MAX + 512];
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    snprintf(text, sizeof text,
             "{\"op\":\"hello\",\"token\":\"%s\"}\n{\"op\":\"ping\",\"id\":1}\n{\"op\":\"get\",\"id\":2,\"match\":\"room/*\"}\n"
             "{\"op\":\"auth\",\"id\":3,\"token\":\"%s\"}\n{\"op\":\"get\",\"id\":4,\"match\":\"room/*\"}",
             keyed_token("'ahora':{'sub':['stock/**']}"), keyed_token("'ahora':{'sub':['room/**']}"));
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
    struct broker_process *broker = keyed_start(state);
    struct wire wire;
    struct wire_options options = {.headers = keyed_bearer(keyed_token("'ahora':{'sub':['stock/**']}"))};
    assert_true(wire_open_with(&wire, broker->port, CODEC_MSGPACK, &options));
    json_t *welcome = scene_ask(&wire, "{'op':'hello'}");
    assert_string_equal(wire_text(welcome, "op"), "welcome");
    json_decref(welcome);
    json_decref(keyed_subscribe(&wire, 1, "stock/**"));
    wire_fini(&wire);
    options.headers = keyed_bearer("x.y.z");
    assert_false(wire_open_with(&wire, broker->port, CODEC_JSON, &options));
    assert_int_equal(wire.status, 401);
    wire_fini(&wire);
}

static void anonymous_may_what_is_configured(void **state) {
    scene_configure("AUTH_ANONYMOUS_SUB", "stock/** room/**");
    scene_configure("AUTH_ANONYMOUS_FIELDS", "available");
    scene_configure("AUTH_ANONYMOUS_MAX_SUBS", "2");
    struct broker_process *broker = keyed_start(state);
    struct wire backoffice;
    struct wire wire;
    keyed_open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':3,'cost':7}}");
    scene_open(&wire, broker, CODEC_JSON);
    json_t *messages = keyed_subscribe(&wire, 1, "stock/**");
    assert_int_equal(json_array_size(messages), 1);
    keyed_expect_data(json_array_get(messages, 0), "{'available':3}");
    json_decref(messages);
    scene_say(&wire, "{'op':'sub','id':2,'match':'order/1'}");
    scene_expect_error(&wire, "forbidden", 2);
    scene_say(&wire, "{'op':'sub','id':2,'match':'**'}");
    scene_expect_error(&wire, "forbidden", 2);
    scene_say(&wire, "{'op':'sub','id':2,'match':'$demand/**'}");
    scene_expect_error(&wire, "forbidden", 2);
    json_decref(keyed_subscribe(&wire, 2, "room/*"));
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
    keyed_expect_data(item, "{'available':3}");
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
    struct broker_process *broker = keyed_start(state);
    struct wire old;
    struct wire wire;
    keyed_open(&old, broker, CODEC_JSON, keyed_token("'ahora':{'sub':['stock/**']}"));
    scene_write_file(broker, "keys/next.hs256", "%s", SECOND_SECRET);
    reload(broker, 1, 0);
    keyed_open(&wire, broker, CODEC_JSON, keyed_token_of_subject(header_next, SECOND_SECRET, "u2", 60, ""));
    scene_expect_alive(&old);
    scene_write_file(broker, "keys/short.hs256", "%s", "too short");
    reload(broker, 1, 1);
    assert_true(scene_log_has(broker, "credentials-not-reloaded"));
    scene_expect_alive(&old);
    char path[256];
    snprintf(path, sizeof path, "%s/keys/short.hs256", broker->directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/keys/shop.hs256", broker->directory);
    unlink(path);
    reload(broker, 2, 1);
    assert_int_equal(wire_receive_close(&old, PATIENCE_MS), 4401); /* nobody vouches for it any more */
    scene_expect_alive(&wire);
    wire_fini(&old);
    wire_fini(&wire);
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    scene_say(&wire, "{'op':'hello','token':'%s'}", keyed_token(""));
    scene_expect_error(&wire, "unauthorized", 0);
    wire_fini(&wire);
}

static void what_is_revoked_ends(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire wires[4];
    char rest[64];
    keyed_open(&wires[0], broker, CODEC_JSON, keyed_token("'jti':'t-1'"));
    keyed_open(&wires[1], broker, CODEC_JSON, keyed_token("'jti':'t-2'"));
    keyed_open(&wires[2], broker, CODEC_MSGPACK, keyed_token_of_subject(keyed_header, KEYED_SECRET, "u2", 60, ""));
    snprintf(rest, sizeof rest, "'iat':%ld", (long)time(NULL) - 1);
    keyed_open(&wires[3], broker, CODEC_MSGPACK, keyed_token_of_subject(keyed_header, KEYED_SECRET, "u3", 60, rest));
    scene_write_file(broker, "revoked", "# lost phones\njti t-1\nsub u2\nsub u3 before %ld\n", (long)time(NULL) - 100);
    reload(broker, 1, 0);
    assert_int_equal(wire_receive_close(&wires[0], PATIENCE_MS), 4401);
    assert_int_equal(wire_receive_close(&wires[2], PATIENCE_MS), 4401);
    scene_expect_alive(&wires[1]);
    scene_expect_alive(&wires[3]); /* issued later */
    for (int i = 0; i < 4; i++) {
        wire_fini(&wires[i]);
    }
    assert_true(scene_metric(broker, "ahora_sessions_revoked_total") == 2);
    scene_problem(broker, "GET", "/v1/kinds", keyed_bearer(keyed_token("'jti':'t-1'")), NULL, 401, "unauthorized");
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/kinds", keyed_bearer(keyed_token("'jti':'t-3'")), NULL, &response), 200);
    http_response_fini(&response);
}

static void api_keys_are_principals_with_rights(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire wire;
    struct http_response response;
    keyed_open_backoffice(&wire, broker);
    json_decref(keyed_subscribe(&wire, 1, "**"));
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/order/1", keyed_bearer(KEYED_API_KEY), "{\"a\":1}", &response), 201);
    http_response_fini(&response);
    scene_problem(broker, "GET", "/v1/topics/order/1", keyed_bearer(KEYED_API_KEY "x"), NULL, 401, "unauthorized");
    keyed_write_api_keys(broker, "sub=stock/** every_ms=5");
    reload(broker, 1, 0);
    wire_receive_close(&wire, PATIENCE_MS); /* its line changed: it comes back under the new one */
    assert_int_equal(wire.close_code, 4401);
    wire_fini(&wire);
    scene_problem(broker, "GET", "/v1/topics/order/1", keyed_bearer(KEYED_API_KEY), NULL, 403, "forbidden");
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
    struct broker_process *broker = keyed_prepare(state);
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
    struct broker_process *broker = keyed_prepare(state);
    scene_write_file(broker, "keys/weak.hs256", "%s", "1234567890123456789012345678901");
    expect_no_start(state, "at least 32 bytes");
}

static void a_public_key_is_no_secret(void **state) {
    struct broker_process *broker = keyed_prepare(state);
    scene_write_file(broker, "keys/rsa.hs256", "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", KEYED_SECRET);
    expect_no_start(state, "no secret for HS256");
}

static void a_mistake_in_rights_is_found_at_the_start(void **state) {
    struct broker_process *broker = keyed_prepare(state);
    keyed_write_api_keys(broker, "subs=stock/**");
    expect_no_start(state, "line 3");
}

static void a_mistake_in_anonymous_rights_is_found_at_the_start(void **state) {
    scene_configure("AUTH_ANONYMOUS_SUB", "stock/**/a");
    keyed_prepare(state);
    expect_no_start(state, "auth.anonymous_sub");
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(tokens_get_in_and_bad_ones_do_not),
        CASE(messages_behind_a_token_wait_for_it),
        CASE(a_token_may_come_with_the_upgrade),
        CASE(anonymous_may_what_is_configured),
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
