/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The real broker as a child process, in a temporary directory of its own, on a free loopback port. The binary is $AHORAD, or
 * build/ahorad. Its log goes to a file; on a failed start, and whenever a test asks, it is printed. The child is always reaped, and
 * the kernel ends it if the test dies. One thread: the one that started the broker must live as long as it (PR_SET_PDEATHSIG).
 *
 * With $AHORA_TEST_TLS, the path of tests/tunnel, it speaks TLS on another port, and what connects to `port` gets there through the tunnel.
 *
 *     init -> start -> (kill | term) -> start -> ... -> fini
 *
 * A second start uses the same data directory and port: that is how a restart is tested.
 */
#ifndef AHORA_TESTS_BROKER_PROCESS_H
#define AHORA_TESTS_BROKER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/tunnel.h"

#define BROKER_READY_MS 60000 /* a sanitizer build with a full store is slow to start */
#define BROKER_STOP_MS 60000

struct broker_process {
    char directory[128]; /* holds data/ and log */
    char data[160];
    char log[160];
    uint16_t port;
    uint16_t secure_port; /* TLS; 0: none */
    struct tunnel_process tunnel;
    pid_t pid;       /* 0: not running */
    int exit_status; /* of the last stop: exit code, or 128 + signal */
    bool is_kept;    /* fini leaves the directory, for a look at it */
};

/* Makes the directory (under $TMPDIR or /tmp) and picks the port. False, with a line on stderr, if that fails. */
bool broker_process_init(struct broker_process *broker, const char *name);

/*
 * Starts it with `--listen 127.0.0.1:PORT --data DIR`, then `arguments` (NULL-terminated, or NULL), and waits until /readyz
 * answers 200. False, with the log printed, if it exits first or takes too long.
 */
bool broker_process_start(struct broker_process *broker, const char *const *arguments);

/* Starts it without waiting, for those who test the start itself. */
bool broker_process_spawn(struct broker_process *broker, const char *const *arguments);
bool broker_process_wait_ready(struct broker_process *broker);

/* SIGKILL, and reaps it. */
void broker_process_kill(struct broker_process *broker);

/* SIGTERM, and waits for the end. Returns the exit code, 128 + signal, or -1 if it had to be killed after BROKER_STOP_MS. */
int broker_process_term(struct broker_process *broker);

/* The second half of it, for those who sent the signal themselves and had to do something meanwhile. */
int broker_process_wait_end(struct broker_process *broker);

/* Of one that does not run: its data are gone, and the next start is that of a new broker, with another epoch. */
void broker_process_wipe(struct broker_process *broker);

/* True while it runs; reaps it and keeps exit_status if it has ended by itself. */
bool broker_process_is_running(struct broker_process *broker);

/* Kilobytes from /proc/PID/status: "VmHWM", "VmRSS" ...; 0 if it does not run. */
int64_t broker_process_memory_kb(const struct broker_process *broker, const char *field);

/* Copies the log to stderr. */
void broker_process_print_log(const struct broker_process *broker);

/* Kills what still runs and removes the directory. Accepts a zeroed struct. */
void broker_process_fini(struct broker_process *broker);

/* A loopback port that was free a moment ago; 0 on failure. */
uint16_t port_pick(void);

#endif
