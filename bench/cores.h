/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Which cores the load's processes are pinned to: "1", "1-3", "1,4-7". */
#ifndef BENCH_CORES_H
#define BENCH_CORES_H

#include <stdbool.h>

#define LOADS_MAX 128

struct cores {
    int at[LOADS_MAX];
    int count; /* 0: anywhere */
};

/* False: that is no list, a core stands in it twice, or there are too many. */
bool cores_parse(const char *text, struct cores *out);

/* All that this process may run on but `other`, the lowest first. */
void cores_beside(int other, struct cores *out);

/* Of load process `number`: they take turns if there are more processes than cores. -1: anywhere. */
int cores_of(const struct cores *cores, int number);

/* How busy the busiest core is, if process k takes shares[k] of its own; without cores, the busiest process. */
double cores_busiest(const struct cores *cores, const double *shares, int count);

#endif
