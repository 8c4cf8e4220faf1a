/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a mask shows, and that masked patches keep a masked document right, whatever the documents and patches are. */
#include "broker/core/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "broker/core/document.h"
#include "proto/json.h"

static struct buffer packed_of(const char *json) {
    struct buffer out;
    const char *detail;
    buffer_init(&out, 65536);
    assert_int_equal(json_to_pack(span_of_text(json), 12, &out, &detail), AHORA_OK);
    return out;
}

static struct buffer mask_of(const char *fields) {
    struct buffer packed = packed_of(fields);
    struct buffer mask;
    buffer_init(&mask, 65536);
    assert_null(mask_compile(buffer_span(&packed), &mask));
    buffer_fini(&packed);
    return mask;
}

static void assert_shown(const char *fields, const char *json, bool is_patch, const char *expected) {
    struct buffer mask = mask_of(fields);
    struct buffer map = packed_of(json);
    struct buffer out;
    struct buffer text;
    buffer_init(&out, 65536);
    buffer_init(&text, 65536);
    if (!is_patch) {
        mask_put(&out, buffer_span(&mask), buffer_span(&map));
    } else if (!mask_put_patch(&out, buffer_span(&mask), buffer_span(&map))) {
        assert_null(expected);
        assert_int_equal(out.bytes, 0);
    }
    if (out.bytes > 0) {
        size_t used;
        assert_int_equal(pack_check(buffer_span(&out), 16, &used), PACK_FINE);
        json_put(&text, buffer_span(&out));
        buffer_put_byte(&text, '\0');
        assert_string_equal((const char *)text.data, expected);
    }
    buffer_fini(&mask);
    buffer_fini(&map);
    buffer_fini(&out);
    buffer_fini(&text);
}

static void test_documents(void **state) {
    (void)state;
    const char *document =
        "{\"available\":3,\"cost\":9,\"position\":{\"lat\":1.5,\"lon\":2.5,\"accuracy\":{\"m\":4}},\"a.b\":null}";
    assert_shown("[\"available\"]", document, false, "{\"available\":3}");
    assert_shown("[]", document, false, "{}");
    assert_shown("[\"position\"]", document, false, "{\"position\":{\"lat\":1.5,\"lon\":2.5,\"accuracy\":{\"m\":4}}}");
    assert_shown("[\"position.lat\",\"cost\"]", document, false, "{\"cost\":9,\"position\":{\"lat\":1.5}}");
    assert_shown("[\"position.lat\",\"position\"]", document, false,
                 "{\"position\":{\"lat\":1.5,\"lon\":2.5,\"accuracy\":{\"m\":4}}}");
    assert_shown("[\"position.accuracy.x\"]", document, false, "{\"position\":{\"accuracy\":{}}}");
    assert_shown("[\"available.deep\"]", document, false, "{}");
    assert_shown("[\"/a.b\"]", document, false, "{\"a.b\":null}");
}

static void test_patches(void **state) {
    (void)state;
    assert_shown("[\"available\"]", "{\"cost\":1}", true, NULL);
    assert_shown("[\"available\"]", "{\"cost\":1,\"available\":null}", true, "{\"available\":null}");
    assert_shown("[\"position.lat\"]", "{\"position\":{\"lon\":1.0}}", true, "{\"position\":{}}");
    assert_shown("[\"position.lat\"]", "{\"position\":7}", true, "{\"position\":null}");
    assert_shown("[\"position.lat\"]", "{\"position\":null}", true, "{\"position\":null}");
}

static void test_equal_masks_have_equal_bytes(void **state) {
    (void)state;
    struct buffer a = mask_of("[\"b\",\"a.x\",\"/a/y\",\"a.x\",\"c.d.e\",\"c\"]");
    struct buffer b = mask_of("[\"c\",\"a.y\",\"b\",\"/a/x\"]");
    assert_true(span_equal(buffer_span(&a), buffer_span(&b)));
    buffer_fini(&a);
    buffer_fini(&b);
}

