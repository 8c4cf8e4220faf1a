/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Every vector of proto/vectors, in both encodings. Run from the root of the repository.
 */
#include "proto/json.h"
#include "proto/message.h"
#include "proto/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (1 << 20)

static json_t *vectors_load(const char *name) {
    char path[128];
    json_error_t error;

    snprintf(path, sizeof(path), "proto/vectors/%s", name);
    json_t *vectors = json_load_file(path, 0, &error);
    if (vectors == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    return vectors;
}

static const char *text_of(const json_t *vector, const char *key) {
    const char *text = json_string_value(json_object_get(vector, key));

    if (text == NULL) {
        fail_msg("a vector lacks the text `%s`", key);
    }
    return text;
}

static void hex_read(const char *hex, struct buffer *out) {
    buffer_init(out, BYTES_MAX);
    for (; *hex != '\0'; hex += 2) {
        buffer_put_byte(out, (uint8_t)strtoul((char[3]){hex[0], hex[1], '\0'}, NULL, 16));
    }
}

static void assert_same(const char *name, const char *what, struct span found, struct span wanted) {
    if (!span_equal(found, wanted)) {
        fail_msg("%s: %s: %zu bytes found, %zu wanted: %.*s", name, what, found.bytes, wanted.bytes, (int)found.bytes,
                 (const char *)found.data);
    }
}

static void assert_legal(const char *name, struct span value) {
    size_t used = 0;
    enum pack_fault fault = pack_check(value, AHORA_DEPTH_MAX, &used);

    if (fault != PACK_FINE || used != value.bytes) {
        fail_msg("%s: %s", name, pack_fault_text(fault));
    }
}

/* A JSON value of a vector as MessagePack, by way of its text. */
static void pack_of_json(const char *name, const json_t *json, struct buffer *out) {
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *detail = NULL;

    buffer_init(out, BYTES_MAX);
    if (json_to_pack(span_of_text(text), AHORA_DEPTH_MAX, out, &detail) != AHORA_OK) {
        fail_msg("%s: %s", name, detail);
    }
    free(text);
}

/* ---- messages ---- */

/* Reads a message and every change in it, and writes it all again. The first fault ends it. */
static enum ahora_code client_message_copy(struct span message, struct buffer *out, const char **detail) {
    struct request request;
    enum ahora_code code = request_decode(message, &request, detail);

    if (code != AHORA_OK) {
        return code;
    }
    struct buffer changes;
    buffer_init(&changes, BYTES_MAX);
    if (request.op == REQUEST_PUB) {
        struct pack_reader reader = pack_reader_of(request.changes);
        struct change_request change;

        pack_put_list(&changes, pack_read_list(&reader));
        for (uint32_t i = 0; i < request.change_count && code == AHORA_OK; i++) {
            code = change_decode(&reader, &change, detail);
            if (code == AHORA_OK) {
                change_put(&changes, &change);
            }
        }
        request.changes = buffer_span(&changes);
    }
    if (code == AHORA_OK) {
        request_put(out, &request);
    }
    buffer_fini(&changes);
    return code;
}

static enum ahora_code message_copy(const char *direction, struct span message, struct buffer *out, const char **detail) {
    struct reply reply;

    if (strcmp(direction, "client") == 0) {
        return client_message_copy(message, out, detail);
    }
    assert_string_equal(direction, "broker");
    enum ahora_code code = reply_decode(message, &reply, detail);
    if (code == AHORA_OK) {
        reply_put(out, &reply);
    }
    return code;
}

static void good_message_run(const json_t *vector) {
    const char *name = text_of(vector, "name");
    const json_t *json = json_object_get(vector, "json");
    const json_t *canonical = json_object_get(vector, "canonical");
    struct buffer packed, from_json, wanted, written, text;
    const char *detail = NULL;

    hex_read(text_of(vector, "msgpack"), &packed);
    assert_legal(name, buffer_span(&packed));
    pack_of_json(name, json, &from_json);
    assert_same(name, "JSON to MessagePack", buffer_span(&from_json), buffer_span(&packed));

    buffer_init(&text, BYTES_MAX);
    json_put(&text, buffer_span(&packed));
    json_t *reread = json_loadb((const char *)text.data, text.bytes, 0, NULL);
    assert_true(json_equal(reread, json));
    json_decref(reread);

    pack_of_json(name, canonical != NULL ? canonical : json, &wanted);
    buffer_init(&written, BYTES_MAX);
    if (message_copy(text_of(vector, "direction"), buffer_span(&packed), &written, &detail) != AHORA_OK) {
        fail_msg("%s: %s", name, detail);
    }
    assert_legal(name, buffer_span(&written));
    assert_same(name, "decoded and written again", buffer_span(&written), buffer_span(&wanted));
    buffer_fini(&packed);
    buffer_fini(&from_json);
    buffer_fini(&wanted);
    buffer_fini(&written);
    buffer_fini(&text);
}

static void good_messages_pass_through_both_encodings(void **state) {
    json_t *vectors = vectors_load("messages_good.json");
    size_t index;
    const json_t *vector;

    (void)state;
    assert_true(json_array_size(vectors) >= 40);
    json_array_foreach(vectors, index, vector) {
        good_message_run(vector);
    }
    json_decref(vectors);
}

/* What a receiver of that vector answers, and why. */
static enum ahora_code bad_message_answer(const json_t *vector, const char **why) {
    const json_t *json = json_object_get(vector, "json");
    struct buffer packed, written;
    enum ahora_code code = AHORA_OK;
    size_t used;

    if (json != NULL) {
        buffer_init(&packed, BYTES_MAX);
        code = json_to_pack(span_of_text(text_of(vector, "json")), AHORA_DEPTH_MAX, &packed, why);
        assert_true(code == AHORA_OK || packed.bytes == 0);
    } else {
        hex_read(text_of(vector, "msgpack"), &packed);
    }
    buffer_init(&written, BYTES_MAX);
    if (code == AHORA_OK) {
        enum pack_fault fault = pack_check(buffer_span(&packed), AHORA_DEPTH_MAX, &used);

        *why = pack_fault_text(fault);
        code = fault == PACK_FINE ? AHORA_OK : AHORA_BAD_MESSAGE;
    }
    if (code == AHORA_OK) {
        code = message_copy(text_of(vector, "direction"), buffer_span(&packed), &written, why);
    }
    buffer_fini(&packed);
    buffer_fini(&written);
    return code;
}

static void bad_messages_are_refused_for_the_right_reason(void **state) {
    json_t *vectors = vectors_load("messages_bad.json");
    size_t index;
    const json_t *vector;
    unsigned wrong = 0;

    (void)state;
    assert_true(json_array_size(vectors) >= 80);
    json_array_foreach(vectors, index, vector) {
        const char *why = "accepted";
        enum ahora_code code = bad_message_answer(vector, &why);

        if (strcmp(ahora_code_name(code), text_of(vector, "code")) != 0 || strcmp(why, text_of(vector, "why")) != 0) {
            print_error("%s: %s: %s\n", text_of(vector, "name"), ahora_code_name(code), why);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    json_decref(vectors);
}

/* ---- values ---- */

static void value_run(const json_t *vector) {
    const char *name = text_of(vector, "name");
    const json_t *writes = json_object_get(vector, "writes");
    struct buffer wanted, packed, text;
    const char *detail = NULL;

    hex_read(text_of(vector, "msgpack"), &wanted);
    assert_legal(name, buffer_span(&wanted));
    buffer_init(&packed, BYTES_MAX);
    if (json_to_pack(span_of_text(text_of(vector, "json")), AHORA_DEPTH_MAX, &packed, &detail) != AHORA_OK) {
        fail_msg("%s: %s", name, detail);
    }
    assert_same(name, "JSON to MessagePack", buffer_span(&packed), buffer_span(&wanted));
    buffer_init(&text, BYTES_MAX);
    json_put(&text, buffer_span(&wanted));
    assert_same(name, "MessagePack to JSON", buffer_span(&text),
                span_of_text(text_of(vector, writes != NULL ? "writes" : "json")));
    buffer_clear(&packed, BYTES_MAX);
    assert_int_equal(json_to_pack(buffer_span(&text), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
    assert_same(name, "and back", buffer_span(&packed), buffer_span(&wanted));
    buffer_fini(&wanted);
    buffer_fini(&packed);
    buffer_fini(&text);
}

static void values_are_the_same_in_both_encodings(void **state) {
    json_t *vectors = vectors_load("values.json");
    size_t index;
    const json_t *vector;

    (void)state;
    assert_true(json_array_size(vectors) >= 40);
    json_array_foreach(vectors, index, vector) {
        value_run(vector);
    }
    json_decref(vectors);
}

/* ---- names ---- */

typedef enum ahora_code name_parser(struct span text, struct name *name, const char **detail);

static void names_run(const json_t *names, name_parser *parser, enum ahora_code refusal) {
    size_t index;
    const json_t *vector;

    json_array_foreach(json_object_get(names, "good"), index, vector) {
        const char *detail = "";
        struct name name;

        if (parser(span_of_text(json_string_value(vector)), &name, &detail) != AHORA_OK) {
            fail_msg("%s: %s", json_string_value(vector), detail);
        }
    }
    json_array_foreach(json_object_get(names, "bad"), index, vector) {
        const char *detail = "accepted";
        struct name name = {.count = 77};

        if (parser(span_of_text(text_of(vector, "text")), &name, &detail) != refusal ||
            strcmp(detail, text_of(vector, "why")) != 0) {
            fail_msg("%s: %s", text_of(vector, "text"), detail);
        }
        assert_int_equal(name.count, 77);
    }
}

static void topics_and_patterns_are_told_from_others(void **state) {
    json_t *vectors = vectors_load("names.json");

    (void)state;
    names_run(json_object_get(vectors, "topics"), name_parse_topic, AHORA_BAD_TOPIC);
    names_run(json_object_get(vectors, "patterns"), name_parse_pattern, AHORA_BAD_PATTERN);
    json_decref(vectors);
}

static void patterns_match_what_they_should(void **state) {
    json_t *vectors = vectors_load("names.json");
    size_t index;
    const json_t *vector;

    (void)state;
    assert_true(json_array_size(json_object_get(vectors, "matches")) >= 30);
    json_array_foreach(json_object_get(vectors, "matches"), index, vector) {
        struct name pattern, topic;

        assert_int_equal(name_parse_pattern(span_of_text(text_of(vector, "pattern")), &pattern, NULL), AHORA_OK);
        assert_int_equal(name_parse_held(span_of_text(text_of(vector, "topic")), &topic, NULL), AHORA_OK);
        if (name_matches(&pattern, &topic) != json_is_true(json_object_get(vector, "matches"))) {
            fail_msg("%s and %s", text_of(vector, "pattern"), text_of(vector, "topic"));
        }
    }
    json_decref(vectors);
}

static void tokens_are_read_and_written(void **state) {
    json_t *vectors = vectors_load("names.json");
    size_t index;
    const json_t *vector;
    struct buffer text;
    struct token token;

    (void)state;
    buffer_init(&text, AHORA_TOKEN_BYTES_MAX);
    json_array_foreach(json_object_get(json_object_get(vectors, "tokens"), "good"), index, vector) {
        assert_true(token_parse(span_of_text(text_of(vector, "text")), &token));
        assert_string_equal(token.epoch, text_of(vector, "epoch"));
        assert_int_equal(token.seq, json_integer_value(json_object_get(vector, "seq")));
        buffer_clear(&text, 0);
        token_put(&text, token.epoch, token.seq);
        assert_same("token", "written", buffer_span(&text), span_of_text(text_of(vector, "text")));
    }
    json_array_foreach(json_object_get(json_object_get(vectors, "tokens"), "bad"), index, vector) {
        if (token_parse(span_of_text(text_of(vector, "text")), &token)) {
            fail_msg("%s: %s", text_of(vector, "text"), text_of(vector, "why"));
        }
    }
    buffer_fini(&text);
    json_decref(vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_messages_pass_through_both_encodings),
        cmocka_unit_test(bad_messages_are_refused_for_the_right_reason),
        cmocka_unit_test(values_are_the_same_in_both_encodings),
        cmocka_unit_test(topics_and_patterns_are_told_from_others),
        cmocka_unit_test(patterns_match_what_they_should),
        cmocka_unit_test(tokens_are_read_and_written),
    };

    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
