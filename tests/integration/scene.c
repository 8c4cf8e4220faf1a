/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/integration/scene.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/clock.h"

#define SETTINGS_MAX 16

static char settings[SETTINGS_MAX][64];
static size_t setting_count;
static bool strict; /* the kinds of this case are its own business */

/* ---- life ---- */

int scene_setup(void **state) {
    struct broker_process *broker = calloc(1, sizeof *broker);
    *state = broker;
    return broker == NULL ? -1 : 0;
}

/* A process that is just dumping its core still runs, but answers no more. */
static bool has_died(struct broker_process *broker) {
    if (broker->pid == 0) {
        return false;
    }
    if (http_status(broker->port, "/livez") == 0) {
        scene_sleep(200);
    }
    return !broker_process_is_running(broker);
}

int scene_teardown(void **state) {
    struct broker_process *broker = *state;
    bool is_dead = has_died(broker);
    if (is_dead) {
        fprintf(stderr, "scene: the broker ended by itself, status %d\n", broker->exit_status);
    }
    if (is_dead || getenv("AHORA_TEST_LOG") != NULL) {
        broker_process_print_log(broker);
    }
    broker->is_kept = getenv("AHORA_TEST_KEEP") != NULL;
    broker_process_fini(broker);
    free(broker);
    while (setting_count > 0) {
        unsetenv(settings[--setting_count]);
    }
    strict = false;
    return is_dead ? -1 : 0;
}

void scene_configure(const char *key, const char *value) {
    assert_true(setting_count < SETTINGS_MAX);
    strict = strict || strcmp(key, "KINDS_DIRECTORY") == 0;
    snprintf(settings[setting_count], sizeof settings[0], "AHORA_%s", key);
    setenv(settings[setting_count++], value, 1);
}

/* Most cases are about something else than schemas, and write what is short. */
static void loosen_kinds(void) {
    char path[PATH_MAX];
    if (!strict && realpath("tests/integration/kinds", path) != NULL) {
        scene_configure("KINDS_DIRECTORY", path);
    }
}

struct broker_process *scene_prepare(void **state) {
    struct broker_process *broker = *state;
    loosen_kinds();
    if (getenv("AHORA_AUTH_OPEN_FIGURES") == NULL) { /* cases count what they did, whoever may see it */
        scene_configure("AUTH_OPEN_FIGURES", "true");
    }
    assert_true(broker_process_init(broker, "integration"));
    return broker;
}

struct broker_process *scene_start(void **state) {
    struct broker_process *broker = scene_prepare(state);
    assert_true(broker_process_start(broker, NULL));
    return broker;
}

void scene_write_file(const struct broker_process *broker, const char *name, const char *format, ...) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", broker->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fclose(file);
}

void scene_configure_path(const struct broker_process *broker, const char *key, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", broker->directory, name);
    scene_configure(key, path);
}

int scene_wait_end(struct broker_process *broker) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    while (broker_process_is_running(broker)) {
        if (scene_clock_ms() > deadline_ms) {
            return -1;
        }
        scene_sleep(5);
    }
    return broker->exit_status;
}

void scene_open(struct wire *wire, const struct broker_process *broker, enum codec codec) {
    json_t *welcome = wire_open_session(wire, broker->port, codec);
    assert_non_null(welcome);
    json_decref(welcome);
}

void scene_open_slow(struct wire *wire, const struct broker_process *broker, enum codec codec) {
    assert_true(wire_open_with(wire, broker->port, codec, &(struct wire_options){.receive_bytes = 4096}));
    json_decref(scene_ask(wire, "{'op':'hello'}"));
}

void scene_apply_much(struct wire *wire) {
    char text[30001] = "";
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 400; i++) {
        scene_apply(wire, "{'op':'set','topic':'order/%d','data':{'text':'%s'}}", i, text);
    }
}

/* ---- messages ---- */

__attribute__((format(printf, 1, 0))) static json_t *json_of(const char *format, va_list arguments) {
    char *text = NULL;
    assert_true(vasprintf(&text, format, arguments) >= 0);
    for (char *place = text; (place = strchr(place, '\'')) != NULL;) {
        *place = '"';
    }
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
    if (value == NULL) {
        fail_msg("the test's own JSON is wrong: %s: %.200s", error.text, text);
    }
    free(text);
    return value;
}