static void test_what_is_asked_for(void **state) {
    (void)state;
    struct buffer mask = mask_of("[\"a.x\",\"b\"]");
    const struct span path[] = {span_of_text("a"), span_of_text("x"), span_of_text("deep")};
    const struct span other = span_of_text("b");
    assert_false(mask_shows(buffer_span(&mask), path, 1));
    assert_true(mask_shows(buffer_span(&mask), path, 2));
    assert_true(mask_shows(buffer_span(&mask), path, 3));
    assert_true(mask_shows(buffer_span(&mask), &other, 1));
    assert_false(mask_shows(buffer_span(&mask), path + 2, 1));
    buffer_fini(&mask);
}

/* ---- the property ---- */

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void make_value(uint64_t *state, struct buffer *out, unsigned depth, bool patch);

static void make_map(uint64_t *state, struct buffer *out, unsigned depth, bool patch) {
    static const char *const names[] = {"a", "b", "c"};
    const unsigned which = (unsigned)(next_random(state) % 8);
    pack_put_map(out, (which & 1) + (which >> 1 & 1) + (which >> 2 & 1));
    for (unsigned i = 0; i < 3; i++) {
        if (which >> i & 1) {
            pack_put_key(out, names[i]);
            make_value(state, out, depth, patch);
        }
    }
}

/* No null in documents: a merge patch cannot make one. */
static void make_value(uint64_t *state, struct buffer *out, unsigned depth, bool patch) {
    const unsigned kind = (unsigned)(next_random(state) % 5);
    if (kind < 3 && depth > 0) {
        make_map(state, out, depth - 1, patch);
    } else if (kind == 3 && patch) {
        pack_put_nil(out);
    } else {
        pack_put_int(out, (int64_t)(next_random(state) % 3));
    }
}

static bool same_value(struct span a, struct span b) {
    struct pack_reader left = pack_reader_of(a);
    const struct pack_reader right = pack_reader_of(b);
    if (pack_peek(&left) != PACK_MAP || pack_peek(&right) != PACK_MAP) {
        return span_equal(a, b);
    }
    struct pack_reader count = right;
    uint32_t entries = pack_read_map(&left);
    if (entries != pack_read_map(&count)) {
        return false;
    }
    for (; entries > 0; entries--) {
        const struct span key = pack_read_text(&left);
        const struct span value = pack_skip(&left);
        const struct span other = pack_find_key(b, key);
        if (other.bytes == 0 || !same_value(value, other)) {
            return false;
        }
    }
    return true;
}

static void test_masked_patches_make_masked_documents(void **state) {
    (void)state;
    static const char *const masks[] = {"[\"a\"]", "[\"a.b\"]",          "[\"a.b.c\",\"b\"]", "[\"a.a\",\"a.b\",\"c.c\"]",
                                        "[]",      "[\"a\",\"b\",\"c\"]"};
    uint64_t seed = 99;
    for (int i = 0; i < 60000; i++) {
        struct buffer mask = mask_of(masks[i % 6]);
        struct buffer document, patch, made, shown, expected, masked_patch, followed;
        struct buffer *const all[] = {&document, &patch, &made, &shown, &expected, &masked_patch, &followed};
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
            buffer_init(all[j], 65536);
        }
        make_map(&seed, &document, 3, false);
        make_map(&seed, &patch, 3, true);
        assert_int_equal(document_merge(&made, buffer_span(&document), buffer_span(&patch)), AHORA_OK);
        mask_put(&expected, buffer_span(&mask), buffer_span(&made));
        mask_put(&shown, buffer_span(&mask), buffer_span(&document));
        if (mask_put_patch(&masked_patch, buffer_span(&mask), buffer_span(&patch))) {
            assert_int_equal(document_merge(&followed, buffer_span(&shown), buffer_span(&masked_patch)), AHORA_OK);
        } else {
            buffer_put_span(&followed, buffer_span(&shown));
        }
        assert_true(same_value(buffer_span(&expected), buffer_span(&followed)));
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
            buffer_fini(all[j]);
        }
        buffer_fini(&mask);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_equal_masks_have_equal_bytes),
        cmocka_unit_test(test_what_is_asked_for),
        cmocka_unit_test(test_masked_patches_make_masked_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
