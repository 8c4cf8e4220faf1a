/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What every integration test does again and again: a broker for one case, a session, a question and its answer. A step that fails
 * fails the case. Each case has a broker of its own; when the case ends, a broker that died without being told to fails it too.
 * AHORA_TEST_KEEP in the environment keeps the directories, AHORA_TEST_LOG prints each broker's log. One thread.
 */
#ifndef AHORA_TESTS_SCENE_H
#define AHORA_TESTS_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdbool.h>

#include "tests/support/broker_process.h"
#include "tests/support/http.h"
#include "tests/support/wire.h"

#define CASE(function) cmocka_unit_test_setup_teardown(function, scene_setup, scene_teardown)
#define FOR_BOTH(name) for (enum codec name = CODEC_JSON; name <= CODEC_MSGPACK; name++)

/* Bytes of a literal, NULs included. */
#define RAW(text) (text), sizeof(text) - 1

/* The longest that anything is waited for. It only ends a test that hangs. */
#define PATIENCE_MS 30000

int scene_setup(void **state);
int scene_teardown(void **state);

/* A setting for brokers started from now on in this case: "LIMITS_BEAT_MS", "200". Unless it sets "KINDS_DIRECTORY", the kinds are those
   of tests/integration/kinds, which allow nearly everything; "" stands for the built-in ones. */
void scene_configure(const char *key, const char *value);

/* A broker in its own directory, ready. The case's; `scene_prepare` only makes the directory. */
struct broker_process *scene_start(void **state);
struct broker_process *scene_prepare(void **state);

/* A file in the broker's directory; and a setting that is the path of one. */
void scene_write_file(const struct broker_process *broker, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void scene_configure_path(const struct broker_process *broker, const char *key, const char *name);

/* Waits for the end of a broker that was told to stop or must fail; its exit status, -1 if it does not end. */
int scene_wait_end(struct broker_process *broker);

/* How many lines of the broker's log hold the text; whether one does. */
int scene_log_count(const struct broker_process *broker, const char *text);
bool scene_log_has(const struct broker_process *broker, const char *text);
/* Waits until it does. */
void scene_wait_log(const struct broker_process *broker, const char *text);

/* A session that was welcomed. wire_fini is the caller's. */
void scene_open(struct wire *wire, const struct broker_process *broker, enum codec codec);

/* The same, with a small receive buffer, for one who will not read. And more orders than any socket takes, 12 MB. */
void scene_open_slow(struct wire *wire, const struct broker_process *broker, enum codec codec);
void scene_apply_much(struct wire *wire);

/* JSON from a format in which ' stands for ". */
json_t *scene_json(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same as bytes, added to `payload`. */
void scene_payload(struct bytes *payload, enum codec codec, const char *format, ...) __attribute__((format(printf, 3, 4)));

void scene_say(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next message that is not a beat; of that op, dropping others. The caller owns it. */
json_t *scene_hear(struct wire *wire);
json_t *scene_hear_op(struct wire *wire, const char *op);

/* scene_say, then scene_hear. */
json_t *scene_ask(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The answer must be an `error` with that code; `id` 0: none. */
void scene_expect_error(struct wire *wire, const char *code, int64_t id);

/* The session still answers. */
void scene_expect_alive(struct wire *wire);

/* Publishes one change, given as its JSON text, and returns its result: {seq} or {error}. For sessions without subscriptions. */
json_t *scene_change(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same; it must be applied, and the seq is returned; it must be refused with that code. */
int64_t scene_apply(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
void scene_refuse(struct wire *wire, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The code in a result, "" if it has none. */
const char *scene_code(const json_t *result);

int64_t scene_int(const json_t *object, const char *key); /* asserts that it is an integer */
bool scene_bool(const json_t *object, const char *key);   /* asserts that it is a boolean */

/* The document of a topic over HTTP ({topic, seq, at, data}), NULL if there is none. */
json_t *scene_get(const struct broker_process *broker, const char *topic);

/* True if the document's data equal that JSON ('-quoted). */
bool scene_holds(const struct broker_process *broker, const char *topic, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One HTTP request with a text body (NULL: none); http_response_fini is the caller's. Returns the status. */
int scene_http(const struct broker_process *broker, const char *method, const char *target, const char *headers,
               const char *body, struct http_response *response);

/* The same, and the answer must be a problem of that status and code. */
void scene_problem(const struct broker_process *broker, const char *method, const char *target, const char *headers,
                   const char *body, int status, const char *code);
void scene_expect_problem(struct http_response *response, int status, const char *code);

/* Kilobytes of memory that belong to the broker alone, without mapped files. 0 under a sanitizer, which keeps what was freed: sums
   of it then compare as equal. */
int64_t scene_memory_kb(const struct broker_process *broker);

/* All samples of one name in /metrics, added; -1 if there is none. */
double scene_metric(const struct broker_process *broker, const char *name);

/* Waits until it has grown, or gone down, to the value. */
void scene_wait_at_least(const struct broker_process *broker, const char *name, double value);
void scene_wait_at_most(const struct broker_process *broker, const char *name, double value);

/* $AHORAD or build/ahorad; $AHORA or build/ahora. */
const char *scene_broker_path(void);
const char *scene_client_path(void);

/* Runs a shell command, adds what it prints (both streams) to `out`, terminated, and returns its exit code. */
int scene_run(struct bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void scene_expect_words(struct bytes *out, const char *words); /* they are somewhere in it */

void scene_sleep(int ms);
int64_t scene_clock_ms(void);

#endif
