/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What decoded messages hold, field by field. That they are read and written alike is shown by the vectors.
 */
#include "proto/json.h"
#include "proto/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define BYTES_MAX (1 << 20)

static struct buffer packed; /* what the decoded spans of a case point into */

static int packed_clear(void **state) {
    (void)state;
    buffer_fini(&packed);
    buffer_init(&packed, BYTES_MAX);
    return 0;
}

static int packed_fini(void **state) {
    (void)state;
    buffer_fini(&packed);
    return 0;
}

static struct span message_of(const char *json) {
    const char *detail = NULL;

    buffer_clear(&packed, BYTES_MAX);
    if (json_to_pack(span_of_text(json), AHORA_DEPTH_MAX, &packed, &detail) != AHORA_OK) {
        fail_msg("%s: %s", json, detail);
    }
    return buffer_span(&packed);
}

static struct request request_of(const char *json) {
    struct request request;
    const char *detail = NULL;

    if (request_decode(message_of(json), &request, &detail) != AHORA_OK) {
        fail_msg("%s: %s", json, detail);
    }
    return request;
}

static struct reply reply_of(const char *json) {
    struct reply reply;
    const char *detail = NULL;

    if (reply_decode(message_of(json), &reply, &detail) != AHORA_OK) {
        fail_msg("%s: %s", json, detail);
    }
    return reply;
}

static void assert_json(struct span value, const char *json) {
    struct buffer text;

    buffer_init(&text, BYTES_MAX);
    assert_non_null(value.data);
    json_put(&text, value);
    buffer_put_byte(&text, '\0');
    assert_string_equal((const char *)text.data, json);
    buffer_fini(&text);
}

static void hello_holds_its_texts(void **state) {
    struct request request = request_of("{\"client\":\"shop/2\",\"op\":\"hello\",\"token\":\"t\",\"source\":\"\"}");

    (void)state;
    assert_int_equal(request.op, REQUEST_HELLO);
    assert_true(span_is(request.client, "shop/2") && span_is(request.token, "t"));
    assert_true(request.source.data != NULL && request.source.bytes == 0);
    assert_int_equal(request.id, 0);
}

static void sub_holds_its_conditions(void **state) {
    struct request request =
        request_of("{\"op\":\"sub\",\"id\":3,\"match\":[\"a/*\",\"b/c\"],\"since\":\"e-1\",\"every_ms\":250,"
                   "\"where\":{\"x\":{\"gt\":1}},\"near\":{\"lat\":1.5},\"limit\":9}");

    (void)state;
    assert_int_equal(request.op, REQUEST_SUB);
    assert_int_equal(request.id, 3);
    assert_json(request.match, "[\"a/*\",\"b/c\"]");
    assert_true(span_is(request.since, "e-1"));
    assert_int_equal(request.every_ms, 250);
    assert_json(request.where, "{\"x\":{\"gt\":1}}");
    assert_json(request.near, "{\"lat\":1.5}");
    assert_int_equal(request.limit, 9);
}

static void absent_fields_are_empty(void **state) {
    struct request request = request_of("{\"op\":\"sub\",\"id\":3,\"match\":\"a/b\"}");

    (void)state;
    assert_json(request.match, "\"a/b\"");
    assert_null(request.since.data);
    assert_null(request.where.data);
    assert_null(request.near.data);
    assert_int_equal(request.every_ms, 0);
    assert_int_equal(request.limit, 0);
}

static void pub_holds_count_and_ack(void **state) {
    struct request request = request_of("{\"op\":\"pub\",\"id\":3,\"changes\":[{},{},{}],\"atomic\":true,\"ack\":\"applied\"}");

    (void)state;
    assert_int_equal(request.change_count, 3);
    assert_true(request.atomic);
    assert_int_equal(request.ack, ACK_APPLIED);
    request = request_of("{\"op\":\"pub\",\"id\":3,\"changes\":[{}]}");
    assert_int_equal(request.ack, ACK_DURABLE);
    assert_false(request.atomic);
}

static void legible_id_survives_a_refusal(void **state) {
    static const struct {
        const char *json;
        int64_t id;
    } rows[] = {
        {"{\"op\":\"dance\",\"id\":5}", 5},
        {"{\"op\":\"sub\",\"match\":5,\"id\":6}", 6},
        {"{\"op\":\"sub\",\"id\":-6}", 0},
        {"{\"id\":7}", 7},
        {"[1]", 0},
        {"{\"op\":\"sub\",\"id\":\"x\"}", 0},
    };
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(request_decode(message_of(rows[i].json), &request, NULL), AHORA_BAD_MESSAGE);
        assert_int_equal(request.id, rows[i].id);
        assert_null(request.match.data);
    }
}

