/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Credentials cost signatures: a flood of them waits, nobody who is in does, and who comes from elsewhere hardly. */
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
#define CROWD_ADDRESS "192.0.2.1"
#define GOOD_ADDRESS "192.0.2.2"
#define SIGNATURE_CHARACTERS 1366 /* 8192 bits as base64url */

/* As large as may be: a signature by it costs a millisecond, so that few fill a turn on any machine. */
static const char large[] = "-----BEGIN PUBLIC KEY-----\n"
                            "MIIEIjANBgkqhkiG9w0BAQEFAAOCBA8AMIIECgKCBAEAzZe+TZ1M52U5UFCjxI85\n"
                            "377vzzNDMaMQkMt7OPL8HowBWgPvvWS/RfoRjVAtFUyw36Q3bOA3odGRxmDVKKnm\n"
                            "sfqqi1YAZDM2GQ6TtyCeTuluOCcRGPvs5VL70I3P8okjQLzYrxiL/lzQz5pb3LzE\n"
                            "kC7Fw/YgZgHCWWzPSlqRMDo4xKJI2SI/KwE4dAi8o9g7ZsXSFrwqlsjQVpzMS8+8\n"
                            "wJq/8jKnXnLHcrSsT2Q+Orjcac+uv3RLtIp0jfHQ327iwtxSgePdfALM7U/nx0S8\n"
                            "1GadNSeE6PnrOEWFkjsVPOkNnTIKdThSol4+np2UCMCMv17iXbZHu42hWVOzQ10f\n"
                            "Gm2/PD4D5ClC3koj04NvfBLV0+7Jui38hHzf7yZZjHqlfH8sre1XLqqPK/7kso5I\n"
                            "jlyMwtKU5WyEUO14UyxWQwk2JaGjeulwzrA0d6iggZRNesgRM5sdfD+WvNxo2V+R\n"
                            "RWr12t9kBZ0QhbI0d9rWiCkuNiSYqyUCQoLLGSjFdCxZcJQ190p6OLov1jMnMVUn\n"
                            "sskjg88eNhePz+w8NENROnrkxW0gqkQ8ZX6yCgdlSeJcyFQRH7q1p+w+Po/8HxAq\n"
                            "9YE6Sg+nndS00tJgcUvhj0d6wE+Oqy78PFD3z0NUzkkW+HgilTDWHKIiFLHUL6jQ\n"
                            "99grhDgotSh5q5lPDHiB3UK3aDfVB9obmoWZq+Q/MzqPna7yIV+PUyMC7eX/VGKc\n"
                            "y9VQqemAsxn2lv/bZWQdyQ62Yw58k71KeuB+rrrEtpZUJnHhYTpHneQONwxtaCj7\n"
                            "aFnbHLhfXyXz4D/zxZlJ2+xW9/7vLF3Sk5+U8fLkkE3wBns421eLGQfrLXivIuY/\n"
                            "gitp+qZlBd8x7nMeO5axs+BwXjo+8b+z0qSpykBzNw4x3BzdbhjqFQtKJ2O/cxS4\n"
                            "lZvRELmFCAPkL4Y1onUT2pQ1rbgryuQWslozA884alvXwhwlalt5Nl84NYHsqY4A\n"
                            "jEX5XyTTbrqLlfsRJTKmZgaWOYzSuhineyz3xILogj6SgvoAPe3XckC7Ypn3pibc\n"
                            "mIFBJVOT1WgDLvnn1Qa0y9ABL4awE3AIgJ84hCDPW+4twugFQlyEdRJd67lhMqHS\n"
                            "eYqRkMb9C+cwO9+Pg5H2qjEk4yDuhzgfJKFmTxqnk4ga7V2E8I1pSMO0Ap1e0dWN\n"
                            "xxSybpI8oHBHsmidwdL8UeuZTPp5FACGIZdVhY23k/k/8gnlix+DGZyUU2KyPAeL\n"
                            "wGcSVoutnO6+KYrlmFm/VlV36oV1bGd4StcQE/scATfTO4ePEHBSBTuM4pKWZrbZ\n"
                            "NRwVsd9uPGUcH9ewVgplqGDYoVPPYUDZJF2EuZqh/iksmZAKdQv26YQtTA965ScJ\n"
                            "EwIDAQAB\n"
                            "-----END PUBLIC KEY-----\n";

