/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What an operator may ask and do, with one shard and with three: the answer is the same whichever of them is asked. */
#include "tests/integration/scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define JSON_TYPE "Content-Type: application/json\r\n"
#define READERS 12

static json_t *ask(const struct broker_process *broker, const char *method, const char *target, const char *body, int status) {
    struct http_response response;
    scene_http(broker, method, target, body != NULL ? JSON_TYPE : NULL, body, &response);
    if (response.status != status) {
        fail_msg("%s %s: %d %s", method, target, response.status, http_response_body(&response));
    }
    json_t *answer = http_response_json(&response);
    http_response_fini(&response);
    assert_non_null(answer);
    return answer;
}

static size_t count_sessions(const struct broker_process *broker, const char *query) {
    char target[256];
    snprintf(target, sizeof target, "/v1/admin/sessions%s", query);
    json_t *answer = ask(broker, "GET", target, NULL, 200);
    size_t count = json_array_size(json_object_get(answer, "sessions"));
    json_decref(answer);
    return count;
}

static void wait_for_sessions(const struct broker_process *broker, const char *query, size_t count) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (count_sessions(broker, query) != count) {
        assert_true(scene_clock_ms() < deadline_ms);
        scene_sleep(20);
    }
}

struct crowd {
    struct wire wires[READERS];
    char names[READERS][32]; /* of their sessions */
};

