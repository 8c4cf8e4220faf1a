/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/shards.h"

#include "broker/net/broker.h"
#include "broker/net/lifecycle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(SHARDS_MAX <= INQUIRY_SHARDS_MAX, "an inquiry goes to all");

enum letter {
    LETTER_BATCH,  /* changes: to show; up: given back */
    LETTER_MAIL,   /* up: to serve; down: answered */
    LETTER_LOADED, /* down: the feed is over */
    LETTER_READY,  /* up: so the shard has everything */
    LETTER_DRAIN,  /* down */
    LETTER_STOP,   /* down */
};

#define MAILS_OUT_MAX 1024    /* of one shard */
#define FOLLOWED_MAX 1024     /* batches taken in one turn */
#define RECEIVED_MAX 1024     /* letters that the first takes from one shard in a turn */
#define DOWN_LETTERS_MAX 2048 /* MAILS_OUT_MAX and a few orders */
#define UP_LETTERS_MAX 4096   /* MAILS_OUT_MAX, SHARD_BATCHES_MAX, FOLLOWED_MAX and one */
#define SERVED_BYTES_MAX                                                                                                       \
    ((size_t)256 << 10)  /* of records in one turn: mail beyond it waits for the next, and for the room it brings */
#define FEED_TOPICS 4096 /* of one batch, about 400 KB */
#define FEED_BATCHES_OUT 32

static_assert(MAILS_OUT_MAX + SHARD_BATCHES_MAX + FOLLOWED_MAX + 1 <= UP_LETTERS_MAX, "`up` is never full");
static_assert(MAILS_OUT_MAX + 3 <= DOWN_LETTERS_MAX, "`down` is never full");

static bool has_others(const struct broker *broker) {
    return broker->shards->count > 1;
}

static void put(struct ring *ring, enum letter letter, void *pointer) {
    bool fits = ring_put(ring, (struct ring_item){.pointer = pointer, .tag = letter});
    assert(fits && "what may be on its way is bounded below the ring");
    (void)fits;
}

static void put_up(struct broker *broker, enum letter letter, void *pointer) {
    struct shard_post *post = &broker->shards->posts[broker->index];
    put(&post->up, letter, pointer);
    post->must_wake_first = true;
}

static void put_down(struct shards *shards, size_t index, enum letter letter, void *pointer) {
    put(&shards->posts[index].down, letter, pointer);
    shards->posts[index].must_wake = true;
}

static void wake(struct broker *broker) {
    uv_async_send(&broker->loop.wake);
}

static void wake_others(struct shards *shards) {
    for (size_t i = 1; i < shards->count; i++) {
        if (shards->posts[i].must_wake) {
            shards->posts[i].must_wake = false;
            wake(shards->brokers[i]);
        }
    }
}

static void wake_first(struct broker *broker) {
    struct shard_post *post = &broker->shards->posts[broker->index];
    if (post->must_wake_first) {
        post->must_wake_first = false;
        wake(broker->shards->brokers[0]);
    }
}

/* ---- receiving ---- */

/* Outside of a turn the batch is shown and given back at once: while a shard is loaded it has no sessions. */
static void take_batch(struct broker *broker, struct batch *batch) {
    struct shard_post *post = &broker->shards->posts[broker->index];
    core_follow(broker->core, batch);
    if (broker->phase == PHASE_LOADING) {
        core_turn_stored(broker->core);
        put_up(broker, LETTER_BATCH, batch);
        return;
    }
    post->followed[post->followed_count++] = batch;
}

static void take_order(struct broker *broker, enum letter letter) {
    switch (letter) {
    case LETTER_LOADED:
        lifecycle_follow(broker);
        put_up(broker, LETTER_READY, NULL);
        return;
    case LETTER_DRAIN:
        lifecycle_drain(broker);
        return;
    default:
        assert(letter == LETTER_STOP);
        lifecycle_stop(broker);
        return;
    }
}

void shards_catch_up(struct broker *broker) {
    if (broker->index == 0 || broker->phase == PHASE_STOPPED) {
        return;
    }
    struct shard_post *post = &broker->shards->posts[broker->index];
    const size_t sent = atomic_load_explicit(&broker->shards->batches_sent, memory_order_acquire);
    struct ring_item item;
    while (post->batches_taken != sent && post->followed_count < FOLLOWED_MAX && ring_take(&post->changes, &item)) {
        post->batches_taken++;
        take_batch(broker, item.pointer);
    }
}

/* Mail last: an answer never overtakes the change it answers for. */
static bool receive_as_follower(struct broker *broker) {
    struct shard_post *post = &broker->shards->posts[broker->index];
    struct ring_item item;
    shards_catch_up(broker);
    while (ring_take(&post->down, &item)) {
        if (item.tag == LETTER_MAIL) {
            post->mails_out--;
            core_mail_back(broker->core, item.pointer);
        } else {
            take_order(broker, (enum letter)item.tag);
        }
    }
    wake_first(broker);
    return post->followed_count == FOLLOWED_MAX;
}

