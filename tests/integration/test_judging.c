/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Credentials cost signatures: a flood of them in HTTP requests waits, and nobody who is in does. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/scene.h"
#include "tests/support/token.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define CROWD 150

static const char curve[] = "-----BEGIN PUBLIC KEY-----\n"
                            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQwpnyUJUTwnq6cLgxaQui+/7ERYL\n"
                            "3Gwbmyt7TssBGGcrWqBHWUtC6cFYeQyRXWwFYNo6AvntugkB5xICQQvxRg==\n"
                            "-----END PUBLIC KEY-----\n";

/* ---- a broker with a curve and a secret ---- */

static void write_key(const struct broker_process *broker, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/keys/%s", broker->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct broker_process *start(void **state) {
    struct broker_process *broker = scene_prepare(state);
    char path[256];
    snprintf(path, sizeof path, "%s/keys", broker->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_key(broker, "curve.es256.pem", curve);
    write_key(broker, "shop.hs256", SECRET "\n");
    scene_configure("AUTH_KEYS", path);
    scene_configure("AUTH_JUDGE_MS", "1");
    assert_true(broker_process_start(broker, NULL));
    return broker;
}

static void make_good(char token[TOKEN_BYTES_MAX]) {
    char claims[256];
    snprintf(claims, sizeof claims, "{\"sub\":\"u1\",\"exp\":%ld,\"ahora\":{\"sub\":[\"**\"]}}", (long)time(NULL) + 3600);
    token_make(SECRET, "{\"alg\":\"HS256\",\"kid\":\"shop\"}", claims, token);
}

/* Of the right length, so that it must be computed to be found wrong; `token_make` gives header, claims and base64url. */
static void make_forged(char token[TOKEN_BYTES_MAX]) {
    char claims[256];
    snprintf(claims, sizeof claims, "{\"sub\":\"u1\",\"exp\":%ld}", (long)time(NULL) + 3600);
    token_make(SECRET, "{\"alg\":\"ES256\",\"kid\":\"curve\"}", claims, token);
    char *signature = strrchr(token, '.') + 1;
    memset(signature, 'A', 86);
    memset(signature + 20, 'B', 20);
    memset(signature + 60, 'C', 20);
    signature[86] = '\0';
}

/* ---- many at once ---- */

static void read_answer(int fd, struct http_reader *reader) {
    char bytes[4096];
    http_reader_init(reader);
    while (reader->state != HTTP_DONE && reader->state != HTTP_BROKEN) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        assert_true(count >= 0);
        if (count == 0) {
            http_reader_end(reader);
            break;
        }
        http_reader_feed(reader, bytes, (size_t)count);
    }
}

static void ask(int fd, const char *target, const char *token) {
    char request[TOKEN_BYTES_MAX + 256];
    int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n", target);
    if (token != NULL) {
        bytes += snprintf(request + bytes, sizeof request - (size_t)bytes, "Authorization: Bearer %s\r\n", token);
    }
    bytes += snprintf(request + bytes, sizeof request - (size_t)bytes, "\r\n");
    assert_int_equal(send(fd, request, (size_t)bytes, MSG_NOSIGNAL), bytes);
}

/* It has been let in, and answered once. */
static int join(const struct broker_process *broker) {
    struct http_reader reader;
    int fd = http_connect(broker->port, 0);
    assert_true(fd >= 0);
    ask(fd, "/livez", NULL);
    read_answer(fd, &reader);
    assert_int_equal(reader.status, 200);
    http_reader_fini(&reader);
    return fd;
}

struct outcome {
    int granted;
    int refused;
    int told_to_wait;
};

