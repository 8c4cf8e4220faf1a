/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * JSON at the edge: what the vectors cannot say (bounds, memory, bytes that are not text), and random values against jansson.
 */
#include "proto/json.h"
#include "proto/json_plain.h"
#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (1 << 20)

static void failure_leaves_the_buffer_as_it_was(void **state) {
    struct buffer out;
    const char *detail = NULL;

    (void)state;
    buffer_init(&out, 10);
    buffer_put_text(&out, "abc");
    assert_int_equal(json_to_pack(span_of_text("[1,2,"), AHORA_DEPTH_MAX, &out, &detail), AHORA_BAD_MESSAGE);
    assert_string_equal(detail, "ends inside a JSON value");
    assert_true(span_is(buffer_span(&out), "abc") && !out.failed);
    assert_int_equal(json_to_pack(span_of_text("\"12345678\""), AHORA_DEPTH_MAX, &out, &detail), AHORA_TOO_LARGE);
    assert_string_equal(detail, "does not fit");
    assert_true(span_is(buffer_span(&out), "abc") && !out.failed);
    assert_int_equal(json_to_pack(span_of_text("\"123456\""), AHORA_DEPTH_MAX, &out, NULL), AHORA_OK);
    assert_true(span_is(buffer_span(&out), "abc\xa6"
                                           "123456"));
    buffer_fini(&out);
}

static void failed_buffer_stays_failed(void **state) {
    struct buffer out = {0};

    (void)state;
    buffer_put_byte(&out, 'x');
    assert_int_equal(json_to_pack(span_of_text("1"), AHORA_DEPTH_MAX, &out, NULL), AHORA_TOO_LARGE);
    assert_true(out.failed);
}

static void depth_is_counted_outside_of_text_only(void **state) {
    struct buffer out;

    (void)state;
    buffer_init(&out, BYTES_MAX);
    assert_int_equal(json_to_pack(span_of_text("5"), 0, &out, NULL), AHORA_OK);
    assert_int_equal(json_to_pack(span_of_text("[]"), 0, &out, NULL), AHORA_BAD_MESSAGE);
    assert_int_equal(json_to_pack(span_of_text("[[],{}]"), 2, &out, NULL), AHORA_OK);
    assert_int_equal(json_to_pack(span_of_text("[{\"a\":[]}]"), 2, &out, NULL), AHORA_BAD_MESSAGE);
    assert_int_equal(json_to_pack(span_of_text("[\"\\\"[[[\",\"\\\\\",\"{\"]"), 1, &out, NULL), AHORA_OK);
    buffer_fini(&out);
}

static void bytes_that_are_not_text_are_refused(void **state) {
    static const struct span rows[] = {
        {(const uint8_t *)"\"\xff\"", 3},
        {(const uint8_t *)"\"\xc0\xaf\"", 4},
        {(const uint8_t *)"\"\xed\xa0\x80\"", 5},
        {(const uint8_t *)"\"\xf4\x90\x80\x80\"", 6},
        {(const uint8_t *)"\"\xe2\x82\"", 4},
        {(const uint8_t *)"\"a\0b\"", 5},
        {(const uint8_t *)"\0", 1},
        {(const uint8_t *)"1\0", 2},
        {(const uint8_t *)"[1\0]", 4},
        {(const uint8_t *)"\xff\xfe", 2},
        {NULL, 0},
    };
    struct buffer out;

    (void)state;
    buffer_init(&out, BYTES_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(json_to_pack(rows[i], AHORA_DEPTH_MAX, &out, NULL), AHORA_BAD_MESSAGE);
        assert_int_equal(out.bytes, 0);
    }
    buffer_fini(&out);
}

static void text_of_a_million_brackets_is_refused_at_once(void **state) {
    static char text[1 << 20];
    struct buffer out;

    (void)state;
    memset(text, '[', sizeof(text));
    buffer_init(&out, BYTES_MAX);
    assert_int_equal(json_to_pack(span_of(text, sizeof(text)), 32, &out, NULL), AHORA_BAD_MESSAGE);
    buffer_fini(&out);
}

/* A list of `count` times `item`. */
static void list_text_put(struct buffer *out, unsigned count, const char *item) {
    buffer_put_byte(out, '[');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0) {
            buffer_put_byte(out, ',');
        }
        buffer_put_text(out, item);
    }
    buffer_put_byte(out, ']');
}

static size_t heap_used, heap_peak;

