/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Random publishes, cuts, stalls, crumbs, kills and lost stores between libahora and the real broker: whatever happened, in the end the client
 * shows what the broker holds, its events never went back, and what it was told adds up to what it holds. A failure prints the seed.
 *
 *     build/tests/client/test_property [SEED]
 */
#include "include/ahora/ahora.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/proxy.h"
#include "tests/support/broker_process.h"
#include "tests/support/http.h"

#define STEPS 120
#define SEEDS 3
#define CUTS_SURE 4
#define PATIENCE_MS 120000

struct world {
    uint64_t seed;
    uint64_t dice;
    uv_loop_t loop;
    struct proxy proxy;
    struct broker_process broker;
    struct ahora *client;
    struct ahora_sub *sub;
    json_t *shown; /* topic -> {seq, data, stale}: what the events add up to */
    bool epoch_changed;
    unsigned events, lives, cuts;
    int64_t sold; /* by the client itself, with keys: exactly once each */
    unsigned answers_missing;
};

static unsigned roll(struct world *world, unsigned sides) {
    world->dice ^= world->dice << 13;
    world->dice ^= world->dice >> 7;
    world->dice ^= world->dice << 17;
    return (unsigned)(world->dice >> 33) % sides;
}

/* ---- what the client says ---- */

static json_t *json_of(struct ahora_bytes value) {
    char *text = ahora_to_json(value);
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

static void on_event(struct ahora_sub *sub, const struct ahora_event *event, void *user) {
    struct world *world = user;
    char topic[AHORA_TOPIC_BYTES_MAX + 1] = "";
    (void)sub;
    if (event->topic.bytes > 0) {
        snprintf(topic, sizeof topic, "%.*s", (int)event->topic.bytes, (const char *)event->topic.data);
    }
    world->events++;
    if (event->kind == AHORA_EVENT_SET || event->kind == AHORA_EVENT_PATCH) {
        json_int_t before = json_integer_value(json_object_get(json_object_get(world->shown, topic), "seq"));
        if (event->seq < before && !world->epoch_changed) {
            fail_msg("seed %llu: %s went back from %lld to %lld", (unsigned long long)world->seed, topic, (long long)before,
                     (long long)event->seq);
        }
        json_object_set_new(
            world->shown, topic,
            json_pack("{s:I,s:o,s:b}", "seq", (json_int_t)event->seq, "data", json_of(event->data), "stale", event->stale));
    } else if (event->kind == AHORA_EVENT_REMOVE) {
        json_object_del(world->shown, topic);
    } else if (event->kind == AHORA_EVENT_LIVE) {
        world->lives++;
    } else if (event->kind == AHORA_EVENT_REFUSED) {
        fail_msg("seed %llu: refused: %s", (unsigned long long)world->seed, ahora_code_name(event->code));
    }
}

static void on_published(struct ahora *client, const struct ahora_published *published, void *user) {
    struct world *world = user;
    (void)client;
    world->answers_missing--;
    if (published->outcome == AHORA_ANSWERED && published->results[0].code == AHORA_OK) {
        world->sold++;
    } else if (published->outcome != AHORA_CANCELLED && !world->epoch_changed) {
        fail_msg("seed %llu: a publish with a key is %d, %s", (unsigned long long)world->seed, (int)published->outcome,
                 published->outcome == AHORA_ANSWERED ? ahora_code_name(published->results[0].code) : "");
    }
}

/* ---- what happens to it ---- */

static void run_for(struct world *world, unsigned turns) {
    for (unsigned i = 0; i < turns; i++) {
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
}

static void put(struct world *world, const char *topic, int available) {
    struct http_response response;
    char target[300];
    char body[64];
    snprintf(target, sizeof target, "/v1/topics/%s?ack=applied", topic);
    int bytes = snprintf(body, sizeof body, "{\"available\":%d}", available);
    assert_true(
        http_request(world->broker.port, "PUT", target, "Content-Type: application/json\r\n", body, (size_t)bytes, &response));
    assert_true(response.status == 200 || response.status == 201);
    http_response_fini(&response);
}

static void change(struct world *world) {
    struct http_response response;
    char target[300];
    char body[100];
    unsigned topic = roll(world, 40);
    if (roll(world, 5) == 0) {
        snprintf(target, sizeof target, "/v1/topics/stock/%u/x?ack=applied", topic);
        http_request(world->broker.port, "DELETE", target, NULL, NULL, 0, &response);
    } else if (roll(world, 2) == 0) {
        snprintf(target, sizeof target, "/v1/topics/stock/%u/x?ack=applied", topic);
        int bytes = snprintf(body, sizeof body, "{\"available\":%u,\"on_hand\":%u}", roll(world, 1000), roll(world, 9));
        http_request(world->broker.port, "PUT", target, "Content-Type: application/json\r\n", body, (size_t)bytes, &response);
    } else {
        snprintf(target, sizeof target, "/v1/topics/stock/%u/x?ack=applied", topic);
        int bytes = snprintf(body, sizeof body, "{\"on_hand\":null,\"reserved\":%u}", roll(world, 9));
        http_request(world->broker.port, "PATCH", target, "Content-Type: application/json\r\n", body, (size_t)bytes, &response);
    }
    assert_true(response.status == 200 || response.status == 201 || response.status == 404);
    http_response_fini(&response);
}

static void sell(struct world *world) {
    char key[64];
    struct ahora_change sale = {.op = AHORA_ADJUST, .topic = ahora_text("stock/till/x")};
    snprintf(key, sizeof key, "sale-%u", roll(world, 1u << 30));
    sale.key = ahora_text(key);
    assert_int_equal(ahora_from_json("{\"available\":-1}", &sale.data, NULL), AHORA_OK);
    assert_int_equal(ahora_publish(world->client, &sale, 1, false, AHORA_ACK_DURABLE, on_published, world), AHORA_OK);
    world->answers_missing++;
    free((void *)(uintptr_t)sale.data.data);
}

static void on_tick(uv_timer_t *timer) {
    (void)timer;
}

/* The waits between attempts grow, so only the first few cuts are sure to meet a client that is there. */
static void wait_until_live(struct world *world) {
    uv_timer_t tick;
    proxy_stall(&world->proxy, false);
    uv_timer_init(&world->loop, &tick);
    uv_timer_start(&tick, on_tick, 20, 20);
    uint64_t deadline = uv_now(&world->loop) + PATIENCE_MS;
    while (ahora_sub_state(world->sub) != AHORA_LIVE && uv_now(&world->loop) < deadline) {
        uv_run(&world->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&tick, NULL);
    assert_int_equal(ahora_sub_state(world->sub), AHORA_LIVE);
    run_for(world, 1 + roll(world, 20));
}

static void step(struct world *world) {
    switch (roll(world, 16)) {
    case 0:
        if (world->cuts++ < CUTS_SURE) {
            wait_until_live(world);
            change(world);
        }
        proxy_cut(&world->proxy);
        break;
    case 1:
        proxy_stall(&world->proxy, true);
        break;
    case 2:
        world->proxy.piece_bytes = roll(world, 2) == 0 ? 0 : 1 + roll(world, 40);
        break;
    case 3:
        sell(world);
        break;
    case 4:
        if (roll(world, 4) == 0) {
            broker_process_kill(&world->broker);
            run_for(world, 20);
            assert_true(broker_process_start(&world->broker, NULL));
        }
        break;
    case 5:
        proxy_stall(&world->proxy, false);
        break;
    default:
        for (unsigned i = roll(world, 6); i > 0; i--) {
            change(world);
        }
        break;
    }
    run_for(world, 1 + roll(world, 30));
}

/* ---- and what must be in the end ---- */

static json_t *held_by_broker(struct world *world) {
    struct http_response response;
    json_t *held = json_object();
    size_t index;
    json_t *item;
    assert_true(http_request(world->broker.port, "GET", "/v1/topics?match=stock/**", NULL, NULL, 0, &response));
    json_t *page = http_response_json(&response);
    json_array_foreach(json_object_get(page, "items"), index, item) {
        json_object_set_new(held, json_string_value(json_object_get(item, "topic")),
                            json_pack("{s:O,s:O,s:b}", "seq", json_object_get(item, "seq"), "data",
                                      json_object_get(item, "data"), "stale", json_is_true(json_object_get(item, "stale"))));
    }
    json_decref(page);
    http_response_fini(&response);
    return held;
}

static bool put_item(const struct ahora_item *item, void *user) {
    char topic[AHORA_TOPIC_BYTES_MAX + 1];
    snprintf(topic, sizeof topic, "%.*s", (int)item->topic.bytes, (const char *)item->topic.data);
    json_object_set_new(
        user, topic,
        json_pack("{s:I,s:o,s:b}", "seq", (json_int_t)item->seq, "data", json_of(item->data), "stale", item->stale));
    return true;
}

static void expect_equal(struct world *world, const json_t *shown, const json_t *held, const char *what) {
    if (!json_equal(shown, held)) {
        char *a = json_dumps(shown, JSON_SORT_KEYS);
        char *b = json_dumps(held, JSON_SORT_KEYS);
        fail_msg("seed %llu: %s\n%s\n%s", (unsigned long long)world->seed, what, a, b);
    }
}

static void settle(struct world *world) {
    uv_timer_t tick;
    json_t *held = NULL;
    uv_timer_init(&world->loop, &tick);
    uv_timer_start(&tick, on_tick, 20, 20); /* the loop wakes up and looks */
    proxy_stall(&world->proxy, false);
    world->proxy.piece_bytes = 0;
    uint64_t deadline = uv_now(&world->loop) + PATIENCE_MS;
    bool equal = false;
    while (!equal && uv_now(&world->loop) < deadline) {
        uv_run(&world->loop, UV_RUN_ONCE);
        if (ahora_sub_state(world->sub) == AHORA_LIVE && world->answers_missing == 0) {
            json_decref(held);
            held = held_by_broker(world);
            equal = json_equal(world->shown, held);
        }
    }
    uv_close((uv_handle_t *)&tick, NULL);
    held = held == NULL ? held_by_broker(world) : held;
    expect_equal(world, world->shown, held, "what the events add up to is not what the broker holds");
    json_t *items = json_object();
    ahora_sub_each(world->sub, put_item, items);
    expect_equal(world, items, held, "what the client holds is not what the broker holds");
    json_decref(items);
    if (!world->epoch_changed) {
        json_int_t left =
            json_integer_value(json_object_get(json_object_get(json_object_get(held, "stock/till/x"), "data"), "available"));
        assert_int_equal(left, 1000000 - world->sold); /* each sale once */
    }
    json_decref(held);
}

static void on_closed(void *user) {
    *(bool *)user = true;
}

static void play(uint64_t seed, enum ahora_encoding encoding) {
    struct world world = {.seed = seed, .dice = seed * 2654435761u + 88172645463325252u, .shown = json_object()};
    char url[64];
    bool closed = false;
    assert_true(broker_process_init(&world.broker, "property"));
    assert_true(broker_process_start(&world.broker, NULL));
    uv_loop_init(&world.loop);
    assert_true(proxy_open(&world.proxy, &world.loop, world.broker.port));
    put(&world, "stock/till/x", 1000000);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", world.proxy.port);
    world.client = ahora_open(&world.loop, &(struct ahora_options){.url = url, .encoding = encoding}, NULL);
    world.sub = ahora_subscribe(world.client, &(struct ahora_view){.match = {"stock/**"}, .match_count = 1}, on_event, &world);
    assert_non_null(world.sub);
    for (int i = 0; i < STEPS; i++) {
        step(&world);
    }
    settle(&world);
    printf("seed %llu: %u events, %u lives, %u cuts, %u connections, %lld sold\n", (unsigned long long)seed, world.events,
           world.lives, world.cuts, world.proxy.connections, (long long)world.sold);
    ahora_close(world.client, on_closed, &closed);
    proxy_close(&world.proxy);
    while (!closed) {
        uv_run(&world.loop, UV_RUN_ONCE);
    }
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    json_decref(world.shown);
    broker_process_fini(&world.broker);
}

static uint64_t seed_first = 1;
static uint64_t seed_count = SEEDS;

static void the_client_shows_what_the_broker_holds(void **state) {
    (void)state;
    for (uint64_t seed = seed_first; seed < seed_first + seed_count; seed++) {
        play(seed, AHORA_ENCODING_JSON);
        play(seed, AHORA_ENCODING_MSGPACK);
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1) {
        seed_first = strtoull(argv[1], NULL, 10);
        seed_count = 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_client_shows_what_the_broker_holds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
