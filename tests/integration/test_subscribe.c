/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Subscriptions: snapshot and live, patterns, resuming, and readers that do not read. Every message also passes a follower. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scene.h"
#include "tests/support/follower.h"
#include "tests/support/rules.h"

/* A session and the follower that judges what comes over it. */
struct listener {
    struct wire wire;
    struct follower follower;
};

static void listener_connect(struct listener *listener, const struct broker_process *broker, enum codec codec,
                             int receive_bytes) {
    assert_true(wire_open_with(&listener->wire, broker->port, codec, &(struct wire_options){.receive_bytes = receive_bytes}));
    follower_connect(&listener->follower);
    scene_say(&listener->wire, "{'op':'hello'}");
}

static void listener_open(struct listener *listener, const struct broker_process *broker, enum codec codec) {
    follower_init(&listener->follower, codec_name(codec));
    listener_connect(listener, broker, codec, 0);
}

static void listener_close(struct listener *listener) {
    if (listener->follower.violation_count > 0) {
        fail_msg("%s", listener->follower.violations[0]);
    }
    wire_fini(&listener->wire);
    follower_fini(&listener->follower);
}

/* Asks for the subscription of that index, with its token if there is one. */
static void listener_ask(struct listener *listener, size_t index) {
    assert_true(wire_send_new(&listener->wire, follower_ask(&listener->follower, index)));
}

static size_t listener_follow(struct listener *listener, const char *pattern) {
    size_t index = follower_add(&listener->follower, &pattern, 1, 0);
    listener_ask(listener, index);
    return index;
}

static void listener_take_one(struct listener *listener) {
    json_t *message = wire_receive(&listener->wire, PATIENCE_MS);
    if (message == NULL) {
        fail_msg("%s hears nothing: close %d, fault %s", listener->follower.name, listener->wire.close_code,
                 listener->wire.fault != NULL ? listener->wire.fault : "none");
    }
    follower_take(&listener->follower, message);
    json_decref(message);
}

/* Listens until every subscription is complete up to `seq`. */
static void listener_catch_up(struct listener *listener, int64_t seq) {
    while (!follower_is_complete(&listener->follower, seq)) {
        listener_take_one(listener);
    }
}

/* Listens until the topic is held with that seq, or gone with it. */
static void listener_wait_seq(struct listener *listener, const char *topic, int64_t seq) {
    while (follower_seq(&listener->follower, topic) < seq) {
        listener_take_one(listener);
    }
}

static bool listener_holds(const struct listener *listener, const char *topic, const char *text) {
    const json_t *held = follower_document(&listener->follower, topic);
    json_t *want = scene_json("%s", text);
    bool is_equal = held != NULL && codec_values_equal(held, want);
    json_decref(want);
    return is_equal;
}

/* ---- snapshot, live ---- */

