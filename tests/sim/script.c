/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What happens in a run: a world drawn from the seed, then turns in which anybody may do anything. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/kind.h"
#include "tests/sim/sim.h"

/* ---- the world ---- */

#define PICK(dice, ...)                                                                                                        \
    ((const int64_t[]){__VA_ARGS__})[dice_below(dice, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))]

/* Bounds are mostly as shipped, and now and then so tight that each of them is met. */
static void draw_limits(struct sim *sim) {
    struct dice *dice = &sim->dice;
    struct limits *limits = &sim->limits;
    limits_default(limits);
    limits->message_bytes_max = 64 * 1024;
    limits->block_bytes = (size_t)PICK(dice, 16384, 16384, 64, 200, 1000);
    limits->outbox_bytes_max = (size_t)PICK(dice, 1 << 20, 1 << 20, 300, 2000);
    limits->publishes_max = (size_t)PICK(dice, 1024, 1024, 1, 3);
    limits->removals_max = (size_t)PICK(dice, 65536, 0, 1, 3, 10);
    limits->document_bytes_max = (size_t)PICK(dice, 65536, 65536, 120, 300);
    limits->topics_max = (size_t)PICK(dice, 10000000, 10000000, 10000000, 4, 12);
    limits->documents_bytes_max = (size_t)PICK(dice, 1 << 30, 1 << 30, 1 << 30, 1500);
    limits->keys_max = (size_t)PICK(dice, 1000000, 1000000, 1000000, 4);
    limits->key_ms = PICK(dice, 600000, 500);
    limits->subscriptions_max = (size_t)PICK(dice, 1000, 1000, 1000, 2);
    limits->publish_rate_max = PICK(dice, 0, 0, 0, 20);
    limits->beat_ms = PICK(dice, 15000, 200);
    limits->due_changes_max = (size_t)PICK(dice, 1000, 1000, 1, 3);
    if (dice_chance(dice, 200)) { /* the operator promises something of stock, and nothing of services */
        limits->kind_promises[0] = (struct kind_promise){"stock", 700, dice_chance(dice, 500) ? 3000 : -1};
        limits->kind_promises[1] = (struct kind_promise){"service", 0, -1};
        limits->kind_promise_count = 2;
    }
    limits->hello_ms = PICK(dice, 5000, 300);
    limits->lefts_max = (size_t)PICK(dice, 1024, 1024, 1024, 0, 1, 5);
    limits->where_scans_max = (size_t)PICK(dice, 256, 256);
    limits->get_items_max = PICK(dice, 1000, 3);
    limits->get_bytes_max = (size_t)PICK(dice, 1 << 20, 200);
}

static void draw_topics(struct sim *sim) {
    static const char *const kinds[] = {"stock", "room", "order", "service"};
    struct dice *dice = &sim->dice;
    const unsigned wanted = (unsigned)PICK(dice, 1, 4, 12, 30, 60);
    for (unsigned tries = 0; sim->model.topic_count < wanted && tries < 300; tries++) {
        char path[PATH_BYTES];
        int bytes = snprintf(path, sizeof path, "%s", kinds[dice_below(dice, sizeof kinds / sizeof kinds[0])]);
        for (int64_t left = dice_between(dice, 1, 3); left > 0; left--) {
            bytes += snprintf(path + bytes, sizeof path - (size_t)bytes, "/%c", (int)('a' + (int)dice_below(dice, 3)));
        }
        model_add_topic(&sim->model, path);
    }
}

/* A few do more each; a crowd meets what only numbers bring. */
static unsigned draw_clients(struct dice *dice) {
    const uint64_t roll = dice_below(dice, 1000);
    if (roll < 8) {
        return (unsigned)dice_between(dice, 1000, 3000);
    }
    return (unsigned)(roll < 20 ? dice_between(dice, 100, 250) : dice_between(dice, 3, 30));
}

void script_world(struct sim *sim) {
    struct dice *dice = &sim->dice;
    draw_limits(sim);
    sim->model.limits = &sim->limits;
    model_start(&sim->model);
    draw_topics(sim);
    sim->client_count = draw_clients(dice);
    sim->clients = calloc(sim->client_count, sizeof *sim->clients);
    MUST(sim->clients != NULL, "no memory");
    for (unsigned i = 0; i < sim->client_count; i++) {
        client_init(&sim->clients[i], sim, i);
    }
    sim->wall_ms = INT64_C(1700000000000);
    sim->model.wall_ms = sim->wall_ms;
    sim->room_is_short = dice_chance(dice, 200);
    sim->epochs = 1;
    (void)snprintf(sim->epoch, sizeof sim->epoch, "e1");
}

/* ---- changes ---- */

static void spoil(struct dice *dice, struct wish *wish) {
    static const struct {
        enum ahora_code code;
        const char *path;
    } wrong[] = {{AHORA_BAD_MESSAGE, "stock/a"}, {AHORA_BAD_TOPIC, "stock"},         {AHORA_BAD_TOPIC, "stock/*"},
                 {AHORA_BAD_TOPIC, "stock//a"},  {AHORA_BAD_TOPIC, "stock/a/b/c/d"}, {AHORA_UNKNOWN_KIND, "boats/a"}};
    const unsigned which = (unsigned)dice_below(dice, sizeof wrong / sizeof wrong[0]);
    wish->fault = wrong[which].code;
    (void)snprintf(wish->path, sizeof wish->path, "%s", wrong[which].path);
}

