/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Delivery: one rule, two speeds.
 *
 * The rule: a subscription gets every place of its view behind its cursor, in the order of change, each at its newest version. The
 * walk (walk.h) does just that. The fast path, which is here, does it for all complete cursors of a view at once: the turn's changes are
 * encoded once per encoding, laid side by side in blocks (block.h), and each session gets the same bytes as slices (slice.h).
 *
 * What sends a complete cursor back to walking: its socket is choked; the subscription is paced (every_ms); or a patch in the block
 * builds on a version that this connection was never sent (the client resumed, so it does not know the topic's `ref` yet).
 *
 * core.c calls it once a turn, when the turn is stored. It leaves slices in sessions that are ready; what they do not pull is dropped
 * before the next turn is shown.
 */
#ifndef CORE_DELIVERY_H
#define CORE_DELIVERY_H

struct core;

/* Shows the turn's changes: moves views, builds blocks, hands slices to live sessions. */
void delivery_show_turn(struct core *core);

#endif
