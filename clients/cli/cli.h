/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What every command has: the loop, its clients, Ctrl-C, and the exit code. One thread.
 *
 * A command opens one or more clients, does its work in their callbacks, and calls cli_end once. The first connection must
 * succeed; after that clients come back by themselves, and reconnects are told on stderr.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <uv.h>

#include "clients/cli/options.h"

enum cli_exit {
    CLI_FINE = 0,
    CLI_USAGE = 1,
    CLI_CONNECTION = 2, /* no broker there, or it was lost before the answer */
    CLI_REFUSED = 3,    /* a typed error of the broker */
    CLI_NOT_FOUND = 4,
    CLI_PARTIAL = 5, /* interrupted, or the outcome of some changes is not known */
};

struct cli {
    struct options options;
    int argc; /* arguments after the options */
    char **argv;
    uv_loop_t loop;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    struct ahora *clients[PRODUCERS_MAX];
    unsigned client_count;
    unsigned clients_open;
    unsigned connected; /* clients that were connected at least once */
    bool quiet;         /* no lines about reconnects */
    bool ended;
    enum cli_exit code;
    void *command;
    void (*on_interrupt)(struct cli *cli); /* NULL: end with CLI_PARTIAL */
};

/* False after a message. */
bool cli_init(struct cli *cli);

/* Opens `count` clients into cli->clients. False after a message. */
bool cli_connect(struct cli *cli, unsigned count);

/* Runs until the end and returns the exit code. */
int cli_run(struct cli *cli);

/* Closes everything; the first code that is not CLI_FINE stays. */
void cli_end(struct cli *cli, enum cli_exit code);

/* "ahora: …" on stderr. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit code for a change's or a get's outcome. */
enum cli_exit cli_exit_of(enum ahora_code code);

/* "ahora: WHAT: conflict, now at seq 12: detail" on stderr. */
void cli_say_refused(const char *what, const struct ahora_result *result);

#endif
