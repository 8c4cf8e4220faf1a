/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Demand, as producers see it: what is told of who follows what, how soon, how often; and how it is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "broker/core/demand.h"
#include "tests/unit/core_rig.h"

static struct session *greet_any(struct rig *rig) {
    return greet(rig, "{\"op\":\"hello\"}");
}

static void sub(struct rig *rig, struct session *session, int id, const char *match, int every_ms) {
    char line[256];
    (void)snprintf(line, sizeof line, "{\"op\":\"sub\",\"id\":%d,\"match\":\"%s\",\"every_ms\":%d}", id, match, every_ms);
    say(rig, session, line);
    pass(rig, 0);
    pass(rig, 0);
}

static void unsub(struct rig *rig, struct session *session, int id) {
    char line[64];
    (void)snprintf(line, sizeof line, "{\"op\":\"unsub\",\"id\":%d}", id);
    say(rig, session, line);
    pass(rig, 0);
    pass(rig, 0);
}

static const char *document(const char *pattern, int subscribers, int every_ms, int64_t since_at) {
    static char text[256];
    (void)snprintf(
        text, sizeof text,
        "\"topic\":\"$demand/%s\",\"ref\":%%,\"at\":%%,\"data\":{\"subscribers\":%d,\"every_ms\":%d,\"since_at\":%" PRId64 "}",
        pattern, subscribers, every_ms, since_at);
    return text;
}

/* Was the document told? Refs and instants are not looked at. */
static void assert_told(const char *told, const char *pattern, int subscribers, int every_ms, int64_t since_at) {
    const char *wanted = document(pattern, subscribers, every_ms, since_at);
    char topic[128];
    char data[128];
    (void)snprintf(topic, sizeof topic, "%.*s", (int)strcspn(wanted, ","), wanted);
    (void)snprintf(data, sizeof data, "%s", strstr(wanted, "\"data\""));
    for (const char *at = strstr(told, topic); at != NULL; at = strstr(at + 1, topic)) {
        const char *found = strstr(at, "\"data\"");
        if (found != NULL && strncmp(found, data, strlen(data)) == 0) {
            return;
        }
    }
    fail_msg("%s ... %s was not told, but: %s", topic, data, told);
}

static size_t times(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        count++;
    }
    return count;
}

/* ---- telling ---- */

static void a_follower_is_told_at_once_and_its_going_after_a_while(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    assert_null(strstr(hear(rig, producer), "$demand"));
    sub(rig, reader, 1, "service/courier/**", 500);
    assert_told(hear(rig, producer), "service/courier/**", 1, 500, NOW);
    unsub(rig, reader, 1);
    pass(rig, 4999);
    assert_string_equal(hear(rig, producer), "");
    pass(rig, 1);
    assert_non_null(strstr(hear(rig, producer), "\"topic\":\"$demand/service/courier/**\",\"ref\":1,\"why\":\"deleted\"}"));
    assert_int_equal(core_metrics(rig->core)->demand_topics, 0);
}

static void the_finest_pace_and_the_sum_are_told_not_too_often(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/stock/*", 0);
    sub(rig, reader, 1, "stock/*", 2000);
    (void)hear(rig, producer);
    pass(rig, 10);
    sub(rig, reader, 2, "stock/*", 300);
    sub(rig, reader, 3, "stock/*", 0);
    sub(rig, reader, 4, "stock/*", 700);
    unsub(rig, reader, 3);
    pass(rig, 989);
    assert_string_equal(hear(rig, producer), "");
    pass(rig, 1);
    assert_told(hear(rig, producer), "stock/*", 3, 300, NOW);
    unsub(rig, reader, 2);
    pass(rig, 1000);
    assert_told(hear(rig, producer), "stock/*", 2, 700, NOW);
    unsub(rig, reader, 1);
    sub(rig, reader, 1, "stock/*", 2000); /* as it was */
    pass(rig, 1000);
    assert_string_equal(hear(rig, producer), "");
}

static void one_that_comes_back_in_time_was_never_gone(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    sub(rig, reader, 1, "order/*", 0);
    (void)hear(rig, producer);
    for (int i = 0; i < 20; i++) {
        session_close(rig->core, reader);
        pass(rig, 4000);
        reader = greet_any(rig);
        sub(rig, reader, 1, "order/*", 0);
    }
    assert_string_equal(hear(rig, producer), "");
    assert_int_equal(core_metrics(rig->core)->demand_changes, 1);
}