/* A format of one argument that is a va_list of its own. */
#define JSON_OF(value, format)                                                                                                 \
    va_list arguments;                                                                                                         \
    va_start(arguments, format);                                                                                               \
    json_t *value = json_of(format, arguments);                                                                                \
    va_end(arguments)

json_t *scene_json(const char *format, ...) {
    JSON_OF(value, format);
    return value;
}

void scene_say(struct wire *wire, const char *format, ...) {
    JSON_OF(message, format);
    assert_true(wire_send_new(wire, message));
}

json_t *scene_hear(struct wire *wire) {
    for (;;) {
        json_t *message = wire_receive(wire, PATIENCE_MS);
        if (message == NULL) {
            fail_msg("nothing to hear: close %d %s, fault %s", wire->close_code, wire->close_reason,
                     wire->fault != NULL ? wire->fault : "none");
        }
        if (strcmp(wire_text(message, "op"), "beat") != 0) {
            return message;
        }
        json_decref(message);
    }
}

json_t *scene_hear_op(struct wire *wire, const char *op) {
    json_t *message = wire_receive_op(wire, op, PATIENCE_MS);
    if (message == NULL) {
        fail_msg("no %s to hear: close %d %s, fault %s", op, wire->close_code, wire->close_reason,
                 wire->fault != NULL ? wire->fault : "none");
    }
    return message;
}

json_t *scene_ask(struct wire *wire, const char *format, ...) {
    JSON_OF(message, format);
    assert_true(wire_send_new(wire, message));
    return scene_hear(wire);
}

void scene_expect_error(struct wire *wire, const char *code, int64_t id) {
    json_t *answer = scene_hear(wire);
    assert_string_equal(wire_text(answer, "op"), "error");
    assert_string_equal(wire_text(answer, "code"), code);
    assert_true(json_is_string(json_object_get(answer, "detail")));
    if (id == 0) {
        assert_null(json_object_get(answer, "id"));
    } else {
        assert_int_equal(scene_int(answer, "id"), id);
    }
    json_decref(answer);
}

void scene_expect_alive(struct wire *wire) {
    json_t *answer = scene_ask(wire, "{'op':'ping','id':77}");
    assert_string_equal(wire_text(answer, "op"), "pong");
    assert_int_equal(scene_int(answer, "id"), 77);
    json_decref(answer);
}

static json_t *change_result(struct wire *wire, json_t *change) {
    assert_true(wire_send_new(wire, json_pack("{s:s s:i s:[o]}", "op", "pub", "id", 9, "changes", change)));
    json_t *answer = scene_hear(wire);
    json_t *results = json_object_get(answer, "results");
    if (strcmp(wire_text(answer, "op"), "published") != 0 || json_array_size(results) != 1) {
        fail_msg("no result: %s %s %s", wire_text(answer, "op"), wire_text(answer, "code"), wire_text(answer, "detail"));
    }
    assert_int_equal(scene_int(answer, "id"), 9);
    json_t *result = json_incref(json_array_get(results, 0));
    json_decref(answer);
    return result;
}

json_t *scene_change(struct wire *wire, const char *format, ...) {
    JSON_OF(change, format);
    return change_result(wire, change);
}

int64_t scene_apply(struct wire *wire, const char *format, ...) {
    JSON_OF(change, format);
    json_t *result = change_result(wire, change);
    if (scene_code(result)[0] != '\0') {
        fail_msg("refused: %s", scene_code(result));
    }
    int64_t seq = scene_int(result, "seq");
    assert_true(seq > 0);
    json_decref(result);
    return seq;
}

void scene_refuse(struct wire *wire, const char *code, const char *format, ...) {
    JSON_OF(change, format);
    json_t *result = change_result(wire, change);
    if (strcmp(scene_code(result), code) != 0) {
        fail_msg("expected %s, got \"%s\": %s", code, scene_code(result), format);
    }
    assert_true(json_is_string(json_object_get(json_object_get(result, "error"), "detail")));
    assert_null(json_object_get(result, "seq"));
    json_decref(result);
}

