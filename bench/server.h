/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The server under load: a child process on a free loopback port with a directory of its own, or one that somebody else started. Its
 * processor time and memory come from /proc. One thread, the one that started it.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "bench/cores.h"
#include "bench/target.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct server_plan;

struct server {
    const struct target *target;
    struct sockaddr_in address;
    struct sockaddr_in load_address; /* where the load connects: the same, or its port for TLS */
    char authority[64];              /* host:port of `address` */
    char directory[128];             /* "": none */
    const struct server_plan *plan;  /* borrowed: it is started again by it */
    pid_t pid;                       /* 0: not ours */
    pid_t watched;                   /* whose /proc is read, with its children; 0: nobody's */
};

struct server_plan {
    const struct target *target;
    const char *program;     /* path of the binary */
    const char *peers;       /* folder of what npm installed */
    const char *arguments;   /* more, separated by blanks; may be NULL */
    const char *prefix;      /* a command to run it under (perf record …), or NULL */
    const char *url;         /* use this one instead of starting any */
    int64_t pid;             /* of that one, 0 unknown */
    int core;                /* -1: anywhere */
    struct cores load_cores; /* of those who put it under load */
};

struct server_memory {
    int64_t pss_bytes;
    int64_t rss_bytes;
};

/* Starts it and waits until it is ready. False after a message on stderr; server_stop is still to be called. */
bool server_start(struct server *server, const struct server_plan *plan);

/* Ends it and starts it again on the same port with the same store. Nanoseconds until it was ready; -1: it is not ours, or did not get so. */
int64_t server_restart(struct server *server);

/* The same after SIGKILL. */
int64_t server_crash(struct server *server);

/* SIGTERM, waits, SIGKILL if need be; removes the directory. */
void server_stop(struct server *server);

/* User and system time so far, 0 if unknown. In ticks of the kernel: 10 ms. */
int64_t server_cpu_ns(const struct server *server);
int64_t server_files_max(const struct server *server);   /* that it may hold; -1 if unknown */
int64_t server_memory_peak(const struct server *server); /* the most that was resident; 0 if unknown */
struct server_memory server_memory_read(const struct server *server);

/* The broker's seq, from /v1/status; -1 if it did not say. */
int64_t server_seq(const struct server *server);

/* Ties the calling thread, and what it starts, to a core; -1: to none. False if the machine does not let it. */
bool core_pin(int core);

#endif