static void every_pattern_of_a_subscription_counts(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    say(rig, reader, "{\"op\":\"sub\",\"id\":1,\"match\":[\"order/*\",\"**\",\"stock/4711/berlin\",\"order/*\"]}");
    pass(rig, 0);
    pass(rig, 0);
    const char *told = hear(rig, producer);
    assert_told(told, "order/*", 1, 0, NOW);
    assert_told(told, "**", 1, 0, NOW);
    assert_told(told, "stock/4711/berlin", 1, 0, NOW);
    assert_int_equal(times(told, "$demand"), 3);
}

static void demand_is_a_world_of_its_own(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, reader, 1, "**", 0);
    sub(rig, reader, 2, "*/**", 0);
    sub(rig, reader, 3, "*/stock/*", 0);
    (void)hear(rig, reader);
    sub(rig, producer, 1, "$demand/**", 0);
    sub(rig, producer, 2, "$demand/stock/*", 0);
    sub(rig, producer, 3, "$demand/stock/**", 0);
    assert_null(strstr(hear(rig, reader), "$demand")); /* not in what stars follow */
    (void)hear(rig, producer);
    assert_int_equal(core_metrics(rig->core)->demand_topics, 3); /* and no demand for demand */
    sub(rig, reader, 4, "stock/**", 0);
    pass(rig, 1);
    assert_true(times(hear(rig, producer), "\"op\":\"set\"") >= 1);
    assert_null(strstr(hear(rig, reader), "$demand"));
    static const char *const writes[] = {"{\"op\":\"set\",\"topic\":\"$demand/stock/a\",\"data\":{}}",
                                         "{\"op\":\"delete\",\"topic\":\"$demand/**\"}"};
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(strstr(change(rig, producer, writes[i]), "\"code\":\"bad_topic\""));
    }
}

/* ---- sleeping ---- */

static void demand_that_nobody_asks_for_changes_nothing(void **state) {
    struct rig *rig = *state;
    struct session *reader = greet_any(rig);
    sub(rig, reader, 1, "stock/*", 0);
    sub(rig, reader, 2, "order/*", 100);
    pass(rig, 60000);
    assert_int_equal(core_seq(rig->core), 0);
    rig->wall_ms = NOW + 500000;
    struct session *producer = greet_any(rig);
    say(rig, producer, "{\"op\":\"sub\",\"id\":1,\"match\":\"$demand/**\"}");
    turn(rig);
    const char *told = hear(rig, producer);
    assert_told(told, "stock/*", 1, 0, NOW);
    assert_told(told, "order/*", 1, 100, NOW);
    assert_non_null(
        strstr(strstr(told, "\"topic\":\"$demand/order/*\""), "\"op\":\"live\",\"id\":1,\"seq\":2}")); /* all before `live` */
}

static void a_read_wakes_it_too(void **state) {
    struct rig *rig = *state;
    struct session *reader = greet_any(rig);
    sub(rig, reader, 1, "stock/*", 0);
    say(rig, reader, "{\"op\":\"get\",\"id\":2,\"match\":\"$demand/stock/*\"}");
    turn(rig);
    assert_told(hear(rig, reader), "stock/*", 1, 0, NOW);
    assert_int_equal(core_metrics(rig->core)->demand_awake, 1);
    unsub(rig, reader, 1);
    pass(rig, 4999);
    pass(rig, 2);
    assert_int_equal(core_metrics(rig->core)->demand_awake, 0);
    pass(rig, 100000);
    int64_t seq = core_seq(rig->core);
    sub(rig, reader, 1, "order/*", 0);
    assert_int_equal(core_seq(rig->core), seq);
    say(rig, reader, "{\"op\":\"get\",\"id\":2,\"match\":\"$demand/**\"}");
    turn(rig);
    const char *told = hear(rig, reader);
    assert_null(strstr(told, "stock"));
    assert_told(told, "order/*", 1, 0, rig->wall_ms);
}

/* ---- restarts ---- */

