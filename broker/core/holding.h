/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a session's client holds. Its subscriptions may overlap: that a topic left one view is news only if no other view of the session
 * has sent it (walk.c, slice.c), and what rights no longer cover is taken back only where no other subscription covers it.
 */
#ifndef CORE_HOLDING_H
#define CORE_HOLDING_H

#include <stdbool.h>

struct core;
struct session;
struct subscription;
struct topic;
struct view;

/* Has another view of the session sent the topic? Then it did not leave. One that still has to send it will, whatever is said now.
   `view` NULL: has any? */
bool holding_is_elsewhere(struct core *core, const struct session *session, const struct view *view, struct topic *topic);

/* Tells `remove`, reason `denied`, of every document that the client may hold by this subscription, which is out of its session's list, and
   by none that is in it. False: they are too many to be told. */
bool holding_deny(struct core *core, struct subscription *subscription);

#endif
