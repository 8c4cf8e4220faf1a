/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Limits of sessions, kinds, newcomers and memory: each is met, says so by its error and its counter, and harms nobody else. */
#include "tests/integration/scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- rates of a session ---- */

/* Pings until one is refused; returns how long it was told to wait. */
static int64_t ping_until_refused(struct wire *wire) {
    for (int i = 1; i <= 1000; i++) {
        json_t *answer = scene_ask(wire, "{'op':'ping','id':%d}", i);
        if (strcmp(wire_text(answer, "op"), "error") == 0) {
            assert_string_equal(wire_text(answer, "code"), "rate_limited");
            assert_int_equal(scene_int(answer, "id"), i);
            int64_t retry_ms = scene_int(answer, "retry_ms");
            json_decref(answer);
            return retry_ms;
        }
        json_decref(answer);
    }
    fail_msg("a thousand messages in a row, and none refused");
    return 0;
}

static void a_session_that_sends_too_fast_is_told_to_wait(void **state) {
    scene_configure("LIMITS_MESSAGE_RATE_MAX", "5");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        double before = scene_metric(broker, "ahora_messages_limited_total");
        struct wire wire;
        struct wire other;
        scene_open(&wire, broker, codec);
        scene_open(&other, broker, codec);
        int64_t retry_ms = ping_until_refused(&wire);
        assert_in_range(retry_ms, 1, 2000);
        scene_expect_alive(&other);
        scene_sleep((int)retry_ms);
        json_t *answer = scene_ask(&wire, "{'op':'ping','id':7}");
        assert_string_equal(wire_text(answer, "op"), "pong");
        json_decref(answer);
        assert_true(scene_metric(broker, "ahora_messages_limited_total") > before);
        wire_fini(&wire);
        wire_fini(&other);
    }
}

static void one_that_does_not_wait_is_ended(void **state) {
    scene_configure("LIMITS_MESSAGE_RATE_MAX", "5");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    struct wire other;
    scene_open(&wire, broker, CODEC_JSON);
    scene_open(&other, broker, CODEC_JSON);
    char lines[20000] = "";
    for (size_t used = 0; used + 32 < sizeof lines;) {
        used += (size_t)snprintf(lines + used, sizeof lines - used, "{\"op\":\"ping\",\"id\":1}\n");
    }
    for (int i = 0; i < 3 && wire.fd >= 0; i++) {
        wire_send_payload(&wire, lines, strlen(lines));
    }
    assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4429);
    assert_string_equal(wire.close_reason, "rate_limited");
    assert_int_equal((int)scene_metric(broker, "ahora_flooders_total"), 1);
    scene_expect_alive(&other);
    wire_fini(&wire);
    wire_fini(&other);
}

static void bytes_count_too(void **state) {
    scene_configure("LIMITS_RECEIVE_RATE_MAX", "4K");
    struct broker_process *broker = scene_start(state);
    char text[60001] = "";
    memset(text, 'x', sizeof text - 1);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_apply(&wire, "{'op':'set','topic':'order/1','data':{'text':'%s'}}", text); /* the whole allowance, and more */
        json_t *answer = scene_ask(&wire, "{'op':'ping','id':3}");
        assert_string_equal(wire_text(answer, "code"), "rate_limited");
        assert_true(scene_int(answer, "retry_ms") > 0);
        json_decref(answer);
        wire_fini(&wire);
    }
}

