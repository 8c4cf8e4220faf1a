/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The commands as a table: what they are called and take, what they do in words and in examples. The dispatcher, the help, the manual
 * page and the completion are all read from it. Constant.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "clients/cli/cli.h"

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    const char *more;     /* NULL: none */
    const char *examples; /* lines, each with its end */
    unsigned options;
    int arguments_min;
    int arguments_max; /* -1: any number */
    int (*run)(struct cli *cli);
};

extern const char command_exit_codes[];

/* NULL past the last. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name); /* NULL: there is none */

/* For people. */
void command_help(const struct command *command);

/* The manual page ahora(1), as source for scdoc; the completion for bash (manual.c, completion.c). */
void command_manual(FILE *to);
void command_completion(FILE *to);

#endif
