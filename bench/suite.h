/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Runs plans cell by cell, keeps each in DIR/cells, reuses what is there and still true, and writes the report:
 *
 *     ahora-bench suite bench|peers|sweeps|report [--out DIR] [--fresh] [--target …] [--runs N] [--quick]
 */
#ifndef BENCH_SUITE_H
#define BENCH_SUITE_H

#include "bench/harness.h"

struct suite_outcome {
    bool is_done;    /* false: something could not be run or written */
    bool is_invalid; /* some run does not count */
    bool is_missed;  /* a threshold does not hold for something measured now */
};

/* options->scenarios are "suite" and the names of plans. False, with a message: no such plan. */
bool suite_names_are_valid(const struct options *options);
struct suite_outcome suite_run(const struct harness *harness, const struct options *options);

/* ---- for tests ---- */

/* Words of an entry's options, then what the command line adds: that wins. `text` is cut into words. False after a message. */
bool suite_options(const struct options *given, char *text, struct options *out);

#endif
