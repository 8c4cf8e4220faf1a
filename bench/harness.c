/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/harness.h"

#include "bench/many.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void find_folder(struct harness *harness) {
    ssize_t bytes = readlink("/proc/self/exe", harness->folder, sizeof harness->folder - 1);
    harness->folder[bytes > 0 ? bytes : 0] = '\0';
    char *slash = strrchr(harness->folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

static void choose_cores(struct harness *harness, const struct options *options) {
    bool alone = sysconf(_SC_NPROCESSORS_ONLN) < 2;
    harness->server_core = alone ? -1 : options->server_core < 0 ? 0 : (int)options->server_core;
    if (options->load_core == NULL || !cores_parse(options->load_core, &harness->load_cores)) {
        cores_beside(harness->server_core, &harness->load_cores);
    }
    if (alone) {
        harness->load_cores.count = 0;
    }
}

/* Each run anew: within a plan, some are pinned and some are not. */
static int pin(const struct harness *harness, const struct options *options) {
    int core = options->no_pin ? -1 : cores_of(&harness->load_cores, 0);
    if (!core_pin(core)) {
        fprintf(stderr, "ahora-bench: cannot pin to core %d: going on without\n", core);
    }
    if (!options->no_pin && harness->load_cores.count > 0 && options->loads > harness->load_cores.count) {
        fprintf(stderr, "ahora-bench: %lld load processes share %d cores: figures mean little\n", (long long)options->loads,
                harness->load_cores.count);
    }
    return options->no_pin ? -1 : harness->server_core;
}

static void raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

void harness_init(struct harness *harness, const struct options *options) {
    find_folder(harness);
    choose_cores(harness, options);
    raise_file_limit();
}

static void peers_of(const struct harness *harness, const struct options *options, char *out, size_t out_bytes) {
    if (options->peers != NULL) {
        snprintf(out, out_bytes, "%s", options->peers);
    } else {
        snprintf(out, out_bytes, "%s/peers", harness->folder);
    }
}

bool harness_program(const struct harness *harness, const struct options *options, const struct target *target, char *out,
                     size_t out_bytes) {
    char peers[512];
    if (target->programs[0] != NULL) {
        peers_of(harness, options, peers, sizeof peers);
        return target_find_program(target, peers, out, out_bytes);
    }
    bool is_ahora = (target->abilities & CAN_BE_AHORA) != 0;
    const char *given = is_ahora ? options->ahorad : options->raw;
    if (given != NULL) {
        snprintf(out, out_bytes, "%s", given);
    } else {
        snprintf(out, out_bytes, "%s/%s", harness->folder, is_ahora ? "ahorad" : "ahora-bench-raw");
    }
    return access(out, X_OK) == 0;
}

/* Within `all` and suites: who cannot be split is played by one process. */
static struct options options_for(const struct scenario *scenario, const struct options *options) {
    struct options own = *options;
    if (scenario->splitting != SPLITS || own.brokers > 1) {
        own.loads = 1;
    }
    return own;
}

bool harness_run(const struct harness *harness, const struct scenario *scenario, const struct options *given,
                 const struct target *target, struct result *result) {
    struct options own = options_for(scenario, given);
    const struct options *options = &own;
    char program[512];
    char peers[512];
    result->scenario = scenario->name;
    result->target = target->name;
    if (options->url == NULL && !harness_program(harness, options, target, program, sizeof program)) {
        result->skipped = target->programs[0] != NULL ? "not installed: make bench-peers-deps" : "not built";
        return false;
    }
    peers_of(harness, options, peers, sizeof peers);
    struct server_plan plan = {.target = target,
                               .program = program,
                               .peers = peers,
                               .arguments = options->server_arguments,
                               .prefix = options->prefix,
                               .url = options->url,
                               .pid = options->pid,
                               .core = pin(harness, options)};
    if (!options->no_pin) {
        plan.load_cores = harness->load_cores;
    }
    if (options->brokers > 1 && options->url == NULL && strcmp(scenario->name, "idle") == 0) {
        return many_run(scenario, options, &plan, result);
    }
    return scenario_run(scenario, options, &plan, result);
}

static bool add_target(const char *name, size_t name_bytes, const struct target **targets, size_t *count) {
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)name_bytes, name);
    const struct target *target = target_find(text);
    if (target == NULL || *count == TARGETS_MAX) {
        fprintf(stderr, "ahora-bench: --target %s: want some of all", text);
        for (size_t i = 0; target_at(i) != NULL; i++) {
            fprintf(stderr, " %s", target_at(i)->name);
        }
        fprintf(stderr, "\n");
        return false;
    }
    targets[(*count)++] = target;
    return true;
}

bool harness_list_targets(const char *text, const struct target **targets, size_t *count) {
    *count = 0;
    for (size_t i = 0; strcmp(text, "all") == 0 && target_at(i) != NULL; i++) {
        if (!target_at(i)->is_secure) { /* that is ahora once more: asked for by its name */
            targets[(*count)++] = target_at(i);
        }
    }
    while (*count == 0 || *text == ',') {
        text += *text == ',';
        size_t bytes = strcspn(text, ",");
        if (!add_target(text, bytes, targets, count)) {
            return false;
        }
        text += bytes;
    }
    return true;
}
