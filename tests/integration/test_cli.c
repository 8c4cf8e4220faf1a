/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The command line client as a user in a shell meets it: what it prints into a pipe, and its exit codes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/scene.h"

enum {
    FINE = 0,
    USAGE = 1,
    CONNECTION = 2,
    REFUSED = 3,
    NOT_FOUND = 4,
};

static void set_url(const struct broker_process *broker) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", broker->port);
    scene_configure("URL", url);
}

/* Runs `ahora ARGUMENTS` against the broker of AHORA_URL; `arguments` may hold redirections. It must end with that code. */
static void run(struct bytes *out, int code, const char *arguments) {
    bytes_clear(out);
    int got = scene_run(out, "timeout 30 %s %s", scene_client_path(), arguments);
    if (got != code) {
        fail_msg("ahora %s: exit %d instead of %d: %s", arguments, got, code, bytes_text(out));
    }
}

static void documents_are_put_patched_adjusted_got_and_deleted(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    static const char *const encodings[] = {"--json", "--msgpack"};
    for (int i = 0; i < 2; i++) {
        char arguments[256];
        snprintf(arguments, sizeof arguments, "put %s stock/1/a '{\"available\":5,\"name\":\"x\"}'", encodings[i]);
        run(&out, FINE, arguments);
        snprintf(arguments, sizeof arguments, "patch %s stock/1/a '{\"name\":null,\"b\":[1,2.5]}'", encodings[i]);
        run(&out, FINE, arguments);
        snprintf(arguments, sizeof arguments, "adjust %s stock/1/a available=-2", encodings[i]);
        run(&out, FINE, arguments);
        assert_true(scene_holds(broker, "stock/1/a", "{'available':3,'b':[1,2.5]}"));
        snprintf(arguments, sizeof arguments, "get %s stock/1/a", encodings[i]);
        run(&out, FINE, arguments);
        json_t *line = json_loads(bytes_text(&out), 0, NULL);
        assert_string_equal(wire_text(line, "topic"), "stock/1/a");
        assert_int_equal(scene_int(json_object_get(line, "data"), "available"), 3);
        json_decref(line);
        snprintf(arguments, sizeof arguments, "delete %s stock/1/a", encodings[i]);
        run(&out, FINE, arguments);
        assert_null(scene_get(broker, "stock/1/a"));
    }
    bytes_fini(&out);
}

static void exit_codes_tell_what_went_wrong(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    run(&out, FINE, "put stock/1/a '{\"available\":1}'");
    run(&out, USAGE, "");
    run(&out, USAGE, "dance");
    run(&out, USAGE, "put stock/1/a");
    run(&out, USAGE, "put stock/1/a '{broken'");
    run(&out, USAGE, "put --nonsense stock/1/a '{}'");
    run(&out, USAGE, "put stock '{}'"); /* what the client itself knows to be wrong */
    run(&out, REFUSED, "put nothing/1 '{}'");
    scene_expect_words(&out, "unknown_kind");
    run(&out, REFUSED, "adjust stock/1/a available=-2");
    scene_expect_words(&out, "out_of_range");
    run(&out, REFUSED, "put --if-seq 0 stock/1/a '{}'");
    scene_expect_words(&out, "conflict");
    run(&out, NOT_FOUND, "get stock/1/none");
    run(&out, NOT_FOUND, "delete stock/1/none");
    run(&out, USAGE, "get 'stock/**/x'");
    run(&out, USAGE, "sub 'stock'");
    run(&out, REFUSED, "sub 'nothing/*'");
    scene_expect_words(&out, "unknown_kind");
    run(&out, CONNECTION, "get -s http://127.0.0.1:1 stock/1/a");
    run(&out, CONNECTION, "status -s http://127.0.0.1:1");
    run(&out, USAGE, "get -s nonsense://x stock/1/a");
    run(&out, FINE, "help");
    run(&out, FINE, "help pub");
    run(&out, FINE, "version");
    bytes_fini(&out);
}

