/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The command line, the configuration file and the environment: what is taken, what is refused, and with which words. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/scene.h"

static void write_file(const struct broker_process *broker, const char *name, const char *text, char path[256]) {
    snprintf(path, 256, "%s/%s", broker->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Runs the broker with these arguments; it must end by itself with that code. What it printed is in `out`. */
static void expect_exit(struct bytes *out, int code, const char *arguments) {
    bytes_clear(out);
    int got = scene_run(out, "timeout 20 %s %s", scene_broker_path(), arguments);
    if (got != code) {
        fail_msg("%s: exit %d instead of %d: %s", arguments, got, code, bytes_text(out));
    }
}

static void a_good_file_passes_the_test_and_is_printed(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    char path[256];
    char arguments[512];
    write_file(broker, "good.conf",
               "# a comment\n[listen]\naddress = 127.0.0.1:7601\n\n[limits]\nbeat_ms = 2s\ndocument_bytes_max = "
               "32K\n[store]\nsync = 5ms\n",
               path);
    snprintf(arguments, sizeof arguments, "-t -c '%s'", path);
    expect_exit(&out, 0, arguments);
    scene_expect_words(&out, "127.0.0.1:7601");
    scene_expect_words(&out, "beat_ms = 2000");
    scene_expect_words(&out, "document_bytes_max = 32768");
    bytes_clear(&out); /* what is printed is a file that passes, and says the same */
    assert_int_equal(scene_run(&out,
                               "%s %s > '%s/again.conf' && %s -t -c '%s/again.conf' > '%s/third.conf' && cmp '%s/again.conf' "
                               "'%s/third.conf'",
                               scene_broker_path(), arguments, broker->directory, scene_broker_path(), broker->directory,
                               broker->directory, broker->directory, broker->directory),
                     0);
    bytes_fini(&out);
}

struct bad_file {
    const char *text;
    int line;
    const char *word;
};

static const struct bad_file bad_files[] = {
    {"[limits]\nno_such_key = 1\n", 2, "no_such_key"},
    {"[nothing]\nbeat_ms = 1\n", 2, "nothing"},
    {"[limits]\n\nbeat_ms = soon\n", 3, "beat_ms"},
    {"[limits]\nbeat_ms = -5\n", 2, "beat_ms"},
    {"[limits]\nbeat_ms = 99999999999999999999\n", 2, "beat_ms"},
    {"[limits]\ndocument_bytes_max = 1\n", 2, "document_bytes_max"},
    {"[limits]\ndocument_bytes_max = 64X\n", 2, "document_bytes_max"},
    {"[store]\nsegment_bytes = 2G\n", 2, "segment_bytes"}, /* the store would not open */
    {"[limits]\npatterns_max = 65\n", 2, "patterns_max"},  /* the protocol has no room for more */
    {"[log]\nlevel = loud\n", 2, "level"},
    {"[store]\nsync = sometimes\n", 2, "sync"},
    {"[listen]\ninsecure_open = maybe\n", 2, "insecure_open"},
    {"[limits]\nthis is no key\n", 2, ""},
};

static void a_bad_file_is_refused_with_file_and_line(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        char path[256];
        char arguments[600];
        char words[300];
        write_file(broker, "bad.conf", bad_files[i].text, path);
        snprintf(words, sizeof words, "%s:%d:", path, bad_files[i].line);
        snprintf(arguments, sizeof arguments, "-t -c '%s'", path);
        expect_exit(&out, 1, arguments);
        scene_expect_words(&out, words);
        scene_expect_words(&out, bad_files[i].word);
        snprintf(arguments, sizeof arguments, "-c '%s' --listen 127.0.0.1:%u --data '%s'", path, broker->port, broker->data);
        expect_exit(&out, 1, arguments); /* nor does it start */
        scene_expect_words(&out, words);
    }
    expect_exit(&out, 1, "-t -c /nonexistent/ahora.conf");
    scene_expect_words(&out, "/nonexistent/ahora.conf");
    bytes_fini(&out);
}

static void values_that_contradict_each_other_are_refused(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    char path[256];
    char arguments[512];
    snprintf(arguments, sizeof arguments, "-t -c '%s/big.conf'", broker->directory);
    write_file(broker, "big.conf", "[limits]\ndocument_bytes_max = 512K\n[store]\nsegment_bytes = 1M\n", path);
    expect_exit(&out, 1, arguments);
    scene_expect_words(&out, "limits.document_bytes_max: must not exceed a quarter of store.segment_bytes");
    write_file(broker, "big.conf", "[limits]\ndocument_bytes_max = 256K\n[store]\nsegment_bytes = 1M\n", path);
    expect_exit(&out, 0, arguments);
    bytes_fini(&out);
}

static void every_error_of_a_file_is_told_at_once(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    char path[256];
    char arguments[512];
    write_file(broker, "bad.conf", "[limits]\nfirst = 1\nbeat_ms = 1s\nsecond = 1\n", path);
    snprintf(arguments, sizeof arguments, "-t -c '%s'", path);
    expect_exit(&out, 1, arguments);
    scene_expect_words(&out, ":2:");
    scene_expect_words(&out, ":4:");
    bytes_fini(&out);
}

static void flags_go_over_the_environment_and_that_over_the_file(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    char path[256];
    char arguments[512];
    write_file(broker, "a.conf", "[log]\nlevel = error\n[limits]\nbeat_ms = 1s\nhello_ms = 1s\n", path);
    scene_configure("LOG_LEVEL", "warn");
    scene_configure("LIMITS_BEAT_MS", "3s");
    snprintf(arguments, sizeof arguments, "-t --log-level debug -c '%s'", path);
    expect_exit(&out, 0, arguments);
    scene_expect_words(&out, "level = debug");
    scene_expect_words(&out, "beat_ms = 3000");
    scene_expect_words(&out, "hello_ms = 1000");
    scene_configure("LIMITS_NO_SUCH", "1");
    expect_exit(&out, 1, "-t");
    scene_expect_words(&out, "AHORA_LIMITS_NO_SUCH");
    bytes_fini(&out);
}

static void wrong_use_is_exit_2_and_help_is_0(void **state) {
    scene_prepare(state);
    struct bytes out = {0};
    expect_exit(&out, 2, "--nonsense");
    expect_exit(&out, 2, "start");
    expect_exit(&out, 2, "--listen");
    expect_exit(&out, 0, "--help");
    scene_expect_words(&out, "--listen");
    expect_exit(&out, 0, "--version");
    scene_expect_words(&out, "ahorad ");
    bytes_fini(&out);
}

static void addresses_beyond_loopback_need_insecure_open(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    char arguments[512];
    static const char *const open[] = {"0.0.0.0", "[::]", "127.0.0.1:1,0.0.0.0", "192.0.2.1"};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        snprintf(arguments, sizeof arguments, "--listen '%s:%u' --data '%s'", open[i], broker->port, broker->data);
        expect_exit(&out, 1, arguments);
        scene_expect_words(&out, "insecure-open");
    }
    static const char *const malformed[] = {"nonsense",    "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999",
                                            "127.0.0.1:x", ":::",       "''"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        snprintf(arguments, sizeof arguments, "-t --listen %s --data '%s'", malformed[i], broker->data);
        expect_exit(&out, 1, arguments);
    }
    expect_exit(&out, 0, "-t --listen 0.0.0.0:7600 --insecure-open");
    expect_exit(&out, 0, "-t --listen '[::1]:7600,127.0.0.1:7600'");
    bytes_fini(&out);
}

