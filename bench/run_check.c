/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The verdict on a run: what was lost, doubled, out of order, refused or late, and whether it counts. */
#include "bench/crew.h"
#include "bench/run.h"

static void judge(const struct run *run, struct result *result, uint64_t lost) {
    uint64_t sent = run->tally.changes > 0 ? run->tally.changes : crew_live(run);
    if (run->failure != NULL) {
        result->invalid = run->failure;
    } else if (!run->options->any_pace && (double)run->tally.late > LATE_SHARE_MAX * (double)sent) {
        result->invalid = "the generator was late: this machine cannot keep to the schedule";
    } else if (run->refused > 0) {
        result->invalid = "the server refused changes";
    } else if (lost + run->duplicates + run->inversions + run->strays > 0) {
        result->invalid = "a promise was broken: see lost, duplicates, disorder";
    }
}

void run_put_promises(const struct run *run, struct result *result, uint64_t lost, uint64_t conflated) {
    result_put(result, "lost", (double)lost, "");
    result_put(result, "conflated", (double)conflated, "");
    result_put(result, "duplicates", (double)run->duplicates, "");
    result_put(result, "disorder", (double)(run->inversions + run->strays), "");
    result_put(result, "refused", (double)run->refused, "");
    result_put(result, "late", (double)run->tally.late, "");
    judge(run, result, lost);
}

static uint64_t missing_at_end(const struct run *run, const struct subscriber *subscriber) {
    uint64_t missing = 0;
    for (uint32_t i = 0; i < subscriber->interest.count; i++) {
        uint64_t version = subscriber->versions != NULL ? subscriber->versions[i] : subscriber->version;
        const struct topic *topic = &run->topics[subscriber->interest.first + i];
        missing += topic->is_gone ? 0 : topic->published - version;
    }
    return missing;
}

struct verdict run_verdict_own(const struct run *run) {
    struct verdict verdict = {
        .duplicates = run->duplicates, .inversions = run->inversions, .strays = run->strays, .late = run->tally.late};
    for (uint32_t i = 0; i < run->subscriber_count; i++) {
        const struct subscriber *subscriber = &run->subscribers[i];
        if (subscriber->state != SUBSCRIBER_LIVE || subscriber->is_stalled) {
            continue;
        }
        /* The yardstick does not say what it passes over. */
        uint64_t told = run->dialect.name == DIALECT_RAW && (run->target->abilities & CAN_SKIP) != 0 ? subscriber->gaps
                                                                                                     : subscriber->skipped;
        verdict.lost += subscriber->gaps > told ? subscriber->gaps - told : 0;
        verdict.lost += missing_at_end(run, subscriber);
        verdict.conflated += subscriber->gaps < told ? subscriber->gaps : told;
    }
    return verdict;
}

void run_check(struct run *run, struct result *result) {
    struct verdict verdict = run_verdict_own(run);
    crew_check(run, &verdict);
    run->duplicates = verdict.duplicates;
    run->inversions = verdict.inversions;
    run->strays = verdict.strays;
    run->tally.late = verdict.late;
    run_put_promises(run, result, verdict.lost, verdict.conflated);
}
