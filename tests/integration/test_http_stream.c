/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* HTTP bodies and answers that flow: NDJSON publishing, Server-Sent Events. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/scene.h"

/* One HTTP connection under the test's own control. */
struct stream {
    int fd;
    struct http_reader reader;
};

static void stream_open(struct stream *stream, const struct broker_process *broker) {
    stream->fd = http_connect(broker->port, 0);
    assert_true(stream->fd >= 0);
    http_reader_init(&stream->reader);
}

static void stream_close(struct stream *stream) {
    close(stream->fd);
    http_reader_fini(&stream->reader);
}

/* Reads what comes within `ms`; false if nothing did. */
static bool stream_read(struct stream *stream, int ms) {
    struct pollfd item = {.fd = stream->fd, .events = POLLIN};
    if (poll(&item, 1, ms) != 1) {
        return false;
    }
    static char block[65536];
    ssize_t got = recv(stream->fd, block, sizeof block, 0);
    if (got > 0) {
        http_reader_feed(&stream->reader, block, (size_t)got);
    } else {
        http_reader_end(&stream->reader);
    }
    return got > 0;
}

/* Writes everything, reading meanwhile so that neither side waits for the other. */
static void stream_send(struct stream *stream, const void *data, size_t size) {
    const char *place = data;
    while (size > 0) {
        struct pollfd item = {.fd = stream->fd, .events = POLLIN | POLLOUT};
        assert_true(poll(&item, 1, PATIENCE_MS) == 1);
        if ((item.revents & POLLIN) != 0 && !stream_read(stream, 0)) {
            fail_msg("the broker closed: status %d", stream->reader.status);
        }
        ssize_t sent = send(stream->fd, place, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(sent > 0 || errno == EAGAIN);
        place += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
}

static void stream_say(struct stream *stream, const char *text) {
    stream_send(stream, text, strlen(text));
}

static void stream_chunk(struct stream *stream, const void *data, size_t size) {
    char head[32];
    snprintf(head, sizeof head, "%zx\r\n", size);
    stream_say(stream, head);
    stream_send(stream, data, size);
    stream_say(stream, "\r\n");
}

static int count_lines(struct stream *stream) {
    int count = 0;
    const char *data = bytes_data(&stream->reader.body);
    for (size_t i = 0; i < bytes_size(&stream->reader.body); i++) {
        count += data[i] == '\n';
    }
    return count;
}

static void stream_wait_lines(struct stream *stream, int count) {
    while (count_lines(stream) < count) {
        if (!stream_read(stream, PATIENCE_MS)) {
            fail_msg("%d of %d lines came, status %d", count_lines(stream), count, stream->reader.status);
        }
    }
}

static void stream_wait_done(struct stream *stream) {
    while (stream->reader.state != HTTP_DONE) {
        if (!stream_read(stream, PATIENCE_MS) && stream->reader.state != HTTP_DONE) {
            fail_msg("the answer does not end: status %d, state %d", stream->reader.status, (int)stream->reader.state);
        }
    }
}

/* The next result line; the caller owns it. */
static json_t *stream_result(struct stream *stream) {
    stream_wait_lines(stream, 1);
    const char *data = bytes_data(&stream->reader.body);
    const char *end = memchr(data, '\n', bytes_size(&stream->reader.body));
    json_t *value = json_loadb(data, (size_t)(end - data), 0, NULL);
    assert_non_null(value);
    bytes_consume(&stream->reader.body, (size_t)(end - data) + 1);
    return value;
}

#define PUBLISH_HEAD "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

/* ---- NDJSON ---- */

static const char three_lines[] = "{\"op\":\"set\",\"topic\":\"stock/1/a\",\"data\":{\"available\":1}}\n"
                                  "{\"op\":\"adjust\",\"topic\":\"stock/1/a\",\"data\":{\"available\": -5}}\r\n"
                                  "\n"
                                  "{\"op\":\"patch\",\"topic\":\"stock/1/a\",\"data\":{\"u\":\"\xc3\xa9\"}}";

static void expect_three(struct stream *stream) {
    json_t *result = stream_result(stream);
    assert_true(scene_int(result, "seq") > 0);
    json_decref(result);
    result = stream_result(stream);
    assert_string_equal(scene_code(result), "out_of_range");
    json_decref(result);
    result = stream_result(stream);
    assert_true(scene_int(result, "seq") > 0);
    json_decref(result);
    stream_wait_done(stream);
    assert_int_equal(bytes_size(&stream->reader.body), 0);
    assert_int_equal(stream->reader.status, 200);
}

static void lines_may_be_cut_at_every_byte(void **state) {
    struct broker_process *broker = scene_start(state);
    size_t size = sizeof three_lines - 1;
    for (size_t cut = 0; cut <= size; cut++) {
        struct stream stream;
        stream_open(&stream, broker);
        stream_say(&stream, PUBLISH_HEAD CHUNKED);
        if (cut > 0) {
            stream_chunk(&stream, three_lines, cut);
        }
        if (cut < size) {
            stream_chunk(&stream, three_lines + cut, size - cut);
        }
        stream_say(&stream, "0\r\n\r\n");
        expect_three(&stream);
        stream_close(&stream);
    }
    assert_true(scene_holds(broker, "stock/1/a", "{'available':1,'u':'\xc3\xa9'}"));
}

static void a_body_may_come_byte_by_byte(void **state) {
    struct broker_process *broker = scene_start(state);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        struct stream stream;
        stream_open(&stream, broker);
        struct bytes request = {0};
        size_t size = sizeof three_lines - 1;
        bytes_append_text(&request, PUBLISH_HEAD);
        if (is_chunked) {
            bytes_append_text(&request, CHUNKED);
            for (size_t i = 0; i < size; i++) {
                bytes_printf(&request, "1;ext=\"x\"\r\n%c\r\n", three_lines[i]);
            }
            bytes_append_text(&request, "0\r\nTrailer: x\r\n\r\n");
        } else {
            bytes_printf(&request, "Content-Length: %zu\r\n\r\n%s", size, three_lines);
        }
        for (size_t i = 0; i < bytes_size(&request); i++) {
            stream_send(&stream, bytes_data(&request) + i, 1);
        }
        expect_three(&stream);
        stream_close(&stream);
        bytes_fini(&request);
    }
}

static void bad_lines_get_an_error_in_their_place_and_the_rest_goes_on(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const bad[] = {"{",
                                      "no json",
                                      "[1]",
                                      "7",
                                      "{}",
                                      "{\"op\":\"set\",\"topic\":\"stock/x\",\"data\":{\"u\":\"\xc3\x28\"}}",
                                      "{\"op\":\"set\",\"topic\":\"stock/x\",\"data\":{\"a\":1,\"a\":2}}",
                                      "{\"op\":\"fly\",\"topic\":\"stock/x\"}",
                                      "{\"op\":\"set\",\"topic\":\"stock/x\",\"data\":[]}"};
    struct stream stream;
    stream_open(&stream, broker);
    stream_say(&stream, PUBLISH_HEAD CHUNKED);
    struct bytes body = {0};
    int count = (int)(sizeof bad / sizeof bad[0]);
    for (int i = 0; i < count; i++) {
        bytes_printf(&body, "%s\n{\"op\":\"set\",\"topic\":\"stock/good/%d\",\"data\":{}}\n", bad[i], i);
    }
    stream_chunk(&stream, bytes_data(&body), bytes_size(&body));
    bytes_clear(&body); /* a line that is too long */
    bytes_append_text(&body, "{\"op\":\"set\",\"topic\":\"stock/long\",\"data\":{\"t\":\"");
    for (int i = 0; i < 30000; i++) {
        bytes_append_text(&body, "0123456789");
    }
    bytes_append_text(&body, "\"}}\n{\"op\":\"set\",\"topic\":\"stock/good/last\",\"data\":{}}\n");
    stream_chunk(&stream, bytes_data(&body), bytes_size(&body));
    stream_say(&stream, "0\r\n\r\n");
    for (int i = 0; i <= count; i++) {
        json_t *result = stream_result(&stream);
        const char *want = i < count ? "bad_message" : "too_large";
        if (strcmp(scene_code(result), want) != 0) {
            fail_msg("line %d: \"%s\"", i, scene_code(result));
        }
        json_decref(result);
        result = stream_result(&stream);
        assert_true(scene_int(result, "seq") > 0);
        json_decref(result);
    }
    stream_wait_done(&stream);
    stream_close(&stream);
    bytes_fini(&body);
    assert_true(scene_holds(broker, "stock/good/last", "{}"));
    assert_null(scene_get(broker, "stock/x"));
    assert_null(scene_get(broker, "stock/long"));
}

static void results_come_back_before_the_body_ends(void **state) {
    struct broker_process *broker = scene_start(state);
    struct stream stream;
    stream_open(&stream, broker);
    stream_say(&stream, PUBLISH_HEAD CHUNKED);
    for (int i = 0; i < 20; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"op\":\"set\",\"topic\":\"stock/s/%d\",\"data\":{}}\n", i);
        stream_chunk(&stream, line, strlen(line));
        json_t *result = stream_result(&stream);
        assert_int_equal(scene_int(result, "seq"), i + 1);
        json_decref(result);
    }
    stream_say(&stream, "0\r\n\r\n");
    stream_wait_done(&stream);
    stream_close(&stream);
}

