/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Kinds on the real broker: the built-in ones, an operator's own, and writes that must not go wrong. */
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/integration/scene.h"

#define JSON_TYPE "Content-Type: application/json\r\n"

static struct broker_process *start_builtin(void **state) {
    scene_configure("KINDS_DIRECTORY", "");
    return scene_start(state);
}

static struct broker_process *start_examples(void **state) {
    char path[PATH_MAX];
    assert_non_null(realpath("docs/kinds/examples", path));
    scene_configure("KINDS_DIRECTORY", path);
    return scene_start(state);
}

/* ---- what is in force ---- */

static json_t *get_json(const struct broker_process *broker, const char *target) {
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", target, NULL, NULL, &response), 200);
    json_t *value = http_response_json(&response);
    assert_non_null(value);
    http_response_fini(&response);
    return value;
}

static void the_schemas_in_force_are_served(void **state) {
    struct broker_process *broker = start_examples(state);
    static const char *const files[] = {"proto/kinds/order.json",           "proto/kinds/room.json",
                                        "proto/kinds/service.json",         "proto/kinds/stock.json",
                                        "docs/kinds/examples/traffic.json", "docs/kinds/examples/transaction.json"};
    json_t *listing = get_json(broker, "/v1/kinds");
    json_t *all = json_object_get(listing, "kinds");
    assert_int_equal(json_object_size(all), 6);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char target[64];
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(strrchr(files[i], '/') + 1, "."), strrchr(files[i], '/') + 1);
        snprintf(target, sizeof target, "/v1/kinds/%s", name);
        json_t *file = json_load_file(files[i], 0, NULL);
        json_t *one = get_json(broker, target);
        assert_true(json_equal(file, one) && json_equal(file, json_object_get(all, name)));
        json_decref(file);
        json_decref(one);
    }
    json_decref(listing);
    scene_problem(broker, "GET", "/v1/kinds/boat", NULL, NULL, 404, "unknown_kind");
    scene_problem(broker, "POST", "/v1/kinds", JSON_TYPE, "{}", 405, "bad_message");
}

/* ---- an operator's own ---- */

