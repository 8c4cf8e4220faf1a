/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* `where`: what is read, what is refused and where, what matches; and the index against a look at each. */
#include "broker/core/where.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/where_index.h"
#include "proto/json.h"
#include "tests/sim/dice.h"

static struct limits limits;

static struct span pack(struct buffer *out, const char *json) {
    const char *detail = NULL;
    buffer_init(out, SIZE_MAX);
    assert_int_equal(json_to_pack(span_of_text(json), AHORA_DEPTH_MAX, out, &detail), AHORA_OK);
    return buffer_span(out);
}

static enum ahora_code parse(const char *json, struct where **where, struct request_fault *fault) {
    struct buffer packed;
    struct span map = pack(&packed, json);
    limits_default(&limits);
    enum ahora_code code = where_parse(map, &limits, where, fault);
    buffer_fini(&packed); /* what was parsed is a copy */
    return code;
}

static bool matches(const char *conditions, const char *document) {
    struct where *where = NULL;
    struct request_fault fault;
    struct buffer packed;
    assert_int_equal(parse(conditions, &where, &fault), AHORA_OK);
    bool found = where_matches(where, pack(&packed, document));
    buffer_fini(&packed);
    where_unref(where);
    return found;
}

static void each_operator_holds_where_it_should(void **state) {
    (void)state;
    static const struct {
        const char *where, *document;
        bool holds;
    } cases[] = {
        {"{\"a\":{\"eq\":1}}", "{\"a\":1}", true},
        {"{\"a\":{\"eq\":1}}", "{\"a\":1.0}", true},
        {"{\"a\":{\"eq\":1.0}}", "{\"a\":1}", true},
        {"{\"a\":{\"eq\":1}}", "{\"a\":\"1\"}", false},
        {"{\"a\":{\"eq\":1}}", "{\"a\":true}", false},
        {"{\"a\":{\"eq\":0}}", "{\"a\":-0.0}", true},
        {"{\"a\":{\"eq\":null}}", "{\"a\":null}", true},
        {"{\"a\":{\"eq\":null}}", "{}", false},
        {"{\"a\":{\"eq\":true}}", "{\"a\":true}", true},
        {"{\"a\":{\"eq\":\"x\"}}", "{\"a\":[\"x\"]}", false},
        {"{\"a\":{\"ne\":1}}", "{\"a\":2}", true},
        {"{\"a\":{\"ne\":1}}", "{\"a\":1.0}", false},
        {"{\"a\":{\"ne\":1}}", "{\"a\":\"1\"}", true},
        {"{\"a\":{\"ne\":1}}", "{}", true},
        {"{\"a\":{\"ne\":1}}", "{\"a\":{}}", true},
        {"{\"a\":{\"lt\":2}}", "{\"a\":1.5}", true},
        {"{\"a\":{\"lt\":2}}", "{\"a\":2}", false},
        {"{\"a\":{\"lte\":2}}", "{\"a\":2.0}", true},
        {"{\"a\":{\"gt\":2}}", "{\"a\":2.5}", true},
        {"{\"a\":{\"gt\":2}}", "{\"a\":2.0}", false},
        {"{\"a\":{\"lte\":2}}", "{\"a\":2.5}", false},
        {"{\"a\":{\"gte\":2}}", "{\"a\":1.5}", false},
        {"{\"a\":{\"gt\":2}}", "{\"a\":\"3\"}", false},
        {"{\"a\":{\"gte\":2}}", "{\"a\":2}", true},
        {"{\"a\":{\"gte\":2}}", "{}", false},
        {"{\"a\":{\"gte\":2}}", "{\"a\":null}", false},
        {"{\"a\":{\"gt\":9007199254740992}}", "{\"a\":9007199254740993}", true},
        {"{\"a\":{\"gt\":9007199254740992.0}}", "{\"a\":9007199254740993}", true},
        {"{\"a\":{\"lt\":9223372036854775807}}", "{\"a\":9223372036854775808.0}", false},
        {"{\"a\":{\"gt\":-9223372036854775808}}", "{\"a\":-1e300}", false},
        {"{\"a\":{\"lt\":\"b\"}}", "{\"a\":\"a\"}", true},
        {"{\"a\":{\"lt\":\"b\"}}", "{\"a\":\"ba\"}", false},
        {"{\"a\":{\"lt\":\"ba\"}}", "{\"a\":\"b\"}", true},
        {"{\"a\":{\"gt\":\"Z\"}}", "{\"a\":\"\u00e4\"}", true},
        {"{\"a\":{\"in\":[1,\"x\",null]}}", "{\"a\":null}", true},
        {"{\"a\":{\"in\":[1,\"x\",null]}}", "{\"a\":1.0}", true},
        {"{\"a\":{\"in\":[1,\"x\",null]}}", "{\"a\":2}", false},
        {"{\"a\":{\"in\":[1,\"x\",null]}}", "{}", false},
        {"{\"a\":{\"exists\":true}}", "{\"a\":null}", true},
        {"{\"a\":{\"exists\":true}}", "{}", false},
        {"{\"a\":{\"exists\":false}}", "{}", true},
        {"{\"a\":{\"exists\":false}}", "{\"a\":[]}", false},
        {"{\"a\":{\"gte\":1,\"lt\":3},\"b\":{\"eq\":\"x\"}}", "{\"a\":2,\"b\":\"x\"}", true},
        {"{\"a\":{\"gte\":1,\"lt\":3},\"b\":{\"eq\":\"x\"}}", "{\"a\":3,\"b\":\"x\"}", false},
        {"{\"a\":{\"gte\":1,\"lt\":3},\"b\":{\"eq\":\"x\"}}", "{\"a\":2}", false},
        {"{\"m.x\":{\"eq\":1}}", "{\"m\":{\"x\":1}}", true},
        {"{\"m.x\":{\"eq\":1}}", "{\"m.x\":1}", false},
        {"{\"/m.x\":{\"eq\":1}}", "{\"m.x\":1}", true},
        {"{\"/m/x\":{\"eq\":1}}", "{\"m\":{\"x\":1}}", true},
        {"{\"/a~1b/c~0d\":{\"eq\":1}}", "{\"a/b\":{\"c~d\":1}}", true},
        {"{\"/\":{\"eq\":1}}", "{\"\":1}", true},
        {"{\"m.0\":{\"exists\":true}}", "{\"m\":[1]}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (matches(cases[i].where, cases[i].document) != cases[i].holds) {
            fail_msg("%s on %s must %shold", cases[i].where, cases[i].document, cases[i].holds ? "" : "not ");
        }
    }
}