const char *scene_code(const json_t *result) {
    return wire_text(json_object_get(result, "error"), "code");
}

void scene_payload(struct bytes *payload, enum codec codec, const char *format, ...) {
    JSON_OF(message, format);
    codec_encode(codec, message, payload);
    json_decref(message);
}

int64_t scene_int(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) {
        fail_msg("`%s` is not an integer", key);
    }
    return json_integer_value(value);
}

bool scene_bool(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) {
        fail_msg("`%s` is not a boolean", key);
    }
    return json_is_true(value);
}

/* ---- HTTP ---- */

json_t *scene_get(const struct broker_process *broker, const char *topic) {
    char target[512];
    snprintf(target, sizeof target, "/v1/topics/%s", topic);
    struct http_response response;
    http_request(broker->port, "GET", target, NULL, NULL, 0, &response);
    json_t *document = response.status == 200 ? http_response_json(&response) : NULL;
    if (document == NULL) {
        assert_int_equal(response.status, 404);
    }
    http_response_fini(&response);
    return document;
}

bool scene_holds(const struct broker_process *broker, const char *topic, const char *format, ...) {
    JSON_OF(data, format);
    json_t *document = scene_get(broker, topic);
    bool is_equal = document != NULL && codec_values_equal(json_object_get(document, "data"), data);
    if (document != NULL && !is_equal) {
        char *text = json_dumps(json_object_get(document, "data"), JSON_ENCODE_ANY);
        fprintf(stderr, "scene: %s holds %s\n", topic, text);
        free(text);
    }
    json_decref(document);
    json_decref(data);
    return is_equal;
}

int scene_http(const struct broker_process *broker, const char *method, const char *target, const char *headers,
               const char *body, struct http_response *response) {
    http_request(broker->port, method, target, headers, body, body != NULL ? strlen(body) : 0, response);
    return response->status;
}

void scene_expect_problem(struct http_response *response, int status, const char *code) {
    char type[64] = "";
    assert_int_equal(response->status, status);
    assert_true(http_response_header(response, "content-type", type, sizeof type));
    assert_int_equal(strncmp(type, "application/problem+json", strlen("application/problem+json")), 0);
    json_t *problem = http_response_json(response);
    assert_non_null(problem);
    assert_int_equal(scene_int(problem, "status"), status);
    assert_string_equal(wire_text(problem, "code"), code);
    assert_true(wire_text(problem, "title")[0] != '\0');
    assert_true(wire_text(problem, "detail")[0] != '\0');
    json_decref(problem);
}

void scene_problem(const struct broker_process *broker, const char *method, const char *target, const char *headers,
                   const char *body, int status, const char *code) {
    struct http_response response;
    int got = scene_http(broker, method, target, headers, body, &response);
    if (got != status) {
        fail_msg("%s %s: status %d instead of %d: %.200s", method, target, got, status, http_response_body(&response));
    }
    scene_expect_problem(&response, status, code);
    http_response_fini(&response);
}

/* ---- programs ---- */

const char *scene_broker_path(void) {
    const char *path = getenv("AHORAD");
    return path != NULL ? path : "build/ahorad";
}

const char *scene_client_path(void) {
    const char *path = getenv("AHORA");
    return path != NULL ? path : "build/ahora";
}

int scene_run(struct bytes *out, const char *format, ...) {
    char *command = NULL;
    char *whole = NULL;
    va_list arguments;
    va_start(arguments, format);
    assert_true(vasprintf(&command, format, arguments) >= 0);
    va_end(arguments);
    assert_true(asprintf(&whole, "{ %s\n} 2>&1", command) >= 0);
    fflush(NULL);
    FILE *pipe = popen(whole, "r");
    assert_non_null(pipe);
    size_t got;
    while ((got = fread(bytes_reserve(out, 4096), 1, 4096, pipe)) > 0) {
        bytes_commit(out, got);
    }
    int status = pclose(pipe);
    free(whole);
    free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void scene_expect_words(struct bytes *out, const char *words) {
    if (strstr(bytes_text(out), words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, bytes_text(out));
    }
}

/* ---- time ---- */

void scene_sleep(int ms) {
    clock_sleep_ms(ms);
}

int64_t scene_clock_ms(void) {
    return clock_ms();
}
