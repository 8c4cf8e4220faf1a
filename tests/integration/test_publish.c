/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Changes over WebSocket: what each op does, and every error code with what triggers it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scene.h"

/* ---- what ops do ---- */

static void set_patch_adjust_touch_and_delete_do_what_they_say(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        char topic[64];
        snprintf(topic, sizeof topic, "stock/4711/%s", codec_name(codec));
        int64_t seq =
            scene_apply(&wire, "{'op':'set','topic':'%s','data':{'available':5,'a':{'b':1,'c':2},'gone':true}}", topic);
        int64_t next =
            scene_apply(&wire, "{'op':'patch','topic':'%s','data':{'a':{'b':null,'d':[1,null]},'gone':null}}", topic);
        assert_int_equal(next, seq + 1);
        assert_true(scene_holds(broker, topic, "{'available':5,'a':{'c':2,'d':[1,null]}}"));
        scene_apply(&wire, "{'op':'adjust','topic':'%s','data':{'available':-3,'sold':3}}", topic);
        assert_true(scene_holds(broker, topic, "{'available':2,'sold':3,'a':{'c':2,'d':[1,null]}}"));
        next = scene_apply(&wire, "{'op':'touch','topic':'%s'}", topic);
        assert_int_equal(next, seq + 3);
        json_t *document = scene_get(broker, topic);
        assert_int_equal(scene_int(document, "seq"), next);
        assert_string_equal(wire_text(document, "topic"), topic);
        json_decref(document);
        scene_apply(&wire, "{'op':'set','topic':'%s','data':{'only':'this'}}", topic);
        assert_true(scene_holds(broker, topic, "{'only':'this'}"));
        assert_int_equal(scene_apply(&wire, "{'op':'delete','topic':'%s'}", topic), seq + 5);
        assert_null(scene_get(broker, topic));
        assert_int_equal(scene_apply(&wire, "{'op':'set','topic':'%s','data':{}}", topic), seq + 6);
        wire_fini(&wire);
    }
}

static void values_of_every_type_come_back_as_they_went(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char document[] = "{'i':-9223372036854775808,'j':9223372036854775807,'f':1.5,'t':true,'n':null,'e':{},'l':[],'"
                                   "u':'\xc3\xa9\xf0\x9f\x9a\xb2',"
                                   "'m':[[1,[2]],{'x':{'y':null}}],'empty':'','':'empty key','z':0.1}";
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_apply(&wire, "{'op':'set','topic':'order/types/%s','data':%s}", codec_name(codec), document);
        char topic[64];
        snprintf(topic, sizeof topic, "order/types/%s", codec_name(codec));
        assert_true(scene_holds(broker, topic, "%s", document));
        json_t *answer = scene_ask(&wire, "{'op':'get','id':1,'match':'%s'}", topic);
        json_t *want = scene_json("%s", document);
        json_t *got = json_object_get(json_array_get(json_object_get(answer, "items"), 0), "data");
        assert_true(codec_values_equal(got, want));
        json_decref(want);
        json_decref(answer);
        wire_fini(&wire);
    }
}

static void at_is_kept_and_defaults_to_now(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_apply(&wire, "{'op':'set','topic':'order/1','data':{},'at':1234567890123}");
        json_t *document = scene_get(broker, "order/1");
        assert_int_equal(scene_int(document, "at"), 1234567890123);
        json_decref(document);
        json_t *pong = scene_ask(&wire, "{'op':'ping','id':1}");
        int64_t now = scene_int(pong, "now");
        json_decref(pong);
        scene_apply(&wire, "{'op':'set','topic':'order/1','data':{}}");
        document = scene_get(broker, "order/1");
        assert_true(scene_int(document, "at") >= now);
        json_decref(document);
        scene_apply(&wire, "{'op':'set','topic':'order/1','data':{},'at':%lld}", (long long)now + 200000);
        scene_refuse(&wire, "invalid", "{'op':'set','topic':'order/1','data':{},'at':%lld}", (long long)now + 400000);
        wire_fini(&wire);
    }
}

