/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A piece for one session, made in core->piece behind room for its frame's header: messages one after the other, until it holds about
 * block_bytes. The walk and merged slices make it; session.c puts the header in front and hands it out.
 */
#ifndef CORE_PIECE_H
#define CORE_PIECE_H

#include "broker/core/state.h"
#include "broker/core/telling.h"

static inline void piece_begin(struct core *core) {
    core->pieces++;
    core->marked = false;
    buffer_clear(&core->piece, 4 * core->limits.block_bytes);
    (void)buffer_extend(&core->piece, FRAME_HEADER_BYTES_MAX);
}

static inline bool piece_is_full(const struct core *core) {
    return core->piece.bytes >= core->limits.block_bytes;
}

static inline void piece_put(struct core *core, const struct session *session, struct span message) {
    struct buffer *piece = &core->piece;
    if (session->encoding == ENCODING_JSON && piece->bytes > FRAME_HEADER_BYTES_MAX) {
        buffer_put_byte(piece, '\n');
    }
    buffer_put_span(piece, message);
}

#endif
