/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/run.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/traces/listing.h"

int64_t run_clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool run_check(struct run *run, bool is_good, const char *what) {
    printf("%-6s %s\n", is_good ? "ok" : "FAILED", what);
    fflush(stdout);
    run->passed += is_good;
    run->failed += !is_good;
    if (!is_good && run->first_failure[0] == '\0') {
        const char *said = crew_failure(&run->crew);
        snprintf(run->first_failure, sizeof run->first_failure, "%s%s%s", what, said != NULL ? ": " : "",
                 said != NULL ? said : "");
    }
    return is_good;
}

/* ---- the broker's lives ---- */

/* The epoch a new session is told; the highest seq goes to *seq. */
static bool broker_ask_epoch(const struct run *run, char *epoch, size_t size, int64_t *seq) {
    struct wire wire;
    json_t *welcome = wire_open_session(&wire, run->broker.port, CODEC_JSON);
    snprintf(epoch, size, "%s", wire_text(welcome, "epoch"));
    *seq = json_integer_value(json_object_get(welcome, "seq"));
    json_decref(welcome);
    wire_fini(&wire);
    return epoch[0] != '\0';
}

void run_note_memory(struct run *run) {
    int64_t peak_kb = broker_process_memory_kb(&run->broker, "VmHWM");
    run->hwm_kb[run->life] = peak_kb > run->hwm_kb[run->life] ? peak_kb : run->hwm_kb[run->life];
}

bool run_kill_and_restart(struct run *run, const char *when) {
    run_note_memory(run);
    broker_process_kill(&run->broker);
    audience_broker_killed(run->audience);
    crew_settle(&run->crew);
    const int64_t seq_told = crew_seq_max(&run->crew); /* now: with the broker back, producers go on at once */
    if (!broker_process_start(&run->broker, NULL)) {
        return run_check(run, false, "the broker starts again after kill -9");
    }
    run->life++;
    run->audience->is_broker_down = false;
    char epoch[40];
    char text[160];
    int64_t seq;
    bool is_kept = broker_ask_epoch(run, epoch, sizeof epoch, &seq) && strcmp(epoch, run->epoch) == 0;
    snprintf(text, sizeof text, "kill -9 %s, restart: the epoch is kept", when);
    run_check(run, is_kept, text);
    return run_check(run, seq >= seq_told, "the restarted broker knows every seq it acknowledged");
}

bool run_compare_listings(struct run *run, const char *when, bool with_patterns) {
    static const char *const patterns[] = {"**",         "stock/**",       "room/**",      "order/*",
                                           "service/**", "stock/*/France", "service/bus/*"};
    size_t count = with_patterns ? sizeof patterns / sizeof patterns[0] : 1;
    bool all_equal = true;
    for (size_t i = 0; i < count; i++) {
        char text[160];
        snprintf(text, sizeof text, "GET /v1/topics?match=%s equals the files' state %s", patterns[i], when);
        bool is_equal = listing_compare(run->broker.port, patterns[i], run->traces, run->trace_count) == 0;
        all_equal &= run_check(run, is_equal, text);
    }
    return all_equal;
}

/* ---- pumping ---- */

static double run_share(struct run *run) {
    return (double)crew_acked(&run->crew) / (double)crew_total(&run->crew);
}

static void progress_print(struct run *run, int64_t now_ms, int64_t began_ms, size_t acked_before) {
    size_t acked = crew_acked(&run->crew);
    double seconds = (double)(now_ms - began_ms) / 1000;
    double rate = seconds > 0 ? (double)(acked - acked_before) / seconds : 0;
    double left = rate > 0 ? (double)(crew_total(&run->crew) - acked) / rate : 0;
    struct audience_totals totals = audience_totals(run->audience);
    printf("  %5.1f %%  %7.0f changes/s  %9" PRIu64 " deliveries  broker %4" PRId64 " MB  about %.0f s left\n",
           100 * run_share(run), rate, totals.deliveries, broker_process_memory_kb(&run->broker, "VmRSS") / 1024, left);
    fflush(stdout);
}

bool run_until(struct run *run, bool (*is_done)(struct run *)) {
    int64_t began_ms = run_clock_ms();
    int64_t printed_ms = began_ms;
    int64_t moved_ms = began_ms;
    size_t acked_before = crew_acked(&run->crew);
    uint64_t mark = 0;
    while (!is_done(run)) {
        audience_tick(run->audience, run_share(run));
        int64_t now_ms = run_clock_ms();
        if (now_ms - printed_ms < 1000) {
            continue;
        }
        progress_print(run, now_ms, began_ms, acked_before);
        printed_ms = now_ms;
        struct audience_totals totals = audience_totals(run->audience);
        uint64_t mark_now =
            totals.deliveries + totals.resumed + totals.cuts + crew_acked(&run->crew); /* not bytes: beats come for ever */
        moved_ms = mark_now != mark ? now_ms : moved_ms;
        mark = mark_now;
        if (!broker_process_is_running(&run->broker)) {
            return run_check(run, false, "the broker keeps running");
        }
        if (crew_failure(&run->crew) != NULL) {
            printf("  %s\n", crew_failure(&run->crew));
            return run_check(run, false, "every published change gets a seq");
        }
        if (now_ms - moved_ms > STUCK_MS) {
            audience_print_behind(run->audience, crew_seq_max(&run->crew));
            return run_check(run, false, "the run moves on");
        }
    }
    return true;
}

