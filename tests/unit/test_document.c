/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Merge patches: the examples of RFC 7396 appendix A, and random ones against the pseudocode of its section 2, written on another tree. */
#include "broker/core/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/pack.h"
#include "tests/sim/dice.h"

static void put_json(struct buffer *out, const char *text) {
    buffer_init(out, 1 << 20);
    assert_int_equal(json_to_pack(span_of_text(text), AHORA_DEPTH_MAX, out, NULL), AHORA_OK);
}

static void assert_merges(const char *target, const char *patch, const char *wanted) {
    struct buffer old;
    struct buffer change;
    struct buffer made;
    struct buffer text;

    put_json(&old, target);
    put_json(&change, patch);
    buffer_init(&made, 1 << 20);
    buffer_init(&text, 1 << 20);
    assert_int_equal(document_merge(&made, buffer_span(&old), buffer_span(&change)), AHORA_OK);
    json_put(&text, buffer_span(&made));
    buffer_put_byte(&text, '\0');
    assert_string_equal((const char *)text.data, wanted);
    buffer_fini(&old);
    buffer_fini(&change);
    buffer_fini(&made);
    buffer_fini(&text);
}

/* Those of the appendix whose target and patch are maps: nothing else is a document here. */
static void the_examples_of_the_standard_hold(void **state) {
    (void)state;
    assert_merges("{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    assert_merges("{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}");
    assert_merges("{\"a\":\"b\"}", "{\"a\":null}", "{}");
    assert_merges("{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}");
    assert_merges("{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
    assert_merges("{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}");
    assert_merges("{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}");
    assert_merges("{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}");
    assert_merges("{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}");
    assert_merges("{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}");
}

static void fields_keep_their_order_and_new_ones_follow(void **state) {
    (void)state;
    assert_merges("{\"c\":1,\"a\":2,\"b\":3}", "{\"z\":1,\"a\":9,\"c\":null,\"y\":2}", "{\"a\":9,\"b\":3,\"z\":1,\"y\":2}");
}

static void an_empty_target_counts_as_an_empty_map(void **state) {
    struct buffer patch;
    struct buffer made;

    (void)state;
    put_json(&patch, "{\"a\":1,\"b\":null}");
    buffer_init(&made, 100);
    assert_int_equal(document_merge(&made, (struct span){0}, buffer_span(&patch)), AHORA_OK);
    assert_true(span_equal(buffer_span(&made), span_of("\x81\xa1"
                                                       "a\x01",
                                                       4)));
    buffer_fini(&patch);
    buffer_fini(&made);
}

static void what_does_not_fit_is_too_large(void **state) {
    struct buffer target;
    struct buffer patch;
    struct buffer made;

    (void)state;
    put_json(&target, "{\"a\":\"0123456789\"}");
    put_json(&patch, "{\"b\":\"0123456789\"}");
    buffer_init(&made, 20);
    assert_int_equal(document_merge(&made, buffer_span(&target), buffer_span(&patch)), AHORA_TOO_LARGE);
    buffer_fini(&target);
    buffer_fini(&patch);
    buffer_fini(&made);
}

static void put_wide(struct buffer *out, const char *prefix, uint32_t count, int64_t value) {
    buffer_init(out, 1 << 20);
    pack_put_map(out, count);
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_byte(out, 0xa5);
        buffer_put_text(out, prefix);
        for (uint32_t digit = 1000; digit > 0; digit /= 10) {
            buffer_put_byte(out, (uint8_t)('0' + i / digit % 10));
        }
        pack_put_int(out, value);
    }
}

static void a_map_grows_to_its_bound_and_not_past_it(void **state) {
    struct buffer target;
    struct buffer patch;
    struct buffer made;

    (void)state;
    put_wide(&target, "a", 1000, 1);
    put_wide(&patch, "b", 24, 1);
    buffer_init(&made, 1 << 20);
    assert_int_equal(document_merge(&made, buffer_span(&target), buffer_span(&patch)), AHORA_OK);
    buffer_fini(&patch);
    put_wide(&patch, "b", 25, 1);
    assert_int_equal(document_merge(&made, buffer_span(&target), buffer_span(&patch)), AHORA_INVALID);
    buffer_fini(&target);
    buffer_fini(&patch);
    buffer_fini(&made);
}

/* The patch names all fields of the target, so all are replaced where they are: the result is the patch. */
static void every_field_of_the_widest_maps_is_found(void **state) {
    struct buffer target;
    struct buffer patch;
    struct buffer made;

    (void)state;
    put_wide(&target, "a", AHORA_MAP_ENTRIES_MAX, 1);
    put_wide(&patch, "a", AHORA_MAP_ENTRIES_MAX, 2);
    buffer_init(&made, 1 << 20);
    assert_int_equal(document_merge(&made, buffer_span(&target), buffer_span(&patch)), AHORA_OK);
    assert_true(span_equal(buffer_span(&made), buffer_span(&patch)));
    buffer_fini(&target);
    buffer_fini(&patch);
    buffer_fini(&made);
}

static void wide_maps_keep_their_order_too(void **state) {
    struct buffer target;
    struct buffer patch;
    struct buffer made;

    (void)state;
    put_wide(&target, "a", 100, 1);
    put_wide(&patch, "b", 100, 2);
    buffer_init(&made, 1 << 20);
    assert_int_equal(document_merge(&made, buffer_span(&target), buffer_span(&patch)), AHORA_OK);
    const size_t body = target.bytes - 3; /* without the head of a map */
    assert_int_equal(made.bytes, 3 + 2 * body);
    assert_memory_equal(made.data + 3, target.data + 3, body);
    assert_memory_equal(made.data + 3 + body, patch.data + 3, body);
    buffer_fini(&target);
    buffer_fini(&patch);
    buffer_fini(&made);
}

static void documents_are_counted(void **state) {
    (void)state;
    struct document *document = document_create(span_of("\x80", 1));
    assert_ptr_equal(document_ref(document), document);
    assert_int_equal(document->refs, 2);
    document_unref(document);
    assert_true(span_equal(document_span(document), span_of("\x80", 1)));
    document_unref(document);
    document_unref(NULL);
}

/* ---- the second implementation: values as a tree of numbered slots ---- */

#define SLOTS 64

/* Few slots make small maps, which are compared; many make wide ones, which are indexed. */
static unsigned slots_used = 4;

enum value_type {
    NIL,
    NUMBER,
    MAP,
};

struct value {
    enum value_type type;
    int64_t number;
    struct value *slots[SLOTS]; /* by slot_name */
};

/* Names of three lengths, in an order of their own. */
static struct span slot_name(unsigned slot) {
    static const char text[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.-bcd";
    return span_of(text + slot, 1 + slot % 3);
}

static struct value *value_create(enum value_type type) {
    struct value *value = calloc(1, sizeof *value);
    assert_non_null(value);
    value->type = type;
    return value;
}

static void value_destroy(struct value *value) {
    for (unsigned i = 0; value != NULL && i < SLOTS; i++) {
        value_destroy(value->slots[i]);
    }
    free(value);
}

static struct value *value_draw(struct dice *dice, unsigned depth, bool map) {
    struct value *value = value_create(map || (depth > 0 && dice_chance(dice, 400)) ? MAP
                                       : dice_chance(dice, 300)                     ? NIL
                                                                                    : NUMBER);
    value->number = value->type == NUMBER ? dice_between(dice, 0, 9) : 0;
    for (unsigned i = 0; value->type == MAP && i < slots_used; i++) {
        value->slots[i] = dice_chance(dice, 500) ? value_draw(dice, depth == 0 ? 0 : depth - 1, false) : NULL;
    }
    return value;
}

static void value_put(struct buffer *out, const struct value *value) {
    if (value->type == NIL) {
        pack_put_nil(out);
    } else if (value->type == NUMBER) {
        pack_put_int(out, value->number);
    } else {
        uint32_t count = 0;
        for (unsigned i = 0; i < SLOTS; i++) {
            count += value->slots[i] != NULL;
        }
        pack_put_map(out, count);
        for (unsigned i = 0; i < SLOTS; i++) {
            if (value->slots[i] != NULL) {
                pack_put_text(out, slot_name(i));
                value_put(out, value->slots[i]);
            }
        }
    }
}

static bool value_is(const struct value *value, struct span packed) {
    struct pack_reader reader = pack_reader_of(packed);
    if (value->type == NIL) {
        return pack_peek(&reader) == PACK_NIL;
    }
    if (value->type == NUMBER) {
        return pack_peek(&reader) == PACK_INT && pack_read_int(&reader) == value->number;
    }
    uint32_t count = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct span field = pack_find_key(packed, slot_name(i));
        if ((field.data != NULL) != (value->slots[i] != NULL) || (field.data != NULL && !value_is(value->slots[i], field))) {
            return false;
        }
        count += field.data != NULL;
    }
    return pack_peek(&reader) == PACK_MAP && pack_read_map(&reader) == count;
}

static struct value *value_copy(const struct value *value) {
    struct value *copy = value_create(value->type);
    copy->number = value->number;
    for (unsigned i = 0; i < SLOTS; i++) {
        copy->slots[i] = value->slots[i] == NULL ? NULL : value_copy(value->slots[i]);
    }
    return copy;
}

/* MergePatch(Target, Patch) of section 2, word for word. Takes the target. */
static struct value *value_merge(struct value *target, const struct value *patch) {
    if (patch->type != MAP) {
        value_destroy(target);
        return value_copy(patch);
    }
    if (target == NULL || target->type != MAP) {
        value_destroy(target);
        target = value_create(MAP);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct value *field = patch->slots[i];
        if (field != NULL && field->type == NIL) {
            value_destroy(target->slots[i]);
            target->slots[i] = NULL;
        } else if (field != NULL) {
            target->slots[i] = value_merge(target->slots[i], field);
        }
    }
    return target;
}

static void one_random_patch_agrees(struct dice *dice, unsigned depth, unsigned target_slots, unsigned patch_slots) {
    slots_used = target_slots;
    struct value *target = value_draw(dice, depth, true);
    slots_used = patch_slots;
    struct value *patch = value_draw(dice, depth, true);
    struct buffer old;
    struct buffer change;
    struct buffer made;
    buffer_init(&old, 1 << 20);
    buffer_init(&change, 1 << 20);
    buffer_init(&made, 1 << 20);
    value_put(&old, target);
    value_put(&change, patch);
    assert_int_equal(document_merge(&made, buffer_span(&old), buffer_span(&change)), AHORA_OK);
    target = value_merge(target, patch);
    size_t used = 0;
    assert_int_equal(pack_check(buffer_span(&made), AHORA_DEPTH_MAX, &used), PACK_FINE);
    assert_int_equal(used, made.bytes);
    assert_true(value_is(target, buffer_span(&made)));
    value_destroy(target);
    value_destroy(patch);
    buffer_fini(&old);
    buffer_fini(&change);
    buffer_fini(&made);
}

static void random_patches_agree_with_the_pseudocode(void **state) {
    struct dice dice = {21};

    (void)state;
    for (int i = 0; i < 5000; i++) {
        one_random_patch_agrees(&dice, 4, 4, 4);
    }
}

/* Both wide, or one of them: compared in the one case, indexed in the other. */
static void random_patches_of_wide_maps_agree_with_the_pseudocode(void **state) {
    struct dice dice = {22};

    (void)state;
    for (int i = 0; i < 500; i++) {
        one_random_patch_agrees(&dice, 1, SLOTS, SLOTS);
        one_random_patch_agrees(&dice, 1, SLOTS, 4);
        one_random_patch_agrees(&dice, 1, 4, SLOTS);
        one_random_patch_agrees(&dice, 0, 34, 34); /* about 16 fields each, where the one way ends */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard_hold),
        cmocka_unit_test(fields_keep_their_order_and_new_ones_follow),
        cmocka_unit_test(an_empty_target_counts_as_an_empty_map),
        cmocka_unit_test(what_does_not_fit_is_too_large),
        cmocka_unit_test(a_map_grows_to_its_bound_and_not_past_it),
        cmocka_unit_test(documents_are_counted),
        cmocka_unit_test(random_patches_agree_with_the_pseudocode),
        cmocka_unit_test(random_patches_of_wide_maps_agree_with_the_pseudocode),
        cmocka_unit_test(every_field_of_the_widest_maps_is_found),
        cmocka_unit_test(wide_maps_keep_their_order_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
