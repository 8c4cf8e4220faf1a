/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The descriptions of the API have everything that there is: routes, operations, codes, kinds, and each reference leads somewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "broker/net/describe.h"
#include "broker/net/operation.h"
#include "broker/net/route.h"

static void every_routed_handler_has_an_operation(void **state) {
    (void)state;
    for (size_t i = 0; route_at(i) != NULL; i++) {
        for (int method = 0; method < HTTP_METHODS; method++) {
            const struct handler *handler = route_at(i)->handlers[method];
            if (handler != NULL && operation_find(handler) == NULL) {
                fail_msg("%s %s has no row in operation.c", http_method_name((enum http_method)method), route_at(i)->path);
            }
        }
    }
}

static bool is_routed(const struct handler *handler) {
    for (size_t i = 0; route_at(i) != NULL; i++) {
        for (int method = 0; method < HTTP_METHODS; method++) {
            if (route_at(i)->handlers[method] == handler) {
                return true;
            }
        }
    }
    return false;
}

static void every_operation_is_routed_and_has_one_name(void **state) {
    (void)state;
    for (size_t i = 0; operation_at(i) != NULL; i++) {
        if (!is_routed(operation_at(i)->handler)) {
            fail_msg("%s leads nowhere", operation_at(i)->id);
        }
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(operation_at(i)->id, operation_at(j)->id);
        }
    }
}

/* "#/components/schemas/Topic" in the whole. */
static json_t *find_reference(json_t *whole, const char *reference) {
    json_t *at = whole;
    assert_memory_equal(reference, "#/", 2);
    for (const char *part = reference + 2; at != NULL && *part != '\0';) {
        char name[128];
        size_t bytes = strcspn(part, "/");
        snprintf(name, sizeof name, "%.*s", (int)bytes, part);
        at = json_object_get(at, name);
        part += bytes + (part[bytes] == '/');
    }
    return at;
}

static size_t check_references(json_t *whole, json_t *node) {
    size_t found = 0;
    const char *key;
    json_t *value;
    size_t index;
    if (json_is_object(node)) {
        json_object_foreach(node, key, value) {
            if (strcmp(key, "$ref") == 0 && json_is_string(value)) {
                if (find_reference(whole, json_string_value(value)) == NULL) {
                    fail_msg("%s leads nowhere", json_string_value(value));
                }
                found++;
            }
            found += check_references(whole, value);
        }
    } else if (json_is_array(node)) {
        json_array_foreach(node, index, value) {
            found += check_references(whole, value);
        }
    }
    return found;
}

static json_t *load(struct buffer *text) {
    json_error_t error;
    assert_false(text->failed);
    json_t *whole = json_loadb((const char *)text->data, text->bytes, JSON_REJECT_DUPLICATES, &error);
    if (whole == NULL) {
        fail_msg("not JSON at %d: %s", error.position, error.text);
    }
    return whole;
}

static struct kinds *some_kinds(void) {
    struct kinds *kinds = kinds_builtin();
    struct violations errors = {0};
    static const char text[] = "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
                               "\"x-ahora\":{\"address\":\"a~b:c/{id}\"}}";
    assert_non_null(kinds);
    enum result added = kinds_add(kinds, span_of_text("a~b:c"), span_of_text(text), &errors);
    assert_int_equal(added, RESULT_OK);
    return kinds;
}

static void both_descriptions_are_json_whose_references_lead_somewhere(void **state) {
    (void)state;
    struct kinds *kinds = some_kinds();
    for (int i = 0; i < 2; i++) {
        struct buffer text;
        buffer_init(&text, DESCRIBE_BYTES_MAX);
        if (i == 0) {
            describe_openapi(&text, kinds);
        } else {
            describe_asyncapi(&text, kinds, span_of_text("broker:7600"));
        }
        json_t *whole = load(&text);
        assert_true(check_references(whole, whole) > 50);
        json_t *schemas = json_object_get(json_object_get(whole, "components"), "schemas");
        assert_non_null(json_object_get(schemas, "Kind.stock"));
        assert_non_null(json_object_get(schemas, "Kind.a.7eb.3ac"));
        json_decref(whole);
        buffer_fini(&text);
    }
    kinds_destroy(kinds);
}

static void every_code_is_told_with_its_status(void **state) {
    (void)state;
    struct kinds *kinds = kinds_builtin();
    struct buffer text;
    buffer_init(&text, DESCRIBE_BYTES_MAX);
    describe_openapi(&text, kinds);
    json_t *whole = load(&text);
    for (int code = AHORA_OK + 1; code < AHORA_CODES; code++) {
        char name[32];
        snprintf(name, sizeof name, "Problem%d", ahora_code_status((enum ahora_code)code));
        json_t *problem = json_object_get(json_object_get(json_object_get(whole, "components"), "responses"), name);
        assert_non_null(problem);
        assert_non_null(
            strstr(json_string_value(json_object_get(problem, "description")), ahora_code_name((enum ahora_code)code)));
    }
    json_decref(whole);
    buffer_fini(&text);
    kinds_destroy(kinds);
}

static void a_description_that_has_no_room_fails_and_says_so(void **state) {
    (void)state;
    struct kinds *kinds = kinds_builtin();
    struct buffer text;
    buffer_init(&text, 1000);
    describe_openapi(&text, kinds);
    assert_true(text.failed);
    buffer_fini(&text);
    kinds_destroy(kinds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_routed_handler_has_an_operation),
        cmocka_unit_test(every_operation_is_routed_and_has_one_name),
        cmocka_unit_test(both_descriptions_are_json_whose_references_lead_somewhere),
        cmocka_unit_test(every_code_is_told_with_its_status),
        cmocka_unit_test(a_description_that_has_no_room_fails_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
