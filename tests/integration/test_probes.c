/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What somebody tries who looks for a way in: requests that two programs read differently, pages that reach for the back office, files that
   are replaced while they are read, other users of the machine. */
#include "tests/integration/scene.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one request for a proxy, two for us, or the other way round ---- */

struct smuggling {
    const char *name;
    const char *bytes;
    size_t size;
};

#define HOST "Host: localhost\r\n"
#define POST "POST /v1/publish HTTP/1.1\r\n" HOST
#define HIDDEN "PUT /v1/topics/order/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"

/* The hidden request has 78 bytes, 0x4e. */
static const struct smuggling smugglings[] = {
    {"CL.TE", RAW(POST "Content-Length: 83\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN)},
    {"TE.CL", RAW(POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4e\r\n" HIDDEN "\r\n0\r\n\r\n")},
    {"two lengths", RAW(POST "Content-Length: 0\r\nContent-Length: 78\r\n\r\n" HIDDEN)},
    {"two lengths that agree", RAW(POST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a list of lengths", RAW(POST "Content-Length: 0, 0\r\n\r\n" HIDDEN)},
    {"a length in octal or hex", RAW(POST "Content-Length: 0x0\r\n\r\n" HIDDEN)},
    {"a length with a blank inside", RAW(POST "Content-Length: 0 0\r\n\r\n" HIDDEN)},
    {"a length with underscores", RAW(POST "Content-Length: 0_0\r\n\r\n" HIDDEN)},
    {"no number in the length", RAW(POST "Content-Length:\r\n\r\n" HIDDEN)},
    {"two codings", RAW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN)},
    {"chunked, then identity", RAW(POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" HIDDEN)},
    {"identity", RAW(POST "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"xchunked", RAW(POST "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"chunked in quotes", RAW(POST "Transfer-Encoding: \"chunked\"\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a coding with a vertical tab", RAW(POST "Transfer-Encoding: \x0b"
                                              "chunked\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a coding with a NUL", RAW(POST "Transfer-Encoding: chunked\0\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a blank before the colon", RAW(POST "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a blank before the name", RAW(POST " Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a folded coding", RAW(POST "Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a folded header that hides a length", RAW(POST "X: y\r\n Content-Length: 78\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a bare LF behind a header", RAW(POST "X: y\nContent-Length: 78\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a bare CR in a header", RAW(POST "X: y\rContent-Length: 78\r\nContent-Length: 0\r\n\r\n" HIDDEN)},
    {"a bare LF before the body", RAW(POST "Content-Length: 0\r\n\n" HIDDEN)},
    {"a bare LF behind a chunk size", RAW(POST "Transfer-Encoding: chunked\r\n\r\n0\n\r\n" HIDDEN)},
    {"a bare LF behind a chunk", RAW(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n" HIDDEN)},
    {"a bare LF in a chunk extension", RAW(POST "Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n" HIDDEN)},
    {"a bare CR in a chunk extension", RAW(POST "Transfer-Encoding: chunked\r\n\r\n0;a\rb\r\n\r\n" HIDDEN)},
    {"a chunk size with 0x", RAW(POST "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" HIDDEN)},
    {"a chunk size with a sign", RAW(POST "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" HIDDEN)},
    {"a chunk size with a blank before it", RAW(POST "Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n" HIDDEN)},
    {"a chunk size that wraps", RAW(POST "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" HIDDEN)},
    {"a chunk longer than told", RAW(POST "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" HIDDEN)},
    {"a coding in HTTP/1.0", RAW("POST /v1/publish HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN)},
    {"a version that is none", RAW("POST /v1/publish HTTP/1.1 HTTP/1.0\r\n" HOST "Content-Length: 0\r\n\r\n" HIDDEN)},
};

/* The broker reads no second request behind one in which another may see it elsewhere: the connection is closed. */
static void what_two_programs_may_read_differently_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    for (size_t i = 0; i < sizeof smugglings / sizeof smugglings[0]; i++) {
        struct http_response response;
        const struct smuggling *row = &smugglings[i];
        http_exchange(broker->port, row->bytes, row->size, true, PATIENCE_MS, &response);
        if (response.is_timed_out || (response.status != 400 && response.status != 501 && response.status != 505)) {
            fail_msg("%s: %d", row->name, response.status);
        }
        http_response_fini(&response);
        json_t *hidden = scene_get(broker, "order/hidden");
        if (hidden != NULL) {
            fail_msg("%s: the hidden request was read", row->name);
        }
    }
    assert_int_equal(strlen(HIDDEN), 78);
    struct http_response response; /* and it would have been, in a request of its own */
    http_exchange(broker->port, RAW(HIDDEN), true, PATIENCE_MS, &response);
    assert_int_equal(response.status, 201);
    http_response_fini(&response);
}

/* ---- pages in the operator's browser ---- */

static void no_page_reaches_for_the_controls(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const calls[][2] = {
        {"POST", "drain"}, {"POST", "reload"}, {"POST", "disconnect"}, {"POST", "backup"}, {"POST", "revoke"}};
    static const char *const pages[] = {"Origin: http://evil.example\r\n", "Origin: null\r\n", "Host: evil.example:7600\r\n",
                                        "Host: evil.example:7600\r\nOrigin: http://evil.example:7600\r\n"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        for (size_t j = 0; j < sizeof pages / sizeof pages[0]; j++) {
            char request[512];
            struct http_response response;
            const int bytes =
                snprintf(request, sizeof request,
                         "%s /v1/admin/%s HTTP/1.1\r\n%s%sContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", calls[i][0],
                         calls[i][1], pages[j][0] == 'H' ? "" : HOST, pages[j]);
            http_exchange(broker->port, request, (size_t)bytes, false, PATIENCE_MS, &response);
            if (response.status != 403) {
                fail_msg("%s with %s: %d", calls[i][1], pages[j], response.status);
            }
            http_response_fini(&response);
        }
    }
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
}

/* ---- files ---- */

static void write_file(const char *path, const char *text, size_t bytes) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void wait_reloads(const struct broker_process *broker, const char *name, double count) {
    for (const int64_t until_ms = scene_clock_ms() + PATIENCE_MS; scene_metric(broker, name) < count;) {
        assert_true(scene_clock_ms() < until_ms);
        scene_sleep(10);
    }
}

static const char lines[] =
    "till sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef sub=stock/**\n"
    "desk sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef pub=order/** sub=order/**\n";

/* Cut at any place but behind a line it is refused, with what was in force kept, and said. */
static void a_file_of_keys_that_is_half_written_changes_nothing(void **state) {
    static char path[192];
    struct broker_process *broker = scene_prepare(state);
    double failed = 0;
    snprintf(path, sizeof path, "%s/api_keys", broker->directory);
    write_file(path, lines, sizeof lines - 1);
    scene_configure("AUTH_API_KEYS", path);
    assert_true(broker_process_start(broker, NULL));
    for (size_t bytes = sizeof lines - 2; bytes > sizeof lines - 40; bytes -= 5) {
        write_file(path, lines, bytes);
        kill(broker->pid, SIGHUP);
        wait_reloads(broker, "ahora_access_reloads_failed_total", ++failed);
    }
    assert_true(scene_metric(broker, "ahora_access_reloads_total") == 0);
    scene_wait_log(broker, "is it still being written?");
    write_file(path, lines, sizeof lines - 1);
    kill(broker->pid, SIGHUP);
    wait_reloads(broker, "ahora_access_reloads_total", 1);
}

/* Whatever the mask of who starts it. */
static void what_is_stored_is_for_the_brokers_user_alone(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    struct wire wire;
    const mode_t before = umask(0);
    assert_true(broker_process_start(broker, NULL));
    umask(before);
    scene_open(&wire, broker, CODEC_JSON);
    scene_apply(&wire, "{'op':'set','topic':'order/1','data':{'i':1}}");
    wire_fini(&wire);
    assert_int_equal(broker_process_term(broker), 0);
    assert_int_equal(scene_run(&out, "cd '%s' && find . -mindepth 1 \\( -name 'data*' -o -path './data*/*' \\) -printf x",
                               broker->directory),
                     0);
    assert_true(strlen(bytes_text(&out)) >= 3);
    bytes_clear(&out);
    assert_int_equal(
        scene_run(&out, "cd '%s' && find . \\( -name 'data*' -o -path './data*/*' \\) -perm /077", broker->directory), 0);
    assert_string_equal(bytes_text(&out), "");
    bytes_fini(&out);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(what_two_programs_may_read_differently_is_refused),
        CASE(no_page_reaches_for_the_controls),
        CASE(a_file_of_keys_that_is_half_written_changes_nothing),
        CASE(what_is_stored_is_for_the_brokers_user_alone),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