static void the_messages_of_a_subscription_have_the_keys_of_the_protocol(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire writer;
        struct wire wire;
        scene_open(&writer, broker, codec);
        scene_open(&wire, broker, codec);
        int64_t seq = scene_apply(&writer, "{'op':'set','topic':'stock/s/1','data':{'v':1,'w':1},'at':5000}");
        json_t *message = scene_ask(&wire, "{'op':'sub','id':7,'match':'stock/s/*'}");
        assert_string_equal(wire_text(message, "op"), "subscribed");
        assert_int_equal(scene_int(message, "id"), 7);
        assert_false(scene_bool(message, "resumed"));
        json_decref(message);
        message = scene_hear(&wire);
        assert_string_equal(wire_text(message, "op"), "set");
        assert_string_equal(wire_text(message, "topic"), "stock/s/1");
        assert_int_equal(scene_int(message, "seq"), seq);
        assert_int_equal(scene_int(message, "at"), 5000);
        int64_t ref = scene_int(message, "ref");
        assert_null(json_object_get(message, "stale"));
        json_decref(message);
        message = scene_hear(&wire);
        assert_string_equal(wire_text(message, "op"), "live");
        assert_int_equal(scene_int(message, "id"), 7);
        assert_int_equal(scene_int(message, "seq"), seq);
        json_decref(message);
        scene_apply(&writer, "{'op':'patch','topic':'stock/s/1','data':{'v':2},'at':6000}");
        message = scene_hear_op(&wire, "patch");
        assert_int_equal(scene_int(message, "ref"), ref);
        assert_int_equal(scene_int(message, "seq"), seq + 1);
        assert_int_equal(scene_int(message, "at"), 6000);
        json_t *want = scene_json("{'v':2}");
        assert_true(codec_values_equal(json_object_get(message, "data"), want));
        json_decref(want);
        json_decref(message);
        scene_apply(&writer, "{'op':'delete','topic':'stock/s/1'}");
        message = scene_hear_op(&wire, "remove");
        assert_string_equal(wire_text(message, "topic"), "stock/s/1");
        assert_string_equal(wire_text(message, "why"), "deleted");
        assert_int_equal(scene_int(message, "seq"), seq + 2);
        json_decref(message);
        wire_fini(&writer);
        wire_fini(&wire);
    }
}

static void a_late_joiner_gets_the_snapshot_and_then_every_change(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        int64_t seq = 0;
        for (int i = 0; i < 300; i++) {
            seq = scene_apply(&writer, "{'op':'set','topic':'stock/late/%d','data':{'i':%d}}", i, i);
        }
        struct listener listener;
        listener_open(&listener, broker, codec);
        listener_follow(&listener, "stock/late/*");
        listener_catch_up(&listener, seq);
        assert_int_equal(listener.follower.replica.document_count, 300);
        for (int i = 0; i < 100; i++) {
            seq = scene_apply(&writer, "{'op':'adjust','topic':'stock/late/%d','data':{'i':1000}}", i % 7);
        }
        listener_wait_seq(&listener, "stock/late/1", seq);
        assert_true(listener_holds(&listener, "stock/late/0", "{'i':15000}"));
        assert_true(listener_holds(&listener, "stock/late/6", "{'i':14006}"));
        seq = scene_apply(&writer, "{'op':'delete','topic':'stock/late/6'}");
        listener_wait_seq(&listener, "stock/late/6", seq);
        assert_null(follower_document(&listener.follower, "stock/late/6"));
        seq = scene_apply(&writer, "{'op':'set','topic':'stock/late/6','data':{'again':true}}");
        listener_wait_seq(&listener, "stock/late/6", seq);
        assert_true(listener_holds(&listener, "stock/late/6", "{'again':true}"));
        listener_close(&listener);
    }
    wire_fini(&writer);
}

static const char *const matched_topics[] = {"stock/1/a", "stock/1/b",    "stock/2/a", "stock/1",       "stock/1/a/x",
                                             "room/1/a",  "room/1/a/b/c", "order/1",   "service/bus/1", "stock/1/a/x/y"};
static const char *const matching_patterns[] = {"stock/1/a",    "stock/1/*", "stock/*/a", "stock/*/*",   "stock/**",
                                                "stock/1/**",   "*/1/a",     "*/*",       "*/**",        "room/**",
                                                "room/*/*/*/*", "*/*/a/**",  "order/*",   "stock/none/*"};

#define TOPICS (sizeof matched_topics / sizeof matched_topics[0])

