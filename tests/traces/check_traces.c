/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * check-traces: the broker's main job on real event traces (`make check-traces`).
 *
 * It starts the real broker, replays all traces as fast as they are acknowledged, through every way of publishing, and lets some 240
 * subscribers of all tempers follow: exact topics and patterns, both encodings and event streams, late, slow, stalled, cut and
 * resumed. In steps:
 *
 *   1. to 50 %, then everything is acknowledged: the state by GET equals the expected one. While many subscribers are in the middle
 *      of catching up: kill -9. The restarted broker keeps its epoch and holds the same state; subscribers come back by token.
 *   2. to 75 %, where all is acknowledged and the producers of adjusts wait, because adding twice is wrong. The others, who only
 *      set, patch and delete, go on, and with theirs in flight: kill -9. They send again what was not acknowledged.
 *   3. to the end. Each subscriber becomes complete up to the last seq (by `live` or `beat`) and then holds exactly the expected
 *      documents at their newest seq; so does GET for several patterns.
 *   4. kill -9 once more: the state is the same, all subscribers resume by token and end equal.
 *   5. SIGTERM: `bye` to all, exit code 0.
 *
 * All along, each follower checks the rules of the protocol (tests/support/follower.h) and each producer that every result is a
 * growing seq. The expected state is folded from the files by tests/traces/trace.c, which shares nothing with the broker.
 *
 * Nothing is asserted about time, but a run that makes no progress for a minute is ended. Memory figures are printed, not judged.
 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/support/broker_process.h"
#include "tests/traces/audience.h"
#include "tests/traces/listing.h"
#include "tests/traces/producer.h"

#define STUCK_MS 60000
#define TRACES 7
#define IN_FLIGHT_SHARE 0.78 /* of a trace: where the second kill comes */
#define LIVES 4              /* of the broker: three kills */

static const struct source {
    const char *name;
    const char *files[TRACE_FILES_MAX];
    enum producer_way way;
    enum codec codec;
    const char *ack;
} sources[TRACES] = {
    {"stock", {"stock-online-retail"}, PRODUCER_WEBSOCKET, CODEC_MSGPACK, "durable"},
    {"room", {"room-hotel-bookings"}, PRODUCER_WEBSOCKET, CODEC_JSON, "applied"},
    {"olist", {"order-olist"}, PRODUCER_POST, CODEC_MSGPACK, "durable"},
    {"scms", {"order-scms"}, PRODUCER_POST, CODEC_JSON, "applied"},
    {"bikes", {"service-bikes-oslo"}, PRODUCER_NDJSON, CODEC_JSON, "durable"},
    /* The two mornings share vehicles: one producer, one after the other. */
    {"bus", {"service-bus-austin-morning", "service-bus-austin-evening"}, PRODUCER_WEBSOCKET, CODEC_MSGPACK, "applied"},
    {"desk", {"service-desk-incidents"}, PRODUCER_NDJSON, CODEC_JSON, "durable"},
};

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
    size_t behind_at_kill;
    int passed;
    int failed;
};

static int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool run_check(struct run *run, bool is_good, const char *what) {
    printf("%-6s %s\n", is_good ? "ok" : "FAILED", what);
    fflush(stdout);
    run->passed += is_good;
    run->failed += !is_good;
    return is_good;
}

/* ---- loading the traces ---- */

static bool source_load(struct run *run, const struct source *source) {
    struct trace *trace = &run->traces[run->trace_count];
    *trace = (struct trace){.name = source->name, .codec = source->codec};
    for (size_t i = 0; i < TRACE_FILES_MAX && source->files[i] != NULL; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s.ndjson.gz", run->directory, source->files[i]);
        if ((run->only == NULL || strstr(source->files[i], run->only) != NULL) && !trace_load(trace, path, run->limit)) {
            return false;
        }
    }
    if (trace->event_count > 0) {
        crew_add(&run->crew, trace, source->way, source->ack);
        printf("  %-6s %8zu changes of %6zu topics by %s, %s, ack %s\n", trace->name, trace->event_count, trace->topic_count,
               producer_way_name(source->way), codec_name(source->codec), source->ack);
        run->trace_count++;
    } else {
        trace_fini(trace);
    }
    return true;
}