static void open_crowd(struct crowd *crowd, const struct broker_process *broker) {
    for (int i = 0; i < READERS; i++) {
        json_t *welcome = wire_open_session(&crowd->wires[i], broker->port, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
        assert_non_null(welcome);
        snprintf(crowd->names[i], sizeof crowd->names[i], "%s", wire_text(welcome, "session"));
        json_decref(welcome);
        json_decref(scene_ask(&crowd->wires[i], "{'op':'sub','id':1,'match':'order/%d/*'}", i));
        json_decref(scene_hear_op(&crowd->wires[i], "live"));
    }
}

static void close_crowd(struct crowd *crowd) {
    for (int i = 0; i < READERS; i++) {
        wire_fini(&crowd->wires[i]);
    }
}

static const char *const shard_counts[] = {"1", "3"};

#define FOR_SHARDS(name)                                                                                                       \
    for (size_t name = 0; name < 2 && (scene_configure("THREADS_SHARDS", shard_counts[name]), true); name++)

/* Each turn of the loop has a broker of its own. */
static void end_broker(struct broker_process *broker) {
    if (broker_process_is_running(broker)) {
        assert_int_equal(broker_process_term(broker), 0);
    }
    broker_process_fini(broker);
}

/* ---- sessions ---- */

static void check_one(const struct broker_process *broker, const struct crowd *crowd, int number) {
    char query[64];
    snprintf(query, sizeof query, "/v1/admin/sessions?session=%s", crowd->names[number]);
    json_t *answer = ask(broker, "GET", query, NULL, 200);
    json_t *session = json_array_get(json_object_get(answer, "sessions"), 0);
    char pattern[32];
    snprintf(pattern, sizeof pattern, "order/%d/*", number);
    assert_string_equal(wire_text(session, "session"), crowd->names[number]);
    assert_string_equal(wire_text(session, "encoding"), number % 2 == 0 ? "json" : "msgpack");
    assert_string_equal(wire_text(session, "address"), "127.0.0.1");
    assert_string_equal(wire_text(session, "subject"), "anonymous");
    assert_string_equal(json_string_value(json_array_get(json_object_get(session, "follows"), 0)), pattern);
    assert_int_equal(scene_int(session, "subscriptions"), 1);
    assert_int_equal(scene_int(session, "live"), 1);
    assert_int_equal(scene_int(session, "behind"), 0);
    assert_true(scene_int(session, "age_ms") >= 0);
    assert_true(scene_int(session, "sent_bytes") > 0);
    assert_true(scene_int(session, "received_bytes") > 0);
    assert_false(scene_bool(session, "choked"));
    json_decref(answer);
}

static void sessions_are_told_with_what_they_follow(void **state) {
    FOR_SHARDS(shards) {
        struct broker_process *broker = scene_start(state);
        struct crowd crowd;
        open_crowd(&crowd, broker);
        for (int i = 0; i < READERS; i++) {
            check_one(broker, &crowd, i);
        }
        assert_int_equal(count_sessions(broker, ""), READERS);
        assert_int_equal(count_sessions(broker, "?match=order/3/*"), 1); /* the pattern, */
        assert_int_equal(count_sessions(broker, "?match=order/3/x"), 1); /* and whom a topic concerns */
        assert_int_equal(count_sessions(broker, "?match=order/99/x"), 0);
        assert_int_equal(count_sessions(broker, "?address=127.0.0.1"), READERS);
        assert_int_equal(count_sessions(broker, "?address=192.0.2.1"), 0);
        assert_int_equal(count_sessions(broker, "?subject=anonymous"), READERS);
        assert_int_equal(count_sessions(broker, "?subject=nobody"), 0);
        assert_true(scene_log_has(broker, "what=sessions"));
        close_crowd(&crowd);
        end_broker(broker);
    }
}

static void sessions_come_in_pages(void **state) {
    FOR_SHARDS(shards) {
        struct broker_process *broker = scene_start(state);
        struct crowd crowd;
        char seen[READERS] = {0};
        char target[96] = "/v1/admin/sessions?limit=5";
        bool more = true;
        int pages = 0;
        open_crowd(&crowd, broker);
        for (; more; pages++) {
            json_t *answer = ask(broker, "GET", target, NULL, 200);
            json_t *sessions = json_object_get(answer, "sessions");
            for (size_t i = 0; i < json_array_size(sessions); i++) {
                for (int j = 0; j < READERS; j++) {
                    seen[j] += strcmp(wire_text(json_array_get(sessions, i), "session"), crowd.names[j]) == 0;
                }
            }
            more = scene_bool(answer, "more");
            snprintf(target, sizeof target, "/v1/admin/sessions?limit=5&after=%s", wire_text(answer, "after"));
            json_decref(answer);
        }
        assert_int_equal(pages, 3);
        for (int i = 0; i < READERS; i++) {
            assert_int_equal(seen[i], 1);
        }
        close_crowd(&crowd);
        end_broker(broker);
    }
}

static void what_is_asked_wrongly_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const targets[] = {
        "/v1/admin/sessions?limit=0",         "/v1/admin/sessions?limit=1001",
        "/v1/admin/sessions?after=12",        "/v1/admin/sessions?session=s",
        "/v1/admin/sessions?session=s12x",    "/v1/admin/sessions?address=here",
        "/v1/admin/sessions?match=",          "/v1/admin/sessions?match=a/**/b",
        "/v1/admin/sessions?subject=",        "/v1/admin/sessions?session=s99999999999999999999999",
        "/v1/admin/sessions/slowest?limit=x",
    };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        scene_problem(broker, "GET", targets[i], NULL, NULL, 400, "bad_message");
    }
    static const char *const bodies[] = {"{}", "[]", "{\"session\":12}", "{\"session\":\"s1\",\"retry_ms\":-1}",
                                         "{\"address\":\"\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        scene_problem(broker, "POST", "/v1/admin/disconnect", JSON_TYPE, bodies[i], 400, "bad_message");
    }
    scene_problem(broker, "GET", "/v1/admin/disconnect", NULL, NULL, 405, "bad_message");
    scene_problem(broker, "GET", "/v1/admin/", NULL, NULL, 404, "not_found");
    assert_int_equal(count_sessions(broker, ""), 0);
}