static void get_answers_a_snapshot(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    for (int i = 0; i < 5; i++) {
        scene_apply(&writer, "{'op':'set','topic':'stock/g/%d','data':{'i':%d}}", i, i);
    }
    wire_fini(&writer);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        json_t *answer = scene_ask(&wire, "{'op':'get','id':4,'match':'stock/g/*'}");
        assert_string_equal(wire_text(answer, "op"), "snapshot");
        assert_int_equal(scene_int(answer, "id"), 4);
        assert_int_equal(scene_int(answer, "seq"), 5);
        assert_int_equal(json_array_size(json_object_get(answer, "items")), 5);
        assert_false(json_is_true(json_object_get(answer, "more")));
        json_t *item = json_array_get(json_object_get(answer, "items"), 0);
        assert_true(wire_text(item, "topic")[0] != '\0');
        assert_true(scene_int(item, "seq") > 0);
        assert_true(scene_int(item, "at") > 0);
        assert_true(json_is_object(json_object_get(item, "data")));
        json_decref(answer);
        answer = scene_ask(&wire, "{'op':'get','id':5,'match':['stock/g/*','stock/g/1','room/**'],'limit':2}");
        assert_int_equal(json_array_size(json_object_get(answer, "items")), 2);
        assert_true(scene_bool(answer, "more"));
        json_decref(answer);
        answer = scene_ask(&wire, "{'op':'get','id':6,'match':'stock/none/*'}");
        assert_int_equal(json_array_size(json_object_get(answer, "items")), 0);
        json_decref(answer);
        wire_fini(&wire);
    }
}

/* ---- topics ---- */

static void text_repeat(char *out, char letter, size_t count) {
    memset(out, letter, count);
    out[count] = '\0';
}

static void topics_that_are_no_topics_are_bad_topic(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const bad[] = {"",
                                      "stock",
                                      "stock/",
                                      "/stock/1",
                                      "stock//1",
                                      "stock/1/",
                                      "stock/./1",
                                      "stock/../1",
                                      "stock/a b",
                                      "stock/*",
                                      "stock/**",
                                      "stock/a*",
                                      "stock/a+b",
                                      "stock/a%20",
                                      "stock/\xc3\xa9",
                                      "stock/a,b",
                                      "stock/2/3/4/5/6/7/8/9"};
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            scene_refuse(&wire, "bad_topic", "{'op':'set','topic':'%s','data':{}}", bad[i]);
        }
        char segment[80];
        text_repeat(segment, 'a', 65);
        scene_refuse(&wire, "bad_topic", "{'op':'set','topic':'stock/%s','data':{}}", segment);
        text_repeat(segment, 'a', 64);
        scene_apply(&wire, "{'op':'set','topic':'stock/%s','data':{}}", segment);
        scene_apply(&wire, "{'op':'set','topic':'stock/2/3/4/5/6/7/8','data':{}}");
        scene_apply(&wire, "{'op':'set','topic':'stock/AZaz09-_.~:@=/...','data':{}}");
        /* 6 + 3 * 65 + 54 = 255 bytes, and one more */
        scene_apply(&wire, "{'op':'set','topic':'stock/%s/%s/%s/%.54s','data':{}}", segment, segment, segment, segment);
        scene_refuse(&wire, "bad_topic", "{'op':'set','topic':'stock/%s/%s/%s/%.55s','data':{}}", segment, segment, segment,
                     segment);
        scene_refuse(&wire, "unknown_kind", "{'op':'set','topic':'nothing/1','data':{}}");
        scene_refuse(&wire, "unknown_kind", "{'op':'set','topic':'Stock/1','data':{}}");
        wire_fini(&wire);
    }
}

static void patterns_that_are_no_patterns_are_bad_pattern(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const bad[] = {"",         "stock",     "stock/**/a",
                                      "stock/a*", "stock/***", "stock//a",
                                      "stock/a/", "stock/a b", "stock/2/3/4/5/6/7/8/9",
                                      "stock/..", "stock/*a"};
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            scene_say(&wire, "{'op':'sub','id':1,'match':'%s'}", bad[i]);
            scene_expect_error(&wire, "bad_pattern", 1);
            scene_say(&wire, "{'op':'get','id':2,'match':['stock/1','%s']}", bad[i]);
            scene_expect_error(&wire, "bad_pattern", 2);
        }
        scene_say(&wire, "{'op':'get','id':3,'match':'nothing/*'}");
        scene_expect_error(&wire, "unknown_kind", 3);
        wire_fini(&wire);
    }
}

/* ---- shapes ---- */

static void changes_of_a_wrong_shape_are_refused_and_nothing_is_applied(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char *const bad[] = {
        "{'topic':'stock/1/a','data':{}}",
        "{'op':'fly','topic':'stock/1/a','data':{}}",
        "{'op':'set','data':{}}",
        "{'op':'set','topic':'stock/1/a'}",
        "{'op':'set','topic':'stock/1/a','data':[]}",
        "{'op':'set','topic':'stock/1/a','data':null}",
        "{'op':'set','topic':'stock/1/a','data':'x'}",
        "{'op':'set','topic':5,'data':{}}",
        "{'op':'set','topic':'stock/1/a','data':{},'at':'now'}",
        "{'op':'set','topic':'stock/1/a','data':{},'at':1.5}",
        "{'op':'set','topic':'stock/1/a','data':{},'if_seq':-1}",
        "{'op':'set','topic':'stock/1/a','data':{},'if_seq':'1'}",
        "{'op':'set','topic':'stock/1/a','data':{},'if_newer':1}",
        "{'op':'set','topic':'stock/1/a','data':{},'key':''}",
        "{'op':'set','topic':'stock/1/a','data':{},'key':7}",
        "{'op':'set','topic':'stock/1/a','data':{},'key':'12345678901234567890123456789012345678901234567890123456789012345'}",
        "{'op':'set','topic':'stock/1/a','data':{},'fresh_ms':-1}",
        "{'op':'set','topic':'stock/1/a','data':{},'expire_ms':-1}",
    };
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            scene_refuse(&wire, "bad_message", "%s", bad[i]);
            assert_null(scene_get(broker, "stock/1/a"));
        }
        scene_say(&wire, "{'op':'pub','id':4,'changes':[{'op':'set','topic':'stock/1/a','data':{}},7]}");
        scene_expect_error(&wire, "bad_message", 4);
        assert_null(scene_get(broker, "stock/1/a"));
        wire_fini(&wire);
    }
}

