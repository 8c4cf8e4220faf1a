/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Many who write and read over HTTP at the same moment, while sessions follow: one turn of the broker holds all of it. And
 * nobody at all, while its shards load.
 */
#include "tests/integration/scene.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WRITERS 48
#define ROUNDS 40
#define FOLLOWERS 5
#define STARTS 20

static void send_all(int fd, const char *text) {
    size_t bytes = strlen(text);
    assert_int_equal(write(fd, text, bytes), (ssize_t)bytes);
}

static void ask(int fd, int writer, int round) {
    char request[256];
    if ((writer + round) % 3 == 0) {
        (void)snprintf(request, sizeof request, "GET /v1/topics?match=stock/** HTTP/1.1\r\nHost: localhost\r\n\r\n");
    } else {
        (void)snprintf(request, sizeof request,
                       "PUT /v1/topics/stock/parallel/%d HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Content-Length: 12\r\n\r\n{\"n\":%6d}",
                       writer, round);
    }
    send_all(fd, request);
}

/* Reads one answer; 0 if the broker is gone. */
static int take_answer(int fd) {
    struct http_reader reader;
    http_reader_init(&reader);
    while (reader.state != HTTP_DONE && reader.state != HTTP_BROKEN) {
        char data[4096];
        ssize_t bytes = read(fd, data, sizeof data);
        if (bytes <= 0) {
            break;
        }
        http_reader_feed(&reader, data, (size_t)bytes);
    }
    int status = reader.state == HTTP_DONE ? reader.status : 0;
    http_reader_fini(&reader);
    return status;
}

static void a_round(const int *fds, int round) {
    for (int i = 0; i < WRITERS; i++) {
        ask(fds[i], i, round);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = take_answer(fds[i]);
        assert_true(status == 200 || status == 201);
    }
}

/* Reads until it has heard of the last change, and counts what it heard; no topic may go back. */
static int64_t follow_to(struct wire *wire, int64_t last) {
    int64_t seq = 0;
    while (seq < last) {
        json_t *message = scene_hear(wire);
        int64_t next = json_integer_value(json_object_get(message, "seq"));
        assert_true(next >= seq);
        seq = next;
        json_decref(message);
    }
    return seq;
}

static void requests_of_one_moment_meet_live_sessions(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire followers[FOLLOWERS];
    struct wire other;
    int fds[WRITERS];
    for (int i = 0; i < FOLLOWERS; i++) {
        scene_open(&followers[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
        scene_say(&followers[i], "{'op':'sub','id':1,'match':'stock/**'}");
        json_decref(scene_hear_op(&followers[i], "live"));
    }
    scene_open(&other, broker, CODEC_JSON);
    for (int i = 0; i < WRITERS; i++) {
        fds[i] = http_connect(broker->port, 0);
        assert_true(fds[i] >= 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        scene_say(&other, "{'op':'sub','id':7,'match':'stock/**'}");
        scene_say(&other, "{'op':'unsub','id':7}");
        a_round(fds, round);
        json_decref(scene_hear_op(&other, "ok"));
    }
    int64_t last = scene_apply(&other, "{'op':'set','topic':'stock/parallel/last','data':{'n':1}}");
    for (int i = 0; i < FOLLOWERS; i++) {
        assert_int_equal(follow_to(&followers[i], last), last);
        wire_fini(&followers[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        close(fds[i]);
    }
    wire_fini(&other);
}

/* The shards tell each other; it takes no connection to remind them. */
static void a_broker_that_nobody_asks_becomes_ready(void **state) {
    scene_configure("THREADS_SHARDS", "4");
    struct broker_process *broker = scene_prepare(state);
    for (int i = 0; i < STARTS; i++) {
        assert_true(broker_process_spawn(broker, NULL));
        scene_wait_log(broker, " info ready ");
        kill(broker->pid, SIGTERM);
        assert_int_equal(scene_wait_end(broker), 0);
        assert_int_equal(unlink(broker->log), 0);
    }
    assert_true(broker_process_start(broker, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(requests_of_one_moment_meet_live_sessions),
        CASE(a_broker_that_nobody_asks_becomes_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
