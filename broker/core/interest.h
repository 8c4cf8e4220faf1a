/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Who is interested in what: how many subscriptions follow each pattern, and how often the most eager of them wants to hear.
 * Counted where subscriptions live, one of these for each thread that has some; what changed is pulled, by whoever adds them up
 * (demand.h).
 */
#ifndef CORE_INTEREST_H
#define CORE_INTEREST_H

#include "broker/base/heap.h"
#include "broker/base/list.h"
#include "broker/base/table.h"
#include "proto/buffer.h"

struct interest;

struct interests {
    struct table patterns; /* struct interest */
    struct table paces;    /* struct pace, by pattern and every_ms */
    struct link dirty;     /* patterns that changed since they were pulled */
    struct interest *gone; /* pulled last, and without subscribers then */
    const struct table_key *hash_key;
};

/* What is to be told of one pattern. */
struct interest_count {
    struct span pattern;  /* good until the next call */
    uint64_t subscribers; /* 0: nobody is left */
    int64_t every_ms;     /* the finest; 0: each change at once */
};

bool interests_init(struct interests *interests, const struct table_key *hash_key); /* false: no memory */
void interests_fini(struct interests *interests);                                   /* everybody must have left */

/* One subscription of the pattern more, and one less with the same every_ms. Cost: O(log n) in the different every_ms of the
   pattern. False: no memory. */
bool interests_add(struct interests *interests, struct span pattern, int64_t every_ms);
void interests_remove(struct interests *interests, struct span pattern, int64_t every_ms);

/* The next pattern that changed, oldest first, however often it did. False: none. */
bool interests_next(struct interests *interests, struct interest_count *count);

/* The sum of what several count of a pattern: subscribers added, the finest every_ms of those that have any. Without the pattern. */
struct interest_count interest_merge(const struct interest_count *counts, size_t count);

#endif
