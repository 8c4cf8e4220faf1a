/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* `ahorad --budget` against what a run really takes, both of the same binary on the same machine. */
#include "tests/integration/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 1500
#define WARM 200
#define TOPICS 40000

/* The figure behind a name at the start of a line. */
static int64_t budget_of(const char *name) {
    struct bytes out = {0};
    assert_int_equal(scene_run(&out, "'%s' --budget", scene_broker_path()), 0);
    char mark[64];
    snprintf(mark, sizeof mark, "\n%s ", name);
    const char *line = strstr(bytes_text(&out), mark);
    assert_non_null(line);
    int64_t bytes = strtoll(line + strlen(mark), NULL, 10);
    bytes_fini(&out);
    assert_true(bytes > 0);
    return bytes;
}

/* Fragmentation and tables that double make up the difference. */
static void assert_close(const char *what, int64_t taken_kb, int64_t count, int64_t budget_bytes) {
    int64_t each = taken_kb * 1024 / count;
    print_message("  %s: budget %lld bytes, taken %lld\n", what, (long long)budget_bytes, (long long)each);
    assert_true(each < budget_bytes * 3 / 2);
    assert_true(each > budget_bytes / 2);
}

static void open_and_follow(struct wire *wire, struct broker_process *broker) {
    scene_open(wire, broker, CODEC_MSGPACK);
    json_t *answer = scene_ask(wire, "{'op':'sub','id':1,'match':'stock/none/*'}");
    assert_string_equal(wire_text(answer, "op"), "subscribed");
    json_decref(answer);
}

static void a_subscribed_connection_costs_what_the_budget_says(void **state) {
    static struct wire wires[CONNECTIONS];
    struct broker_process *broker = scene_start(state);
    for (int i = 0; i < WARM; i++) {
        open_and_follow(&wires[i], broker);
    }
    int64_t before = scene_memory_kb(broker);
    for (int i = WARM; i < CONNECTIONS; i++) {
        open_and_follow(&wires[i], broker);
    }
    int64_t after = scene_memory_kb(broker);
    for (int i = 0; i < CONNECTIONS; i++) {
        wire_fini(&wires[i]);
    }
    if (before == 0) {
        print_message("skipped: under a sanitizer memory says nothing\n");
        skip();
    }
    assert_close("connection", after - before, CONNECTIONS - WARM, budget_of("connection, subscribed"));
}

static void publish_topics(struct wire *wire, int first, int count) {
    for (int i = first; i < first + count; i += 500) {
        json_t *changes = json_array();
        for (int k = i; k < i + 500; k++) {
            char topic[64];
            snprintf(topic, sizeof topic, "stock/budget/topic-%07d", k);
            json_array_append_new(changes, json_pack("{s:s,s:s,s:{s:i}}", "op", "set", "topic", topic, "data", "available", k));
        }
        char *text = json_dumps(changes, JSON_COMPACT);
        scene_say(wire, "{'op':'pub','id':1,'changes':%s}", text);
        free(text);
        json_decref(changes);
        json_decref(scene_hear_op(wire, "published"));
    }
}

static void a_topic_costs_what_the_budget_says(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    scene_open(&wire, broker, CODEC_MSGPACK);
    publish_topics(&wire, 0, 5000);
    int64_t before = scene_memory_kb(broker);
    publish_topics(&wire, 5000, TOPICS);
    int64_t after = scene_memory_kb(broker);
    wire_fini(&wire);
    if (before == 0) {
        print_message("skipped: under a sanitizer memory says nothing\n");
        skip();
    }
    const int64_t document_bytes = 16;
    assert_close("topic", after - before, TOPICS, budget_of("topic") + document_bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_subscribed_connection_costs_what_the_budget_says),
        CASE(a_topic_costs_what_the_budget_says),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
