/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a `sub` or `get` asks for: patterns, and how they are narrowed. The handler initializes it on its stack, reads it from the request,
 * uses it, and lets it go in any case. What is wrong is kept here until it is told.
 */
#ifndef CORE_SCOPE_H
#define CORE_SCOPE_H

#include "broker/core/circle.h"
#include "broker/core/core.h"
#include "broker/core/where.h"
#include "proto/message.h"

/* request_decode bounds `match` to it. */
#define PATTERNS_MAX 64

struct scope {
    struct name names[PATTERNS_MAX]; /* they point into the request */
    size_t count;
    struct where *where;  /* counted; NULL: none */
    struct circle circle; /* if `near` */
    bool near;
    const char *detail;         /* why it is refused; NULL: the code says enough */
    struct request_fault fault; /* the same, and where; its detail NULL: none */
};

void scope_init(struct scope *scope);
void scope_fini(struct scope *scope);

/* What the request asks for, if the session may read it. */
enum ahora_code scope_read(struct scope *scope, const struct core *core, const struct session *session,
                           const struct request *request);

/* Tells the session why not. */
void scope_refuse(const struct scope *scope, struct core *core, struct session *session, int64_t id, enum ahora_code code);

#endif
