/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One run of check-traces: the traces, the broker, the crew and the audience, what the steps have in common, and the score. It
 * belongs to the main thread.
 */
#ifndef AHORA_TESTS_RUN_H
#define AHORA_TESTS_RUN_H

#include "tests/support/broker_process.h"
#include "tests/traces/audience.h"
#include "tests/traces/crew.h"

#define STUCK_MS 60000
#define TRACES 7
#define LIVES 4 /* of the broker: three kills */

struct run {
    const char *directory;
    const char *only; /* part of a file's name; NULL: all files */
    size_t limit;
    uint64_t seed;
    bool is_verbose;

    struct trace traces[TRACES];
    size_t trace_count;
    struct broker_process broker;
    struct crew crew;
    struct audience *audience;
    char epoch[40];
    int64_t loading_ms; /* spent while producers were allowed to send */
    int64_t rss_start_kb;
    int64_t hwm_kb[LIVES];
    size_t life;
    int passed;
    int failed;
    char first_failure[640]; /* said again at the very end, after reports and the broker's log */
};

int64_t run_clock_ms(void);

/* Scores and prints one check; returns is_good. */
bool run_check(struct run *run, bool is_good, const char *what);

/* Starts the broker, draws the audience, starts the crew: once the traces are loaded. */
bool run_start(struct run *run);
void run_fini(struct run *run);

/* kill -9, restart, and what must hold after it. False if the run cannot go on. */
bool run_kill_and_restart(struct run *run, const char *when);
void run_note_memory(struct run *run); /* before the broker ends */

/* GET /v1/topics against the expected state: of everything, or of several patterns. */
bool run_compare_listings(struct run *run, const char *when, bool with_patterns);

/* Serves the subscribers until `is_done`. False if the broker or a producer failed, or nothing moved for too long. */
bool run_until(struct run *run, bool (*is_done)(struct run *));

/* Lets the crew go on to a share of the traces, and serves until `is_done`. */
bool run_produce(struct run *run, double share, bool (*is_done)(struct run *));

/* Moves the expected state to what is acknowledged; nothing may be in flight. */
void run_fold(struct run *run);

void run_report_violations(struct run *run);
void run_report(struct run *run);

#endif