static void patterns_select_exactly_their_topics(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    int64_t seq = 0;
    for (size_t i = 0; i < TOPICS; i++) {
        seq = scene_apply(&writer, "{'op':'set','topic':'%s','data':{'i':%zu}}", matched_topics[i], i);
    }
    for (size_t p = 0; p < sizeof matching_patterns / sizeof matching_patterns[0]; p++) {
        struct listener listener;
        listener_open(&listener, broker, p % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
        listener_follow(&listener, matching_patterns[p]);
        listener_catch_up(&listener, seq);
        for (size_t i = 0; i < TOPICS; i++) { /* live, too */
            seq = scene_apply(&writer, "{'op':'patch','topic':'%s','data':{'live':%zu}}", matched_topics[i], p);
        }
        for (size_t i = 0; i < TOPICS; i++) {
            bool is_matched = rules_match(matching_patterns[p], matched_topics[i]);
            if (is_matched) {
                listener_wait_seq(&listener, matched_topics[i], seq - (int64_t)(TOPICS - 1 - i));
            }
            if (is_matched != (follower_document(&listener.follower, matched_topics[i]) != NULL)) {
                fail_msg("%s and %s", matching_patterns[p], matched_topics[i]);
            }
        }
        listener_close(&listener);
    }
    wire_fini(&writer);
}

static void a_list_of_patterns_and_overlapping_subscriptions_end_equal(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_MSGPACK);
    FOR_BOTH(codec) {
        struct listener listener;
        listener_open(&listener, broker, codec);
        static const char *const list[] = {"stock/1/*", "stock/*/a", "room/1/a"};
        size_t index = follower_add(&listener.follower, list, 3, 0);
        listener_ask(&listener, index);
        listener_follow(&listener, "stock/**");
        listener_follow(&listener, "stock/1/a");
        int64_t seq = 0;
        for (int i = 0; i < 200; i++) {
            seq = scene_apply(&writer, "{'op':'set','topic':'%s','data':{'i':%d}}", matched_topics[i % 6], i);
            if (i % 10 == 9) {
                seq = scene_apply(&writer, "{'op':'delete','topic':'%s'}", matched_topics[i % 6]);
            }
        }
        seq = scene_apply(&writer, "{'op':'set','topic':'stock/1/a','data':{'end':1}}");
        listener_wait_seq(&listener, "stock/1/a", seq);
        listener_wait_seq(&listener, "room/1/a", 1);
        for (int i = 0; i < 6; i++) {
            json_t *document = scene_get(broker, matched_topics[i]);
            const json_t *held = follower_document(&listener.follower, matched_topics[i]);
            assert_true(document == NULL ? held == NULL : codec_values_equal(held, json_object_get(document, "data")));
            json_decref(document);
        }
        listener_close(&listener);
    }
    wire_fini(&writer);
}

static void unsub_ends_the_stream_and_frees_the_id(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire writer;
        struct wire wire;
        scene_open(&writer, broker, codec);
        scene_open(&wire, broker, codec);
        for (int round = 0; round < 2; round++) {
            json_decref(scene_ask(&wire, "{'op':'sub','id':1,'match':'stock/*/*'}"));
            json_decref(scene_hear_op(&wire, "live"));
            scene_say(&wire, "{'op':'sub','id':1,'match':'room/*/*'}");
            scene_expect_error(&wire, "bad_message", 1);
            json_t *answer = scene_ask(&wire, "{'op':'unsub','id':1}");
            assert_string_equal(wire_text(answer, "op"), "ok");
            assert_int_equal(scene_int(answer, "id"), 1);
            json_decref(answer);
            scene_apply(&writer, "{'op':'set','topic':'stock/1/a','data':{'round':%d}}", round);
            scene_expect_alive(&wire);
        }
        wire_fini(&writer);
        wire_fini(&wire);
    }
}

static void every_ms_passes_over_versions_and_ends_on_the_newest(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        struct listener listener;
        listener_open(&listener, broker, codec);
        const char *pattern = "stock/e/*";
        follower_add(&listener.follower, &pattern, 1, 300);
        listener_ask(&listener, 0);
        listener_catch_up(&listener, 0);
        int64_t seq = 0;
        for (int i = 0; i < 500; i++) {
            seq = scene_apply(&writer, "{'op':'set','topic':'stock/e/%d','data':{'i':%d}}", i % 2, i);
        }
        listener_catch_up(&listener, seq);
        assert_true(listener_holds(&listener, "stock/e/1", "{'i':499}"));
        assert_true(listener_holds(&listener, "stock/e/0", "{'i':498}"));
        assert_true(listener.follower.sets + listener.follower.patches < 500);
        assert_true(listener.follower.skipped > 0);
        listener_close(&listener);
    }
    wire_fini(&writer);
}

