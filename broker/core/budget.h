/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What each thing that the core keeps costs in bytes of memory: the sizes of the structs as they are compiled, with what the allocator
 * adds. A document's own bytes come on top. Constant; `ahorad --budget` prints it.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <stddef.h>

struct budget_item {
    const char *of;    /* whose cost: "topic" */
    const char *what;  /* the struct */
    const char *where; /* the file it stands in */
    size_t bytes;
};

/* The items, those of one thing behind each other; *count of them. */
const struct budget_item *core_budget(size_t *count);

/* What malloc takes for so many bytes: 8 for itself, in steps of 16, at least 32 (glibc). */
#define BUDGET_ALLOCATED(bytes) ((bytes) + 8 <= 32 ? (size_t)32 : ((size_t)(bytes) + 8 + 15) / 16 * 16)

/* Assumed lengths where they vary. */
#define BUDGET_PATH_BYTES 24
#define BUDGET_SEGMENT_BYTES 8
#define BUDGET_PRINCIPAL_BYTES 10
#define BUDGET_KEY_BYTES 40

#endif
