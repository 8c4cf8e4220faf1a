/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The four kinds through the ledger: what is refused, what the broker writes, what subscribers get of it. */
#include "broker/core/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

#define NOW INT64_C(1795000000000)

struct rig {
    struct kinds *kinds;
    struct limits limits;
    struct metrics metrics;
    struct table_key key;
    struct ledger ledger;
    struct buffer text;
};

static int set_up(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    rig->kinds = kinds_builtin();
    limits_default(&rig->limits);
    table_key_init(&rig->key, 1);
    *state = rig;
    bool fine = ledger_init(&rig->ledger, &rig->limits, rig->kinds, &rig->key, &rig->metrics);
    rig->ledger.wall_ms = NOW;
    rig->ledger.room = SIZE_MAX;
    buffer_init(&rig->text, SIZE_MAX);
    return fine ? 0 : 1;
}

static int tear_down(void **state) {
    struct rig *rig = *state;
    ledger_fini(&rig->ledger);
    kinds_destroy(rig->kinds);
    buffer_fini(&rig->text);
    free(rig);
    return 0;
}

static const char *told(struct rig *rig, struct span packed) {
    buffer_cut(&rig->text, 0);
    if (packed.bytes > 0) {
        json_put(&rig->text, packed);
    }
    buffer_put_byte(&rig->text, '\0');
    return (const char *)rig->text.data;
}

