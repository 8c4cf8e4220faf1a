/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Absolute deadlines of connections. All deadlines of one class last equally long, so each class is a list in order of time: setting
 * one is O(1), and only the heads need a look. Owned by the broker, loop thread. Pure: told the time, never asks.
 */
#ifndef NET_DEADLINES_H
#define NET_DEADLINES_H

#include "broker/base/list.h"

#include <stdint.h>

enum deadline_class {
    DEADLINE_HEADER,    /* the whole request head must have arrived */
    DEADLINE_BODY,      /* the whole request body must have arrived, if it is not a stream */
    DEADLINE_IDLE,      /* the next request on a kept connection must have begun */
    DEADLINE_STALL,     /* the peer owes us lines of a stream, or has to read an answer, and did neither for so long */
    DEADLINE_CLOSE,     /* the peer must have answered our close */
    DEADLINE_PACE,      /* no fault of the peer's: its stream of lines goes on when it may publish again */
    DEADLINE_HANDSHAKE, /* TLS must be agreed on, from accept on */
    DEADLINE_CLASSES,
};

struct deadline {
    struct link link;
    int64_t due_ms;
    enum deadline_class class;
    void (*on_expired)(struct deadline *deadline); /* the owner's, set once; called by whoever popped it */
};

struct deadlines {
    struct link lists[DEADLINE_CLASSES];
    int64_t lasts_ms[DEADLINE_CLASSES];
};

void deadlines_init(struct deadlines *deadlines, const int64_t lasts_ms[DEADLINE_CLASSES]);

/* From `now_ms` on; one set before is forgotten. A zeroed deadline is not set. */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, enum deadline_class class, int64_t now_ms);
void deadline_clear(struct deadline *deadline);

/* The next deadline that has passed, cleared; NULL if none. */
struct deadline *deadlines_pop(struct deadlines *deadlines, int64_t now_ms);

/* When the next one passes, INT64_MAX if none is set. */
int64_t deadlines_next(const struct deadlines *deadlines);

#endif