/* ---- resume ---- */

static void a_token_resumes_after_a_cut_with_what_changed_and_was_removed(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        int64_t seq = 0;
        for (int i = 0; i < 50; i++) {
            seq = scene_apply(&writer, "{'op':'set','topic':'stock/r/%d','data':{'i':%d}}", i, i);
        }
        struct listener listener;
        listener_open(&listener, broker, codec);
        listener_follow(&listener, "stock/r/*");
        listener_catch_up(&listener, seq);
        wire_cut(&listener.wire);
        wire_fini(&listener.wire);
        scene_apply(&writer, "{'op':'patch','topic':'stock/r/3','data':{'new':1}}");
        scene_apply(&writer, "{'op':'delete','topic':'stock/r/4'}");
        scene_apply(&writer, "{'op':'delete','topic':'stock/r/5'}");
        scene_apply(&writer, "{'op':'set','topic':'stock/r/5','data':{'back':true}}");
        seq = scene_apply(&writer, "{'op':'set','topic':'stock/r/new','data':{}}");
        uint64_t before = listener.follower.sets + listener.follower.patches + listener.follower.removes;
        listener_connect(&listener, broker, codec, 0);
        listener_ask(&listener, 0);
        listener_catch_up(&listener, seq);
        assert_int_equal(listener.follower.resumed, 1);
        uint64_t got = listener.follower.sets + listener.follower.patches + listener.follower.removes - before;
        assert_in_range(got, 4, 5); /* what changed, not the fifty */
        assert_null(follower_document(&listener.follower, "stock/r/4"));
        assert_true(listener_holds(&listener, "stock/r/3", "{'i':3,'new':1}"));
        assert_true(listener_holds(&listener, "stock/r/5", "{'back':true}"));
        assert_int_equal(listener.follower.replica.document_count, 50);
        listener_close(&listener);
        scene_apply(&writer, "{'op':'delete','topic':'stock/r/new'}");
    }
    wire_fini(&writer);
}

static void a_token_that_is_not_ours_gets_a_snapshot_and_is_told_so(void **state) {
    struct broker_process *broker = scene_start(state);
    FOR_BOTH(codec) {
        struct wire wire;
        json_t *welcome = wire_open_session(&wire, broker->port, codec);
        char epoch[40];
        snprintf(epoch, sizeof epoch, "%s", wire_text(welcome, "epoch"));
        json_decref(welcome);
        int64_t seq = scene_apply(&wire, "{'op':'set','topic':'stock/t/1','data':{}}");
        char tokens[9][128];
        snprintf(tokens[0], sizeof tokens[0], "another%s-%lld", epoch, (long long)seq);
        snprintf(tokens[1], sizeof tokens[1], "%s-%lld", epoch, (long long)seq + 1000);
        snprintf(tokens[2], sizeof tokens[2], "%s-9007199254740992", epoch);
        snprintf(tokens[3], sizeof tokens[3], "%s--1", epoch);
        snprintf(tokens[4], sizeof tokens[4], "%s", epoch);
        snprintf(tokens[5], sizeof tokens[5], "%s-", epoch);
        snprintf(tokens[6], sizeof tokens[6], "%s-1x", epoch);
        snprintf(tokens[7], sizeof tokens[7], "-%lld", (long long)seq);
        snprintf(tokens[8], sizeof tokens[8], "%s-%060d", epoch, 1);
        for (int i = 0; i < 9; i++) {
            json_t *answer = scene_ask(&wire, "{'op':'sub','id':%d,'match':'stock/t/*','since':'%s'}", i + 1, tokens[i]);
            if (strcmp(wire_text(answer, "op"), "subscribed") != 0 || scene_bool(answer, "resumed")) {
                fail_msg("token %s: %s %s", tokens[i], wire_text(answer, "op"), wire_text(answer, "code"));
            }
            json_decref(answer);
            json_t *set = scene_hear(&wire);
            assert_string_equal(wire_text(set, "op"), "set");
            json_decref(set);
            json_decref(scene_hear_op(&wire, "live"));
            json_decref(scene_ask(&wire, "{'op':'unsub','id':%d}", i + 1));
        }
        json_t *answer = scene_ask(&wire, "{'op':'sub','id':99,'match':'stock/t/*','since':'%s-%lld'}", epoch, (long long)seq);
        assert_true(scene_bool(answer, "resumed"));
        json_decref(answer);
        wire_fini(&wire);
    }
}

