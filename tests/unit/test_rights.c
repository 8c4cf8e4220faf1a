/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What rights are made of, and what they cover: held against every topic there can be of a small alphabet. */
#include "broker/core/grant.h"
#include "broker/core/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

/* ---- helpers ---- */

static struct buffer packed_of(const char *json) {
    struct buffer out;
    const char *detail;
    buffer_init(&out, 65536);
    assert_int_equal(json_to_pack(span_of_text(json), 8, &out, &detail), AHORA_OK);
    return out;
}

/* The rights that these claims give to u1, or NULL. */
static struct rights *rights_of(const char *json) {
    struct buffer claims = packed_of(json);
    struct rights *rights;
    const char *fault = NULL;
    const struct rights_claims made = {
        .principal = span_of_text("u1"),
        .claims = buffer_span(&claims),
        .ahora = pack_find(buffer_span(&claims), "ahora"),
        .expires_ms = INT64_MAX,
        .issued_s = -1,
    };
    const enum ahora_code code = rights_create(&made, &rights, &fault);
    assert_true(code == AHORA_OK || (code == AHORA_UNAUTHORIZED && fault != NULL && rights == NULL));
    buffer_fini(&claims);
    return rights;
}

static void assert_refused(const char *json) {
    struct rights *rights = rights_of(json);
    if (rights != NULL) {
        fail_msg("accepted: %s", json);
    }
}

static struct name pattern_of(const char *text) {
    struct name name;
    assert_int_equal(name_parse_pattern(span_of_text(text), &name, NULL), AHORA_OK);
    return name;
}

static bool covers(const struct rights *rights, const struct kinds *kinds, const char *pattern) {
    const struct name name = pattern_of(pattern);
    return rights_cover(rights, kinds, &name);
}

/* ---- containment, by brute force ---- */

/* Topics of 2 to 8 segments out of {a, b} and "$x" in front: whatever differs between patterns over {a, b, c} that hold few literals differs on
   one of these. */
#define TOPICS_MAX 2048

struct universe {
    char texts[TOPICS_MAX][24];
    struct name names[TOPICS_MAX];
    size_t count;
};

static void add_topics(struct universe *universe) {
    for (unsigned segments = 2; segments <= AHORA_SEGMENTS_MAX; segments++) {
        for (unsigned bits = 0; bits < 1u << segments; bits++) {
            for (int own = 0; own < 2; own++) {
                char *text = universe->texts[universe->count];
                size_t at = 0;
                for (unsigned i = 0; i < segments; i++) {
                    at += (size_t)snprintf(text + at, 24 - at, "%s%c", i > 0 ? "/" : "", bits >> i & 1 ? 'a' : 'b');
                }
                if (own == 1 && (segments != 3 || bits >= 4)) {
                    continue;
                }
                struct name *name = &universe->names[universe->count];
                if (own == 1) { /* "$demand/a/b" */
                    snprintf(text, 24, "$demand/%c/%c", bits & 1 ? 'a' : 'b', bits >> 1 & 1 ? 'a' : 'b');
                    assert_int_equal(name_parse_held(span_of_text(text), name, NULL), AHORA_OK);
                } else {
                    assert_int_equal(name_parse_topic(span_of_text(text), name, NULL), AHORA_OK);
                }
                universe->count++;
            }
        }
    }
}

static bool selects_all(const struct universe *universe, const struct name *granted, const struct name *asked) {
    for (size_t i = 0; i < universe->count; i++) {
        if (name_matches(asked, &universe->names[i]) && !name_matches(granted, &universe->names[i])) {
            return false;
        }
    }
    return true;
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* A pattern of few words, stars and perhaps a final double star. */
static void make_pattern(uint64_t *state, char *text) {
    static const char *const parts[] = {"a", "b", "*", "*", "a"};
    unsigned segments = 1 + (unsigned)(next_random(state) % AHORA_SEGMENTS_MAX);
    const bool deep = next_random(state) % 3 == 0 || segments == 1;
    const bool own = next_random(state) % 8 == 0 && segments > 1;
    size_t at = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < segments; i++) {
        const char *part = parts[next_random(state) % 5];
        part = deep && i + 1 == segments ? "**" : part;
        part = own && i == 0 ? "$demand" : part;
        at += (size_t)snprintf(text + at, 64 - at, "%s%s", i > 0 ? "/" : "", part);
    }
}

