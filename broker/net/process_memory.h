/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* How much memory the process holds, as the kernel sees it. */
#ifndef NET_PROCESS_MEMORY_H
#define NET_PROCESS_MEMORY_H

#include <stdint.h>

uint64_t process_memory_rss(void);  /* bytes now; 0 if it cannot be told */
uint64_t process_memory_own(void);  /* of these, the process's alone: not mapped from files; 0 as above */
uint64_t process_memory_peak(void); /* bytes at most so far */

#endif
