/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/loop.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/exchange.h"
#include "broker/net/lifecycle.h"
#include "broker/net/peer.h"
#include "broker/net/transport.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Rounds of one turn: an answer may make room for the next request, whose change has to be stored, and so on. */
#define ROUNDS_MAX 8

/* How long a turn listens to many where nobody says how long one should take. */
#define SLICE_US 1000

/* Who would make us grow while memory is short is told to come again after; a sixteenth has to be given up first. */
#define GROWTH_RETRY_MS 5000

static struct broker *broker_of(const void *handle) {
    return ((const uv_handle_t *)handle)->data;
}

void loop_enter(struct broker *broker) {
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    const int64_t now_us = (int64_t)(uv_hrtime() / 1000);
    broker->now_ms = now_us / 1000;
    broker->loop.busy_since_us = broker->loop.busy_since_us == 0 ? now_us : broker->loop.busy_since_us;
    broker->now_wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    if (broker->core != NULL) {
        core_set_time(broker->core, broker->now_wall_ms, broker->now_ms);
    }
    broker->loop.dirty = true;
    shards_catch_up(broker);
}

static void stop_for_the_journal(struct broker *broker, const char *reason) {
    log_event(&broker->log, LOG_ERROR, "journal-failed", "reason=\"%s\" seq=%" PRId64 " action=abort", reason,
              core_seq(broker->core));
    abort();
}

/* If the journal fails, stopping without a word is the only honest way on. A shard that follows has nothing to store. */
void loop_store_changes(struct broker *broker) {
    if (broker->index > 0) {
        return;
    }
    int64_t first;
    int64_t last;
    struct span records = core_turn(broker->core, &first, &last);
    if (records.bytes > 0) {
        enum result result = store_append(broker->store, records, first, last);
        if (result != RESULT_OK) {
            stop_for_the_journal(broker, result_text(result));
        }
        core_turn_appended(broker->core);
    }
    int64_t wanted = core_durable_wanted(broker->core);
    if (wanted > 0) {
        store_ask_sync(broker->store, wanted);
    }
    core_set_room(broker->core, store_room(broker->store));
}

static void finish_tickets(struct broker *broker) {
    struct ticket *ticket;
    while ((ticket = core_next_ticket(broker->core)) != NULL) {
        exchange_on_ticket(ticket);
    }
}

/* Connections that were given work by a ticket, by room in their answer, or by a request behind the last one. */
static bool work_connections(struct broker *broker) {
    struct link now;
    list_init(&now);
    bool any = false;
    for (struct link *link; (link = list_pop(&broker->work)) != NULL;) {
        list_append(&now, link);
    }
    for (struct link *link; (link = list_pop(&now)) != NULL;) {
        connection_process(CONTAINER_OF(link, struct connection, work));
        any = true;
    }
    return any;
}

static void arm_timer(struct broker *broker) {
    struct loop *loop = &broker->loop;
    int64_t due = deadlines_next(&broker->deadlines);
    if (broker->phase == PHASE_READY || broker->phase == PHASE_DRAINING) {
        int64_t core_due = core_next_due(broker->core);
        due = core_due < due ? core_due : due;
    }
    due = broker->phase == PHASE_DRAINING && broker->drain_until_ms < due ? broker->drain_until_ms : due;
    int64_t listen_due = listeners_next_due(&broker->listeners);
    due = listen_due < due ? listen_due : due;
    int64_t gate_due = gate_next_due(broker);
    due = gate_due < due ? gate_due : due;
    int64_t tls_due = tls_next_due(broker);
    due = tls_due < due ? tls_due : due;
    if (due >= loop->timer_due_ms || broker->phase == PHASE_STOPPED) {
        return; /* it will fire early enough, and then be armed anew */
    }
    int64_t wait = due > broker->now_ms ? due - broker->now_ms : 0;
    loop->timer_due_ms = due;
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->timer, loop->timer.timer_cb, (uint64_t)wait, 0);
}