static void *heap_take(size_t bytes) {
    void *memory = malloc(bytes);

    heap_used += malloc_usable_size(memory);
    heap_peak = heap_used > heap_peak ? heap_used : heap_peak;
    return memory;
}

static void heap_give(void *memory) {
    heap_used -= malloc_usable_size(memory);
    free(memory);
}

static void reading_stays_within_the_promised_memory(void **state) {
    static const char *const items[] = {"[]",        "{}",  "[[]]", "[1]",       "1",    "\"\"",   "\"a\"",
                                        "{\"a\":1}", "1.5", "null", "{\"\":{}}", "[{}]", "[[],[]]"};
    json_malloc_t malloc_before;
    json_free_t free_before;
    struct buffer text, out;

    (void)state;
    json_get_alloc_funcs(&malloc_before, &free_before);
    json_set_alloc_funcs(heap_take, heap_give);
    buffer_init(&text, BYTES_MAX);
    buffer_init(&out, BYTES_MAX);
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        buffer_clear(&text, BYTES_MAX);
        buffer_clear(&out, BYTES_MAX);
        list_text_put(&text, 17000, items[i]);
        heap_peak = 0;
        assert_int_equal(json_tree_to_pack(buffer_span(&text), AHORA_DEPTH_MAX, SIZE_MAX, &out, NULL), AHORA_OK);
        assert_int_equal(heap_used, 0);
        if (heap_peak > JSON_MEMORY_FACTOR * text.bytes) {
            fail_msg("%s: %zu bytes for each byte", items[i], heap_peak / text.bytes);
        }
    }
    json_set_alloc_funcs(malloc_before, free_before);
    buffer_fini(&text);
    buffer_fini(&out);
}

static void *heap_refuse(size_t bytes) {
    (void)bytes;
    return NULL;
}

static void want_of_memory_is_told(void **state) {
    struct buffer out;
    json_malloc_t malloc_before;
    json_free_t free_before;

    (void)state;
    json_get_alloc_funcs(&malloc_before, &free_before);
    json_set_alloc_funcs(heap_refuse, free);
    buffer_init(&out, BYTES_MAX);
    assert_int_not_equal(json_tree_to_pack(span_of_text("[\"a\"]"), AHORA_DEPTH_MAX, SIZE_MAX, &out, NULL), AHORA_OK);
    json_set_alloc_funcs(malloc_before, free_before);
    buffer_fini(&out);
}

static void both_ways_must_agree(struct span text, unsigned depth_max, size_t values_max, bool is_plain) {
    struct buffer plain, tree;

    buffer_init(&plain, BYTES_MAX);
    buffer_init(&tree, BYTES_MAX);
    buffer_put_text(&plain, "abc");
    buffer_put_text(&tree, "abc");
    if (json_plain_to_pack(text, depth_max, values_max, &plain) != is_plain) {
        fail_msg("%.*s was%s taken", (int)text.bytes, (const char *)text.data, is_plain ? " not" : "");
    }
    if (is_plain) {
        assert_int_equal(json_tree_to_pack(text, depth_max, values_max, &tree, NULL), AHORA_OK);
    }
    assert_true(span_equal(buffer_span(&plain), buffer_span(&tree)) && !plain.failed);
    buffer_fini(&plain);
    buffer_fini(&tree);
}

static void the_short_way_takes_what_is_usual_and_nothing_that_is_wrong(void **state) {
    static const char *const taken[] = {
        "0",
        "-0",
        "-0.0",
        "999999999999999999",
        "9223372036854775807",
        "-9223372036854775807",
        "1e5",
        "1E-5",
        "0.25",
        " [ ] ",
        "{ }\r\n\t",
        "true",
        "[false,null]",
        "{\"a\":1,\"b\":{\"a\":[1,2.5,\"x\"]}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\"",
        "\"é😀\x7f\"",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]",
        "\"\"",
        "{\"\":\"\"}",
        "\"1234567890123456789012345678901\"",
        "\"12345678901234567890123456789012\"",
    };
    static const char *const left[] = {
        "",
        " ",
        "[",
        "{",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\n\"",
        "\"\xff\"",
        "\"\xe2\x82\"",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "1e999",
        "9999999999999999999",
        "9223372036854775808",
        "-9223372036854775808",
        "10000000000000000000",
        "NaN",
        "tru",
        "truex",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1,\"a\":2}",
        "{\"\\u0061\":1}",
        "{1:2}",
        "1 2",
        "[]]",
        "//",
        "'a'",
        "\xef\xbb\xbf[]",
        "0.00000000000000000000000000000000000000000000001",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        both_ways_must_agree(span_of_text(taken[i]), AHORA_DEPTH_MAX, SIZE_MAX, true);
    }
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        both_ways_must_agree(span_of_text(left[i]), AHORA_DEPTH_MAX, SIZE_MAX, false);
    }
    both_ways_must_agree(span_of("[1\0]", 4), AHORA_DEPTH_MAX, SIZE_MAX, false);
    both_ways_must_agree(span_of_text("[[1]]"), 2, 3, true);
    both_ways_must_agree(span_of_text("[[1]]"), 1, 3, false);
    both_ways_must_agree(span_of_text("[[1]]"), 2, 2, false);
    both_ways_must_agree(span_of_text("[1,2]"), 2, 3, true);
    both_ways_must_agree(span_of_text("[1,2]"), 2, 2, false);
    both_ways_must_agree(span_of_text("1"), 0, 1, true);
    both_ways_must_agree(span_of_text("1"), 0, 0, false);
}

