/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * ahora-bench: puts a broker under load, checks that it keeps its promises meanwhile, and says how fast it was. Server on one core, load on
 * another; what is compared is run alternately, by one command.
 */
#include "bench/harness.h"
#include "bench/report.h"
#include "bench/suite.h"
#include "bench/threshold.h"

#include "include/ahora/protocol.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESULTS_MAX 512
#define RUNS_MAX 32

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_THRESHOLD = 3,
    EXIT_INVALID = 4,
};

struct bench {
    struct options options;
    struct harness harness;
    const struct target *targets[TARGETS_MAX];
    size_t target_count;
    struct result *results[RESULTS_MAX];
    size_t result_count;
    bool is_failed;
    bool is_invalid;
    bool is_missed; /* a threshold */
};

/* ---- help ---- */

static void print_help(void) {
    printf("usage: ahora-bench SCENARIO… [options]\n"
           "       ahora-bench suite bench|peers|sweeps|report [--out DIR] [--fresh]\n\n"
           "Starts a broker on a free port, puts it under load, checks what arrives, and prints what it took.\n\nScenarios, or "
           "all:\n");
    for (size_t i = 0; scenario_at(i) != NULL; i++) {
        printf("  %-10s %s\n", scenario_at(i)->name, scenario_at(i)->about);
    }
    printf("\nOptions:\n");
    options_print();
    printf(
        "\nWith --rate the load is open loop: changes are sent on schedule whatever the server does, and a latency counts from "
        "the\n"
        "time the change should have been sent. Without it, only as many are in flight as --window says, and latencies are "
        "those of a\n"
        "server kept busy. Versions passed over for a slow reader, and told to it, are conflated; anything else missing is "
        "lost.\n"
        "A run is invalid if the generator was late, a change was refused, or something was lost, doubled or out of order.\n\n"
        "Examples:\n"
        "  ahora-bench fanout --target ahora,raw --runs 3\n"
        "  ahora-bench latency --rate 20k --topics 1000 --duration 30s --threshold 'p99<1ms,lost=0' --hgrm out/now\n"
        "  ahora-bench ingest --encoding ndjson --ack durable --pubs 4 --json ingest.json\n"
        "  ahora-bench latency -s 127.0.0.1:7600 --pid $(pidof ahorad)\n"
        "  ahora-bench fanout --subs 60k --loads 4 --load-core 1-4 -s 127.0.0.1:7600 --pid $(pidof ahorad)\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong use, 3 a threshold does not hold, 4 a run was invalid.\n");
}

/* ---- preparing ---- */

static bool check_range(const char *name, int64_t value, int64_t min, int64_t max) {
    if (value == 0 || (value >= min && value <= max)) {
        return true;
    }
    fprintf(stderr, "ahora-bench: --%s %lld: want %lld to %lld\n", name, (long long)value, (long long)min, (long long)max);
    return false;
}

static bool check_word(const char *name, const char *value, const char *const *words) {
    for (; value != NULL && *words != NULL; words++) {
        if (strcmp(value, *words) == 0) {
            return true;
        }
    }
    if (value != NULL) {
        fprintf(stderr, "ahora-bench: --%s %s: see --help\n", name, value);
    }
    return value == NULL;
}

static bool check_cores(const struct options *options) {
    struct cores cores;
    if (options->load_core == NULL) {
        return true;
    }
    if (!cores_parse(options->load_core, &cores)) {
        fprintf(stderr, "ahora-bench: --load-core %s: want cores, such as 1 or 1-3,6\n", options->load_core);
        return false;
    }
    if (cores.count < options->loads) {
        fprintf(stderr, "ahora-bench: --load-core %s: %d for %lld load processes\n", options->load_core, cores.count,
                (long long)options->loads);
        return false;
    }
    return true;
}

