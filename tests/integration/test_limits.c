/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Too much of everything: whoever is beyond a limit is told or dropped, and nobody else notices. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/scene.h"

/* A connection is let in again. */
static void wait_for_a_place(const struct broker_process *broker) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (http_status(broker->port, "/livez") != 200) {
        assert_true(scene_clock_ms() < deadline_ms);
        scene_sleep(10);
    }
}

static void sessions_beyond_the_limit_are_refused_without_harm_to_others(void **state) {
    scene_configure("LIMITS_CONNECTIONS_MAX", "20");
    struct broker_process *broker = scene_start(state);
    struct wire wires[20];
    int open = 0;
    for (; open < 20; open++) {
        if (!wire_open(&wires[open], broker->port, open % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK)) {
            break;
        }
        json_decref(scene_ask(&wires[open], "{'op':'hello'}"));
    }
    assert_true(open >= 15);
    for (int i = 0; i < 20; i++) {
        int status = http_status(broker->port, "/livez"); /* the first ones may still find a place */
        assert_true(status == 0 || status == 503 || (open < 20 && status == 200));
    }
    for (int i = 0; i < open; i++) {
        scene_expect_alive(&wires[i]);
    }
    wire_fini(&wires[0]);
    wire_fini(&wires[1]);
    wait_for_a_place(broker);
    for (int i = 2; i < open; i++) {
        wire_fini(&wires[i]);
    }
    if (open < 20) {
        wire_fini(&wires[open]);
    }
}

