/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The broker's command line: reads the configuration from its four sources, then runs the broker, tests the configuration, or backs up. */
#include "broker/net/broker.h"
#include "broker/net/budget.h"
#include "broker/net/config_kinds.h"
#include "broker/net/config_promise.h"
#include "broker/net/kinds_directory.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

enum flag {
    FLAG_CONFIG = 'c',
    FLAG_TEST = 't',
    FLAG_HELP = 'h',
    FLAG_VERSION = 'V',
    FLAG_LISTEN = 256,
    FLAG_DATA,
    FLAG_SYNC,
    FLAG_SHARDS,
    FLAG_LOG_LEVEL,
    FLAG_KINDS,
    FLAG_BACKUP,
    FLAG_BUDGET,
    FLAG_INSECURE_OPEN,
};

static const struct option options[] = {
    {"config", required_argument, NULL, FLAG_CONFIG},
    {"listen", required_argument, NULL, FLAG_LISTEN},
    {"data", required_argument, NULL, FLAG_DATA},
    {"sync", required_argument, NULL, FLAG_SYNC},
    {"shards", required_argument, NULL, FLAG_SHARDS},
    {"kinds", required_argument, NULL, FLAG_KINDS},
    {"log-level", required_argument, NULL, FLAG_LOG_LEVEL},
    {"insecure-open", no_argument, NULL, FLAG_INSECURE_OPEN},
    {"test", no_argument, NULL, FLAG_TEST},
    {"backup", required_argument, NULL, FLAG_BACKUP},
    {"budget", no_argument, NULL, FLAG_BUDGET},
    {"help", no_argument, NULL, FLAG_HELP},
    {"version", no_argument, NULL, FLAG_VERSION},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "usage: ahorad [options]\n"
    "\n"
    "  -c, --config FILE       read the configuration from FILE (docs/configuration.md)\n"
    "      --listen ADDR:PORT  where to listen, several separated by commas; default 127.0.0.1:7600\n"
    "      --data DIR          the directory of the store, created if missing; default ahora-data\n"
    "      --sync WHEN         every, off, or a duration: when the journal is synced to disk; default every\n"
    "      --shards N          loops that fan out, each on a thread of its own; 0: one for each core; default 1\n"
    "      --kinds DIR         the directory of your own kinds, one JSON Schema NAME.json each\n"
    "      --log-level LEVEL   error, warn, info or debug; default info\n"
    "      --insecure-open     listen beyond loopback although anybody there may read and write everything\n"
    "  -t, --test              check the configuration, print what is in force, and exit\n"
    "      --backup DIR        copy the store, also of a running broker, into the new directory DIR, and exit\n"
    "      --budget            print what connections, topics, views … cost in memory, and the sum at the limits, and exit\n"
    "  -h, --help              print this, and exit\n"
    "  -V, --version           print the version, and exit\n"
    "\n"
    "Flags go over environment variables (AHORA_SECTION_KEY), these over the file.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong use.\n";

/* A flag that stands for a key of the configuration. */
struct flag_key {
    int flag;
    const char *section;
    const char *name;
};

static const struct flag_key flag_keys[] = {
    {FLAG_LISTEN, "listen", "address"}, {FLAG_DATA, "store", "data"},     {FLAG_SYNC, "store", "sync"},
    {FLAG_SHARDS, "threads", "shards"}, {FLAG_LOG_LEVEL, "log", "level"}, {FLAG_INSECURE_OPEN, "listen", "insecure_open"},
    {FLAG_KINDS, "kinds", "directory"},
};

static void set_by_flag(struct config *config, int flag, const char *value, FILE *errors) {
    char why[256] = "--listen: an address is needed";
    bool is_missing = flag == FLAG_LISTEN && value[0] == '\0'; /* in a file it means: those of the other keys */
    for (size_t i = 0; i < sizeof flag_keys / sizeof flag_keys[0]; i++) {
        const struct flag_key *key = &flag_keys[i];
        if (key->flag == flag && (is_missing || !config_set(config, key->section, key->name, value, why, sizeof why))) {
            fprintf(errors, "command line: %s\n", why);
            config->errors++;
        }
    }
}

struct command {
    const char *backup; /* NULL: none */
    bool test;
    bool budget;
    int exit_code; /* -1: go on */
};

/* The file goes first although its flag may stand last, so the flags are read twice. */
static void read_file_flag(struct config *config, int count, char **words, FILE *errors) {
    int flag;
    opterr = 0;
    optind = 1;
    while ((flag = getopt_long(count, words, "c:thV", options, NULL)) != -1) {
        if (flag == FLAG_CONFIG) {
            config_read_file(config, optarg, errors);
        }
    }
}

static struct command read_flags(struct config *config, int count, char **words, FILE *errors) {
    struct command command = {.exit_code = -1};
    int flag;
    opterr = 1;
    optind = 1;
    while (command.exit_code < 0 && (flag = getopt_long(count, words, "c:thV", options, NULL)) != -1) {
        switch (flag) {
        case FLAG_CONFIG:
            break;
        case FLAG_TEST:
            command.test = true;
            break;
        case FLAG_BUDGET:
            command.budget = true;
            break;
        case FLAG_BACKUP:
            command.backup = optarg;
            break;
        case FLAG_HELP:
            fputs(help, stdout);
            command.exit_code = 0;
            break;
        case FLAG_VERSION:
            puts("ahorad " AHORA_VERSION);
            command.exit_code = 0;
            break;
        case '?':
            fputs("try ahorad --help\n", errors);
            command.exit_code = 2;
            break;
        default:
            set_by_flag(config, flag, flag == FLAG_INSECURE_OPEN ? "true" : optarg, errors);
            break;
        }
    }
    if (command.exit_code < 0 && optind < count) {
        fprintf(errors, "'%s' is not an option; try ahorad --help\n", words[optind]);
        command.exit_code = 2;
    }
    return command;
}

/* Certificates that do not load are better told of by --test than by a start. */
static void check_certificates(struct config *config) {
    char why[512];
    struct tls_context context;
    if (config->errors > 0 || !listen_has_tls(config)) {
        return;
    }
    tls_context_init(&context);
    if (!tls_context_load(&context, config, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        config->errors++;
    }
    tls_context_fini(&context);
}

static int back_up(const struct config *config, const char *to) {
    char detail[512] = "";
    enum result result = store_backup(config->data, to, detail, sizeof detail);
    if (result != RESULT_OK) {
        fprintf(stderr, "ahorad: backup failed: %s\n", detail);
        return 1;
    }
    return 0;
}

/* Kinds are known only now. */
static void check_promises(struct config *config, const struct kinds *kinds) {
    const char *unknown = kinds == NULL ? NULL : config_unknown_promise(config, kinds);
    if (unknown != NULL) {
        fprintf(stderr, "freshness: there is no kind '%s'\n", unknown);
        config->errors++;
    }
    unknown = kinds == NULL ? NULL : config_unknown_bound(config, kinds);
    if (unknown != NULL) {
        fprintf(stderr, "kinds: there is no kind '%s'\n", unknown);
        config->errors++;
    }
}

/* The same again, while the broker runs: from the same file, environment and command line. */
static void read_again(const struct config_source *source, struct config *config, FILE *errors) {
    config_init(config);
    read_file_flag(config, source->count, source->words, errors);
    config_read_environment(config, environ, errors);
    (void)read_flags(config, source->count, source->words, errors);
    config_check(config, errors);
}

int main(int count, char **words) {
    const struct config_source source = {.count = count, .words = words, .read = read_again};
    struct broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL) {
        return 1;
    }
    struct kinds *kinds = NULL;
    struct config *config = &broker->config;
    broker->config_source = &source;
    config_init(config);
    read_file_flag(config, count, words, stderr);
    config_read_environment(config, environ, stderr);
    struct command command = read_flags(config, count, words, stderr);
    int exit_code = command.exit_code;
    if (exit_code < 0) {
        config_check(config, stderr);
        check_certificates(config);
        config->errors += access_check(config, stderr) ? 0 : 1;
        kinds = kinds_directory_read(config->kinds, stderr, &config->errors);
        broker->kinds = kinds;
        check_promises(config, kinds);
        if (command.test) {
            config_print(config, stdout);
            exit_code = config->errors > 0 ? 1 : 0;
        } else if (config->errors > 0) {
            exit_code = 1;
        } else if (command.budget) {
            budget_print(config, stdout);
            exit_code = 0;
        } else {
            exit_code = command.backup != NULL ? back_up(config, command.backup) : broker_run(broker);
        }
    }
    kinds_destroy(kinds);
    free(broker);
    return exit_code;
}
