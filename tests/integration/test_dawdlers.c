/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Requests that come slowly: they hold what they hold while nobody else wants it, and no longer. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/scene.h"

#define STREAM_HEAD                                                                                                            \
    "POST /v1/publish?ack=applied HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"                       \
    "Transfer-Encoding: chunked\r\n\r\n"
#define LINE "{\"op\":\"set\",\"topic\":\"order/1\",\"data\":{\"status\":\"new\"}}\n"

static void put(int fd, const char *text) {
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL); /* it may be gone */
}

static void put_chunk(int fd, const char *text) {
    char chunk[512];
    snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen(text), text);
    put(fd, chunk);
}

static int open_with(const struct broker_process *broker, const char *text) {
    int fd = http_connect(broker->port, 0);
    assert_true(fd >= 0);
    put(fd, text);
    return fd;
}

/* What has come of the answer, or comes until the end. */
static void read_all(int fd, struct http_reader *reader, bool until_done) {
    char bytes[4096];
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, until_done ? PATIENCE_MS : 0) <= 0) {
            return;
        }
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        if (count <= 0) {
            http_reader_end(reader);
            return;
        }
        http_reader_feed(reader, bytes, (size_t)count);
        if (reader->state == HTTP_DONE) {
            return;
        }
    }
}

static int status_of_a_stream(const struct broker_process *broker) {
    struct http_response response;
    int status = scene_http(broker, "POST", "/v1/publish", "Content-Type: application/x-ndjson\r\n", LINE, &response);
    http_response_fini(&response);
    return status;
}

/* ---- streams ---- */

static void a_stream_that_dawdles_makes_room_and_one_with_lines_does_not(void **state) {
    scene_configure("HTTP_REQUESTS_MAX", "3");
    scene_configure("HTTP_YIELD_MS", "500");
    struct broker_process *broker = scene_start(state);
    int fds[3];
    struct http_reader readers[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = open_with(broker, STREAM_HEAD);
        http_reader_init(&readers[i]);
    }
    put_chunk(fds[0], LINE); /* it dawdles, too, but was the last to say something */
    scene_wait_at_least(broker, "ahora_changes_total", 1);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    int taken = 0;
    while (taken < 2) { /* each newcomer's stream is over at once, so that the next finds a place */
        assert_true(scene_clock_ms() < deadline_ms);
        for (int i = 1; i < 3; i++) {
            put_chunk(fds[i], taken == 0 ? " " : "\n"); /* a byte, now and then */
        }
        put_chunk(fds[0], LINE);
        int status = status_of_a_stream(broker);
        assert_true(status == 200 || status == 503);
        taken += status == 200;
        scene_sleep(20);
    }
    assert_true(scene_metric(broker, "ahora_http_bodies_evicted_total") == 1);
    int away = 0;
    for (int i = 0; i < 3; i++) {
        put_chunk(fds[i], LINE);
        put(fds[i], "0\r\n\r\n");
        read_all(fds[i], &readers[i], true);
        assert_true(i != 0 || readers[i].status == 200);
        assert_true(readers[i].status == 200 || readers[i].status == 503);
        char retry[16];
        away += readers[i].status == 503 && http_reader_header(&readers[i], "retry-after", retry, sizeof retry);
        http_reader_fini(&readers[i]);
        close(fds[i]);
    }
    assert_int_equal(away, 1);
}

static void streams_that_do_not_dawdle_stay(void **state) {
    scene_configure("HTTP_REQUESTS_MAX", "2");
    scene_configure("HTTP_YIELD_MS", "1h");
    struct broker_process *broker = scene_start(state);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = open_with(broker, STREAM_HEAD);
    }
    scene_wait_at_least(broker, "ahora_http_requests_total", 3);
    assert_int_equal(status_of_a_stream(broker), 503);
    assert_true(scene_metric(broker, "ahora_http_bodies_evicted_total") == 0);
    close(fds[0]);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (status_of_a_stream(broker) != 200) {
        assert_true(scene_clock_ms() < deadline_ms);
    }
    close(fds[1]);
}