static void a_token_older_than_the_removals_kept_gets_a_snapshot(void **state) {
    scene_configure("LIMITS_REMOVALS_MAX", "10");
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    FOR_BOTH(codec) {
        struct listener listener;
        listener_open(&listener, broker, codec);
        int64_t seq = 0;
        for (int i = 0; i < 40; i++) {
            seq = scene_apply(&writer, "{'op':'set','topic':'order/rm/%d','data':{}}", i);
        }
        listener_follow(&listener, "order/rm/*");
        listener_catch_up(&listener, seq);
        for (int round = 0; round < 2; round++) {
            wire_cut(&listener.wire);
            wire_fini(&listener.wire);
            for (int i = 0; i < (round == 0 ? 5 : 25); i++) {
                seq = scene_apply(&writer, "{'op':'delete','topic':'order/rm/%d'}", 5 * round + i);
            }
            listener_connect(&listener, broker, codec, 0);
            listener_ask(&listener, 0);
            listener_catch_up(&listener, seq);
            assert_int_equal(listener.follower.replica.document_count, round == 0 ? 35 : 10);
        }
        assert_int_equal(listener.follower.resumed, 1);
        assert_int_equal(listener.follower.resyncs, 1);
        listener_close(&listener);
        for (int i = 30; i < 40; i++) {
            scene_apply(&writer, "{'op':'delete','topic':'order/rm/%d'}", i);
        }
    }
    wire_fini(&writer);
}

static void a_token_resumes_after_a_restart(void **state) {
    struct broker_process *broker = scene_start(state);
    struct listener listeners[2];
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    int64_t seq = 0;
    for (int i = 0; i < 20; i++) {
        seq = scene_apply(&writer, "{'op':'set','topic':'room/r/%d','data':{'i':%d}}", i, i);
    }
    FOR_BOTH(codec) {
        listener_open(&listeners[codec], broker, codec);
        listener_follow(&listeners[codec], "room/**");
        listener_catch_up(&listeners[codec], seq);
    }
    seq = scene_apply(&writer, "{'op':'delete','topic':'room/r/7'}");
    wire_fini(&writer);
    assert_int_equal(broker_process_term(broker), 0);
    assert_true(broker_process_start(broker, NULL));
    FOR_BOTH(codec) {
        wire_fini(&listeners[codec].wire);
        listener_connect(&listeners[codec], broker, codec, 0);
        listener_ask(&listeners[codec], 0);
        listener_catch_up(&listeners[codec], seq);
        assert_int_equal(listeners[codec].follower.resumed, 1);
        assert_null(follower_document(&listeners[codec].follower, "room/r/7"));
        assert_int_equal(listeners[codec].follower.replica.document_count, 19);
        listener_close(&listeners[codec]);
    }
}

/* ---- readers that do not read ---- */

#define FILLER "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

