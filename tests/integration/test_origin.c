/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Web pages of other origins: they can make a browser speak to us, and are refused by what the browser says of them. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/scene.h"

/* The status of an upgrade with these header lines besides the usual ones. */
static int upgrade(const struct broker_process *broker, const char *headers) {
    struct wire wire;
    struct wire_options options = {.headers = headers};
    wire_open_with(&wire, broker->port, CODEC_JSON, &options);
    int status = wire.status;
    wire_fini(&wire);
    return status;
}

/* The status of a request with nothing but these header lines. */
static int request(const struct broker_process *broker, const char *line, const char *headers) {
    struct bytes text = {0};
    struct http_response response;
    bytes_printf(&text, "%s HTTP/1.1\r\n%sConnection: close\r\nContent-Length: 2\r\n\r\n{}", line, headers);
    http_exchange(broker->port, bytes_data(&text), bytes_size(&text), false, PATIENCE_MS, &response);
    int status = response.status;
    http_response_fini(&response);
    bytes_fini(&text);
    return status;
}

static const char *const foreign[] = {
    "Origin: http://evil.example\r\n",
    "Origin: https://evil.example:7600\r\n",
    "Origin: null\r\n",
    "Origin: http://localhost.evil.com\r\n",
    "Origin: http://127.0.0.1.evil.com:80\r\n",
    "Origin: http://evil.example#localhost\r\n",
    "Origin: file://\r\n",
    "Origin: \r\n",
    "Origin: localhost\r\n",
    "Origin: http://evil.example@[::1]x\r\n",
    "Origin: http://128.0.0.1\r\n",
    "Origin: http://user@localhost\r\n",
};

static void a_foreign_page_gets_no_websocket(void **state) {
    struct broker_process *broker = scene_start(state);
    size_t count = sizeof foreign / sizeof foreign[0];
    for (size_t i = 0; i < count; i++) {
        if (upgrade(broker, foreign[i]) != 403) {
            fail_msg("not refused: %s", foreign[i]);
        }
    }
    assert_int_equal((int)scene_metric(broker, "ahora_http_origins_refused_total"), (int)count);
    assert_int_equal((int)scene_metric(broker, "ahora_websocket_upgrades_refused_total"), (int)count);
}