static void add_conditions(struct sim *sim, struct wish *wish) {
    struct dice *dice = &sim->dice;
    if (dice_chance(dice, 200)) {
        wish->has_at = true;
        wish->at = sim->wall_ms + dice_between(dice, -2000, 2000);
        wish->at += dice_chance(dice, 50) ? sim->limits.at_ahead_ms_max * 2 : 0;
        wish->if_newer = dice_chance(dice, 500);
        const struct version *version = model_at(&sim->model, (unsigned)wish->topic, sim->model.seq);
        if (version != NULL && dice_chance(dice, 100)) { /* the very instant that is held */
            wish->at = version->at;
        }
    }
    if (dice_chance(dice, 150)) {
        const struct version *version = model_at(&sim->model, (unsigned)wish->topic, sim->model.seq);
        wish->has_if_seq = true;
        wish->if_seq = version == NULL || version->removed ? 0 : version->seq;
        wish->if_seq += dice_chance(dice, 300);
    }
    if (dice_chance(dice, 150)) { /* keys of this life: an earlier one's are not judged here */
        (void)snprintf(wish->key, sizeof wish->key, "l%u-%u", sim->lives, (unsigned)dice_below(dice, 30));
    }
    if (dice_chance(dice, 100)) {
        wish->has_fresh_ms = true;
        wish->fresh_ms = dice_chance(dice, 700) ? dice_between(dice, 0, 1500) : dice_between(dice, 0, 100000);
        wish->fresh_ms += dice_chance(dice, 20) ? sim->limits.promise_ms_max : 0;
    }
    if (dice_chance(dice, 60)) {
        wish->has_expire_ms = true;
        wish->expire_ms = dice_chance(dice, 200) ? 0 : dice_between(dice, 1, 5000);
    }
}

void script_wish(struct sim *sim, struct wish *wish) {
    struct dice *dice = &sim->dice;
    static const enum change_op ops[] = {CHANGE_SET,   CHANGE_SET,    CHANGE_SET,    CHANGE_SET,   CHANGE_PATCH,
                                         CHANGE_PATCH, CHANGE_ADJUST, CHANGE_ADJUST, CHANGE_TOUCH, CHANGE_DELETE};
    *wish = (struct wish){.op = ops[dice_below(dice, sizeof ops / sizeof ops[0])]};
    wish->topic = (int)dice_below(dice, sim->model.topic_count);
    (void)snprintf(wish->path, sizeof wish->path, "%s", sim->model.topics[wish->topic].path);
    if (wish->op == CHANGE_SET) {
        paper_draw(&wish->data, dice);
    } else if (wish->op == CHANGE_PATCH) {
        paper_draw_patch(&wish->data, dice);
    } else if (wish->op == CHANGE_ADJUST) {
        paper_draw_adjust(&wish->data, dice);
    }
    add_conditions(sim, wish);
    if (dice_chance(dice, 15)) {
        spoil(dice, wish);
    }
}

/* ---- patterns ---- */

/* A topic with some segments made wild, or cut by `**`. */
static void draw_pattern(struct sim *sim, char *pattern) {
    struct dice *dice = &sim->dice;
    if (dice_chance(dice, 60)) {
        (void)snprintf(pattern, PATTERN_BYTES, "**");
        return;
    }
    const char *rest = sim->model.topics[dice_below(dice, sim->model.topic_count)].path;
    const unsigned wild = (unsigned)PICK(dice, 0, 0, 250, 600);
    size_t bytes = 0;
    for (bool first = true;; first = false) {
        const size_t length = strcspn(rest, "/");
        if (!first && dice_chance(dice, 120)) {
            (void)snprintf(pattern + bytes, PATTERN_BYTES - bytes, "**");
            return;
        }
        if (dice_chance(dice, wild)) {
            pattern[bytes++] = '*';
        } else {
            memcpy(pattern + bytes, rest, length);
            bytes += length;
        }
        if (rest[length] == '\0') {
            break;
        }
        pattern[bytes++] = '/';
        rest += length + 1;
    }
    pattern[bytes] = '\0';
}

void script_patterns(struct sim *sim, struct asked *asked) {
    struct dice *dice = &sim->dice;
    asked->pattern_count = dice_chance(dice, 700) ? 1 : (unsigned)dice_between(dice, 2, PATTERNS_OF_SUB_MAX);
    for (unsigned i = 0; i < asked->pattern_count; i++) {
        memset(asked->patterns[i], 0, PATTERN_BYTES);
        draw_pattern(sim, asked->patterns[i]);
        const uint64_t topics = model_match(&sim->model, asked->patterns[i]);
        asked->overlaps = asked->overlaps || (asked->topics & topics) != 0;
        asked->topics |= topics;
    }
}

