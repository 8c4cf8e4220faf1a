/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/needs.h"

#include "bench/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what there is ---- */

/* So many of the numbers that a file in /proc begins with. */
static int read_numbers(const char *path, int64_t *out, int count) {
    FILE *file = fopen(path, "r");
    int found = 0;
    long long number;
    while (file != NULL && found < count && fscanf(file, "%lld", &number) == 1) {
        out[found++] = number;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static int64_t tcp_pages_used(void) {
    char line[256];
    int64_t pages = -1;
    FILE *file = fopen("/proc/net/sockstat", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *at = strncmp(line, "TCP:", 4) == 0 ? strstr(line, " mem ") : NULL;
        long long number;
        if (at != NULL && sscanf(at, " mem %lld", &number) == 1) {
            pages = number;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return pages;
}

struct limits limits_read(void) {
    struct limits limits = {.memory_bytes = machine_memory_available(),
                            .process_files = -1,
                            .server_files = -1,
                            .machine_files = -1,
                            .ports = -1,
                            .tcp_pages = tcp_pages_used(),
                            .tcp_pages_tight = -1,
                            .tcp_pages_max = -1};
    struct rlimit files;
    int64_t numbers[3];
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        limits.process_files = (int64_t)files.rlim_cur;
    }
    if (read_numbers("/proc/sys/fs/file-nr", numbers, 3) == 3) {
        limits.machine_files = numbers[2] - numbers[0] + numbers[1];
    }
    if (read_numbers("/proc/sys/net/ipv4/ip_local_port_range", numbers, 2) == 2) {
        limits.ports = numbers[1] - numbers[0] + 1;
    }
    if (read_numbers("/proc/sys/net/ipv4/tcp_mem", numbers, 3) == 3) {
        limits.tcp_pages_tight = numbers[1];
        limits.tcp_pages_max = numbers[2];
    }
    return limits;
}

/* ---- whether it is enough ---- */

/* Beside connections: producers, stores, listeners. */
#define FILES_BESIDE 128
#define PORTS_BESIDE 256 /* that others have, or that are not free again yet */

static bool has(int64_t wanted, int64_t there) {
    return there < 0 || wanted <= there;
}

bool needs_fit(const struct needs *needs, const struct limits *limits, char *why, size_t why_bytes) {
    long long connections = (long long)needs->connections;
    int64_t pages = needs->of_server * TCP_PAGES_EACH;
    if (!has(needs->of_server + FILES_BESIDE, limits->server_files)) {
        snprintf(why, why_bytes, "%lld connections are as many files in the broker: it may hold %lld here (ulimit -Hn)",
                 (long long)needs->of_server, (long long)limits->server_files);
    } else if (!has(needs->of_process + FILES_BESIDE, limits->process_files)) {
        int64_t room = limits->process_files > FILES_BESIDE ? limits->process_files - FILES_BESIDE : 1;
        snprintf(
            why, why_bytes,
            "%lld connections are as many files in the load: a process may hold %lld here (ulimit -Hn); --loads %lld would do",
            (long long)needs->of_process, (long long)limits->process_files, (long long)((needs->of_server + room - 1) / room));
    } else if (!has(needs->connections * needs->ends_here, limits->machine_files)) {
        snprintf(why, why_bytes, "%lld connections are %lld files: the machine has %lld left (fs.file-max)", connections,
                 (long long)(needs->connections * needs->ends_here), (long long)limits->machine_files);
    } else if (!has(needs->of_address + PORTS_BESIDE, limits->ports)) {
        snprintf(why, why_bytes, "%lld connections from one address: it has %lld ports (net.ipv4.ip_local_port_range)",
                 (long long)needs->of_address, (long long)limits->ports);
    } else if (!has(needs->connections * needs->ends_here * needs->bytes_of_end, limits->memory_bytes)) {
        snprintf(why, why_bytes, "%lld connections: only %lld MiB of memory are left here", connections,
                 (long long)(limits->memory_bytes >> 20));
    } else if (limits->tcp_pages >= 0 && !has(limits->tcp_pages + pages, limits->tcp_pages_max)) {
        snprintf(why, why_bytes,
                 "a change to %lld connections: up to %lld pages of what TCP may hold, %lld are left (net.ipv4.tcp_mem)",
                 (long long)needs->of_server, (long long)pages, (long long)(limits->tcp_pages_max - limits->tcp_pages));
    } else {
        return true;
    }
    return false;
}

int needs_at_once(int64_t connections, int most, const struct limits *limits) {
    int64_t room = limits->tcp_pages_tight - (limits->tcp_pages > 0 ? limits->tcp_pages : 0);
    int64_t fit = connections > 0 ? room / (connections * TCP_PAGES_EACH) : most;
    if (limits->tcp_pages_tight >= 0 && fit < most) {
        most = (int)fit;
    }
    return most > 1 ? most : 1;
}