/* Where the head of a list grows: 15, 16, 65,535 and 65,536 items; of a map with up to 32 entries. */
static void heads_grow_when_a_list_or_map_closes(void **state) {
    static const unsigned counts[] = {0, 1, 15, 16, 17, 65535, 65536};
    struct buffer text;

    (void)state;
    buffer_init(&text, BYTES_MAX);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        buffer_clear(&text, BYTES_MAX);
        list_text_put(&text, counts[i], "[1,2]");
        both_ways_must_agree(buffer_span(&text), AHORA_DEPTH_MAX, SIZE_MAX, true);
    }
    for (unsigned count = 0; count <= 33; count++) {
        buffer_clear(&text, BYTES_MAX);
        buffer_put_text(&text, "[{");
        for (unsigned i = 0; i < count; i++) {
            buffer_put_text(&text, i > 0 ? ",\"k" : "\"k");
            buffer_put_decimal(&text, i);
            buffer_put_text(&text, "\":{}");
        }
        buffer_put_text(&text, "}]");
        both_ways_must_agree(buffer_span(&text), AHORA_DEPTH_MAX, SIZE_MAX, count <= 32);
    }
    buffer_fini(&text);
}

static void full_buffer_fails_the_writer(void **state) {
    struct buffer packed, out;

    (void)state;
    buffer_init(&packed, BYTES_MAX);
    assert_int_equal(json_to_pack(span_of_text("{\"a\":[1,2.5,\"x\\n\",null,true]}"), AHORA_DEPTH_MAX, &packed, NULL),
                     AHORA_OK);
    for (size_t room = 0; room < 29; room++) {
        buffer_init(&out, room);
        json_put(&out, buffer_span(&packed));
        assert_true(out.failed && out.bytes <= room);
        buffer_fini(&out);
    }
    buffer_fini(&packed);
}

/* ---- against jansson ---- */

struct random {
    uint64_t state;
};

static uint32_t random_below(struct random *random, uint32_t bound) {
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random->state >> 33) % bound);
}

static uint64_t random_bits(struct random *random) {
    return (uint64_t)random_below(random, 1u << 31) << 33 ^ (uint64_t)random_below(random, 1u << 31) << 11 ^
           random_below(random, 1u << 20);
}

static double random_float(struct random *random) {
    static const double scales[] = {1, 10, 100, 1e3, 1e7, 1e8, 1e9, 3, 7};
    uint64_t bits = random_bits(random);
    double number;

    if (random_below(random, 2) == 0) {
        return (double)((int64_t)bits >> random_below(random, 60)) / scales[random_below(random, 9)];
    }
    memcpy(&number, &bits, sizeof(number));
    return isfinite(number) ? number : 0.0;
}

static json_t *random_text(struct random *random) {
    static const char *const pieces[] = {
        "a", "\"", "\\", "/", "\n", "\x01", "\x1f", "\x7f", "é", "\xe2\x80\xa8", "😀", "plain text of some length"};
    char text[128] = "";

    for (uint32_t i = random_below(random, 5); i > 0; i--) {
        strcat(text, pieces[random_below(random, 12)]);
    }
    return json_string(text);
}

