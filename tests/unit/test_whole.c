/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clients/cli/whole.h"
#include "proto/json.h"

static struct whole whole;
static struct buffer out;

static int setup(void **state) {
    (void)state;
    memset(&whole, 0, sizeof whole);
    buffer_init(&out, 65536);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buffer_fini(&out);
    return 0;
}

/* What the event comes out as, in JSON; "" if it stays as it is. */
static const char *complete(const char *event) {
    static char text[4096];
    struct buffer packed, json;
    buffer_init(&packed, 65536);
    buffer_init(&json, sizeof text - 1);
    assert_int_equal(json_to_pack(span_of_text(event), 16, &packed, NULL), AHORA_OK);
    assert_true(whole_complete(&whole, buffer_span(&packed), &out));
    if (out.bytes > 0) {
        json_put(&json, buffer_span(&out));
    }
    memcpy(text, json.data == NULL ? (const uint8_t *)"" : json.data, json.bytes);
    text[json.bytes] = '\0';
    buffer_fini(&packed);
    buffer_fini(&json);
    return text;
}

static void a_set_stays_as_it_is(void **state) {
    (void)state;
    assert_string_equal(complete("{\"op\":\"set\",\"data\":{\"position\":{\"lat\":1,\"lon\":2,\"speed\":3}}}"), "");
    assert_string_equal(complete("{\"op\":\"set\",\"data\":{\"position\":{\"lat\":1}}}"), "");
}

static void a_patch_names_the_members_it_leaves_out(void **state) {
    (void)state;
    complete("{\"op\":\"set\",\"data\":{\"position\":{\"lat\":1,\"lon\":2,\"speed\":3}}}");
    assert_string_equal(complete("{\"t\":1,\"op\":\"patch\",\"data\":{\"n\":1,\"position\":{\"lat\":4,\"lon\":5}}}"),
                        "{\"t\":1,\"op\":\"patch\",\"data\":{\"n\":1,\"position\":{\"lat\":4,\"lon\":5,\"speed\":null}}}");
}

static void a_patch_that_names_all_stays_as_it_is(void **state) {
    (void)state;
    complete("{\"op\":\"set\",\"data\":{\"position\":{\"lat\":1,\"lon\":2}}}");
    assert_string_equal(complete("{\"op\":\"patch\",\"data\":{\"position\":{\"lon\":4,\"lat\":5}}}"), "");
}

static void members_of_one_field_are_not_those_of_another(void **state) {
    (void)state;
    complete("{\"op\":\"set\",\"data\":{\"position\":{\"lat\":1},\"rates\":{\"flex\":2}}}");
    assert_string_equal(complete("{\"op\":\"patch\",\"data\":{\"rates\":{\"flex\":5}}}"), "");
}

static void too_many_members_are_refused(void **state) {
    (void)state;
    struct buffer packed;
    char text[8192] = "{\"op\":\"set\",\"data\":{\"m\":{\"k\":0";
    for (int i = 0; i <= WHOLE_MEMBERS_MAX; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, ",\"k%d\":0", i);
    }
    strncat(text, "}}}", sizeof text - strlen(text) - 1);
    buffer_init(&packed, 65536);
    assert_int_equal(json_to_pack(span_of_text(text), 16, &packed, NULL), AHORA_OK);
    assert_false(whole_complete(&whole, buffer_span(&packed), &out));
    buffer_fini(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_set_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_patch_names_the_members_it_leaves_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_patch_that_names_all_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(members_of_one_field_are_not_those_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_members_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