static void a_document_too_large_is_refused(void **state) {
    struct broker_process *broker = scene_start(state);
    char *text = malloc(70000);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        text_repeat(text, 'x', 65536);
        scene_refuse(&wire, "too_large", "{'op':'set','topic':'order/big','data':{'text':'%s'}}", text);
        text_repeat(text, 'x', 65000);
        scene_apply(&wire, "{'op':'set','topic':'order/big','data':{'text':'%s'}}", text);
        scene_refuse(&wire, "too_large", "{'op':'patch','topic':'order/big','data':{'more':'%.700s'}}", text);
        json_t *document = scene_get(broker, "order/big");
        assert_int_equal(json_object_size(json_object_get(document, "data")), 1);
        json_decref(document);
        scene_apply(&wire, "{'op':'delete','topic':'order/big'}");
        wire_fini(&wire);
    }
    free(text);
}

static void a_document_of_13_levels_is_kept(void **state) {
    struct broker_process *broker = scene_start(state);
    static const char document[] = "{'2':{'3':[[[[[[[[[[{'13':1}]]]]]]]]]]}}";
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_apply(&wire, "{'op':'set','topic':'order/deep','data':%s}", document);
        assert_true(scene_holds(broker, "order/deep", "%s", document));
        scene_say(&wire, "{'op':'pub','id':1,'changes':[{'op':'set','topic':'order/deep','data':{'1':%s}}]}", document);
        scene_expect_error(&wire, "bad_message", 0);
        wire_fini(&wire);
        assert_true(scene_holds(broker, "order/deep", "%s", document));
    }
}

/* ---- conditions ---- */

static int64_t conflict_seq(struct wire *wire, const char *topic, int64_t if_seq) {
    json_t *result = scene_change(wire, "{'op':'set','topic':'%s','data':{'no':1},'if_seq':%lld}", topic, (long long)if_seq);
    assert_string_equal(scene_code(result), "conflict");
    int64_t seq = scene_int(json_object_get(result, "error"), "seq");
    json_decref(result);
    return seq;
}

static void if_seq_is_compare_and_set_and_a_conflict_tells_the_seq(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        char topic[64];
        snprintf(topic, sizeof topic, "room/%s/1", codec_name(codec));
        assert_int_equal(conflict_seq(&wire, topic, 3), 0);
        int64_t seq = scene_apply(&wire, "{'op':'set','topic':'%s','data':{'v':1},'if_seq':0}", topic);
        assert_int_equal(conflict_seq(&wire, topic, 0), seq);
        assert_int_equal(conflict_seq(&wire, topic, seq - 1), seq);
        assert_int_equal(conflict_seq(&wire, topic, seq + 1), seq);
        assert_true(scene_holds(broker, topic, "{'v':1}"));
        int64_t next = scene_apply(&wire, "{'op':'patch','topic':'%s','data':{'w':2},'if_seq':%lld}", topic, (long long)seq);
        assert_int_equal(next, seq + 1);
        json_decref(scene_change(&wire, "{'op':'delete','topic':'%s','if_seq':%lld}", topic, (long long)seq));
        assert_true(scene_holds(broker, topic, "{'v':1,'w':2}"));
        scene_apply(&wire, "{'op':'delete','topic':'%s','if_seq':%lld}", topic, (long long)next);
        assert_null(scene_get(broker, topic));
        scene_apply(&wire, "{'op':'set','topic':'%s','data':{},'if_seq':0}", topic);
        wire_fini(&wire);
    }
}