static void change_holds_what_was_given(void **state) {
    struct pack_reader reader =
        pack_reader_of(message_of("{\"op\":\"adjust\",\"topic\":\"a/b\",\"data\":{\"n\":-1},\"key\":\"k1\",\"at\":0,"
                                  "\"if_seq\":0,\"if_newer\":true,\"fresh_ms\":0,\"expire_ms\":7}"));
    struct change_request change;

    (void)state;
    assert_int_equal(change_decode(&reader, &change, NULL), AHORA_OK);
    assert_int_equal(change.op, CHANGE_ADJUST);
    assert_true(span_is(change.topic, "a/b") && span_is(change.key, "k1"));
    assert_json(change.data, "{\"n\":-1}");
    assert_true(change.has_at && change.has_if_seq && change.has_fresh_ms && change.has_expire_ms && change.if_newer);
    assert_int_equal(change.expire_ms, 7);
}

static void change_tells_absence_from_zero(void **state) {
    struct pack_reader reader = pack_reader_of(message_of("{\"op\":\"touch\",\"topic\":\"a/b\",\"if_newer\":false}"));
    struct change_request change;

    (void)state;
    assert_int_equal(change_decode(&reader, &change, NULL), AHORA_OK);
    assert_false(change.has_at || change.has_if_seq || change.has_fresh_ms || change.has_expire_ms || change.if_newer);
    assert_null(change.key.data);
    assert_null(change.data.data);
}

static void touch_and_delete_drop_their_data(void **state) {
    static const char *const rows[] = {"{\"op\":\"touch\",\"topic\":\"a/b\",\"data\":{\"x\":1}}",
                                       "{\"data\":5,\"op\":\"delete\",\"topic\":\"a/b\"}"};
    struct change_request change;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pack_reader reader = pack_reader_of(message_of(rows[i]));

        assert_int_equal(change_decode(&reader, &change, NULL), AHORA_OK);
        assert_null(change.data.data);
    }
}

static void reader_stands_behind_a_refused_change(void **state) {
    struct pack_reader reader =
        pack_reader_of(message_of("[{\"op\":\"set\",\"at\":\"x\",\"data\":{\"y\":[1,2]}},5,{\"op\":\"set\",\"topic\":\"a/b\"},"
                                  "{\"op\":\"delete\",\"topic\":\"a/b\"}]"));
    struct change_request change;
    const char *detail = NULL;

    (void)state;
    pack_read_list(&reader);
    assert_int_equal(change_decode(&reader, &change, &detail), AHORA_BAD_MESSAGE);
    assert_int_equal(change_decode(&reader, &change, &detail), AHORA_BAD_MESSAGE);
    assert_string_equal(detail, "a change must be a map");
    assert_int_equal(change_decode(&reader, &change, &detail), AHORA_BAD_MESSAGE);
    assert_string_equal(detail, "`data` must be a map");
    assert_int_equal(change_decode(&reader, &change, &detail), AHORA_OK);
    assert_int_equal(pack_peek(&reader), PACK_END);
    assert_false(reader.failed);
}

static void data_messages_hold_their_fields(void **state) {
    struct reply reply =
        reply_of("{\"op\":\"set\",\"topic\":\"a/b\",\"ref\":7,\"seq\":8,\"at\":9,\"data\":{\"x\":1},\"stale\":false}");

    (void)state;
    assert_int_equal(reply.op, REPLY_SET);
    assert_true(span_is(reply.topic, "a/b"));
    assert_true(reply.ref == 7 && reply.seq == 8 && reply.at == 9);
    assert_json(reply.data, "{\"x\":1}");
    assert_true(reply.has_stale && !reply.stale);
    reply = reply_of("{\"op\":\"patch\",\"ref\":7,\"seq\":8,\"at\":9,\"stale\":true}");
    assert_true(reply.has_stale && reply.stale);
    assert_null(reply.data.data);
    assert_null(reply.topic.data);
    reply = reply_of("{\"op\":\"remove\",\"topic\":\"a/b\",\"seq\":8,\"why\":\"left\"}");
    assert_int_equal(reply.why, AHORA_WHY_LEFT);
    assert_int_equal(reply.ref, 0);
}

