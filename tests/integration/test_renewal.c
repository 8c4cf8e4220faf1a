/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The end of a token, and another one. */
#include <string.h>

#include "tests/integration/keyed.h"

/* ---- the end of a token, and another one ---- */

static void a_session_ends_with_its_token(void **state) {
    struct broker_process *broker = keyed_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        keyed_open(&wire, broker, codec,
                   keyed_token_of_subject(keyed_header, KEYED_SECRET, "u1", 2, "'ahora':{'sub':['stock/**']}"));
        json_decref(keyed_subscribe(&wire, 1, "stock/**"));
        json_t *error = scene_hear_op(&wire, "error");
        assert_string_equal(wire_text(error, "code"), "unauthorized");
        json_decref(error);
        assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4401);
        wire_fini(&wire);
    }
    struct http_response response; /* the answer has an end, so the request returns */
    const char *bearer =
        keyed_bearer(keyed_token_of_subject(keyed_header, KEYED_SECRET, "u1", 2, "'ahora':{'sub':['stock/**']}"));
    assert_int_equal(scene_http(broker, "GET", "/v1/stream?match=stock/**", bearer, NULL, &response), 200);
    assert_non_null(strstr(http_response_body(&response), "event: error"));
    http_response_fini(&response);
    assert_true(scene_metric(broker, "ahora_sessions_expired_total") == 3);
}

static void renewal_lets_a_session_live_on(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire wire;
    keyed_open(&wire, broker, CODEC_MSGPACK,
               keyed_token_of_subject(keyed_header, KEYED_SECRET, "u1", 2, "'ahora':{'sub':['stock/**']}"));
    json_decref(keyed_subscribe(&wire, 1, "stock/**"));
    keyed_renew(&wire, keyed_token("'ahora':{'sub':['stock/**']}"));
    struct wire other; /* of the same second: when this one is over, so would have been the first */
    keyed_open(&other, broker, CODEC_JSON, keyed_token_of_subject(keyed_header, KEYED_SECRET, "u1", 3, ""));
    assert_int_equal(wire_receive_close(&other, PATIENCE_MS), 4401);
    wire_fini(&other);
    scene_expect_alive(&wire);
    scene_say(&wire, "{'op':'auth','id':8,'token':'%s'}", keyed_token_of_subject(keyed_header, KEYED_SECRET, "u2", 60, ""));
    scene_expect_error(&wire, "forbidden", 8);
    scene_say(&wire, "{'op':'auth','id':9,'token':'a.b.c'}");
    scene_expect_error(&wire, "unauthorized", 9);
    scene_expect_alive(&wire);
    for (int i = 0; i < 2; i++) {
        scene_say(&wire, "{'op':'auth','id':9,'token':'a.b.c'}");
        scene_expect_error(&wire, "unauthorized", 9);
    }
    assert_int_equal(wire_receive_close(&wire, PATIENCE_MS), 4401); /* three in vain */
    wire_fini(&wire);
}

static void narrower_rights_take_back_what_no_longer_fits(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire backoffice;
    keyed_open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':1}}");
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1/b','data':{'available':2}}");
    scene_apply(&backoffice, "{'op':'set','topic':'stock/2/a','data':{'available':3}}");
    scene_apply(&backoffice, "{'op':'set','topic':'service/c/1','data':{'position':{'lat':1.0,'lon':1.0}}}");
    FOR_BOTH(codec) {
        struct wire wire;
        keyed_open(&wire, broker, codec, keyed_token("'ahora':{'sub':['**']}"));
        json_decref(keyed_subscribe(&wire, 1, "stock/**"));
        json_decref(keyed_subscribe(&wire, 2, "stock/1/*"));
        scene_say(&wire, "{'op':'sub','id':3,'match':'service/**','near':{'lat':1,'lon':1,'radius_m':100}}");
        json_decref(scene_hear_op(&wire, "live"));
        keyed_renew(&wire, keyed_token("'ahora':{'sub':['stock/1/*']}"));
        json_t *message = scene_hear(&wire); /* what subscription 2 still follows is not taken back */
        assert_string_equal(wire_text(message, "op"), "remove");
        assert_string_equal(wire_text(message, "topic"), "stock/2/a");
        assert_string_equal(wire_text(message, "why"), "denied");
        json_decref(message);
        scene_expect_error(&wire, "forbidden", 1);
        message = scene_hear(&wire);
        assert_string_equal(wire_text(message, "topic"), "service/c/1");
        assert_string_equal(wire_text(message, "why"), "denied");
        json_decref(message);
        scene_expect_error(&wire, "forbidden", 3);
        scene_apply(&backoffice, "{'op':'set','topic':'stock/2/a','data':{'available':4}}");
        scene_apply(&backoffice, "{'op':'set','topic':'stock/1/a','data':{'available':5}}");
        message = scene_hear(&wire);
        assert_string_equal(wire_text(message, "topic"), "stock/1/a");
        json_decref(message);
        json_decref(keyed_subscribe(&wire, 1, "stock/1/a")); /* the id is free */
        wire_fini(&wire);
    }
    assert_true(scene_metric(broker, "ahora_subscriptions_denied_total") == 4);
    wire_fini(&backoffice);
}

static void other_fields_begin_anew(void **state) {
    struct broker_process *broker = keyed_start(state);
    struct wire backoffice;
    struct wire wire;
    keyed_open_backoffice(&backoffice, broker);
    scene_apply(&backoffice, "{'op':'set','topic':'stock/1','data':{'available':1,'cost':2}}");
    keyed_open(&wire, broker, CODEC_JSON, keyed_token("'ahora':{'sub':['stock/**']}"));
    json_decref(keyed_subscribe(&wire, 1, "stock/**"));
    json_decref(keyed_subscribe(&wire, 2, "stock/1"));
    keyed_renew(&wire, keyed_token("'ahora':{'sub':['stock/**'],'fields':['available'],'max_subs':1}"));
    json_t *message = scene_hear(&wire); /* one too many; its document is the other's, too */
    assert_string_equal(wire_text(message, "op"), "error");
    assert_int_equal(scene_int(message, "id"), 2);
    json_decref(message);
    message = scene_hear(&wire);
    assert_string_equal(wire_text(message, "op"), "subscribed");
    assert_false(scene_bool(message, "resumed"));
    json_decref(message);
    json_t *messages = keyed_hear_until_live(&wire);
    keyed_expect_data(json_array_get(messages, 0), "{'available':1}");
    json_decref(messages);
    scene_apply(&backoffice, "{'op':'patch','topic':'stock/1','data':{'cost':3}}");
    message = scene_hear(&wire);
    assert_string_equal(wire_text(message, "op"), "patch");
    assert_null(json_object_get(message, "data"));
    json_decref(message);
    wire_fini(&wire);
    wire_fini(&backoffice);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(a_session_ends_with_its_token),
        CASE(renewal_lets_a_session_live_on),
        CASE(narrower_rights_take_back_what_no_longer_fits),
        CASE(other_fields_begin_anew),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