static void connections_of_one_address_are_limited(void **state) {
    scene_configure("LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "5");
    scene_configure("LIMITS_LIMIT_LOOPBACK", "true");
    struct broker_process *broker = scene_start(state);
    struct wire wires[5];
    for (int i = 0; i < 5; i++) {
        scene_open(&wires[i], broker, CODEC_MSGPACK);
    }
    int status = http_status(broker->port, "/livez");
    assert_true(status == 0 || status == 429 || status == 503);
    for (int i = 0; i < 5; i++) {
        scene_expect_alive(&wires[i]);
        wire_fini(&wires[i]);
    }
    wait_for_a_place(broker);
}

static void loopback_is_not_limited_unless_asked_for(void **state) {
    scene_configure("LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "2");
    struct broker_process *broker = scene_start(state);
    struct wire wires[6];
    for (int i = 0; i < 6; i++) {
        scene_open(&wires[i], broker, CODEC_JSON);
    }
    for (int i = 0; i < 6; i++) {
        wire_fini(&wires[i]);
    }
}

static void subscriptions_of_one_session_are_limited(void **state) {
    scene_configure("LIMITS_SUBSCRIPTIONS_MAX", "10");
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (int i = 1; i <= 10; i++) {
            json_t *answer = scene_ask(&wire, "{'op':'sub','id':%d,'match':'stock/%d/*'}", i, i);
            assert_string_equal(wire_text(answer, "op"), "subscribed");
            json_decref(answer);
            json_decref(scene_hear_op(&wire, "live"));
        }
        scene_say(&wire, "{'op':'sub','id':11,'match':'stock/11/*'}");
        scene_expect_error(&wire, "too_many", 11);
        scene_expect_alive(&wire);
        json_decref(scene_ask(&wire, "{'op':'unsub','id':3}"));
        json_t *answer = scene_ask(&wire, "{'op':'sub','id':11,'match':'stock/11/*'}");
        assert_string_equal(wire_text(answer, "op"), "subscribed");
        json_decref(answer);
        wire_fini(&wire);
    }
}

#define IDLE 2000

static void two_thousand_idle_sessions_cost_little_and_all_answer(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire *wires = calloc(IDLE, sizeof *wires);
    int64_t before = scene_memory_kb(broker);
    for (int i = 0; i < IDLE; i++) {
        scene_open(&wires[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
    }
    int64_t after = scene_memory_kb(broker);
    print_message("  %lld kB for %d sessions\n", (long long)(after - before), IDLE);
    assert_true(after - before < IDLE * 64);
    for (int i = 0; i < IDLE; i++) {
        scene_expect_alive(&wires[i]);
        wire_fini(&wires[i]);
    }
    free(wires);
}

/* Ticks of processor time, user and system. */
static long processor_ticks(const struct broker_process *broker) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)broker->pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char text[1024] = "";
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    unsigned long user = 0;
    unsigned long system = 0;
    const char *rest = strrchr(text, ')');
    assert_int_equal(sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    return (long)(user + system);
}

#define DESCRIPTORS 100
#define CROWD 300

/* The broker may have at most DESCRIPTORS open files: far fewer than the crowd that comes. */
static void check_without_descriptors(struct broker_process *broker) {
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    int fds[CROWD];
    for (int i = 0; i < CROWD; i++) {
        fds[i] = http_connect(broker->port, 0);
    }
    scene_expect_alive(&wire);
    long before = processor_ticks(broker);
    scene_sleep(2000);
    long spent = processor_ticks(broker) - before;
    print_message("  %ld of %ld ticks without descriptors\n", spent, 2 * sysconf(_SC_CLK_TCK));
    assert_true(spent < sysconf(_SC_CLK_TCK)); /* a spinning loop takes all of one core */
    scene_apply(&wire, "{'op':'set','topic':'stock/1/a','data':{}}");
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    wait_for_a_place(broker);
    assert_in_range(scene_log_count(broker, "accept-failed"), 0, 4); /* once in ten seconds, not for each that came */
    assert_in_range(scene_log_count(broker, "connection-refused"), 0, 4);
    wire_fini(&wire);
}

static void with_few_descriptors_it_lives_on_and_does_not_spin(void **state) {
    struct broker_process *broker = scene_prepare(state);
    scene_configure("LIMITS_CONNECTIONS_MAX", "100000"); /* more than there are descriptors for */
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit low = {.rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){DESCRIPTORS, old.rlim_max}), 0);
    bool is_spawned = broker_process_spawn(broker, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(is_spawned);
    assert_int_equal(prlimit(broker->pid, RLIMIT_NOFILE, &low, NULL), 0); /* if it has raised the soft one */
    assert_true(broker_process_wait_ready(broker));
    check_without_descriptors(broker);
}

/* It reckons with many, and meets EMFILE. */
static void when_descriptors_run_out_it_lives_on_and_does_not_spin(void **state) {
    struct broker_process *broker = scene_start(state);
    struct rlimit low = {.rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS};
    assert_int_equal(prlimit(broker->pid, RLIMIT_NOFILE, &low, NULL), 0);
    check_without_descriptors(broker);
}

/* Offers messages for as long as the kernel takes them, and stops when nothing moved for a second. */
static uint64_t flood(struct wire *wire, const char *text, size_t offered_max) {
    json_t *message = scene_json("%s", text);
    struct bytes payload = {0};
    uint64_t offered = 0;
    codec_encode(wire->codec, message, &payload);
    json_decref(message);
    for (int blocked = 0; blocked < 200 && offered < offered_max;) {
        size_t before = wire_unsent(wire);
        while (wire_unsent(wire) < 65536) {
            wire_queue(wire, bytes_data(&payload), bytes_size(&payload));
            offered += bytes_size(&payload);
        }
        if (!wire_flush(wire)) {
            break;
        }
        blocked = wire_unsent(wire) < before || before < 65536 ? 0 : blocked + 1;
        if (blocked > 0) {
            scene_sleep(5);
        }
    }
    bytes_fini(&payload);
    return offered;
}

static void a_flood_from_one_who_reads_nothing_is_held_back(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire other;
    scene_open(&other, broker, CODEC_JSON);
    static const char *const floods[] = {
        "{'op':'pub','id':1,'changes':[{'op':'set','topic':'stock/f/1','data':{'v':1}}]}",
        "{'op':'pub','id':1,'changes':[{'op':'set','topic':'bad','data':{}}]}",
        "{'op':'ping','id':1}",
        "{'op':'get','id':1,'match':'order/*'}",
        "{'op':'nonsense','id':1}",
    };
    for (int i = 0; i < 500; i++) {
        scene_apply(&other, "{'op':'set','topic':'order/%d','data':{'i':%d}}", i, i);
    }
    int64_t before = scene_memory_kb(broker);
    FOR_BOTH(codec) {
        for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
            struct wire wire;
            scene_open_slow(&wire, broker, codec);
            uint64_t offered = flood(&wire, floods[i], 200 << 20);
            assert_true(offered < 200 << 20);
            scene_expect_alive(&other);
            int64_t now = scene_memory_kb(broker);
            if (now > before + 48 * 1024) {
                fail_msg("%s: %lld kB, then %lld kB", floods[i], (long long)before, (long long)now);
            }
            wire_cut(&wire);
            wire_fini(&wire);
        }
    }
    wire_fini(&other);
}

/* A first frame of that many bytes, without its end. */
static void send_half_message(struct wire *wire, size_t bytes) {
    char *payload = calloc(1, bytes);
    memset(payload, ' ', bytes);
    const struct wire_frame frame = {.opcode = WIRE_TEXT, .is_masked = true, .payload = payload, .payload_bytes = bytes};
    assert_true(wire_send_frame(wire, &frame));
    free(payload);
}