static void a_session_from_the_public_may_send_less(void **state) {
    struct broker_process other;
    char address[32];
    struct broker_process *broker = scene_prepare(state);
    assert_true(broker_process_init(&other, "port")); /* for its port */
    struct broker_process public = {.port = other.port};
    broker_process_fini(&other);
    snprintf(address, sizeof address, "127.0.0.1:%u", public.port);
    scene_configure("LISTEN_PUBLIC", address);
    scene_configure("LIMITS_PUBLIC_MESSAGE_RATE_MAX", "3");
    scene_configure("LIMITS_PUBLIC_RECEIVE_RATE_MAX", "64K");
    assert_true(broker_process_start(broker, NULL));
    FOR_BOTH(codec) {
        struct wire wire;
        struct wire office;
        scene_open(&wire, &public, codec);
        scene_open(&office, broker, codec);
        assert_true(ping_until_refused(&wire) > 0);
        for (int i = 1; i <= 50; i++) { /* inside, nothing is bounded */
            json_t *answer = scene_ask(&office, "{'op':'ping','id':%d}", i);
            assert_string_equal(wire_text(answer, "op"), "pong");
            json_decref(answer);
        }
        wire_fini(&wire);
        wire_fini(&office);
    }
    scene_problem(&public, "GET", "/v1/admin/sessions", NULL, NULL, 404, "not_found");
    scene_problem(&public, "POST", "/v1/admin/drain", NULL, "{}", 404, "not_found");
}

/* What a subscription may ask for, each a little too much. */
static void what_a_subscription_asks_for_has_bounds(void **state) {
    scene_configure("LIMITS_PATTERNS_MAX", "2");
    scene_configure("LIMITS_EVERY_MS_MAX", "1s");
    scene_configure("LIMITS_WHERE_CONDITIONS_MAX", "2");
    scene_configure("LIMITS_WHERE_VALUES_MAX", "2");
    scene_configure("LIMITS_WHERE_BYTES_MAX", "64");
    scene_configure("LIMITS_NEAR_LIMIT_MAX", "3");
    scene_configure("LIMITS_GET_ITEMS_MAX", "2");
    struct broker_process *broker = scene_start(state);
    static const char *const cases[][3] = {
        {"'match':['order/1','order/2']", "'match':['order/1','order/2','order/3']", "too_many"},
        {"'match':'order/*','every_ms':1000", "'match':'order/*','every_ms':1001", "invalid"},
        {"'match':'order/*','where':{'a':{'gt':1,'lt':5}}", "'match':'order/*','where':{'a':{'gt':1,'lt':5},'b':{'eq':1}}",
         "invalid"},
        {"'match':'order/*','where':{'a':{'in':[1,2]}}", "'match':'order/*','where':{'a':{'in':[1,2,3]}}", "invalid"},
        {"'match':'order/*','where':{'a':{'eq':'short'}}",
         "'match':'order/*','where':{'a':{'eq':'much too long, much too long, much too long, much too long'}}", "invalid"},
        {"'match':'service/*','near':{'lat':1,'lon':2,'radius_m':3,'limit':3}",
         "'match':'service/*','near':{'lat':1,'lon':2,'radius_m':3,'limit':4}", "invalid"},
    };
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            double before = scene_metric(broker, "ahora_errors_total");
            scene_say(&wire, "{'op':'sub','id':1,%s}", cases[i][1]);
            scene_expect_error(&wire, cases[i][2], 1);
            assert_int_equal((int)(scene_metric(broker, "ahora_errors_total") - before), 1);
            scene_say(&wire, "{'op':'sub','id':1,%s}", cases[i][0]);
            json_decref(scene_hear_op(&wire, "live"));
            scene_say(&wire, "{'op':'unsub','id':1}");
            json_decref(scene_hear_op(&wire, "ok"));
        }
        for (int i = 0; i < 3; i++) {
            scene_apply(&wire, "{'op':'set','topic':'order/%d','data':{}}", i);
        }
        json_t *snapshot = scene_ask(&wire, "{'op':'get','id':2,'match':'order/*'}");
        assert_int_equal(json_array_size(json_object_get(snapshot, "items")), 2);
        assert_true(scene_bool(snapshot, "more"));
        json_decref(snapshot);
        wire_fini(&wire);
    }
}