static void what_was_told_lingers_over_a_restart(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    sub(rig, reader, 1, "stock/*", 200);
    sub(rig, reader, 2, "order/*", 0);
    restart(rig, 60000);
    producer = greet_any(rig);
    say(rig, producer, "{\"op\":\"sub\",\"id\":1,\"match\":\"$demand/**\",\"since\":\"e1-2\"}");
    turn(rig);
    const char *told = hear(rig, producer);
    assert_non_null(strstr(told, "\"resumed\":true"));
    assert_null(strstr(told, "$demand"));
    reader = greet_any(rig);
    sub(rig, reader, 1, "stock/*", 200);
    pass(rig, 4999);
    assert_string_equal(hear(rig, producer), "");
    pass(rig, 1);
    told = hear(rig, producer);
    assert_non_null(strstr(told, "\"topic\":\"$demand/order/*\""));
    assert_int_equal(times(told, "$demand"), 1);
    unsub(rig, reader, 1);
    sub(rig, reader, 1, "stock/*", 100);
    assert_told(hear(rig, producer), "stock/*", 1, 100, NOW); /* since before the restart */
}

/* ---- crowds ---- */

static void a_crowd_is_told_as_fast_as_the_rate_allows(void **state) {
    struct rig *rig = *state;
    rig->limits.demand_rate_max = 10;
    restart(rig, 0);
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    pass(rig, 1000);
    const uint64_t before = core_metrics(rig->core)->demand_changes;
    for (int i = 0; i < 1000; i++) { /* a second of it: each a pattern of its own, and gone again */
        char match[64];
        (void)snprintf(match, sizeof match, "stock/%d/*", i);
        sub(rig, reader, 2, match, 0);
        unsub(rig, reader, 2);
        pass(rig, 1);
    }
    assert_in_range(core_metrics(rig->core)->demand_changes - before, 10, 20);
    pass(rig, 60000);
    for (int i = 0; i < 100; i++) {
        pass(rig, 1000);
    }
    assert_int_equal(core_metrics(rig->core)->demand_topics, 0); /* who was told, was told the end of it */
    assert_in_range(core_metrics(rig->core)->demand_changes - before, 20, 40);
}

static void a_crowd_on_one_pattern_is_told_once_a_second(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    struct session *readers[50];
    for (int i = 0; i < 50; i++) {
        readers[i] = greet_any(rig);
    }
    for (int ms = 0; ms < 3000; ms++) {
        struct session *reader = readers[ms % 50];
        if (ms / 50 % 2 == 0) {
            sub(rig, reader, 1, "order/*", ms % 7);
        } else {
            unsub(rig, reader, 1);
        }
        pass(rig, 1);
    }
    assert_in_range(core_metrics(rig->core)->demand_changes, 2, 4);
}

static void only_so_many_patterns_are_told(void **state) {
    struct rig *rig = *state;
    rig->limits.demand_topics_max = 2;
    restart(rig, 0);
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    sub(rig, reader, 1, "stock/a", 0);
    sub(rig, reader, 2, "stock/b", 0);
    sub(rig, reader, 3, "stock/c", 0);
    sub(rig, reader, 4, "stock/d", 0);
    assert_int_equal(core_metrics(rig->core)->demand_topics, 2);
    assert_int_equal(core_metrics(rig->core)->demand_untold, 2);
    unsub(rig, reader, 3);
    assert_int_equal(core_metrics(rig->core)->demand_untold, 1);
    (void)hear(rig, producer);
    unsub(rig, reader, 1);
    pass(rig, 5000);
    pass(rig, 0);
    assert_told(hear(rig, producer), "stock/d", 1, 0, NOW);
    assert_int_equal(core_metrics(rig->core)->demand_topics, 2);
    assert_int_equal(core_metrics(rig->core)->demand_untold, 0);
}

static void a_pattern_too_long_for_its_topic_is_not_told(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    sub(rig, reader, 1, "stock/1/2/3/4/5/6/7", 0);
    sub(rig, reader, 2, "stock/1/2/3/4/5/6", 0);
    assert_int_equal(core_metrics(rig->core)->demand_topics, 1);
    unsub(rig, reader, 1);
}

