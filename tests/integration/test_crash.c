/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* kill -9 under load: a killed process loses nothing it has shown to anyone, and keeps its epoch. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scene.h"
#include "tests/support/follower.h"

#define PUBLISHERS 4
#define TOPICS 40
#define WINDOW 64
#define ROUNDS 10

/* What one topic was told to be. Its document is {n}; n grows with every change of its publisher. */
struct told {
    int64_t n_acknowledged;
    int64_t n_deleted; /* of the last delete sent */
};

/* One publisher with its own topics, so that n grows on each of them. */
struct publisher {
    struct wire wire;
    int64_t n;       /* of the last change sent */
    int64_t n_heard; /* of the last answered */
    struct told told[TOPICS];
};

static void publisher_send(struct publisher *publisher, int index) {
    while (publisher->n - publisher->n_heard < WINDOW && wire_unsent(&publisher->wire) < 65536) {
        int64_t n = ++publisher->n;
        int topic = (int)(n % TOPICS);
        bool is_delete = n % 11 == 0;
        json_t *message = scene_json("{'op':'pub','id':%lld,'ack':'%s','changes':[{'op':'%s','topic':'stock/%d/%d'%s%lld}}]}",
                                     (long long)n, n % 3 == 0 ? "applied" : "durable", is_delete ? "delete" : "set", index,
                                     topic, ",'data':{'n':", (long long)n);
        if (is_delete) {
            json_object_del(json_array_get(json_object_get(message, "changes"), 0), "data");
            publisher->told[topic].n_deleted = n;
        }
        struct bytes payload = {0};
        codec_encode(publisher->wire.codec, message, &payload);
        wire_queue(&publisher->wire, bytes_data(&payload), bytes_size(&payload));
        bytes_fini(&payload);
        json_decref(message);
    }
    wire_flush(&publisher->wire);
}

static int publisher_hear(struct publisher *publisher) {
    int count = 0;
    while (wire_read(&publisher->wire, 65536) > 0) {
    }
    for (json_t *answer; (answer = wire_next(&publisher->wire)) != NULL; json_decref(answer)) {
        if (strcmp(wire_text(answer, "op"), "published") != 0) {
            continue;
        }
        int64_t n = scene_int(answer, "id");
        const char *code = scene_code(json_array_get(json_object_get(answer, "results"), 0));
        assert_true(code[0] == '\0' || strcmp(code, "not_found") == 0);
        publisher->told[n % TOPICS].n_acknowledged = n;
        publisher->n_heard = n > publisher->n_heard ? n : publisher->n_heard;
        count++;
    }
    return count;
}

static void publisher_check(const struct publisher *publisher, int index, const struct broker_process *broker) {
    for (int topic = 0; topic < TOPICS; topic++) {
        const struct told *told = &publisher->told[topic];
        char name[64];
        snprintf(name, sizeof name, "stock/%d/%d", index, topic);
        json_t *document = scene_get(broker, name);
        int64_t n = document != NULL ? scene_int(json_object_get(document, "data"), "n") : 0;
        bool is_lost = document != NULL ? n < told->n_acknowledged : told->n_acknowledged > told->n_deleted;
        if (is_lost) {
            fail_msg("%s: acknowledged %lld, deleted %lld, holds %lld", name, (long long)told->n_acknowledged,
                     (long long)told->n_deleted, (long long)n);
        }
        json_decref(document);
    }
}

/* ---- the subscriber ---- */

struct subscriber {
    struct wire wire;
    struct follower follower;
};

static void subscriber_connect(struct subscriber *subscriber, const struct broker_process *broker, enum codec codec) {
    assert_true(wire_open(&subscriber->wire, broker->port, codec));
    follower_connect(&subscriber->follower);
    scene_say(&subscriber->wire, "{'op':'hello'}");
    assert_true(wire_send_new(&subscriber->wire, follower_ask(&subscriber->follower, 0)));
}

/* Takes everything that has come; also what was on the way when the broker died. */
static void subscriber_hear(struct subscriber *subscriber) {
    while (wire_read(&subscriber->wire, 65536) > 0) {
    }
    for (json_t *message; (message = wire_next(&subscriber->wire)) != NULL; json_decref(message)) {
        follower_take(&subscriber->follower, message);
    }
}

static void subscriber_catch_up(struct subscriber *subscriber, int64_t seq) {
    while (!follower_is_complete(&subscriber->follower, seq)) {
        json_t *message = wire_receive(&subscriber->wire, PATIENCE_MS);
        assert_non_null(message);
        follower_take(&subscriber->follower, message);
        json_decref(message);
    }
}

static void read_status(const struct broker_process *broker, char epoch[40], int64_t *seq) {
    struct http_response response;
    assert_int_equal(scene_http(broker, "GET", "/v1/status", NULL, NULL, &response), 200);
    json_t *status = http_response_json(&response);
    snprintf(epoch, 40, "%s", wire_text(status, "epoch"));
    *seq = scene_int(status, "seq");
    json_decref(status);
    http_response_fini(&response);
}