static void answers_hold_their_fields(void **state) {
    struct reply reply = reply_of("{\"op\":\"welcome\",\"session\":\"s\",\"epoch\":\"e\",\"seq\":1,\"now\":2,\"beat_ms\":3,"
                                  "\"limits\":{\"l\":4},\"server\":\"ahora\"}");

    (void)state;
    assert_true(span_is(reply.session, "s") && span_is(reply.epoch, "e") && span_is(reply.server, "ahora"));
    assert_true(reply.seq == 1 && reply.now == 2 && reply.beat_ms == 3);
    assert_json(reply.limits, "{\"l\":4}");
    reply =
        reply_of("{\"op\":\"error\",\"id\":5,\"code\":\"conflict\",\"detail\":\"d\",\"seq\":6,\"errors\":[],\"retry_ms\":7}");
    assert_int_equal(reply.code, AHORA_CONFLICT);
    assert_true(reply.id == 5 && reply.seq == 6 && reply.retry_ms == 7 && span_is(reply.detail, "d"));
    assert_json(reply.errors, "[]");
    reply = reply_of("{\"op\":\"remove\",\"topic\":\"a/b\",\"seq\":8,\"why\":\"moved\"}");
    assert_int_equal(reply.why, AHORA_WHY_NONE);
}

static void written_reply_starts_with_op(void **state) {
    const struct reply beat = {.op = REPLY_BEAT, .seq = 5, .now = 6, .id = 99, .topic = span_of_text("not part of a beat")};
    const struct reply bye = {.op = REPLY_BYE};

    (void)state;
    reply_put(&packed, &beat);
    assert_json(buffer_span(&packed), "{\"op\":\"beat\",\"seq\":5,\"now\":6}");
    buffer_clear(&packed, BYTES_MAX);
    reply_put(&packed, &bye);
    assert_json(buffer_span(&packed), "{\"op\":\"bye\",\"retry_ms\":0,\"reason\":\"\"}");
}

static void only_a_conflict_writes_its_seq(void **state) {
    struct reply error = {.op = REPLY_ERROR, .code = AHORA_INVALID, .seq = 5, .detail = span_of_text("d")};

    (void)state;
    reply_put(&packed, &error);
    assert_json(buffer_span(&packed), "{\"op\":\"error\",\"code\":\"invalid\",\"detail\":\"d\"}");
    buffer_clear(&packed, BYTES_MAX);
    error.code = AHORA_CONFLICT;
    error.seq = 0;
    error.id = 4;
    reply_put(&packed, &error);
    assert_json(buffer_span(&packed), "{\"op\":\"error\",\"id\":4,\"seq\":0,\"code\":\"conflict\",\"detail\":\"d\"}");
}

static void full_buffer_fails_the_message(void **state) {
    const struct reply beat = {.op = REPLY_BEAT, .seq = 5, .now = 6};
    struct buffer small;

    (void)state;
    reply_put(&packed, &beat);
    for (size_t room = 0; room < packed.bytes; room++) {
        buffer_init(&small, room);
        reply_put(&small, &beat);
        assert_true(small.failed);
        buffer_fini(&small);
    }
}

static void operations_have_names(void **state) {
    (void)state;
    assert_string_equal(change_op_name(CHANGE_SET), "set");
    assert_string_equal(change_op_name(CHANGE_DELETE), "delete");
    assert_string_equal(reply_op_name(REPLY_WELCOME), "welcome");
    assert_string_equal(reply_op_name(REPLY_BYE), "bye");
}

#define CASE(function) cmocka_unit_test_setup(function, packed_clear)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(hello_holds_its_texts),
        CASE(sub_holds_its_conditions),
        CASE(absent_fields_are_empty),
        CASE(pub_holds_count_and_ack),
        CASE(legible_id_survives_a_refusal),
        CASE(change_holds_what_was_given),
        CASE(change_tells_absence_from_zero),
        CASE(touch_and_delete_drop_their_data),
        CASE(reader_stands_behind_a_refused_change),
        CASE(data_messages_hold_their_fields),
        CASE(answers_hold_their_fields),
        CASE(written_reply_starts_with_op),
        CASE(only_a_conflict_writes_its_seq),
        CASE(full_buffer_fails_the_message),
        CASE(operations_have_names),
    };

    return cmocka_run_group_tests_name("message", tests, NULL, packed_fini);
}