/* One that does not read comes first. */
static void the_slowest_come_first(void **state) {
    FOR_SHARDS(shards) {
        struct broker_process *broker = scene_start(state);
        struct crowd crowd;
        struct wire slow;
        struct wire writer;
        char text[30001] = "";
        memset(text, 'x', sizeof text - 1);
        open_crowd(&crowd, broker);
        scene_open(&writer, broker, CODEC_JSON);
        for (int i = 0; i < 400; i++) {
            scene_apply(&writer, "{'op':'set','topic':'stock/%d/a','data':{'text':'%s'}}", i, text);
        }
        assert_true(wire_open_with(&slow, broker->port, CODEC_JSON, &(struct wire_options){.receive_bytes = 4096}));
        json_t *welcome = scene_ask(&slow, "{'op':'hello'}");
        scene_say(&slow, "{'op':'sub','id':1,'match':'stock/**'}");
        int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
        for (bool found = false; !found;) {
            json_t *answer = ask(broker, "GET", "/v1/admin/sessions/slowest?limit=2", NULL, 200);
            json_t *first = json_array_get(json_object_get(answer, "sessions"), 0);
            found = strcmp(wire_text(first, "session"), wire_text(welcome, "session")) == 0 && scene_bool(first, "choked") &&
                    scene_int(first, "behind") > 0;
            assert_true(scene_bool(answer, "more"));
            json_decref(answer);
            assert_true(scene_clock_ms() < deadline_ms);
        }
        json_decref(welcome);
        wire_fini(&slow);
        wire_fini(&writer);
        close_crowd(&crowd);
        end_broker(broker);
    }
}

/* ---- disconnect ---- */

static void expect_bye(struct wire *wire, int64_t retry_ms) {
    json_t *bye = scene_hear_op(wire, "bye");
    assert_string_equal(wire_text(bye, "reason"), "disconnected");
    if (retry_ms >= 0) {
        assert_int_equal(scene_int(bye, "retry_ms"), retry_ms);
    } else {
        assert_true(scene_int(bye, "retry_ms") > 0);
    }
    json_decref(bye);
    assert_int_equal(wire_receive_close(wire, PATIENCE_MS), 1001);
}

static void who_is_disconnected_is_told_and_nobody_else(void **state) {
    FOR_SHARDS(shards) {
        struct broker_process *broker = scene_start(state);
        struct crowd crowd;
        char body[96];
        open_crowd(&crowd, broker);
        snprintf(body, sizeof body, "{\"session\":\"%s\",\"retry_ms\":4321}", crowd.names[4]);
        json_t *answer = ask(broker, "POST", "/v1/admin/disconnect", body, 200);
        assert_int_equal(scene_int(answer, "disconnected"), 1);
        json_decref(answer);
        expect_bye(&crowd.wires[4], 4321);
        answer = ask(broker, "POST", "/v1/admin/disconnect", "{\"match\":\"order/7/*\"}", 200);
        assert_int_equal(scene_int(answer, "disconnected"), 1);
        json_decref(answer);
        expect_bye(&crowd.wires[7], -1);
        for (int i = 0; i < READERS; i++) {
            if (i != 4 && i != 7) {
                scene_expect_alive(&crowd.wires[i]);
            }
        }
        wait_for_sessions(broker, "", READERS - 2);
        answer = ask(broker, "POST", "/v1/admin/disconnect", "{\"address\":\"127.0.0.1\"}", 200);
        assert_int_equal(scene_int(answer, "disconnected"), READERS - 2);
        json_decref(answer);
        wait_for_sessions(broker, "", 0);
        assert_true(scene_log_has(broker, "what=disconnect"));
        close_crowd(&crowd);
        end_broker(broker);
    }
}

static void an_event_stream_is_disconnected_too(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char text[] = "GET /v1/stream?match=order/* HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = http_connect(broker->port, 0);
    char answer[4096] = "";
    size_t used = 0;
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    wait_for_sessions(broker, "?match=order/1", 1);
    json_decref(ask(broker, "POST", "/v1/admin/disconnect", "{\"match\":\"order/1\"}", 200));
    for (ssize_t bytes; used < sizeof answer - 1 && (bytes = recv(fd, answer + used, sizeof answer - 1 - used, 0)) > 0;) {
        used += (size_t)bytes;
    }
    assert_non_null(strstr(answer, "event: bye\nretry: "));
    close(fd);
}

/* ---- drain ---- */

