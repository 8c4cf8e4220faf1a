/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A view's changes of one turn as bytes, the same for all who follow the view in one encoding and with one mask:
 *
 *      mention ─▶ mention ─▶ mention          the turn's changes in the view, each with its frame
 *      [header][message][message][message]    a block of about block_bytes, ready for any socket
 *
 * A change is encoded once for each form, encoding and mask, however many views mention it. All of it is in core->arena and ends with the
 * turn. Delivery builds blocks; slices (slice.h) point into them.
 */
#ifndef CORE_BLOCK_H
#define CORE_BLOCK_H

#include "broker/core/core.h"
#include "broker/core/view.h"

struct mask;

/* Blocks and slices of one turn: past it, cursors walk instead. */
#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* A change of the running turn and its bytes, made on first need. */
struct frame {
    const struct change *change;
    const struct mask *mask; /* NULL: everything is shown */
    struct frame *masked;    /* the same change for those with a mask, a list */
    struct span encoded[FORMS][ENCODINGS];
};

/* One view's changes of a turn in one encoding, ready for any socket. */
struct block {
    struct block *next;
    const uint8_t *data; /* with its WebSocket header */
    size_t bytes;
    uint32_t messages;
    const struct mention *first; /* what it holds: up to, not including, `end` */
    const struct mention *end;
    int64_t seq_before;      /* a cursor that did not get this block has everything up to here */
    uint64_t changes_before; /* view->changes before it */
    int64_t seq_last;        /* and who got it, up to here */
    int64_t builds_on;       /* the oldest version a patch in it builds on; INT64_MAX: none does */
    bool is_near;            /* the view is a circle, which settles (near.h) as its changes are taken */
    bool has_left;           /* it tells that something left the view: only news if no other view of the session holds it */
};

/* The first block of the view's changes of this turn, for those who are shown everything, and for those with the mask: made once for all
   with that mask and encoding. NULL: no memory, or blocks cannot tell it; then cursors must walk. */
const struct block *block_of_view(struct core *core, const struct view *view, enum encoding encoding);
const struct block *block_of_mask(struct core *core, const struct view *view, struct mask *mask, enum encoding encoding);

/* The frame's bytes in that form, which are in a block already. */
struct span frame_encoded(struct frame *frame, const struct mask *mask, enum form form, enum encoding encoding);

#endif