static void write_file(const char *directory, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void wrong_kinds_are_told_with_file_and_pointer(void **state) {
    struct broker_process *broker = scene_prepare(state);
    struct bytes out = {0};
    char directory[256];
    snprintf(directory, sizeof directory, "%s/kinds", broker->directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    write_file(directory, "README.txt", "not a kind");
    write_file(directory, "fine.json", "{\"x-ahora\":{\"address\":\"fine/{a}\"}}");
    assert_int_equal(scene_run(&out, "%s -t --kinds '%s'", scene_broker_path(), directory), 0);
    scene_expect_words(&out, "[kinds]\ndirectory = ");
    write_file(directory, "boat.json",
               "{\"properties\":{\"name\":{\"pattern\":\"^a\"}},\"x-ahora\":{\"address\":\"boat/{a}\"}}");
    write_file(directory, "other.json", "{\"x-ahora\":{\"address\":\"ship/{a}\"}}");
    write_file(directory, "torn.json", "{\"x-ahora\":");
    static const char *const commands[] = {"-t", "--data /nonexistent/never"};
    for (int i = 0; i < 2; i++) {
        bytes_clear(&out);
        assert_int_equal(scene_run(&out, "timeout 20 %s %s --kinds '%s'", scene_broker_path(), commands[i], directory), 1);
        scene_expect_words(&out, "kinds/boat.json: /properties/name/pattern: is not a keyword of kinds");
        scene_expect_words(
            &out, "kinds/other.json: /x-ahora/address: must begin with the name of the kind, which is that of its file");
        scene_expect_words(&out, "kinds/torn.json: ends inside a JSON value");
    }
    bytes_clear(&out);
    assert_int_equal(scene_run(&out, "%s -t --kinds '%s/none'", scene_broker_path(), directory), 1);
    scene_expect_words(&out, "kinds/none: No such file or directory");
    bytes_fini(&out);
}

static void own_kinds_are_as_good_as_built_in_ones(void **state) {
    struct broker_process *broker = start_examples(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    scene_apply(&wire, "{'op':'set','topic':'traffic/aachen/a1','data':{'cause':'closure','position':{'lat':50.7,'lon':6.1},"
                       "'delay':400}}");
    assert_true(scene_holds(broker, "traffic/aachen/a1",
                            "{'cause':'closure','position':{'lat':50.7,'lon':6.1},'delay':400,'severity':'medium'}"));
    scene_apply(&wire, "{'op':'adjust','topic':'traffic/aachen/a1','data':{'delay':500}}");
    assert_true(scene_holds(broker, "traffic/aachen/a1",
                            "{'cause':'closure','position':{'lat':50.7,'lon':6.1},'delay':900,'severity':'high'}"));
    json_t *result =
        scene_change(&wire, "{'op':'patch','topic':'traffic/aachen/a1','data':{'color':'red','end_at':1,'start_at':2,"
                            "'more_url':'http://x'}}");
    json_t *errors = json_object_get(json_object_get(result, "error"), "errors");
    assert_string_equal(scene_code(result), "invalid");
    json_t *wanted = scene_json("[{'pointer':'/data/color','detail':'is not a field of this kind'},"
                                "{'pointer':'/data/more_url','detail':'must begin with https://'},"
                                "{'pointer':'/data/end_at','detail':'must not be less than start_at'}]");
    assert_true(json_equal(errors, wanted));
    json_decref(wanted);
    json_decref(result);
    scene_apply(&wire,
                "{'op':'set','topic':'transaction/de1/t1','data':{'state':'authorized','direction':'debit','amount':'12.90',"
                "'amount_currency':'EUR'},'at':5}");
    scene_apply(&wire, "{'op':'patch','topic':'transaction/de1/t1','data':{'state':'rejected','reason':'AM04'},'at':6}");
    assert_true(
        scene_holds(broker, "transaction/de1/t1",
                    "{'state':'rejected','direction':'debit','amount':'12.90','amount_currency':'EUR','reason':'AM04',"
                    "'attention':true,'steps':[{'state':'authorized','at':5},{'state':'rejected','at':6,'reason':'AM04'}]}"));
    scene_refuse(&wire, "invalid", "{'op':'patch','topic':'transaction/de1/t1','data':{'amount':'-1'}}");
    scene_refuse(&wire, "out_of_range", "{'op':'adjust','topic':'transaction/de1/t1','data':{'risk':101}}");
    scene_refuse(&wire, "bad_topic", "{'op':'set','topic':'transaction/de1','data':{}}");
    wire_fini(&wire);
}

/* ---- what subscribers get ---- */

static void what_the_broker_writes_is_sent_when_it_changes(void **state) {
    struct broker_process *broker = start_builtin(state);
    FOR_BOTH(codec) {
        struct wire reader;
        struct wire writer;
        scene_open(&reader, broker, codec);
        scene_open(&writer, broker, codec);
        scene_apply(&writer, "{'op':'set','topic':'stock/1/a','data':{'available':4}}");
        scene_say(&reader, "{'op':'sub','id':1,'match':'stock/1/*'}");
        json_decref(scene_hear_op(&reader, "live"));
        static const char *const steps[][2] = {
            {"{'op':'adjust','topic':'stock/1/a','data':{'available':-1}}", "{'available':3}"},
            {"{'op':'adjust','topic':'stock/1/a','data':{'available':-1}}",
             "{'available':2,'availability':'limited_availability'}"},
            {"{'op':'patch','topic':'stock/1/a','data':{'available':0,'availability':'in_stock'}}",
             "{'available':0,'availability':'out_of_stock'}"},
            {"{'op':'patch','topic':'stock/1/a','data':{'availability':'preorder'}}", "{'availability':'preorder'}"},
        };
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            scene_apply(&writer, "%s", steps[i][0]);
            json_t *patch = scene_hear_op(&reader, "patch");
            json_t *wanted = scene_json("%s", steps[i][1]);
            assert_true(json_equal(json_object_get(patch, "data"), wanted));
            json_decref(wanted);
            json_decref(patch);
        }
        wire_fini(&reader);
        wire_fini(&writer);
    }
}

/* A reader that comes late, or skipped versions, still sees every step. */
static void the_history_of_an_order_survives_conflation(void **state) {
    struct broker_process *broker = start_builtin(state);
    struct wire reader;
    struct wire writer;
    scene_open(&reader, broker, CODEC_JSON);
    scene_open(&writer, broker, CODEC_JSON);
    scene_apply(&writer, "{'op':'set','topic':'order/7','data':{'status':'confirmed'}}");
    scene_say(&reader, "{'op':'sub','id':1,'match':'order/*','every_ms':600}");
    json_decref(scene_hear_op(&reader, "live"));
    scene_apply(&writer, "{'op':'patch','topic':'order/7','data':{'status':'processing'}}");
    scene_apply(&writer, "{'op':'patch','topic':'order/7','data':{'status':'in_transit','place':'Lyon'}}");
    scene_apply(&writer, "{'op':'patch','topic':'order/7','data':{'status':'delivered'}}");
    json_t *data = NULL;
    for (size_t steps = 0; steps < 4;) {
        json_t *message = scene_hear(&reader);
        json_decref(data);
        data = json_incref(json_object_get(message, "data"));
        steps = json_array_size(json_object_get(data, "events"));
        json_decref(message);
    }
    static const char *const wanted[] = {"confirmed", "processing", "in_transit", "delivered"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(wire_text(json_array_get(json_object_get(data, "events"), i), "status"), wanted[i]);
    }
    assert_string_equal(wire_text(json_array_get(json_object_get(data, "events"), 2), "place"), "Lyon");
    json_decref(data);
    wire_fini(&reader);
    wire_fini(&writer);
}

/* ---- the same results by every way ---- */

struct way {
    const char *name;
    json_t *(*change)(const struct broker_process *broker, const char *change);
};

static json_t *by_websocket(const struct broker_process *broker, const char *change, enum codec codec) {
    struct wire wire;
    scene_open(&wire, broker, codec);
    json_t *result = scene_change(&wire, "%s", change);
    wire_fini(&wire);
    return result;
}

static json_t *by_text_frames(const struct broker_process *broker, const char *change) {
    return by_websocket(broker, change, CODEC_JSON);
}

static json_t *by_binary_frames(const struct broker_process *broker, const char *change) {
    return by_websocket(broker, change, CODEC_MSGPACK);
}

static json_t *post(const struct broker_process *broker, const char *headers, const char *body) {
    struct http_response response;
    assert_int_equal(scene_http(broker, "POST", "/v1/publish", headers, body, &response), 200);
    json_t *answer = http_response_json(&response);
    assert_non_null(answer);
    http_response_fini(&response);
    return answer;
}

static json_t *by_list(const struct broker_process *broker, const char *change) {
    char body[1024];
    snprintf(body, sizeof body, "{\"changes\":[%s]}", change);
    json_t *answer = post(broker, JSON_TYPE, body);
    json_t *result = json_incref(json_array_get(json_object_get(answer, "results"), 0));
    json_decref(answer);
    return result;
}

static json_t *by_line(const struct broker_process *broker, const char *change) {
    return post(broker, "Content-Type: application/x-ndjson\r\n", change);
}

/* PUT, PATCH, DELETE and POST …/adjust; their problems say what a result says. */
static json_t *by_request(const struct broker_process *broker, const char *text) {
    json_t *change = json_loads(text, 0, NULL);
    const char *op = wire_text(change, "op");
    char target[256];
    char headers[256];
    snprintf(target, sizeof target, "/v1/topics/%s%s?ack=applied%s", wire_text(change, "topic"),
             strcmp(op, "adjust") == 0 ? "/adjust" : "",
             json_is_true(json_object_get(change, "if_newer")) ? "&if_newer=1&at=5" : "");
    const char *key = wire_text(change, "key");
    snprintf(headers, sizeof headers, JSON_TYPE "%s%s%s", key[0] != '\0' ? "Idempotency-Key: " : "", key,
             key[0] != '\0' ? "\r\n" : "");
    if (json_object_get(change, "if_seq") != NULL) {
        snprintf(headers, sizeof headers, JSON_TYPE "If-None-Match: *\r\n"); /* the table asks for if_seq 0 only */
    }
    char *body = json_dumps(json_object_get(change, "data"), 0);
    const char *method = strcmp(op, "set") == 0      ? "PUT"
                         : strcmp(op, "patch") == 0  ? "PATCH"
                         : strcmp(op, "delete") == 0 ? "DELETE"
                                                     : "POST";
    struct http_response response;
    int status = scene_http(broker, method, target, headers, body, &response);
    json_t *answer = http_response_json(&response);
    json_t *result = NULL;
    if (status < 300) {
        result = json_pack("{s:o}", "seq", json_incref(json_object_get(answer, "seq")));
    } else {
        result = json_pack("{s:o}", "error", json_incref(answer));
        json_object_del(answer, "type");
        json_object_del(answer, "title");
        json_object_del(answer, "status");
    }
    json_decref(answer);
    http_response_fini(&response);
    free(body);
    json_decref(change);
    return result;
}

static const struct way ways[] = {
    {"WebSocket, text", by_text_frames}, {"WebSocket, binary", by_binary_frames}, {"POST, a list", by_list},
    {"POST, a line", by_line},           {"a request of its own", by_request},
};

#define WAYS (sizeof ways / sizeof ways[0])

/* Each way writes the same story on topics of its own; % stands for them. */
static const char *const story[] = {
    "{'op':'set','topic':'stock/%/a','data':{'available':3,'price':'9.5'}}",
    "{'op':'set','topic':'stock/%/a','data':{'available':3,'price':'9.5','price_currency':'EUR'}}",
    "{'op':'adjust','topic':'stock/%/a','data':{'available':-2},'key':'k%'}",
    "{'op':'adjust','topic':'stock/%/a','data':{'available':-2},'key':'k%'}",
    "{'op':'adjust','topic':'stock/%/a','data':{'available':-2}}",
    "{'op':'adjust','topic':'stock/%/a','data':{'price':1}}",
    "{'op':'adjust','topic':'stock/%/a','data':{'available':0.5}}",
    "{'op':'patch','topic':'stock/%/a','data':{'pickup_method':'fax','restock_at':'soon','on_hand':-1}}",
    "{'op':'patch','topic':'stock/%/b','data':{'available':1}}",
    "{'op':'set','topic':'stock/%/a','data':{'available':9},'if_seq':0}",
    "{'op':'set','topic':'stock/%/a','data':{'available':9},'if_newer':true,'at':5}",
    "{'op':'set','topic':'stock/%','data':{'available':9}}",
    "{'op':'set','topic':'room/h/t%/2027-02-30','data':{'booking_limit':9}}",
    "{'op':'set','topic':'room/h/t%/2027-02-28','data':{'booking_limit':1,'rates':{'BAR':{'amount_after_tax':'x'}}}}",
    "{'op':'set','topic':'boat/t%/a','data':{}}",
    "{'op':'set','topic':'order/t%','data':{'status':'lost'}}",
    "{'op':'set','topic':'order/t%','data':{'status':'confirmed','progress':9}}",
    "{'op':'delete','topic':'order/t%'}",
    "{'op':'delete','topic':'order/t%'}",
};

static void tell(char text[1024], const char *step, size_t way) {
    size_t used = 0;
    for (; *step != '\0'; step++) {
        text[used] = *step == '\'' ? '"' : *step;
        used += *step == '%' ? (size_t)snprintf(text + used, 8, "%zu", way) : 1;
    }
    text[used] = '\0';
}

/* Seqs differ, being one count for everybody: what matters is whether there is one. */
static json_t *without_seqs(json_t *result) {
    json_t *error = json_object_get(result, "error");
    json_object_del(error != NULL ? error : result, "seq");
    return result;
}

static void every_way_of_writing_has_the_same_results(void **state) {
    struct broker_process *broker = start_builtin(state);
    for (size_t step = 0; step < sizeof story / sizeof story[0]; step++) {
        json_t *first = NULL;
        for (size_t way = 0; way < WAYS; way++) {
            char change[1024];
            tell(change, story[step], way);
            json_t *result = without_seqs(ways[way].change(broker, change));
            first = first == NULL ? json_incref(result) : first;
            if (!json_equal(first, result)) {
                fail_msg("%s by %s: %s, not %s", change, ways[way].name, json_dumps(result, 0), json_dumps(first, 0));
            }
            json_decref(result);
        }
        json_decref(first);
    }
    for (size_t way = 0; way < WAYS; way++) {
        char topic[32];
        snprintf(topic, sizeof topic, "stock/%zu/a", way);
        assert_true(scene_holds(broker, topic,
                                "{'available':1,'price':'9.5','price_currency':'EUR','availability':'limited_availability'}"));
    }
    assert_true(scene_metric(broker, "ahora_changes_refused_total") >= 13 * (double)WAYS);
}

/* ---- safe writes ---- */

#define TILLS 8
#define SALES_EACH 1250
#define PIECES 9000

static void ten_thousand_tills_never_sell_a_piece_twice(void **state) {
    struct broker_process *broker = start_builtin(state);
    struct wire tills[TILLS];
    int sent[TILLS] = {0};
    int heard[TILLS] = {0};
    int sold = 0;
    int refused = 0;
    for (int i = 0; i < TILLS; i++) {
        scene_open(&tills[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
    }
    scene_apply(&tills[0], "{'op':'set','topic':'stock/1/a','data':{'available':%d}}", PIECES);
    const int64_t deadline_ms = scene_clock_ms() + 4 * PATIENCE_MS;
    for (int open = TILLS; open > 0;) {
        assert_true(scene_clock_ms() < deadline_ms);
        struct pollfd waits[TILLS];
        open = 0;
        for (int i = 0; i < TILLS; i++) {
            while (sent[i] < SALES_EACH && sent[i] - heard[i] < 100) {
                scene_say(&tills[i],
                          "{'op':'pub','id':%d,'ack':'applied','changes':[{'op':'adjust','topic':'stock/1/a','data':"
                          "{'available':-1}}]}",
                          ++sent[i]);
            }
            waits[i] = (struct pollfd){.fd = heard[i] < SALES_EACH ? tills[i].fd : -1, .events = POLLIN};
            open += heard[i] < SALES_EACH;
        }
        poll(waits, TILLS, 100);
        for (int i = 0; i < TILLS; i++) {
            while (wire_read(&tills[i], 65536) > 0) {
            }
            for (json_t *answer; (answer = wire_next(&tills[i])) != NULL; json_decref(answer)) {
                if (strcmp(wire_text(answer, "op"), "published") == 0) {
                    const char *code = scene_code(json_array_get(json_object_get(answer, "results"), 0));
                    assert_true(code[0] == '\0' || strcmp(code, "out_of_range") == 0);
                    sold += code[0] == '\0';
                    refused += code[0] != '\0';
                    heard[i]++;
                }
            }
        }
    }
    assert_int_equal(sold, PIECES);
    assert_int_equal(refused, TILLS * SALES_EACH - PIECES);
    assert_true(scene_holds(broker, "stock/1/a", "{'available':0,'availability':'out_of_stock'}"));
    for (int i = 0; i < TILLS; i++) {
        wire_fini(&tills[i]);
    }
}

static void a_key_is_known_after_a_kill(void **state) {
    struct broker_process *broker = start_builtin(state);
    static const char sale[] = "{'op':'adjust','topic':'stock/1/a','data':{'available':-1},'key':'sale-17'}";
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    scene_apply(&wire, "{'op':'set','topic':'stock/1/a','data':{'available':5}}");
    int64_t seq = scene_apply(&wire, "%s", sale);
    broker_process_kill(broker);
    wire_fini(&wire);
    assert_true(broker_process_start(broker, NULL));
    scene_open(&wire, broker, CODEC_MSGPACK);
    assert_int_equal(scene_apply(&wire, "%s", sale), seq);
    assert_true(scene_holds(broker, "stock/1/a", "{'available':4,'availability':'in_stock'}"));
    wire_fini(&wire);
}

#define NIGHTS 3
#define KILLS 6

static int64_t left_on(const struct broker_process *broker, int night) {
    char topic[64];
    snprintf(topic, sizeof topic, "room/h/d/2027-05-%02d", night + 1);
    json_t *document = scene_get(broker, topic);
    assert_non_null(document);
    int64_t left = scene_int(json_object_get(document, "data"), "booking_limit");
    json_decref(document);
    return left;
}

/* Stays of three nights, sent without waiting until the broker is killed in the middle of them. */
static void a_stay_is_taken_whole_or_not_at_all_under_kill(void **state) {
    struct broker_process *broker = start_builtin(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_JSON);
    for (int night = 0; night < NIGHTS; night++) {
        scene_apply(&wire, "{'op':'set','topic':'room/h/d/2027-05-%02d','data':{'booking_limit':1000000}}", night + 1);
    }
    int64_t before = 1000000;
    for (int kill = 0; kill < KILLS; kill++) {
        int64_t acknowledged = 0;
        int sent = 0;
        while (acknowledged < 40 + 13 * kill) {
            for (; sent < acknowledged + 200; sent++) {
                scene_say(&wire,
                          "{'op':'pub','id':%d,'atomic':true,'ack':'applied','changes':["
                          "{'op':'adjust','topic':'room/h/d/2027-05-01','data':{'booking_limit':-1}},"
                          "{'op':'adjust','topic':'room/h/d/2027-05-02','data':{'booking_limit':-1}},"
                          "{'op':'adjust','topic':'room/h/d/2027-05-03','data':{'booking_limit':-1}}]}",
                          sent + 1);
            }
            json_decref(scene_hear_op(&wire, "published"));
            acknowledged++;
        }
        broker_process_kill(broker);
        wire_fini(&wire);
        assert_true(broker_process_start(broker, NULL));
        int64_t left = left_on(broker, 0);
        assert_true(before - left >= acknowledged && before - left <= sent);
        assert_int_equal(left_on(broker, 1), left);
        assert_int_equal(left_on(broker, 2), left);
        before = left;
        scene_open(&wire, broker, CODEC_JSON);
    }
    wire_fini(&wire);
}

/* ---- ranges ---- */

static int post_range(const struct broker_process *broker, const char *headers, const char *body, json_t **answer) {
    struct http_response response;
    char *text = strdup(body);
    for (char *at = text; (at = strchr(at, '\'')) != NULL;) {
        *at = '"';
    }
    int status = scene_http(broker, "POST", "/v1/range", headers, text, &response);
    *answer = http_response_json(&response);
    http_response_fini(&response);
    free(text);
    return status;
}

static void a_range_is_written_whole_or_not_at_all(void **state) {
    struct broker_process *broker = start_builtin(state);
    json_t *answer;
    assert_int_equal(post_range(broker, JSON_TYPE,
                                "{'changes':[{'op':'set','topic':'room/h/d','start':'2027-05-01','end':'2027-05-31','data':"
                                "{'booking_limit':5}}]}",
                                &answer),
                     200);
    json_t *results = json_object_get(answer, "results");
    assert_int_equal(json_array_size(results), 31);
    assert_string_equal(wire_text(json_array_get(results, 30), "topic"), "room/h/d/2027-05-31");
    assert_int_equal(scene_int(json_array_get(results, 30), "seq"), scene_int(json_array_get(results, 0), "seq") + 30);
    json_decref(answer);
    /* a weekend closes, and one night is nearly full */
    assert_int_equal(
        post_range(broker, JSON_TYPE,
                   "{'ack':'applied','changes':[{'op':'patch','topic':'room/h/d','start':'2027-05-01','end':'2027-05-31',"
                   "'days':['fri','sat'],'data':{'status':'close'}},{'op':'adjust','topic':'room/h/d','start':'2027-05-12',"
                   "'end':'2027-05-12','data':{'booking_limit':-4}}]}",
                   &answer),
        200);
    assert_int_equal(json_array_size(json_object_get(answer, "results")), 10);
    json_decref(answer);
    assert_true(scene_holds(broker, "room/h/d/2027-05-07", "{'booking_limit':5,'status':'close','availability':'closed'}"));
    assert_true(scene_holds(broker, "room/h/d/2027-05-09", "{'booking_limit':5,'availability':'available'}"));
    /* a stay over the full night takes nothing */
    static const char stay[] = "{'changes':[{'op':'adjust','topic':'room/h/d','start':'2027-05-10','end':'2027-05-13','data':"
                               "{'booking_limit':-2}}]}";
    assert_int_equal(post_range(broker, JSON_TYPE, stay, &answer), 409);
    assert_string_equal(wire_text(answer, "code"), "out_of_range");
    assert_non_null(strstr(wire_text(answer, "detail"), "room/h/d/2027-05-12: "));
    json_decref(answer);
    assert_true(scene_holds(broker, "room/h/d/2027-05-10", "{'booking_limit':5,'availability':'available'}"));
    assert_int_equal(post_range(broker, JSON_TYPE,
                                "{'changes':[{'op':'patch','topic':'room/h/d','start':'2027-05-30','end':'2027-06-01',"
                                "'data':{'min_los':2}}]}",
                                &answer),
                     404);
    assert_non_null(strstr(wire_text(answer, "detail"), "room/h/d/2027-06-01: "));
    json_decref(answer);
}

static void a_range_with_a_key_is_written_once(void **state) {
    struct broker_process *broker = start_builtin(state);
    static const char stay[] = "{'changes':[{'op':'adjust','topic':'room/h/d','start':'2027-05-01','end':'2027-05-03','data':"
                               "{'booking_limit':-2}}]}";
    json_t *answer;
    json_t *again;
    assert_int_equal(post_range(broker, JSON_TYPE,
                                "{'changes':[{'op':'set','topic':'room/h/d','start':'2027-05-01','end':'2027-05-03','data':"
                                "{'booking_limit':5}}]}",
                                &answer),
                     200);
    json_decref(answer);
    assert_int_equal(post_range(broker, JSON_TYPE "Idempotency-Key: stay-1\r\n", stay, &answer), 200);
    broker_process_kill(broker);
    assert_true(broker_process_start(broker, NULL));
    assert_int_equal(post_range(broker, JSON_TYPE "Idempotency-Key: \"stay-1\"\r\n", stay, &again), 200);
    assert_true(json_equal(answer, again));
    json_decref(answer);
    json_decref(again);
    assert_true(scene_holds(broker, "room/h/d/2027-05-03", "{'booking_limit':3,'availability':'limited'}"));
}

static void the_command_line_writes_ranges(void **state) {
    struct broker_process *broker = start_builtin(state);
    struct bytes out = {0};
    char client[512];
    snprintf(client, sizeof client, "AHORA_URL=http://127.0.0.1:%u %s", broker->port, scene_client_path());
    assert_int_equal(scene_run(&out, "%s range set room/h/d 2027-05-01 2027-05-09 '{\"booking_limit\":5}'", client), 0);
    scene_expect_words(&out, "{\"topic\":\"room/h/d/2027-05-09\",\"seq\":9}");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            scene_run(&out, "%s range adjust room/h/d 2027-05-01 2027-05-09 --days sat --key k booking_limit=-3", client), 0);
    }
    assert_true(scene_holds(broker, "room/h/d/2027-05-08", "{'booking_limit':2,'availability':'limited'}"));
    assert_int_equal(scene_run(&out, "%s range adjust room/h/d 2027-05-07 2027-05-08 booking_limit=-3", client), 3);
    scene_expect_words(&out, "refused: out_of_range: room/h/d/2027-05-08: ");
    assert_int_equal(scene_run(&out, "%s range delete room/h/d 2027-05-09 2027-05-10", client), 4);
    assert_int_equal(scene_run(&out, "%s range adjust room/h/d 2027-05-09 2027-05-10 five", client), 1);
    bytes_fini(&out);
}

static void ranges_that_are_wrong_are_refused(void **state) {
    scene_configure("HTTP_RANGE_NIGHTS_MAX", "31");
    struct broker_process *broker = start_builtin(state);
    static const struct {
        const char *body, *code;
        int status;
    } cases[] = {
        {"{'changes':[]}", "bad_message", 400},
        {"{'changes':7}", "bad_message", 400},
        {"[]", "bad_message", 400},
        {"{'changes':[7]}", "bad_message", 400},
        {"{'changes':[{'op':'set','topic':'room/h/d','start':'2027-05-01','end':'2027-05-31'}]}", "bad_message", 400},
        {"{'ack':'maybe','changes':[{'op':'touch','topic':'room/h/d','start':'2027-05-01','end':'2027-05-31'}]}", "bad_message",
         400},
        {"{'changes':[{'op':'touch','topic':'room/h/d','start':'2027-05-31','end':'2027-05-01'}]}", "invalid", 422},
        {"{'changes':[{'op':'touch','topic':'room/h/d','start':'2027-05-01','end':'2027-06-01'}]}", "too_many", 429},
        {"{'changes':[{'op':'touch','topic':'stock/1','start':'2027-05-01','end':'2027-05-01'}]}", "bad_topic", 400},
        {"{'changes':[{'op':'touch','topic':'boat/1','start':'2027-05-01','end':'2027-05-01'}]}", "unknown_kind", 404},
        {"{'changes':[{'op':'set','topic':'room/h/d','start':'2027-05-01','end':'2027-05-02','data':{}}]}", "invalid", 422},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *answer;
        assert_int_equal(post_range(broker, JSON_TYPE, cases[i].body, &answer), cases[i].status);
        assert_string_equal(wire_text(answer, "code"), cases[i].code);
        json_decref(answer);
    }
    scene_problem(broker, "POST", "/v1/range", JSON_TYPE "Idempotency-Key: \"\"\r\n",
                  "{\"changes\":[{\"op\":\"touch\",\"topic\":\"room/h/d\",\"start\":\"2027-05-01\",\"end\":\"2027-05-01\"}]}",
                  400, "bad_message");
    scene_problem(broker, "GET", "/v1/range", NULL, NULL, 405, "bad_message");
    assert_int_equal((int)scene_metric(broker, "ahora_topics"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_schemas_in_force_are_served),
        CASE(wrong_kinds_are_told_with_file_and_pointer),
        CASE(own_kinds_are_as_good_as_built_in_ones),
        CASE(what_the_broker_writes_is_sent_when_it_changes),
        CASE(the_history_of_an_order_survives_conflation),
        CASE(every_way_of_writing_has_the_same_results),
        CASE(ten_thousand_tills_never_sell_a_piece_twice),
        CASE(a_key_is_known_after_a_kill),
        CASE(a_stay_is_taken_whole_or_not_at_all_under_kill),
        CASE(a_range_is_written_whole_or_not_at_all),
        CASE(a_range_with_a_key_is_written_once),
        CASE(the_command_line_writes_ranges),
        CASE(ranges_that_are_wrong_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
