/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Where things are on this machine, and how to run one scenario on one target with that. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include "bench/cores.h"
#include "bench/scenario.h"
#include "bench/target.h"

struct harness {
    char folder[400]; /* of our own program: ahorad, the yardstick and peers/ lie beside it */
    int server_core;  /* -1: anywhere */
    struct cores load_cores;
};

/* Finds the folder, chooses cores, raises the limit of open files. */
void harness_init(struct harness *harness, const struct options *options);

/* The program of a target; false if it is not there. */
bool harness_program(const struct harness *harness, const struct options *options, const struct target *target, char *out,
                     size_t out_bytes);

/* False: nothing could be measured; result->skipped or result->invalid says why. */
bool harness_run(const struct harness *harness, const struct scenario *scenario, const struct options *options,
                 const struct target *target, struct result *result);

/* Splits "ahora,raw" or "all" into targets; false after a message on stderr. */
bool harness_list_targets(const char *text, const struct target **targets, size_t *count);

#endif
