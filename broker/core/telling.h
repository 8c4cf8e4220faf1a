/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How a session is told of something: the reply that says it, with what the session's mask leaves of a document, and its bytes in the
 * session's encoding, with the header of the frame that carries them.
 *
 * Bytes stand in buffers of the core and are good until the next is told: whoever keeps them copies them (block.c, encoded.h, an outbox).
 */
#ifndef CORE_TELLING_H
#define CORE_TELLING_H

#include "broker/core/core.h"
#include "broker/core/view.h"

struct mask;

/* WebSocket frame headers of a server have 2, 4 or 10 bytes; blocks leave room for the longest in front. */
#define FRAME_HEADER_BYTES_MAX 10

/* Is the change told as a patch, so that it builds on a version sent before? */
static inline bool telling_is_patch(const struct change *change, enum form form) {
    return form == FORM_CHANGE && change->document != NULL && (change->patch != NULL || change->op == CHANGE_TOUCH);
}

/* The reply of a change in that form, and of a place that is walked over; as shown through the mask (NULL: everything is). */
struct reply telling_of_change(struct core *core, const struct mask *mask, const struct change *change, enum form form);
struct reply telling_of_place(struct core *core, const struct mask *mask, const struct place *place);

/* The bytes of the reply, in core->message or core->text. `seq`: the SSE id, 0 for none. */
struct span telling_encode(struct core *core, enum encoding encoding, const struct reply *reply, int64_t seq);

/* Writes the header of a frame of `payload_bytes` so that it ends at `end`; its length, 0 for SSE. */
size_t telling_frame_header(enum encoding encoding, uint8_t *end, size_t payload_bytes);

#endif