static void a_drain_is_as_sigterm(void **state) {
    FOR_SHARDS(shards) {
        struct broker_process *broker = scene_start(state);
        struct crowd crowd;
        open_crowd(&crowd, broker);
        json_t *answer = ask(broker, "POST", "/v1/admin/drain", "{}", 202);
        assert_true(scene_bool(answer, "draining"));
        json_decref(answer);
        for (int i = 0; i < READERS; i++) {
            json_t *bye = scene_hear_op(&crowd.wires[i], "bye");
            assert_string_equal(wire_text(bye, "reason"), "shutdown");
            json_decref(bye);
            assert_int_equal(wire_receive_close(&crowd.wires[i], PATIENCE_MS), 1001);
        }
        close_crowd(&crowd);
        assert_int_equal(scene_wait_end(broker), 0);
        assert_true(scene_log_has(broker, "what=drain result=ok"));
        end_broker(broker);
    }
}

/* A request that has begun is answered, and says how it stands. */
static void while_it_drains_it_is_not_ready(void **state) {
    scene_configure("DRAIN_DRAIN_MS", "20s");
    struct broker_process *broker = scene_start(state);
    static const char half[] = "GET /readyz HTTP/1.1\r\n";
    static const char rest[] = "Host: localhost\r\n\r\n";
    int fd = http_connect(broker->port, 0);
    char answer[1024] = "";
    size_t used = 0;
    assert_int_equal(send(fd, half, strlen(half), MSG_NOSIGNAL), strlen(half));
    scene_sleep(300);
    json_decref(ask(broker, "POST", "/v1/admin/drain", "{}", 202));
    scene_wait_log(broker, " draining ");
    assert_int_equal(send(fd, rest, strlen(rest), MSG_NOSIGNAL), strlen(rest));
    for (ssize_t bytes; used < sizeof answer - 1 && (bytes = recv(fd, answer + used, sizeof answer - 1 - used, 0)) > 0;) {
        used += (size_t)bytes;
    }
    assert_memory_equal(answer, "HTTP/1.1 503", 12);
    assert_non_null(strstr(answer, "draining"));
    close(fd);
    assert_int_equal(scene_wait_end(broker), 0);
}

/* ---- reload ---- */

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool names(const json_t *answer, const char *list, const char *key) {
    json_t *items = json_object_get(answer, list);
    for (size_t i = 0; i < json_array_size(items); i++) {
        if (strcmp(json_string_value(json_array_get(items, i)), key) == 0) {
            return true;
        }
    }
    return false;
}

static void subscriptions_allowed(const struct broker_process *broker, int allowed) {
    for (int shard = 0; shard < 8; shard++) { /* whichever they come to */
        struct wire wire;
        scene_open(&wire, broker, CODEC_JSON);
        for (int i = 1; i <= allowed; i++) {
            json_decref(scene_ask(&wire, "{'op':'sub','id':%d,'match':'order/%d'}", i, i));
            json_decref(scene_hear_op(&wire, "live"));
        }
        scene_say(&wire, "{'op':'sub','id':99,'match':'order/99'}");
        scene_expect_error(&wire, "too_many", 99);
        wire_fini(&wire);
    }
}

