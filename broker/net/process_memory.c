/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/process_memory.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* proc(5): size, resident, and of these the pages of files, all in pages. */
static void read_statm(uint64_t *resident, uint64_t *shared) {
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages[2] = {0, 0};
    if (file != NULL) {
        if (fscanf(file, "%*u %llu %llu", &pages[0], &pages[1]) != 2) {
            pages[0] = pages[1];
        }
        fclose(file);
    }
    *resident = pages[0] * (uint64_t)sysconf(_SC_PAGESIZE);
    *shared = pages[1] * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_memory_rss(void) {
    uint64_t resident;
    uint64_t shared;
    read_statm(&resident, &shared);
    return resident;
}

uint64_t process_memory_own(void) {
    uint64_t resident;
    uint64_t shared;
    read_statm(&resident, &shared);
    return resident > shared ? resident - shared : 0;
}

uint64_t process_memory_peak(void) {
    struct rusage usage;
    uint64_t peak = getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
    uint64_t now = process_memory_rss(); // the kernel notes its peak late: it may lie below what is there now
    return peak > now ? peak : now;
}