static void a_full_store_lets_demand_wait(void **state) {
    struct rig *rig = *state;
    struct session *producer = greet_any(rig);
    struct session *reader = greet_any(rig);
    sub(rig, producer, 1, "$demand/**", 0);
    core_set_room(rig->core, 10);
    sub(rig, reader, 1, "stock/a", 0);
    assert_int_equal(core_metrics(rig->core)->demand_topics, 0);
    assert_true(core_next_due(rig->core) > rig->mono_ms);
    core_set_room(rig->core, SIZE_MAX);
    pass(rig, 100);
    assert_int_equal(core_metrics(rig->core)->demand_topics, 1);
}

/* ---- anything may happen ---- */

#define WORLD_PATTERNS 5
#define WORLD_SESSIONS 5
#define WORLD_SUBS 3

static const char *const world_patterns[WORLD_PATTERNS] = {"stock/*", "stock/**", "**", "order/7", "room/*/x"};

struct world_sub {
    bool used;
    size_t pattern;
    int every_ms;
};

struct world {
    struct rig *rig;
    uint64_t random;
    struct session *sessions[WORLD_SESSIONS];
    struct world_sub subs[WORLD_SESSIONS][WORLD_SUBS];
    struct session *producer;
    char token[64]; /* of its last `live`; empty: none */
    int held[WORLD_PATTERNS][2];
};

static size_t draw(struct world *world, size_t below) {
    world->random = world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(world->random >> 33) % below;
}

static size_t pattern_in(const char *line) {
    const char *topic = strstr(line, "\"topic\":\"$demand/") + strlen("\"topic\":\"$demand/");
    size_t index = 0;
    while (strncmp(topic, world_patterns[index], strlen(world_patterns[index])) != 0 ||
           topic[strlen(world_patterns[index])] != '"') {
        assert_true(++index < WORLD_PATTERNS);
    }
    return index;
}

static int number_in(const char *line, const char *key) {
    return (int)strtol(strstr(line, key) + strlen(key), NULL, 10);
}

/* What the producer makes of what it hears, as any client does. */
static void producer_hears(struct world *world) {
    char *text = strdup(hear(world->rig, world->producer));
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strstr(line, "\"resumed\":false") != NULL) {
            memset(world->held, 0, sizeof world->held);
        } else if (strncmp(line, "{\"op\":\"set\"", 11) == 0) {
            int *held = world->held[pattern_in(line)];
            held[0] = number_in(line, "\"subscribers\":");
            held[1] = number_in(line, "\"every_ms\":");
            assert_true(held[0] > 0);
        } else if (strncmp(line, "{\"op\":\"remove\"", 14) == 0) {
            memset(world->held[pattern_in(line)], 0, sizeof world->held[0]);
        } else if (strstr(line, "\"op\":\"live\"") != NULL) {
            (void)snprintf(world->token, sizeof world->token, "e1-%d", number_in(line, "\"seq\":"));
        }
        assert_null(strstr(line, "\"op\":\"patch\""));
        assert_null(strstr(line, "\"op\":\"error\""));
    }
    free(text);
}

static void producer_comes(struct world *world) {
    char line[160];
    world->producer = greet_any(world->rig);
    (void)snprintf(line, sizeof line, "{\"op\":\"sub\",\"id\":1,\"match\":\"$demand/**\"%s%s%s}",
                   world->token[0] == '\0' ? "" : ",\"since\":\"", world->token, world->token[0] == '\0' ? "" : "\"");
    say(world->rig, world->producer, line);
    turn(world->rig);
    producer_hears(world);
}

static void reader_acts(struct world *world, size_t who) {
    char line[160];
    struct session **session = &world->sessions[who];
    const size_t slot = draw(world, WORLD_SUBS);
    struct world_sub *sub = &world->subs[who][slot];
    if (*session == NULL) {
        *session = greet_any(world->rig);
    } else if (draw(world, 8) == 0) {
        session_close(world->rig->core, *session);
        *session = NULL;
        memset(world->subs[who], 0, sizeof world->subs[who]);
    } else if (sub->used) {
        (void)snprintf(line, sizeof line, "{\"op\":\"unsub\",\"id\":%zu}", slot + 1);
        say(world->rig, *session, line);
        sub->used = false;
    } else {
        *sub = (struct world_sub){.used = true, .pattern = draw(world, WORLD_PATTERNS), .every_ms = 100 * (int)draw(world, 4)};
        (void)snprintf(line, sizeof line, "{\"op\":\"sub\",\"id\":%zu,\"match\":\"%s\",\"every_ms\":%d}", slot + 1,
                       world_patterns[sub->pattern], sub->every_ms);
        say(world->rig, *session, line);
    }
}

