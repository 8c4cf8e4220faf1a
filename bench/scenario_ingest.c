/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* How many changes a second are taken in, acknowledged as asked; with a rate, how long after its time each message is answered. */
#include "bench/scenario.h"

#include "include/ahora/protocol.h"

#include <stdio.h>
#include <string.h>

#define OUT_BYTES_MAX 262144           /* of one producer, made but not sent */
#define ASK_EVERY 4                    /* asked so often within a window */
#define IN_FLIGHT_MAX (WINDOW_MAX / 2) /* on schedule: messages of a producer that are not answered */

static uint64_t acked_so_far(const struct run *run) {
    uint64_t acked = 0;
    for (uint32_t i = 0; i < run->producer_count; i++) {
        acked += run->producers[i].changes_acked;
    }
    return acked;
}

static void put_message(struct run *run, struct producer *producer, int64_t sent_ns) {
    struct stamp stamps[AHORA_CHANGES_MAX];
    uint32_t batch = (uint32_t)run->options->batch;
    for (uint32_t i = 0; i < batch; i++) {
        uint32_t topic = producer->topic_next % run->topic_count;
        stamps[i] = (struct stamp){.topic = topic, .count = ++run->topics[topic].published, .sent_ns = sent_ns};
        producer->topic_next++;
    }
    producer_put(run, producer, stamps, batch);
    /* With a schedule each message is asked after: its time is what counts. */
    uint64_t every = run->options->rate > 0 ? 1 : (uint64_t)run->options->window / ASK_EVERY;
    if (producer->messages % (every > 0 ? every : 1) == 0) {
        producer_ask(producer);
    }
}

static bool has_room(const struct producer *producer, uint64_t in_flight_max) {
    return producer_in_flight(producer) < in_flight_max && producer->connection.out.bytes < OUT_BYTES_MAX;
}

static void fill_window(struct run *run, int64_t duration_ns, const char *what) {
    int64_t begin = clock_ns();
    for (int64_t now; (now = clock_ns()) < begin + duration_ns && run->failure == NULL;) {
        for (uint32_t i = 0; i < run->producer_count; i++) {
            while (has_room(&run->producers[i], (uint64_t)run->options->window)) {
                put_message(run, &run->producers[i], clock_ns());
            }
        }
        run_flush(run);
        run_poll(run, NS_PER_MS);
        run_note(run, what, acked_so_far(run), (double)(now - begin) / (double)duration_ns);
    }
}

/* ---- on schedule ---- */

/* The producers in turn. A message is due when its last change is. */
struct pace {
    int64_t begin_ns;
    uint64_t held; /* messages that left late since the server had not answered IN_FLIGHT_MAX, or did not read */
    uint64_t sent[PRODUCERS_MAX];
    bool is_full[PRODUCERS_MAX];
};

static int64_t due_of(const struct run *run, const struct pace *pace, uint32_t producer) {
    double message = (double)(pace->sent[producer] * run->producer_count + producer + 1);
    return pace->begin_ns + (int64_t)(message * (double)run->options->batch * 1e9 / (double)run->options->rate);
}

/* All messages of a producer that are due. What the server keeps back leaves later, with the time at which it should have left: that is the
   server's fault, and is in its latency. What leaves late without that is ours. */
static void put_due(struct run *run, struct pace *pace, uint32_t number, int64_t now) {
    struct producer *producer = &run->producers[number];
    for (int64_t due; (due = due_of(run, pace, number)) <= now; pace->sent[number]++) {
        if (!has_room(producer, IN_FLIGHT_MAX)) {
            pace->is_full[number] = true;
            return;
        }
        bool is_late = now - due > LATE_NS;
        pace->held += is_late && pace->is_full[number];
        run->tally.late += is_late && !pace->is_full[number] ? (uint64_t)run->options->batch : 0;
        put_message(run, producer, due);
    }
    pace->is_full[number] = false;
}

