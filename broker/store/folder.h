/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The folding thread: brings closed segments into the checkpoint, newest record of each topic and key, and lets them go. A thread beside
 * the storage thread because a fold takes tenths of a second, and `durable` must not wait for it.
 *
 * To fold the same segment again, or part of it, changes nothing. A backup holds a lock while it copies the checkpoint; folding
 * waits until it is done.
 */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "broker/store/checkpoint.h"
#include "broker/store/writer.h"

struct folder {
    pthread_t thread;
    struct writer *writer;         /* borrowed, as all below */
    struct checkpoint *checkpoint; /* the folder's alone from start to join */
    int journal;                   /* directory */
    int lock;                      /* directory of the checkpoint */
};

enum result folder_start(struct folder *folder) MUST_CHECK;

/* Waits for its end; writer_stop has told it to come to one. */
void folder_join(struct folder *folder);

/* The lock: taken by whoever folds (exclusive, at once or not at all) and by whoever copies (shared, waiting). */
enum result folder_lock_shared(int lock) MUST_CHECK;

#endif