static void a_foreign_page_changes_nothing_and_opens_no_stream(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const calls[][2] = {
        {"PUT", "/v1/topics/stock/1/a"},         {"PATCH", "/v1/topics/stock/1/a"}, {"DELETE", "/v1/topics/stock/1/a"},
        {"POST", "/v1/topics/stock/1/a/adjust"}, {"POST", "/v1/publish"},           {"GET", "/v1/stream?match=stock/1/*"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const char *body = strcmp(calls[i][0], "GET") == 0 ? NULL : "{\"qty\":1}";
        scene_problem(broker, calls[i][0], calls[i][1], "Origin: http://evil.example\r\n", body, 403, "forbidden");
    }
    assert_null(scene_get(broker, "stock/1/a"));
    struct http_response response; /* what it may not see does no harm */
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=stock/**", "Origin: http://evil.example\r\n", NULL, &response),
                     200);
    http_response_fini(&response);
}

static void our_own_page_and_programs_are_served(void **state) {
    struct broker_process *broker = scene_start(state);
    char own[64];
    snprintf(own, sizeof own, "Origin: http://127.0.0.1:%u\r\n", broker->port);
    assert_int_equal(upgrade(broker, own), 101);
    assert_int_equal(upgrade(broker, NULL), 101);
    struct http_response response;
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/order/1", own, "{\"status\":\"new\"}", &response), 201);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/order/2", NULL, "{\"status\":\"new\"}", &response), 201);
    http_response_fini(&response);
}

static void a_page_on_another_port_of_this_machine_is_served(void **state) {
    struct broker_process *broker = scene_start(state);
    assert_int_equal(upgrade(broker, "Origin: http://localhost:5173\r\n"), 101);
    assert_int_equal(upgrade(broker, "Origin: https://127.0.0.1\r\n"), 101);
    assert_int_equal(upgrade(broker, "Origin: http://[::1]:3000\r\n"), 101);
    assert_int_equal(upgrade(broker, "Origin: http://LocalHost:3000\r\n"), 101);
}

static void origins_may_be_allowed(void **state) {
    scene_configure("LISTEN_ALLOWED_ORIGINS", "https://board.example null");
    struct broker_process *broker = scene_start(state);
    assert_int_equal(upgrade(broker, "Origin: https://board.example\r\n"), 101);
    assert_int_equal(upgrade(broker, "Origin: null\r\n"), 101);
    assert_int_equal(upgrade(broker, "Origin: http://board.example\r\n"), 403);
    assert_int_equal(upgrade(broker, "Origin: https://board.example:444\r\n"), 403);
    assert_int_equal(request(broker, "GET /livez", "Host: board.example\r\n"), 200); /* a proxy passes its name on */
    assert_int_equal(request(broker, "GET /livez", "Host: evil.example\r\n"), 403);
}

static void every_origin_may_be_allowed(void **state) {
    scene_configure("LISTEN_ALLOWED_ORIGINS", "*");
    struct broker_process *broker = scene_start(state);
    assert_int_equal(upgrade(broker, "Origin: http://evil.example\r\n"), 101);
    assert_int_equal(request(broker, "GET /livez", "Host: evil.example\r\n"), 200);
}

/* A site whose name was pointed at 127.0.0.1: Origin and Host agree, but the name is not ours. */
static void a_foreign_name_for_this_machine_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char rebound[] = "Host: evil.example:7600\r\nOrigin: http://evil.example:7600\r\n";
    assert_int_equal(request(broker, "PUT /v1/topics/order/1", rebound), 403);
    assert_int_equal(request(broker, "GET /v1/topics/order/1", "Host: evil.example:7600\r\n"), 403);
    assert_int_equal(request(broker, "GET /metrics", "Host: localhost.evil.example\r\n"), 403);
    assert_int_equal(request(broker, "GET /livez", "Host: \r\n"), 403);
    assert_int_equal(request(broker, "GET /livez", "Host: localhost\r\n"), 200);
    assert_int_equal(request(broker, "GET /livez", "Host: 127.0.0.1:1\r\n"), 200);
    assert_int_equal(request(broker, "GET /livez", "Host: [::1]:7600\r\n"), 200);
}

static void an_open_broker_answers_to_any_name(void **state) {
    scene_configure("LISTEN_INSECURE_OPEN", "true");
    struct broker_process *broker = scene_start(state);
    assert_int_equal(request(broker, "GET /livez", "Host: broker.example:7600\r\n"), 200);
    assert_int_equal(request(broker, "DELETE /v1/topics/order/1", "Host: broker.example\r\nOrigin: http://broker.example\r\n"),
                     404);
    assert_int_equal(request(broker, "DELETE /v1/topics/order/1", "Host: broker.example\r\nOrigin: http://evil.example\r\n"),
                     403);
    assert_int_equal(request(broker, "DELETE /v1/topics/order/1", "Host: broker.example\r\nOrigin: http://localhost\r\n"), 403);
}

static void expect_header(const struct http_response *response, const char *name, const char *expected) {
    char value[256] = "";
    bool there = http_response_header(response, name, value, sizeof value);
    if (expected == NULL ? there : strcmp(value, expected) != 0) {
        fail_msg("%s: %s", name, there ? value : "(none)");
    }
}

/* What the browser needs before it shows an answer to the page: on documents, refusals and streams. */
static void an_allowed_page_may_see_the_answers(void **state) {
    scene_configure("LISTEN_ALLOWED_ORIGINS", "https://board.example");
    struct broker_process *broker = scene_start(state);
    static const struct {
        const char *method, *target, *body;
        int status;
    } calls[] = {
        {"PUT", "/v1/topics/order/1", "{}", 201},   {"GET", "/v1/topics/order/1", NULL, 200},
        {"GET", "/v1/topics/order/2", NULL, 404},   {"GET", "/nothing", NULL, 404},
        {"GET", "/v1/topics?match=**", NULL, 200},  {"DELETE", "/v1/topics/order/2", NULL, 404},
        {"PUT", "/v1/topics/order/1", "nope", 400}, {"POST", "/v1/topics/order/1", "{}", 405},
    };
    struct http_response response;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        assert_int_equal(
            scene_http(broker, calls[i].method, calls[i].target, "Origin: https://board.example\r\n", calls[i].body, &response),
            calls[i].status);
        expect_header(&response, "Access-Control-Allow-Origin", "https://board.example");
        expect_header(&response, "Access-Control-Expose-Headers", "ETag, Location, Retry-After");
        expect_header(&response, "Vary", "Origin");
        http_response_fini(&response);
    }
    static const char stream[] =
        "GET /v1/stream?match=order/* HTTP/1.1\r\nHost: localhost\r\nOrigin: https://board.example\r\n\r\n";
    http_exchange(broker->port, stream, sizeof stream - 1, true, PATIENCE_MS, &response);
    expect_header(&response, "Access-Control-Allow-Origin", "https://board.example");
    http_response_fini(&response);
}