/* Whoever began first makes room: who begins many messages and ends none keeps nobody from sending a long one. */
static void half_messages_are_bounded_in_sum(void **state) {
    scene_configure("LIMITS_MESSAGE_BYTES_MAX", "64K");
    scene_configure("WEBSOCKET_MESSAGES_BYTES_MAX", "100K");
    struct broker_process *broker = scene_start(state);
    struct wire wires[3];
    for (int i = 0; i < 3; i++) {
        scene_open(&wires[i], broker, CODEC_JSON);
    }
    send_half_message(&wires[0], 60000);
    scene_sleep(300);
    send_half_message(&wires[1], 60000);
    assert_null(wire_receive(&wires[0], PATIENCE_MS));
    assert_int_equal(wires[0].close_code, 1013);
    assert_string_equal(wires[0].close_reason, "overloaded");
    scene_expect_alive(&wires[2]);
    const struct wire_frame end = {.opcode = WIRE_CONTINUATION,
                                   .is_final = true,
                                   .is_masked = true,
                                   .payload = "{\"op\":\"ping\",\"id\":1}",
                                   .payload_bytes = 20};
    assert_true(wire_send_frame(&wires[1], &end)); /* the younger one goes on */
    json_decref(scene_hear_op(&wires[1], "pong"));
    for (int i = 0; i < 10; i++) { /* what is over counts no more */
        send_half_message(&wires[2], 60000);
        assert_true(wire_send_frame(&wires[2], &end));
        json_decref(scene_hear_op(&wires[2], "pong"));
        struct wire gone;
        scene_open(&gone, broker, CODEC_JSON);
        send_half_message(&gone, 60000);
        wire_cut(&gone);
        wire_fini(&gone);
        scene_wait_at_most(broker, "ahora_websockets", 2); /* wires 1 and 2 */
    }
    for (int i = 0; i < 3; i++) {
        wire_fini(&wires[i]);
    }
}

/* Being slow is allowed, also for longer than a vanished peer is waited for: it reads on, and ends complete. */
static void one_that_takes_nothing_for_long_keeps_its_session(void **state) {
    scene_configure("LISTEN_VANISHED_MS", "1s");
    struct broker_process *broker = scene_start(state);
    struct wire other;
    struct wire wire;
    scene_open(&other, broker, CODEC_JSON);
    scene_apply_much(&other);
    scene_open_slow(&wire, broker, CODEC_JSON);
    scene_say(&wire, "{'op':'sub','id':1,'match':'order/*'}");
    scene_sleep(4000);
    scene_expect_alive(&other); /* idle, but there */
    json_decref(scene_hear_op(&wire, "live"));
    scene_expect_alive(&wire);
    wire_fini(&wire);
    wire_fini(&other);
}

/* Asks for all topics as lines, and reads no more than the beginning. */
static int begin_listing(const struct broker_process *broker, char head[16]) {
    static const char text[] = "GET /v1/topics HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n";
    int fd = http_connect(broker->port, 4096);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    memset(head, 0, 16);
    assert_int_equal(recv(fd, head, 12, MSG_WAITALL), 12);
    return fd;
}

static void listings_that_are_not_read_are_bounded_in_sum(void **state) {
    scene_configure("HTTP_LISTED_TOPICS_MAX", "300");
    struct broker_process *broker = scene_start(state);
    struct wire other;
    scene_open(&other, broker, CODEC_JSON);
    char text[30001] = "";
    char head[16];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 400; i++) {
        scene_apply(&other, "{'op':'set','topic':'order/%d','data':{'text':'%s'}}", i, text);
    }
    int first = begin_listing(broker, head); /* more than may be, but alone */
    assert_string_equal(head, "HTTP/1.1 200");
    int second = begin_listing(broker, head);
    assert_string_equal(head, "HTTP/1.1 503");
    close(second);
    close(first);
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    do { /* it is let go */
        assert_true(scene_clock_ms() < deadline_ms);
        second = begin_listing(broker, head);
        close(second);
    } while (strcmp(head, "HTTP/1.1 200") != 0);
    wire_fini(&other);
}

#define HALVES 20

