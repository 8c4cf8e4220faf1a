/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/block.h"

#include <assert.h>
#include <string.h>

#include "broker/core/near.h"
#include "broker/core/state.h"
#include "broker/core/telling.h"

/* The frame as those with the mask are told of it. What was asked for last comes first the next time: a turn is encoded mask by mask.
   NULL: not yet. */
static struct frame *frame_of_mask(struct frame *frame, const struct mask *mask) {
    if (mask == NULL) {
        return frame;
    }
    for (struct frame **at = &frame->masked; *at != NULL; at = &(*at)->masked) {
        struct frame *found = *at;
        if (found->mask == mask) {
            *at = found->masked;
            found->masked = frame->masked;
            frame->masked = found;
            return found;
        }
    }
    return NULL;
}

static struct frame *make_frame_of_mask(struct core *core, struct frame *frame, const struct mask *mask) {
    struct frame *made = frame_of_mask(frame, mask);
    if (made != NULL || (made = arena_take(&core->arena, sizeof *made)) == NULL) {
        return made;
    }
    *made = (struct frame){.change = frame->change, .mask = mask, .masked = frame->masked};
    frame->masked = made;
    return made;
}

static bool encode_frame(struct core *core, struct frame *frame, const struct mask *mask, enum form form,
                         enum encoding encoding) {
    struct frame *own = make_frame_of_mask(core, frame, mask);
    if (own == NULL) {
        return false;
    }
    if (own->encoded[form][encoding].data != NULL) {
        return true;
    }
    const struct reply reply = telling_of_change(core, mask, own->change, form);
    struct span bytes = telling_encode(core, encoding, &reply, own->change->seq);
    uint8_t *kept = arena_take(&core->arena, bytes.bytes);
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, bytes.data, bytes.bytes);
    own->encoded[form][encoding] = span_of(kept, bytes.bytes);
    return true;
}

struct span frame_encoded(struct frame *frame, const struct mask *mask, enum form form, enum encoding encoding) {
    const struct frame *own = frame_of_mask(frame, mask);
    assert(own != NULL && own->encoded[form][encoding].data != NULL);
    return own->encoded[form][encoding];
}

/* A run of mentions that goes into one block, for sessions with that encoding and mask. */
struct run {
    enum encoding encoding;
    const struct mask *mask;
    const struct mention *first;
    const struct mention *end;
    size_t payload_bytes;
    uint32_t messages;
    int64_t builds_on;
    int64_t seq_last;
    bool has_left;
};

static bool measure_run(struct core *core, const struct mention *first, struct run *run) {
    const enum encoding encoding = run->encoding;
    *run = (struct run){.encoding = encoding, .mask = run->mask, .first = first, .builds_on = INT64_MAX};
    const struct mention *mention = first;
    for (; mention != NULL && (run->messages == 0 || run->payload_bytes < core->limits.block_bytes); mention = mention->next) {
        if (!encode_frame(core, mention->frame, run->mask, mention->form, encoding)) {
            return false;
        }
        const struct change *change = mention->frame->change;
        if (telling_is_patch(change, mention->form) && change->seq_before < run->builds_on) {
            run->builds_on = change->seq_before;
        }
        run->payload_bytes += frame_encoded(mention->frame, run->mask, mention->form, encoding).bytes +
                              (run->messages > 0 && encoding == ENCODING_JSON);
        run->messages++;
        run->seq_last = change->seq;
        run->has_left |= mention->form == FORM_LEFT;
    }
    run->end = mention;
    return true;
}

static struct block *lay_block(struct core *core, const struct run *run) {
    if (core->arena.taken > ARENA_BYTES_MAX) {
        return NULL;
    }
    struct block *block = arena_take(&core->arena, sizeof *block + FRAME_HEADER_BYTES_MAX + run->payload_bytes);
    if (block == NULL) {
        return NULL;
    }
    uint8_t *payload = (uint8_t *)(block + 1) + FRAME_HEADER_BYTES_MAX;
    uint8_t *at = payload;
    for (const struct mention *mention = run->first; mention != run->end; mention = mention->next) {
        if (run->encoding == ENCODING_JSON && at != payload) {
            *at++ = '\n';
        }
        struct span bytes = frame_encoded(mention->frame, run->mask, mention->form, run->encoding);
        memcpy(at, bytes.data, bytes.bytes);
        at += bytes.bytes;
    }
    assert((size_t)(at - payload) == run->payload_bytes);
    size_t header_bytes = telling_frame_header(run->encoding, payload, run->payload_bytes);
    *block = (struct block){
        .data = payload - header_bytes,
        .bytes = header_bytes + run->payload_bytes,
        .messages = run->messages,
        .first = run->first,
        .end = run->end,
        .seq_last = run->seq_last,
        .builds_on = run->builds_on,
        .has_left = run->has_left,
    };
    return block;
}

/* The view's changes of this turn as blocks of about block_bytes; NULL: no memory, its cursors must walk. */
static struct block *build(struct core *core, const struct view *view, const struct mask *mask, enum encoding encoding) {
    int64_t seq_before = core->seq_shown;
    struct block *blocks = NULL;
    struct block **end = &blocks;
    uint64_t changes_before = view->changes_before;
    for (const struct mention *mention = view->mentions; mention != NULL;) {
        struct run run = {.encoding = encoding, .mask = mask};
        struct block *block = measure_run(core, mention, &run) ? lay_block(core, &run) : NULL;
        if (block == NULL) {
            return NULL;
        }
        block->seq_before = seq_before;
        block->changes_before = changes_before;
        block->is_near = near_if_any(view) != NULL;
        *end = block;
        end = &block->next;
        seq_before = run.seq_last;
        changes_before += run.messages;
        mention = run.end;
    }
    return blocks;
}

/* A change moved others: blocks do not tell that. */
static bool must_walk(const struct view *view) {
    return near_if_any(view) != NULL && near_if_any(view)->walks;
}

const struct block *block_of_view(struct core *core, const struct view *view, enum encoding encoding) {
    return must_walk(view) ? NULL : build(core, view, NULL, encoding);
}

const struct block *block_of_mask(struct core *core, const struct view *view, struct mask *mask, enum encoding encoding) {
    if (mask->view != view || mask->shows != core->views.shows) {
        mask->view = view;
        mask->shows = core->views.shows;
        memset(mask->built, 0, sizeof mask->built);
    }
    if (!mask->built[encoding]) {
        mask->blocks[encoding] = must_walk(view) ? NULL : build(core, view, mask, encoding);
        mask->built[encoding] = true;
    }
    return mask->blocks[encoding];
}
