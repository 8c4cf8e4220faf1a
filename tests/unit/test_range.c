/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "broker/core/date.h"
#include "proto/json.h"

#define NOW INT64_C(1795000000000)

static char told[65536];

/* The expanded list as JSON, or "CODE POINTER". */
static const char *expand(const char *ranges, const char *key, int64_t nights_max) {
    struct kinds *kinds = kinds_builtin();
    struct range_options options = {kinds, NOW, nights_max, key == NULL ? (struct span){0} : span_of_text(key)};
    struct range_fault fault = {0};
    struct buffer packed, changes, list, text;
    uint32_t count = 0;
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&changes, 20000);
    buffer_init(&list, SIZE_MAX);
    buffer_init(&text, SIZE_MAX);
    assert_int_equal(json_to_pack(span_of_text(ranges), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
    if (range_expand(&options, buffer_span(&packed), &changes, &count, &fault)) {
        size_t used;
        pack_put_list(&list, count);
        buffer_put_span(&list, buffer_span(&changes));
        assert_int_equal(pack_check(buffer_span(&list), AHORA_DEPTH_MAX, &used), PACK_FINE);
        assert_int_equal(used, list.bytes);
        json_put(&text, buffer_span(&list));
        snprintf(told, sizeof told, "%.*s", (int)text.bytes, (const char *)text.data);
    } else {
        assert_non_null(fault.detail);
        snprintf(told, sizeof told, "%s %s", ahora_code_name(fault.code), fault.pointer);
    }
    kinds_destroy(kinds);
    buffer_fini(&packed);
    buffer_fini(&changes);
    buffer_fini(&list);
    buffer_fini(&text);
    return told;
}

#define RANGE(more) "[{\"op\":\"adjust\",\"topic\":\"room/h/d\",\"data\":{\"booking_limit\":-1}" more "}]"
#define NIGHT(date, more)                                                                                                      \
    "{\"op\":\"adjust\",\"topic\":\"room/h/d/" date "\",\"data\":{\"booking_limit\":-1},\"at\":1795000000000" more "}"

static void each_night_gets_the_change(void **state) {
    (void)state;
    assert_string_equal(expand(RANGE(",\"start\":\"2028-02-28\",\"end\":\"2028-03-01\""), NULL, 1000),
                        "[" NIGHT("2028-02-28", "") "," NIGHT("2028-02-29", "") "," NIGHT("2028-03-01", "") "]");
    assert_string_equal(expand(RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\""), NULL, 1000),
                        "[" NIGHT("2027-05-01", "") "]");
}

static void weekdays_choose(void **state) {
    (void)state; /* the 1st of May 2027 is a Saturday */
    assert_string_equal(
        expand(RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-10\",\"days\":[\"fri\",\"sat\"]"), NULL, 1000),
        "[" NIGHT("2027-05-01", "") "," NIGHT("2027-05-07", "") "," NIGHT("2027-05-08", "") "]");
}

static void a_key_is_numbered(void **state) {
    (void)state;
    const char *text = expand(RANGE(",\"start\":\"2027-12-31\",\"end\":\"2028-01-01\""), "k", 1000);
    const char *second = strstr(text, "room/h/d/2028-01-01");
    assert_non_null(second);
    assert_non_null(strstr(text, "\"key\":\"k@0\""));
    assert_non_null(strstr(second, "\"key\":\"k@1\""));
}