static json_t *random_value(struct random *random, unsigned depth) {
    uint32_t kind = random_below(random, depth > 12 ? 6 : 10);
    json_t *value;

    switch (kind) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(random_below(random, 2));
    case 2:
        return json_integer((json_int_t)random_bits(random) >> random_below(random, 64));
    case 3:
        return json_real(random_float(random));
    case 4:
    case 5:
        return random_text(random);
    case 6:
    case 7:
        value = json_array();
        for (uint32_t i = random_below(random, 5); i > 0; i--) {
            json_array_append_new(value, random_value(random, depth + 1));
        }
        return value;
    default:
        value = json_object();
        for (uint32_t i = random_below(random, 5); i > 0; i--) {
            json_t *key = random_text(random);

            json_object_set_new(value, json_string_value(key), random_value(random, depth + 1));
            json_decref(key);
        }
        return value;
    }
}

static void random_values_survive_the_way_there_and_back(void **state) {
    struct random random = {20261121};
    struct buffer packed, text, tree;

    (void)state;
    buffer_init(&packed, BYTES_MAX);
    buffer_init(&text, BYTES_MAX);
    for (int i = 0; i < 30000; i++) {
        json_t *value = random_value(&random, 0);
        char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        size_t used = 0;

        buffer_clear(&packed, BYTES_MAX);
        buffer_clear(&text, BYTES_MAX);
        assert_int_equal(json_to_pack(span_of_text(dumped), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
        assert_int_equal(pack_check(buffer_span(&packed), AHORA_DEPTH_MAX, &used), PACK_FINE);
        assert_int_equal(used, packed.bytes);
        buffer_init(&tree, BYTES_MAX);
        assert_int_equal(json_tree_to_pack(span_of_text(dumped), AHORA_DEPTH_MAX, SIZE_MAX, &tree, NULL), AHORA_OK);
        assert_true(span_equal(buffer_span(&packed), buffer_span(&tree)));
        buffer_fini(&tree);
        json_put(&text, buffer_span(&packed));
        json_t *reread = json_loadb((const char *)text.data, text.bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (reread == NULL || !json_equal(value, reread)) {
            fail_msg("%s became %.*s", dumped, (int)text.bytes, (const char *)text.data);
        }
        json_decref(reread);
        json_decref(value);
        free(dumped);
    }
    buffer_fini(&packed);
    buffer_fini(&text);
}

static size_t digits_of(const char *text, size_t bytes) {
    size_t count = 0;

    for (size_t i = 0; i < bytes && text[i] != 'e'; i++) {
        count += text[i] >= '0' && text[i] <= '9';
    }
    return count;
}

/* The writer has a way of its own for few decimals: it must agree with printf about what is shortest. */
static void decimals_are_as_short_as_printf_can_make_them(void **state) {
    struct random random = {7};
    struct buffer packed, text;

    (void)state;
    buffer_init(&packed, 64);
    buffer_init(&text, 64);
    for (int i = 0; i < 100000; i++) {
        double value = random_float(&random);
        char wanted[40];

        buffer_clear(&packed, 64);
        buffer_clear(&text, 64);
        pack_put_float(&packed, value);
        json_put(&text, buffer_span(&packed));
        buffer_put_byte(&text, '\0');
        assert_true(strtod((const char *)text.data, NULL) == value);
        assert_non_null(strpbrk((const char *)text.data, ".e"));
        snprintf(wanted, sizeof(wanted), "%.15g", value);
        if (strtod(wanted, NULL) == value && strchr(wanted, '.') != NULL) {
            assert_int_equal(digits_of((const char *)text.data, text.bytes), digits_of(wanted, strlen(wanted)));
        }
    }
    buffer_fini(&packed);
    buffer_fini(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_leaves_the_buffer_as_it_was),
        cmocka_unit_test(failed_buffer_stays_failed),
        cmocka_unit_test(depth_is_counted_outside_of_text_only),
        cmocka_unit_test(bytes_that_are_not_text_are_refused),
        cmocka_unit_test(text_of_a_million_brackets_is_refused_at_once),
        cmocka_unit_test(reading_stays_within_the_promised_memory),
        cmocka_unit_test(want_of_memory_is_told),
        cmocka_unit_test(the_short_way_takes_what_is_usual_and_nothing_that_is_wrong),
        cmocka_unit_test(heads_grow_when_a_list_or_map_closes),
        cmocka_unit_test(full_buffer_fails_the_writer),
        cmocka_unit_test(random_values_survive_the_way_there_and_back),
        cmocka_unit_test(decimals_are_as_short_as_printf_can_make_them),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