bool run_produce(struct run *run, double share, bool (*is_done)(struct run *)) {
    int64_t began_ms = run_clock_ms();
    crew_allow(&run->crew, share, false);
    bool is_good = run_until(run, is_done);
    run->loading_ms += run_clock_ms() - began_ms;
    return is_good;
}

void run_fold(struct run *run) {
    for (size_t i = 0; i < run->crew.count; i++) {
        trace_fold(run->crew.producers[i].trace, atomic_load(&run->crew.producers[i].acked));
    }
}

bool run_start(struct run *run) {
    if (!broker_process_init(&run->broker, "traces") || !broker_process_start(&run->broker, NULL)) {
        return false;
    }
    int64_t seq;
    run->rss_start_kb = broker_process_memory_kb(&run->broker, "VmRSS");
    run->audience = calloc(1, sizeof *run->audience);
    assert(run->audience != NULL);
    return broker_ask_epoch(run, run->epoch, sizeof run->epoch, &seq) &&
           audience_init(run->audience, run->traces, run->trace_count, run->seed, run->broker.port) &&
           crew_start(&run->crew, run->broker.port);
}

void run_fini(struct run *run) {
    if (run->audience != NULL) {
        audience_fini(run->audience);
        free(run->audience);
    }
    crew_fini(&run->crew);
    if (run->failed > 0 && run->audience != NULL) { /* a failed start has printed it */
        broker_process_print_log(&run->broker);
    }
    broker_process_fini(&run->broker);
    for (size_t i = 0; i < run->trace_count; i++) {
        trace_fini(&run->traces[i]);
    }
}

/* ---- report ---- */

void run_report_violations(struct run *run) {
    size_t printed = 0;
    for (size_t i = 0; i < run->audience->count && printed < 20; i++) {
        const struct follower *follower = &run->audience->subscribers[i].follower;
        for (size_t j = 0; j < follower->violation_count && j < FOLLOWER_VIOLATIONS_KEPT; j++) {
            printf("  %s\n", follower->violations[j]);
            printed++;
        }
        if (follower->errors > 0) {
            printf("  %s: error %s\n", follower->name, follower->error_code);
            printed++;
        }
    }
    struct audience_totals totals = audience_totals(run->audience);
    run_check(run, totals.violations == 0, "no subscriber saw a rule of the protocol broken");
}

void run_report(struct run *run) {
    struct audience_totals totals = audience_totals(run->audience);
    size_t resent = 0;
    for (size_t i = 0; i < run->crew.count; i++) {
        resent += atomic_load(&run->crew.producers[i].resent);
    }
    int64_t peak_kb = 0;
    printf("\n");
    printf("  changes              %12zu\n", crew_acked(&run->crew));
    printf("  changes/s            %12.0f  while producers ran\n",
           run->loading_ms > 0 ? (double)crew_acked(&run->crew) * 1000 / (double)run->loading_ms : 0);
    printf("  sent again           %12zu  not acknowledged when the broker was killed\n", resent);
    printf("  subscribers          %12zu\n", run->audience->count);
    printf("  deliveries           %12" PRIu64 "  of these %" PRIu64 " removals, %" PRIu64 " MB\n", totals.deliveries,
           totals.removes, totals.bytes >> 20);
    printf("  skipped versions     %12" PRIu64 "\n", totals.skipped);
    printf("  cuts                 %12" PRIu64 "  and three kills\n", totals.cuts);
    printf("  circles moved        %12" PRIu64 "\n", totals.moves);
    printf("  resumed by token     %12" PRIu64 "\n", totals.resumed);
    printf("  resynced             %12" PRIu64 "  token given, snapshot received\n", totals.resyncs);
    printf("  seen twice           %12" PRIu64 "  same seq by overlap or resume\n", totals.repeats);
    printf("  broker at start      %12.1f  MB resident\n", (double)run->rss_start_kb / 1024);
    for (size_t i = 0; i <= run->life && i < LIVES; i++) {
        printf("  broker peak, life %zu  %12.1f  MB resident\n", i + 1, (double)run->hwm_kb[i] / 1024);
        peak_kb = run->hwm_kb[i] > peak_kb ? run->hwm_kb[i] : peak_kb;
    }
    printf("  broker peak          %12.1f  MB resident, grown by %.1f MB since the start\n\n", (double)peak_kb / 1024,
           (double)(peak_kb - run->rss_start_kb) / 1024);
}