static void another_page_may_not_see_the_answers(void **state) {
    scene_configure("LISTEN_ALLOWED_ORIGINS", "https://board.example");
    struct broker_process *broker = scene_start(state);
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=**", "Origin: http://evil.example\r\n", NULL, &response), 200);
    expect_header(&response, "Access-Control-Allow-Origin", NULL);
    expect_header(&response, "Vary", "Origin");
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=**", NULL, NULL, &response), 200);
    expect_header(&response, "Access-Control-Allow-Origin", NULL);
    expect_header(&response, "Vary", NULL);
    http_response_fini(&response);
}

static void a_browser_that_asks_first_is_told_what_a_page_may(void **state) {
    scene_configure("LISTEN_ALLOWED_ORIGINS", "https://board.example");
    struct broker_process *broker = scene_start(state);
    static const char asks[] = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: content-type\r\n";
    char headers[256];
    struct http_response response;
    snprintf(headers, sizeof headers, "Origin: https://board.example\r\n%s", asks);
    assert_int_equal(scene_http(broker, "OPTIONS", "/v1/topics/order/1", headers, NULL, &response), 204);
    expect_header(&response, "Access-Control-Allow-Origin", "https://board.example");
    expect_header(&response, "Access-Control-Allow-Methods", "GET, HEAD, PUT, PATCH, DELETE");
    expect_header(&response, "Access-Control-Allow-Headers",
                  "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID");
    expect_header(&response, "Access-Control-Max-Age", "600");
    http_response_fini(&response);
    snprintf(headers, sizeof headers, "Origin: http://evil.example\r\n%s", asks);
    assert_int_equal(scene_http(broker, "OPTIONS", "/v1/topics/order/1", headers, NULL, &response), 403);
    expect_header(&response, "Access-Control-Allow-Origin", NULL);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "OPTIONS", "/v1/publish", NULL, NULL, &response), 204); /* no browser */
    expect_header(&response, "Allow", "POST");
    expect_header(&response, "Access-Control-Allow-Methods", NULL);
    http_response_fini(&response);
    assert_int_equal(scene_http(broker, "OPTIONS", "/nothing", NULL, NULL, &response), 404);
    http_response_fini(&response);
}

struct origin_case {
    const char *origin; /* NULL: none */
    const char *host;   /* NULL: the usual one, 127.0.0.1 with the port */
    int status;         /* of an upgrade */
};

/* Allowed: ALLOWED. Everything else is refused, unless it is of this machine, or of the very name that was asked. */
#define ALLOWED "https://board.example https://shop.example:8443 http://intranet:8080 https://xn--bcher-kva.example"

