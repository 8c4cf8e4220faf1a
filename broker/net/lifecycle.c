/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/lifecycle.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Records loaded between two looks at the sockets: about 20 ms. */
#define LOAD_SLICE 20000

static void stop(struct broker *broker) {
    if (broker->phase == PHASE_STOPPED) {
        return;
    }
    broker->phase = PHASE_STOPPED;
    listeners_close(&broker->listeners);
    connections_close(broker);
    websockets_close(broker);
    websockets_stop(broker);
    loop_stop(broker);
}

static void fail(struct broker *broker, const char *what, enum result result) {
    log_event(&broker->log, LOG_ERROR, "start-failed", "what=\"%s\" reason=\"%s\" data=\"%s\"", what, result_text(result),
              broker->config.data);
    broker->exit_code = 1;
    stop(broker);
}

static void become_ready(struct broker *broker) {
    int64_t last = core_seq(broker->core); /* or the floor, where the newest change was a removal that is forgotten */
    enum result result =
        store_loaded(broker->store, last > broker->report.seq_floor ? last : broker->report.seq_floor, &broker->report);
    if (result != RESULT_OK) {
        fail(broker, "the store could not finish loading", result);
        return;
    }
    result = core_loaded(broker->core, broker->report.epoch, broker->report.seq_floor);
    if (result != RESULT_OK) {
        fail(broker, "the documents could not be taken in", result);
        return;
    }
    result = store_start(broker->store);
    if (result != RESULT_OK) {
        fail(broker, "the store could not start", result);
        return;
    }
    loop_watch_store(broker);
    core_set_room(broker->core, store_room(broker->store));
    broker->phase = PHASE_READY;
    loop_enter(broker);
    if (broker->report.damaged > 0) {
        log_event(&broker->log, LOG_ERROR, "records-damaged", "count=%" PRIu64 " action=\"not served\"",
                  broker->report.damaged);
    }
    const struct metrics *metrics = core_metrics(broker->core);
    log_event(&broker->log, LOG_INFO, "ready",
              "url=http://%s topics=%" PRIu64 " seq=%" PRId64 " epoch=%s epoch_reason=\"%s\" ms=%" PRId64
              " connections_max=%zu",
              broker->listeners.items[0].name, metrics->topics, core_seq(broker->core), core_epoch(broker->core),
              broker->report.epoch_reason != NULL ? broker->report.epoch_reason : "", broker->now_ms - broker->started_ms,
              broker->limits.connections_max);
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
    fail(broker, "a record could not be loaded", result);
    return false;
}

bool lifecycle_load_slice(struct broker *broker) {
    struct record record;
    for (int i = 0; i < LOAD_SLICE; i++) {
        enum result result = store_load(broker->store, &record);
        if (result == RESULT_NOT_FOUND) {
            become_ready(broker);
            return false;
        }
        if (result != RESULT_OK) {
            fail(broker, "the store could not be read", result);
            return false;
        }
        if (!load_one(broker, &record)) {
            return false;
        }
    }
    return true;
}

static void drain(struct broker *broker) {
    log_event(&broker->log, LOG_INFO, "draining", "connections=%zu sessions=%zu wait_ms=%" PRId64, broker->limits.connections,
              core_session_count(broker->core), broker->config.drain_ms);
    broker->phase = PHASE_DRAINING;
    broker->drain_until_ms = broker->now_ms + broker->config.drain_ms;
    listeners_close(&broker->listeners);
    core_drain(broker->core, "shutdown", broker->config.retry_ms);
    connections_drain(broker);
}

void lifecycle_on_signal(struct broker *broker, int number) {
    if (number == SIGHUP) {
        log_event(&broker->log, LOG_INFO, "signal", "name=%s action=\"nothing to reload yet\"", strsignal(number));
        return;
    }
    if (broker->phase == PHASE_READY) {
        drain(broker);
    } else if (broker->phase == PHASE_LOADING) {
        stop(broker);
    } else {
        log_event(&broker->log, LOG_WARN, "stopped", "reason=\"second signal\"");
        _exit(1);
    }
}

void lifecycle_on_time(struct broker *broker) {
    if (broker->phase == PHASE_DRAINING && broker->now_ms >= broker->drain_until_ms) {
        log_event(&broker->log, LOG_WARN, "drain-cut", "connections=%zu", broker->limits.connections);
        stop(broker);
    }
}

void lifecycle_check_drained(struct broker *broker) {
    if (broker->phase == PHASE_DRAINING && broker->limits.connections == 0) {
        stop(broker);
    }
}
