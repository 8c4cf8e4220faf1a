/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The walk: a session's cursors that are behind go through their views in the order of change, each place at its newest version, while the
 * socket takes it. That is the snapshot, the resume, and how a slow reader catches up. One that cannot go on from where it stands, because
 * removals that it missed are forgotten, starts anew.
 *
 * session.c calls it when the session has nothing else to be pulled and no turn is half shown.
 */
#ifndef CORE_WALK_H
#define CORE_WALK_H

#include "broker/core/core.h"

/* Walks the session's subscriptions and appends about block_bytes of frames to core->piece. False: nothing to walk. */
bool walk_session(struct core *core, struct session *session);

/* The lowest seq up to which everything the session was told to be live on is complete. */
int64_t walk_complete_seq(const struct core *core, const struct session *session);

#endif
