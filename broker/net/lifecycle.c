/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/lifecycle.h"

#include "broker/base/backing.h"
#include "broker/net/backup.h"
#include "broker/net/broker.h"
#include "broker/net/connection.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Records loaded between two looks at the sockets: about 20 ms. */
#define LOAD_SLICE 20000

void lifecycle_stop(struct broker *broker) {
    if (broker->phase == PHASE_STOPPED) {
        return;
    }
    if (broker->index == 0) {
        shards_stop(broker->shards);
    }
    broker->phase = PHASE_STOPPED;
    listeners_close(&broker->listeners);
    gate_close(broker);
    tls_close_handshakes(broker);
    backup_stop(broker);
    connections_close(broker);
    websockets_close(broker);
    loop_stop(broker);
}

void lifecycle_fail(struct broker *broker, const char *what, enum result result) {
    log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"%s\" reason=\"%s\" data=\"%s\"", what, result_text(result),
              broker->config.data);
    broker->exit_code = 1;
    lifecycle_stop(broker);
}

/* The store and the core agree on where they stand. */
static bool finish_loading(struct broker *broker) {
    int64_t last = core_seq(broker->core); /* or the floor, where the newest change was a removal that is forgotten */
    enum result result =
        store_loaded(broker->store, last > broker->report.seq_floor ? last : broker->report.seq_floor, &broker->report);
    if (result != RESULT_OK) {
        lifecycle_fail(broker, "the store could not finish loading", result);
        return false;
    }
    result = core_loaded(broker->core, broker->report.epoch, broker->report.seq_floor);
    if (result != RESULT_OK) {
        lifecycle_fail(broker, "the documents could not be taken in", result);
        return false;
    }
    result = store_start(broker->store);
    if (result != RESULT_OK) {
        lifecycle_fail(broker, "the store could not start", result);
        return false;
    }
    loop_watch_store(broker);
    core_set_room(broker->core, store_room(broker->store));
    backing_expected();
    broker->is_loaded = true;
    return true;
}

static void become_ready(struct broker *broker) {
    broker->phase = PHASE_READY;
    atomic_store(&broker->shards->is_ready, true);
    loop_enter(broker);
    if (broker->report.damaged > 0) {
        log_event(&broker->log, LOG_ERROR, "records-damaged", "count=%" PRIu64 " action=\"not served\"",
                  broker->report.damaged);
    }
    if (broker->report.cut > 0) {
        log_event(&broker->log, LOG_WARN, "turns-cut",
                  "count=%" PRIu64 " reason=\"what was before them never reached the disk\" action=\"not served\"",
                  broker->report.cut);
    }
    const struct metrics *metrics = core_metrics(broker->core);
    log_event(&broker->log, LOG_INFO, "ready",
              "url=%s://%s topics=%" PRIu64 " seq=%" PRId64 " epoch=%s epoch_reason=\"%s\" ms=%" PRId64
              " connections_max=%zu shards=%zu",
              broker->listeners.items[0].is_secure ? "https" : "http", broker->listeners.items[0].name, metrics->topics,
              core_seq(broker->core), core_epoch(broker->core),
              broker->report.epoch_reason != NULL ? broker->report.epoch_reason : "", broker->now_ms - broker->started_ms,
              broker->shards->limits.connections_max, broker->shards->count);
}

/* The other shards listen before the first says that the broker is ready, but take work only from now on, too. */
static void feed_shards(struct broker *broker) {
    if (shards_feed(broker) && broker->phase == PHASE_LOADING) {
        become_ready(broker);
    }
}

void lifecycle_follow(struct broker *broker) {
    const struct broker *first = broker->shards->brokers[0];
    core_followed_all(broker->core, first->report.epoch, core_seq(first->core), first->report.seq_floor);
    broker->phase = PHASE_READY;
}

static bool load_one(struct broker *broker, const struct record *record) {
    enum result result = core_load(broker->core, record);
    if (result == RESULT_OK) {
        return true;
    }
    if (result == RESULT_INVALID) {
        log_event_limited(&broker->log, &broker->load_log, broker->now_ms, LOG_ERROR, "record-refused",
                          "topic=\"%.*s\" seq=%" PRId64 " reason=\"no longer legal\"", (int)record->topic.bytes,
                          (const char *)record->topic.data, record->seq);
        return true;
    }
    lifecycle_fail(broker, "a record could not be loaded", result);
    return false;
}

static bool load_all(struct broker *broker, const struct record *records, size_t count) {
    core_foresee(broker->core, records, count);
    for (size_t i = 0; i < count; i++) {
        if (!load_one(broker, &records[i])) {
            return false;
        }
    }
    return true;
}

