/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the kinds of the simulation (kinds.h) demand, said again in plain C. */
#ifndef SIM_RULES_H
#define SIM_RULES_H

#include "tests/sim/paper.h"

/* The bounds of `adjust`. False: the field has none there. */
bool rules_bound(const char *path, unsigned field, int64_t *min, int64_t *max);

/* May a topic of that path hold it? What the kind writes itself is not looked at. */
bool rules_allow(const char *path, const struct paper *paper);

/* Writes what the kind writes: `old` is the document before (NULL: none), `said` what the change brought. */
void rules_write(const char *path, struct paper *paper, const struct paper *old, const struct paper *said, int64_t at);

#endif