/* While memory is short, this shard's core refuses to grow, and says when to come again. */
static void look_at_memory(struct broker *broker) {
    if (broker->index == 0) {
        pressure_look(broker);
    }
    core_set_growth_retry(broker->core, pressure_is_high(broker) ? GROWTH_RETRY_MS : 0);
}

static void end_turn(struct broker *broker) {
    struct loop *loop = &broker->loop;
    const int64_t now_us = (int64_t)(uv_hrtime() / 1000);
    gate_end_turn(broker, loop->busy_since_us == 0 ? 0 : now_us - loop->busy_since_us);
    loop->busy_since_us = 0;
}

static void run_turn(struct broker *broker) {
    struct loop *loop = &broker->loop;
    bool awake = false;
    if (broker->phase == PHASE_LOADING && broker->index == 0) {
        /* First what the others said: only their word that they took what they were fed lets loading go on, and end. */
        awake = shards_receive(broker);
        awake |= lifecycle_load_slice(broker);
        loop->dirty = true;
    }
    loop->awake = awake;
    if (!loop->dirty || broker->phase == PHASE_STOPPED) {
        return;
    }
    broker->metrics.turns++;
    reload_follow(broker);
    look_at_memory(broker);
    awake |= gate_pump(broker);
    awake |= tls_work(broker);
    for (int round = 0; round < ROUNDS_MAX && loop->dirty; round++) {
        loop->dirty = false;
        inquiries_serve(broker);
        awake |= shards_receive(broker);
        if (broker->phase != PHASE_LOADING && broker->phase != PHASE_STOPPED) {
            access_keep_up(broker);
            awake |= judging_work(broker);
            peers_name(broker);
            loop_store_changes(broker);
            core_turn_stored(broker->core);
            shards_send(broker);
            finish_tickets(broker);
            awake |= peers_flush(broker);
            shards_give_back(broker);
        }
        loop->dirty |= work_connections(broker);
    }
    transports_free(broker);
    shards_note(broker);
    loop->awake = awake || loop->dirty || !list_is_empty(&broker->work);
    lifecycle_check_drained(broker);
    arm_timer(broker);
    end_turn(broker);
}

static void on_timer(uv_timer_t *handle) {
    struct broker *broker = broker_of(handle);
    broker->loop.timer_due_ms = INT64_MAX;
    loop_enter(broker);
    if (broker->phase == PHASE_READY || broker->phase == PHASE_DRAINING) {
        core_tick(broker->core);
    }
    listeners_on_time(broker);
    for (struct deadline *deadline; (deadline = deadlines_pop(&broker->deadlines, broker->now_ms)) != NULL;) {
        deadline->on_expired(deadline);
    }
    lifecycle_on_time(broker);
}

/* What an operator must know of the store, said once when it changes. */
static void note_store(struct broker *broker) {
    struct store_metrics metrics;
    store_metrics(broker->store, &metrics);
    if (metrics.full != broker->store_full) {
        broker->store_full = metrics.full;
        log_event(&broker->log, metrics.full ? LOG_WARN : LOG_INFO, metrics.full ? "store-full" : "store-has-room",
                  "journal_bytes=%" PRIu64 " checkpoint_bytes=%" PRIu64, metrics.journal_bytes, metrics.checkpoint_bytes);
    }
    if (metrics.fold_broken && !broker->fold_broken) {
        log_event(&broker->log, LOG_ERROR, "checkpoint-broken",
                  "effect=\"the journal is not folded; it grows until the store is full\" action=retry seq_checkpoint=%" PRId64,
                  metrics.seq_checkpoint);
    } else if (!metrics.fold_broken && broker->fold_broken) {
        log_event(&broker->log, LOG_INFO, "checkpoint-works", "seq_checkpoint=%" PRId64, metrics.seq_checkpoint);
    }
    broker->fold_broken = metrics.fold_broken;
}

