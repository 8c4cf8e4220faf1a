/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What somebody has in all the broker, over all shards and connections: sessions, and an allowance of changes over HTTP. A subject is who a token
 * or key names, or (who shows nothing) an address. One that has neither sessions nor used its allowance lately is forgotten.
 */
#ifndef NET_SUBJECTS_H
#define NET_SUBJECTS_H

#include "broker/base/allowance.h"
#include "broker/base/list.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct subject;

struct subjects {
    pthread_mutex_t mutex;
    struct subject **buckets;
    struct link idle; /* without sessions, longest untouched first */
    size_t count;
    uint64_t seed;
};

bool subjects_init(struct subjects *subjects, uint64_t seed); /* false: no memory */
void subjects_fini(struct subjects *subjects);

/* One more session of it. NULL: it has `sessions_max` already, or no memory. */
struct subject *subjects_enter(struct subjects *subjects, const char *name, size_t sessions_max);
void subjects_leave(struct subjects *subjects, struct subject *subject); /* NULL is fine */

/* As with an allowance of its own (base/allowance.h): takes `count` and returns 0, or returns for how long to wait. Without memory there is no bound. */
int64_t subjects_take(struct subjects *subjects, const char *name, int64_t rate, int64_t now_ms, int64_t count);
int64_t subjects_left(struct subjects *subjects, const char *name, int64_t rate, int64_t now_ms);

size_t subjects_count(struct subjects *subjects);

#endif
