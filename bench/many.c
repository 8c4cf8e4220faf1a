/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 *     parent                       child k, with its broker
 *       fork ---------------------> join count / N
 *       read 'J', fork the next <-- many_wait: write 'J'
 *       look at the memory
 *       write 'G' to a few -------> many_wait: read 'G'; one change, measure
 *       read their reports, go on <- write 'F' and it, exit
 *
 * A child that fails reports at once, 'F' instead of 'J', or closes its pipe if it cannot even do that; the parent closes all others.
 */
#include "bench/many.h"

#include "bench/machine.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKERS_MAX 128
#define FIRST_SOURCE 10
#define CONNECTION_BYTES 16384 /* both ends, kernel and processes, with room to spare */

struct child {
    pid_t pid;
    int hears; /* the parent writes */
    int tells; /* the parent reads */
};

/* Nobody reads while the others join, which takes minutes: a beat to each of a million, four times a minute, would be all that the machine does,
   and nothing of it is measured. */
#define BEAT "AHORA_LIMITS_BEAT_MS"
#define BEAT_EVERY "1h"

/* What a child found out; the same program reads it. */
struct found {
    double pss_per_connection;
    double reach_all;
    double lost;
    double duplicates;
    double disorder;
    double refused;
    char invalid[96];
};

static int child_hears = -1;
static int child_tells = -1;

bool many_wait(void) {
    char letter = 'J';
    return child_tells < 0 || (write(child_tells, &letter, 1) == 1 && read(child_hears, &letter, 1) == 1);
}

static double value_of(const struct result *result, const char *name) {
    const struct metric *metric = result_find(result, name, strlen(name));
    return metric != NULL ? metric->value : 0;
}

/* Never returns. */
static void run_child(const struct scenario *scenario, const struct options *options, const struct server_plan *plan,
                      int number) {
    struct options own = *options;
    struct result *result = calloc(1, sizeof *result);
    struct found found = {.lost = 0};
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    own.count = options->count / options->brokers + (number < options->count % options->brokers);
    own.source = FIRST_SOURCE + number;
    own.progress = false;
    setenv(BEAT, BEAT_EVERY, 1);
    if (result != NULL && own.count > 0) {
        scenario_run(scenario, &own, plan, result);
        const char *why = result->skipped != NULL ? result->skipped : result->invalid;
        snprintf(found.invalid, sizeof found.invalid, "%s", why != NULL ? why : "");
        found.pss_per_connection = value_of(result, "pss_per_connection");
        found.reach_all = value_of(result, "reach_all");
        found.lost = value_of(result, "lost");
        found.duplicates = value_of(result, "duplicates");
        found.disorder = value_of(result, "disorder");
        found.refused = value_of(result, "refused");
    }
    bool told = write(child_tells, "F", 1) == 1 && write(child_tells, &found, sizeof found) == (ssize_t)sizeof found;
    _exit(told ? 0 : 1);
}

static bool start_child(struct child *children, int number, const struct scenario *scenario, const struct options *options,
                        const struct server_plan *plan) {
    int down[2];
    int up[2];
    if (pipe(down) != 0 || pipe(up) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < number; i++) { /* or the others would not see their ends */
            close(children[i].hears);
            close(children[i].tells);
        }
        close(down[1]);
        close(up[0]);
        child_hears = down[0];
        child_tells = up[1];
        run_child(scenario, options, plan, number);
    }
    close(down[0]);
    close(up[1]);
    if (pid < 0) {
        close(down[1]);
        close(up[0]);
        return false;
    }
    children[number] = (struct child){.pid = pid, .hears = down[1], .tells = up[0]};
    return true;
}

static void add_found(struct found *sum, const struct found *one) {
    sum->pss_per_connection += one->pss_per_connection;
    sum->reach_all = one->reach_all > sum->reach_all ? one->reach_all : sum->reach_all;
    sum->lost += one->lost;
    sum->duplicates += one->duplicates;
    sum->disorder += one->disorder;
    sum->refused += one->refused;
    if (sum->invalid[0] == '\0') {
        memcpy(sum->invalid, one->invalid, sizeof sum->invalid);
    }
}

/* A letter; behind 'F' the report, which is added. 0: the child is gone. */
static char hear(const struct child *child, struct found *sum) {
    char letter;
    struct found one;
    if (read(child->tells, &letter, 1) != 1) {
        return 0;
    }
    if (letter == 'F') {
        if (read(child->tells, &one, sizeof one) != (ssize_t)sizeof one) {
            return 0;
        }
        add_found(sum, &one);
    }
    return letter;
}

