/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Random lives of libahora and the real broker with a faulty wire between them. Two clients follow everything, what a `where` lets through and
 * a circle that moves, while documents change, go stale and expire; the line is cut, stands still, crumbles; a reader is too slow for a flood;
 * the broker is killed, comes back with another clock, or with nothing of what it knew. At quiet moments what the clients show is what the
 * broker holds (its own answer over HTTP, narrowed by the test's own rules), no topic ever went back, and each sale counts once. A failure
 * prints the seed.
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
#include <time.h>

#include "tests/client/fast.h"
#include "tests/client/proxy.h"
#include "tests/client/watch.h"
#include "tests/support/broker_process.h"
#include "tests/support/http.h"

#define QUIETS 4 /* a life has so many quiet moments, with */
#define STEPS 30 /* before each */
#define SEEDS 2
#define BURST 20
#define CUTS_SURE 4
#define TOPICS 40
#define FLOOD_ROUNDS 12
#define FLOOD_BYTES 4000
#define TILL 1000000
#define PATIENCE_MS 120000
#define TICK_MS 20
#define LEAP_MS 1000
#define HOUR_S 3600

enum { WHOLE, NARROW, AROUND, WATCHES };

struct world {
    uint64_t seed, dice;
    uv_loop_t loop;
    struct proxy proxy;
    struct broker_process broker;
    int64_t skew_s;                           /* of the broker's clock */
    struct ahora *clients[2];                 /* the second one narrows: messages do not say for which subscription they are */
    unsigned epochs[2];                       /* that each has seen, and */
    char epoch[2][AHORA_EPOCH_BYTES_MAX + 1]; /* the last */
    struct watch watches[WATCHES];
    unsigned cuts, kills, wipes, floods;
    unsigned answers_missing;
    int64_t sold, unsure; /* with keys: each once, if it was answered */
    unsigned lost_in;     /* the last epoch in which a publish with a key was begun and not answered */
};

struct sale {
    struct world *world;
    unsigned epoch, connection, kills; /* when it began */
};

static unsigned roll(struct world *world, unsigned sides) {
    world->dice ^= world->dice << 13;
    world->dice ^= world->dice >> 7;
    world->dice ^= world->dice << 17;
    return (unsigned)(world->dice >> 33) % sides;
}

static int64_t broker_now_ms(const struct world *world) {
    return ((int64_t)time(NULL) + world->skew_s) * 1000;
}

/* ---- time passes ---- */

static void run_for(struct world *world, unsigned turns) {
    for (unsigned i = 0; i < turns; i++) {
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
}

static void on_tick(uv_timer_t *timer) {
    (void)timer;
}

static bool is_live(struct world *world) {
    bool live = true;
    for (unsigned i = 0; i < WATCHES; i++) {
        live &= watch_is_live(&world->watches[i]);
    }
    return live;
}

/* Runs until it is so. The loop wakes up and looks; while a client has no line and waits for its next attempt, its clock runs faster. */
static bool wait_until(struct world *world, bool (*is_so)(struct world *world)) {
    uv_timer_t tick;
    uv_timer_init(&world->loop, &tick);
    uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
    const int64_t deadline_ms = fast_real_ms() + PATIENCE_MS;
    bool so = is_so(world);
    while (!so && fast_real_ms() < deadline_ms) {
        uv_run(&world->loop, UV_RUN_ONCE);
        so = is_so(world);
        if (!so && proxy_lines(&world->proxy) < 2) {
            fast_forward(LEAP_MS);
        }
    }
    uv_close((uv_handle_t *)&tick, NULL);
    run_for(world, 1);
    return so;
}

static void wait_until_live(struct world *world) {
    proxy_stall(&world->proxy, false);
    if (!wait_until(world, is_live)) {
        fail_msg("seed %llu: not all are live", (unsigned long long)world->seed);
    }
    run_for(world, 1 + roll(world, 20));
}

/* ---- what producers do ---- */

/* Takes the changes. Some of them may be refused: the topic is gone, something newer is there. */
static void publish(struct world *world, json_t *changes, const char *ack) {
    struct http_response response;
    json_t *request = json_pack("{s:o,s:s}", "changes", changes, "ack", ack);
    char *body = json_dumps(request, JSON_COMPACT);
    assert_true(http_request(world->broker.port, "POST", "/v1/publish", "Content-Type: application/json\r\n", body,
                             strlen(body), &response));
    if (response.status != 200) {
        fail_msg("seed %llu: %d %s", (unsigned long long)world->seed, response.status, http_response_body(&response));
    }
    http_response_fini(&response);
    free(body);
    json_decref(request);
}

static json_t *position(struct world *world) {
    return json_pack("{s:f,s:f}", "lat", 52.45 + roll(world, 1000) / 10000.0, "lon", 13.35 + roll(world, 1000) / 10000.0);
}

static json_t *stock_of(struct world *world) {
    switch (roll(world, 3)) {
    case 0:
        return json_pack("{s:s,s:o}", "op", "delete", "data", json_object());
    case 1:
        return json_pack("{s:s,s:{s:i,s:i}}", "op", "set", "data", "available", (int)roll(world, 1000), "on_hand",
                         (int)roll(world, 9));
    default:
        return json_pack("{s:s,s:{s:n,s:i,s:i}}", "op", "patch", "data", "on_hand", "reserved", (int)roll(world, 9),
                         "available", (int)roll(world, 1000));
    }
}

static json_t *service_of(struct world *world) {
    return roll(world, 8) == 0 ? json_pack("{s:s,s:o}", "op", "delete", "data", json_object())
                               : json_pack("{s:s,s:{s:o,s:i}}", "op", roll(world, 2) == 0 ? "set" : "patch", "data", "position",
                                           position(world), "queue_length", (int)roll(world, 50));
}

/* Producers have clocks of their own, and promise what they do not keep. */
static void promise(struct world *world, json_t *change) {
    json_object_set_new(change, "at", json_integer(broker_now_ms(world) - (json_int_t)roll(world, HOUR_S * 1000)));
    if (roll(world, 4) == 0) {
        json_object_set_new(change, "if_newer", json_true());
    }
    if (roll(world, 3) == 0) {
        json_object_set_new(change, "fresh_ms", json_integer(50 + roll(world, 400)));
    }
    if (roll(world, 12) == 0) {
        json_object_set_new(change, "expire_ms", json_integer(500 + roll(world, 400)));
    }
}

static json_t *change_of(struct world *world) {
    char topic[64];
    bool is_stock = roll(world, 2) == 0;
    json_t *item = is_stock ? stock_of(world) : service_of(world);
    snprintf(topic, sizeof topic, is_stock ? "stock/%u/x" : "service/courier/%u", roll(world, TOPICS));
    json_object_set_new(item, "topic", json_string(topic));
    if (strcmp(json_string_value(json_object_get(item, "op")), "delete") == 0) {
        json_object_del(item, "data");
    } else {
        promise(world, item);
    }
    return item;
}

static void change(struct world *world) {
    json_t *changes = json_array();
    for (unsigned i = 1 + roll(world, BURST); i > 0; i--) {
        json_array_append_new(changes, change_of(world));
    }
    publish(world, changes, "applied");
}

/* Versions of the same topics, more than the line and its buffers hold. */
static void flood(struct world *world) {
    char filler[FLOOD_BYTES + 1];
    memset(filler, 'x', FLOOD_BYTES);
    filler[FLOOD_BYTES] = '\0';
    for (unsigned round = 0; round < FLOOD_ROUNDS; round++) {
        json_t *changes = json_array();
        for (unsigned i = 0; i < TOPICS; i++) {
            char topic[64];
            filler[0] = (char)('a' + round % 26);
            snprintf(topic, sizeof topic, "stock/%u/x", i);
            json_array_append_new(changes, json_pack("{s:s,s:s,s:{s:i,s:s}}", "op", "set", "topic", topic, "data", "available",
                                                     (int)roll(world, 1000), "note", filler));
        }
        publish(world, changes, "applied");
    }
}

/* ---- what the clients do ---- */

static void on_published(struct ahora *client, const struct ahora_published *published, void *user) {
    struct sale *sale = user;
    struct world *world = sale->world;
    (void)client;
    world->answers_missing--;
    if (published->outcome == AHORA_ANSWERED && published->results[0].code == AHORA_OK) {
        world->sold++;
    } else if (published->outcome == AHORA_DISCONNECTED) {
        world
            ->unsure++; /* allowed after many lines, with another clock, or in another epoch, which may not have been told yet */
        bool many = world->proxy.connections - sale->connection >= 4 || world->kills != sale->kills;
        world->lost_in = many || sale->epoch < world->lost_in ? world->lost_in : sale->epoch;
    } else if (published->outcome == AHORA_ANSWERED) {
        fail_msg("seed %llu: a sale is refused: %s", (unsigned long long)world->seed,
                 ahora_code_name(published->results[0].code));
    }
    free(sale);
}

static void sell(struct world *world) {
    char key[64];
    struct ahora_change take = {.op = AHORA_ADJUST, .topic = ahora_text("stock/till/x")};
    struct sale *sale = malloc(sizeof(*sale));
    *sale = (struct sale){world, world->epochs[0], world->proxy.connections, world->kills};
    snprintf(key, sizeof key, "sale-%u", roll(world, 1u << 30));
    take.key = ahora_text(key);
    assert_int_equal(ahora_from_json("{\"available\":-1}", &take.data, NULL), AHORA_OK);
    assert_int_equal(ahora_publish(world->clients[0], &take, 1, false, AHORA_ACK_DURABLE, on_published, sale), AHORA_OK);
    world->answers_missing++;
    free((void *)(uintptr_t)take.data.data);
}

static struct rules_circle circle(struct world *world) {
    return (struct rules_circle){.lat = 52.45 + roll(world, 1000) / 10000.0,
                                 .lon = 13.35 + roll(world, 1000) / 10000.0,
                                 .radius_m = 500 + roll(world, 4500)};
}

static void narrow(struct world *world) {
    static const char *const wheres[] = {
        "{\"available\":{\"gte\":500}}",
        "{\"reserved\":{\"exists\":true}}",
        "{\"on_hand\":{\"in\":[1,2,3]},\"available\":{\"lt\":900}}",
        "{\"reserved\":{\"ne\":4},\"available\":{\"gt\":100}}",
    };
    watch_open(&world->watches[NARROW], world->clients[1], wheres[roll(world, sizeof wheres / sizeof wheres[0])],
               &(struct rules_circle){0});
}

static void on_line(struct ahora *client, const struct ahora_line_event *event, void *user) {
    struct world *world = user;
    unsigned which = client == world->clients[1];
    if (event->line == AHORA_LINE_CONNECTED && strcmp(world->epoch[which], event->epoch) != 0) {
        snprintf(world->epoch[which], sizeof world->epoch[which], "%s", event->epoch);
        world->epochs[which]++;
    }
}

/* ---- what happens to them ---- */

static void start_broker(struct world *world) {
    char text[32], sanitizer[256];
    const char *options = getenv("ASAN_OPTIONS");
    char *before = options == NULL ? NULL : strdup(options);
    world->skew_s = ((int64_t)roll(world, 61) - 30) * 6 * HOUR_S; /* hours apart, so that it is clear whose clock it is */
    snprintf(text, sizeof text, "%lld", (long long)world->skew_s);
    const char *library = getenv("AHORA_TEST_SKEW");
    assert_non_null(library);
    setenv("AHORA_TEST_SKEW_S", text, 1);
    snprintf(sanitizer, sizeof sanitizer, "%s:verify_asan_link_order=0",
             before == NULL ? "" : before); /* it is not the first */
    setenv("LD_PRELOAD", library, 1);       /* for the child alone */
    setenv("ASAN_OPTIONS", sanitizer, 1);
    bool started = broker_process_start(&world->broker, NULL);
    unsetenv("LD_PRELOAD");
    if (before == NULL) {
        unsetenv("ASAN_OPTIONS");
    } else {
        setenv("ASAN_OPTIONS", before, 1);
    }
    free(before);
    unsetenv("AHORA_TEST_SKEW_S");
    assert_true(started);
}

static void fill_till(struct world *world) {
    publish(world, json_pack("[{s:s,s:s,s:{s:i}}]", "op", "set", "topic", "stock/till/x", "data", "available", TILL),
            "durable");
    world->sold = 0;
}

static void cut(struct world *world) {
    if (world->cuts++ <
        CUTS_SURE) { /* the waits between attempts grow: only the first few are sure to meet a client that is there */
        wait_until_live(world);
        change(world);
    }
    proxy_cut(&world->proxy);
}

static void restart(struct world *world, bool is_wiped) {
    broker_process_kill(&world->broker);
    run_for(world, roll(world, 20));
    if (is_wiped) {
        broker_process_wipe(&world->broker);
        world->unsure = world->answers_missing; /* may have been answered, or not, by the one that is no more */
    }
    start_broker(world);
    if (is_wiped) {
        fill_till(world);
    }
    world->wipes += is_wiped;
    world->kills += !is_wiped;
}

static void be_slow(struct world *world) {
    wait_until_live(world);
    proxy_stall(&world->proxy, true);
    flood(world);
    world->floods++;
}

static void step(struct world *world) {
    switch (roll(world, 16)) {
    case 0:
        cut(world);
        break;
    case 1:
        proxy_stall(&world->proxy, true);
        break;
    case 2:
        world->proxy.piece_bytes = roll(world, 2) == 0 ? 0 : 1 + roll(world, 400);
        break;
    case 3:
        sell(world);
        break;
    case 4:
        if (roll(world, 4) == 0) {
            restart(world, false);
        }
        break;
    case 5:
        proxy_stall(&world->proxy, false);
        break;
    case 6:
    case 7:
        watch_move(&world->watches[AROUND], &(struct rules_circle[]){circle(world)}[0]);
        break;
    case 8:
        if (roll(world, 3) == 0) {
            watch_close(&world->watches[NARROW]);
            narrow(world);
        }
        break;
    default:
        change(world);
        if (roll(world, 6) == 0) {
            wait_until_live(world);
        }
        break;
    }
    run_for(world, 1 + roll(world, 30));
}

/* ---- and what must be when it is quiet ---- */

static json_t *held_by_broker(struct world *world, const char *pattern) {
    struct http_response response;
    char target[64];
    json_t *held = json_object();
    size_t index;
    json_t *item;
    snprintf(target, sizeof target, "/v1/topics?match=%s", pattern);
    assert_true(http_request(world->broker.port, "GET", target, NULL, NULL, 0, &response));
    json_t *page = http_response_json(&response);
    json_array_foreach(json_object_get(page, "items"), index, item) {
        json_object_set_new(item, "stale", json_boolean(json_is_true(json_object_get(item, "stale"))));
        json_object_set(held, json_string_value(json_object_get(item, "topic")), item);
    }
    json_decref(page);
    http_response_fini(&response);
    return held;
}

static bool is_quiet(struct world *world) {
    bool equal = is_live(world) && world->answers_missing == 0;
    for (unsigned i = 0; equal && i < WATCHES; i++) {
        json_t *held = held_by_broker(world, world->watches[i].pattern);
        equal = watch_is_equal(&world->watches[i], held);
        json_decref(held);
    }
    return equal;
}

static void check_sales(struct world *world) {
    json_t *held = held_by_broker(world, "stock/till/x");
    json_int_t left =
        json_integer_value(json_object_get(json_object_get(json_object_get(held, "stock/till/x"), "data"), "available"));
    json_decref(held);
    if (left > TILL - world->sold + world->unsure || left < TILL - world->sold - world->unsure) {
        fail_msg("seed %llu: %lld were sold, %lld perhaps, and %lld are left", (unsigned long long)world->seed,
                 (long long)world->sold, (long long)world->unsure, (long long)left);
    }
    if (world->lost_in >= world->epochs[0]) {
        fail_msg("seed %llu: a sale with a key was not sent again", (unsigned long long)world->seed);
    }
}

static void settle(struct world *world) {
    proxy_stall(&world->proxy, false);
    world->proxy.piece_bytes = 0;
    if (!wait_until(world, is_quiet)) {
        for (unsigned i = 0; i < WATCHES; i++) {
            json_t *held = held_by_broker(world, world->watches[i].pattern);
            watch_expect_equal(&world->watches[i], held);
            json_decref(held);
        }
        fail_msg("seed %llu: %u sales wait for their answer", (unsigned long long)world->seed, world->answers_missing);
    }
    check_sales(world);
    for (unsigned i = 0; i < 2; i++) {
        int64_t ahead_ms = ahora_now_ms(world->clients[i]) - broker_now_ms(world);
        if (ahead_ms > HOUR_S * 1000 || ahead_ms < -HOUR_S * 1000) {
            fail_msg("seed %llu: %lld ms from the broker's clock", (unsigned long long)world->seed, (long long)ahead_ms);
        }
    }
}

/* ---- a life ---- */

static void open_world(struct world *world, enum ahora_encoding encoding) {
    static const char *const names[] = {"whole", "where", "near"};
    char url[64];
    assert_true(broker_process_init(&world->broker, "property"));
    start_broker(world);
    uv_loop_init(&world->loop);
    assert_true(proxy_open(&world->proxy, &world->loop, world->broker.port));
    fill_till(world);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", world->proxy.port);
    for (unsigned i = 0; i < 2; i++) {
        world->clients[i] = ahora_open(
            &world->loop, &(struct ahora_options){.url = url, .encoding = encoding, .on_line = on_line, .user = world}, NULL);
        assert_non_null(world->clients[i]);
    }
    for (unsigned i = 0; i < WATCHES; i++) {
        world->watches[i] = (struct watch){.name = names[i],
                                           .seed = world->seed,
                                           .pattern = i == AROUND ? "service/**" : "stock/**",
                                           .epochs = &world->epochs[i != WHOLE]};
    }
    watch_open(&world->watches[WHOLE], world->clients[0], NULL, &(struct rules_circle){0});
    narrow(world);
    watch_open(&world->watches[AROUND], world->clients[1], NULL, &(struct rules_circle[]){circle(world)}[0]);
}

static void on_closed(void *user) {
    ++*(unsigned *)user;
}

static void close_world(struct world *world) {
    unsigned closed = 0;
    for (unsigned i = 0; i < 2; i++) {
        ahora_close(world->clients[i], on_closed, &closed);
    }
    proxy_close(&world->proxy);
    while (closed < 2) {
        uv_run(&world->loop, UV_RUN_ONCE);
    }
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    for (unsigned i = 0; i < WATCHES; i++) {
        watch_free(&world->watches[i]);
    }
    broker_process_fini(&world->broker);
}

/* What all lives together had. */
struct sum {
    unsigned resumes[WATCHES], snapshots[WATCHES], lefts[WATCHES], stales[WATCHES], removes[WATCHES], moves;
    int64_t skipped;
};

static void report(const struct world *world, const char *encoding, struct sum *sum) {
    printf("seed %llu, %s: %u cuts, %u kills, %u lost stores, %u connections, %lld sold\n", (unsigned long long)world->seed,
           encoding, world->cuts, world->kills, world->wipes, world->proxy.connections, (long long)world->sold);
    for (unsigned i = 0; i < WATCHES; i++) {
        const struct watch *watch = &world->watches[i];
        printf("    %s: %u events, %u lives, %u resumes, %u snapshots, %u removed, %u left, %u stale, %lld skipped, %u moves\n",
               watch->name, watch->events, watch->lives, watch->resumes, watch->snapshots, watch->removes, watch->lefts,
               watch->stales, (long long)watch->skipped, watch->moves);
        sum->resumes[i] += watch->resumes;
        sum->snapshots[i] += watch->snapshots;
        sum->lefts[i] += watch->lefts;
        sum->stales[i] += watch->stales;
        sum->removes[i] += watch->removes;
        sum->moves += watch->moves;
        sum->skipped += watch->skipped;
    }
    fflush(stdout);
}

/* What the lives are about did happen. */
static void check_sum(const struct sum *sum) {
    for (unsigned i = 0; i < WATCHES; i++) {
        assert_true(sum->resumes[i] > 0 && sum->snapshots[i] > 1 && sum->removes[i] > 0);
    }
    assert_true(sum->lefts[NARROW] > 0 && sum->lefts[AROUND] > 0 && sum->stales[WHOLE] > 0);
    assert_true(sum->moves > 0 && sum->skipped > 0);
}

static void play(uint64_t seed, enum ahora_encoding encoding, struct sum *sum) {
    struct world world = {.seed = seed, .dice = seed * 2654435761u + 88172645463325252u};
    open_world(&world, encoding);
    for (unsigned quiet = 0; quiet < QUIETS; quiet++) {
        for (unsigned i = 0; i < STEPS; i++) {
            step(&world);
            if (quiet == 0 && i == STEPS / 2) {
                be_slow(&world);
            }
            if (quiet == 1 && i == STEPS / 2) {
                restart(&world, true);
            }
        }
        settle(&world);
        proxy_cut(&world.proxy); /* what was asked for last is asked for again */
        change(&world);
        settle(&world);
    }
    report(&world, encoding == AHORA_ENCODING_JSON ? "json" : "msgpack", sum);
    close_world(&world);
}

static uint64_t seed_first = 1;
static uint64_t seed_count = SEEDS;

static void the_client_shows_what_the_broker_holds(void **state) {
    struct sum sum = {0};
    (void)state;
    for (uint64_t seed = seed_first; seed < seed_first + seed_count; seed++) {
        play(seed, AHORA_ENCODING_JSON, &sum);
        play(seed, AHORA_ENCODING_MSGPACK, &sum);
    }
    check_sum(&sum);
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