#define LARGE (20 << 20)

static void a_stream_of_20_mb_is_answered_line_by_line(void **state) {
    struct broker_process *broker = scene_start(state);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        struct bytes body = {0};
        int lines = 0;
        while (bytes_size(&body) < LARGE) {
            bytes_printf(
                &body,
                "{\"op\":\"set\",\"topic\":\"order/%d\",\"data\":{\"i\":%d,\"fill\":\"0123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789\"}}\n",
                lines % 2000, lines);
            lines++;
        }
        struct stream stream;
        stream_open(&stream, broker);
        char head[128];
        snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", bytes_size(&body));
        stream_say(&stream, PUBLISH_HEAD);
        stream_say(&stream, is_chunked ? CHUNKED : head);
        for (size_t done = 0; done < bytes_size(&body);) {
            size_t size = bytes_size(&body) - done < 100003 ? bytes_size(&body) - done : 100003;
            if (is_chunked) {
                stream_chunk(&stream, bytes_data(&body) + done, size);
            } else {
                stream_send(&stream, bytes_data(&body) + done, size);
            }
            done += size;
        }
        stream_say(&stream, is_chunked ? "0\r\n\r\n" : "");
        stream_wait_done(&stream);
        assert_int_equal(count_lines(&stream), lines);
        assert_null(strstr(bytes_text(&stream.reader.body), "error"));
        json_t *document = scene_get(broker, "order/1999");
        assert_true(scene_int(json_object_get(document, "data"), "i") > lines - 2001);
        json_decref(document);
        stream_close(&stream);
        bytes_fini(&body);
    }
    assert_true(scene_memory_kb(broker) < 200 * 1024);
}