/* ---- turns ---- */

static void draw_room(struct sim *sim) {
    sim->model.room = (size_t)1 << 40;
    if (sim->room_is_short && dice_chance(&sim->dice, 300)) {
        sim->model.room = (size_t)PICK(&sim->dice, 0, 0, 200, 600, 2000);
    }
    core_set_room(sim->core, sim->model.room);
}

static void pass_time(struct sim *sim) {
    struct dice *dice = &sim->dice;
    int64_t ahead = dice_between(dice, 0, 40);
    int64_t jump = 0;
    if (dice_chance(dice, 30)) {
        ahead += dice_between(dice, 100, 3000);
    } else if (dice_chance(dice, 10)) {
        ahead += 2 * sim->limits.beat_ms;
    }
    if (dice_chance(dice, 10)) {
        jump = dice_between(dice, -3600000, 3600000);
        if (jump < 0) {
            report_note(EVENT_CLOCK_BACK);
        }
    }
    host_set_time(sim, ahead, jump);
}

static void unchoke(struct client *client) {
    if (client->choked && client->session != NULL && client->tail.bytes == 0 &&
        client->socket.bytes < client->socket_bytes_max) {
        client->choked = false;
        session_set_choked(client->sim->core, client->session, false);
    }
}

static void read_some(struct client *client, size_t bytes) {
    line_read(client, bytes);
    unchoke(client);
}

static void let_ghosts_go(struct client *client, unsigned per_mille) {
    if (client->ghost && dice_chance(&client->sim->dice, per_mille)) {
        client_gone(client);
    }
}

static void play_clients(struct sim *sim) {
    struct dice *dice = &sim->dice;
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        client_act(client);
        if (dice_chance(dice, 700)) {
            client_send(client);
        }
        if (client->session != NULL && dice_chance(dice, client->read_per_mille)) {
            read_some(client, (size_t)dice_between(dice, 1, dice_chance(dice, 300) ? 50 : 20000));
        }
        if (dice_chance(dice, 100)) {
            host_serve_one(client);
        }
        let_ghosts_go(client, 300);
    }
}

static void turn(struct sim *sim) {
    struct dice *dice = &sim->dice;
    draw_room(sim);
    pass_time(sim);
    play_clients(sim);
    if (dice_chance(dice, 150)) {
        host_publish(sim);
    }
    if (dice_chance(dice, 10)) {
        const bool machine = dice_chance(dice, 400);
        host_crash(sim, machine);
        return;
    }
    host_end_turn(sim);
    if (dice_chance(dice, 600)) {
        host_sync(sim);
        host_serve(sim);
    }
    if (dice_chance(dice, 50)) {
        host_check_reading(sim);
    }
}

/* ---- rest ---- */

/* False: there was nothing to read. */
static bool read_all(struct sim *sim) {
    bool found = false;
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        while (client->socket.bytes > 0) {
            read_some(client, SIZE_MAX);
            found = true;
        }
    }
    return found;
}

/* Everybody sends and reads what there is, until nothing is left for longer than any subscription waits. Beats go on. */
static void come_to_rest(struct sim *sim) {
    for (int round = 0, calm = 0; calm < 6; round++) {
        MUST(round < 2000, "this never comes to rest");
        sim->model.room = (size_t)1 << 40;
        core_set_room(sim->core, sim->model.room);
        const int64_t seq_before = sim->model.seq;
        host_set_time(sim, 500, 0);
        bool moved = sim->model.seq > seq_before; /* something went stale or away by itself */
        for (unsigned i = 0; i < sim->client_count; i++) {
            struct client *client = &sim->clients[i];
            client_send(client);
            let_ghosts_go(client, 1000);
            moved = moved || client->waiting.count > 0 || client->open.count > 0;
        }
        host_end_turn(sim);
        sim->model.seq_durable = sim->seq_durable = sim->model.seq_stored;
        core_durable(sim->core, sim->seq_durable);
        host_serve(sim);
        while (read_all(sim)) {
            host_serve(sim);
        }
        calm = moved ? 0 : calm + 1;
    }
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        if (client->session != NULL && client->greeted && !client->expects_close) {
            check_quiet(client);
        }
    }
    host_check_reading(sim);
}

static void close_down(struct sim *sim) {
    host_drain(sim);
    for (int i = 0; i < 20; i++) {
        draw_room(sim);
        pass_time(sim);
        play_clients(sim);
        host_publish(sim);
        host_end_turn(sim);
        host_sync(sim);
        host_serve(sim);
    }
}

void script_play(struct sim *sim) {
    struct dice *dice = &sim->dice;
    host_start(sim);
    const unsigned turns = sim->client_count > 500 ? 25 : sim->client_count > 50 ? 40 : (unsigned)dice_between(dice, 50, 160);
    for (unsigned i = 0; i < turns; i++) {
        turn(sim);
        if (dice_chance(dice, 8)) {
            come_to_rest(sim);
        }
    }
    come_to_rest(sim);
    if (dice_chance(dice, 300)) {
        close_down(sim);
    }
    host_stop(sim);
}