static void if_newer_refuses_what_is_not_later(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        char topic[64];
        snprintf(topic, sizeof topic, "order/%s/1", codec_name(codec));
        scene_apply(&wire, "{'op':'set','topic':'%s','data':{'v':1},'at':1000,'if_newer':true}", topic);
        scene_refuse(&wire, "superseded", "{'op':'set','topic':'%s','data':{'v':2},'at':1000,'if_newer':true}", topic);
        scene_refuse(&wire, "superseded", "{'op':'patch','topic':'%s','data':{'v':2},'at':999,'if_newer':true}", topic);
        assert_true(scene_holds(broker, topic, "{'v':1}"));
        scene_apply(&wire, "{'op':'patch','topic':'%s','data':{'v':3},'at':1001,'if_newer':true}", topic);
        scene_apply(&wire, "{'op':'patch','topic':'%s','data':{'v':4},'at':5,'if_newer':false}", topic);
        assert_true(scene_holds(broker, topic, "{'v':4}"));
        wire_fini(&wire);
    }
}

static void what_needs_a_document_is_not_found_without_one(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_refuse(&wire, "not_found", "{'op':'delete','topic':'stock/none/1'}");
        scene_refuse(&wire, "not_found", "{'op':'touch','topic':'stock/none/1'}");
        assert_null(scene_get(broker, "stock/none/1"));
        wire_fini(&wire);
    }
}

static void adjust_stays_within_bounds_and_applies_all_fields_or_none(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        char topic[64];
        snprintf(topic, sizeof topic, "stock/%s/1", codec_name(codec));
        scene_apply(&wire,
                    "{'op':'set','topic':'%s','data':{'available':3,'big':9223372036854775807,'low':-9223372036854775808,"
                    "'text':'x','part':1.5}}",
                    topic);
        scene_refuse(&wire, "out_of_range", "{'op':'adjust','topic':'%s','data':{'available':-4}}", topic);
        scene_refuse(&wire, "out_of_range", "{'op':'adjust','topic':'%s','data':{'on_hand':-1}}", topic);
        scene_refuse(&wire, "out_of_range", "{'op':'adjust','topic':'%s','data':{'available':-1,'big':1}}", topic);
        scene_refuse(&wire, "out_of_range", "{'op':'adjust','topic':'%s','data':{'low':-1}}", topic);
        scene_refuse(&wire, "out_of_range", "{'op':'adjust','topic':'%s','data':{'low':-9223372036854775808}}", topic);
        scene_refuse(&wire, "invalid", "{'op':'adjust','topic':'%s','data':{'available':-1,'text':1}}", topic);
        scene_refuse(&wire, "invalid", "{'op':'adjust','topic':'%s','data':{'part':1}}", topic);
        scene_refuse(&wire, "invalid", "{'op':'adjust','topic':'%s','data':{'available':1.5}}", topic);
        scene_refuse(&wire, "invalid", "{'op':'adjust','topic':'%s','data':{'available':'1'}}", topic);
        assert_true(scene_holds(broker, topic,
                                "{'available':3,'big':9223372036854775807,'low':-9223372036854775808,'text':'x','part':1.5}"));
        scene_apply(&wire, "{'op':'adjust','topic':'%s','data':{'available':-3,'low':9223372036854775807,'other':-5}}", topic);
        assert_true(
            scene_holds(broker, topic, "{'available':0,'big':9223372036854775807,'low':-1,'text':'x','part':1.5,'other':-5}"));
        wire_fini(&wire);
    }
}

static void an_error_of_the_schema_points_at_the_field(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        scene_open(&wire, broker, codec);
        scene_apply(&wire, "{'op':'set','topic':'stock/p/1','data':{'text':'x'}}");
        json_t *result = scene_change(&wire, "{'op':'adjust','topic':'stock/p/1','data':{'text':1}}");
        json_t *errors = json_object_get(json_object_get(result, "error"), "errors");
        assert_true(json_array_size(errors) >= 1);
        assert_non_null(strstr(wire_text(json_array_get(errors, 0), "pointer"), "/text"));
        assert_true(wire_text(json_array_get(errors, 0), "detail")[0] != '\0');
        json_decref(result);
        wire_fini(&wire);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(set_patch_adjust_touch_and_delete_do_what_they_say),
        CASE(values_of_every_type_come_back_as_they_went),
        CASE(at_is_kept_and_defaults_to_now),
        CASE(get_answers_a_snapshot),
        CASE(topics_that_are_no_topics_are_bad_topic),
        CASE(patterns_that_are_no_patterns_are_bad_pattern),
        CASE(changes_of_a_wrong_shape_are_refused_and_nothing_is_applied),
        CASE(a_document_too_large_is_refused),
        CASE(a_document_of_13_levels_is_kept),
        CASE(if_seq_is_compare_and_set_and_a_conflict_tells_the_seq),
        CASE(if_newer_refuses_what_is_not_later),
        CASE(what_needs_a_document_is_not_found_without_one),
        CASE(adjust_stays_within_bounds_and_applies_all_fields_or_none),
        CASE(an_error_of_the_schema_points_at_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