static bool receive_from(struct broker *first, size_t index) {
    struct shards *shards = first->shards;
    struct shard_post *post = &shards->posts[index];
    struct ring_item item;
    for (size_t i = 0; i < RECEIVED_MAX && core_turn_bytes(first->core) < SERVED_BYTES_MAX; i++) {
        if (!ring_take(&post->up, &item)) {
            return false;
        }
        switch ((enum letter)item.tag) {
        case LETTER_BATCH:
            post->batches_out--;
            core_return_batch(first->core, item.pointer);
            break;
        case LETTER_MAIL:
            ((struct mail *)item.pointer)->from = (unsigned)index;
            core_serve(first->core, item.pointer);
            break;
        default:
            assert(item.tag == LETTER_READY);
            shards->ready_count++;
            break;
        }
    }
    return true;
}

bool shards_receive(struct broker *broker) {
    if (!has_others(broker)) {
        return false;
    }
    if (broker->index > 0) {
        return receive_as_follower(broker);
    }
    bool more = false;
    for (size_t i = 1; i < broker->shards->count; i++) {
        more |= receive_from(broker, i);
    }
    return more;
}

/* ---- sending ---- */

/* A shard that lags is woken before it is waited for. */
static void send_batch(struct shards *shards, struct batch *batch) {
    for (size_t i = 1; i < shards->count; i++) {
        struct shard_post *post = &shards->posts[i];
        const struct ring_item item = {.pointer = batch, .tag = LETTER_BATCH};
        post->batches_out++;
        post->must_wake = true;
        if (!ring_put(&post->changes, item)) {
            shards->brokers[0]->metrics.shard_waits++;
            wake(shards->brokers[i]);
            ring_put_waiting(&post->changes, item);
        }
    }
    atomic_fetch_add_explicit(&shards->batches_sent, 1, memory_order_release);
}

static void send_as_first(struct broker *first) {
    struct shards *shards = first->shards;
    struct batch *batch = core_take_batch(first->core);
    if (batch != NULL) {
        send_batch(shards, batch);
    }
    for (struct mail *mail; (mail = core_next_served(first->core)) != NULL;) {
        put_down(shards, mail->from, LETTER_MAIL, mail);
    }
    wake_others(shards);
}

static void send_as_follower(struct broker *broker) {
    struct shard_post *post = &broker->shards->posts[broker->index];
    struct mail *mail;
    while (post->mails_out < MAILS_OUT_MAX && (mail = core_next_mail(broker->core)) != NULL) {
        post->mails_out++;
        put_up(broker, LETTER_MAIL, mail);
    }
    wake_first(broker);
}

void shards_send(struct broker *broker) {
    if (!has_others(broker)) {
        return;
    }
    if (broker->index == 0) {
        send_as_first(broker);
    } else {
        send_as_follower(broker);
    }
}

void shards_give_back(struct broker *broker) {
    if (broker->index == 0) {
        return;
    }
    struct shard_post *post = &broker->shards->posts[broker->index];
    for (size_t i = 0; i < post->followed_count; i++) {
        put_up(broker, LETTER_BATCH, post->followed[i]);
    }
    post->followed_count = 0;
    if (broker->phase == PHASE_DRAINING) {
        post->must_wake_first = true; /* which waits for the last connection of all */
    }
    wake_first(broker);
}

/* ---- figures ---- */

void shards_note(struct broker *broker) {
    if (!has_others(broker)) {
        return;
    }
    struct shards *shards = broker->shards;
    const struct metrics *metrics = core_metrics(broker->core);
    pthread_mutex_lock(&shards->mutex);
    shards->figures[broker->index].core = *metrics;
    shards->figures[broker->index].net = broker->metrics;
    pthread_mutex_unlock(&shards->mutex);
}

/* Both structs are made of uint64_t alone. */
static void add_all(void *sum, const void *figures, size_t bytes) {
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t total;
        uint64_t more;
        memcpy(&total, (const char *)sum + at, sizeof total);
        memcpy(&more, (const char *)figures + at, sizeof more);
        total += more;
        memcpy((char *)sum + at, &total, sizeof total);
    }
}

static_assert(sizeof(struct metrics) % sizeof(uint64_t) == 0 && sizeof(struct net_metrics) % sizeof(uint64_t) == 0,
              "figures are added up as they are");

void shards_sum(struct broker *broker, struct shard_figures *sum) {
    struct shards *shards = broker->shards;
    *sum = (struct shard_figures){.core = *core_metrics(broker->core), .net = broker->metrics};
    if (!has_others(broker)) {
        return;
    }
    pthread_mutex_lock(&shards->mutex);
    const struct metrics first = shards->figures[0].core;
    for (size_t i = 0; i < shards->count; i++) {
        if (i != broker->index) {
            add_all(&sum->core, &shards->figures[i].core, sizeof sum->core);
            add_all(&sum->net, &shards->figures[i].net, sizeof sum->net);
        }
    }
    pthread_mutex_unlock(&shards->mutex);
    const struct metrics *ledger = broker->index == 0 ? core_metrics(broker->core) : &first;
    sum->core.topics = ledger->topics; /* every shard counts its own copy of these */
    sum->core.topics_stale = ledger->topics_stale;
    sum->core.removals = ledger->removals;
    sum->core.documents_bytes = ledger->documents_bytes;
}

