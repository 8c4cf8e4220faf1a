/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * All come back at once: real clients (`ahora sub`) and a crowd of plain connections, after kill -9 and through a rolling restart, at a broker
 * that lets in few a second. Everybody ends with what the broker holds, and nobody has to be helped.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/scene.h"

#define CLIENTS 24
#define CROWD 300
#define TOPICS 8
#define LONG_PATIENCE_MS (4 * PATIENCE_MS) /* 24 processes, each of which may be told to wait some seconds more than once */

/* ---- real clients ---- */

struct reader {
    pid_t pid;
    char path[256]; /* of what it prints */
};

static void start_reader(struct reader *reader, const struct broker_process *broker, int number) {
    char server[64];
    snprintf(server, sizeof server, "http://127.0.0.1:%u", broker->port);
    snprintf(reader->path, sizeof reader->path, "%s/reader-%d", broker->directory, number);
    fflush(stdout);
    reader->pid = fork();
    assert_true(reader->pid >= 0);
    if (reader->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen(reader->path, "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) {
            _exit(127);
        }
        execl(scene_client_path(), "ahora", "sub", number % 2 == 0 ? "--json" : "--msgpack", "-s", server, "stock/storm/*",
              (char *)NULL);
        _exit(127);
    }
}

static void start_readers(struct reader readers[CLIENTS], const struct broker_process *broker) {
    for (int i = 0; i < CLIENTS; i++) {
        start_reader(&readers[i], broker, i);
    }
}

static void end_readers(struct reader readers[CLIENTS]) {
    for (int i = 0; i < CLIENTS; i++) {
        int status;
        kill(readers[i].pid, SIGKILL);
        waitpid(readers[i].pid, &status, 0);
    }
}

/* What it was last told of each topic, from its output. */
static void read_state(const struct reader *reader, int64_t values[TOPICS]) {
    FILE *file = fopen(reader->path, "r");
    char line[4096];
    memset(values, 0, TOPICS * sizeof *values);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        json_t *message = json_loads(line, 0, NULL);
        const char *topic = wire_text(message, "topic");
        const char *slash = strrchr(topic, '/');
        json_t *value = json_object_get(json_object_get(message, "data"), "v");
        if (slash != NULL && json_is_integer(value)) {
            values[strtol(slash + 1, NULL, 10) % TOPICS] = json_integer_value(value);
        }
        json_decref(message);
    }
    if (file != NULL) {
        fclose(file);
    }
}

static bool holds(const struct reader *reader, const int64_t wanted[TOPICS]) {
    int64_t values[TOPICS];
    read_state(reader, values);
    return memcmp(values, wanted, sizeof values) == 0;
}

static void wait_for_all(const struct reader *readers, const int64_t wanted[TOPICS]) {
    int64_t deadline_ms = scene_clock_ms() + LONG_PATIENCE_MS;
    for (int i = 0; i < CLIENTS; i++) {
        while (!holds(&readers[i], wanted)) {
            int status;
            assert_int_equal(waitpid(readers[i].pid, &status, WNOHANG), 0); /* nobody has given up */
            if (scene_clock_ms() > deadline_ms) {
                fail_msg("reader %d never got there", i);
            }
            scene_sleep(50);
        }
    }
}

/* ---- the crowd ---- */

struct crowd {
    int fds[CROWD];
};

/* They come at once; some of them are told to come later, and do not: they only take the place of others. */
static void crowd_comes(struct crowd *crowd, const struct broker_process *broker) {
    static const char upgrade[] = "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Protocol: ahora.v1.json\r\n\r\n";
    for (int i = 0; i < CROWD; i++) {
        crowd->fds[i] = http_connect(broker->port, 0);
        if (crowd->fds[i] >= 0 && send(crowd->fds[i], upgrade, sizeof upgrade - 1, MSG_NOSIGNAL) < 0) {
            close(crowd->fds[i]);
            crowd->fds[i] = -1;
        }
    }
}

