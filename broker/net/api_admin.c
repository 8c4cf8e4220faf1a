/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Probes and status. */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/process_memory.h"
#include "proto/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char no_store[] = "Cache-Control: no-store\r\n";

static void answer_text(struct exchange *exchange, int status, const char *text) {
    exchange_answer(exchange, &(struct answer){status, "text/plain; charset=utf-8", no_store, span_of_text(text)});
}

static void livez_end(struct exchange *exchange) {
    answer_text(exchange, 200, "ok\n");
}

static void readyz_end(struct exchange *exchange) {
    switch (exchange->broker->phase) {
    case PHASE_READY:
    case PHASE_LOADING:
        if (!atomic_load(&exchange->broker->shards->is_ready)) {
            answer_text(exchange, 503, "loading\n");
        } else if (pressure_is_high(exchange->broker)) {
            answer_text(exchange, 503, "overloaded: short of memory\n");
        } else {
            answer_text(exchange, 200, "ok\n");
        }
        return;
    case PHASE_DRAINING:
    case PHASE_STOPPED:
        answer_text(exchange, 503, "draining\n");
        return;
    }
}

static void put_number(struct buffer *out, const char *name, uint64_t value) {
    char text[96];
    snprintf(text, sizeof text, "\"%s\":%" PRIu64 ",", name, value);
    buffer_put_text(out, text);
}

static uint64_t sum(const uint64_t *values, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += values[i];
    }
    return total;
}

static void put_freshness(const struct metrics *metrics, struct buffer *out) {
    buffer_put_text(out, "\"freshness\":{");
    put_number(out, "stale", metrics->topics_stale);
    put_number(out, "due", metrics->due);
    put_number(out, "due_lag_ms", metrics->due_lag_ms);
    put_number(out, "went_stale", metrics->stale);
    put_number(out, "expired", metrics->expired);
    char lost[64];
    snprintf(lost, sizeof lost, "\"lost\":%" PRIu64 "},", metrics->lost);
    buffer_put_text(out, lost);
}

static void put_store(struct broker *broker, struct buffer *out) {
    struct store_metrics store;
    store_metrics(broker->store, &store);
    buffer_put_text(out, "\"store\":{");
    put_number(out, "seq_durable", (uint64_t)store.seq_durable);
    put_number(out, "seq_checkpoint", (uint64_t)store.seq_checkpoint);
    put_number(out, "journal_bytes", store.journal_bytes);
    put_number(out, "checkpoint_bytes", store.checkpoint_bytes);
    put_number(out, "syncs", store.syncs);
    put_number(out, "damaged", store.damaged);
    put_number(out, "io_errors", store.io_errors);
    buffer_put_text(out, store.full ? "\"full\":true}" : "\"full\":false}");
}

static void status_end(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    struct shard_figures sums;
    shards_sum(broker, &sums);
    const struct metrics *metrics = &sums.core;
    struct buffer out;
    buffer_init(&out, 65536);
    buffer_put_text(&out, "{\"version\":\"" AHORA_VERSION "\",\"epoch\":");
    json_put_text(&out, span_of_text(core_epoch(broker->core)));
    buffer_put_text(&out, ",");
    put_number(&out, "seq", (uint64_t)core_seq(broker->core));
    put_number(&out, "uptime_ms", (uint64_t)(broker->now_ms - broker->started_ms));
    put_number(&out, "shards", broker->shards->count);
    put_number(&out, "topics", metrics->topics);
    put_number(&out, "documents_bytes", metrics->documents_bytes);
    put_number(&out, "connections", connection_limits_count(&broker->shards->limits));
    put_number(&out, "sessions", metrics->sessions);
    put_number(&out, "subscriptions", metrics->subscriptions);
    put_number(&out, "subscriptions_live", metrics->subscriptions_live);
    put_number(&out, "websockets", sums.net.websockets);
    put_number(&out, "changes", sum(metrics->changes, sizeof metrics->changes / sizeof metrics->changes[0]));
    put_number(&out, "changes_refused", sum(metrics->changes_refused, AHORA_CODES));
    put_number(&out, "deliveries", metrics->deliveries);
    put_number(&out, "skipped", metrics->skipped);
    put_number(&out, "fell_behind", metrics->fell_behind);
    put_number(&out, "resumes", metrics->resumes);
    put_freshness(metrics, &out);
    buffer_put_text(&out, "\"memory\":{");
    put_number(&out, "own_bytes", atomic_load(&broker->shards->pressure.bytes));
    put_number(&out, "bytes_max", atomic_load(&broker->shards->pressure.bytes_max));
    buffer_put_text(&out, pressure_is_high(broker) ? "\"high\":true," : "\"high\":false,");
    put_number(&out, "peak_bytes", process_memory_peak());
    char rss[64];
    snprintf(rss, sizeof rss, "\"rss_bytes\":%" PRIu64 "},", process_memory_rss());
    buffer_put_text(&out, rss);
    put_store(broker, &out);
    buffer_put_text(&out, broker->phase == PHASE_READY ? ",\"draining\":false}\n" : ",\"draining\":true}\n");
    exchange_answer(exchange, &(struct answer){200, "application/json", no_store, buffer_span(&out)});
    buffer_fini(&out);
}

const struct handler api_livez = {.body = BODY_NONE, .is_public = true, .end = livez_end};
const struct handler api_readyz = {.body = BODY_NONE, .is_public = true, .end = readyz_end};
const struct handler api_status = {.body = BODY_NONE, .is_figures = true, .end = status_end};