/* The answer has begun: it is broken off, which a reader of chunks sees. */
static void a_stream_whose_answer_has_begun_is_broken_off(void **state) {
    scene_configure("HTTP_REQUESTS_MAX", "1");
    scene_configure("HTTP_YIELD_MS", "50");
    struct broker_process *broker = scene_start(state);
    struct http_reader reader;
    http_reader_init(&reader);
    int fd = open_with(broker, STREAM_HEAD);
    put_chunk(fd, LINE);
    scene_wait_at_least(broker, "ahora_changes_total", 1);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (status_of_a_stream(broker) != 200) {
        assert_true(scene_clock_ms() < deadline_ms);
        scene_sleep(20);
    }
    read_all(fd, &reader, true);
    assert_int_equal(reader.status, 200);
    assert_int_not_equal(reader.state, HTTP_DONE);
    assert_non_null(strstr(bytes_text(&reader.body), "\"seq\""));
    http_reader_fini(&reader);
    close(fd);
}

static void a_line_that_does_not_end_is_cut_and_lines_that_do_go_on(void **state) {
    scene_configure("HTTP_BODY_MS", "1s");
    struct broker_process *broker = scene_start(state);
    int slow = open_with(broker, STREAM_HEAD);
    int fine = open_with(broker, STREAM_HEAD);
    struct http_reader reader;
    http_reader_init(&reader);
    int lines = 0;
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (scene_metric(broker, "ahora_timeouts_body_total") < 1) {
        assert_true(scene_clock_ms() < deadline_ms);
        put_chunk(slow, " ");
        put_chunk(fine, LINE "{"); /* there is always a line that has begun, and each has its own time */
        put_chunk(fine, "}\n");
        put_chunk(fine, "{");
        put_chunk(fine, "}\n");
        lines += 3;
        scene_sleep(20);
    }
    read_all(slow, &reader, true);
    assert_int_equal(reader.status, 408);
    http_reader_fini(&reader);
    http_reader_init(&reader);
    put(fine, "0\r\n\r\n");
    read_all(fine, &reader, true);
    assert_int_equal(reader.status, 200);
    assert_int_equal(reader.state, HTTP_DONE);
    int results = 0;
    for (const char *at = bytes_text(&reader.body); (at = strchr(at, '\n')) != NULL; at++) {
        results++;
    }
    assert_int_equal(results, lines);
    http_reader_fini(&reader);
    close(slow);
    close(fine);
}

/* ---- bodies ---- */

static void the_slowest_body_makes_room_for_one_that_comes(void **state) {
    static char text[40001];
    scene_configure("HTTP_BODIES_BYTES_MAX", "84K");
    scene_configure("HTTP_BODY_BYTES_MAX", "80K");
    scene_configure("HTTP_YIELD_MS", "200");
    scene_configure("HTTP_BODY_MS", "1h");
    struct broker_process *broker = scene_start(state);
    static const char head[] =
        "PUT /v1/topics/order/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40011\r\n\r\n{\"text\":\"";
    memset(text, 'x', sizeof text - 1);
    int slow = open_with(broker, head);
    int fast = open_with(broker, head);
    text[20000] = '\0';
    put(slow, text); /* half of it */
    text[20000] = 'x';
    text[39000] = '\0';
    put(fast, text);
    text[39000] = 'x';
    struct http_response response;
    static char body[40064];
    snprintf(body, sizeof body, "{\"status\":\"new\",\"text\":\"%s\"}", text);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    int status;
    do { /* 84 KB, of which a slow one has 20, and one that is faster 39 */
        assert_true(scene_clock_ms() < deadline_ms);
        status = scene_http(broker, "PUT", "/v1/topics/order/2", NULL, body, &response);
        http_response_fini(&response);
        assert_true(status == 503 || status == 200 || status == 201);
    } while (status == 503);
    assert_true(scene_metric(broker, "ahora_http_bodies_evicted_total") == 1);
    struct http_reader reader;
    http_reader_init(&reader);
    read_all(slow, &reader, true);
    assert_int_equal(reader.status, 503);
    http_reader_fini(&reader);
    http_reader_init(&reader);
    char rest[1100];
    memset(rest, 'x', 1000);
    snprintf(rest + 1000, 100, "\"}");
    put(fast, rest);
    read_all(fast, &reader, true);
    assert_in_range(reader.status, 200, 201);
    http_reader_fini(&reader);
    close(slow);
    close(fast);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(a_stream_that_dawdles_makes_room_and_one_with_lines_does_not),
        CASE(streams_that_do_not_dawdle_stay),
        CASE(a_stream_whose_answer_has_begun_is_broken_off),
        CASE(a_line_that_does_not_end_is_cut_and_lines_that_do_go_on),
        CASE(the_slowest_body_makes_room_for_one_that_comes),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