static void what_is_wrong_is_named_by_a_pointer(void **state) {
    (void)state;
    static const struct {
        const char *where, *pointer;
    } cases[] = {
        {"{}", "/where"},
        {"[]", "/where"},
        {"{\"a\":1}", "/where/a"},
        {"{\"a\":{}}", "/where/a"},
        {"{\"a\":{\"like\":1}}", "/where/a"},
        {"{\"a\":{\"eq\":[1]}}", "/where/a/eq"},
        {"{\"a\":{\"ne\":{}}}", "/where/a/ne"},
        {"{\"a\":{\"lt\":null}}", "/where/a/lt"},
        {"{\"a\":{\"gte\":true}}", "/where/a/gte"},
        {"{\"a\":{\"in\":1}}", "/where/a/in"},
        {"{\"a\":{\"in\":[]}}", "/where/a/in"},
        {"{\"a\":{\"in\":[1,[]]}}", "/where/a/in"},
        {"{\"a\":{\"exists\":1}}", "/where/a/exists"},
        {"{\"a/b~c\":{\"exists\":1}}", "/where/a~1b~0c/exists"},
        {"{\"\":{\"eq\":1}}", "/where/"},
        {"{\"a..b\":{\"eq\":1}}", "/where/a..b"},
        {"{\"a.\":{\"eq\":1}}", "/where/a."},
        {"{\"/a~2\":{\"eq\":1}}", "/where/~1a~02"},
        {"{\"a.b.c.d.e.f.g.h.i\":{\"eq\":1}}", "/where/a.b.c.d.e.f.g.h.i"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct where *where = NULL;
        struct request_fault fault;
        assert_int_equal(parse(cases[i].where, &where, &fault), AHORA_INVALID);
        assert_null(where);
        assert_string_equal(fault.pointer, cases[i].pointer);
        assert_non_null(fault.detail);
    }
}

static void what_is_too_much_is_refused(void **state) {
    (void)state;
    char text[8192];
    struct where *where = NULL;
    struct request_fault fault;
    for (int wanted = 16; wanted <= 17; wanted++) {
        size_t bytes = (size_t)snprintf(text, sizeof text, "{");
        for (int i = 0; i < wanted; i++) {
            bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "%s\"f%d\":{\"eq\":1}", i > 0 ? "," : "", i);
        }
        (void)snprintf(text + bytes, sizeof text - bytes, "}");
        assert_int_equal(parse(text, &where, &fault), wanted == 16 ? AHORA_OK : AHORA_INVALID);
        where_unref(where);
    }
    for (int wanted = 64; wanted <= 65; wanted++) {
        size_t bytes = (size_t)snprintf(text, sizeof text, "{\"a\":{\"in\":[");
        for (int i = 0; i < wanted; i++) {
            bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "%s%d", i > 0 ? "," : "", i);
        }
        (void)snprintf(text + bytes, sizeof text - bytes, "]}}");
        assert_int_equal(parse(text, &where, &fault), wanted == 64 ? AHORA_OK : AHORA_INVALID);
        where_unref(where);
    }
    (void)snprintf(text, sizeof text, "{\"a\":{\"eq\":\"%05000d\"}}", 1);
    assert_int_equal(parse(text, &where, &fault), AHORA_INVALID);
    assert_string_equal(fault.pointer, "/where");
    (void)snprintf(text, sizeof text, "{\"%0500d\":{\"eq\":[]}}", 1); /* the pointer is cut, not the memory behind it */
    assert_int_equal(parse(text, &where, &fault), AHORA_INVALID);
    assert_true(strlen(fault.pointer) < sizeof fault.pointer);
}