static void world_restarts(struct world *world) {
    if (draw(world, 2) == 0) {
        turn(world->rig);
        if (world->producer != NULL) {
            producer_hears(world);
        }
    }
    restart(world->rig, (int64_t)draw(world, 20000));
    memset(world->sessions, 0, sizeof world->sessions);
    memset(world->subs, 0, sizeof world->subs);
    world->producer = NULL;
}

static void world_step(struct world *world) {
    const size_t throw = draw(world, 100);
    if (throw < 60) {
        reader_acts(world, draw(world, WORLD_SESSIONS));
    } else if (throw < 64 && world->producer != NULL) {
        producer_hears(world);
        session_close(world->rig->core, world->producer);
        world->producer = NULL;
    } else if (throw < 74 && world->producer == NULL) {
        producer_comes(world);
    } else if (throw < 76) {
        world_restarts(world);
        return;
    }
    pass(world->rig, throw < 95 ? (int64_t)draw(world, 300) : (int64_t)draw(world, 12000));
    if (world->producer != NULL) {
        producer_hears(world);
    }
}

/* When nothing happens for longer than anything lingers, the producer holds exactly what is. */
static void world_rests(struct world *world) {
    if (world->producer == NULL) {
        producer_comes(world);
    }
    for (int i = 0; i < 20; i++) {
        pass(world->rig, 1000);
    }
    producer_hears(world);
    for (size_t pattern = 0; pattern < WORLD_PATTERNS; pattern++) {
        int right[2] = {0, 0};
        for (size_t i = 0; i < WORLD_SESSIONS * WORLD_SUBS; i++) {
            const struct world_sub *sub = &world->subs[i / WORLD_SUBS][i % WORLD_SUBS];
            if (sub->used && sub->pattern == pattern) {
                right[1] = right[0] == 0 || sub->every_ms < right[1] ? sub->every_ms : right[1];
                right[0]++;
            }
        }
        if (world->held[pattern][0] != right[0] || world->held[pattern][1] != right[1]) {
            fail_msg("%s: holds %d every %d, must hold %d every %d", world_patterns[pattern], world->held[pattern][0],
                     world->held[pattern][1], right[0], right[1]);
        }
    }
}

static void whatever_happens_the_producer_ends_at_what_is(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig *rig = *state;
        struct world world = {.rig = rig, .random = seed};
        rig->limits.demand_topics_max = draw(&world, 3) == 0 ? WORLD_PATTERNS : 10000;
        rig->limits.demand_rate_max = draw(&world, 2) == 0 ? 5 : 200;
        rig->limits.removals_max = draw(&world, 2) == 0 ? 2 : 65536;
        buffer_cut(&rig->journal, 0);
        restart(rig, 0);
        for (int step = 0; step < 300; step++) {
            world_step(&world);
            if (draw(&world, 60) == 0) {
                world_rests(&world);
            }
        }
        world_rests(&world);
        rig_tear_down(state);
        rig_set_up(state);
    }
}

/* ---- counting ---- */

static void counts_of_several_shards_add_up(void **state) {
    (void)state;
    static const struct interest_count counts[] = {
        {.subscribers = 2, .every_ms = 500}, {.subscribers = 0, .every_ms = 0}, {.subscribers = 3, .every_ms = 200}};
    struct interest_count sum = interest_merge(counts, 3);
    assert_int_equal(sum.subscribers, 5);
    assert_int_equal(sum.every_ms, 200);
    sum = interest_merge(counts + 1, 1);
    assert_int_equal(sum.subscribers, 0);
}

