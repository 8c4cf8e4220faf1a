/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/commands.h"

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    const char *more; /* NULL: none */
    unsigned options;
    int arguments_min;
    int arguments_max; /* -1: any number */
    int (*run)(struct cli *cli);
};

#define OPTIONS_LINE (OPTION_SERVER | OPTION_ENCODING)
#define OPTIONS_CHANGE (OPTIONS_LINE | OPTION_CHANGE | OPTION_ACK | OPTION_SOURCE)

static const struct command commands[] = {
    {"pub", "CHANGE... | -l", "publish changes, given as JSON or read from standard input",
     "A change: {\"op\":\"set|patch|adjust|touch|delete\",\"topic\":\"stock/4711/lyon\",\"data\":{}, at if_seq if_newer key "
     "fresh_ms\n"
     "expire_ms}; other members are ignored. With -l, refused lines are told on stderr by number, and the rest goes on.\n",
     OPTIONS_LINE | OPTION_ACK | OPTION_PUB | OPTION_SOURCE, 0, -1, command_pub},
    {"put", "TOPIC JSON", "set a topic's document", NULL, OPTIONS_CHANGE, 2, 2, command_put},
    {"patch", "TOPIC JSON", "merge into a topic's document (RFC 7396: null removes a field)", NULL, OPTIONS_CHANGE, 2, 2,
     command_patch},
    {"adjust", "TOPIC FIELD=+N... | JSON", "add to integer fields: ahora adjust stock/4711/lyon available=-1", NULL,
     OPTIONS_CHANGE, 2, -1, command_adjust},
    {"range", "OP TOPIC START END [JSON | FIELD=+N...]", "one change on each night from START to END, all or nothing",
     "ahora range adjust room/central/double 2027-05-01 2027-05-03 booking_limit=-1\n"
     "TOPIC is without the night; START and END are the first and the last night. OP: set, patch, adjust, touch, delete.\n",
     OPTION_SERVER | OPTION_ACK | OPTION_RANGE, 4, -1, command_range},
    {"touch", "TOPIC", "renew a topic's promise to be fresh, changing nothing", NULL, OPTIONS_CHANGE, 1, 1, command_touch},
    {"delete", "TOPIC", "remove a topic", NULL, OPTIONS_CHANGE, 1, 1, command_delete},
    {"get", "TOPIC|PATTERN...", "print current documents",
     "Readable on a terminal; in a pipe one JSON object a line: {topic, seq, at, data, stale?}.\n", OPTIONS_LINE | OPTION_LIMIT,
     1, AHORA_PATTERNS_MAX, command_get},
    {"sub", "PATTERN...", "print documents, then changes as they happen, until Ctrl-C",
     "Readable on a terminal; in a pipe one JSON object a line: {op: set|patch|remove|subscribed|live, topic, seq, at, data, "
     "patch?,\n"
     "stale?, why?}; data is always the whole document. Ctrl-C prints the token for --since on stderr.\n",
     OPTIONS_LINE | OPTION_SUB | OPTION_LIMIT, 1, AHORA_PATTERNS_MAX, command_sub},
    {"replay", "FILE...", "publish recorded traces",
     "A trace is .ndjson or .ndjson.gz, one {t, topic, op, data} a line with t in ms since its start; all files start "
     "together.\n",
     OPTIONS_LINE | OPTION_ACK | OPTION_REPLAY | OPTION_SOURCE, 1, 64, command_replay},
    {"token", "make KEYFILE CLAIM=VALUE... | show | check KEYFILE", "make, print or check a token",
     "ahora token make keys/shop.hs256 sub=anna exp=1h 'ahora.sub=stock/**,order/{order_ids}' 'order_ids:=[\"o-1\"]'\n"
     "KEYFILE: KID.hs256 holds a secret, KID.rs256.pem, KID.es256.pem or KID.pem a key; to make takes the private one.\n"
     "A claim is NAME=TEXT or NAME:=JSON, of rights ahora.NAME=VALUE,VALUE; without exp the token is good for an hour.\n"
     "show and check read the token from --token-file, AHORA_TOKEN or standard input.\n",
     OPTION_SERVER, 1, -1, command_token},
    {"key", "make NAME RIGHT=VALUE... | secret", "make an API key, or a secret for HS256",
     "ahora key make backoffice 'pub=stock/**,room/**' 'sub=**' >>api_keys\n"
     "The line for the broker's file goes to standard output, the key itself, shown this once, to standard error.\n",
     OPTION_SERVER, 1, -1, command_key},
    {"status", "", "print the broker's status", NULL, OPTION_SERVER | OPTION_RAW, 0, 0, command_status},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char exit_codes[] =
    "Exit codes: 0 done; 1 wrong usage; 2 broker not reached, or lost before it answered; 3 refused by the\n"
    "broker (its error code is on stderr); 4 not found; 5 interrupted, or not all outcomes are known.\n"
    "Environment: AHORA_URL (server), AHORA_TOKEN (JWT), NO_COLOR.\n";

static const struct command *find(const char *name) {
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int help_all(FILE *to, int code) {
    fputs("ahora: follow and change documents in an ahora broker\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(to, "  ahora %-8s%-23s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
    fputs("  ahora help    [COMMAND]               its options\n"
          "  ahora version\n\n",
          to);
    fputs(exit_codes, to);
    return code;
}

static int help_command(const struct command *command) {
    printf("ahora %s %s\n  %s\n\n", command->name, command->arguments, command->help);
    options_help(command->options);
    printf("\n%s%s", command->more == NULL ? "" : command->more, exit_codes);
    return CLI_FINE;
}

static int help(const char *name) {
    const struct command *command = name == NULL ? NULL : find(name);
    if (name != NULL && command == NULL) {
        cli_say("no command %s", name);
        return CLI_USAGE;
    }
    return command == NULL ? help_all(stdout, CLI_FINE) : help_command(command);
}

static int run(const struct command *command, int argc, char **argv) {
    static struct cli cli; /* large, and needed until the process ends */
    int first = 1;
    if (!options_parse(&cli.options, command->options, argc, argv, &first)) {
        return CLI_USAGE;
    }
    if (cli.options.help) {
        return help_command(command);
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
    const struct command *command = find(name);
    if (command == NULL) {
        cli_say("no command %s; \"ahora help\" lists them", name);
        return CLI_USAGE;
    }
    return run(command, argc - 1, argv + 1);
}