static bool same(const char *left, const char *right) {
    struct where *a = NULL;
    struct where *b = NULL;
    struct request_fault fault;
    assert_int_equal(parse(left, &a, &fault), AHORA_OK);
    assert_int_equal(parse(right, &b, &fault), AHORA_OK);
    bool equal = span_equal(a->canonical, b->canonical);
    where_unref(a);
    where_unref(b);
    return equal;
}

static void what_means_the_same_is_the_same(void **state) {
    (void)state;
    assert_true(same("{\"a\":{\"gte\":1},\"b\":{\"eq\":2}}", "{\"b\":{\"eq\":2.0},\"a\":{\"gte\":1}}"));
    assert_true(same("{\"a\":{\"gte\":1,\"lt\":9}}", "{\"a\":{\"lt\":9,\"gte\":1}}"));
    assert_true(same("{\"a\":{\"in\":[3,1,2,1.0]}}", "{\"a\":{\"in\":[1,2,3]}}"));
    assert_true(same("{\"a\":{\"in\":[3]}}", "{\"a\":{\"eq\":3}}"));
    assert_true(same("{\"m.x\":{\"eq\":3}}", "{\"/m/x\":{\"eq\":3}}"));
    assert_true(same("{\"m.x\":{\"eq\":3},\"/m/x\":{\"eq\":3.0}}", "{\"m.x\":{\"eq\":3}}"));
    assert_false(same("{\"a\":{\"gte\":1}}", "{\"a\":{\"gt\":1}}"));
    assert_false(same("{\"a\":{\"eq\":1}}", "{\"a\":{\"eq\":\"1\"}}"));
    assert_false(same("{\"ab\":{\"eq\":1}}", "{\"a.b\":{\"eq\":1}}"));
    assert_false(same("{\"a\":{\"eq\":1.5}}", "{\"a\":{\"eq\":1}}"));
}

/* ---- the index ---- */

#define WHERES 200

static void draw_value(struct dice *dice, char *text, size_t bytes) {
    static const char *const values[] = {"0", "1", "2", "1.5", "-3", "\"a\"", "\"b\"", "\"\"", "null", "true", "false"};
    (void)snprintf(text, bytes, "%s", values[dice_below(dice, sizeof values / sizeof values[0])]);
}

static void draw_condition(struct dice *dice, char *text, size_t bytes) {
    static const char *const fields[] = {"a", "b", "m.x", "m.y", "m"};
    static const char *const ordered[] = {"lt", "lte", "gt", "gte"};
    static const char *const bounds[] = {"0", "1", "1.5", "\"a\"", "\"b\""};
    const char *field = fields[dice_below(dice, sizeof fields / sizeof fields[0])];
    char value[16];
    char other[16];
    draw_value(dice, value, sizeof value);
    draw_value(dice, other, sizeof other);
    switch (dice_below(dice, 5)) {
    case 0:
        (void)snprintf(text, bytes, "\"%s\":{\"%s\":%s}", field, dice_chance(dice, 500) ? "eq" : "ne", value);
        return;
    case 1:
        (void)snprintf(text, bytes, "\"%s\":{\"in\":[%s,%s]}", field, value, other);
        return;
    case 2:
        (void)snprintf(text, bytes, "\"%s\":{\"exists\":%s}", field, dice_chance(dice, 500) ? "true" : "false");
        return;
    default:
        (void)snprintf(text, bytes, "\"%s\":{\"%s\":%s}", field, ordered[dice_below(dice, 4)], bounds[dice_below(dice, 5)]);
    }
}

static struct where *draw_where(struct dice *dice) {
    struct where *where = NULL;
    struct request_fault fault;
    char one[64];
    char two[64];
    char text[160];
    do { /* two conditions may name one field: that is no map */
        draw_condition(dice, one, sizeof one);
        draw_condition(dice, two, sizeof two);
    } while (strncmp(one, two, strcspn(one, ":")) == 0);
    (void)snprintf(text, sizeof text, dice_chance(dice, 500) ? "{%s}" : "{%s,%s}", one, two);
    assert_int_equal(parse(text, &where, &fault), AHORA_OK);
    return where;
}

