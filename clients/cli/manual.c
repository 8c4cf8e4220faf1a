/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The manual page ahora(1) as source for scdoc, written from the table of commands: docs/man/ahora.1.scd. */
#include <string.h>

#include "clients/cli/command.h"

/* What scdoc would take as markup is escaped. */
static void put_text(FILE *to, const char *text) {
    for (; *text != '\0'; text++) {
        if (strchr("_*#\\<>`~", *text) != NULL) {
            fputc('\\', to);
        }
        fputc(*text, to);
    }
}

static void put_bold(FILE *to, const char *text) {
    fputc('*', to);
    put_text(to, text);
    fputc('*', to);
}

static void put_options(FILE *to, unsigned bits) {
    for (size_t i = 0; options_at(i) != NULL; i++) {
        const struct option_row *row = options_at(i);
        if ((row->bit & bits) == 0 || row->bit == ~0u) {
            continue;
        }
        fputc('*', to);
        if (row->letter != 0) {
            fprintf(to, "-%c*, *", row->letter);
        }
        fprintf(to, "--%s*", row->name);
        if (row->value != NULL) {
            fprintf(to, " _%s_", row->value);
        }
        fputs("\n\t", to);
        put_text(to, row->help);
        fputs("\n\n", to);
    }
}

static void put_command(FILE *to, const struct command *command) {
    fprintf(to, "## ahora %s", command->name);
    fputs("\n\n", to);
    put_bold(to, "ahora ");
    put_bold(to, command->name);
    fputs(" [options] ", to);
    put_text(to, command->arguments);
    fputs("\n\n", to);
    put_text(to, command->help);
    fputs(".\n\n", to);
    if (command->more != NULL) {
        put_text(to, command->more);
        fputc('\n', to);
    }
    fputs("```\n", to);
    fputs(command->examples, to);
    fputs("```\n\n", to);
    put_options(to, command->options & ~(unsigned)(OPTION_SERVER | OPTION_ENCODING));
}

void command_manual(FILE *to) {
    fputs("ahora(1)\n\n# NAME\n\nahora - follow and change documents in an ahora broker\n\n# SYNOPSIS\n\n"
          "*ahora* [*-s* _URL_] _command_ [options] [arguments]\n\n"
          "*ahora* *help* [_command_]\n\n# DESCRIPTION\n\n"
          "An ahora broker holds the current state of things, each as a document under a topic, and pushes every change to "
          "whoever\n"
          "follows it. *ahora* publishes documents, reads and follows them, replays recorded traces, and shows how the broker "
          "does.\n\n"
          "A topic is _kind/segment/..._; in a pattern \\* stands for one segment and a final \\*\\* for one or more.\n\n"
          "# COMMANDS\n\n",
          to);
    for (size_t i = 0; command_at(i) != NULL; i++) {
        put_command(to, command_at(i));
    }
    fputs("# OPTIONS OF ALL COMMANDS\n\n", to);
    put_options(to, OPTION_SERVER | OPTION_ENCODING);
    fputs("*-h*, *--help*\n\tWhat a command takes, with examples.\n\n# EXIT STATUS\n\n", to);
    put_text(to, command_exit_codes);
    fputs("\n# EXAMPLES\n\nFollow all orders, in another terminal set one, and watch the broker:\n\n```\nahora sub 'order/*'\n"
          "ahora put order/2301 '{\"status\": \"OrderProcessing\"}'\nahora top 'order/*'\n```\n\n"
          "# SEE ALSO\n\n*ahorad*(8), *ahora.conf*(5), *libahora*(3)\n",
          to);
}