/* The kernel holds what the broker will not take; the broker must not collect it. */
static void a_sender_that_reads_no_results_is_held_back(void **state) {
    struct broker_process *broker = scene_start(state);
    struct stream stream;
    stream_open(&stream, broker);
    stream_say(&stream, PUBLISH_HEAD CHUNKED);
    struct bytes body = {0};
    for (int i = 0; i < 1000; i++) {
        bytes_printf(&body, "{\"op\":\"set\",\"topic\":\"order/%d\",\"data\":{\"i\":%d}}\n", i % 10, i);
    }
    size_t chunk_bytes = bytes_size(&body);
    bytes_append_text(&body, "\r\n");
    int64_t before = scene_memory_kb(broker);
    int blocked = 0;
    for (size_t offered = 0; offered < (256u << 20) && blocked < 200;) {
        char head[32];
        int head_bytes = snprintf(head, sizeof head, "%zx\r\n", chunk_bytes);
        ssize_t sent = send(stream.fd, head, (size_t)head_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            blocked++;
            scene_sleep(5);
            continue;
        }
        blocked = 0;
        assert_int_equal(sent, head_bytes);
        for (size_t done = 0; done < bytes_size(&body) && blocked < 200;) {
            sent = send(stream.fd, bytes_data(&body) + done, bytes_size(&body) - done, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0) {
                assert_int_equal(errno, EAGAIN);
                blocked++;
                scene_sleep(5);
                continue;
            }
            blocked = 0;
            done += (size_t)sent;
            offered += (size_t)sent;
        }
    }
    assert_int_equal(blocked, 200);
    assert_true(scene_memory_kb(broker) < before + 32 * 1024);
    assert_int_equal(http_status(broker->port, "/livez"), 200);
    stream_close(&stream);
    bytes_fini(&body);
}