static void shards_report_apart(void **state) {
    struct rig *rig = *state;
    struct limits *limits = &rig->limits;
    struct metrics metrics = {0};
    struct table_key key;
    struct ledger ledger;
    struct demand demand;
    table_key_init(&key, 1);
    struct kinds *kinds = kinds_builtin();
    assert_true(ledger_init(&ledger, limits, kinds, &key, &metrics) && demand_init(&demand, &ledger, 2));
    ledger.room = SIZE_MAX;
    struct interest_count count = {.pattern = span_of_text("stock/*"), .subscribers = 2, .every_ms = 500};
    assert_true(demand_report(&demand, 0, &count));
    count.every_ms = 100;
    assert_true(demand_report(&demand, 1, &count));
    assert_int_equal(demand_wake(&demand), 1);
    const struct topic *topic = ledger_find(&ledger, span_of_text("$demand/stock/*"));
    assert_non_null(topic);
    assert_memory_equal(document_span(topic->document).data,
                        "\x83\xabsubscribers\x04\xa8"
                        "every_ms\x64",
                        23);
    count.subscribers = 0;
    assert_true(demand_report(&demand, 1, &count));
    ledger.mono_ms = limits->demand_linger_ms;
    assert_int_equal(demand_run(&demand, 10), 1);
    assert_memory_equal(document_span(topic->document).data,
                        "\x83\xabsubscribers\x02\xa8"
                        "every_ms\xcd\x01\xf4",
                        25);
    assert_true(demand_report(&demand, 0, &count));
    ledger.mono_ms += limits->demand_linger_ms;
    assert_int_equal(demand_run(&demand, 10), 1);
    assert_true(topic_is_removed(topic));
    demand_fini(&demand);
    ledger_fini(&ledger);
    kinds_destroy(kinds);
}

/* Against a naive count. */
static void any_order_of_coming_and_going_is_counted_right(void **state) {
    static const char *const patterns[] = {"a/*", "a/**", "b/c", "**"};
    static int64_t every[4][500];
    size_t followers[4] = {0};
    struct interests interests;
    struct table_key key;
    uint64_t random = 7;
    (void)state;
    table_key_init(&key, 1);
    assert_true(interests_init(&interests, &key));
    for (int step = 0; step < 20000; step++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const size_t which = random >> 40 & 3;
        const bool comes = (random >> 44 & 15) < (step / 1000 % 2 == 0 ? 10U : 6U);
        if (comes && followers[which] < 500) {
            const int64_t ms = (int64_t)(random >> 50 & 31);
            every[which][followers[which]++] = ms;
            assert_true(interests_add(&interests, span_of_text(patterns[which]), ms));
        } else if (followers[which] > 0) {
            const size_t leaves = (size_t)(random >> 20) % followers[which];
            interests_remove(&interests, span_of_text(patterns[which]), every[which][leaves]);
            every[which][leaves] = every[which][--followers[which]];
        }
        struct interest_count count;
        while (random >> 60 < 4 && interests_next(&interests, &count)) {
            size_t told = 0;
            while (!span_is(count.pattern, patterns[told])) {
                told++;
            }
            int64_t finest = followers[told] == 0 ? 0 : INT64_MAX;
            for (size_t i = 0; i < followers[told]; i++) {
                finest = every[told][i] < finest ? every[told][i] : finest;
            }
            assert_int_equal(count.subscribers, followers[told]);
            assert_int_equal(count.every_ms, finest);
        }
    }
    for (size_t which = 0; which < 4; which++) {
        while (followers[which] > 0) {
            interests_remove(&interests, span_of_text(patterns[which]), every[which][--followers[which]]);
        }
    }
    interests_fini(&interests);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_follower_is_told_at_once_and_its_going_after_a_while),
        CASE(the_finest_pace_and_the_sum_are_told_not_too_often),
        CASE(one_that_comes_back_in_time_was_never_gone),
        CASE(every_pattern_of_a_subscription_counts),
        CASE(demand_is_a_world_of_its_own),
        CASE(demand_that_nobody_asks_for_changes_nothing),
        CASE(a_read_wakes_it_too),
        CASE(what_was_told_lingers_over_a_restart),
        CASE(a_crowd_is_told_as_fast_as_the_rate_allows),
        CASE(a_crowd_on_one_pattern_is_told_once_a_second),
        CASE(only_so_many_patterns_are_told),
        CASE(a_pattern_too_long_for_its_topic_is_not_told),
        CASE(a_full_store_lets_demand_wait),
        CASE(whatever_happens_the_producer_ends_at_what_is),
        cmocka_unit_test(counts_of_several_shards_add_up),
        CASE(shards_report_apart),
        cmocka_unit_test(any_order_of_coming_and_going_is_counted_right),
    };
    return cmocka_run_group_tests_name("demand", tests, NULL, NULL);
}
