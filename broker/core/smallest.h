/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The topics of a list that come first in the order of their paths, without sorting the rest. Pure. */
#ifndef CORE_SMALLEST_H
#define CORE_SMALLEST_H

#include "broker/core/topic.h"

/* The order of paths: of their bytes, as a page's `after` has it. */
int smallest_compare(struct span a, struct span b);

/* Leaves at the front of the list, sorted, the `keep` smallest of those that exist and whose path is behind `after` (data NULL: all),
   and returns how many these are. What is there twice may stay twice. Cost: O(count), and log keep for each that is kept for a while. */
size_t smallest_select(struct topic **topics, size_t count, struct span after, size_t keep);

#endif
