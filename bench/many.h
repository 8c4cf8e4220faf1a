/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * More connections than one process may hold: idle, spread over several brokers, each with a client process of its own that connects from an
 * address of its own. All join, then wait for each other; then each broker changes its topic once, a few brokers
 * at a time, so that they time themselves and not each other.
 */
#ifndef BENCH_MANY_H
#define BENCH_MANY_H

#include "bench/scenario.h"

/* As scenario_run, with --brokers processes. */
bool many_run(const struct scenario *scenario, const struct options *options, const struct server_plan *plan,
              struct result *result);

/* For the scenario: all of this process's have joined. Returns when those of all others have, at once if there are none; false: somebody
   gave up. */
bool many_wait(void);

#endif