static void test_containment_is_that_of_the_topics_selected(void **state) {
    (void)state;
    static struct universe universe;
    uint64_t seed = 4711;
    size_t contained = 0;
    add_topics(&universe);
    for (int i = 0; i < 60000; i++) {
        char granted_text[64];
        char asked_text[64];
        struct name granted;
        struct name asked;
        make_pattern(&seed, granted_text);
        make_pattern(&seed, asked_text);
        if (name_parse_pattern(span_of_text(granted_text), &granted, NULL) != AHORA_OK ||
            name_parse_pattern(span_of_text(asked_text), &asked, NULL) != AHORA_OK) {
            continue;
        }
        /* Of what begins with "$demand" the universe holds one length only: there the brute force is too generous. */
        const bool own = name_is_own(&asked);
        const bool expected = selects_all(&universe, &granted, &asked);
        const bool answer = grant_contains(&granted, &asked);
        if (own ? answer && !expected : answer != expected) {
            fail_msg("granted %s, asked %s: %d", granted_text, asked_text, answer);
        }
        contained += answer;
    }
    assert_true(contained > 1000);
}

static void test_containment_by_hand(void **state) {
    (void)state;
    static const struct {
        const char *granted, *asked;
        bool contained;
    } rows[] = {
        {"stock/*", "stock/*", true},
        {"stock/*", "stock/1", true},
        {"stock/*", "stock/*/*", false},
        {"stock/*", "stock/**", false},
        {"stock/**", "stock/*", true},
        {"stock/**", "stock/*/*/**", true},
        {"stock/*/**", "stock/**", false},
        {"stock/*/**", "stock/*/a/**", true},
        {"**", "**", true},
        {"*/**", "**", true},
        {"**", "*/*", true},
        {"*/*", "**", false},
        {"stock/4711/*", "stock/*/berlin", false},
        {"stock/*/berlin", "stock/4711/berlin", true},
        {"stock/*/berlin", "stock/4711/*", false},
        {"a/b/c/d/e/f/g/*", "a/b/c/d/e/f/g/**", true},
        {"**", "$demand/**", false},
        {"*/**", "$demand/stock/*", false},
        {"$demand/**", "$demand/stock/**", true},
        {"$demand/stock/**", "$demand/**", false},
        {"$demand/stock/*", "$demand/stock/4711", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct name granted = pattern_of(rows[i].granted);
        const struct name asked = pattern_of(rows[i].asked);
        if (grant_contains(&granted, &asked) != rows[i].contained) {
            fail_msg("%s in %s", rows[i].asked, rows[i].granted);
        }
    }
}

/* ---- kinds ---- */

static void test_private_kinds_must_be_named(void **state) {
    const struct kinds *kinds = *state;
    struct rights *all = rights_of("{\"ahora\":{\"sub\":[\"**\",\"*/*\"]}}");
    assert_true(covers(all, kinds, "stock/**"));
    assert_false(covers(all, kinds, "order/**"));
    assert_false(covers(all, kinds, "order/4711"));
    assert_false(covers(all, kinds, "**")); /* it would select orders */
    assert_false(covers(all, kinds, "*/4711"));
    assert_false(covers(all, kinds, "$demand/**"));
    assert_false(rights_touch_demand(all));
    rights_unref(all);
    struct rights *named = rights_of("{\"ahora\":{\"sub\":[\"**\",\"order/*\",\"order/a/**\"]}}");
    assert_true(covers(named, kinds, "order/4711"));
    assert_true(covers(named, kinds, "*/4711"));
    assert_false(covers(named, kinds, "**"));
    rights_unref(named);
    struct rights *whole = rights_of("{\"ahora\":{\"sub\":[\"**\",\"order/**\"]}}");
    assert_true(covers(whole, kinds, "**"));
    rights_unref(whole);
    struct rights *each = rights_of("{\"ahora\":{\"sub\":[\"stock/**\",\"room/**\",\"service/**\",\"order/**\"]}}");
    assert_true(covers(each, kinds, "**")); /* every kind there is */
    rights_unref(each);
}

static void test_open_access_covers_everything(void **state) {
    assert_true(covers(NULL, *state, "**"));
    assert_true(covers(NULL, *state, "$demand/**"));
    assert_true(rights_touch_demand(NULL));
    assert_true(rights_allow_source(NULL, span_of_text("x")));
    assert_string_equal(rights_principal(NULL), "anonymous");
}

/* ---- claims in patterns ---- */

static void test_claims_fill_patterns(void **state) {
    const struct kinds *kinds = *state;
    struct rights *rights =
        rights_of("{\"order_ids\":[\"o1\",\"o2\"],\"shop\":\"s9\","
                  "\"ahora\":{\"sub\":[\"order/{order_ids}\",\"stock/{shop}/*\",\"service/courier/{sub}\"]}}");
    assert_non_null(rights);
    assert_int_equal(rights->sub_count, 4);
    assert_true(covers(rights, kinds, "order/o1"));
    assert_true(covers(rights, kinds, "order/o2"));
    assert_false(covers(rights, kinds, "order/o3"));
    assert_false(covers(rights, kinds, "order/*"));
    assert_true(covers(rights, kinds, "stock/s9/berlin"));
    assert_true(covers(rights, kinds, "service/courier/u1"));
    rights_unref(rights);
    struct rights *none = rights_of("{\"ids\":[],\"ahora\":{\"sub\":[\"order/{ids}\"]}}");
    assert_int_equal(none->sub_count, 0);
    rights_unref(none);
    struct rights *both =
        rights_of("{\"a\":[\"1\",\"2\"],\"b\":[\"x\",\"y\",\"z\"],\"ahora\":{\"sub\":[\"stock/{a}/{b}/**\"]}}");
    assert_int_equal(both->sub_count, 6);
    rights_unref(both);
}

static void test_claims_that_are_no_segment_are_refused(void **state) {
    (void)state;
    static const char *const values[] = {"\"*\"",       "\"**\"",    "\"a/b\"", "\"\"",       "\"..\"",        "\".\"",
                                         "\"$demand\"", "\"{sub}\"", "[\"*\"]", "7",          "[\"a\",\"*\"]", "[[]]",
                                         "null",        "{}",        "\"a b\"", "\"\\u00e9\""};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char json[256];
        snprintf(json, sizeof json, "{\"ids\":%s,\"ahora\":{\"sub\":[\"order/{ids}\"]}}", values[i]);
        assert_refused(json);
    }
    assert_refused("{\"ahora\":{\"sub\":[\"order/{ids}\"]}}");            /* no such claim */
    assert_refused("{\"k\":\"order\",\"ahora\":{\"sub\":[\"{k}/**\"]}}"); /* in front */
    assert_refused("{\"k\":\"x\",\"ahora\":{\"sub\":[\"order/a{k}\"]}}"); /* not a whole segment */
    assert_refused("{\"k\":\"x\",\"ahora\":{\"sub\":[\"order/{k}b\"]}}");
    assert_refused("{\"k\":\"x\",\"ahora\":{\"sub\":[\"order/{k\"]}}");
    assert_refused("{\"k\":\"x\",\"ahora\":{\"sub\":[\"order/k}\"]}}");
}