/* `count` changes of about 500 bytes over 20 topics, 100 a message. Returns the last seq. */
static int64_t publish_many(struct wire *writer, int count, const char *branch) {
    int64_t seq = 0;
    for (int done = 0; done < count; done += 100) {
        json_t *changes = json_array();
        for (int i = done; i < done + 100; i++) {
            json_array_append_new(changes, scene_json("{'op':'set','topic':'stock/%s/%d','data':{'i':%d,'fill':'%s'}}", branch,
                                                      i % 20, i, FILLER FILLER FILLER FILLER));
        }
        assert_true(
            wire_send_new(writer, json_pack("{s:s s:i s:s s:o}", "op", "pub", "id", 1, "ack", "applied", "changes", changes)));
        json_t *answer = scene_hear_op(writer, "published");
        seq = scene_int(json_array_get(json_object_get(answer, "results"), 99), "seq");
        json_decref(answer);
    }
    return seq;
}

/* A session with a small window whose snapshot was taken; from now on it does not read. */
static void open_stalled(struct listener *listener, const struct broker_process *broker, enum codec codec,
                         const char *pattern) {
    follower_init(&listener->follower, codec_name(codec));
    listener_connect(listener, broker, codec, 4096);
    listener_follow(listener, pattern);
    listener_catch_up(listener, 0);
}

static void a_stalled_reader_skips_to_the_newest_and_is_told(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_MSGPACK);
    FOR_BOTH(codec) {
        struct listener listener;
        open_stalled(&listener, broker, codec, "stock/slow/*");
        int64_t seq = publish_many(&writer, 20000, "slow");
        int64_t last = scene_apply(&writer, "{'op':'delete','topic':'stock/slow/3'}");
        listener_catch_up(&listener, last);
        for (int i = 0; i < 20; i++) {
            char topic[32];
            snprintf(topic, sizeof topic, "stock/slow/%d", i);
            const json_t *held = follower_document(&listener.follower, topic);
            assert_true(i == 3 ? held == NULL : scene_int(held, "i") == 19980 + i);
        }
        assert_true(follower_seq(&listener.follower, "stock/slow/19") == seq);
        assert_true(listener.follower.skipped > 1000);
        assert_true(listener.follower.sets + listener.follower.patches + listener.follower.skipped >= 19000);
        listener_close(&listener);
        for (int i = 0; i < 20; i++) {
            json_decref(scene_change(&writer, "{'op':'delete','topic':'stock/slow/%d'}", i));
        }
    }
    wire_fini(&writer);
}

/* The same stall, ten times as long, must not cost the broker more memory: segments of the journal are mapped or written once. */
static void a_stall_costs_no_memory_that_grows_with_time(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_MSGPACK);
    struct listener listeners[20];
    for (int i = 0; i < 20; i++) {
        open_stalled(&listeners[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK, "stock/stall/*");
    }
    publish_many(&writer, 5000, "stall");
    int64_t before = scene_memory_kb(broker);
    int64_t seq = publish_many(&writer, 50000, "stall"); /* 25 MB a reader, if it were kept */
    int64_t after = scene_memory_kb(broker);
    print_message("  anonymous memory %lld kB, then %lld kB\n", (long long)before, (long long)after);
    assert_true(after < before + 16 * 1024);
    for (int i = 0; i < 20; i++) {
        listener_catch_up(&listeners[i], seq);
        assert_true(scene_int(follower_document(&listeners[i].follower, "stock/stall/19"), "i") == 49999);
        listener_close(&listeners[i]);
    }
    wire_fini(&writer);
}

#define WIDE_TOPICS 40
#define WIDE_ROUNDS 30
#define WIDE_FILL_BYTES 4000

