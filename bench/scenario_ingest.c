/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* How many changes a second are taken in, acknowledged as asked. */
#include "bench/scenario.h"

#include "include/ahora/protocol.h"

#include <stdio.h>
#include <string.h>

#define OUT_BYTES_MAX 262144 /* of one producer, made but not sent */
#define ASK_EVERY 4          /* asked so often within a window */

static uint64_t acked_so_far(const struct run *run) {
    uint64_t acked = 0;
    for (uint32_t i = 0; i < run->producer_count; i++) {
        acked += run->producers[i].changes_acked;
    }
    return acked;
}

static void put_message(struct run *run, struct producer *producer) {
    struct stamp stamps[AHORA_CHANGES_MAX];
    uint32_t batch = (uint32_t)run->options->batch;
    int64_t now = clock_ns();
    for (uint32_t i = 0; i < batch; i++) {
        uint32_t topic = producer->topic_next % run->topic_count;
        stamps[i] = (struct stamp){.topic = topic, .count = ++run->topics[topic].published, .sent_ns = now};
        producer->topic_next++;
    }
    producer_put(run, producer, stamps, batch);
    uint64_t every = (uint64_t)run->options->window / ASK_EVERY;
    if (producer->messages % (every > 0 ? every : 1) == 0) {
        producer_ask(producer);
    }
}

static void load(struct run *run, int64_t duration_ns, const char *what) {
    int64_t begin = clock_ns();
    for (int64_t now; (now = clock_ns()) < begin + duration_ns && run->failure == NULL;) {
        for (uint32_t i = 0; i < run->producer_count; i++) {
            struct producer *producer = &run->producers[i];
            while (producer_in_flight(producer) < (uint64_t)run->options->window &&
                   producer->connection.out.bytes < OUT_BYTES_MAX) {
                put_message(run, producer);
            }
        }
        run_flush(run);
        run_poll(run, NS_PER_MS);
        run_note(run, what, acked_so_far(run), (double)(now - begin) / (double)duration_ns);
    }
}

/* Waits for all answers; false if they stop coming. */
static bool finish(struct run *run) {
    uint64_t acked = 0;
    int64_t since = clock_ns();
    for (uint32_t i = 0; i < run->producer_count; i++) {
        producer_ask(&run->producers[i]);
    }
    run_flush(run);
    for (uint32_t i = 0; i < run->producer_count;) {
        if (producer_in_flight(&run->producers[i]) == 0) {
            i++;
            continue;
        }
        run_poll(run, NS_PER_MS);
        if (acked_so_far(run) != acked) {
            acked = acked_so_far(run);
            since = clock_ns();
        }
        if (run->failure != NULL || clock_ns() - since > PATIENCE_NS) {
            return false;
        }
    }
    return true;
}

static uint64_t sent_so_far(const struct run *run) {
    uint64_t sent = 0;
    for (uint32_t i = 0; i < run->producer_count; i++) {
        sent += run->producers[i].changes;
    }
    return sent;
}

bool play_ingest(struct run *run, struct result *result) {
    const struct options *options = run->options;
    snprintf(result->setting, sizeof result->setting,
             "%lld producers, %lld topics, %lld changes a message, %lld messages in flight, ack %s, %lld bytes, %s",
             (long long)options->producers, (long long)options->topics, (long long)options->batch, (long long)options->window,
             options->ack, (long long)options->size, options->encoding);
    if (!run_seed(run) || !run_open_producers(run)) {
        return false;
    }
    int64_t seq_before = server_seq(&run->server);
    load(run, options->warmup_ms * NS_PER_MS, "warming up");
    uint64_t acked_before = acked_so_far(run);
    run_mark(run, RECORD_ACKS);
    load(run, options->duration_ms * NS_PER_MS, "measuring");
    struct tally tally = run_tally(run);
    double acked = (double)(acked_so_far(run) - acked_before);
    result_put(result, "accepted", acked / ((double)tally.at_ns / 1e9), "/s");
    if (tally.cpu_ns > 0 && acked > 0) {
        result_put(result, "cpu_per_change", (double)tally.cpu_ns / acked / 1e3, "us");
        result_put(result, "cpu_share", 100 * (double)tally.cpu_ns / (double)tally.at_ns, "%");
    }
    result_put(result, "load_share", 100 * (double)tally.load_ns / (double)tally.at_ns, "%");
    result_put_percentiles(result);
    if (!finish(run)) {
        run_fail(run, "some changes were never answered");
    }
    int64_t seq_after = server_seq(&run->server);
    if (seq_before >= 0 && seq_after >= 0) {
        int64_t accepted = seq_after - seq_before;
        result_put(result, "unaccounted", (double)((int64_t)sent_so_far(run) - (int64_t)run->refused - accepted), "");
    }
    run_check(run, result);
    return true;
}