/* Lists multiply; an empty one at the end would leave nothing to be counted. */
static void test_expansion_is_bounded(void **state) {
    (void)state;
    struct buffer json;
    buffer_init(&json, 1 << 20);
    buffer_put_text(&json, "{\"none\":[],\"many\":[\"0\"");
    for (int i = 1; i < 250; i++) {
        char value[16];
        snprintf(value, sizeof value, ",\"%d\"", i);
        buffer_put_text(&json, value);
    }
    const size_t before = json.bytes;
    buffer_put_text(&json, "],\"ahora\":{\"sub\":[\"stock/{many}/{many}/{many}/{many}/{many}/{many}/{none}\"]}}");
    buffer_put_byte(&json, '\0');
    assert_refused((const char *)json.data);
    buffer_cut(&json, before);
    buffer_put_text(&json, "],\"ahora\":{\"sub\":[\"stock/{many}\",\"room/{many}\"]}}");
    buffer_put_byte(&json, '\0');
    assert_refused((const char *)json.data); /* 500 patterns */
    buffer_cut(&json, before);
    buffer_put_text(&json, "],\"ahora\":{\"sub\":[\"stock/{many}\"]}}");
    buffer_put_byte(&json, '\0');
    struct rights *rights = rights_of((const char *)json.data);
    assert_int_equal(rights->sub_count, 250);
    rights_unref(rights);
    buffer_fini(&json);
}