/* ---- loading ---- */

static bool has_room_for_feed(const struct shards *shards) {
    for (size_t i = 1; i < shards->count; i++) {
        if (shards->posts[i].batches_out >= FEED_BATCHES_OUT) {
            return false;
        }
    }
    return true;
}

static void feed(struct broker *first) {
    struct shards *shards = first->shards;
    while (has_room_for_feed(shards)) {
        struct batch *batch;
        if (core_take_feed(first->core, FEED_TOPICS, &batch) != RESULT_OK) {
            lifecycle_fail(first, "no memory to load the shards", RESULT_NO_MEMORY);
            return;
        }
        if (batch == NULL) {
            break;
        }
        send_batch(shards, batch);
    }
    if (!core_has_batches_away(first->core)) {
        shards->phase = SHARDS_TOLD;
        for (size_t i = 1; i < shards->count; i++) {
            put_down(shards, i, LETTER_LOADED, NULL);
        }
    }
    wake_others(shards);
}

bool shards_feed(struct broker *first) {
    struct shards *shards = first->shards;
    if (shards->phase == SHARDS_LOADING) {
        shards->phase = shards->count > 1 ? SHARDS_FEEDING : SHARDS_READY;
    }
    if (shards->phase == SHARDS_FEEDING) {
        feed(first);
    }
    if (shards->phase == SHARDS_TOLD && shards->ready_count == shards->count - 1) {
        shards->phase = SHARDS_READY;
    }
    return shards->phase == SHARDS_READY;
}

/* ---- life ---- */

static bool init_post(struct shard_post *post) {
    post->followed = calloc(FOLLOWED_MAX, sizeof *post->followed);
    return post->followed != NULL && ring_init(&post->changes, SHARD_BATCHES_MAX) && ring_init(&post->down, DOWN_LETTERS_MAX) &&
           ring_init(&post->up, UP_LETTERS_MAX);
}

bool shards_create(struct broker *first, char *why, size_t why_bytes) {
    struct shards *shards = first->shards;
    for (size_t i = 1; i < shards->count; i++) {
        struct broker *broker = broker_create_follower(first, i);
        shards->brokers[i] = broker;
        if (broker == NULL || !init_post(&shards->posts[i])) {
            snprintf(why, why_bytes, "out of memory");
            return false;
        }
        if (!broker_open_loop(broker)) {
            snprintf(why, why_bytes, "shard %zu cannot have a loop", i);
            return false;
        }
    }
    return true;
}

bool shards_listen(struct shards *shards, char *why, size_t why_bytes) {
    for (size_t i = 1; i < shards->count; i++) {
        if (!listeners_follow(shards->brokers[i], &shards->brokers[0]->listeners, why, why_bytes)) {
            return false;
        }
    }
    return true;
}

static void *run(void *argument) {
    struct broker *broker = argument;
    broker_run_loop(broker);
    return NULL;
}

bool shards_start(struct shards *shards) {
    for (size_t i = 1; i < shards->count; i++) {
        struct shard_post *post = &shards->posts[i];
        post->has_thread = pthread_create(&post->thread, NULL, run, shards->brokers[i]) == 0;
        if (!post->has_thread) {
            return false;
        }
    }
    return true;
}

void shards_drain(struct shards *shards) {
    for (size_t i = 1; i < shards->count; i++) {
        put_down(shards, i, LETTER_DRAIN, NULL);
    }
    wake_others(shards);
}

/* A loop that has no thread yet, because the start failed, is run to its end here. */
void shards_stop(struct shards *shards) {
    for (size_t i = 1; i < shards->count && shards->brokers[i] != NULL; i++) {
        struct shard_post *post = &shards->posts[i];
        if (post->has_thread) {
            put_down(shards, i, LETTER_STOP, NULL);
            wake(shards->brokers[i]);
            pthread_join(post->thread, NULL);
            post->has_thread = false;
        } else if (shards->brokers[i]->loop.is_open) {
            lifecycle_stop(shards->brokers[i]);
            broker_run_loop(shards->brokers[i]);
        }
    }
}

static void drop_letters(struct ring *ring) {
    struct ring_item item;
    while (ring->slots != NULL && ring_take(ring, &item)) {
        if (item.tag == LETTER_MAIL) {
            mail_destroy(item.pointer);
        } /* batches that were not given back are freed by the first core */
    }
}

void shards_destroy(struct shards *shards) {
    for (size_t i = 1; i < shards->count; i++) {
        struct shard_post *post = &shards->posts[i];
        drop_letters(&post->up);
        drop_letters(&post->down);
        ring_fini(&post->changes);
        ring_fini(&post->down);
        ring_fini(&post->up);
        free(post->followed);
        broker_destroy_follower(shards->brokers[i]);
    }
    connection_limits_fini(&shards->limits);
    inquiries_fini(&shards->inquiries);
    subjects_fini(&shards->subjects);
    reload_fini(&shards->reload);
    tls_context_fini(&shards->tls);
    pthread_mutex_destroy(&shards->access.mutex);
    pthread_mutex_destroy(&shards->mutex);
    free(shards);
}
