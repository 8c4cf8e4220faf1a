/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What the server costs: processor time and memory, from /proc. */
#include "bench/clock.h"
#include "bench/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILDREN_MAX 16

/* The watched process and its children: nginx works in one. */
static size_t list_watched(const struct server *server, pid_t *pids) {
    char path[64];
    size_t count = 0;
    if (server->watched == 0) {
        return 0;
    }
    pids[count++] = server->watched;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)server->watched, (int)server->watched);
    FILE *file = fopen(path, "r");
    int pid;
    while (file != NULL && count < CHILDREN_MAX && fscanf(file, "%d", &pid) == 1) {
        pids[count++] = pid;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

static int64_t cpu_of(pid_t pid) {
    char path[64];
    char line[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *at = read ? strrchr(line, ')') : NULL; /* the name may hold blanks; behind it: state is field 3 */
    for (int field = 2; at != NULL && field < 14; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return 0;
    }
    char *rest;
    uint64_t user = strtoull(at, &rest, 10);
    uint64_t system = strtoull(rest, NULL, 10);
    return (int64_t)((user + system) * (uint64_t)NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

int64_t server_cpu_ns(const struct server *server) {
    pid_t pids[CHILDREN_MAX];
    int64_t sum = 0;
    for (size_t i = 0, count = list_watched(server, pids); i < count; i++) {
        sum += cpu_of(pids[i]);
    }
    return sum;
}

static void add_memory_of(pid_t pid, struct server_memory *memory) {
    char path[64];
    char line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Pss:", 4) == 0) {
            memory->pss_bytes += strtoll(line + 4, NULL, 10) * 1024;
        } else if (strncmp(line, "Rss:", 4) == 0) {
            memory->rss_bytes += strtoll(line + 4, NULL, 10) * 1024;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

struct server_memory server_memory_read(const struct server *server) {
    pid_t pids[CHILDREN_MAX];
    struct server_memory memory = {0, 0};
    for (size_t i = 0, count = list_watched(server, pids); i < count; i++) {
        add_memory_of(pids[i], &memory);
    }
    return memory;
}

int64_t server_memory_peak(const struct server *server) {
    char path[64];
    char line[256];
    int64_t peak = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)server->watched);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            peak = strtoll(line + 6, NULL, 10) * 1024;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return peak;
}

int64_t server_files_max(const struct server *server) {
    static const char name[] = "Max open files";
    char path[64];
    char line[256];
    int64_t files = -1;
    snprintf(path, sizeof path, "/proc/%d/limits", (int)server->watched);
    FILE *file = server->watched > 0 ? fopen(path, "r") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *hard; /* behind the soft one, which a broker raises */
        if (strncmp(line, name, sizeof name - 1) == 0) {
            strtoll(line + sizeof name - 1, &hard, 10);
            files = strstr(hard, "unlimited") != NULL ? INT64_MAX : strtoll(hard, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return files;
}