/* Publishes until so many answers came, then kills the broker in the middle of it. */
static void load_and_kill(struct broker_process *broker, struct publisher *publishers, struct subscriber *subscribers,
                          int answers) {
    int64_t deadline_ms = scene_clock_ms() + PATIENCE_MS;
    for (int count = 0; count < answers;) {
        struct pollfd items[PUBLISHERS];
        for (int i = 0; i < PUBLISHERS; i++) {
            publisher_send(&publishers[i], i);
            items[i] = (struct pollfd){.fd = publishers[i].wire.fd, .events = POLLIN};
        }
        poll(items, PUBLISHERS, 10);
        for (int i = 0; i < PUBLISHERS; i++) {
            count += publisher_hear(&publishers[i]);
        }
        FOR_BOTH(codec) {
            subscriber_hear(&subscribers[codec]);
        }
        assert_true(scene_clock_ms() < deadline_ms);
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        publisher_send(&publishers[i], i);
    }
    broker_process_kill(broker);
    for (int i = 0; i < PUBLISHERS; i++) {
        publisher_hear(&publishers[i]);
        wire_fini(&publishers[i].wire);
        publishers[i].n_heard = publishers[i].n;
    }
}

static void a_killed_broker_loses_nothing_it_has_shown(void **state) {
    scene_configure("STORE_SEGMENT_BYTES", "1M"); /* so that segments close and are folded meanwhile */
    scene_configure("STORE_JOURNAL_BYTES_MAX", "64M");
    struct broker_process *broker = scene_start(state);
    static struct publisher publishers[PUBLISHERS];
    static struct subscriber subscribers[2];
    char epoch[40];
    char epoch_now[40];
    int64_t seq;
    uint32_t seed = 7;
    memset(publishers, 0, sizeof publishers);
    read_status(broker, epoch, &seq);
    FOR_BOTH(codec) {
        follower_init(&subscribers[codec].follower, codec_name(codec));
        static const char *const pattern = "stock/**";
        follower_add(&subscribers[codec].follower, &pattern, 1, 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PUBLISHERS; i++) {
            scene_open(&publishers[i].wire, broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
        }
        FOR_BOTH(codec) {
            subscriber_connect(&subscribers[codec], broker, codec);
        }
        seed = seed * 1664525u + 1013904223u;
        load_and_kill(broker, publishers, subscribers, 200 + (int)(seed >> 16) % 4000);
        FOR_BOTH(codec) {
            subscriber_hear(&subscribers[codec]);
            wire_fini(&subscribers[codec].wire);
        }
        assert_true(broker_process_start(broker, NULL));
        read_status(broker, epoch_now, &seq);
        assert_string_equal(epoch_now, epoch);
        for (int i = 0; i < PUBLISHERS; i++) {
            publisher_check(&publishers[i], i, broker);
        }
        FOR_BOTH(codec) {
            struct subscriber *subscriber = &subscribers[codec];
            uint64_t resumed = subscriber->follower.resumed;
            assert_true(subscriber->follower.shown_seq <= seq); /* no seq that was shown is gone */
            subscriber_connect(subscriber, broker, codec);
            subscriber_catch_up(subscriber, seq);
            assert_int_equal(subscriber->follower.resumed, resumed + 1);
            wire_fini(&subscriber->wire);
        }
    }
    FOR_BOTH(codec) {
        for (int i = 0; i < PUBLISHERS * TOPICS; i++) { /* what each holds is what the broker holds */
            char name[64];
            snprintf(name, sizeof name, "stock/%d/%d", i / TOPICS, i % TOPICS);
            json_t *document = scene_get(broker, name);
            const json_t *held = follower_document(&subscribers[codec].follower, name);
            assert_true(document == NULL ? held == NULL : codec_values_equal(held, json_object_get(document, "data")));
            json_decref(document);
        }
        if (subscribers[codec].follower.violation_count > 0) {
            fail_msg("%s", subscribers[codec].follower.violations[0]);
        }
        follower_fini(&subscribers[codec].follower);
    }
}

static void a_kill_right_after_the_start_does_no_harm(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire wire;
    char epoch[40];
    char epoch_now[40];
    int64_t seq;
    scene_open(&wire, broker, CODEC_JSON);
    scene_apply(&wire, "{'op':'set','topic':'order/1','data':{'v':1}}");
    wire_fini(&wire);
    read_status(broker, epoch, &seq);
    broker_process_kill(broker);
    for (int i = 0; i < 20; i++) {
        assert_true(broker_process_spawn(broker, NULL));
        scene_sleep(i);
        broker_process_kill(broker);
    }
    assert_true(broker_process_start(broker, NULL));
    read_status(broker, epoch_now, &seq);
    assert_string_equal(epoch_now, epoch);
    assert_int_equal(seq, 1);
    assert_true(scene_holds(broker, "order/1", "{'v':1}"));
}

static void a_clean_stop_keeps_everything_and_the_epoch(void **state) {
    struct broker_process *broker = scene_start(state);
    char epoch[40];
    char epoch_now[40];
    int64_t seq;
    int64_t seq_now;
    for (int round = 0; round < 3; round++) {
        struct wire wire;
        scene_open(&wire, broker, CODEC_MSGPACK);
        scene_apply(&wire, "{'op':'set','topic':'order/%d','data':{'round':%d},'at':1000}", round, round);
        if (round == 2) {
            scene_apply(&wire, "{'op':'delete','topic':'order/0'}");
        }
        wire_fini(&wire);
        read_status(broker, epoch, &seq);
        assert_int_equal(broker_process_term(broker), 0);
        assert_true(broker_process_start(broker, NULL));
        read_status(broker, epoch_now, &seq_now);
        assert_string_equal(epoch_now, epoch);
        assert_int_equal(seq_now, seq);
    }
    assert_null(scene_get(broker, "order/0"));
    json_t *document = scene_get(broker, "order/1");
    assert_int_equal(scene_int(document, "seq"), 2);
    assert_int_equal(scene_int(document, "at"), 1000);
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_killed_broker_loses_nothing_it_has_shown),
        CASE(a_kill_right_after_the_start_does_no_harm),
        CASE(a_clean_stop_keeps_everything_and_the_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