bool lifecycle_load_slice(struct broker *broker) {
    struct record records[CORE_FORESEEN_MAX];
    if (broker->is_loaded) {
        feed_shards(broker);
        return false; /* a shard that took something wakes us */
    }
    core_expect_like(broker->core, store_load_left(broker->store));
    for (size_t i = 0, count = 0; i < LOAD_SLICE; i += count) {
        enum result result = store_load(broker->store, records, CORE_FORESEEN_MAX, &count);
        if (result == RESULT_NOT_FOUND) {
            if (finish_loading(broker)) {
                feed_shards(broker);
            }
            return false;
        }
        if (result != RESULT_OK) {
            lifecycle_fail(broker, "the store could not be read", result);
            return false;
        }
        if (!load_all(broker, records, count)) {
            return false;
        }
    }
    return true;
}

/* Those who are told to come back within retry_ms would be too many for one second if there are many: then the last come later. */
static int64_t return_ms(const struct broker *broker) {
    const int64_t rate_max = broker->config.return_rate_max / (int64_t)broker->shards->count;
    const int64_t all_ms = (int64_t)core_session_count(broker->core) * 1000 / (rate_max > 0 ? rate_max : 1);
    return all_ms > broker->config.retry_ms ? all_ms : broker->config.retry_ms;
}

void lifecycle_drain(struct broker *broker) {
    if (broker->phase != PHASE_READY) {
        return;
    }
    broker->phase = PHASE_DRAINING;
    broker->drain_until_ms = broker->now_ms + broker->config.drain_ms;
    listeners_close(&broker->listeners);
    gate_close(broker);
    core_drain(broker->core, "shutdown", return_ms(broker));
    tls_close_handshakes(broker);
    connections_drain(broker);
}

static void drain_all(struct broker *broker) {
    struct shard_figures sum;
    shards_sum(broker, &sum);
    log_event(&broker->log, LOG_INFO, "draining", "connections=%zu sessions=%" PRIu64 " wait_ms=%" PRId64,
              connection_limits_count(&broker->shards->limits), sum.core.sessions, broker->config.drain_ms);
    shards_drain(broker->shards);
    lifecycle_drain(broker);
}

/* Sessions keep what was in force when their handshake began, unless they came with a certificate that holds no longer: each shard looks. */
static void reload_tls(struct broker *broker) {
    char why[512];
    if (!listen_has_tls(&broker->config)) {
        return;
    }
    if (tls_context_load(&broker->shards->tls, &broker->config, why, sizeof why)) {
        log_event(&broker->log, LOG_INFO, "certificate-reloaded", "expires_s=%" PRId64,
                  tls_context_expires_s(&broker->shards->tls));
        for (size_t i = 0; i < broker->shards->count; i++) {
            uv_async_send(&broker->shards->brokers[i]->loop.wake);
        }
    } else {
        broker->metrics.tls_reloads_refused++;
        log_event(&broker->log, LOG_ERROR, "certificate-refused", "reason=\"%s\" action=\"the one before stays in force\"",
                  why);
    }
}

void lifecycle_reload_files(struct broker *broker) {
    reload_tls(broker);
    access_reload(broker);
}

bool lifecycle_ask_drain(struct broker *broker) {
    if (atomic_exchange(&broker->shards->drain_asked, true) || broker->phase != PHASE_READY) {
        return false;
    }
    return kill(getpid(), SIGTERM) == 0; /* the first shard hears it, whichever was asked */
}

void lifecycle_on_signal(struct broker *broker, int number) {
    if (number == SIGHUP) {
        log_event(&broker->log, LOG_INFO, "signal", "name=%s action=reload", strsignal(number));
        reload_now(broker, NULL);
        return;
    }
    if (broker->phase == PHASE_READY) {
        drain_all(broker);
    } else if (broker->phase == PHASE_LOADING) {
        lifecycle_stop(broker);
    } else {
        log_event(&broker->log, LOG_WARN, "stopped", "reason=\"second signal\"");
        _exit(1);
    }
}

/* The first ends the others, and must go on as long as they wait for the ledger. */
void lifecycle_on_time(struct broker *broker) {
    if (broker->index == 0 && broker->phase == PHASE_DRAINING && broker->now_ms >= broker->drain_until_ms) {
        log_event(&broker->log, LOG_WARN, "drain-cut", "connections=%zu", connection_limits_count(&broker->shards->limits));
        lifecycle_stop(broker);
    }
}

void lifecycle_check_drained(struct broker *broker) {
    if (broker->index == 0 && broker->phase == PHASE_DRAINING && connection_limits_count(&broker->shards->limits) == 0) {
        lifecycle_stop(broker);
    }
}