static void half_requests_hold_up_nobody(void **state) {
    scene_configure("HTTP_REQUESTS_MAX", "4");
    struct broker_process *broker = scene_start(state);
    static const char *const beginnings[] = {
        "PUT /v1/topics/order/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\n{",
    };
    for (size_t i = 0; i < 2; i++) {
        int fds[HALVES];
        double before = scene_metric(broker, "ahora_http_requests_total");
        for (int j = 0; j < HALVES; j++) {
            fds[j] = http_connect(broker->port, 0);
            assert_int_equal(send(fds[j], beginnings[i], strlen(beginnings[i]), MSG_NOSIGNAL), strlen(beginnings[i]));
        }
        scene_wait_at_least(broker, "ahora_http_requests_total", before + HALVES);
        struct http_response response;
        scene_http(broker, "PUT", "/v1/topics/order/2", NULL, "{\"status\":\"new\"}", &response);
        assert_in_range(response.status, 200, 201);
        http_response_fini(&response);
        for (int j = 0; j < HALVES; j++) {
            close(fds[j]);
        }
    }
    assert_int_equal((int)scene_metric(broker, "ahora_http_bodies_refused_total"), HALVES - 4); /* streams, by streams */
}

/* It is to be closed, but its socket takes nothing, not even our Close. */
static void one_who_is_closed_and_reads_nothing_is_cut(void **state) {
    scene_configure("WEBSOCKET_CLOSE_MS", "200");
    struct broker_process *broker = scene_start(state);
    struct wire other;
    scene_open(&other, broker, CODEC_JSON);
    scene_apply_much(&other);
    FOR_BOTH(codec) {
        double cut = scene_metric(broker, "ahora_timeouts_close_total");
        double choked = scene_metric(broker, "ahora_session_choked_total");
        struct wire wire;
        scene_open_slow(&wire, broker, codec);
        scene_say(&wire, "{'op':'sub','id':1,'match':'order/*'}");
        scene_wait_at_least(broker, "ahora_session_choked_total", choked + 1);
        scene_sleep(1000); /* not being read is no reason to be cut */
        assert_int_equal((int)scene_metric(broker, "ahora_websockets"), 2);
        const struct wire_frame wrong = {.opcode = codec == CODEC_JSON ? WIRE_BINARY : WIRE_TEXT,
                                         .is_final = true,
                                         .is_masked = true,
                                         .payload = "{}",
                                         .payload_bytes = 2};
        wire_send_frame(&wire, &wrong);
        scene_wait_at_least(broker, "ahora_timeouts_close_total", cut + 1);
        scene_wait_at_most(broker, "ahora_websockets", 1);
        wire_fini(&wire);
    }
    wire_fini(&other);
}

#define FLOOD 80000 /* more bytes than the broker could keep */

static void one_who_reads_after_a_flood_gets_every_answer(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) { /* with a few KiB to receive into, the kernel may send one segment in 200 ms, and this takes minutes */
        struct wire wire;
        assert_true(wire_open_with(&wire, broker->port, codec, &(struct wire_options){.receive_bytes = 65536}));
        json_decref(scene_ask(&wire, "{'op':'hello'}"));
        json_t *message = scene_json("{'op':'pub','id':1,'changes':[{'op':'set','topic':'stock/f/1','data':{'v':1}}]}");
        struct bytes payload = {0};
        codec_encode(codec, message, &payload);
        json_decref(message);
        for (int i = 0; i < FLOOD; i++) {
            wire_queue(&wire, bytes_data(&payload), bytes_size(&payload));
        }
        for (int i = 0; i < 100; i++) { /* nothing is read for half a second */
            wire_flush(&wire);
            scene_sleep(5);
        }
        int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
        for (int heard = 0; heard < FLOOD && scene_clock_ms() < deadline_ms;) {
            wire_flush(&wire);
            json_t *answer = wire_receive(&wire, 100);
            heard += strcmp(wire_text(answer, "op"), "published") == 0;
            json_decref(answer);
            assert_true(wire.fd >= 0);
            if (heard == FLOOD) {
                deadline_ms = INT64_MAX;
            }
        }
        assert_int_equal(deadline_ms, INT64_MAX);
        bytes_fini(&payload);
        wire_fini(&wire);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(sessions_beyond_the_limit_are_refused_without_harm_to_others),
        CASE(connections_of_one_address_are_limited),
        CASE(loopback_is_not_limited_unless_asked_for),
        CASE(subscriptions_of_one_session_are_limited),
        CASE(two_thousand_idle_sessions_cost_little_and_all_answer),
        CASE(with_few_descriptors_it_lives_on_and_does_not_spin),
        CASE(when_descriptors_run_out_it_lives_on_and_does_not_spin),
        CASE(one_that_takes_nothing_for_long_keeps_its_session),
        CASE(listings_that_are_not_read_are_bounded_in_sum),
        CASE(half_messages_are_bounded_in_sum),
        CASE(half_requests_hold_up_nobody),
        CASE(one_who_is_closed_and_reads_nothing_is_cut),
        CASE(a_flood_from_one_who_reads_nothing_is_held_back),
        CASE(one_who_reads_after_a_flood_gets_every_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
