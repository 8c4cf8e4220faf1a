/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/memory_limit.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 4096

/* The number in the file, UINT64_MAX if there is none ("max", or no such file). */
static uint64_t read_number(const char *path) {
    char text[64] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return UINT64_MAX;
    }
    bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    char *end = text;
    unsigned long long number = strtoull(text, &end, 10);
    return got && end != text ? number : UINT64_MAX;
}

/* A group's limit holds for all below it: from `group` up to the top. */
static uint64_t smallest_up(const char *root, const char *mount, const char *group, const char *name) {
    char place[LINE_BYTES_MAX];
    char path[2 * LINE_BYTES_MAX];
    uint64_t smallest = UINT64_MAX;
    snprintf(place, sizeof place, "%s", strcmp(group, "/") == 0 ? "" : group);
    for (;;) {
        snprintf(path, sizeof path, "%s%s%s/%s", root, mount, place, name);
        uint64_t bytes = read_number(path);
        smallest = bytes < smallest ? bytes : smallest;
        char *slash = strrchr(place, '/');
        if (slash == NULL) {
            return smallest;
        }
        *slash = '\0';
    }
}

/* "0::/path" is version 2, "9:memory:/path" version 1 (cgroups(7)). */
static uint64_t limit_of_line(const char *root, char *line) {
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) {
        return UINT64_MAX;
    }
    *group++ = '\0';
    if (strncmp(line, "0:", 2) == 0 && controllers[1] == '\0') {
        return smallest_up(root, "/sys/fs/cgroup", group, "memory.max");
    }
    for (char *name = strtok_r(controllers + 1, ",", &line); name != NULL; name = strtok_r(NULL, ",", &line)) {
        if (strcmp(name, "memory") == 0) {
            return smallest_up(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
        }
    }
    return UINT64_MAX;
}

static uint64_t machine_bytes(const char *root) {
    char path[PATH_MAX];
    char line[256];
    uint64_t kilobytes = 0;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && kilobytes == 0 && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemTotal: %" SCNu64 " kB", &kilobytes) != 1) {
            kilobytes = 0;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kilobytes == 0 ? UINT64_MAX : kilobytes * 1024;
}

struct memory_limit memory_limit_read_below(const char *root) {
    char path[PATH_MAX];
    char line[LINE_BYTES_MAX];
    struct memory_limit limit = {machine_bytes(root), "machine"};
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        uint64_t bytes = limit_of_line(root, line);
        if (bytes < limit.bytes) {
            limit = (struct memory_limit){bytes, "control group"};
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return limit;
}

struct memory_limit memory_limit_read(void) {
    return memory_limit_read_below("");
}