static const struct origin_case origin_cases[] = {
    /* those on the list, however they are spelled */
    {"https://board.example", NULL, 101},
    {"https://shop.example:8443", NULL, 101},
    {"http://intranet:8080", NULL, 101},
    {"https://xn--bcher-kva.example", NULL, 101},
    {"HTTPS://Board.Example", NULL, 101},
    {"https://board.example", "board.example", 101},
    {"https://board.example", "board.example:443", 403}, /* no origin of that name and port is known */
    /* another scheme, another port */
    {"http://board.example", NULL, 403},
    {"wss://board.example", NULL, 403},
    {"https://board.example:443", NULL, 403}, /* browsers leave the usual port away */
    {"https://board.example:8443", NULL, 403},
    {"https://shop.example", NULL, 403},
    {"https://shop.example:8444", NULL, 403},
    {"https://shop.example:84430", NULL, 403},
    {"http://intranet", NULL, 403},
    {"https://intranet:8080", NULL, 403},
    /* a name around the name */
    {"https://board.example.evil.example", NULL, 403},
    {"https://evilboard.example", NULL, 403},
    {"https://evil-board.example", NULL, 403},
    {"https://www.board.example", NULL, 403},
    {"https://board.exampl", NULL, 403},
    {"https://board.example.", NULL, 403},
    {"https://.board.example", NULL, 403},
    {"https://board.example%2eevil.example", NULL, 403},
    {"https://board_example", NULL, 403},
    /* more than an origin */
    {"https://board.example/", NULL, 403},
    {"https://board.example/path", NULL, 403},
    {"https://board.example?", NULL, 403},
    {"https://board.example#", NULL, 403},
    {"https://user@board.example", NULL, 403},
    {"https://board.example@evil.example", NULL, 403},
    {"https://board.example:443@evil.example", NULL, 403},
    {"https://evil.example/https://board.example", NULL, 403},
    {"https://evil.example https://board.example", NULL, 403},
    {"https://board.example https://evil.example", NULL, 403},
    {"https://board.example, https://evil.example", NULL, 403},
    {"https://board.example\\.evil.example", NULL, 403},
    {"https://board.example\t.evil.example", NULL, 403},
    /* other alphabets: browsers send what DNS is asked for */
    {"https://b\xc3\xbc"
     "cher.example",
     NULL, 403},
    {"https://xn--bcher-kva.example.evil.example", NULL, 403},
    {"https://bo\xd0\xb0rd.example", NULL, 403}, /* a Cyrillic a */
    /* no origin at all, and what is none */
    {NULL, NULL, 101},
    {"null", NULL, 403},
    {"NULL", NULL, 403},
    {"", NULL, 403},
    {"*", NULL, 403},
    {"https://", NULL, 403},
    {"://board.example", NULL, 403},
    {"board.example", NULL, 403},
    {"//board.example", NULL, 403},
    {"file://", NULL, 403},
    {"data:text/html,x", NULL, 403},
    {"chrome-extension://abcdefgh", NULL, 403},
    /* this machine, and what only looks like it */
    {"http://localhost", NULL, 101},
    {"https://localhost:3000", NULL, 101},
    {"http://127.0.0.1", NULL, 101},
    {"http://127.1.2.3:80", NULL, 101},
    {"http://[::1]", NULL, 101},
    {"http://localhost.", NULL, 403},
    {"http://localhost.evil.example", NULL, 403},
    {"http://localhost:80@evil.example", NULL, 403},
    {"http://localhost:80evil", NULL, 403},
    {"http://localhost:", NULL, 403},
    {"http://localhost:123456", NULL, 403},
    {"http://127.0.0.1.evil.example", NULL, 403},
    {"http://127.1", NULL, 403},
    {"http://2130706433", NULL, 403},
    {"http://0x7f000001", NULL, 403},
    {"http://0.0.0.0", NULL, 403},
    {"http://[::ffff:127.0.0.1]", NULL, 403},
    {"http://[::1].evil.example", NULL, 403},
    {"http://192.168.0.1", NULL, 403},
    /* the very name that was asked: an address or a bare name cannot be pointed here by a stranger */
    {"http://box:7600", "box:7600", 101},
    {"https://box:7600", "box:7600", 101}, /* TLS may end in front of us */
    {"http://192.0.2.7:7600", "192.0.2.7:7600", 101},
    {"http://box:7601", "box:7600", 403},
    {"http://box", "box:7600", 403},
    {"http://evil.example:7600", "evil.example:7600", 403},
    {"http://localhost", "box", 403}, /* a page of the visitor's machine, and a broker elsewhere */
};