static void pub_reads_changes_from_a_pipe(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    char path[256];
    snprintf(path, sizeof path, "%s/lines", broker->directory);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 20000; i++) {
        fprintf(file, "{\"op\":\"set\",\"topic\":\"order/%d\",\"data\":{\"i\":%d}}\n", i % 1000, i);
    }
    fclose(file);
    char arguments[512];
    snprintf(arguments, sizeof arguments, "pub -l < '%s'", path);
    run(&out, FINE, arguments);
    assert_true(scene_holds(broker, "order/999", "{'i':19999}"));
    file = fopen(path, "w");
    fprintf(file, "{\"op\":\"set\",\"topic\":\"room/1\",\"data\":{}}\nbroken\n{\"op\":\"delete\",\"topic\":\"room/9\"}\n"
                  "{\"op\":\"set\",\"topic\":\"room/2\",\"data\":{}}\n");
    fclose(file);
    run(&out, REFUSED, arguments);
    scene_expect_words(&out, "2");         /* the number of the broken line */
    scene_expect_words(&out, "not_found"); /* and the code of the refused one */
    assert_true(scene_holds(broker, "room/1", "{}"));
    assert_true(scene_holds(broker, "room/2", "{}"));
    run(&out, FINE, "pub '{\"op\":\"set\",\"topic\":\"room/3\",\"data\":{}}' '{\"op\":\"touch\",\"topic\":\"room/3\"}'");
    run(&out, REFUSED,
        "pub --atomic '{\"op\":\"set\",\"topic\":\"room/4\",\"data\":{}}' '{\"op\":\"touch\",\"topic\":\"room/9\"}'");
    assert_null(scene_get(broker, "room/4"));
    bytes_fini(&out);
}

static void sub_prints_ndjson_into_a_pipe(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    run(&out, FINE,
        "pub '{\"op\":\"set\",\"topic\":\"stock/1/a\",\"data\":{\"v\":1}}' "
        "'{\"op\":\"set\",\"topic\":\"stock/1/b\",\"data\":{}}' "
        "'{\"op\":\"set\",\"topic\":\"room/1\",\"data\":{}}'");
    run(&out, FINE, "sub --until-live 'stock/1/*' 2>/dev/null");
    int sets = 0;
    size_t offset = 0;
    bool is_bad = false;
    for (json_t *line; (line = codec_decode(CODEC_JSON, bytes_data(&out), bytes_size(&out), &offset, &is_bad)) != NULL;
         json_decref(line)) {
        if (strcmp(wire_text(line, "op"), "set") == 0) {
            assert_int_equal(strncmp(wire_text(line, "topic"), "stock/1/", 8), 0);
            assert_true(json_is_object(json_object_get(line, "data")));
            assert_true(scene_int(line, "seq") > 0);
            sets++;
        }
    }
    assert_false(is_bad);
    assert_int_equal(sets, 2);
    bytes_fini(&out);
}