static void a_stream_cut_in_the_middle_keeps_its_whole_lines(void **state) {
    struct broker_process *broker = scene_start(state);
    struct stream stream;
    stream_open(&stream, broker);
    stream_say(&stream, PUBLISH_HEAD CHUNKED);
    const char *lines =
        "{\"op\":\"set\",\"topic\":\"stock/cut/1\",\"data\":{}}\n{\"op\":\"set\",\"topic\":\"stock/cut/2\",\"data\":{}}";
    stream_chunk(&stream, lines, strlen(lines));
    json_decref(stream_result(&stream));
    stream_close(&stream);
    assert_true(scene_holds(broker, "stock/cut/1", "{}"));
    assert_null(scene_get(broker, "stock/cut/2"));
}

/* ---- how fast ---- */

static int status_of_put(struct stream *stream, bool as_list) {
    static const char body[] = "{\"a\":1}";
    static const char list[] = "{\"changes\":[{\"op\":\"set\",\"topic\":\"order/2\",\"data\":{}}]}";
    char request[512];
    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             as_list ? "POST /v1/publish" : "PUT /v1/topics/order/1", as_list ? sizeof list - 1 : sizeof body - 1,
             as_list ? list : body);
    http_reader_fini(&stream->reader);
    http_reader_init(&stream->reader);
    stream_say(stream, request);
    stream_wait_done(stream);
    return stream->reader.status;
}

static void a_connection_that_publishes_too_fast_is_told_when_to_come_back(void **state) {
    scene_configure("LIMITS_PUBLISH_RATE_MAX", "5");
    struct broker_process *broker = scene_start(state);
    for (int as_list = 0; as_list < 2; as_list++) {
        struct stream stream;
        char value[16] = "";
        stream_open(&stream, broker);
        int status = 200;
        for (int i = 0; i < 2000 && status != 429; i++) {
            status = status_of_put(&stream, as_list == 1);
        }
        assert_int_equal(status, 429);
        assert_true(http_reader_header(&stream.reader, "Retry-After", value, sizeof value));
        assert_string_equal(value, "1");
        assert_int_equal((int)scene_metric(broker, "ahora_http_publishes_limited_total"), as_list + 1);
        stream_close(&stream);
    }
}

static void a_stream_that_publishes_too_fast_waits(void **state) {
    scene_configure("LIMITS_PUBLISH_RATE_MAX", "40");
    struct broker_process *broker = scene_start(state);
    struct stream stream;
    struct bytes body = {0};
    stream_open(&stream, broker);
    for (int i = 0; i < 120; i++) {
        bytes_printf(&body, "{\"op\":\"set\",\"topic\":\"order/%d\",\"data\":{}}\n", i);
    }
    stream_say(&stream, PUBLISH_HEAD CHUNKED);
    stream_chunk(&stream, bytes_data(&body), bytes_size(&body));
    stream_say(&stream, "0\r\n\r\n");
    for (int i = 0; i < 120; i++) {
        json_t *result = stream_result(&stream);
        assert_true(scene_int(result, "seq") > 0);
        json_decref(result);
    }
    stream_wait_done(&stream);
    assert_true(scene_metric(broker, "ahora_http_streams_paced_total") >= 1);
    bytes_fini(&body);
    stream_close(&stream);
}