static void each_origin_is_judged_as_a_whole(void **state) {
    scene_configure("LISTEN_ALLOWED_ORIGINS", ALLOWED);
    struct broker_process *broker = scene_start(state);
    size_t count = sizeof origin_cases / sizeof origin_cases[0];
    assert_true(count >= 40);
    for (size_t i = 0; i < count; i++) {
        const struct origin_case *at = &origin_cases[i];
        char host[64];
        struct bytes text = {0};
        struct http_response response;
        snprintf(host, sizeof host, "127.0.0.1:%u", broker->port);
        bytes_printf(
            &text,
            "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ahora.v1.json\r\n",
            at->host != NULL ? at->host : host);
        if (at->origin != NULL) {
            bytes_printf(&text, "Origin: %s\r\n", at->origin);
        }
        bytes_printf(&text, "\r\n");
        http_exchange(broker->port, bytes_data(&text), bytes_size(&text), false, PATIENCE_MS, &response);
        if (response.status != at->status) {
            fail_msg("%d instead of %d: Origin %s, Host %s", response.status, at->status,
                     at->origin != NULL ? at->origin : "none", at->host != NULL ? at->host : "the usual");
        }
        http_response_fini(&response);
        bytes_fini(&text);
    }
}

static void an_origin_is_said_once(void **state) {
    scene_configure("LISTEN_ALLOWED_ORIGINS", ALLOWED);
    struct broker_process *broker = scene_start(state);
    assert_int_equal(upgrade(broker, "Origin: https://board.example\r\nOrigin: https://evil.example\r\n"), 403);
    assert_int_equal(upgrade(broker, "Origin: https://board.example\r\norigin: https://board.example\r\n"), 403);
}

/* Who does so has shown it to every log on the way. */
static void a_token_in_a_url_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const targets[] = {
        "/v1/topics?match=order/*&token=SECRET",
        "/v1/stream?match=order/*&access_token=SECRET",
        "/livez?Authorization=SECRET",
        "/v1/topics/order/1?%74oken=SECRET",
        "/nothing?TOKEN=SECRET",
        "/v1/ws?jwt=SECRET",
        "/v1/kinds?api_key=SECRET",
        "/?a=b&&bearer",
    };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        scene_problem(broker, "GET", targets[i], NULL, NULL, 400, "bad_message");
    }
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/topics?match=order/token", NULL, NULL, &response), 200);
    http_response_fini(&response);
    assert_true(scene_metric(broker, "ahora_http_url_tokens_refused_total") == sizeof targets / sizeof targets[0]);
}

static void no_token_is_ever_logged(void **state) {
    scene_configure("LOG_LEVEL", "debug");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    static const char header[] = "Authorization: Bearer SECRET\r\n";
    upgrade(broker, header);
    http_status(broker->port, "/v1/topics?match=order/*&token=SECRET");
    request(broker, "PUT /v1/topics/order/1", "Host: localhost\r\nAuthorization: Bearer SECRET\r\n");
    request(broker, "PUT /SECRET/SECRET?SECRET", "Host: evil.example\r\nAuthorization: Bearer SECRET\r\n");
    request(broker, "SECRET", "Authorization: SECRET\r\n");
    assert_true(wire_open(&wire, broker->port, CODEC_JSON));
    scene_say(&wire, "{'op':'hello','token':'SECRET'}");
    json_decref(scene_hear(&wire));
    scene_say(&wire, "{'op':'auth','id':1,'token':'SECRET'}");
    json_decref(scene_hear(&wire));
    scene_say(&wire, "{'op':'SECRET','token':'SECRET'}");
    json_decref(scene_hear(&wire));
    wire_fini(&wire);
    broker_process_term(broker);
    assert_true(scene_log_has(broker, "listening"));
    assert_false(scene_log_has(broker, "SECRET"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_foreign_page_gets_no_websocket),
        CASE(a_foreign_page_changes_nothing_and_opens_no_stream),
        CASE(our_own_page_and_programs_are_served),
        CASE(a_page_on_another_port_of_this_machine_is_served),
        CASE(origins_may_be_allowed),
        CASE(every_origin_may_be_allowed),
        CASE(a_foreign_name_for_this_machine_is_refused),
        CASE(an_open_broker_answers_to_any_name),
        CASE(an_allowed_page_may_see_the_answers),
        CASE(another_page_may_not_see_the_answers),
        CASE(a_browser_that_asks_first_is_told_what_a_page_may),
        CASE(each_origin_is_judged_as_a_whole),
        CASE(an_origin_is_said_once),
        CASE(a_token_in_a_url_is_refused),
        CASE(no_token_is_ever_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