/* Named alone, a scenario refuses what it cannot do; in `all` and in a suite it is then played by one process. */
static bool check_loads(const struct options *options, const char *name) {
    const struct scenario *scenario = scenario_find(name);
    if (options->loads <= 1 || scenario == NULL) {
        return true;
    }
    if (options->brokers > 1) {
        fprintf(stderr, "ahora-bench: --brokers has a load process for each broker: no --loads beside it\n");
        return false;
    }
    if (scenario->splitting != SPLITS) {
        fprintf(stderr, "ahora-bench: %s cannot be split over load processes: --loads goes with", name);
        for (size_t i = 0; scenario_at(i) != NULL; i++) {
            fprintf(stderr, "%s%s", scenario_at(i)->splitting == SPLITS ? " " : "",
                    scenario_at(i)->splitting == SPLITS ? scenario_at(i)->name : "");
        }
        fprintf(stderr, "\n");
    }
    return scenario->splitting == SPLITS;
}

static bool check_options(const struct options *options) {
    static const char *const acks[] = {"none", "applied", "durable", NULL};
    static const char *const encodings[] = {"msgpack", "json", "ndjson", NULL};
    bool is_text = options->encoding != NULL && strcmp(options->encoding, "msgpack") != 0;
    return check_range("size", options->size, is_text ? DOCUMENT_TEXT_BYTES_MIN : DOCUMENT_BYTES_MIN, DOCUMENT_BYTES_MAX) &&
           check_range("topics", options->topics, 1, TOPICS_MAX) && check_range("window", options->window, 1, WINDOW_MAX - 1) &&
           check_range("batch", options->batch, 1, AHORA_CHANGES_MAX) &&
           check_range("subs", options->subscribers, 1, 1000000) && check_range("pubs", options->producers, 1, PRODUCERS_MAX) &&
           check_range("loads", options->loads, 1, LOADS_MAX) && check_cores(options) &&
           check_range("runs", options->runs, 1, RUNS_MAX) && check_word("ack", options->ack, acks) &&
           check_word("encoding", options->encoding, encodings) &&
           (options->threshold == NULL || threshold_is_valid(options->threshold));
}

static bool is_suite(const struct options *options) {
    return options->scenario_count > 0 && strcmp(options->scenarios[0], "suite") == 0;
}

static bool prepare(struct bench *bench, int argc, char **argv) {
    struct options *options = &bench->options;
    if (!options_parse(options, argc, argv)) {
        return false;
    }
    if (options->help) {
        return true;
    }
    if (options->scenario_count == 0) {
        fprintf(stderr, "ahora-bench: which scenario? See --help\n");
        return false;
    }
    if (is_suite(options)) {
        return check_options(options) && suite_names_are_valid(options);
    }
    for (size_t i = 0; i < options->scenario_count; i++) {
        if (strcmp(options->scenarios[i], "all") != 0 && scenario_find(options->scenarios[i]) == NULL) {
            fprintf(stderr, "ahora-bench: %s: no such scenario; see --help\n", options->scenarios[i]);
            return false;
        }
        if (!check_loads(options, options->scenarios[i])) {
            return false;
        }
    }
    options->progress |= isatty(STDERR_FILENO) != 0;
    return check_options(options) &&
           harness_list_targets(options->targets != NULL ? options->targets : "ahora", bench->targets, &bench->target_count);
}

/* ---- running ---- */

static bool is_scenario_of(const struct options *options, const char *argument) {
    for (size_t i = 0; i < options->scenario_count; i++) {
        if (options->scenarios[i] == argument) {
            return true;
        }
    }
    return false;
}

/* What to type for this scenario alone. */
static void write_command(const struct options *options, struct result *result, int argc, char **argv, const char *scenario) {
    size_t used = (size_t)snprintf(result->command, sizeof result->command, "ahora-bench %s", scenario);
    for (int i = 1; i < argc && used < sizeof result->command; i++) {
        if (is_scenario_of(options, argv[i])) {
            continue;
        }
        const char *quote = strpbrk(argv[i], " <>*") != NULL ? "'" : "";
        used += (size_t)snprintf(result->command + used, sizeof result->command - used, " %s%s%s", quote, argv[i], quote);
    }
}