static void sub_follows_conditions_and_circles(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    run(&out, FINE,
        "pub '{\"op\":\"set\",\"topic\":\"stock/1/a\",\"data\":{\"available\":1,\"town\":\"lyon\"}}' "
        "'{\"op\":\"set\",\"topic\":\"stock/1/b\",\"data\":{\"available\":0,\"town\":\"nice\"}}' "
        "'{\"op\":\"set\",\"topic\":\"service/bike/near\",\"data\":{\"position\":{\"lat\":-33.9,\"lon\":151.2}}}' "
        "'{\"op\":\"set\",\"topic\":\"service/bike/nearer\",\"data\":{\"position\":{\"lat\":-33.901,\"lon\":151.2}}}' "
        "'{\"op\":\"set\",\"topic\":\"service/bike/far\",\"data\":{\"position\":{\"lat\":33.9,\"lon\":151.2}}}'");
    static const struct {
        const char *arguments, *there, *absent;
    } cases[] = {
        {"sub --until-live 'stock/**' --where 'available>=1' 2>/dev/null", "stock/1/a", "stock/1/b"},
        {"sub --until-live 'stock/**' -w available=0 -w town=nice 2>/dev/null", "stock/1/b", "stock/1/a"},
        {"sub --until-live 'stock/**' -w 'available>=0' -w 'available<1' 2>/dev/null", "stock/1/b", "stock/1/a"},
        {"sub --until-live '**' -w '!available' 2>/dev/null", "service/bike/far", "stock"},
        {"sub --until-live '**' -w '{\"town\":{\"in\":[\"lyon\"]}}' 2>/dev/null", "stock/1/a", "stock/1/b"},
        {"sub --until-live '**' --near=-33.901,151.2,5000 2>/dev/null", "service/bike/near\"", "service/bike/far"},
        {"sub --until-live '**' --near=-33.901,151.2,5000 --limit 1 2>/dev/null", "service/bike/nearer", "service/bike/near\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bytes_clear(&out);
        run(&out, FINE, cases[i].arguments);
        assert_non_null(strstr(bytes_text(&out), cases[i].there));
        assert_null(strstr(bytes_text(&out), cases[i].absent));
    }
    run(&out, USAGE, "sub '**' --where '>=1'");
    run(&out, USAGE, "sub '**' --near 1,2");
    run(&out, USAGE, "sub '**' --near 91,2,3");
    run(&out, USAGE, "sub '**' --limit 3");
    run(&out, REFUSED, "sub '**' --where '{\"a\":{\"lt\":null}}'");
    bytes_fini(&out);
}

static void status_tells_what_the_broker_holds(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    run(&out, FINE, "status --json");
    json_t *status = json_loads(bytes_text(&out), 0, NULL);
    assert_true(wire_text(status, "epoch")[0] != '\0');
    json_decref(status);
    run(&out, FINE, "status");
    scene_expect_words(&out, "epoch");
    bytes_fini(&out);
}

static void replay_plays_traces_plain_and_packed(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    char path[256];
    snprintf(path, sizeof path, "%s/trace.ndjson", broker->directory);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 500; i++) {
        fprintf(file, "{\"t\": %d, \"topic\": \"stock/%d/x\", \"op\": \"%s\", \"data\": {\"available\": 10}}\n", i * 1000,
                i % 50, i < 50 ? "set" : "adjust");
    }
    fprintf(file, "{\"t\": 600000, \"topic\": \"stock/0/x\", \"op\": \"delete\"}\n");
    fclose(file);
    char arguments[512];
    snprintf(arguments, sizeof arguments, "replay --speed max --producers 3 '%s'", path);
    run(&out, FINE, arguments);
    assert_true(scene_holds(broker, "stock/49/x", "{'available':100}"));
    assert_null(scene_get(broker, "stock/0/x"));
    assert_int_equal(scene_run(&out, "gzip -c '%s' > '%s.gz'", path, path), 0);
    snprintf(arguments, sizeof arguments, "replay --rate 100000 '%s.gz'", path);
    run(&out, FINE, arguments);
    assert_true(scene_holds(broker, "stock/49/x", "{'available':100}"));
    run(&out, USAGE, "replay /nonexistent/trace.ndjson");
    bytes_fini(&out);
}

static bool file_has(const char *path, const char *words) {
    FILE *file = fopen(path, "r");
    char line[4096];
    bool has = false;
    while (file != NULL && !has && fgets(line, sizeof line, file) != NULL) {
        has = strstr(line, words) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return has;
}

static void wait_for_words(const char *path, const char *words) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (!file_has(path, words)) {
        if (scene_clock_ms() > deadline_ms) {
            fail_msg("\"%s\" does not come", words);
        }
        scene_sleep(20);
    }
}

static void sub_comes_back_after_a_restart_and_resumes(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    char path[256];
    snprintf(path, sizeof path, "%s/sub.out", broker->directory);
    run(&out, FINE, "put stock/1/a '{\"v\":\"first\"}'");
    bytes_clear(&out);
    assert_int_equal(scene_run(&out, "timeout 60 %s sub 'stock/1/*' > '%s' 2> '%s.err' < /dev/null & echo $!",
                               scene_client_path(), path, path),
                     0);
    pid_t pid = (pid_t)strtol(bytes_text(&out), NULL, 10);
    assert_true(pid > 0);
    wait_for_words(path, "first");
    wait_for_words(path, "\"live\"");
    for (int round = 0; round < 2; round++) {
        if (round == 0) {
            broker_process_kill(broker);
        } else {
            assert_int_equal(broker_process_term(broker), 0);
        }
        assert_true(broker_process_start(broker, NULL));
        char arguments[128];
        snprintf(arguments, sizeof arguments, "put stock/1/b '{\"v\":\"round-%d\"}'", round);
        run(&out, FINE, arguments);
        snprintf(arguments, sizeof arguments, "round-%d", round);
        wait_for_words(path, arguments);
    }
    assert_true(file_has(path, "\"resumed\":true"));
    assert_int_equal(kill(pid, SIGINT), 0);
    wait_for_words(path, "\"live\"");
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (kill(pid, 0) == 0 && scene_clock_ms() < deadline_ms) {
        scene_sleep(20);
    }
    assert_true(kill(pid, 0) != 0);
    bytes_fini(&out);
}