/* One publish that changes many topics, 160 KB in all. Returns the seq of the first. */
static int64_t publish_wide(struct wire *writer, int round) {
    static char fill[WIDE_FILL_BYTES + 1];
    memset(fill, 'a' + round % 26, WIDE_FILL_BYTES);
    json_t *changes = json_array();
    for (int i = 0; i < WIDE_TOPICS; i++) {
        json_array_append_new(
            changes, scene_json("{'op':'set','topic':'stock/wide/%d','data':{'round':%d,'fill':'%s'}}", i, round, fill));
    }
    assert_true(
        wire_send_new(writer, json_pack("{s:s s:i s:s s:o}", "op", "pub", "id", 1, "ack", "applied", "changes", changes)));
    json_t *answer = scene_hear_op(writer, "published");
    int64_t seq = scene_int(json_array_get(json_object_get(answer, "results"), 0), "seq");
    json_decref(answer);
    return seq;
}

/* More than a message holds leaves in one call, of which a small window takes a part: what it does not take is not lost, and no topic that it
   was to be shown comes later than those behind it. */
static void a_turn_of_many_messages_arrives_whole(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    struct listener listeners[2][2];
    scene_open(&writer, broker, CODEC_MSGPACK);
    FOR_BOTH(codec) {
        for (int small = 0; small < 2; small++) {
            struct listener *listener = &listeners[codec][small];
            follower_init(&listener->follower, codec_name(codec));
            listener_connect(listener, broker, codec, small ? 4096 : 0);
            listener_follow(listener, "stock/wide/*");
            listener_catch_up(listener, 0);
        }
    }
    for (int round = 0; round < WIDE_ROUNDS; round++) {
        int64_t seq = publish_wide(&writer, round);
        FOR_BOTH(codec) {
            for (int i = 0; i < 2 * WIDE_TOPICS; i++) {
                struct listener *listener = &listeners[codec][i % 2];
                char topic[32];
                snprintf(topic, sizeof topic, "stock/wide/%d", i / 2);
                listener_wait_seq(listener, topic, seq + i / 2);
                assert_int_equal(scene_int(follower_document(&listener->follower, topic), "round"), round);
            }
        }
    }
    FOR_BOTH(codec) {
        assert_int_equal(listeners[codec][0].follower.sets + listeners[codec][0].follower.patches, WIDE_TOPICS * WIDE_ROUNDS);
        listener_close(&listeners[codec][0]);
        listener_close(&listeners[codec][1]);
    }
    wire_fini(&writer);
}

#define STALLED 200
#define GOOD 5

/* Each good listener takes what was published: never more than one publish, which a socket holds, waits for it. */
static void read_good(struct listener *good, int64_t seq) {
    for (int i = 0; i < GOOD; i++) {
        listener_wait_seq(&good[i], "stock/g/19", seq);
    }
}

static void good_readers_beside_200_stalled_ones_get_everything(void **state) {
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_MSGPACK);
    struct listener *stalled = calloc(STALLED, sizeof *stalled);
    struct listener good[GOOD];
    for (int i = 0; i < STALLED; i++) {
        open_stalled(&stalled[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK, "stock/g/*");
    }
    for (int i = 0; i < GOOD; i++) {
        listener_open(&good[i], broker, i % 2 == 0 ? CODEC_JSON : CODEC_MSGPACK);
        listener_follow(&good[i], "stock/g/*");
        listener_catch_up(&good[i], 0);
    }
    int64_t seq = 0;
    for (int i = 0; i < 50; i++) {
        seq = publish_many(&writer, 100, "g");
        read_good(good, seq);
    }
    for (int i = 0; i < GOOD; i++) {
        assert_int_equal(good[i].follower.skipped, 0);
        assert_int_equal(good[i].follower.sets + good[i].follower.patches, 5000);
        listener_close(&good[i]);
    }
    for (int i = 0; i < STALLED; i++) {
        listener_catch_up(&stalled[i], seq);
        listener_close(&stalled[i]);
    }
    free(stalled);
    wire_fini(&writer);
}

#define SHELF 30
#define CROWD 20