static void test_what_is_not_understood_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"ahora\":[]}",
        "{\"ahora\":{\"field\":[\"a\"]}}", /* a mistake that would have shown everything */
        "{\"ahora\":{\"sub\":\"stock/**\"}}",
        "{\"ahora\":{\"sub\":[1]}}",
        "{\"ahora\":{\"sub\":[\"stock\"]}}",
        "{\"ahora\":{\"sub\":[\"stock/**/a\"]}}",
        "{\"ahora\":{\"ops\":[\"sett\"]}}",
        "{\"ahora\":{\"ops\":\"set\"}}",
        "{\"ahora\":{\"every_ms\":-1}}",
        "{\"ahora\":{\"every_ms\":1.5}}",
        "{\"ahora\":{\"max_subs\":\"1\"}}",
        "{\"ahora\":{\"fields\":\"a\"}}",
        "{\"ahora\":{\"fields\":[\"a..b\"]}}",
        "{\"ahora\":{\"fields\":[\"/a~2\"]}}",
        "{\"ahora\":{\"source\":[\"a*b\"]}}",
        "{\"ahora\":{\"source\":[\"\"]}}",
        "{\"ahora\":{\"admin\":1}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i]);
    }
    struct rights *none = rights_of("{}");
    assert_non_null(none);
    assert_false(covers(none, *state, "stock/1"));
    rights_unref(none);
}

/* ---- writing ---- */

static bool may(const struct rights *rights, const struct kinds *kinds, const char *topic, enum change_op op) {
    struct name name;
    assert_int_equal(name_parse_topic(span_of_text(topic), &name, NULL), AHORA_OK);
    return rights_allow_change(rights, kinds, &name, op);
}

static void test_writing_needs_topic_and_op(void **state) {
    const struct kinds *kinds = *state;
    struct rights *rights =
        rights_of("{\"ahora\":{\"sub\":[\"**\"],\"pub\":[\"stock/*/berlin\",\"**\"],\"ops\":[\"adjust\",\"touch\"]}}");
    assert_true(may(rights, kinds, "stock/1/berlin", CHANGE_ADJUST));
    assert_true(may(rights, kinds, "room/a/b/2027-01-01", CHANGE_TOUCH));
    assert_false(may(rights, kinds, "stock/1/berlin", CHANGE_SET));
    assert_false(may(rights, kinds, "order/1", CHANGE_ADJUST)); /* private, not named */
    rights_unref(rights);
    struct rights *reader = rights_of("{\"ahora\":{\"sub\":[\"**\"]}}");
    assert_false(may(reader, kinds, "stock/1/berlin", CHANGE_SET));
    rights_unref(reader);
}

static void test_changes_are_denied_one_by_one(void **state) {
    struct rights *rights = rights_of("{\"ahora\":{\"pub\":[\"stock/a/*\"]}}");
    struct buffer changes =
        packed_of("[{\"op\":\"delete\",\"topic\":\"stock/a/1\"},{\"op\":\"delete\",\"topic\":\"stock/b/1\"},"
                  "{\"op\":\"delete\",\"topic\":\"//\"},{\"op\":\"nonsense\"},{\"op\":\"touch\",\"topic\":\"room/a\"}]");
    uint8_t denied[RIGHTS_DENIED_BYTES];
    assert_true(rights_deny_changes(rights, *state, buffer_span(&changes), 5, denied));
    assert_int_equal(denied[0], 1 << 1 | 1 << 4); /* the malformed ones are left to others */
    assert_false(rights_deny_changes(NULL, *state, buffer_span(&changes), 5, denied));
    buffer_fini(&changes);
    rights_unref(rights);
}

