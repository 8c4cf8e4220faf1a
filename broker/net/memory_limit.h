/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* How much memory this process may have before the kernel ends it: the smallest limit of its control groups, or what the machine has. */
#ifndef NET_MEMORY_LIMIT_H
#define NET_MEMORY_LIMIT_H

#include <stdint.h>

struct memory_limit {
    uint64_t bytes;
    const char *source; /* "control group", "machine"; static */
};

struct memory_limit memory_limit_read(void);

/* Of the files below `root` ("/proc/self/cgroup" is `root`/proc/self/cgroup): for tests. */
struct memory_limit memory_limit_read_below(const char *root);

#endif
