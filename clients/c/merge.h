/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * JSON Merge Patch (RFC 7396) on packed maps. Pure.
 */
#ifndef CLIENT_MERGE_H
#define CLIENT_MERGE_H

#include "proto/buffer.h"

/*
 * Appends `target` with `patch` applied: null removes, maps merge, everything else replaces. Fields keep the target's order, new
 * ones follow in the patch's. Both have passed pack_check; a target that is no map counts as an empty one. Time grows with
 * n log n of the entries, recursion with the depth that pack_check allowed. Fails only by `out->failed`.
 */
void merge_put(struct buffer *out, struct span target, struct span patch);

#endif
