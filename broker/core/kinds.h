/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * All kinds of one broker: the built-in ones, and those an operator declared, which may take the place of a built-in one. Filled at
 * start, then constant and safe from any thread. The core owns it.
 */
#ifndef CORE_KINDS_H
#define CORE_KINDS_H

#include "broker/base/result.h"
#include "broker/core/kind.h"

#define KINDS_MAX 64

struct kinds;

struct kinds *kinds_create(void);  /* none. NULL: no memory */
struct kinds *kinds_builtin(void); /* the built-in ones. NULL: no memory */
void kinds_destroy(struct kinds *kinds);

/* Adds the kind that this JSON Schema declares; one of that name that is there gives way to it. RESULT_INVALID: `errors` says why, and
   nothing was added. RESULT_NO_MEMORY. */
enum result kinds_add(struct kinds *kinds, struct span name, struct span json, struct violations *errors) MUST_CHECK;

const struct kind *kinds_find(const struct kinds *kinds, struct span name); /* NULL: no such kind is declared */
const struct kind *kinds_at(const struct kinds *kinds, size_t index); /* in the order of their names; NULL past the last */

#endif
