/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/options.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX INT64_C(1000000000)

enum option_type {
    OPTION_NUMBER,   /* 1000, 10k, 1M */
    OPTION_DURATION, /* 5s, 500ms, 1m, or seconds; in milliseconds */
    OPTION_TEXT,
    OPTION_FLAG,
};

struct option {
    char letter;
    const char *name;
    enum option_type type;
    size_t offset;
    const char *value; /* what help calls it */
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option table[] = {
    {'t', "topics", OPTION_NUMBER, AT(topics), "N", "topics"},
    {'c', "subs", OPTION_NUMBER, AT(subscribers), "N", "subscribers, of each topic"},
    {'p', "pubs", OPTION_NUMBER, AT(producers), "N", "producers (connections that publish)"},
    {'w', "window", OPTION_NUMBER, AT(window), "N",
     "changes of a topic, publish messages of a producer, or joins, in flight at once"},
    {'b', "batch", OPTION_NUMBER, AT(batch), "N", "changes in one publish message, 1 to 1000"},
    {'R', "rate", OPTION_NUMBER, AT(rate), "N",
     "open loop: so many changes (join: joins) a second in all, on schedule whatever happens; ingest: instead of --window"},
    {'n', "count", OPTION_NUMBER, AT(count), "N", "join, idle: connections; resume: changes while away"},
    {0, "stalled", OPTION_NUMBER, AT(stalled), "N",
     "slow: subscribers of each topic that stop reading; mix: slow readers in all"},
    {0, "churn", OPTION_NUMBER, AT(churn), "N", "churn, mix: so many sessions a second leave and come back as new ones"},
    {0, "active", OPTION_NUMBER, AT(active), "N", "latency: only the first N topics are followed and change"},
    {0, "views", OPTION_NUMBER, AT(views), "N", "subscriptions of each subscriber, to a topic each"},
    {0, "patterns", OPTION_NUMBER, AT(patterns), "N", "wildcard: so many patterns (1 to 8) select the one topic"},
    {0, "radius", OPTION_NUMBER, AT(radius), "METRES", "near: of the circles"},
    {0, "size", OPTION_NUMBER, AT(size), "N",
     "bytes of a document, 38 (as JSON 71) to 60000; 22 of them are its count and its time"},
    {'d', "duration", OPTION_DURATION, AT(duration_ms), "TIME", "measure so long"},
    {0, "warmup", OPTION_DURATION, AT(warmup_ms), "TIME", "and so long before, uncounted"},
    {0, "ack", OPTION_TEXT, AT(ack), "WHEN", "none, applied or durable"},
    {0, "encoding", OPTION_TEXT, AT(encoding), "NAME", "msgpack or json; for ingest also ndjson (over HTTP)"},
    {0, "target", OPTION_TEXT, AT(targets), "LIST", "ahora,raw,bun,… or all: run alternately and compared"},
    {0, "runs", OPTION_NUMBER, AT(runs), "N", "of each target; the median is compared"},
    {'s', "server", OPTION_TEXT, AT(url), "URL", "drive this broker (host:port) instead of starting one"},
    {0, "pid", OPTION_NUMBER, AT(pid), "PID", "of that broker, for its processor time and memory"},
    {0, "ahorad", OPTION_TEXT, AT(ahorad), "FILE", "the broker to start; default beside this program"},
    {0, "raw", OPTION_TEXT, AT(raw), "FILE", "the yardstick to start; default beside this program"},
    {0, "peers", OPTION_TEXT, AT(peers), "DIR", "what make bench-peers-deps installed; default peers/ beside this program"},
    {0, "traces", OPTION_TEXT, AT(traces), "DIR", "replay: where the traces are; default ../shared/data"},
    {0, "trace", OPTION_TEXT, AT(trace), "NAME", "replay: files with this in their name; default service-bus"},
    {0, "brokers", OPTION_NUMBER, AT(brokers), "N", "idle: spread the connections over N brokers and client processes"},
    {0, "loads", OPTION_NUMBER, AT(loads), "N",
     "spread the subscribers over N load processes, on a core each; the first publishes"},
    {0, "source", OPTION_NUMBER, AT(source), "N", "connect from 127.0.0.N"},
    {0, "server-args", OPTION_TEXT, AT(server_arguments), "TEXT", "more arguments for ahorad, such as \"--sync off\""},
    {0, "server-prefix", OPTION_TEXT, AT(prefix), "TEXT", "start it under this command, such as \"valgrind --tool=callgrind\""},
    {0, "server-core", OPTION_NUMBER, AT(server_core), "N", "pin the server to this core; default 0 if there are two"},
    {0, "load-core", OPTION_TEXT, AT(load_core), "LIST",
     "pin the load to these, such as 1 or 1-3,6; default those beside the server's"},
    {0, "no-pin", OPTION_FLAG, AT(no_pin), NULL, "let the kernel place both"},
    {0, "fresh", OPTION_FLAG, AT(fresh), NULL, "suite: measure again what was measured before"},
    {0, "out", OPTION_TEXT, AT(out), "DIR", "suite: where cells and report go; default bench/out"},
    {0, "any-pace", OPTION_FLAG, AT(any_pace), NULL,
     "a late generator is no fault: promises are checked, figures mean nothing"},
    {0, "quick", OPTION_FLAG, AT(quick), NULL, "shorter measurements: a third of the time"},
    {0, "progress", OPTION_FLAG, AT(progress), NULL, "a line of progress even if stderr is no terminal"},
    {0, "threshold", OPTION_TEXT, AT(threshold), "LIST", "'p99<5ms,lost=0': exit with 3 if one does not hold"},
    {0, "json", OPTION_TEXT, AT(json), "FILE", "write every run as JSON"},
    {0, "csv", OPTION_TEXT, AT(csv), "FILE", "write every run as CSV: scenario,target,run,valid,metric,value,unit,note"},
    {0, "hgrm", OPTION_TEXT, AT(hgrm), "PREFIX", "write each run's histogram to PREFIX-scenario-target-run.hgrm"},
    {'h', "help", OPTION_FLAG, AT(help), NULL, "print this, and exit"},
};

#define OPTIONS (sizeof table / sizeof table[0])

static int64_t *number_at(struct options *options, const struct option *option) {
    return (int64_t *)(void *)((char *)options + option->offset);
}

static const char **text_at(struct options *options, const struct option *option) {
    return (const char **)(void *)((char *)options + option->offset);
}

/* The number at the front of `text` times the unit behind it; -1 if that is none. */
static double scale_of(enum option_type type, const char *unit) {
    static const struct {
        enum option_type type;
        const char *unit;
        double scale;
    } units[] = {
        {OPTION_NUMBER, "", 1},     {OPTION_NUMBER, "k", 1e3},   {OPTION_NUMBER, "K", 1e3},  {OPTION_NUMBER, "M", 1e6},
        {OPTION_DURATION, "", 1e3}, {OPTION_DURATION, "s", 1e3}, {OPTION_DURATION, "ms", 1}, {OPTION_DURATION, "m", 6e4},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].type == type && strcmp(units[i].unit, unit) == 0) {
            return units[i].scale;
        }
    }
    return -1;
}