static void on_store_event(struct pollee *pollee, int status, int events) {
    (void)status;
    (void)events;
    struct broker *broker = CONTAINER_OF(pollee, struct broker, loop.store_event);
    loop_enter(broker);
    uint64_t count;
    if (read(pollee->fd, &count, sizeof count) < 0) {
        return; /* somebody else's wake-up came first; nothing to do */
    }
    if (store_failed(broker->store)) {
        stop_for_the_journal(broker, "the disk does not sync");
    }
    note_store(broker);
    core_durable(broker->core, store_durable_seq(broker->store));
    /* Room is asked for at the end of this turn, behind what was taken in it: a promise that something still stands on stays. */
}

static void on_wake(uv_async_t *handle) {
    loop_enter(broker_of(handle));
}

static void on_signal(uv_signal_t *handle, int number) {
    struct broker *broker = broker_of(handle);
    loop_enter(broker);
    lifecycle_on_signal(broker, number);
}

bool loop_init(struct loop *loop, struct broker *broker) {
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    memset(loop, 0, sizeof *loop);
    list_init(&loop->closed);
    if (uv_loop_init(&loop->uv) != 0) {
        return false;
    }
    if (!poller_open(&loop->poller, uv_backend_fd(&loop->uv))) {
        uv_loop_close(&loop->uv);
        return false;
    }
    loop->timer_due_ms = INT64_MAX;
    loop->dirty = true;
    uv_timer_init(&loop->uv, &loop->timer);
    loop->timer.data = broker;
    loop->timer.timer_cb = on_timer;
    uv_async_init(&loop->uv, &loop->wake, on_wake);
    loop->wake.data = broker;
    loop->is_open = true;
    for (int i = 0; i < 3 && broker->index == 0; i++) {
        uv_signal_init(&loop->uv, &loop->signals[i]);
        loop->signals[i].data = broker;
        uv_signal_start(&loop->signals[i], on_signal, numbers[i]);
    }
    return true;
}

void loop_watch_store(struct broker *broker) {
    struct loop *loop = &broker->loop;
    loop->store_event.fd = store_event_fd(broker->store);
    loop->store_event.on_event = on_store_event;
    loop->store_event.is_first = true;
    poller_want(&loop->poller, &loop->store_event, UV_READABLE);
}

/* How long libuv has nothing to do: it knows of the timer, and of what it has to close. */
static int uv_due_ms(struct loop *loop) {
    uv_update_time(&loop->uv);
    return uv_backend_timeout(&loop->uv);
}

/* A fifth of what a turn should take: the rest is for what it delivers. */
static int64_t slice_us(const struct broker *broker) {
    return broker->config.turn_ms > 0 ? broker->config.turn_ms * 1000 / 5 : SLICE_US;
}

void loop_run(struct broker *broker) {
    struct loop *loop = &broker->loop;
    bool uv_is_due = true; /* it watches what was opened so far only when it has run once */
    while (broker->phase != PHASE_STOPPED) {
        if (uv_is_due) {
            uv_run(&loop->uv, UV_RUN_NOWAIT);
        }
        if (loop->awake) {
            loop_enter(broker);
        }
        run_turn(broker);
        if (broker->phase == PHASE_STOPPED) {
            break;
        }
        int count = poller_wait(&loop->poller, loop->awake ? 0 : uv_due_ms(loop));
        uv_is_due = poller_serve(&loop->poller, count, slice_us(broker)) || uv_due_ms(loop) == 0;
    }
    transports_free(broker);
    uv_run(&loop->uv, UV_RUN_DEFAULT); /* what is being closed */
}

void loop_stop(struct broker *broker) {
    struct loop *loop = &broker->loop;
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    for (int i = 0; i < 3 && broker->index == 0; i++) {
        uv_close((uv_handle_t *)&loop->signals[i], NULL);
    }
}

void loop_fini(struct loop *loop) {
    poller_close(&loop->poller);
    int left = uv_loop_close(&loop->uv);
    assert(left == 0);
    (void)left;
    loop->is_open = false;
}