static int64_t count_sets(const struct broker_process *broker, enum codec codec, int64_t newest_of_first) {
    struct wire wire;
    int64_t sets = 0;
    scene_open(&wire, broker, codec);
    json_decref(scene_ask(&wire, "{'op':'sub','id':1,'match':'stock/shelf/*'}"));
    for (;;) {
        json_t *message = scene_hear(&wire);
        const bool is_live = strcmp(wire_text(message, "op"), "live") == 0;
        if (!is_live) {
            sets++;
            const int64_t i = scene_int(json_object_get(message, "data"), "i");
            const bool is_first = strcmp(wire_text(message, "topic"), "stock/shelf/0") == 0;
            assert_int_equal(i, is_first ? newest_of_first : atoll(wire_text(message, "topic") + strlen("stock/shelf/")));
        }
        json_decref(message);
        if (is_live) {
            wire_fini(&wire);
            return sets;
        }
    }
}

/* Each shard has its own, and learns of a change when its turn comes: what one has is counted where there is one. */
static void skip_with_shards(void) {
    if (getenv("AHORA_THREADS_SHARDS") != NULL) {
        skip();
    }
}

/* A crowd that comes back costs one encoding of each document, whoever asks. */
static void a_crowd_that_joins_shares_what_was_encoded(void **state) {
    skip_with_shards();
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    for (int i = 0; i < SHELF; i++) {
        scene_apply(&writer, "{'op':'set','topic':'stock/shelf/%d','data':{'i':%d}}", i, i);
    }
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(count_sets(broker, CODEC_JSON, 0), SHELF);
    }
    assert_true(scene_metric(broker, "ahora_encodings_total") == SHELF);
    assert_true(scene_metric(broker, "ahora_encodings_shared_total") == SHELF * (CROWD - 1));
    for (int i = 1; i <= 5; i++) { /* a change is another message */
        scene_apply(&writer, "{'op':'set','topic':'stock/shelf/0','data':{'i':%d}}", i * 100);
        assert_int_equal(count_sets(broker, CODEC_JSON, i * 100), SHELF);
    }
    assert_true(scene_metric(broker, "ahora_encodings_total") == SHELF + 5);
    assert_int_equal(count_sets(broker, CODEC_MSGPACK, 500), SHELF);
    wire_fini(&writer);
}

static void without_room_for_it_everybody_is_told_all_the_same(void **state) {
    skip_with_shards();
    scene_configure("LIMITS_ENCODED_BYTES_MAX", "0");
    struct broker_process *broker = scene_start(state);
    struct wire writer;
    scene_open(&writer, broker, CODEC_JSON);
    for (int i = 0; i < SHELF; i++) {
        scene_apply(&writer, "{'op':'set','topic':'stock/shelf/%d','data':{'i':%d}}", i, i);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(count_sets(broker, CODEC_JSON, 0), SHELF);
    }
    assert_true(scene_metric(broker, "ahora_encodings_shared_total") == 0);
    wire_fini(&writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_messages_of_a_subscription_have_the_keys_of_the_protocol),
        CASE(a_late_joiner_gets_the_snapshot_and_then_every_change),
        CASE(patterns_select_exactly_their_topics),
        CASE(a_list_of_patterns_and_overlapping_subscriptions_end_equal),
        CASE(unsub_ends_the_stream_and_frees_the_id),
        CASE(every_ms_passes_over_versions_and_ends_on_the_newest),
        CASE(a_token_resumes_after_a_cut_with_what_changed_and_was_removed),
        CASE(a_token_that_is_not_ours_gets_a_snapshot_and_is_told_so),
        CASE(a_token_older_than_the_removals_kept_gets_a_snapshot),
        CASE(a_token_resumes_after_a_restart),
        CASE(a_crowd_that_joins_shares_what_was_encoded),
        CASE(without_room_for_it_everybody_is_told_all_the_same),
        CASE(a_stalled_reader_skips_to_the_newest_and_is_told),
        CASE(a_stall_costs_no_memory_that_grows_with_time),
        CASE(a_turn_of_many_messages_arrives_whole),
        CASE(good_readers_beside_200_stalled_ones_get_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