static void everything_else_of_a_change_is_kept(void **state) {
    (void)state;
    assert_string_equal(
        expand(
            "[{\"op\":\"delete\",\"topic\":\"room/h/d\",\"at\":5,\"if_newer\":true,\"start\":\"2027-05-01\",\"end\":"
            "\"2027-05-01\"},{\"op\":\"touch\",\"topic\":\"room/h/e\",\"fresh_ms\":6,\"expire_ms\":7,\"start\":\"2027-05-01\","
            "\"end\":\"2027-05-01\"}]",
            NULL, 1000),
        "[{\"op\":\"delete\",\"topic\":\"room/h/d/2027-05-01\",\"at\":5,\"if_newer\":true},{\"op\":\"touch\",\"topic\":"
        "\"room/h/e/2027-05-01\",\"at\":1795000000000,\"fresh_ms\":6,\"expire_ms\":7}]");
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    static const struct {
        const char *ranges, *fault;
    } cases[] = {
        {RANGE(",\"start\":\"2027-05-02\",\"end\":\"2027-05-01\""), "invalid /changes/0/end"},
        {RANGE(",\"end\":\"2027-05-01\""), "invalid /changes/0/start"},
        {RANGE(",\"start\":\"2027-02-29\",\"end\":\"2027-05-01\""), "invalid /changes/0/start"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":20270501"), "invalid /changes/0/end"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\",\"days\":[\"Sat\"]"), "invalid /changes/0/days"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\",\"days\":[]"), "invalid /changes/0/days"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\",\"days\":\"sat\""), "invalid /changes/0/days"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\",\"days\":[\"mon\"]"), "invalid /changes/0/days"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-11\""), "too_many /changes/0/end"},
        {RANGE(",\"start\":\"0000-01-01\",\"end\":\"9999-12-31\""), "too_many /changes/0/end"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\",\"if_seq\":1"), "bad_message /changes/0"},
        {RANGE(",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\",\"key\":\"k\""), "bad_message /changes/0"},
        {"[{\"op\":\"adjust\",\"topic\":\"room/h/d\",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\"}]",
         "bad_message /changes/0"},
        {"[{\"op\":\"touch\",\"topic\":\"room/h/*\",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\"}]",
         "bad_topic /changes/0/topic"},
        {"[{\"op\":\"touch\",\"topic\":\"room/h\",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\"}]",
         "bad_topic /changes/0/topic"},
        {"[{\"op\":\"touch\",\"topic\":\"service/bike\",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\"}]",
         "bad_topic /changes/0/topic"},
        {"[{\"op\":\"touch\",\"topic\":\"boat/a\",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\"}]",
         "unknown_kind /changes/0/topic"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(expand(cases[i].ranges, NULL, 10), cases[i].fault);
    }
    assert_string_equal(expand("[{\"op\":\"touch\",\"topic\":\"room/h/d\",\"start\":\"2027-05-01\",\"end\":\"2027-05-06\"},"
                               "{\"op\":\"touch\",\"topic\":\"room/h/e\",\"start\":\"2027-05-01\",\"end\":\"2027-05-06\"}]",
                               NULL, 10),
                        "too_many /changes/1/end");
}

static void what_grows_too_large_is_refused(void **state) {
    (void)state;
    char ranges[4096];
    snprintf(
        ranges, sizeof ranges,
        "[{\"op\":\"set\",\"topic\":\"room/h/d\",\"start\":\"2027-01-01\",\"end\":\"2027-12-31\",\"data\":{\"x\":\"%0200d\"}}]",
        0);
    assert_string_equal(expand(ranges, NULL, 1000), "too_large /changes/0/data");
}

static void days_are_counted_right(void **state) {
    (void)state;
    char text[DATE_BYTES + 1] = "";
    int64_t days;
    int64_t before = 0;
    assert_true(date_parse(span_of_text("1970-01-01"), &days) && days == 0);
    assert_true(date_parse(span_of_text("2000-03-01"), &days) && days == 11017);
    assert_int_equal(date_weekday(0), 3);
    assert_true(date_parse(span_of_text("2027-05-01"), &days));
    assert_int_equal(date_weekday(days), 5);
    assert_true(date_parse(span_of_text("0000-01-01"), &before));
    assert_true(date_parse(span_of_text("9999-12-31"), &days));
    assert_int_equal(days - before, 3652424); /* 25 eras of 146,097 days, less one day */
    for (int64_t day = before; day <= days; day++) {
        int64_t again;
        date_put(text, day);
        assert_true(date_parse(span_of_text(text), &again) && again == day);
        assert_int_equal(date_weekday(day + 1), (date_weekday(day) + 1) % 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_night_gets_the_change), cmocka_unit_test(weekdays_choose),
        cmocka_unit_test(a_key_is_numbered),          cmocka_unit_test(everything_else_of_a_change_is_kept),
        cmocka_unit_test(what_is_wrong_is_named),     cmocka_unit_test(what_grows_too_large_is_refused),
        cmocka_unit_test(days_are_counted_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
