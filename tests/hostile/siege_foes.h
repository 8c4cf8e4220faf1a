/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Connections that mean no good, many at once, in a process of their own: one loop, non-blocking sockets, each foe of one of the kinds in the table of
 * siege_foes.c. One that the broker closes comes back. What they did is counted in memory that both processes see.
 */
#ifndef TESTS_HOSTILE_SIEGE_FOES_H
#define TESTS_HOSTILE_SIEGE_FOES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FOE_KINDS 14

struct foe_tally {
    uint64_t opened;
    uint64_t upgraded;
    uint64_t refused; /* no connection, or at once none any more */
    uint64_t ended;   /* by the broker, after it had begun */
    uint64_t sent;    /* bytes */
    uint64_t heard;
};

struct siege_tally {
    struct foe_tally kinds[FOE_KINDS];
    uint32_t in_place; /* foes that have begun */
};

const char *foe_name(size_t kind);

/* Starts `count` foes against the port; the tally is shared. The child's pid, -1 on failure. It ends with SIGKILL or with its parent. */
pid_t foes_start(uint16_t port, size_t count, struct siege_tally **tally);
void foes_stop(pid_t pid);

#endif
