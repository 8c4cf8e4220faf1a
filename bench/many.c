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
 * A child that fails reports at once, 'F' instead of 'J', or closes its end if it cannot even do that; the parent closes all others.
 */
#include "bench/many.h"

#include "bench/child.h"
#include "bench/machine.h"
#include "bench/needs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BROKERS_MAX 128
#define FIRST_SOURCE 10
#define END_BYTES 8192         /* of a connection, kernel and process, with room to spare */
#define HEAR_S 600             /* one that says nothing for so long is stuck: joining has a patience of its own */
#define END_NS (60 * NS_PER_S) /* each stops a broker, which may take its time */

/* Nobody reads while the others join, which takes minutes: a beat to each of a million, four times a minute, would be all that the machine does,
   and nothing of it is measured. */
#define BEAT "AHORA_LIMITS_BEAT_MS"
#define BEAT_EVERY "1h"

/* Without beats TCP's keepalive would ask them instead, from half a minute on, and not one by one: the kernel's timers of half a minute are two
   seconds coarse, so thousands of probes leave in one go. Loopback takes netdev_max_backlog (1,000) of them and drops the others, and who was
   unlucky nine times is reset. */
#define VANISHED "AHORA_LISTEN_VANISHED_MS"
#define VANISHED_NEVER "0"

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

/* What a child is started with. */
struct part {
    const struct scenario *scenario;
    const struct options *options;
    const struct server_plan *plan;
};

static int parent_fd = -1;

bool many_wait(void) {
    char letter = 'J';
    return parent_fd < 0 || (child_tell(parent_fd, &letter, 1) && child_hear(parent_fd, &letter, 1));
}

static double value_of(const struct result *result, const char *name) {
    const struct metric *metric = result_find(result, name, strlen(name));
    return metric != NULL ? metric->value : 0;
}

/* Never returns. */
static void run_child(int fd, int number, void *context) {
    const struct part *part = context;
    const struct options *options = part->options;
    struct options own = *options;
    struct result *result = calloc(1, sizeof *result);
    struct found found = {.lost = 0};
    parent_fd = fd;
    own.count = options->count / options->brokers + (number < options->count % options->brokers);
    own.source = FIRST_SOURCE + number;
    own.progress = false;
    setenv(BEAT, BEAT_EVERY, 1);
    setenv(VANISHED, VANISHED_NEVER, 1);
    if (result != NULL && own.count > 0) {
        scenario_run(part->scenario, &own, part->plan, result);
        const char *why = result->skipped != NULL ? result->skipped : result->invalid;
        snprintf(found.invalid, sizeof found.invalid, "%s", why != NULL ? why : "");
        found.pss_per_connection = value_of(result, "pss_per_connection");
        found.reach_all = value_of(result, "reach_all");
        found.lost = value_of(result, "lost");
        found.duplicates = value_of(result, "duplicates");
        found.disorder = value_of(result, "disorder");
        found.refused = value_of(result, "refused");
    }
    bool told = child_tell(fd, "F", 1) && child_tell(fd, &found, sizeof found);
    _exit(told ? 0 : 1);
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
    if (!child_hear(child->fd, &letter, 1)) {
        return 0;
    }
    if (letter == 'F') {
        if (!child_hear(child->fd, &one, sizeof one)) {
            return 0;
        }
        add_found(sum, &one);
    }
    return letter;
}

/* A broker and its client want a core each; more at once would time each other. Nor may more be under way than TCP may hold. */
static int pairs_at_once(const struct options *options) {
    struct limits limits = limits_read();
    return needs_at_once(options->count / options->brokers + 1, (int)(sysconf(_SC_NPROCESSORS_ONLN) / 2), &limits);
}

static bool collect(const struct child *children, int count, const struct options *options, struct found *sum) {
    int at_once = pairs_at_once(options);
    bool all = true;
    for (int first = 0; first < count; first += at_once) {
        int end = count - first < at_once ? count : first + at_once;
        for (int i = first; i < end; i++) {
            all = child_tell(children[i].fd, "G", 1) && all;
        }
        for (int i = first; i < end; i++) {
            all = hear(&children[i], sum) == 'F' && all;
        }
    }
    return all;
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

/* Each pair has an address of its own. */
static bool has_room(const struct options *options, struct limits *limits, struct result *result) {
    int64_t share = (options->count + options->brokers - 1) / options->brokers;
    struct needs needs = {.connections = options->count,
                          .of_server = share,
                          .of_process = share,
                          .of_address = share,
                          .bytes_of_end = END_BYTES,
                          .ends_here = 2};
    limits->server_files = limits->process_files; /* it is started with ours */
    if (!needs_fit(&needs, limits, result->skipped_text, sizeof result->skipped_text)) {
        result->skipped = result->skipped_text;
        return false;
    }
    return true;
}

bool many_run(const struct scenario *scenario, const struct options *options, const struct server_plan *plan,
              struct result *result) {
    struct child children[BROKERS_MAX];
    struct options filled;
    struct found sum = {.lost = 0};
    int started = 0;
    scenario_describe(scenario, options, &filled);
    result->scenario = scenario->name;
    struct limits limits = limits_read();
    int64_t before = limits.memory_bytes;
    if (!has_room(&filled, &limits, result)) {
        return false;
    }
    snprintf(result->setting, sizeof result->setting,
             "%lld idle connections, over %lld brokers and as many client processes; a beat an hour", (long long)filled.count,
             (long long)filled.brokers);
    struct part part = {.scenario = scenario, .options = &filled, .plan = plan};
    int64_t begin = clock_ns();
    bool fine = filled.brokers <= BROKERS_MAX;
    while (fine && started < filled.brokers) {
        fine = child_start(children, started, SIGTERM, run_child, &part);
        started += fine;
        fine = fine && child_be_patient(&children[started - 1], HEAR_S);
        /* One after the other: together they would outlast the deadline of a hello. */
        fine = fine && hear(&children[started - 1], &sum) == 'J';
    }
    double seconds = (double)(clock_ns() - begin) / 1e9;
    int64_t taken = before - machine_memory_available();
    fine = fine && collect(children, started, &filled, &sum);
    child_end_all(children, started, END_NS); /* by their sockets; each stops its own server */
    if (!fine) {
        snprintf(result->skipped_text, sizeof result->skipped_text, "%s",
                 sum.invalid[0] != '\0' ? sum.invalid : "some brokers or clients failed");
        result->invalid = result->skipped_text;
        return false;
    }
    put_all(result, &filled, &sum, seconds, taken);
    return true;
}
