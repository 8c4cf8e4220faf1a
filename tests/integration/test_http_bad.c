/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What comes in over HTTP that is slow, oversized, malformed or no HTTP at all, and what is unusual but legal. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/scene.h"

/* Sends the bytes and takes the status of the answer; 0: closed without one, -1: neither answer nor close. */
static int exchange(const struct broker_process *broker, const void *data, size_t size, bool is_shut) {
    struct http_response response;
    http_exchange(broker->port, data, size, is_shut, PATIENCE_MS, &response);
    int status = response.is_timed_out ? -1 : response.status;
    http_response_fini(&response);
    return status;
}

struct bad {
    const char *name;
    const char *bytes;
    size_t size;
    int status;
};

#define HOST "Host: localhost\r\n"
#define END "\r\n"

static const struct bad bad_requests[] = {
    {"no HTTP", RAW("hello\r\n\r\n"), 400},
    {"binary", RAW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 400},
    {"NUL in the path", RAW("GET /\0 HTTP/1.1\r\n" HOST END), 400},
    {"no version", RAW("GET /livez\r\n" HOST END), 400},
    {"a query where a host should end", RAW("GET http://localhost?/livez HTTP/1.1\r\n" HOST END), 400},
    {"a fragment where a host should end", RAW("GET http://localhost#/livez HTTP/1.1\r\n" HOST END), 400},
    {"a user in the target", RAW("GET http://localhost@evil.example/livez HTTP/1.1\r\n" HOST END), 400},
    {"no host in the target", RAW("GET http:///livez HTTP/1.1\r\n" HOST END), 400},
    {"HTTP/2 preface", RAW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
    {"no host", RAW("GET /livez HTTP/1.1\r\n" END), 400},
    {"two hosts", RAW("GET /livez HTTP/1.1\r\n" HOST HOST END), 400},
    {"space before colon", RAW("GET /livez HTTP/1.1\r\n" HOST "A : b\r\n" END), 400},
    {"folded header", RAW("GET /livez HTTP/1.1\r\n" HOST "A: b\r\n c\r\n" END), 400},
    {"header without colon", RAW("GET /livez HTTP/1.1\r\n" HOST "nonsense\r\n" END), 400},
    {"control character in a value", RAW("GET /livez HTTP/1.1\r\n" HOST "A: \x01\r\n" END), 400},
    {"length and chunked",
     RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END "0\r\n\r\n"), 400},
    {"two lengths", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n" END "hello"), 400},
    {"length that is none", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Content-Length: -1\r\n" END), 400},
    {"length with a sign", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Content-Length: +5\r\n" END "hello"), 400},
    {"length beyond 64 bits", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n" END), 400},
    {"unknown coding", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n" END "0\r\n\r\n"), 501},
    {"bad chunk size", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "xyz\r\n"), 400},
    {"huge chunk size", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "fffffffffffffffff\r\n"),
     400},
    {"chunk without its line end", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "1\r\nabc"),
     400},
    {"strange expectation", RAW("POST /v1/publish HTTP/1.1\r\n" HOST "Expect: magic\r\nContent-Length: 2\r\n" END "{}"), 417},
};

static void malformed_requests_get_their_status_and_are_closed(void **state) {
    struct broker_process *broker = scene_start(state);
    for (size_t i = 0; i < sizeof bad_requests / sizeof bad_requests[0]; i++) {
        const struct bad *bad = &bad_requests[i];
        int status = exchange(broker, bad->bytes, bad->size, false);
        /* 400 is always right; the status in the table is better. */
        if (status != bad->status && status != 400) {
            fail_msg("%s: %d instead of %d", bad->name, status, bad->status);
        }
    }
    assert_int_equal(http_status(broker->port, "/livez"), 200);
}

static void random_bytes_do_no_harm(void **state) {
    struct broker_process *broker = scene_start(state);
    uint32_t seed = 1;
    for (int i = 0; i < 300; i++) {
        char block[512];
        size_t start = 0;
        if (i % 3 == 1) {
            start = (size_t)snprintf(block, sizeof block, "GET /v1/topics?match=%%");
        } else if (i % 3 == 2) {
            start =
                (size_t)snprintf(block, sizeof block,
                                 "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n");
        }
        for (size_t n = start; n < sizeof block; n++) {
            seed = seed * 1664525u + 1013904223u;
            block[n] = (char)(seed >> 24);
        }
        assert_true(exchange(broker, block, sizeof block, true) != -1);
    }
    assert_int_equal(http_status(broker->port, "/livez"), 200);
}

static void an_oversized_head_is_431(void **state) {
    struct broker_process *broker = scene_start(state);
    for (int kind = 0; kind < 3; kind++) {
        struct bytes request = {0};
        bytes_append_text(&request, kind == 1 ? "GET /" : "GET /livez HTTP/1.1\r\nHost: localhost\r\n");
        for (int i = 0; i < 3000; i++) {
            bytes_append_text(&request, kind == 0 ? "X-A: b\r\n" : "0123456789");
        }
        bytes_append_text(&request, kind == 2 ? ": x\r\n\r\n" : "\r\n\r\n");
        int status = exchange(broker, bytes_data(&request), bytes_size(&request), false);
        if (status != 431 && !(kind == 1 && status == 414)) {
            fail_msg("kind %d: %d", kind, status);
        }
        bytes_fini(&request);
    }
    assert_int_equal(http_status(broker->port, "/livez"), 200);
}

static void a_body_announced_too_large_is_413_before_it_comes(void **state) {
    struct broker_process *broker = scene_start(state);
    assert_int_equal(exchange(broker,
                              RAW("PUT /v1/topics/stock/1/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"),
                              false),
                     413);
    struct http_response
        response; /* longer than any document, and than what is read to keep the connection: it says that it closes */
    static const char put[] = "PUT /v1/topics/stock/1/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n";
    char value[16] = "";
    http_exchange(broker->port, put, sizeof put - 1, false, PATIENCE_MS, &response);
    assert_int_equal(response.status, 413);
    assert_true(http_response_header(&response, "Connection", value, sizeof value));
    assert_string_equal(value, "close");
    http_response_fini(&response);
}

/* Up to 64 KiB as MessagePack, it may have 132 KiB as JSON, however it comes. */
static void a_document_need_not_be_longer_than_it_may_be(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes body = {0};
    struct bytes chunked = {0};
    bytes_printf(&body, "{\"a\":1%*s}", 132 * 1024 - 7, "");
    struct http_response response;
    assert_int_equal(scene_http(broker, "PUT", "/v1/topics/stock/1/a", NULL, bytes_text(&body), &response), 201);
    http_response_fini(&response);
    bytes_printf(&chunked,
                 "PUT /v1/topics/stock/1/b HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "%zx\r\n%s \r\n0\r\n\r\n",
                 bytes_size(&body) + 1, bytes_text(&body));
    assert_int_equal(exchange(broker, bytes_data(&chunked), bytes_size(&chunked), false), 413);
    bytes_fini(&body);
    bytes_fini(&chunked);
}

/* 2 MB that would be 700,000 values, of which each needs a hundred bytes. */
static void too_many_values_are_refused_unread(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes body = {0};
    bytes_append_text(&body, "{\"changes\":[");
    for (int i = 0; i < 300000; i++) {
        bytes_append_text(&body, i == 0 ? "{}" : ",{}");
    }
    bytes_append_text(&body, "]}");
    int64_t before = scene_memory_kb(broker);
    scene_problem(broker, "POST", "/v1/publish", "Content-Type: application/json\r\n", bytes_text(&body), 413, "too_large");
    assert_true(scene_memory_kb(broker) < before + 16 * 1024);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    assert_true(wire_send_payload(&wire, bytes_data(&body), bytes_size(&body)));
    scene_expect_error(&wire, "too_large", 0);
    json_t *none = wire_receive(&wire, PATIENCE_MS);
    assert_null(none);
    assert_int_equal(wire.close_code, 1009);
    wire_fini(&wire);
    bytes_fini(&body);
}

static void a_head_sent_byte_by_byte_runs_into_its_deadline(void **state) {
    scene_configure("HTTP_HEADER_MS", "500");
    struct broker_process *broker = scene_start(state);
    int fd = http_connect(broker->port, 0);
    assert_true(fd >= 0);
    const char *head = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: 0123456789012345678901234567890123456789\r\n\r\n";
    bool is_ended = false;
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (size_t i = 0; !is_ended && scene_clock_ms() < deadline_ms;) {
        if (i < strlen(head) - 1) {
            send(fd, head + i++, 1, MSG_NOSIGNAL);
        }
        struct pollfd item = {.fd = fd, .events = POLLIN};
        is_ended = poll(&item, 1, 100) == 1; /* an answer such as 408, or the end */
    }
    assert_true(is_ended);
    char block[4096];
    ssize_t got;
    while ((got = recv(fd, block, sizeof block, 0)) > 0) {
        assert_null(memmem(block, (size_t)got, " 200 ", 5));
    }
    close(fd);
}

static void silence_and_a_half_sent_body_run_into_their_deadlines(void **state) {
    scene_configure("HTTP_HEADER_MS", "300");
    scene_configure("HTTP_IDLE_MS", "300");
    scene_configure("HTTP_STALL_MS", "300");
    scene_configure("HTTP_BODY_MS", "300");
    struct broker_process *broker = scene_start(state);
    static const char in_a_body[] = "PUT /v1/topics/stock/1/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{";
    static const char in_a_chunk[] = "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n5\r\n{";
    static const char behind_an_answer[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char *const beginnings[] = {"", in_a_body, in_a_chunk, behind_an_answer};
    for (size_t i = 0; i < 4; i++) {
        int fd = http_connect(broker->port, 0);
        assert_int_equal(send(fd, beginnings[i], strlen(beginnings[i]), MSG_NOSIGNAL), strlen(beginnings[i]));
        char block[4096];
        ssize_t got = 1;
        while (got > 0) {
            struct pollfd item = {.fd = fd, .events = POLLIN};
            assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
            got = recv(fd, block, sizeof block, 0);
        }
        close(fd);
    }
    assert_null(scene_get(broker, "stock/1/a"));
}

/* A byte now and then does not move the end of a body that is held in memory. */
static void a_body_that_trickles_in_is_cut(void **state) {
    scene_configure("HTTP_BODY_MS", "500");
    struct broker_process *broker = scene_start(state);
    static const char head[] = "PUT /v1/topics/order/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{";
    int fd = http_connect(broker->port, 0);
    assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
    char block[4096];
    ssize_t got = -1;
    for (int i = 0; got < 0 && i < PATIENCE_MS / 20; i++) {
        send(fd, " ", 1, MSG_NOSIGNAL);
        scene_sleep(20);
        got = recv(fd, block, sizeof block, MSG_DONTWAIT);
    }
    assert_true(got > 0);
    assert_int_equal(memcmp(block, "HTTP/1.1 408 ", 13), 0);
    close(fd);
    assert_int_equal((int)scene_metric(broker, "ahora_timeouts_body_total"), 1);
}

static void a_stream_that_trickles_in_may_last(void **state) {
    scene_configure("HTTP_BODY_MS", "200");
    struct broker_process *broker = scene_start(state);
    static const char head[] = "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                               "Content-Length: 1000\r\n\r\n";
    int fd = http_connect(broker->port, 0);
    assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
    for (int i = 0; i < 50; i++) {
        assert_int_equal(send(fd, "\n", 1, MSG_NOSIGNAL), 1);
        scene_sleep(20);
    }
    assert_int_equal((int)scene_metric(broker, "ahora_timeouts_body_total"), 0);
    assert_int_equal((int)scene_metric(broker, "ahora_timeouts_stall_total"), 0);
    close(fd);
}

/* Requests one after the other on a kept connection: each begins its own time to be idle. */
static void a_connection_that_is_used_is_not_idle(void **state) {
    scene_configure("HTTP_IDLE_MS", "1000");
    struct broker_process *broker = scene_start(state);
    static const char text[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = http_connect(broker->port, 0);
    for (int i = 0; i < 15; i++) {
        char block[4096];
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
        assert_true(recv(fd, block, sizeof block, 0) > 0);
        scene_sleep(200);
    }
    assert_int_equal((int)scene_metric(broker, "ahora_timeouts_idle_total"), 0);
    close(fd);
}

static int count_of(const char *text, const char *part) {
    int count = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        count++;
    }
    return count;
}

/* Until the broker closes. */
static void receive_all(int fd, struct bytes *out) {
    ssize_t got;
    do {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
        got = recv(fd, bytes_reserve(out, 65536), 65536, 0);
        bytes_commit(out, got > 0 ? (size_t)got : 0);
    } while (got > 0);
}

static void pipelined_requests_are_answered_in_order(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes request = {0};
    for (int i = 0; i < 50; i++) {
        char body[32];
        int size = snprintf(body, sizeof body, "{\"i\":%d}", i);
        bytes_printf(&request, "PUT /v1/topics/order/%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", i, size,
                     body);
        bytes_printf(&request, "GET /v1/topics/order/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
    }
    bytes_append_text(&request, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    int fd = http_connect(broker->port, 0);
    assert_int_equal(send(fd, bytes_data(&request), bytes_size(&request), MSG_NOSIGNAL), bytes_size(&request));
    bytes_clear(&request);
    receive_all(fd, &request);
    close(fd);
    const char *text = bytes_text(&request);
    assert_int_equal(count_of(text, "HTTP/1.1 20"), 101);
    for (int i = 0; i < 50; i++) {
        char part[64];
        snprintf(part, sizeof part, "\"data\":{\"i\":%d}", i);
        const char *place = strstr(text, part);
        assert_non_null(place);
        text = place;
    }
    bytes_fini(&request);
}

/* Sends the text again and again, as long as it is taken and at most that many times. Returns how often. */
static int send_often(int fd, const char *text, int times, int patience_ms) {
    size_t size = strlen(text);
    struct pollfd item = {.fd = fd, .events = POLLOUT};
    for (int i = 0; i < times; i++) {
        for (size_t sent = 0; sent < size;) {
            if (poll(&item, 1, patience_ms) != 1) {
                return i;
            }
            ssize_t took = send(fd, text + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (took < 0) {
                return i;
            }
            sent += (size_t)took;
        }
    }
    return times;
}

static void one_who_asks_and_reads_nothing_is_held_back_and_cut(void **state) {
    scene_configure("HTTP_STALL_MS", "1000");
    struct broker_process *broker = scene_start(state);
    int64_t before = scene_memory_kb(broker);
    int fd = http_connect(broker->port, 4096);
    struct bytes line = {0}; /* longer than what the kernel keeps of 20,000 of them */
    bytes_printf(&line, "GET /metrics?%0*d HTTP/1.1\r\nHost: localhost\r\n\r\n", 1000, 1);
    assert_true(send_often(fd, bytes_text(&line), 20000, 500) < 20000);
    bytes_fini(&line);
    assert_true(scene_memory_kb(broker) < before + 16 * 1024);
    scene_wait_at_least(broker, "ahora_timeouts_stall_total", 1);
    close(fd);
    assert_int_equal(http_status(broker->port, "/livez"), 200);
}

/* It asks on while it reads nothing: asking does not count as life. */
static void asking_gives_no_new_time_for_reading(void **state) {
    scene_configure("HTTP_STALL_MS", "1000");
    struct broker_process *broker = scene_start(state);
    int fd = http_connect(broker->port, 4096);
    struct bytes line = {0};
    bytes_printf(&line, "GET /v1/topics/order/%0*d HTTP/1.1\r\nHost: localhost\r\n\r\n", 100, 1);
    send_often(fd, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 500, 500);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (scene_metric(broker, "ahora_timeouts_stall_total") < 1) {
        assert_true(scene_clock_ms() < deadline_ms);
        send_often(fd, bytes_text(&line), 1, 0);
        scene_sleep(20);
    }
    bytes_fini(&line);
    close(fd);
}

static void many_empty_lines_in_front_of_a_request_are_ignored(void **state) {
    struct broker_process *broker = scene_start(state);
    char lines[8193] = "";
    for (int i = 0; i < 4096; i++) {
        memcpy(lines + (size_t)2 * i, "\r\n", 3);
    }
    int fd = http_connect(broker->port, 0);
    assert_int_equal(send_often(fd, lines, 256, PATIENCE_MS), 256);
    struct bytes text = {0};
    bytes_append_text(&text, "\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n\r\n");
    bytes_append_text(&text, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_int_equal(send_often(fd, bytes_text(&text), 1, PATIENCE_MS), 1);
    bytes_clear(&text);
    receive_all(fd, &text);
    close(fd);
    assert_int_equal(count_of(bytes_text(&text), "HTTP/1.1 200"), 2);
    bytes_fini(&text);
}

static void expect_100_continue_is_answered_before_the_body(void **state) {
    struct broker_process *broker = scene_start(state);
    int fd = http_connect(broker->port, 0);
    assert_true(send(fd,
                     RAW("PUT /v1/topics/order/1 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\n"
                         "Content-Length: 7\r\n\r\n"),
                     MSG_NOSIGNAL) > 0);
    char block[4096] = "";
    struct pollfd item = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
    assert_true(recv(fd, block, sizeof block - 1, 0) > 0);
    assert_string_equal(block, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(send(fd, RAW("{\"v\":1}"), MSG_NOSIGNAL), 7);
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
    assert_true(recv(fd, block, sizeof block - 1, 0) > 0);
    assert_int_equal(strncmp(block, "HTTP/1.1 20", 11), 0);
    close(fd);
    assert_true(scene_holds(broker, "order/1", "{'v':1}"));
}

static void http_1_0_and_bare_line_feeds_and_absolute_targets(void **state) {
    struct broker_process *broker = scene_start(state);
    assert_int_equal(exchange(broker, RAW("GET /livez HTTP/1.0\r\n\r\n"), false), 200);
    assert_int_equal(exchange(broker, RAW("GET /v1/topics?match=** HTTP/1.0\r\n\r\n"), false), 200);
    assert_int_equal(
        exchange(broker, RAW("GET http://a/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), false), 200);
    int status = exchange(broker, RAW("GET /livez HTTP/1.1\nHost: a\nConnection: close\n\n"), true);
    assert_true(status == 200 || status == 400 || status == 0); /* RFC 9112 section 2.2 leaves it open; it must not hang */
    assert_int_equal(
        exchange(broker, RAW("\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), false), 200);
}

static void a_client_that_shuts_its_side_still_gets_its_answer(void **state) {
    struct broker_process *broker = scene_start(state);
    assert_int_equal(
        exchange(broker, RAW("PUT /v1/topics/order/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"), true), 201);
    assert_true(scene_holds(broker, "order/1", "{}"));
}

/* They are passed over, and would else begin a new deadline each: half of one the head's, the other half the idle connection's. */
static void empty_lines_do_not_keep_a_connection(void **state) {
    scene_configure("HTTP_HEADER_MS", "700");
    scene_configure("HTTP_IDLE_MS", "700");
    struct broker_process *broker = scene_start(state);
    int fd = http_connect(broker->port, 0);
    assert_true(fd >= 0);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (int i = 0; poll(&item, 1, 100) == 0; i++) {
        assert_true(scene_clock_ms() < deadline_ms);
        if (send(fd, i % 2 == 0 ? "\r" : "\n", 1, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    close(fd);
    assert_true(scene_metric(broker, "ahora_timeouts_header_total") >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(malformed_requests_get_their_status_and_are_closed),
        CASE(random_bytes_do_no_harm),
        CASE(an_oversized_head_is_431),
        CASE(a_body_announced_too_large_is_413_before_it_comes),
        CASE(a_document_need_not_be_longer_than_it_may_be),
        CASE(too_many_values_are_refused_unread),
        CASE(a_head_sent_byte_by_byte_runs_into_its_deadline),
        CASE(silence_and_a_half_sent_body_run_into_their_deadlines),
        CASE(a_body_that_trickles_in_is_cut),
        CASE(a_stream_that_trickles_in_may_last),
        CASE(a_connection_that_is_used_is_not_idle),
        CASE(pipelined_requests_are_answered_in_order),
        CASE(one_who_asks_and_reads_nothing_is_held_back_and_cut),
        CASE(asking_gives_no_new_time_for_reading),
        CASE(many_empty_lines_in_front_of_a_request_are_ignored),
        CASE(expect_100_continue_is_answered_before_the_body),
        CASE(http_1_0_and_bare_line_feeds_and_absolute_targets),
        CASE(a_client_that_shuts_its_side_still_gets_its_answer),
        CASE(empty_lines_do_not_keep_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