/* ---- a broker with a large key and a secret ---- */

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
    write_key(broker, "bank.rs256.pem", large);
    write_key(broker, "shop.hs256", SECRET "\n");
    scene_configure("AUTH_KEYS", path);
    scene_configure("AUTH_JUDGE_MS", "1");
    scene_configure("LISTEN_TRUSTED_PROXIES",
                    "127.0.0.1"); /* the test stands for a proxy: everybody has an address of their own */
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
    token_make(SECRET, "{\"alg\":\"RS256\",\"kid\":\"bank\"}", claims, token);
    char *signature = strrchr(token, '.') + 1;
    for (int i = 0; i < SIGNATURE_CHARACTERS; i++) {
        signature[i] = "AZaz09-_"[(i * 7 + i / 8) % 8];
    }
    signature[0] = 'A';                        /* a number below the key's */
    signature[SIGNATURE_CHARACTERS - 1] = 'A'; /* no bits behind the last byte */
    signature[SIGNATURE_CHARACTERS] = '\0';
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

static void ask_for(int fd, const char *target, const char *token, const char *address) {
    char request[TOKEN_BYTES_MAX + 256];
    int bytes =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s", target,
                 address == NULL ? "" : "X-Forwarded-For: ", address == NULL ? "" : address, address == NULL ? "" : "\r\n");
    if (token != NULL) {
        bytes += snprintf(request + bytes, sizeof request - (size_t)bytes, "Authorization: Bearer %s\r\n", token);
    }
    bytes += snprintf(request + bytes, sizeof request - (size_t)bytes, "\r\n");
    assert_int_equal(send(fd, request, (size_t)bytes, MSG_NOSIGNAL), bytes);
}

static void ask(int fd, const char *target, const char *token) {
    ask_for(fd, target, token, NULL);
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
        ask_for(fds[i], "/v1/kinds", tokens[i == good], i == good ? GOOD_ADDRESS : CROWD_ADDRESS);
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

/* One of each address in turn: before the good one at most one of each kind (request, session), and those of the turn it came in. */
static void expect_soon(const struct broker_process *broker) {
    const double behind = scene_metric(broker, "ahora_auth_accepted_behind_total");
    print_message("  judged before the good one: %.0f\n", behind);
    assert_true(behind >= 0 && behind <= 4);
}

static void who_waits_behind_a_flood_gets_in(void **state) {
    struct broker_process *broker = start(state);
    const struct outcome outcome = ask_at_once(broker, CROWD / 2);
    assert_int_equal(outcome.granted, 1);
    assert_int_equal(outcome.refused, CROWD - 1);
    assert_true(scene_metric(broker, "ahora_auth_waited_total") > 0);
    expect_soon(broker);
}

static void where_the_line_is_full_the_crowd_makes_room_for_another_address(void **state) {
    scene_configure("AUTH_WAITING_MAX", "2");
    struct broker_process *broker = start(state);
    const struct outcome outcome = ask_at_once(broker, CROWD / 2);
    assert_int_equal(outcome.granted, 1);
    assert_true(outcome.told_to_wait > 0);
    expect_soon(broker);
}

static void join_as(struct wire *wire, const struct broker_process *broker, const char *address) {
    char header[64];
    snprintf(header, sizeof header, "X-Forwarded-For: %s\r\n", address);
    const struct wire_options options = {.headers = header};
    assert_true(wire_open_with(wire, broker->port, CODEC_JSON, &options));
}

/* All say hello in one turn of the broker's loop, the good one in the middle: the kernel tells of them in either order. */
static void a_good_hello_is_judged_soon_beside_a_crowd_of_forgers(void **state) {
    struct broker_process *broker = start(state);
    static struct wire crowd[CROWD];
    struct wire good;
    char forged[TOKEN_BYTES_MAX];
    char token[TOKEN_BYTES_MAX];
    make_forged(forged);
    make_good(token);
    for (int i = 0; i < CROWD; i++) {
        if (i == CROWD / 2) {
            join_as(&good, broker, GOOD_ADDRESS);
        }
        join_as(&crowd[i], broker, CROWD_ADDRESS);
    }
    assert_int_equal(kill(broker->pid, SIGSTOP), 0);
    for (int i = 0; i < CROWD; i++) {
        if (i == CROWD / 2) {
            scene_say(&good, "{'op':'hello','v':1,'token':'%s'}", token);
        }
        scene_say(&crowd[i], "{'op':'hello','v':1,'token':'%s'}", forged);
    }
    assert_int_equal(kill(broker->pid, SIGCONT), 0);
    json_decref(scene_hear_op(&good, "welcome"));
    wire_fini(&good);
    for (int i = 0; i < CROWD; i++) {
        scene_expect_error(&crowd[i], "unauthorized", 0);
        wire_fini(&crowd[i]);
    }
    assert_true(scene_metric(broker, "ahora_auth_waiting") == 0);
    expect_soon(broker);
    assert_int_equal(broker_process_term(broker), 0);
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
        CASE(where_the_line_is_full_the_crowd_makes_room_for_another_address),
        CASE(a_good_hello_is_judged_soon_beside_a_crowd_of_forgers),
        CASE(who_leaves_while_waiting_is_forgotten),
        CASE(what_a_connection_showed_last_is_not_judged_again),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