static bool set_number(struct options *options, const struct option *option, const char *text) {
    char *unit;
    double number = strtod(text, &unit);
    double scale = scale_of(option->type, unit);
    double value = number * scale;
    if (unit == text || scale < 0 || !(value >= 0 && value <= (double)NUMBER_MAX)) {
        fprintf(stderr, "ahora-bench: --%s %s: want a %s\n", option->name, text,
                option->type == OPTION_NUMBER ? "number, such as 1000 or 10k" : "time, such as 5s or 500ms");
        return false;
    }
    *number_at(options, option) = (int64_t)value;
    return true;
}

static bool set_option(struct options *options, const struct option *option, const char *text) {
    switch (option->type) {
    case OPTION_FLAG:
        *(bool *)(void *)((char *)options + option->offset) = true;
        return true;
    case OPTION_TEXT:
        *text_at(options, option) = text;
        return true;
    case OPTION_NUMBER:
    case OPTION_DURATION:
        return set_number(options, option, text);
    }
    return false;
}

static const struct option *find_option(const char *argument, const char **value) {
    const char *name = argument + 2;
    size_t bytes = strcspn(name, "=");
    for (size_t i = 0; i < OPTIONS; i++) {
        bool is_long = argument[1] == '-' && strlen(table[i].name) == bytes && strncmp(table[i].name, name, bytes) == 0;
        bool is_short = argument[1] != '-' && table[i].letter != 0 && argument[1] == table[i].letter;
        if (is_long || is_short) {
            *value = is_long && name[bytes] == '=' ? name + bytes + 1 : is_short && argument[2] != '\0' ? argument + 2 : NULL;
            return &table[i];
        }
    }
    return NULL;
}

bool options_parse(struct options *options, int argc, char **argv) {
    options->server_core = -1;
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        if (argv[i][0] != '-') {
            if (options->scenario_count == SCENARIOS_MAX) {
                fprintf(stderr, "ahora-bench: too many scenarios\n");
                return false;
            }
            options->scenarios[options->scenario_count++] = argv[i];
            continue;
        }
        const struct option *option = find_option(argv[i], &value);
        if (option == NULL) {
            fprintf(stderr, "ahora-bench: %s: no such option; see --help\n", argv[i]);
            return false;
        }
        if (option->type != OPTION_FLAG && value == NULL && ++i < argc) {
            value = argv[i];
        }
        if (option->type != OPTION_FLAG && value == NULL) {
            fprintf(stderr, "ahora-bench: --%s wants a value\n", option->name);
            return false;
        }
        if (!set_option(options, option, value)) {
            return false;
        }
    }
    return true;
}

void options_fill(struct options *options, const struct options *defaults) {
    struct options copy = *defaults;
    for (size_t i = 0; i < OPTIONS; i++) {
        if (table[i].type == OPTION_TEXT && *text_at(options, &table[i]) == NULL) {
            *text_at(options, &table[i]) = *text_at(&copy, &table[i]);
        }
        bool is_number = table[i].type == OPTION_NUMBER || table[i].type == OPTION_DURATION;
        if (is_number && *number_at(options, &table[i]) == 0) {
            *number_at(options, &table[i]) = *number_at(&copy, &table[i]);
        }
    }
}

void options_print(void) {
    for (size_t i = 0; i < OPTIONS; i++) {
        char name[48];
        snprintf(name, sizeof name, "--%s%s%s", table[i].name, table[i].value != NULL ? " " : "",
                 table[i].value != NULL ? table[i].value : "");
        if (table[i].letter != 0) {
            printf("  -%c, %-22s %s\n", table[i].letter, name, table[i].help);
        } else {
            printf("      %-22s %s\n", name, table[i].help);
        }
    }
}
