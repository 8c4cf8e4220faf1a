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
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/traces/run.h"

#define IN_FLIGHT_SHARE 0.78 /* of a trace: where the second kill comes */

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

/* ---- loading the traces ---- */

static bool source_load(struct run *run, const struct source *source) {
    struct trace *trace = &run->traces[run->trace_count];
    *trace =
        (struct trace){.name = source->name, .codec = source->codec, .has_keys = strncmp(source->files[0], "order-", 6) == 0};
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
        if (trace->repaired > 0) {
            printf("         in %zu of them a negative price was left out\n", trace->repaired);
        }
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

/* ---- the steps ---- */

static bool all_acknowledged(struct run *run) {
    return crew_is_done(&run->crew);
}

static bool all_complete(struct run *run) {
    return audience_complete(run->audience, crew_seq_max(&run->crew)) == run->audience->count;
}

/* Those who join at the start are there before the first change. */
static bool first_are_live(struct run *run) {
    size_t first = 0;
    for (size_t i = 0; i < run->audience->count; i++) {
        first += run->audience->subscribers[i].plan.joins_at <= 0;
    }
    return audience_complete(run->audience, 0) >= first;
}

static bool step_first_half(struct run *run) {
    if (!run_produce(run, 0.5, all_acknowledged)) {
        return false;
    }
    int64_t seq = crew_seq_max(&run->crew);
    printf("  at 50 %%, with %zu subscribers not told complete up to seq %" PRId64 "\n", audience_behind(run->audience, seq),
           seq);
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
    if (!run_produce(run, 0.75, all_acknowledged)) {
        return false;
    }
    int64_t began_ms = run_clock_ms();
    crew_allow(&run->crew, 1, true);
    while (!is_in_flight(run) && run_clock_ms() - began_ms < STUCK_MS) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    run->loading_ms += run_clock_ms() - began_ms;
    return run_kill_and_restart(run, "with sets and patches in flight");
}

static bool step_to_the_end(struct run *run) {
    if (!run_produce(run, 1, all_acknowledged)) {
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
    int64_t deadline_ms = run_clock_ms() + STUCK_MS;
    while (!all_gone(run) && run_clock_ms() < deadline_ms) {
        audience_tick(run->audience, 1);
    }
    for (size_t i = 0; i < run->audience->count; i++) {
        const struct subscriber *subscriber = &run->audience->subscribers[i];
        told += subscriber->is_stream || subscriber->follower.bye_reason[0] != '\0';
    }
    run_check(run, told == run->audience->count, "on SIGTERM every WebSocket subscriber hears bye");
    return run_check(run, broker_process_wait_end(&run->broker) == 0, "on SIGTERM the broker exits with 0");
}

/* ---- main ---- */

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
    run_report_violations(run);
    run_report(run);
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
    int64_t began_ms = run_clock_ms();
    if (run_load(&run) && run_check(&run, run_start(&run), "the broker starts")) {
        run_steps(&run);
    } else {
        run.failed += run.failed == 0;
    }
    run_fini(&run);
    printf("check-traces: %s in %.0f s (seed %" PRIu64 ")\n", run.failed == 0 ? "passed" : "FAILED",
           (double)(run_clock_ms() - began_ms) / 1000, run.seed);
    if (run.first_failure[0] != '\0') {
        printf("check-traces: first failure: %s\n", run.first_failure);
    }
    printf("%d passed, %d failed\n", run.passed, run.failed);
    return run.failed == 0 ? 0 : 1;
}