static void patterns_of_one_session_are_limited_in_sum(void **state) {
    scene_configure("LIMITS_SESSION_VIEWS_MAX", "3");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        json_decref(scene_ask(&wire, "{'op':'sub','id':1,'match':['order/1','order/2']}"));
        json_decref(scene_hear_op(&wire, "live"));
        scene_say(&wire, "{'op':'sub','id':2,'match':['order/3','order/4']}");
        scene_expect_error(&wire, "too_many", 2);
        json_decref(scene_ask(&wire, "{'op':'unsub','id':1}"));
        json_decref(scene_ask(&wire, "{'op':'sub','id':2,'match':['order/3','order/4']}"));
        json_decref(scene_hear_op(&wire, "live"));
        scene_expect_alive(&wire);
        wire_fini(&wire);
    }
}

/* ---- kinds ---- */

static void topics_of_a_kind_are_limited(void **state) {
    scene_configure("KINDS_TOPICS_MAX", "order:2 room:1");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    scene_apply(&wire, "{'op':'set','topic':'order/1','data':{}}");
    scene_apply(&wire, "{'op':'set','topic':'order/2','data':{}}");
    scene_refuse(&wire, "too_many", "{'op':'set','topic':'order/3','data':{}}");
    scene_apply(&wire, "{'op':'set','topic':'order/2','data':{'n':1}}"); /* what is there may change */
    scene_apply(&wire, "{'op':'set','topic':'stock/1/a','data':{}}");    /* and other kinds are not meant */
    scene_apply(&wire, "{'op':'delete','topic':'order/1'}");
    scene_apply(&wire, "{'op':'set','topic':'order/3','data':{}}");
    assert_int_equal((int)scene_metric(broker, "ahora_kinds_full_total"), 1);
    wire_fini(&wire);
    broker_process_kill(broker);
    assert_true(broker_process_start(broker, NULL));
    scene_open(&wire, broker, CODEC_JSON);
    scene_refuse(&wire, "too_many", "{'op':'set','topic':'order/4','data':{}}"); /* what was stored counts */
    wire_fini(&wire);
    scene_problem(broker, "PUT", "/v1/topics/order/5", NULL, "{}", 429, "too_many");
}

static void bytes_of_a_kind_are_limited(void **state) {
    scene_configure("KINDS_BYTES_MAX", "order:1000");
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    char text[601] = "";
    memset(text, 'x', sizeof text - 1);
    scene_open(&wire, broker, CODEC_JSON);
    scene_apply(&wire, "{'op':'set','topic':'order/1','data':{'t':'%s'}}", text);
    scene_refuse(&wire, "overloaded", "{'op':'set','topic':'order/2','data':{'t':'%s'}}", text);
    scene_apply(&wire, "{'op':'set','topic':'stock/1/a','data':{'t':'%s'}}", text);
    scene_apply(&wire, "{'op':'set','topic':'order/1','data':{'t':'short'}}");
    scene_apply(&wire, "{'op':'set','topic':'order/2','data':{'t':'%s'}}", text);
    assert_int_equal((int)scene_metric(broker, "ahora_kinds_full_total"), 1);
    wire_fini(&wire);
}

static void a_bound_of_a_kind_that_is_not_declared_is_an_error(void **state) {
    (void)state;
    struct bytes out = {0};
    assert_int_equal(scene_run(&out, "AHORA_KINDS_TOPICS_MAX=nosuch:1 %s --test", scene_broker_path()), 1);
    assert_non_null(strstr(bytes_data(&out), "kinds: there is no kind 'nosuch'"));
    bytes_clear(&out);
    assert_int_equal(scene_run(&out, "AHORA_KINDS_BYTES_MAX=stock:many %s --test", scene_broker_path()), 1);
    assert_non_null(strstr(bytes_data(&out), "kinds.bytes_max"));
    bytes_fini(&out);
}

/* ---- event streams ---- */

static int open_stream(const struct broker_process *broker, char head[16]) {
    static const char text[] = "GET /v1/stream?match=order/* HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = http_connect(broker->port, 0);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    memset(head, 0, 16);
    assert_int_equal(recv(fd, head, 12, MSG_WAITALL), 12);
    return fd;
}

