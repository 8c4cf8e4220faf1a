/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a terminal is shown of text that somebody else wrote. */
#include "clients/cli/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "proto/pack.h"

static void expect(const char *text, bool is_json, const char *shown) {
    char *got = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&got, &size);
    print_visible(to, span_of_text(text), is_json);
    fclose(to);
    assert_string_equal(got, shown);
    free(got);
}

static void what_can_be_seen_is_shown_as_it_is(void **state) {
    (void)state;
    static const char text[] = "caf\xc3\xa9 \xc2\xa0 \xe2\x80\xa9\xe2\x80\xaf \xe2\x81\xa5\xe2\x81\xaa \xf0\x9f\x9a\xb2 ~";
    expect(text, false, text);
    expect(text, true, text);
}

static void what_drives_a_terminal_is_not(void **state) {
    (void)state;
    expect("a\33[2Jb\x7f\n", false, "a?[2Jb??");
    expect("\xc2\x80 \xc2\x9b 31m \xc2\x9f", false, "? ? 31m ?");
    expect("\"\xc2\x9b\x7f\"", true, "\"\\u009b\\u007f\"");
}

static void what_turns_text_around_is_not(void **state) {
    (void)state;
    expect("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae", false, "?????");
    expect("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", false, "????");
    expect("\"\xe2\x80\xae\xe2\x81\xa6\"", true, "\"\\u202e\\u2066\"");
}

static void half_a_character_does_no_harm(void **state) {
    (void)state;
    expect("\xc2", false, "\xc2");
    expect("\xe2\x80", false, "\xe2\x80");
}

static void fields_are_shown_so(void **state) {
    (void)state;
    struct buffer map;
    char *got = NULL;
    size_t size = 0;
    buffer_init(&map, 256);
    pack_put_map(&map, 2);
    pack_put_key(&map, "a\xc2\x9b");
    pack_put_text(&map, span_of_text("x\xe2\x80\xaey"));
    pack_put_key(&map, "b");
    pack_put_list(&map, 1);
    pack_put_text(&map, span_of_text("\xc2\x9b"));
    FILE *to = open_memstream(&got, &size);
    print_fields(to, (struct ahora_bytes){map.data, map.bytes});
    fclose(to);
    assert_string_equal(got, "a?=x?y b=[\"\\u009b\"]");
    free(got);
    buffer_fini(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_seen_is_shown_as_it_is),
        cmocka_unit_test(what_drives_a_terminal_is_not),
        cmocka_unit_test(what_turns_text_around_is_not),
        cmocka_unit_test(half_a_character_does_no_harm),
        cmocka_unit_test(fields_are_shown_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
