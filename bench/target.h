/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What can be put under load: ahora, the yardstick, and the peers a user might pick instead. One table: how each is spoken to, how it is
 * started in its own favour (nothing on disk, no log, no rights), and what it cannot do.
 */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include "bench/dialect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGETS_MAX 16

/* What a scenario asks of a target. */
enum ability {
    CAN_DELIVER = 1 << 0, /* topics, subscribers, changes */
    CAN_JOIN = 1 << 1,    /* a joining subscriber gets the last value */
    CAN_ACK = 1 << 2,     /* publishes are answered */
    CAN_SKIP = 1 << 3,    /* a slow reader is passed over, and told */
    CAN_BE_AHORA = 1 << 4 /* resume, patterns, circles, durable … */
};

struct target {
    const char *name;
    const char *about;       /* for the report */
    unsigned abilities;      /* of enum ability */
    bool is_secure;          /* ahora: the load comes by TLS, questions about its state do not */
    const char *cannot;      /* why it lacks abilities, or NULL */
    enum dialect_name seeds; /* who gives topics their first version */
    enum dialect_name reads;
    enum dialect_name writes;
    const char
        *programs[4];      /* where it may be: names in PATH, paths, or below --peers; NULL: ahora and raw, given by options */
    const char *arguments; /* {dir} {port} {port2} {config} {peers} stand for what they say */
    const char *config;    /* of the file {config}, or NULL */
    const char *version;   /* arguments that make it print its version */
};

const struct target *target_at(size_t index); /* NULL behind the last */
const struct target *target_find(const char *name);

/* Where its program is; false if it is not installed. `peers` is the folder of what npm installed. */
bool target_find_program(const struct target *target, const char *peers, char *out, size_t out_bytes);

struct target_places {
    const char *directory;
    const char *config; /* path of the file */
    const char *peers;
    uint16_t port;
    uint16_t port_beside;
};

/* Writes `text` with its {names} replaced. False if it does not fit. */
bool target_expand(const char *text, const struct target_places *places, char *out, size_t out_bytes);

/* The first line it prints when asked for its version; "" if it says nothing. */
void target_version(const struct target *target, const char *program, char *out, size_t out_bytes);

#endif