/* ---- Server-Sent Events ---- */

struct event {
    char name[32];
    char id[64];
    json_t *data;
};

/* The next event of that name (NULL: any); comments and others are dropped. Data belong to the caller. */
static struct event next_event(struct stream *stream, const char *name) {
    for (;;) {
        const char *text = bytes_text(&stream->reader.body);
        const char *end = strstr(text, "\n\n");
        if (end == NULL) {
            if (!stream_read(stream, PATIENCE_MS)) {
                fail_msg("no event %s: status %d", name != NULL ? name : "", stream->reader.status);
            }
            continue;
        }
        struct event event = {0};
        for (const char *line = text; line < end; line = strchr(line, '\n') + 1) {
            sscanf(line, "event: %31[^\n]", event.name);
            sscanf(line, "id: %63[^\n]", event.id);
            if (strncmp(line, "data: ", 6) == 0) {
                event.data = json_loadb(line + 6, strcspn(line + 6, "\n"), 0, NULL);
                assert_non_null(event.data);
            }
        }
        bytes_consume(&stream->reader.body, (size_t)(end - text) + 2);
        if (event.name[0] != '\0' && (name == NULL || strcmp(event.name, name) == 0)) {
            return event;
        }
        json_decref(event.data);
    }
}

static void stream_follow(struct stream *stream, const struct broker_process *broker, const char *query, const char *headers) {
    stream_open(stream, broker);
    struct bytes request = {0};
    bytes_printf(&request, "GET /v1/stream?%s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n%s\r\n", query,
                 headers);
    stream_send(stream, bytes_data(&request), bytes_size(&request));
    bytes_fini(&request);
}

static void a_stream_may_be_narrowed(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    scene_apply(&writer, "{'op':'set','topic':'service/bike/1','data':{'n':1,'position':{'lat':52.5,'lon':13.4}}}");
    scene_apply(&writer, "{'op':'set','topic':'service/bike/2','data':{'n':0,'position':{'lat':52.5,'lon':13.4}}}");
    struct stream stream;
    stream_follow(&stream, broker,
                  "match=service/**&near=52.5,13.4,1000&near_limit=5&where=%7B%22n%22%3A%7B%22gte%22%3A1%7D%7D", "");
    struct event event = next_event(&stream, "set");
    assert_string_equal(wire_text(event.data, "topic"), "service/bike/1");
    json_decref(event.data);
    json_decref(next_event(&stream, "live").data);
    scene_apply(&writer, "{'op':'patch','topic':'service/bike/1','data':{'position':{'lat':53}}}");
    event = next_event(&stream, "remove");
    assert_string_equal(wire_text(event.data, "why"), "left");
    json_decref(event.data);
    stream_close(&stream);
    wire_fini(&writer);
}