static bool run_once(struct bench *bench, const struct scenario *scenario, const struct target *target, int number, int argc,
                     char **argv) {
    struct result *result = bench->result_count < RESULTS_MAX ? calloc(1, sizeof *result) : NULL;
    if (result == NULL) {
        fprintf(stderr, "ahora-bench: too many runs\n");
        return false;
    }
    bench->results[bench->result_count++] = result;
    result->number = number;
    write_command(&bench->options, result, argc, argv, scenario->name);
    if (!harness_run(&bench->harness, scenario, &bench->options, target, result)) {
        bool skipped = result->skipped != NULL;
        fprintf(stderr, "ahora-bench: %s on %s: %s%s\n", scenario->name, target->name, skipped ? "skipped: " : "",
                skipped ? result->skipped : result->invalid);
        bench->is_failed |= !skipped;
    }
    if (result->skipped != NULL) {
        return true;
    }
    if (run_is_interrupted()) {
        return false;
    }
    bench->is_invalid |= result->invalid != NULL;
    bench->is_missed |= bench->options.threshold != NULL && !threshold_holds(bench->options.threshold, result, stderr);
    return bench->options.hgrm == NULL || report_write_hgrm(bench->options.hgrm, result);
}

/* Targets take turns, so that what the machine does meanwhile hits all alike. */
static bool run_scenario(struct bench *bench, const struct scenario *scenario, int argc, char **argv) {
    size_t first = bench->result_count;
    int runs = bench->options.runs > 0 ? (int)bench->options.runs : 1;
    for (int number = 1; number <= runs; number++) {
        for (size_t i = 0; i < bench->target_count; i++) {
            if (!run_once(bench, scenario, bench->targets[i], number, argc, argv)) {
                return false;
            }
        }
    }
    const struct result *const *results = (const struct result *const *)bench->results;
    report_print_table(stdout, results + first, bench->result_count - first, scenario->about);
    fflush(stdout);
    return true;
}

static bool run_all(struct bench *bench, int argc, char **argv) {
    const struct options *options = &bench->options;
    for (size_t i = 0; i < options->scenario_count; i++) {
        bool all = strcmp(options->scenarios[i], "all") == 0;
        for (size_t s = 0; scenario_at(s) != NULL; s++) {
            bool wanted = all || strcmp(options->scenarios[i], scenario_at(s)->name) == 0;
            if (wanted && !run_scenario(bench, scenario_at(s), argc, argv)) {
                return false;
            }
        }
    }
    const struct result *const *results = (const struct result *const *)bench->results;
    return (options->json == NULL || report_write_json(options->json, results, bench->result_count)) &&
           (options->csv == NULL || report_write_csv(options->csv, results, bench->result_count));
}

static int exit_code_of(const struct bench *bench, bool done) {
    if (!done || bench->is_failed) {
        return EXIT_FAILED;
    }
    if (bench->is_invalid) {
        return EXIT_INVALID;
    }
    return bench->is_missed ? EXIT_THRESHOLD : EXIT_DONE;
}

int main(int argc, char **argv) {
    static struct bench bench;
    if (!prepare(&bench, argc, argv)) {
        return EXIT_USAGE;
    }
    if (bench.options.help) {
        print_help();
        return EXIT_DONE;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, run_interrupt);
    signal(SIGTERM, run_interrupt);
    harness_init(&bench.harness, &bench.options);
    report_print_machine(stdout);
    if (is_suite(&bench.options)) {
        struct suite_outcome outcome = suite_run(&bench.harness, &bench.options);
        bench.is_invalid = outcome.is_invalid;
        bench.is_missed = outcome.is_missed;
        return exit_code_of(&bench, outcome.is_done);
    }
    bool done = run_all(&bench, argc, argv);
    for (size_t i = 0; i < bench.result_count; i++) {
        free(bench.results[i]);
    }
    return exit_code_of(&bench, done);
}