static bool run_load(struct run *run) {
    printf("check-traces: loading %s\n", run->directory);
    for (size_t i = 0; i < TRACES; i++) {
        if (!source_load(run, &sources[i])) {
            return false;
        }
    }
    if (run->trace_count == 0) {
        fprintf(stderr, "check-traces: no file selected\n");
    }
    return run->trace_count > 0;
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

static void run_note_memory(struct run *run) {
    int64_t peak_kb = broker_process_memory_kb(&run->broker, "VmHWM");
    run->hwm_kb[run->life] = peak_kb > run->hwm_kb[run->life] ? peak_kb : run->hwm_kb[run->life];
}

static bool run_kill_and_restart(struct run *run, const char *when) {
    run_note_memory(run);
    broker_process_kill(&run->broker);
    audience_broker_killed(run->audience);
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
    return run_check(run, seq >= atomic_load(&run->crew.seq_max), "the restarted broker knows every seq it acknowledged");
}

static bool run_compare_listings(struct run *run, const char *when, bool with_patterns) {
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

/*
 * Serves the subscribers until `is_done`. False if the broker or a producer failed, or nothing moved for too long.
 */
static bool run_until(struct run *run, bool (*is_done)(struct run *)) {
    int64_t began_ms = clock_ms();
    int64_t printed_ms = began_ms;
    int64_t moved_ms = began_ms;
    size_t acked_before = crew_acked(&run->crew);
    uint64_t mark = 0;
    while (!is_done(run)) {
        audience_tick(run->audience, run_share(run));
        int64_t now_ms = clock_ms();
        if (now_ms - printed_ms < 1000) {
            continue;
        }
        progress_print(run, now_ms, began_ms, acked_before);
        printed_ms = now_ms;
        struct audience_totals totals = audience_totals(run->audience);
        uint64_t mark_now = totals.bytes + crew_acked(&run->crew);
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
            return run_check(run, false, "the run moves on");
        }
    }
    return true;
}

static bool all_acknowledged(struct run *run) {
    return crew_is_done(&run->crew);
}

static bool all_complete(struct run *run) {
    return audience_complete(run->audience, atomic_load(&run->crew.seq_max)) == run->audience->count;
}

/* Those who join at the start are there before the first change. */
static bool first_are_live(struct run *run) {
    size_t first = 0;
    for (size_t i = 0; i < run->audience->count; i++) {
        first += run->audience->subscribers[i].plan.joins_at <= 0;
    }
    return audience_complete(run->audience, 0) >= first;
}

static bool run_produce(struct run *run, double share, bool only_repeatable, bool (*is_done)(struct run *)) {
    int64_t began_ms = clock_ms();
    crew_allow(&run->crew, share, only_repeatable);
    bool is_good = run_until(run, is_done);
    run->loading_ms += clock_ms() - began_ms;
    return is_good;
}

static void run_fold(struct run *run) {
    for (size_t i = 0; i < run->crew.count; i++) {
        trace_fold(run->crew.producers[i].trace, atomic_load(&run->crew.producers[i].acked));
    }
}

/* ---- the steps ---- */

static bool step_first_half(struct run *run) {
    if (!run_produce(run, 0.5, false, all_acknowledged)) {
        return false;
    }
    int64_t seq = atomic_load(&run->crew.seq_max);
    run->behind_at_kill = audience_behind(run->audience, seq);
    printf("  at 50 %%, with %zu subscribers not told complete up to seq %" PRId64 "\n", run->behind_at_kill, seq);
    if (!run_kill_and_restart(run, "at 50 %")) {
        return false;
    }
    run_fold(run);
    return run_compare_listings(run, "after the first kill", false);
}

/* True once producers that may repeat are some way into their last quarter, with their windows full. */
static bool is_in_flight(struct run *run) {
    for (size_t i = 0; i < run->crew.count; i++) {
        struct producer *producer = &run->crew.producers[i];
        double share = (double)atomic_load(&producer->acked) / (double)producer->trace->event_count;
        if (!producer->trace->has_adjusts && share >= IN_FLIGHT_SHARE) {
            return true;
        }
    }
    return crew_is_done(&run->crew) || crew_failure(&run->crew) != NULL;
}

/* Nobody is served while it waits for the moment: then the kill also hits subscribers that were left behind. */
static bool step_kill_in_flight(struct run *run) {
    if (!run_produce(run, 0.75, false, all_acknowledged)) {
        return false;
    }
    int64_t began_ms = clock_ms();
    crew_allow(&run->crew, 1, true);
    while (!is_in_flight(run) && clock_ms() - began_ms < STUCK_MS) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    run->loading_ms += clock_ms() - began_ms;
    return run_kill_and_restart(run, "with sets and patches in flight");
}

static bool step_to_the_end(struct run *run) {
    if (!run_produce(run, 1, false, all_acknowledged)) {
        return false;
    }
    run_check(run, crew_acked(&run->crew) == crew_total(&run->crew), "every change of the files is acknowledged with a seq");
    run_fold(run);
    run->audience->is_load_over = true;
    printf("  waiting until every subscriber is complete\n");
    if (!run_until(run, all_complete)) {
        return false;
    }
    run_check(run, true, "every subscriber is told complete up to the last seq");
    run_check(run, audience_compare(run->audience) == 0, "every subscriber's state equals the files' state");
    return run_compare_listings(run, "at the end", true);
}

static bool step_kill_at_rest(struct run *run) {
    struct audience_totals before = audience_totals(run->audience);
    if (!run_kill_and_restart(run, "at rest") || !run_until(run, all_complete)) {
        return false;
    }
    struct audience_totals after = audience_totals(run->audience);
    run_check(run, after.resyncs == before.resyncs, "over the kill at rest every token resumes");
    run_check(run, audience_compare(run->audience) == 0, "every subscriber's state is equal after it");
    return run_compare_listings(run, "after the kill at rest", true);
}

static bool all_gone(struct run *run) {
    return audience_behind(run->audience, INT64_MAX) == 0;
}

static bool step_drain(struct run *run) {
    size_t told = 0;
    run_note_memory(run);
    for (size_t i = 0; i < run->audience->count; i++) {
        run->audience->subscribers[i].is_draining = true;
        run->audience->subscribers[i].returns_at = 2;
    }
    kill(run->broker.pid, SIGTERM);
    run->audience->is_load_over = false; /* nobody comes back */
    int64_t deadline_ms = clock_ms() + STUCK_MS;
    while (!all_gone(run) && clock_ms() < deadline_ms) {
        audience_tick(run->audience, 1);
    }
    for (size_t i = 0; i < run->audience->count; i++) {
        const struct subscriber *subscriber = &run->audience->subscribers[i];
        told += subscriber->is_stream || subscriber->follower.bye_reason[0] != '\0';
    }
    run_check(run, told == run->audience->count, "on SIGTERM every WebSocket subscriber hears bye");
    return run_check(run, broker_process_term(&run->broker) == 0, "on SIGTERM the broker exits with 0");
}

/* ---- report ---- */

static void report_violations(struct run *run) {
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

static void report(struct run *run) {
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

/* ---- main ---- */

static bool run_start(struct run *run) {
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

static void run_steps(struct run *run) {
    if (run->is_verbose) {
        audience_print(run->audience);
    }
    bool is_good = run_until(run, first_are_live) && step_first_half(run) && step_kill_in_flight(run) && step_to_the_end(run) &&
                   step_kill_at_rest(run);
    if (is_good) {
        crew_stop(&run->crew);
        step_drain(run);
    } else {
        crew_stop(&run->crew);
    }
    report_violations(run);
    report(run);
}

static void run_fini(struct run *run) {
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

static bool options_parse(struct run *run, int argc, char **argv) {
    static const struct option options[] = {
        {"files", required_argument, NULL, 'f'},
        {"limit", required_argument, NULL, 'l'},
        {"seed", required_argument, NULL, 's'},
        {"verbose", no_argument, NULL, 'v'},
        {0},
    };
    for (int option; (option = getopt_long(argc, argv, "f:l:s:v", options, NULL)) != -1;) {
        if (option == 'f') {
            run->only = optarg;
        } else if (option == 'l') {
            run->limit = strtoul(optarg, NULL, 10);
        } else if (option == 's') {
            run->seed = strtoull(optarg, NULL, 10);
        } else if (option == 'v') {
            run->is_verbose = true;
        } else {
            return false;
        }
    }
    return optind == argc;
}

int main(int argc, char **argv) {
    static struct run run;
    const char *directory = getenv("AHORA_TRACES");
    run.directory = directory != NULL ? directory : "../shared/data";
    run.seed = 1;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!options_parse(&run, argc, argv)) {
        fprintf(stderr, "usage: check-traces [--files PART-OF-NAME] [--limit EVENTS-PER-FILE] [--seed N] [--verbose]\n");
        return 64;
    }
    struct stat status;
    if (stat(run.directory, &status) != 0) {
        printf("check-traces: skipped, no traces at %s\n", run.directory);
        return 0;
    }
    printf("check-traces: seed %" PRIu64 "\n", run.seed);
    int64_t began_ms = clock_ms();
    if (run_load(&run) && run_check(&run, run_start(&run), "the broker starts")) {
        run_steps(&run);
    } else {
        run.failed += run.failed == 0;
    }
    run_fini(&run);
    printf("check-traces: %s in %.0f s (seed %" PRIu64 ")\n", run.failed == 0 ? "passed" : "FAILED",
           (double)(clock_ms() - began_ms) / 1000, run.seed);
    printf("%d passed, %d failed\n", run.passed, run.failed);
    return run.failed == 0 ? 0 : 1;
}