static void an_unknown_option_is_told_in_our_name(void **state) {
    (void)state;
    struct bytes out = {0};
    run(&out, 1, "sub --nope");
    scene_expect_words(&out, "ahora: unrecognized option '--nope'");
    bytes_fini(&out);
}

static void a_named_feed_takes_its_documents_with_it(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    set_url(broker);
    run(&out, FINE, "put order/1 '{\"n\":1}' --source van-7 --on-lost delete --grace 0 --ack applied");
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (json_t *document; (document = scene_get(broker, "order/1")) != NULL; scene_sleep(10)) {
        json_decref(document);
        assert_true(scene_clock_ms() < deadline_ms);
    }
    run(&out, FINE, "put stock/1 '{\"n\":1}' --fresh-ms 1");
    while (scene_metric(broker, "ahora_stale_total") < 1) {
        scene_sleep(10);
        assert_true(scene_clock_ms() < deadline_ms);
    }
    run(&out, FINE, "sub 'stock/*' --until-live");
    scene_expect_words(&out, "\"data\":{\"n\":1},\"stale\":true}");
    run(&out, FINE, "get stock/1");
    scene_expect_words(&out, "\"stale\":true}");
    run(&out, FINE, "touch stock/1 --fresh-ms 0");
    run(&out, FINE, "get stock/1");
    assert_null(strstr(bytes_text(&out), "stale"));
    run(&out, NOT_FOUND, "touch stock/2");
    run(&out, USAGE, "put stock/1 '{}' --source a/b");
    scene_expect_words(&out, "a segment holds a character");
    run(&out, USAGE, "put stock/1 '{}' --on-lost shrug");
    bytes_fini(&out);
}

static void admin_looks_after_the_broker(void **state) {
    struct broker_process *broker = scene_start(state);
    struct bytes out = {0};
    struct wire wire;
    char arguments[256];
    set_url(broker);
    json_t *welcome = wire_open_session(&wire, broker->port, CODEC_JSON);
    json_decref(scene_ask(&wire, "{'op':'sub','id':1,'match':'order/*/a'}"));
    run(&out, FINE, "admin sessions 'match=order/*/a' limit=5");
    json_t *session = json_loads(bytes_text(&out), 0, NULL);
    assert_string_equal(wire_text(session, "session"), wire_text(welcome, "session"));
    json_decref(session);
    run(&out, FINE, "admin slowest 3 --json");
    scene_expect_words(&out, "\"follows\":[\"order/*/a\"]");
    run(&out, FINE, "admin backup nightly");
    scene_expect_words(&out, "nightly");
    run(&out, FINE, "admin reload");
    scene_expect_words(&out, "\"reloaded\":true");
    snprintf(arguments, sizeof arguments, "admin disconnect %s retry_ms=1234", wire_text(welcome, "session"));
    run(&out, FINE, arguments);
    json_t *bye = scene_hear_op(&wire, "bye");
    assert_int_equal(scene_int(bye, "retry_ms"), 1234);
    json_decref(bye);
    json_decref(welcome);
    wire_fini(&wire);
    run(&out, 1, "admin nonsense");
    run(&out, 3, "admin disconnect session=nobody");
    scene_expect_words(&out, "bad_message");
    run(&out, FINE, "admin drain");
    assert_int_equal(scene_wait_end(broker), 0);
    run(&out, 2, "admin sessions");
    bytes_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(documents_are_put_patched_adjusted_got_and_deleted),
        CASE(exit_codes_tell_what_went_wrong),
        CASE(pub_reads_changes_from_a_pipe),
        CASE(sub_prints_ndjson_into_a_pipe),
        CASE(sub_follows_conditions_and_circles),
        CASE(status_tells_what_the_broker_holds),
        CASE(replay_plays_traces_plain_and_packed),
        CASE(sub_comes_back_after_a_restart_and_resumes),
        CASE(admin_looks_after_the_broker),
        CASE(an_unknown_option_is_told_in_our_name),
        CASE(a_named_feed_takes_its_documents_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