/* All that they ask comes to the broker in one turn of its loop. Those at `good` have a good token. */
static struct outcome ask_at_once(const struct broker_process *broker, int good) {
    static int fds[CROWD];
    char tokens[2][TOKEN_BYTES_MAX];
    struct outcome outcome = {0};
    make_forged(tokens[0]);
    make_good(tokens[1]);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = join(broker);
    }
    assert_int_equal(kill(broker->pid, SIGSTOP), 0);
    for (int i = 0; i < CROWD; i++) {
        ask(fds[i], "/v1/kinds", tokens[i == good]);
    }
    assert_int_equal(kill(broker->pid, SIGCONT), 0);
    for (int i = 0; i < CROWD; i++) {
        struct http_reader reader;
        char retry[16];
        read_answer(fds[i], &reader);
        outcome.granted += reader.status == 200;
        outcome.refused += reader.status == 401;
        outcome.told_to_wait += reader.status == 503 && http_reader_header(&reader, "retry-after", retry, sizeof retry);
        assert_true(reader.status != 200 || i == good);
        http_reader_fini(&reader);
        close(fds[i]);
    }
    assert_int_equal(outcome.granted + outcome.refused + outcome.told_to_wait, CROWD);
    return outcome;
}

/* ---- cases ---- */

static void a_flood_of_signatures_waits_and_those_beyond_are_told_when_to_come(void **state) {
    scene_configure("AUTH_WAITING_MAX", "2");
    struct broker_process *broker = start(state);
    const struct outcome outcome = ask_at_once(broker, -1);
    print_message("  %d refused, %d told to wait\n", outcome.refused, outcome.told_to_wait);
    assert_true(outcome.refused >= 2);
    assert_true(outcome.told_to_wait > 0);
    assert_true(scene_metric(broker, "ahora_auth_waited_total") >= 2);
    assert_true(scene_metric(broker, "ahora_auth_waiting") == 0);
}

static void who_waits_behind_a_flood_gets_in(void **state) {
    struct broker_process *broker = start(state);
    const struct outcome outcome = ask_at_once(broker, CROWD - 1);
    assert_int_equal(outcome.granted, 1);
    assert_int_equal(outcome.refused, CROWD - 1);
    assert_true(scene_metric(broker, "ahora_auth_waited_total") > 0);
}

/* It leaves while its token waits, or half closes, as clients do that have nothing more to say. */
static void who_leaves_while_waiting_is_forgotten(void **state) {
    struct broker_process *broker = start(state);
    static int fds[CROWD];
    char token[TOKEN_BYTES_MAX];
    make_forged(token);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = join(broker);
    }
    assert_int_equal(kill(broker->pid, SIGSTOP), 0);
    for (int i = 0; i < CROWD; i++) {
        ask(fds[i], "/v1/kinds", token);
        if (i % 3 == 0) {
            close(fds[i]);
        } else if (i % 3 == 1) {
            shutdown(fds[i], SHUT_WR);
        }
    }
    assert_int_equal(kill(broker->pid, SIGCONT), 0);
    for (int i = 0; i < CROWD; i++) {
        struct http_reader reader;
        if (i % 3 == 0) {
            continue;
        }
        read_answer(fds[i], &reader);
        assert_int_equal(reader.status, 401);
        http_reader_fini(&reader);
        close(fds[i]);
    }
    assert_true(scene_metric(broker, "ahora_auth_waited_total") > 0);
    assert_true(scene_metric(broker, "ahora_auth_waiting") == 0);
    assert_int_equal(broker_process_term(broker), 0);
}

/* One connection judges its token once, however often it asks. */
static void what_a_connection_showed_last_is_not_judged_again(void **state) {
    struct broker_process *broker = start(state);
    char token[TOKEN_BYTES_MAX];
    make_good(token);
    int fd = join(broker);
    for (int i = 0; i < 50; i++) {
        struct http_reader reader;
        ask(fd, "/v1/kinds", token);
        read_answer(fd, &reader);
        assert_int_equal(reader.status, 200);
        http_reader_fini(&reader);
    }
    close(fd);
    assert_true(scene_metric(broker, "ahora_auth_accepted_total") == 1);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(a_flood_of_signatures_waits_and_those_beyond_are_told_when_to_come),
        CASE(who_waits_behind_a_flood_gets_in),
        CASE(who_leaves_while_waiting_is_forgotten),
        CASE(what_a_connection_showed_last_is_not_judged_again),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