static void event_streams_are_limited(void **state) {
    scene_configure("HTTP_EVENT_STREAMS_MAX", "2");
    struct broker_process *broker = scene_start(state);
    char head[16];
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = open_stream(broker, head);
        assert_string_equal(head, "HTTP/1.1 200");
    }
    struct http_response response;
    char retry[32];
    scene_http(broker, "GET", "/v1/stream?match=order/*", NULL, NULL, &response);
    assert_true(http_response_header(&response, "Retry-After", retry, sizeof retry));
    scene_expect_problem(&response, 503, "overloaded");
    assert_int_equal((int)scene_metric(broker, "ahora_event_streams_refused_total"), 1);
    close(fds[0]);
    scene_wait_at_least(broker, "ahora_event_streams", 1);
    close(open_stream(broker, head));
    assert_string_equal(head, "HTTP/1.1 200");
    close(fds[1]);
}

/* ---- newcomers ---- */

/* A connection from 127.0.0.`last` that asks for /livez. */
static int come_from(const struct broker_process *broker, int last) {
    static const char text[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + (uint32_t)last)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(broker->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    return fd;
}

/* The whole answer; its status. */
static int hear_out(int fd, char *answer, size_t size) {
    size_t used = 0;
    for (ssize_t bytes; used < size - 1 && (bytes = recv(fd, answer + used, size - 1 - used, 0)) > 0;) {
        used += (size_t)bytes;
    }
    answer[used] = '\0';
    close(fd);
    return used < 12 ? 0 : (int)strtol(answer + 9, NULL, 10);
}

#define CROWD 60

static void a_crowd_waits_in_line_and_who_is_too_much_gets_a_slot(void **state) {
    scene_configure("LIMITS_HANDSHAKE_RATE_MAX", "10");
    scene_configure("LIMITS_HANDSHAKES_WAITING_MAX", "5");
    scene_configure("LIMITS_HANDSHAKE_WAIT_MS", "1h");
    scene_configure("DRAIN_RETURN_RATE_MAX", "100");
    struct broker_process *broker = scene_start(state);
    int fds[CROWD];
    int let_in = 0;
    int sent_away = 0;
    long last_ms = 0;
    for (int i = 0; i < CROWD; i++) {
        fds[i] = come_from(broker, 1);
    }
    for (int i = 0; i < CROWD; i++) {
        char answer[1024];
        int status = hear_out(fds[i], answer, sizeof answer);
        const char *retry = strstr(answer, "\"retry_ms\":");
        assert_true(status == 200 || status == 503);
        if (status == 503) {
            assert_non_null(strstr(answer, "Retry-After: "));
            assert_non_null(strstr(answer, "\"code\":\"overloaded\""));
            assert_non_null(retry);
            long retry_ms = strtol(retry + 11, NULL, 10);
            assert_true(retry_ms >= 1000);
            if (sent_away > 0) {
                assert_true(retry_ms != last_ms); /* each has its own */
            }
            last_ms = retry_ms;
            sent_away++;
        } else {
            let_in++;
        }
    }
    assert_in_range(let_in, 6, CROWD - 1);
    assert_true(scene_metric(broker, "ahora_handshakes_refused_total") >= sent_away);
    assert_true(scene_metric(broker, "ahora_handshakes_waited_total") >= 5);
}

#define FLOOD 40

/* One address has filled the line; who comes from another is next but one, not last. */
static void each_address_has_its_turn(void **state) {
    scene_configure("LIMITS_HANDSHAKE_RATE_MAX", "4");
    scene_configure("LIMITS_HANDSHAKES_WAITING_MAX", "20");
    scene_configure("LIMITS_HANDSHAKE_WAIT_MS", "1h");
    struct broker_process *broker = scene_start(state);
    struct pollfd flood[FLOOD];
    int before = 0;
    char answer[1024];
    for (int i = 0; i < FLOOD; i++) {
        flood[i] = (struct pollfd){.fd = come_from(broker, 2), .events = POLLIN};
    }
    int guest = come_from(broker, 3);
    assert_int_equal(hear_out(guest, answer, sizeof answer), 200);
    poll(flood, FLOOD, 0);
    for (int i = 0; i < FLOOD; i++) {
        if (flood[i].revents != 0) {
            before += hear_out(flood[i].fd, answer, sizeof answer) == 200;
        } else {
            close(flood[i].fd);
        }
    }
    assert_in_range(before, 0, 12); /* in order of arrival it would have been 20 and those let in at once */
}

static void one_that_waited_too_long_gets_a_slot(void **state) {
    scene_configure("LIMITS_HANDSHAKE_RATE_MAX", "1");
    scene_configure("LIMITS_HANDSHAKE_WAIT_MS", "300ms");
    struct broker_process *broker = scene_start(state);
    int fds[10];
    int sent_away = 0;
    for (int i = 0; i < 10; i++) {
        fds[i] = come_from(broker, 1);
    }
    for (int i = 0; i < 10; i++) {
        char answer[1024];
        sent_away += hear_out(fds[i], answer, sizeof answer) == 503;
    }
    assert_true(sent_away >= 1);
}

/* ---- deadlines that a byte now and then does not move ---- */

static void a_byte_now_and_then_does_not_extend_the_time_for_a_head(void **state) {
    scene_configure("HTTP_HEADER_MS", "600ms");
    struct broker_process *broker = scene_start(state);
    int fd = http_connect(broker->port, 0);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    char answer[256] = "";
    assert_int_equal(send(fd, "GET /livez HTTP/1.1\r\nX: ", 24, MSG_NOSIGNAL), 24);
    while (recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
        assert_true(scene_clock_ms() < deadline_ms);
        send(fd, "x", 1, MSG_NOSIGNAL);
        scene_sleep(50);
    }
    assert_memory_equal(answer, "HTTP/1.1 408", 12);
    assert_int_equal((int)scene_metric(broker, "ahora_timeouts_header_total"), 1);
    close(fd);
}

static void a_byte_now_and_then_does_not_extend_the_time_for_hello(void **state) {
    scene_configure("LIMITS_HELLO_MS", "600ms");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        assert_true(wire_open(&wire, broker->port, codec));
        int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
        bool first = true;
        while (wire.fd >= 0 && wire.close_code == 0) {
            assert_true(scene_clock_ms() < deadline_ms);
            const struct wire_frame frame = {.opcode = !first                ? WIRE_CONTINUATION
                                                       : codec == CODEC_JSON ? WIRE_TEXT
                                                                             : WIRE_BINARY,
                                             .is_masked = true,
                                             .payload = " ",
                                             .payload_bytes = 1};
            first = false;
            wire_send_frame(&wire, &frame);
            json_decref(wire_receive(&wire, 50));
        }
        assert_int_equal(wire.close_code, 4408);
        wire_fini(&wire);
    }
    assert_int_equal((int)scene_metric(broker, "ahora_hello_timeouts_total"), 2);
}

