/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/encoded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* The message of a seq: its length and bytes follow from it. */
static struct span message_of(int64_t seq, char text[512]) {
    int bytes = snprintf(text, 512, "%lld:", (long long)seq);
    size_t wanted = 20 + (size_t)(seq * 7919 % 300);
    memset(text + bytes, 'a' + (int)(seq % 26), wanted);
    return span_of(text, (size_t)bytes + wanted);
}

static bool holds(const struct encoded *encoded, int64_t seq) {
    char text[512];
    struct span found;
    if (!encoded_find(encoded, seq, &found)) {
        return false;
    }
    struct span wanted = message_of(seq, text);
    assert_int_equal(found.bytes, wanted.bytes);
    assert_memory_equal(found.data, wanted.data, wanted.bytes);
    return true;
}

static void keep(struct encoded *encoded, int64_t seq) {
    char text[512];
    encoded_keep(encoded, seq, message_of(seq, text));
}

static void what_was_kept_is_found(void **state) {
    (void)state;
    struct encoded encoded;
    encoded_init(&encoded, 65536);
    assert_false(holds(&encoded, 1));
    for (int64_t seq = 1; seq <= 100; seq++) {
        keep(&encoded, seq);
    }
    for (int64_t seq = 1; seq <= 100; seq++) {
        assert_true(holds(&encoded, seq));
    }
    assert_false(holds(&encoded, 101));
    encoded_fini(&encoded);
}

/* Whatever is found is right, byte by byte, however often the ring came round; and what was kept last is found. */
static void the_oldest_are_written_over_and_never_shown_in_part(void **state) {
    (void)state;
    for (size_t bytes_max = 4096; bytes_max < 4096 + 40; bytes_max++) {
        struct encoded encoded;
        int found = 0;
        encoded_init(&encoded, bytes_max);
        for (int64_t seq = 1; seq <= 3000; seq++) {
            keep(&encoded, seq);
            assert_true(holds(&encoded, seq));
            for (int64_t back = 1; back < 40 && back < seq; back++) {
                found += holds(&encoded, seq - back);
            }
        }
        assert_true(found > 3000 * 5); /* 4 KB hold twenty and more of about 175 bytes, where their slots are not the same */
        assert_false(holds(&encoded, 1));
        encoded_fini(&encoded);
    }
}

static void a_slot_is_the_last_ones(void **state) {
    (void)state;
    struct encoded encoded;
    encoded_init(&encoded, 65536);
    keep(&encoded, 5);
    int64_t same = 5 + (int64_t)encoded.slot_count * 3;
    assert_false(holds(&encoded, same));
    keep(&encoded, same);
    assert_true(holds(&encoded, same));
    assert_false(holds(&encoded, 5));
    encoded_fini(&encoded);
}

static void what_is_too_large_is_not_kept(void **state) {
    (void)state;
    struct encoded encoded;
    static char text[4096];
    struct span found;
    encoded_init(&encoded, 4096);
    encoded_keep(&encoded, 1, span_of(text, 513));
    assert_false(encoded_find(&encoded, 1, &found));
    encoded_keep(&encoded, 1, span_of(text, 512));
    assert_true(encoded_find(&encoded, 1, &found));
    encoded_fini(&encoded);
}

static void without_room_nothing_is_made(void **state) {
    (void)state;
    struct encoded encoded;
    encoded_init(&encoded, 0);
    keep(&encoded, 1);
    assert_null(encoded.slots);
    assert_false(holds(&encoded, 1));
    encoded_fini(&encoded);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(what_was_kept_is_found),       cmocka_unit_test(the_oldest_are_written_over_and_never_shown_in_part),
        cmocka_unit_test(a_slot_is_the_last_ones),      cmocka_unit_test(what_is_too_large_is_not_kept),
        cmocka_unit_test(without_room_nothing_is_made),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