static void test_sources_belong_to_their_subject(void **state) {
    (void)state;
    struct rights *rights = rights_of("{\"ahora\":{\"source\":[\"till-7\",\"gps-*\"]}}");
    assert_true(rights_allow_source(rights, span_of_text("u1")));
    assert_true(rights_allow_source(rights, span_of_text("u1:phone")));
    assert_false(rights_allow_source(rights, span_of_text("u12")));
    assert_false(rights_allow_source(rights, span_of_text("u")));
    assert_true(rights_allow_source(rights, span_of_text("till-7")));
    assert_false(rights_allow_source(rights, span_of_text("till-77")));
    assert_true(rights_allow_source(rights, span_of_text("gps-")));
    assert_true(rights_allow_source(rights, span_of_text("gps-9")));
    rights_unref(rights);
    struct rights *all = rights_of("{\"ahora\":{\"source\":[\"*\"]}}");
    assert_true(rights_allow_source(all, span_of_text("anything")));
    rights_unref(all);
}

/* ---- fields ---- */

static bool shows(const struct rights *rights, const char *json) {
    struct buffer packed = packed_of(json);
    struct limits limits;
    struct where *where;
    struct request_fault fault;
    limits_default(&limits);
    assert_int_equal(where_parse(buffer_span(&packed), &limits, &where, &fault), AHORA_OK);
    const bool shown = rights_show_where(rights, where);
    where_unref(where);
    buffer_fini(&packed);
    return shown;
}

static void test_conditions_only_on_what_is_shown(void **state) {
    const struct kinds *kinds = *state;
    struct rights *rights = rights_of("{\"ahora\":{\"sub\":[\"**\"],\"fields\":[\"available\",\"price.net\"]}}");
    assert_true(shows(rights, "{\"available\":{\"gte\":1}}"));
    assert_true(shows(rights, "{\"price.net\":{\"gte\":1}}"));
    assert_true(shows(rights, "{\"available.deep\":{\"exists\":true}}"));
    assert_false(shows(rights, "{\"price\":{\"exists\":true}}"));
    assert_false(shows(rights, "{\"available\":{\"gte\":1},\"cost\":{\"lt\":5}}"));
    const struct name couriers = pattern_of("service/courier/*");
    assert_false(rights_show_place(rights, kinds, &couriers));
    rights_unref(rights);
    struct rights *placed = rights_of("{\"ahora\":{\"fields\":[\"position\",\"lat\",\"lon\"]}}");
    assert_true(rights_show_place(placed, kinds, &couriers));
    rights_unref(placed);
    struct rights *part =
        rights_of("{\"ahora\":{\"fields\":[\"position\"]}}"); /* `near` also looks at the document's own lat and lon */
    assert_false(rights_show_place(part, kinds, &couriers));
    rights_unref(part);
}

static int set_up(void **state) {
    *state = kinds_builtin();
    return *state == NULL;
}

static int tear_down(void **state) {
    kinds_destroy(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_containment_is_that_of_the_topics_selected),
        cmocka_unit_test(test_containment_by_hand),
        cmocka_unit_test(test_private_kinds_must_be_named),
        cmocka_unit_test(test_open_access_covers_everything),
        cmocka_unit_test(test_claims_fill_patterns),
        cmocka_unit_test(test_claims_that_are_no_segment_are_refused),
        cmocka_unit_test(test_expansion_is_bounded),
        cmocka_unit_test(test_what_is_not_understood_is_refused),
        cmocka_unit_test(test_writing_needs_topic_and_op),
        cmocka_unit_test(test_changes_are_denied_one_by_one),
        cmocka_unit_test(test_sources_belong_to_their_subject),
        cmocka_unit_test(test_conditions_only_on_what_is_shown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