static void draw_document(struct dice *dice, char *text, size_t bytes) {
    char values[4][16];
    for (int i = 0; i < 4; i++) {
        draw_value(dice, values[i], sizeof values[i]);
    }
    switch (dice_below(dice, 4)) {
    case 0:
        (void)snprintf(text, bytes, "{\"a\":%s,\"b\":%s,\"m\":{\"x\":%s,\"y\":%s}}", values[0], values[1], values[2],
                       values[3]);
        return;
    case 1:
        (void)snprintf(text, bytes, "{\"a\":%s,\"z\":%s}", values[0], values[1]);
        return;
    case 2:
        (void)snprintf(text, bytes, "{\"m\":{\"x\":%s,\"z\":%s}}", values[0], values[1]);
        return;
    default:
        (void)snprintf(text, bytes, "{\"m\":%s,\"b\":%s}", values[0], values[1]);
    }
}

static void the_index_finds_all_that_match(void **state) {
    (void)state;
    struct dice dice = {7};
    struct table_key key;
    struct where_index index;
    struct where *wheres[WHERES];
    struct where_spot spots[WHERES] = {0};
    table_key_init(&key, 1);
    assert_true(where_index_init(&index, &key));
    for (int i = 0; i < WHERES; i++) {
        wheres[i] = draw_where(&dice);
    }
    for (int round = 0; round < 3000; round++) {
        const unsigned which = (unsigned)dice_below(&dice, WHERES);
        if (spots[which].where == NULL) {
            assert_true(where_index_add(&index, &spots[which], wheres[which], &spots[which]));
        } else {
            where_index_remove(&index, &spots[which]);
        }
        char text[160];
        struct buffer packed;
        struct tree_found found = {0};
        draw_document(&dice, text, sizeof text);
        struct span document = pack(&packed, text);
        where_index_find(&index, document, &found);
        for (unsigned i = 0; i < WHERES; i++) {
            unsigned times = 0;
            for (size_t j = 0; j < found.count; j++) {
                times += found.values[j] == &spots[i];
            }
            assert_true(times <= 1);
            if (spots[i].where != NULL && where_matches(wheres[i], document)) {
                assert_int_equal(times, 1);
            }
            assert_true(times == 0 || spots[i].where != NULL);
        }
        tree_found_fini(&found);
        buffer_fini(&packed);
    }
    for (int i = 0; i < WHERES; i++) {
        where_index_remove(&index, &spots[i]);
        where_unref(wheres[i]);
    }
    where_index_fini(&index);
}

/* 10,000 conditions of other values cost nothing. */
static void the_index_looks_at_what_may_match_alone(void **state) {
    (void)state;
    enum { MANY = 10000 };
    struct table_key key;
    struct where_index index;
    struct where **wheres = calloc(MANY, sizeof *wheres);
    struct where_spot *spots = calloc(MANY, sizeof *spots);
    table_key_init(&key, 1);
    assert_true(where_index_init(&index, &key));
    for (int i = 0; i < MANY; i++) {
        char text[64];
        struct request_fault fault;
        if (i % 4 == 0) {
            (void)snprintf(text, sizeof text, "{\"branch\":{\"eq\":\"b%d\"}}", i);
        } else if (i % 4 == 1) {
            (void)snprintf(text, sizeof text, "{\"n\":{\"gte\":%d},\"m\":{\"ne\":1}}", i);
        } else if (i % 4 == 2) {
            (void)snprintf(text, sizeof text, "{\"k\":{\"in\":[%d,\"x\"]}}", i);
        } else {
            (void)snprintf(text, sizeof text, "{\"f%d\":{\"exists\":true}}", i);
        }
        assert_int_equal(parse(text, &wheres[i], &fault), AHORA_OK);
        assert_false(where_needs_scan(wheres[i]));
        assert_true(where_index_add(&index, &spots[i], wheres[i], &spots[i]));
    }
    struct buffer packed;
    struct tree_found found = {0};
    where_index_find(&index, pack(&packed, "{\"branch\":\"b400\",\"n\":10,\"k\":402,\"f403\":0}"), &found);
    assert_int_equal(found.count, 1 + 3 + 1 + 1); /* n >= 1, 5 and 9 */
    tree_found_fini(&found);
    buffer_fini(&packed);
    for (int i = 0; i < MANY; i++) {
        where_index_remove(&index, &spots[i]);
        where_unref(wheres[i]);
    }
    where_index_fini(&index);
    free(wheres);
    free(spots);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operator_holds_where_it_should), cmocka_unit_test(what_is_wrong_is_named_by_a_pointer),
        cmocka_unit_test(what_is_too_much_is_refused),         cmocka_unit_test(what_means_the_same_is_the_same),
        cmocka_unit_test(the_index_finds_all_that_match),      cmocka_unit_test(the_index_looks_at_what_may_match_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