static void a_reload_changes_what_may_change_and_names_the_rest(void **state) {
    FOR_SHARDS(shards) {
        struct broker_process *broker = scene_prepare(state);
        char path[256];
        snprintf(path, sizeof path, "%s/ahora.conf", broker->directory);
        write_file(path, "[limits]\nsubscriptions_max = 1\n");
        const char *const arguments[] = {"--config", path, NULL};
        assert_true(broker_process_start(broker, arguments));
        subscriptions_allowed(broker, 1);
        write_file(path, "[limits]\nsubscriptions_max = 3\n[websocket]\nclose_ms = 7s\n[log]\nlevel = debug\n");
        json_t *answer = ask(broker, "POST", "/v1/admin/reload", "{}", 200);
        assert_true(scene_bool(answer, "reloaded"));
        assert_true(names(answer, "changed", "limits.subscriptions_max"));
        assert_true(names(answer, "changed", "log.level"));
        assert_true(names(answer, "needs_restart", "websocket.close_ms"));
        assert_false(names(answer, "changed", "websocket.close_ms"));
        json_decref(answer);
        assert_true(scene_log_has(broker, "setting-needs-restart key=websocket.close_ms"));
        subscriptions_allowed(broker, 3);
        write_file(path, "[limits]\nsubscriptions_max = 2\nnonsense = 1\n"); /* one error, and nothing of it counts */
        answer = ask(broker, "POST", "/v1/admin/reload", "{}", 422);
        assert_false(scene_bool(answer, "reloaded"));
        assert_non_null(strstr(wire_text(answer, "error"), "nonsense"));
        json_decref(answer);
        subscriptions_allowed(broker, 3);
        write_file(path, "[limits]\nsubscriptions_max = 2\n");
        assert_int_equal(kill(broker->pid, SIGHUP), 0);
        scene_wait_log(broker, "setting-needs-restart");
        int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
        for (bool refused = false; !refused;) { /* the signal is heard a little later */
            struct wire wire;
            scene_open(&wire, broker, CODEC_JSON);
            for (int i = 1; i <= 3; i++) {
                json_t *reply = scene_ask(&wire, "{'op':'sub','id':%d,'match':'room/%d'}", i, i);
                refused |= strcmp(wire_text(reply, "op"), "error") == 0;
                if (strcmp(wire_text(reply, "op"), "error") != 0) {
                    json_decref(scene_hear_op(&wire, "live"));
                }
                json_decref(reply);
            }
            wire_fini(&wire);
            assert_true(scene_clock_ms() < deadline_ms);
        }
        end_broker(broker);
    }
}

/* ---- backup ---- */

static void a_backup_is_a_store_of_its_own(void **state) {
    FOR_SHARDS(shards) {
        struct broker_process *broker = scene_start(state);
        struct wire wire;
        scene_open(&wire, broker, CODEC_JSON);
        for (int i = 0; i < 100; i++) {
            scene_apply(&wire, "{'op':'set','topic':'order/%d','data':{'n':%d}}", i, i);
        }
        json_t *answer = ask(broker, "POST", "/v1/admin/backup", "{\"name\":\"before-the-move\"}", 201);
        assert_string_equal(wire_text(answer, "backup"), "before-the-move");
        json_decref(answer);
        scene_apply(&wire, "{'op':'set','topic':'order/1','data':{'n':-1}}");
        wire_fini(&wire);
        scene_problem(broker, "POST", "/v1/admin/backup", JSON_TYPE, "{\"name\":\"before-the-move\"}", 409, "conflict");
        static const char *const names[] = {"{\"name\":\"\"}",
                                            "{\"name\":\"../up\"}",
                                            "{\"name\":\".hidden\"}",
                                            "{\"name\":\"a b\"}",
                                            "{\"name\":7}",
                                            "{}",
                                            "[]"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            scene_problem(broker, "POST", "/v1/admin/backup", JSON_TYPE, names[i], 400, "bad_message");
        }
        assert_true(scene_log_has(broker, "what=backup name=before-the-move result=ok"));
        assert_int_equal(broker_process_term(broker), 0);
        struct bytes out = {0};
        assert_int_equal(scene_run(&out, "mv '%s/backups/before-the-move' '%s.copy' && rm -rf '%s' && mv '%s.copy' '%s'",
                                   broker->data, broker->data, broker->data, broker->data, broker->data),
                         0);
        bytes_fini(&out);
        assert_true(broker_process_start(broker, NULL));
        assert_true(scene_holds(broker, "order/1", "{'n':1}"));
        assert_true(scene_holds(broker, "order/99", "{'n':99}"));
        end_broker(broker);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(sessions_are_told_with_what_they_follow),
        CASE(sessions_come_in_pages),
        CASE(what_is_asked_wrongly_is_refused),
        CASE(the_slowest_come_first),
        CASE(who_is_disconnected_is_told_and_nobody_else),
        CASE(an_event_stream_is_disconnected_too),
        CASE(a_drain_is_as_sigterm),
        CASE(while_it_drains_it_is_not_ready),
        CASE(a_reload_changes_what_may_change_and_names_the_rest),
        CASE(a_backup_is_a_store_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