/* ---- memory ---- */

#define GROWTH_BYTES (24 << 20)
#define LARGE_BYTES 60000

static int fill_until_refused(struct wire *wire, const char *text) {
    for (int i = 0; i < 4000; i++) {
        json_t *result = scene_change(wire, "{'op':'set','topic':'order/%d','data':{'t':'%s'}}", i, text);
        const bool refused = scene_code(result)[0] != '\0';
        if (refused) {
            assert_string_equal(scene_code(result), "overloaded");
            assert_true(scene_int(json_object_get(result, "error"), "retry_ms") > 0);
        }
        json_decref(result);
        if (refused) {
            return i;
        }
    }
    fail_msg("240 MB are held, and nobody minds");
    return 0;
}

static void check_short_of_memory(struct broker_process *broker, struct wire *wire) {
    struct http_response response;
    char retry[32];
    scene_say(wire, "{'op':'sub','id':9,'match':'order/1'}");
    json_t *error = scene_hear(wire);
    assert_string_equal(wire_text(error, "code"), "overloaded");
    assert_true(scene_int(error, "retry_ms") > 0);
    json_decref(error);
    struct wire late;
    assert_false(wire_open(&late, broker->port, CODEC_JSON));
    assert_int_equal(late.status, 503);
    wire_fini(&late);
    scene_http(broker, "GET", "/v1/stream?match=order/1", NULL, NULL, &response);
    assert_true(http_response_header(&response, "Retry-After", retry, sizeof retry));
    scene_expect_problem(&response, 503, "overloaded");
    scene_http(broker, "PUT", "/v1/topics/order/new", NULL, "{}", &response);
    assert_true(http_response_header(&response, "Retry-After", retry, sizeof retry));
    scene_expect_problem(&response, 503, "overloaded");
    scene_http(broker, "GET", "/readyz", NULL, NULL, &response);
    assert_int_equal(response.status, 503);
    assert_non_null(strstr(http_response_body(&response), "short of memory"));
    http_response_fini(&response);
    assert_int_equal((int)scene_metric(broker, "ahora_memory_high"), 1);
    assert_true(scene_metric(broker, "ahora_growth_refused_total") >= 3);
    assert_true(scene_metric(broker, "ahora_joins_refused_total") >= 2);
}