/* How many were let in, and how many were told when to come back. */
static void crowd_hears(struct crowd *crowd, int *let_in, int *sent_away) {
    *let_in = 0;
    *sent_away = 0;
    for (int i = 0; i < CROWD; i++) {
        char answer[1024] = "";
        struct pollfd wait = {.fd = crowd->fds[i], .events = POLLIN};
        if (crowd->fds[i] >= 0 && poll(&wait, 1, PATIENCE_MS) == 1 && recv(crowd->fds[i], answer, sizeof answer - 1, 0) > 0) {
            *let_in += strncmp(answer, "HTTP/1.1 101", 12) == 0;
            *sent_away += strncmp(answer, "HTTP/1.1 503", 12) == 0 && strstr(answer, "Retry-After: ") != NULL;
        }
    }
}

static void crowd_goes(struct crowd *crowd) {
    for (int i = 0; i < CROWD; i++) {
        if (crowd->fds[i] >= 0) {
            close(crowd->fds[i]);
        }
    }
}

/* ---- storms ---- */

static void change_all(const struct broker_process *broker, int64_t wanted[TOPICS], int round) {
    for (int i = 0; i < TOPICS; i++) {
        char target[64];
        char body[64];
        int status = 0;
        int64_t deadline_ms = scene_clock_ms() + LONG_PATIENCE_MS;
        wanted[i] = 1000 * (round + 1) + i;
        snprintf(target, sizeof target, "/v1/topics/stock/storm/%d", i);
        snprintf(body, sizeof body, "{\"v\":%d}", (int)wanted[i]);
        while (status != 200 && status != 201) { /* a producer that is sent away comes back, too */
            struct http_response response;
            status = scene_http(broker, "PUT", target, "Content-Type: application/json\r\n", body, &response);
            http_response_fini(&response);
            assert_true(scene_clock_ms() < deadline_ms);
        }
    }
}

static void few_are_let_in_at_a_time(void) {
    scene_configure("LIMITS_HANDSHAKE_RATE_MAX", "60");
    scene_configure("LIMITS_HANDSHAKES_WAITING_MAX", "40");
    scene_configure("LIMITS_HANDSHAKE_WAIT_MS", "2s");
    scene_configure("DRAIN_RETRY_MS", "1s");
    scene_configure("DRAIN_DRAIN_MS", "1s");
}

static void after_a_kill_all_come_back_and_are_right(void **state) {
    few_are_let_in_at_a_time();
    struct broker_process *broker = scene_start(state);
    struct reader readers[CLIENTS];
    int64_t wanted[TOPICS];
    change_all(broker, wanted, 0);
    start_readers(readers, broker);
    wait_for_all(readers, wanted);
    for (int round = 1; round <= 2; round++) {
        struct crowd crowd;
        int let_in;
        int sent_away;
        broker_process_kill(broker);
        assert_true(broker_process_start(broker, NULL));
        crowd_comes(&crowd, broker);
        change_all(broker, wanted, round);
        crowd_hears(&crowd, &let_in, &sent_away);
        assert_true(let_in > 0 && sent_away > 0);
        wait_for_all(readers, wanted);
        assert_true(scene_metric(broker, "ahora_handshakes_refused_total") >= sent_away);
        crowd_goes(&crowd);
    }
    end_readers(readers);
}

static void a_rolling_restart_under_load_needs_no_hand(void **state) {
    few_are_let_in_at_a_time();
    struct broker_process *broker = scene_start(state);
    struct reader readers[CLIENTS];
    int64_t wanted[TOPICS];
    change_all(broker, wanted, 0);
    start_readers(readers, broker);
    wait_for_all(readers, wanted);
    for (int round = 1; round <= 3; round++) {
        struct http_response response;
        change_all(broker, wanted, 2 * round);
        int64_t deadline_ms = scene_clock_ms() + LONG_PATIENCE_MS;
        for (int status = 0; status != 202;) {
            status = scene_http(broker, "POST", "/v1/admin/drain", "Content-Type: application/json\r\n", "{}", &response);
            http_response_fini(&response);
            assert_true(scene_clock_ms() < deadline_ms);
        }
        assert_int_equal(scene_wait_end(broker), 0);
        assert_true(broker_process_start(broker, NULL));
        change_all(broker, wanted, 2 * round + 1);
        wait_for_all(readers, wanted);
    }
    end_readers(readers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(after_a_kill_all_come_back_and_are_right),
        CASE(a_rolling_restart_under_load_needs_no_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
