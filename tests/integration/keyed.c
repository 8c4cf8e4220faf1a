/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/integration/keyed.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

const char keyed_header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"shop\"}";

void keyed_write_api_keys(const struct broker_process *broker, const char *rights) {
    uint8_t digest[32];
    char hex[65];
    token_sha256(KEYED_API_KEY, strlen(KEYED_API_KEY), digest);
    for (int i = 0; i < 32; i++) {
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    scene_write_file(broker, "api_keys", "# who\n\nbackoffice sha256:%s %s\n", hex, rights);
}

struct broker_process *keyed_prepare(void **state) {
    struct broker_process *broker = scene_prepare(state);
    char path[256];
    snprintf(path, sizeof path, "%s/keys", broker->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    scene_write_file(broker, "keys/shop.hs256", "%s\n", KEYED_SECRET);
    keyed_write_api_keys(broker, "sub=**,order/**,$demand/** pub=**,order/** source=*");
    scene_configure_path(broker, "AUTH_KEYS", "keys");
    scene_configure_path(broker, "AUTH_API_KEYS", "api_keys");
    scene_configure_path(broker, "AUTH_REVOKED", "revoked");
    return broker;
}

struct broker_process *keyed_start(void **state) {
    struct broker_process *broker = keyed_prepare(state);
    assert_true(broker_process_start(broker, NULL));
    return broker;
}

const char *keyed_token_of_subject(const char *header, const char *secret, const char *subject, long seconds,
                                   const char *rest) {
    static char tokens[2][TOKEN_BYTES_MAX];
    static int next;
    char claims[4096];
    snprintf(claims, sizeof claims, "{'sub':'%s','exp':%ld%s%s}", subject, (long)time(NULL) + seconds,
             rest[0] != '\0' ? "," : "", rest);
    for (char *c = claims; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    next = !next;
    token_make(secret, header, claims, tokens[next]);
    return tokens[next];
}

const char *keyed_token(const char *rest) {
    return keyed_token_of_subject(keyed_header, KEYED_SECRET, "u1", 3600, rest);
}

const char *keyed_bearer(const char *token) {
    static char header[TOKEN_BYTES_MAX + 64];
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
    return header;
}

/* ---- sessions ---- */

void keyed_open(struct wire *wire, const struct broker_process *broker, enum codec codec, const char *token) {
    assert_true(wire_open(wire, broker->port, codec));
    json_t *welcome = scene_ask(wire, "{'op':'hello','token':'%s'}", token);
    assert_string_equal(wire_text(welcome, "op"), "welcome");
    json_decref(welcome);
}

void keyed_open_backoffice(struct wire *wire, const struct broker_process *broker) {
    keyed_open(wire, broker, CODEC_JSON, KEYED_API_KEY);
}

json_t *keyed_hear_until_live(struct wire *wire) {
    json_t *messages = json_array();
    for (;;) {
        json_t *message = scene_hear(wire);
        const bool is_live = strcmp(wire_text(message, "op"), "live") == 0;
        if (!is_live) {
            json_array_append(messages, message);
        }
        json_decref(message);
        if (is_live) {
            return messages;
        }
    }
}

json_t *keyed_subscribe(struct wire *wire, int id, const char *match) {
    json_t *answer = scene_ask(wire, "{'op':'sub','id':%d,'match':'%s'}", id, match);
    if (strcmp(wire_text(answer, "op"), "subscribed") != 0) {
        fail_msg("%s: %s %s", match, wire_text(answer, "code"), wire_text(answer, "detail"));
    }
    json_decref(answer);
    return keyed_hear_until_live(wire);
}

void keyed_expect_data(const json_t *message, const char *format) {
    json_t *expected = scene_json("%s", format);
    if (!json_equal(json_object_get(message, "data"), expected)) {
        char *text = json_dumps(message, JSON_COMPACT);
        fail_msg("%s is not %s", text, format);
    }
    json_decref(expected);
}

void keyed_renew(struct wire *wire, const char *token) {
    json_t *answer = scene_ask(wire, "{'op':'auth','id':7,'token':'%s'}", token);
    if (strcmp(wire_text(answer, "op"), "ok") != 0) {
        fail_msg("no ok: %s %s", wire_text(answer, "code"), wire_text(answer, "detail"));
    }
    json_decref(answer);
}