static void short_of_memory_it_refuses_to_grow_and_reads_and_deletes(void **state) {
    struct broker_process *broker = scene_start(state);
    char bound[32];
    char text[LARGE_BYTES + 1] = "";
    memset(text, 'x', LARGE_BYTES);
    scene_wait_at_most(broker, "ahora_memory_high", 0);
    snprintf(bound, sizeof bound, "%.0f", scene_metric(broker, "ahora_memory_bytes") + GROWTH_BYTES);
    assert_int_equal(broker_process_term(broker), 0);
    scene_configure("LIMITS_MEMORY_BYTES_MAX", bound);
    assert_true(broker_process_start(broker, NULL));
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    int held = fill_until_refused(&wire, text);
    assert_true(held > 50);
    check_short_of_memory(broker, &wire);
    assert_true(scene_log_has(broker, "memory-high"));
    json_t *document = scene_get(broker, "order/1"); /* reading goes on, */
    assert_non_null(document);
    json_decref(document);
    scene_apply(&wire, "{'op':'set','topic':'order/0','data':{'t':'short'}}"); /* and what makes it less */
    for (int i = 1; i < held; i++) {
        scene_apply(&wire, "{'op':'delete','topic':'order/%d'}", i);
    }
    if (scene_memory_kb(broker) > 0) { /* a sanitizer keeps what was freed */
        scene_wait_at_most(broker, "ahora_memory_high", 0);
        scene_apply(&wire, "{'op':'set','topic':'order/new','data':{'t':'%s'}}", text);
        assert_true(scene_log_has(broker, "memory-has-room"));
        assert_int_equal(http_status(broker->port, "/readyz"), 200);
    }
    wire_fini(&wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_session_that_sends_too_fast_is_told_to_wait),
        CASE(one_that_does_not_wait_is_ended),
        CASE(bytes_count_too),
        CASE(a_session_from_the_public_may_send_less),
        CASE(what_a_subscription_asks_for_has_bounds),
        CASE(patterns_of_one_session_are_limited_in_sum),
        CASE(topics_of_a_kind_are_limited),
        CASE(bytes_of_a_kind_are_limited),
        CASE(a_bound_of_a_kind_that_is_not_declared_is_an_error),
        CASE(event_streams_are_limited),
        CASE(a_crowd_waits_in_line_and_who_is_too_much_gets_a_slot),
        CASE(each_address_has_its_turn),
        CASE(one_that_waited_too_long_gets_a_slot),
        CASE(a_byte_now_and_then_does_not_extend_the_time_for_a_head),
        CASE(a_byte_now_and_then_does_not_extend_the_time_for_hello),
        CASE(short_of_memory_it_refuses_to_grow_and_reads_and_deletes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