static int64_t next_due(const struct run *run, const struct pace *pace) {
    int64_t first = INT64_MAX;
    for (uint32_t i = 0; i < run->producer_count; i++) {
        int64_t due = due_of(run, pace, i);
        first = !pace->is_full[i] && due < first ? due : first;
    }
    return first;
}

/* Ends at a time of the schedule, so that phases join without a hole. */
static void keep_pace(struct run *run, struct pace *pace, int64_t from_ns, int64_t until_ns, const char *what) {
    for (int64_t now; (now = clock_ns()) < until_ns && run->failure == NULL;) {
        for (uint32_t i = 0; i < run->producer_count; i++) {
            put_due(run, pace, i, now);
        }
        run_flush(run);
        int64_t wait = next_due(run, pace) - clock_ns();
        run_poll(run, wait < NS_PER_MS ? wait : NS_PER_MS);
        run_note(run, what, acked_so_far(run), (double)(now - from_ns) / (double)(until_ns - from_ns));
    }
}

/* ---- both ---- */

/* Warm up and measure; returns how many changes were answered meanwhile. */
static uint64_t load(struct run *run, struct pace *pace) {
    int64_t warmup_ns = run->options->warmup_ms * NS_PER_MS;
    int64_t duration_ns = run->options->duration_ms * NS_PER_MS;
    bool is_paced = run->options->rate > 0;
    pace->begin_ns = clock_ns();
    int64_t from = pace->begin_ns + warmup_ns;
    if (is_paced) {
        keep_pace(run, pace, pace->begin_ns, from, "warming up");
    } else {
        fill_window(run, warmup_ns, "warming up");
    }
    uint64_t before = acked_so_far(run);
    pace->held = 0;
    run_mark(run, RECORD_ACKS);
    if (is_paced) {
        keep_pace(run, pace, from, from + duration_ns, "measuring");
    } else {
        fill_window(run, duration_ns, "measuring");
    }
    return acked_so_far(run) - before;
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

static void describe(const struct options *options, struct result *result) {
    char pace[64];
    if (options->rate > 0) {
        snprintf(pace, sizeof pace, "%lld changes/s on schedule", (long long)options->rate);
    } else {
        snprintf(pace, sizeof pace, "%lld messages in flight", (long long)options->window);
    }
    snprintf(result->setting, sizeof result->setting,
             "%lld producers, %lld topics, %lld changes a message, %s, ack %s, %lld bytes, %s", (long long)options->producers,
             (long long)options->topics, (long long)options->batch, pace, options->ack, (long long)options->size,
             options->encoding);
}

static void put_rates(struct result *result, const struct tally *tally, double acked) {
    result_put(result, "accepted", acked / ((double)tally->at_ns / 1e9), "/s");
    if (tally->cpu_ns > 0 && acked > 0) {
        result_put(result, "cpu_per_change", (double)tally->cpu_ns / acked / 1e3, "us");
        result_put(result, "cpu_share", 100 * (double)tally->cpu_ns / (double)tally->at_ns, "%");
    }
    result_put(result, "load_share", 100 * (double)tally->load_ns / (double)tally->at_ns, "%");
}

bool play_ingest(struct run *run, struct result *result) {
    struct pace pace = {.held = 0};
    describe(run->options, result);
    if (!run_seed(run) || !run_open_producers(run)) {
        return false;
    }
    int64_t seq_before = server_seq(&run->server);
    double acked = (double)load(run, &pace);
    struct tally tally = run_tally(run);
    put_rates(result, &tally, acked);
    if (!finish(run)) {
        run_fail(run, "some changes were never answered");
    }
    result_put_percentiles(result); /* with those that were answered last, and may have waited longest */
    if (run->options->rate > 0) {
        result_put(result, "held", (double)pace.held, "");
    }
    int64_t seq_after = server_seq(&run->server);
    if (seq_before >= 0 && seq_after >= 0) {
        int64_t accepted = seq_after - seq_before;
        result_put(result, "unaccounted", (double)((int64_t)sent_so_far(run) - (int64_t)run->refused - accepted), "");
    }
    run_check(run, result);
    return true;
}