/* A broker and its client want a core each; more at once would time each other. */
static int pairs_at_once(void) {
    long pairs = sysconf(_SC_NPROCESSORS_ONLN) / 2;
    return pairs < 1 ? 1 : (int)pairs;
}

static bool collect(const struct child *children, int count, struct found *sum) {
    bool all = true;
    for (int first = 0; first < count; first += pairs_at_once()) {
        int end = count - first < pairs_at_once() ? count : first + pairs_at_once();
        for (int i = first; i < end; i++) {
            all = write(children[i].hears, "G", 1) == 1 && all;
        }
        for (int i = first; i < end; i++) {
            all = hear(&children[i], sum) == 'F' && all;
        }
    }
    return all;
}

/* What cannot go on is ended by its pipes; each child stops its own server. */
static void end_children(const struct child *children, int count) {
    for (int i = 0; i < count; i++) {
        close(children[i].hears);
        close(children[i].tells);
    }
    for (int i = 0; i < count; i++) {
        if (children[i].pid > 0) {
            waitpid(children[i].pid, NULL, 0);
        }
    }
}

static void put_all(struct result *result, const struct options *options, const struct found *sum, double seconds,
                    int64_t memory_bytes) {
    double count = (double)options->count;
    result_put(result, "connections", count, "");
    result_put(result, "pss_per_connection", sum->pss_per_connection / (double)options->brokers, "bytes");
    result_put(result, "machine_per_connection", (double)memory_bytes / count, "bytes");
    result_put(result, "all_joined", seconds, "s"); /* starts of the brokers among it */
    result_put(result, "reach_all", sum->reach_all, "ms");
    result_put(result, "lost", sum->lost, "");
    result_put(result, "duplicates", sum->duplicates, "");
    result_put(result, "disorder", sum->disorder, "");
    result_put(result, "refused", sum->refused, "");
    if (sum->invalid[0] != '\0') {
        snprintf(result->skipped_text, sizeof result->skipped_text, "%s", sum->invalid);
        result->invalid = result->skipped_text;
    }
}

bool many_run(const struct scenario *scenario, const struct options *options, const struct server_plan *plan,
              struct result *result) {
    struct child children[BROKERS_MAX];
    struct options filled;
    struct found sum = {.lost = 0};
    int started = 0;
    scenario_describe(scenario, options, &filled);
    result->scenario = scenario->name;
    int64_t before = machine_memory_available();
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && (uint64_t)(filled.count / filled.brokers) + FILES_BESIDE > files.rlim_cur) {
        snprintf(result->skipped_text, sizeof result->skipped_text,
                 "%lld connections for each: a process may hold %llu files here", (long long)(filled.count / filled.brokers),
                 (unsigned long long)files.rlim_cur);
        result->skipped = result->skipped_text;
        return false;
    }
    if (before >= 0 && filled.count * CONNECTION_BYTES > before) {
        snprintf(result->skipped_text, sizeof result->skipped_text, "%lld connections: only %lld MiB of memory are left here",
                 (long long)filled.count, (long long)(before >> 20));
        result->skipped = result->skipped_text;
        return false;
    }
    snprintf(result->setting, sizeof result->setting,
             "%lld idle connections, over %lld brokers and as many client processes; a beat an hour", (long long)filled.count,
             (long long)filled.brokers);
    int64_t begin = clock_ns();
    bool fine = filled.brokers <= BROKERS_MAX;
    while (fine && started < filled.brokers) {
        fine = start_child(children, started, scenario, &filled, plan);
        started += fine;
        /* One after the other: together they would outlast the deadline of a hello. */
        fine = fine && hear(&children[started - 1], &sum) == 'J';
    }
    double seconds = (double)(clock_ns() - begin) / 1e9;
    int64_t taken = before - machine_memory_available();
    fine = fine && collect(children, started, &sum);
    end_children(children, started);
    if (!fine) {
        snprintf(result->skipped_text, sizeof result->skipped_text, "%s",
                 sum.invalid[0] != '\0' ? sum.invalid : "some brokers or clients failed");
        result->invalid = result->skipped_text;
        return false;
    }
    put_all(result, &filled, &sum, seconds, taken);
    return true;
}