/* One change of its own; "seq", or its error as JSON. */
static const char *apply(struct rig *rig, const char *op, const char *topic, const char *data) {
    char change[8192];
    struct buffer packed;
    struct buffer results;
    snprintf(change, sizeof change, "[{\"op\":\"%s\",\"topic\":\"%s\"%s%s}]", op, topic, data[0] != '\0' ? ",\"data\":" : "",
             data);
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    ledger_end_turn(&rig->ledger);
    ledger_forget_records(&rig->ledger);
    assert_int_equal(json_to_pack(span_of_text(change), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
    ledger_apply(&rig->ledger, "p", NULL, buffer_span(&packed), 1, false, &results);
    assert_true(results.bytes <= 4 + LEDGER_RESULT_BYTES_MAX);
    struct pack_reader reader = pack_reader_of(buffer_span(&results));
    (void)pack_read_list(&reader);
    const struct span result = pack_skip(&reader);
    const struct span error = pack_find(result, "error");
    const char *text = error.bytes > 0 ? told(rig, error) : "seq";
    buffer_fini(&packed);
    buffer_fini(&results);
    return text;
}

static const char *document(struct rig *rig, const char *topic) {
    const struct topic *found = ledger_find(&rig->ledger, span_of_text(topic));
    assert_non_null(found);
    return told(rig, document_span(found->document));
}

/* What subscribers get of the last change: its patch, or "whole". */
static const char *sent(struct rig *rig) {
    assert_int_equal(rig->ledger.change_count, 1);
    const struct document *patch = rig->ledger.changes[0].patch;
    return patch == NULL ? "whole" : told(rig, document_span(patch));
}

#define APPLY(op, topic, data) assert_string_equal(apply(rig, op, topic, data), "seq")
#define HOLDS(topic, text) assert_string_equal(document(rig, topic), text)
#define SENT(text) assert_string_equal(sent(rig), text)
#define REFUSED(op, topic, data, text)                                                                                         \
    do {                                                                                                                       \
        const char *error_ = apply(rig, op, topic, data);                                                                      \
        if (strstr(error_, text) == NULL) {                                                                                    \
            fail_msg("%s lacks %s", error_, text);                                                                             \
        }                                                                                                                      \
    } while (0)

/* Nothing of the producer's is in it, and yet it is not empty. */
static void an_empty_document_gets_what_follows_from_nothing(void **state) {
    struct rig *rig = *state;
    static const char text[] = "{\"properties\":{\"p\":{}},\"x-ahora\":{\"address\":[\"thing/{a}\"],"
                               "\"derive\":[{\"field\":\"p\",\"rules\":[{\"value\":1}]}]}}";
    struct violations errors;
    assert_int_equal(kinds_add(rig->kinds, span_of_text("thing"), span_of_text(text), &errors), RESULT_OK);
    APPLY("set", "thing/a", "{}");
    HOLDS("thing/a", "{\"p\":1}");
    APPLY("set", "thing/a", "{\"q\":2}");
    HOLDS("thing/a", "{\"q\":2,\"p\":1}");
}

/* ---- stock ---- */

static void stock_says_whether_it_is_there(void **state) {
    struct rig *rig = *state;
    APPLY("set", "stock/1/a", "{\"available\":4,\"x\":1}");
    HOLDS("stock/1/a", "{\"available\":4,\"x\":1,\"availability\":\"in_stock\"}");
    APPLY("adjust", "stock/1/a", "{\"available\":-1}");
    SENT("{\"available\":3}");
    APPLY("adjust", "stock/1/a", "{\"available\":-1}");
    SENT("{\"available\":2,\"availability\":\"limited_availability\"}");
    APPLY("patch", "stock/1/a", "{\"limited_at\":1}");
    SENT("{\"limited_at\":1,\"availability\":\"in_stock\"}");
    APPLY("adjust", "stock/1/a", "{\"available\":-2}");
    SENT("{\"available\":0,\"availability\":\"out_of_stock\"}");
    REFUSED("adjust", "stock/1/a", "{\"available\":-1}", "\"code\":\"out_of_range\"");
    HOLDS("stock/1/a", "{\"available\":0,\"x\":1,\"availability\":\"out_of_stock\",\"limited_at\":1}");
}

static void a_producers_word_for_it_loses(void **state) {
    struct rig *rig = *state;
    APPLY("set", "stock/1/a", "{\"availability\":\"out_of_stock\",\"available\":4}");
    HOLDS("stock/1/a", "{\"availability\":\"in_stock\",\"available\":4}");
    SENT("whole");
    APPLY("patch", "stock/1/a", "{\"availability\":{\"any\":[\"thing\"]},\"y\":2}");
    SENT("{\"y\":2}");
    APPLY("patch", "stock/1/a", "{\"availability\":null}");
    SENT("{}");
    HOLDS("stock/1/a", "{\"available\":4,\"y\":2,\"availability\":\"in_stock\"}");
    APPLY("patch", "stock/1/a", "{\"availability\":\"in_stock\",\"available\":0}");
    SENT("{\"available\":0,\"availability\":\"out_of_stock\"}");
    REFUSED("adjust", "stock/1/a", "{\"availability\":1}", "\"code\":\"invalid\"");
}

static void words_that_stay_stay(void **state) {
    struct rig *rig = *state;
    APPLY("set", "stock/1/a", "{\"available\":0,\"availability\":\"preorder\"}");
    HOLDS("stock/1/a", "{\"available\":0,\"availability\":\"preorder\"}");
    APPLY("adjust", "stock/1/a", "{\"available\":9}");
    SENT("{\"available\":9}");
    APPLY("patch", "stock/1/a", "{\"availability\":\"discontinued\"}");
    SENT("{\"availability\":\"discontinued\"}");
    APPLY("patch", "stock/1/a", "{\"availability\":null}");
    SENT("{\"availability\":\"in_stock\"}");
    APPLY("patch", "stock/1/a", "{\"availability\":\"backorder\"}");
    APPLY("set", "stock/1/a", "{\"available\":9}");
    HOLDS("stock/1/a", "{\"available\":9,\"availability\":\"in_stock\"}");
}

static void stock_is_checked(void **state) {
    struct rig *rig = *state;
    REFUSED("set", "stock/1/a", "{}", "[{\"pointer\":\"/data/available\",\"detail\":\"is required\"}]");
    REFUSED("set", "stock/1/a", "{\"available\":-1}", "\"/data/available\",\"detail\":\"must be at least 0\"");
    REFUSED("set", "stock/1/a", "{\"available\":1,\"price\":\"9.5\"}",
            "\"/data/price_currency\",\"detail\":\"is required with price\"");
    REFUSED("set", "stock/1/a", "{\"available\":1,\"price\":9.5,\"price_currency\":\"EUR\"}",
            "\"/data/price\",\"detail\":\"must be text\"");
    REFUSED("set", "stock/1/a", "{\"available\":1,\"price\":\"9,5\",\"price_currency\":\"eur\"}",
            "[{\"pointer\":\"/data/price\",\"detail\":\"must be a decimal such as \\\"24.90\\\"\"},"
            "{\"pointer\":\"/data/price_currency\",\"detail\":\"must be a currency such as EUR (ISO 4217)\"}]");
    APPLY("set", "stock/1/a", "{\"available\":1,\"price\":\"0\",\"price_currency\":\"EUR\"}");
    REFUSED("patch", "stock/1/a", "{\"price_currency\":null}", "is required with price");
    REFUSED("patch", "stock/1/a", "{\"available\":null}", "is required");
    REFUSED("adjust", "stock/1/a", "{\"limited_at\":70000}", "\"code\":\"out_of_range\"");
    APPLY("patch", "stock/1/a", "{\"price\":null,\"price_currency\":null}");
    assert_int_equal(rig->metrics.changes_refused[AHORA_INVALID], 7);
}

/* ---- addresses ---- */

static void topics_have_the_form_of_their_kind(void **state) {
    struct rig *rig = *state;
    REFUSED("set", "stock/1", "{\"available\":1}", "\"code\":\"bad_topic\"");
    REFUSED("set", "stock/1/a/b", "{\"available\":1}", "\"code\":\"bad_topic\"");
    REFUSED("set", "room/h/double/2027-02-30", "{\"booking_limit\":1}",
            "\"code\":\"bad_topic\",\"detail\":\"a segment of the topic must be a date such as 2027-05-01\"");
    REFUSED("patch", "room/h/double/tomorrow", "{\"booking_limit\":1}", "\"code\":\"bad_topic\"");
    REFUSED("delete", "room/h/2027-02-01", "", "\"code\":\"bad_topic\"");
    APPLY("set", "room/h/double/2028-02-29", "{\"booking_limit\":1}");
    APPLY("set", "service/bike/1", "{}");
    APPLY("set", "service/bike/centre/1", "{}");
    REFUSED("set", "service/bike", "{}", "\"code\":\"bad_topic\"");
}

/* A topic that is older than its kind's address can still be changed and removed. */
static void old_topics_keep_their_form(void **state) {
    struct rig *rig = *state;
    struct buffer packed;
    buffer_init(&packed, 100);
    assert_int_equal(json_to_pack(span_of_text("{\"a\":1}"), 5, &packed, NULL), AHORA_OK);
    struct record record = {.topic = span_of_text("stock/old"), .data = buffer_span(&packed), .seq = 1, .seq_created = 1};
    assert_int_equal(ledger_load(&rig->ledger, &record), RESULT_OK);
    assert_int_equal(ledger_loaded(&rig->ledger, 0), RESULT_OK);
    buffer_fini(&packed);
    REFUSED("patch", "stock/old", "{\"b\":1}", "\"/data/available\",\"detail\":\"is required\"");
    APPLY("touch", "stock/old", "");
    APPLY("patch", "stock/old", "{\"available\":1}");
    HOLDS("stock/old", "{\"a\":1,\"available\":1,\"availability\":\"limited_availability\"}");
    APPLY("delete", "stock/old", "");
    REFUSED("set", "stock/old", "{\"available\":1}", "\"code\":\"bad_topic\"");
}

/* ---- room ---- */

static void a_room_says_what_is_left(void **state) {
    struct rig *rig = *state;
    APPLY("set", "room/h/d/2027-05-01", "{\"booking_limit\":4,\"capacity\":9}");
    HOLDS("room/h/d/2027-05-01", "{\"booking_limit\":4,\"capacity\":9,\"availability\":\"available\"}");
    APPLY("adjust", "room/h/d/2027-05-01", "{\"booking_limit\":-1}");
    SENT("{\"booking_limit\":3,\"availability\":\"limited\"}");
    APPLY("adjust", "room/h/d/2027-05-01", "{\"booking_limit\":-3}");
    SENT("{\"booking_limit\":0,\"availability\":\"sold_out\"}");
    APPLY("patch", "room/h/d/2027-05-01", "{\"status\":\"close\"}");
    SENT("{\"status\":\"close\",\"availability\":\"closed\"}");
    APPLY("adjust", "room/h/d/2027-05-01", "{\"booking_limit\":2}");
    SENT("{\"booking_limit\":2}");
}

static void a_room_has_rates(void **state) {
    struct rig *rig = *state;
    APPLY("set", "room/h/d/2027-05-01",
          "{\"booking_limit\":4,\"rates\":{\"BAR\":{\"amount_after_tax\":\"95.50\",\"currency_code\":\"EUR\",\"number_of_"
          "guests\":2}}}");
    REFUSED("patch", "room/h/d/2027-05-01", "{\"rates\":{\"BAR\":{\"amount_after_tax\":\"cheap\"}}}",
            "\"/data/rates/BAR/amount_after_tax\",\"detail\":\"must be a decimal such as");
    REFUSED("patch", "room/h/d/2027-05-01", "{\"rates\":{\"NRF\":{}}}",
            "\"/data/rates/NRF/amount_after_tax\",\"detail\":\"is required\"");
    char rates[2048] = "{\"rates\":{";
    for (int i = 0; i < 16; i++) {
        char rate[80];
        snprintf(rate, sizeof rate, "%s\"P%d\":{\"amount_after_tax\":\"1\",\"currency_code\":\"EUR\"}", i > 0 ? "," : "", i);
        strcat(rates, rate);
    }
    strcat(rates, "}}");
    REFUSED("patch", "room/h/d/2027-05-01", rates, "\"/data/rates\",\"detail\":\"must have at most 16 entries\"");
    REFUSED("patch", "room/h/d/2027-05-01", "{\"min_los\":3,\"max_los\":2}",
            "\"/data/max_los\",\"detail\":\"must not be less than min_los\"");
    APPLY("patch", "room/h/d/2027-05-01", "{\"min_los\":2,\"max_los\":2}");
    REFUSED("patch", "room/h/d/2027-05-01", "{\"min_los\":0}", "must be at least 1");
}

/* ---- order ---- */

static void an_order_keeps_its_history(void **state) {
    struct rig *rig = *state;
    APPLY("set", "order/7", "{\"status\":\"confirmed\"}");
    HOLDS("order/7", "{\"status\":\"confirmed\",\"progress\":0,\"events\":[{\"status\":\"confirmed\",\"at\":1795000000000}]}");
    rig->ledger.wall_ms++;
    APPLY("patch", "order/7", "{\"eta_at\":5}");
    SENT("{\"eta_at\":5}");
    APPLY("patch", "order/7", "{\"status\":\"in_transit\",\"status_detail\":\"DEP\",\"place\":\"Aachen\"}");
    SENT("{\"status\":\"in_transit\",\"status_detail\":\"DEP\",\"place\":\"Aachen\",\"progress\":2,\"events\":["
         "{\"status\":\"confirmed\",\"at\":1795000000000},{\"status\":\"in_transit\",\"at\":1795000000001,\"detail\":\"DEP\","
         "\"place\":\"Aachen\"}]}");
    APPLY("patch", "order/7", "{\"status\":\"in_transit\",\"message\":\"still\"}");
    SENT("{\"status\":\"in_transit\",\"message\":\"still\"}");
    APPLY("patch", "order/7", "{\"status\":\"delayed\"}");
    SENT("{\"status\":\"delayed\",\"events\":[{\"status\":\"confirmed\",\"at\":1795000000000},"
         "{\"status\":\"in_transit\",\"at\":1795000000001,\"detail\":\"DEP\",\"place\":\"Aachen\"},{\"status\":\"delayed\","
         "\"at\":1795000000001}]}");
    APPLY("set", "order/7", "{\"status\":\"delivered\",\"events\":[],\"progress\":0}");
    HOLDS("order/7", "{\"status\":\"delivered\",\"events\":[{\"status\":\"confirmed\",\"at\":1795000000000},"
                     "{\"status\":\"in_transit\",\"at\":1795000000001,\"detail\":\"DEP\",\"place\":\"Aachen\"},{\"status\":"
                     "\"delayed\",\"at\":1795000000001},"
                     "{\"status\":\"delivered\",\"at\":1795000000001}],\"progress\":4}");
    APPLY("delete", "order/7", "");
    APPLY("set", "order/7", "{\"status\":\"confirmed\"}");
    HOLDS("order/7", "{\"status\":\"confirmed\",\"progress\":0,\"events\":[{\"status\":\"confirmed\",\"at\":1795000000001}]}");
}

static uint32_t events_of(struct rig *rig, const char *topic, struct span *first) {
    const struct topic *found = ledger_find(&rig->ledger, span_of_text(topic));
    struct pack_reader reader = pack_reader_of(pack_find(document_span(found->document), "events"));
    const uint32_t count = pack_read_list(&reader);
    *first = pack_skip(&reader);
    return count;
}

static void a_history_has_an_end(void **state) {
    struct rig *rig = *state;
    struct span first;
    APPLY("set", "order/7", "{\"status\":\"confirmed\"}");
    for (int i = 1; i < 40; i++) {
        rig->ledger.wall_ms = NOW + i;
        APPLY("patch", "order/7", i % 2 == 1 ? "{\"status\":\"delayed\"}" : "{\"status\":\"in_transit\"}");
    }
    assert_int_equal(events_of(rig, "order/7", &first), 32);
    struct pack_reader at = pack_reader_of(pack_find(first, "at"));
    assert_int_equal(pack_read_int(&at), NOW + 8);
    REFUSED("patch", "order/7", "{\"status\":\"lost\"}",
            "must be one of payment_due, confirmed, processing, pre_transit, picked_up, in_transit, out_for_delivery, "
            "available_for_pickup, attempted_delivery, delayed, delivered, return_to_sender, returned, failure or cancelled");
}

static void every_status_has_its_progress(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *status;
        int progress;
    } cases[] = {{"payment_due", 0},
                 {"confirmed", 0},
                 {"processing", 1},
                 {"pre_transit", 1},
                 {"picked_up", 2},
                 {"in_transit", 2},
                 {"delayed", 2},
                 {"return_to_sender", 2},
                 {"out_for_delivery", 3},
                 {"available_for_pickup", 3},
                 {"attempted_delivery", 3},
                 {"delivered", 4},
                 {"returned", 4},
                 {"failure", 4},
                 {"cancelled", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char data[64];
        snprintf(data, sizeof data, "{\"status\":\"%s\"}", cases[i].status);
        APPLY("set", "order/7", data);
        const struct topic *topic = ledger_find(&rig->ledger, span_of_text("order/7"));
        struct pack_reader reader = pack_reader_of(pack_find(document_span(topic->document), "progress"));
        assert_int_equal(pack_read_int(&reader), cases[i].progress);
    }
}

static void an_order_is_checked(void **state) {
    struct rig *rig = *state;
    REFUSED("set", "order/7", "{\"status\":\"confirmed\",\"expected_arrival_from_at\":2,\"expected_arrival_until_at\":1}",
            "\"/data/expected_arrival_until_at\",\"detail\":\"must not be less than expected_arrival_from_at\"");
    REFUSED("set", "order/7", "{\"status\":\"confirmed\",\"tracking_url\":\"http://x\"}", "must begin with https://");
    REFUSED("set", "order/7", "{\"status\":\"confirmed\",\"tracking_url\":\"https://x y\"}", "must be a URI");
    REFUSED("set", "order/7", "{\"status\":\"confirmed\",\"position\":{\"lat\":91,\"lon\":0}}",
            "\"/data/position/lat\",\"detail\":\"must be at most 90\"");
    REFUSED("set", "order/7", "{\"status\":\"confirmed\",\"position\":{\"lat\":1}}",
            "\"/data/position/lon\",\"detail\":\"is required\"");
    APPLY("set", "order/7", "{\"status\":\"confirmed\",\"expected_arrival_from_at\":1,\"expected_arrival_until_at\":1}");
    const struct kind *kind = kinds_find(rig->kinds, span_of_text("order"));
    assert_true(kind->is_private);
    assert_int_equal(kind->position.count, 1);
    assert_true(span_is(kind->position.keys[0], "position"));
}

/* A history that no longer fits is an error, not a shorter history. */
static void what_the_broker_writes_counts(void **state) {
    struct rig *rig = *state;
    rig->limits.document_bytes_max = 60;
    ledger_fini(&rig->ledger);
    assert_true(ledger_init(&rig->ledger, &rig->limits, rig->kinds, &rig->key, &rig->metrics));
    rig->ledger.room = SIZE_MAX;
    APPLY("set", "order/7", "{\"status\":\"confirmed\"}");
    REFUSED("patch", "order/7", "{\"status\":\"delayed\"}", "\"code\":\"too_large\"");
    char wide[16384] = "{\"available\":1";
    rig->limits.document_bytes_max = 65536;
    ledger_fini(&rig->ledger);
    assert_true(ledger_init(&rig->ledger, &rig->limits, rig->kinds, &rig->key, &rig->metrics));
    rig->ledger.room = SIZE_MAX;
    for (int i = 0; i < 1023; i++) {
        snprintf(wide + strlen(wide), 24, ",\"f%d\":0", i);
    }
    strcat(wide, "}");
    char change[20000];
    struct buffer packed;
    struct buffer results;
    snprintf(change, sizeof change, "[{\"op\":\"set\",\"topic\":\"stock/1/a\",\"data\":%s}]", wide);
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    assert_int_equal(json_to_pack(span_of_text(change), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
    ledger_apply(&rig->ledger, "p", NULL, buffer_span(&packed), 1, false, &results);
    assert_non_null(strstr(told(rig, buffer_span(&results)),
                           "\"code\":\"invalid\",\"detail\":\"the document would have too many fields\""));
    buffer_fini(&packed);
    buffer_fini(&results);
}

/* ---- service ---- */

static void a_service_says_whether_it_can_be_had(void **state) {
    struct rig *rig = *state;
    static const struct {
        const char *data, *availability;
    } cases[] = {
        {"{\"is_operating\":false,\"num_available\":3}", "closed"},
        {"{\"is_operating\":true,\"num_available\":0}", "busy"},
        {"{\"num_available\":2,\"state\":\"on_trip\"}", "available"},
        {"{\"state\":\"available\"}", "available"},
        {"{\"state\":\"on_trip\"}", "busy"},
        {"{\"state\":\"reserved\"}", "busy"},
        {"{\"state\":\"stopped\"}", "busy"},
        {"{\"state\":\"non_operational\"}", "closed"},
        {"{\"state\":\"removed\"}", "closed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\"availability\":\"%s\"", cases[i].availability);
        APPLY("set", "service/taxi/1", cases[i].data);
        assert_non_null(strstr(document(rig, "service/taxi/1"), wanted));
    }
    APPLY("patch", "service/taxi/1", "{\"state\":null}");
    SENT("{\"state\":null,\"availability\":null}");
    APPLY("set", "service/desk/1", "{\"queue_length\":3,\"wait_time\":null}");
    HOLDS("service/desk/1", "{\"queue_length\":3,\"wait_time\":null}");
    REFUSED("set", "service/desk/1", "{\"wait_time\":-1}", "must be at least 0");
    assert_int_equal(kinds_find(rig->kinds, span_of_text("service"))->fresh_ms, 120000);
}

/* ---- numbers and bytes ---- */

static void whole_floats_can_be_adjusted(void **state) {
    struct rig *rig = *state;
    APPLY("set", "stock/1/a", "{\"available\":5.0}");
    APPLY("adjust", "stock/1/a", "{\"available\":-5}");
    SENT("{\"available\":0,\"availability\":\"out_of_stock\"}");
}

static void the_same_input_gives_the_same_bytes(void **state) {
    struct rig *rig = *state;
    static const char *const topics[] = {"order/1", "order/2"};
    for (int i = 0; i < 2; i++) {
        APPLY("set", topics[i], "{\"status\":\"confirmed\",\"z\":1,\"progress\":7}");
        APPLY("patch", topics[i], "{\"events\":null,\"status\":\"delayed\"}");
    }
    const struct topic *one = ledger_find(&rig->ledger, span_of_text(topics[0]));
    const struct topic *two = ledger_find(&rig->ledger, span_of_text(topics[1]));
    assert_true(span_equal(document_span(one->document), document_span(two->document)));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_empty_document_gets_what_follows_from_nothing),
        CASE(stock_says_whether_it_is_there),
        CASE(a_producers_word_for_it_loses),
        CASE(words_that_stay_stay),
        CASE(stock_is_checked),
        CASE(topics_have_the_form_of_their_kind),
        CASE(old_topics_keep_their_form),
        CASE(a_room_says_what_is_left),
        CASE(a_room_has_rates),
        CASE(an_order_keeps_its_history),
        CASE(a_history_has_an_end),
        CASE(every_status_has_its_progress),
        CASE(an_order_is_checked),
        CASE(what_the_broker_writes_counts),
        CASE(a_service_says_whether_it_can_be_had),
        CASE(whole_floats_can_be_adjusted),
        CASE(the_same_input_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
