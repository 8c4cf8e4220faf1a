/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A backup of the running store, made by `ahorad --backup` in a process of its own: copying takes as long as the disk needs, and LMDB may not be
 * opened twice in one process. The copy stands in <data>/backups/NAME. One at a time.
 *
 *   backup_start ──▶ a thread of libuv's pool: starts the process, waits for it ──▶ on_done, on the loop thread
 */
#ifndef NET_BACKUP_H
#define NET_BACKUP_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stdint.h>

#define BACKUP_NAME_BYTES_MAX 64

struct backup;
struct broker;

struct backup_outcome {
    bool done;
    bool exists; /* not done because there is one of that name */
    const char *name;
    const char *detail; /* for people, if it failed */
    int64_t took_ms;
};

/* Letters, digits, - and _. */
bool backup_name_is_fine(struct span name);

/* NULL: one is under way, or no memory. */
struct backup *backup_start(struct broker *broker, struct span name, void *owner,
                            void (*on_done)(void *owner, const struct backup_outcome *outcome));

/* It goes on, but nobody is told. */
void backup_forget(struct backup *backup);

/* The loop ends: the process is told to stop, so that nobody waits for it. */
void backup_stop(struct broker *broker);

#endif