static void events_are_snapshot_then_live(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    int64_t seq = scene_apply(&writer, "{'op':'set','topic':'stock/1/a','data':{'v':1}}");
    struct stream stream;
    stream_follow(&stream, broker, "match=stock/*/*", "");
    struct event event = next_event(&stream, "set");
    char type[64] = "";
    http_reader_header(&stream.reader, "content-type", type, sizeof type);
    assert_int_equal(strncmp(type, "text/event-stream", 17), 0);
    assert_string_equal(wire_text(event.data, "topic"), "stock/1/a");
    assert_int_equal(scene_int(event.data, "seq"), seq);
    json_decref(event.data);
    event = next_event(&stream, "live");
    assert_true(event.id[0] != '\0');
    json_decref(event.data);
    scene_apply(&writer, "{'op':'patch','topic':'stock/1/a','data':{'v':2}}");
    event = next_event(&stream, NULL);
    assert_true(strcmp(event.name, "patch") == 0 || strcmp(event.name, "set") == 0);
    assert_int_equal(scene_int(json_object_get(event.data, "data"), "v"), 2);
    json_decref(event.data);
    scene_apply(&writer, "{'op':'delete','topic':'stock/1/a'}");
    event = next_event(&stream, "remove");
    assert_string_equal(wire_text(event.data, "why"), "deleted");
    json_decref(event.data);
    stream_close(&stream);
    wire_fini(&writer);
}

static void events_resume_by_last_event_id(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    for (int i = 0; i < 50; i++) {
        scene_apply(&writer, "{'op':'set','topic':'stock/r/%d','data':{'i':%d}}", i, i);
    }
    struct stream stream;
    stream_follow(&stream, broker, "match=stock/r/*", "");
    struct event event = next_event(&stream, "live");
    char headers[128];
    snprintf(headers, sizeof headers, "Last-Event-ID: %s\r\n", event.id);
    json_decref(event.data);
    stream_close(&stream);
    scene_apply(&writer, "{'op':'delete','topic':'stock/r/7'}");
    scene_apply(&writer, "{'op':'patch','topic':'stock/r/8','data':{'new':1}}");
    stream_follow(&stream, broker, "match=stock/r/*", headers);
    bool is_removed = false;
    bool is_changed = false;
    int others = 0;
    for (;;) {
        event = next_event(&stream, NULL);
        bool is_live = strcmp(event.name, "live") == 0;
        if (strcmp(event.name, "remove") == 0 && strcmp(wire_text(event.data, "topic"), "stock/r/7") == 0) {
            is_removed = true;
        } else if (strcmp(wire_text(event.data, "topic"), "stock/r/8") == 0) {
            is_changed = true;
        } else if (strcmp(event.name, "set") == 0 || strcmp(event.name, "patch") == 0) {
            others++;
        }
        json_decref(event.data);
        if (is_live) {
            break;
        }
    }
    assert_true(is_removed);
    assert_true(is_changed);
    assert_int_equal(others, 0);
    stream_close(&stream);
    stream_follow(&stream, broker, "match=stock/r/*", "Last-Event-ID: other-3\r\n");
    for (int i = 0; i < 49; i++) {
        event = next_event(&stream, "set");
        json_decref(event.data);
    }
    stream_close(&stream);
    wire_fini(&writer);
}

static void an_event_stream_ends_when_the_broker_stops(void **state) {
    struct broker_process *broker = scene_start(state);
    struct stream stream;
    stream_follow(&stream, broker, "match=stock/**", "");
    json_decref(next_event(&stream, "live").data);
    assert_int_equal(broker_process_term(broker), 0);
    while (stream_read(&stream, PATIENCE_MS)) {
    }
    assert_int_equal(stream.reader.state, HTTP_DONE);
    stream_close(&stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(lines_may_be_cut_at_every_byte),
        CASE(a_body_may_come_byte_by_byte),
        CASE(a_connection_that_publishes_too_fast_is_told_when_to_come_back),
        CASE(a_stream_that_publishes_too_fast_waits),
        CASE(bad_lines_get_an_error_in_their_place_and_the_rest_goes_on),
        CASE(results_come_back_before_the_body_ends),
        CASE(a_stream_of_20_mb_is_answered_line_by_line),
        CASE(a_sender_that_reads_no_results_is_held_back),
        CASE(a_stream_cut_in_the_middle_keeps_its_whole_lines),
        CASE(events_are_snapshot_then_live),
        CASE(a_stream_may_be_narrowed),
        CASE(events_resume_by_last_event_id),
        CASE(an_event_stream_ends_when_the_broker_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