static void a_port_in_use_is_told_and_exit_1(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    char arguments[512];
    char words[64];
    snprintf(arguments, sizeof arguments, "--listen 127.0.0.1:%u --data '%s/other'", broker->port, broker->directory);
    snprintf(words, sizeof words, "127.0.0.1:%u", broker->port);
    expect_exit(&out, 1, arguments);
    scene_expect_words(&out, words);
    scene_expect_words(&out, "in use");
    assert_int_equal(http_status(broker->port, "/readyz"), 200);
    bytes_fini(&out);
}

static void a_data_directory_that_cannot_be_used_is_told_and_exit_1(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    char arguments[512];
    char path[256];
    write_file(broker, "file", "x", path);
    snprintf(arguments, sizeof arguments, "--listen 127.0.0.1:%u --data '%s'", broker->port, path);
    expect_exit(&out, 1, arguments);
    scene_expect_words(&out, path);
    snprintf(arguments, sizeof arguments, "--listen 127.0.0.1:%u --data '%s/below'", broker->port, path);
    expect_exit(&out, 1, arguments);
    scene_expect_words(&out, path);
    snprintf(arguments, sizeof arguments, "--listen 127.0.0.1:%u --data /proc/ahora-data", broker->port);
    expect_exit(&out, 1, arguments);
    scene_expect_words(&out, "/proc/ahora-data");
    bytes_fini(&out);
}

static void an_unreadable_data_directory_is_told_and_exit_1(void **state) {
    struct broker_process *broker = scene_prepare(state);
    if (geteuid() == 0) {
        print_message("an_unreadable_data_directory_is_told_and_exit_1: skipped, root may read everything\n");
        skip();
    }
    struct bytes out = {0};
    char arguments[512];
    assert_int_equal(mkdir(broker->data, 0000), 0);
    snprintf(arguments, sizeof arguments, "--listen 127.0.0.1:%u --data '%s'", broker->port, broker->data);
    expect_exit(&out, 1, arguments);
    scene_expect_words(&out, broker->data);
    bytes_fini(&out);
}

static void the_data_directory_is_made_and_closed_to_others(void **state) {
    struct broker_process *broker = scene_start(state);
    struct stat status;
    assert_int_equal(stat(broker->data, &status), 0);
    assert_int_equal(status.st_mode & 077, 0);
}

static void several_addresses_are_all_listened_on(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct broker_process other;
    assert_true(broker_process_init(&other, "port")); /* for its port */
    char both[64];
    snprintf(both, sizeof both, "127.0.0.1:%u,127.0.0.2:%u", broker->port, other.port);
    assert_true(broker_process_start(broker, (const char *const[]){"--listen", both, NULL}));
    struct bytes out = {0};
    char line[64];
    snprintf(line, sizeof line, "127.0.0.2:%u", other.port);
    assert_true(scene_log_has(broker, line));
    bytes_fini(&out);
    broker_process_fini(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_good_file_passes_the_test_and_is_printed),
        CASE(a_bad_file_is_refused_with_file_and_line),
        CASE(values_that_contradict_each_other_are_refused),
        CASE(every_error_of_a_file_is_told_at_once),
        CASE(flags_go_over_the_environment_and_that_over_the_file),
        CASE(wrong_use_is_exit_2_and_help_is_0),
        CASE(addresses_beyond_loopback_need_insecure_open),
        CASE(a_port_in_use_is_told_and_exit_1),
        CASE(a_data_directory_that_cannot_be_used_is_told_and_exit_1),
        CASE(an_unreadable_data_directory_is_told_and_exit_1),
        CASE(the_data_directory_is_made_and_closed_to_others),
        CASE(several_addresses_are_all_listened_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
