/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

void machine_cpu(char *out, size_t out_bytes) {
    char line[256];
    snprintf(out, out_bytes, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            snprintf(out, out_bytes, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

void machine_date(char *out, size_t out_bytes) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, out_bytes, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void machine_text(char *out, size_t out_bytes) {
    char cpu[128];
    struct utsname system;
    machine_cpu(cpu, sizeof cpu);
    uname(&system);
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    snprintf(out, out_bytes, "%ld cores, %s, %.0f GiB, %s %s", sysconf(_SC_NPROCESSORS_ONLN), cpu, bytes / (1 << 30),
             system.sysname, system.release);
}

int64_t machine_memory_available(void) {
    char line[128];
    int64_t bytes = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "MemAvailable:", 13) == 0) {
            bytes = strtoll(line + 13, NULL, 10) * 1024;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}
