/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/command.h"

static int help_all(FILE *to, int code) {
    fputs("ahora: follow and change documents in an ahora broker\n\n", to);
    for (size_t i = 0; command_at(i) != NULL; i++) {
        const struct command *command = command_at(i);
        fprintf(to, "  ahora %-8s%-23s %s\n", command->name, command->arguments, command->help);
    }
    fputs("  ahora completion bash                 completion for a shell: eval \"$(ahora completion bash)\"\n"
          "  ahora help    [COMMAND]               its options and examples; --scdoc: the source of the manual page\n"
          "  ahora version\n\n"
          "To begin with, beside a broker that runs (make run):\n"
          "  ahora sub 'order/*'\n"
          "  ahora put stock/4711/lyon '{\"available\": 3}'\n"
          "  ahora top\n\n",
          to);
    fputs(command_exit_codes, to);
    return code;
}

static int help(const char *name) {
    if (name == NULL) {
        return help_all(stdout, CLI_FINE);
    }
    if (strcmp(name, "--scdoc") == 0) {
        command_manual(stdout);
        return CLI_FINE;
    }
    const struct command *command = command_find(name);
    if (command == NULL) {
        cli_say("no command %s", name);
        return CLI_USAGE;
    }
    command_help(command);
    return CLI_FINE;
}

static int complete(const char *shell) {
    if (shell == NULL || strcmp(shell, "bash") != 0) {
        cli_say("completion is for bash: ahora completion bash");
        return CLI_USAGE;
    }
    command_completion(stdout);
    return CLI_FINE;
}

static int run(const struct command *command, int argc, char **argv) {
    static struct cli cli; /* large, and needed until the process ends */
    int first = 1;
    if (!options_parse(&cli.options, command->options, argc, argv, &first)) {
        return CLI_USAGE;
    }
    if (cli.options.help) {
        command_help(command);
        return CLI_FINE;
    }
    cli.argc = argc - first;
    cli.argv = argv + first;
    if (cli.argc < command->arguments_min || (command->arguments_max >= 0 && cli.argc > command->arguments_max)) {
        fprintf(stderr, "usage: ahora %s [options] %s\n", command->name, command->arguments);
        return CLI_USAGE;
    }
    return cli_init(&cli) ? command->run(&cli) : CLI_CONNECTION;
}

/* `ahora -s URL put …` is `ahora put -s URL …`: the option in front stands for AHORA_URL. */
static void take_server(int *argc, char ***argv) {
    static const char assigned[] = "--server=";
    for (;;) {
        const char *word = *argc > 1 ? (*argv)[1] : "";
        int used = 0;
        if (strncmp(word, assigned, strlen(assigned)) == 0) {
            setenv("AHORA_URL", word + strlen(assigned), 1);
            used = 1;
        } else if ((strcmp(word, "-s") == 0 || strcmp(word, "--server") == 0) && *argc > 2) {
            setenv("AHORA_URL", (*argv)[2], 1);
            used = 2;
        }
        if (used == 0) {
            return;
        }
        *argc -= used;
        *argv += used;
    }
}

int main(int argc, char **argv) {
    take_server(&argc, &argv);
    if (argc < 2) {
        return help_all(stderr, CLI_USAGE);
    }
    const char *name = argv[1];
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        puts("ahora " AHORA_VERSION);
        return CLI_FINE;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return help(argc > 2 ? argv[2] : NULL);
    }
    if (strcmp(name, "completion") == 0) {
        return complete(argc > 2 ? argv[2] : NULL);
    }
    const struct command *command = command_find(name);
    if (command == NULL) {
        cli_say("no command %s; \"ahora help\" lists them", name);
        return CLI_USAGE;
    }
    return run(command, argc - 1, argv + 1);
}
