/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Options of the command line: one table for parsing and for help. Where a scenario has a default of its own, it is set before.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIOS_MAX 32
#define WINDOW_MAX 4096
#define PRODUCERS_MAX 1000

/* 0 or NULL: not given; the scenario's default is taken then. */
struct options {
    int64_t topics;
    int64_t subscribers;
    int64_t producers;
    int64_t window;
    int64_t batch;
    int64_t rate;
    int64_t count;
    int64_t stalled;
    int64_t churn;
    int64_t views;
    int64_t active;
    int64_t patterns;
    int64_t radius;
    int64_t source;
    int64_t brokers;
    int64_t loads;
    int64_t size;
    int64_t duration_ms;
    int64_t warmup_ms;
    const char *ack;
    const char *encoding;
    const char *targets;
    int64_t runs;
    const char *url;
    int64_t pid;
    const char *ahorad;
    const char *raw;
    const char *peers;
    const char *traces;
    const char *trace;
    const char *out;
    const char *server_arguments;
    const char *prefix;
    int64_t server_core;
    const char *load_core;
    bool no_pin;
    bool quick;
    bool fresh;
    bool any_pace;
    bool progress;
    bool help;
    const char *threshold;
    const char *json;
    const char *csv;
    const char *hgrm;
    const char *scenarios[SCENARIOS_MAX];
    size_t scenario_count;
};

/* False after a message on stderr. */
bool options_parse(struct options *options, int argc, char **argv);

/* Takes from `defaults` what was not given. */
void options_fill(struct options *options, const struct options *defaults);

/* Prints the table. */
void options_print(void);

#endif
