/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/shards/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/kinds.h"

#define WALL_MS INT64_C(1795000000000)

static uint64_t running_seed;
static size_t running_shards;

void world_name_run(uint64_t seed, size_t shard_count) {
    running_seed = seed;
    running_shards = shard_count;
}

void world_fail(const char *condition, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "seed %" PRIu64 ", %zu shards: %s: ", running_seed, running_shards, condition);
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\nrepeat it with: shards --seed %" PRIu64 "\n", running_seed);
    va_end(arguments);
    exit(1);
}

/* ---- queues ---- */

static void push(struct queue *queue, void *item) {
    MUST(queue->count < QUEUE_MAX, "a queue of the test is full");
    queue->items[(queue->first + queue->count++) % QUEUE_MAX] = item;
}

static void *pop(struct queue *queue) {
    if (queue->count == 0) {
        return NULL;
    }
    void *item = queue->items[queue->first];
    queue->first = (queue->first + 1) % QUEUE_MAX;
    queue->count--;
    return item;
}

/* ---- life ---- */

void world_init(struct world *world, uint64_t seed, size_t shard_count) {
    *world = (struct world){.dice = {seed * 31 + shard_count}, .shard_count = shard_count};
    struct limits limits;
    limits_default(&limits);
    limits.removals_max = 1 + dice_below(&world->dice, 40);
    limits.block_bytes = 1024;
    limits.publishes_max = 1 + dice_below(&world->dice, 20);
    for (size_t i = 0; i < shard_count; i++) {
        const struct core_options options = {
            .limits = limits,
            .kinds = sim_kinds(),
            .epoch = "e",
            .server = "ahora/sim",
            .seed = seed + i,
            .followers = i == 0 ? (unsigned)shard_count - 1 : 0,
            .follows = i > 0,
        };
        struct core *core = core_create(&options);
        MUST(core != NULL, "no memory");
        core_set_time(core, WALL_MS, 0);
        core_set_room(core, SIZE_MAX);
        world->shards[i].core = core;
        if (i == 0) {
            MUST(core_loaded(core, "e", 0) == RESULT_OK, "no memory");
        } else {
            core_followed_all(core, "e", 0, 0);
        }
    }
}

void world_fini(struct world *world) {
    for (size_t i = world->shard_count; i-- > 0;) {
        struct shard *shard = &world->shards[i];
        for (struct mail *mail; (mail = pop(&shard->up)) != NULL || (mail = pop(&shard->down)) != NULL;) {
            mail_destroy(mail);
        }
        core_destroy(shard->core);
    }
}

/* ---- turns ---- */

static void turn_of_first(struct world *world) {
    struct core *core = world->shards[0].core;
    int64_t first = 0;
    int64_t last = 0;
    (void)core_turn(core, &first, &last);
    core_turn_stored(core);
    core_durable(core, dice_chance(&world->dice, 500) ? last : first - 1);
    struct batch *batch = core_take_batch(core);
    for (size_t i = 1; i < world->shard_count && batch != NULL; i++) {
        push(&world->shards[i].changes, batch);
    }
    for (struct mail *mail; (mail = core_next_served(core)) != NULL;) {
        push(&world->shards[mail->from].down, mail);
    }
}

static void take_batches(struct shard *shard, size_t limit) {
    struct batch *batch;
    for (size_t i = 0; i < limit && (batch = pop(&shard->changes)) != NULL; i++) {
        core_follow(shard->core, batch);
        push(&shard->taken, batch);
    }
}

void world_catch_up(struct world *world, size_t index) {
    take_batches(&world->shards[index], SIZE_MAX);
}

static void turn_of_follower(struct world *world, size_t index, bool everything) {
    struct shard *shard = &world->shards[index];
    take_batches(shard, everything ? SIZE_MAX : dice_below(&world->dice, 4));
    struct mail *mail;
    size_t limit = everything ? SIZE_MAX : dice_below(&world->dice, 4);
    for (size_t i = 0; i < limit && (mail = pop(&shard->down)) != NULL; i++) {
        core_mail_back(shard->core, mail);
    }
    core_turn_stored(shard->core);
    while ((mail = core_next_mail(shard->core)) != NULL) {
        mail->from = (unsigned)index;
        push(&shard->up, mail);
    }
}

static void give_back(struct world *world, size_t index, bool everything) {
    struct shard *shard = &world->shards[index];
    void *item;
    size_t limit = everything ? SIZE_MAX : dice_below(&world->dice, 4);
    for (size_t i = 0; i < limit && (item = pop(&shard->back)) != NULL; i++) {
        core_return_batch(world->shards[0].core, item);
    }
    limit = everything ? SIZE_MAX : dice_below(&world->dice, 4);
    for (size_t i = 0; i < limit && (item = pop(&shard->up)) != NULL; i++) {
        core_serve(world->shards[0].core, item);
    }
}

/* The owner of a session is a function that takes what there is. */
typedef void pull_function(struct core *core, struct session *session);

static void pull_all(struct core *core) {
    for (struct session *session; (session = core_next_ready(core)) != NULL;) {
        pull_function *const *owner = session_owner(session);
        (*owner)(core, session);
    }
}

static void step(struct world *world, bool everything) {
    world->mono_ms += 1 + (int64_t)dice_below(&world->dice, 50);
    for (size_t i = 0; i < world->shard_count; i++) {
        struct core *core = world->shards[i].core;
        core_set_time(core, WALL_MS + world->mono_ms, world->mono_ms);
        core_tick(core);
        if (i > 0) {
            give_back(world, i, everything);
        }
    }
    for (size_t i = 0; i < world->shard_count; i++) {
        if (!everything && dice_chance(&world->dice, 300)) {
            continue; /* it sleeps */
        }
        if (i == 0) {
            turn_of_first(world);
        } else {
            turn_of_follower(world, i, everything);
        }
        pull_all(world->shards[i].core);
        for (void *batch; (batch = pop(&world->shards[i].taken)) != NULL;) {
            push(&world->shards[i].back, batch);
        }
    }
}

void world_step(struct world *world) {
    step(world, false);
}

/* Each round carries everything one way; what a round of answers starts is over a few rounds later. */
void world_settle(struct world *world) {
    for (int i = 0; i < 400; i++) {
        step(world, true);
    }
}
