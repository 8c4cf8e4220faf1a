/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Delivery: one rule, two speeds.
 *
 * The rule: a subscription gets every place of its view behind its cursor, in the order of change, each at its newest version. The
 * walk (delivery_walk) does just that. The fast path does it for all complete cursors of a view at once: the turn's changes are encoded
 * once per encoding, laid side by side in blocks, and each session gets the same bytes.
 *
 * What sends a complete cursor back to walking: its socket is choked; the subscription is paced (every_ms); or a patch in the block
 * builds on a version that this connection was never sent (the client resumed, so it does not know the topic's `ref` yet).
 */
#include <assert.h>
#include <string.h>

#include "broker/core/near.h"
#include "broker/core/state.h"

#define ARENA_KEEP_BYTES ((size_t)4 * 1024 * 1024)

/* Blocks and slices of one turn: past it, cursors walk instead. */
#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Slices that one session merges in a turn: each message looks at all of them. With more, its other cursors walk. */
#define SLICES_MERGED_MAX 64

/* ---- encoding ---- */

static struct span encode_sse(struct core *core, const struct reply *reply, int64_t seq) {
    struct buffer *text = &core->text;
    buffer_put_text(text, "event: ");
    buffer_put_text(text, reply_op_name(reply->op));
    if (seq > 0) {
        buffer_put_text(text, "\nid: ");
        token_put(text, core->epoch, seq);
    }
    if (reply->op == REPLY_BYE) { /* browsers come back by themselves: they are spread as other clients are */
        buffer_put_text(text, "\nretry: ");
        buffer_put_decimal(text, reply->retry_ms);
    }
    buffer_put_text(text, "\ndata: ");
    json_put(text, buffer_span(&core->message));
    buffer_put_text(text, "\n\n");
    return buffer_span(text);
}

struct span delivery_encode(struct core *core, enum encoding encoding, const struct reply *reply, int64_t seq) {
    buffer_clear(&core->message, core->limits.block_bytes);
    reply_put(&core->message, reply);
    assert(!core->message.failed && "bounded by the document");
    if (encoding == ENCODING_MSGPACK) {
        return buffer_span(&core->message);
    }
    buffer_clear(&core->text, core->limits.block_bytes);
    if (encoding == ENCODING_SSE) {
        return encode_sse(core, reply, seq);
    }
    json_put(&core->text, buffer_span(&core->message));
    return buffer_span(&core->text);
}

size_t delivery_frame_header(enum encoding encoding, uint8_t *end, size_t payload_bytes) {
    if (encoding == ENCODING_SSE) {
        return 0;
    }
    const uint8_t first = encoding == ENCODING_JSON ? 0x81 : 0x82; /* FIN, text or binary: RFC 6455 section 5.2 */
    if (payload_bytes < 126) {
        end[-2] = first;
        end[-1] = (uint8_t)payload_bytes;
        return 2;
    }
    const size_t length_bytes = payload_bytes <= UINT16_MAX ? 2 : 8;
    for (size_t i = 1; i <= length_bytes; i++) {
        end[-(ptrdiff_t)i] = (uint8_t)(payload_bytes >> (8 * (i - 1)));
    }
    end[-(ptrdiff_t)length_bytes - 1] = length_bytes == 2 ? 126 : 127;
    end[-(ptrdiff_t)length_bytes - 2] = first;
    return length_bytes + 2;
}

static bool is_patch(const struct change *change, enum form form) {
    return form == FORM_CHANGE && change->document != NULL && (change->patch != NULL || change->op == CHANGE_TOUCH);
}

/* What a session with the mask is shown of a document or patch; the bytes may stand in core->masked. Of a patch perhaps nothing. */
static struct span shown(struct core *core, const struct mask *mask, struct span map, bool patch) {
    if (mask == NULL) {
        return map;
    }
    buffer_clear(&core->masked, core->limits.block_bytes);
    if (!patch) {
        mask_put(&core->masked, mask_span(mask), map);
    } else if (!mask_put_patch(&core->masked, mask_span(mask), map)) {
        return (struct span){0};
    }
    assert(!core->masked.failed && "bounded by the document");
    return buffer_span(&core->masked);
}

static struct reply reply_of_change(struct core *core, const struct mask *mask, const struct change *change, enum form form) {
    struct reply reply = {.seq = change->seq, .at = change->at, .ref = change->topic->ref};
    if (change->document == NULL || form == FORM_LEFT) {
        reply.op = REPLY_REMOVE;
        reply.topic = topic_path(change->topic);
        reply.why = form == FORM_LEFT ? AHORA_WHY_LEFT : change->why;
        return reply;
    }
    if (is_patch(change, form)) {
        reply.op = REPLY_PATCH;
        reply.data = change->patch == NULL ? (struct span){0} : shown(core, mask, document_span(change->patch), true);
    } else {
        reply.op = REPLY_SET;
        reply.topic = topic_path(change->topic);
        reply.data = shown(core, mask, document_span(change->document), false);
    }
    reply.has_stale = change->stale;
    reply.stale = change->stale;
    return reply;
}

/* What is told is the topic as it is now, also if the place is older: a topic that left the view has gone on, may have been removed or
   made again, and never goes back. */
static struct reply reply_of_place(struct core *core, const struct mask *mask, const struct place *place) {
    const struct topic *topic = place->topic;
    struct reply reply = {.op = REPLY_SET, .topic = topic_path(topic), .ref = topic->ref, .seq = topic->seq, .at = topic->at};
    if (place->spot.why != AHORA_WHY_NONE) {
        reply.op = REPLY_REMOVE;
        reply.why = topic_is_removed(topic) ? (enum ahora_why)topic->why : AHORA_WHY_LEFT;
        return reply;
    }
    reply.data = shown(core, mask, document_span(topic->document), false);
    reply.has_stale = topic->stale;
    reply.stale = topic->stale;
    return reply;
}

/* ---- cursors ---- */

/* The circle of a view that is this cursor's alone; NULL: a view that may be shared. */
static struct near *near_of(const struct view *view) {
    return view->narrowed == NULL ? NULL : view->narrowed->near;
}

static bool is_live(const struct subscription *subscription) {
    return subscription->cursor_count > 0 && subscription->complete_count == subscription->cursor_count;
}

static void become_complete(struct core *core, struct cursor *cursor) {
    struct subscription *subscription = cursor->subscription;
    struct view *view = cursor->view;
    bookmark_lift(&cursor->bookmark);
    const struct session *session = subscription->session;
    struct link *live = session->mask != NULL ? &view->masked : &view->live[session->encoding];
    list_append(subscription->paced ? &view->paced : live, &cursor->bookmark.spot.link);
    assert(!cursor->complete);
    cursor->complete = true;
    subscription->complete_count++;
    core->metrics.subscriptions_live += is_live(subscription);
}

/* Puts a bookmark behind `after`: the cursor has everything up to seq, and `changes` were shown by then. */
static void fall_behind(struct core *core, struct cursor *cursor, struct link *after, int64_t seq, uint64_t changes) {
    assert(cursor->complete);
    bookmark_lift(&cursor->bookmark);
    bookmark_place(cursor->view, &cursor->bookmark, near_of(cursor->view) != NULL ? &cursor->view->order : after);
    cursor->complete = false;
    cursor->seq = seq;
    cursor->removals_after = seq;
    cursor->counts_after = seq;
    cursor->changes_seen = changes;
    cursor->delivered = 0;
    struct subscription *subscription = cursor->subscription;
    core->metrics.subscriptions_live -= is_live(subscription);
    subscription->complete_count--;
    if (link_is_listed(&subscription->behind) || timer_is_set(&subscription->pace)) {
        return;
    }
    int64_t due = subscription->walked_ms + subscription->every_ms;
    if (subscription->every_ms == 0 || due <= core->mono_ms || !heap_set(&core->paces, &subscription->pace, due)) {
        list_append(&subscription->session->behind, &subscription->behind);
        session_mark_ready(core, subscription->session);
    }
}

static void start_cursor(struct core *core, struct cursor *cursor, int64_t since) {
    struct view *view = cursor->view;
    bool fresh = since < 0;
    const bool near = near_of(view) != NULL;
    if (near && fresh) {
        near_begin(view);
    }
    bookmark_place(view, &cursor->bookmark, fresh || near ? &view->order : view_spot_of(view, since));
    cursor->complete = false;
    cursor->seq = fresh ? 0 : since;
    cursor->removals_after = fresh ? core->seq_shown : since;
    cursor->counts_after = core->seq_shown;
    cursor->known_after = fresh ? 0 : since;
    cursor->changes_seen = view->changes;
    cursor->delivered = 0;
}

void delivery_start(struct core *core, struct subscription *subscription, int64_t since) {
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        start_cursor(core, &subscription->cursors[i], since);
    }
    subscription->complete_count = 0;
    subscription->skipped = 0; /* a new snapshot passes nothing over */
    subscription->announced = false;
    if (!link_is_listed(&subscription->behind)) {
        list_append(&subscription->session->behind, &subscription->behind);
    }
    session_mark_ready(core, subscription->session);
}

void delivery_stop(struct core *core, struct subscription *subscription) {
    core_uncount_interest(core, subscription);
    core->metrics.subscriptions_live -= is_live(subscription);
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        struct cursor *cursor = &subscription->cursors[i];
        bookmark_lift(&cursor->bookmark);
        cursor->view->cursor_count--;
        subscription->session->cursor_count--;
        view_release(&core->views, cursor->view);
    }
    subscription->session->near_count -= subscription->near;
    link_remove(&subscription->behind);
    heap_clear(&core->paces, &subscription->pace);
}

void delivery_moved(struct core *core, struct subscription *subscription) {
    subscription->announced = false; /* no beat speaks for it before the difference is sent */
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        struct cursor *cursor = &subscription->cursors[i];
        if (cursor->complete) {
            fall_behind(core, cursor, &cursor->view->order, core->seq_shown, cursor->view->changes);
        }
    }
}

void delivery_slice_taken(struct cursor *cursor, int64_t seq) {
    if (near_of(cursor->view) != NULL && cursor->complete) {
        near_settle(cursor->view, seq);
    }
}

void delivery_pace_due(struct core *core, struct subscription *subscription) {
    heap_clear(&core->paces, &subscription->pace);
    list_append(&subscription->session->behind, &subscription->behind);
    session_mark_ready(core, subscription->session);
}

/* ---- the fast path ---- */

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
    const struct reply reply = reply_of_change(core, mask, own->change, form);
    struct span bytes = delivery_encode(core, encoding, &reply, own->change->seq);
    uint8_t *kept = arena_take(&core->arena, bytes.bytes);
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, bytes.data, bytes.bytes);
    own->encoded[form][encoding] = span_of(kept, bytes.bytes);
    return true;
}

/* It was encoded before. */
static struct span encoded_frame(struct frame *frame, const struct mask *mask, enum form form, enum encoding encoding) {
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
        if (is_patch(change, mention->form) && change->seq_before < run->builds_on) {
            run->builds_on = change->seq_before;
        }
        run->payload_bytes += encoded_frame(mention->frame, run->mask, mention->form, encoding).bytes +
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
        struct span bytes = encoded_frame(mention->frame, run->mask, mention->form, run->encoding);
        memcpy(at, bytes.data, bytes.bytes);
        at += bytes.bytes;
    }
    assert((size_t)(at - payload) == run->payload_bytes);
    size_t header_bytes = delivery_frame_header(run->encoding, payload, run->payload_bytes);
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
static struct block *build_blocks(struct core *core, const struct view *view, const struct mask *mask, enum encoding encoding) {
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
        *end = block;
        end = &block->next;
        seq_before = run.seq_last;
        changes_before += run.messages;
        mention = run.end;
    }
    return blocks;
}

static bool knows_what_it_builds_on(const struct cursor *cursor, const struct block *blocks) {
    for (; blocks != NULL; blocks = blocks->next) {
        if (blocks->builds_on <= cursor->known_after) {
            return false;
        }
    }
    return true;
}

static bool hand_slices(struct core *core, struct cursor *cursor, const struct block *blocks) {
    struct session *session = cursor->subscription->session;
    if (session->slices != NULL && session->slices->cursor != cursor && session->slice_count >= SLICES_MERGED_MAX) {
        return false;
    }
    for (; blocks != NULL; blocks = blocks->next) {
        struct slice *slice = core->arena.taken > ARENA_BYTES_MAX ? NULL : arena_take(&core->arena, sizeof *slice);
        if (slice == NULL) {
            return false;
        }
        *slice = (struct slice){
            .block = blocks,
            .cursor = cursor,
            .at = blocks->first,
            .seq_before = blocks->seq_before,
            .changes_before = blocks->changes_before,
        };
        session->merges |= session->slices != NULL && session->slices->cursor != cursor;
        session->merges |= blocks->has_left && session->cursor_count > 1;
        core->sliced_count += session->slices == NULL;
        session->slice_count += session->slice_count < UINT16_MAX;
        *session->slices_end = slice;
        session->slices_end = &slice->next;
    }
    session_mark_ready(core, session);
    return true;
}

/* A change moved others: blocks do not tell that. */
static bool must_walk(const struct view *view) {
    return near_of(view) != NULL && near_of(view)->walks;
}

/* The view's changes as a session with the mask gets them: made once for all with that mask and encoding. */
static const struct block *blocks_of_mask(struct core *core, const struct view *view, struct mask *mask,
                                          enum encoding encoding) {
    if (mask->view != view || mask->shows != core->views.shows) {
        mask->view = view;
        mask->shows = core->views.shows;
        memset(mask->built, 0, sizeof mask->built);
    }
    if (!mask->built[encoding]) {
        mask->blocks[encoding] = must_walk(view) ? NULL : build_blocks(core, view, mask, encoding);
        mask->built[encoding] = true;
    }
    return mask->blocks[encoding];
}

static void deliver_cursor(struct core *core, struct cursor *cursor, const struct block *blocks, struct link *anchor) {
    const struct session *session = cursor->subscription->session;
    bool pulls = !session->choked && session->close_code == 0; /* else slices would outlive the turn */
    bool fast = blocks != NULL && pulls && knows_what_it_builds_on(cursor, blocks);
    if (fast && hand_slices(core, cursor, blocks)) {
        return;
    }
    core->metrics.fell_behind += session->choked;
    fall_behind(core, cursor, anchor, core->seq_shown, cursor->view->changes_before);
}

static void deliver_live(struct core *core, struct view *view, enum encoding encoding, struct link *anchor) {
    struct link *live = &view->live[encoding];
    if (list_is_empty(live)) {
        return;
    }
    const struct block *blocks = must_walk(view) ? NULL : build_blocks(core, view, NULL, encoding);
    for (struct link *link = live->next, *next; link != live; link = next) {
        next = link->next;
        deliver_cursor(core, CONTAINER_OF(link, struct cursor, bookmark.spot.link), blocks, anchor);
    }
}

static void deliver_masked(struct core *core, struct view *view, struct link *anchor) {
    struct link *masked = &view->masked;
    for (struct link *link = masked->next, *next; link != masked; link = next) {
        next = link->next;
        struct cursor *cursor = CONTAINER_OF(link, struct cursor, bookmark.spot.link);
        const struct session *session = cursor->subscription->session;
        deliver_cursor(core, cursor, blocks_of_mask(core, view, session->mask, session->encoding), anchor);
    }
}

static void deliver_view(struct core *core, struct view *view) {
    struct link *anchor = view->turn.link.prev; /* everything behind it changed in this turn */
    for (int encoding = 0; encoding < ENCODINGS; encoding++) {
        deliver_live(core, view, (enum encoding)encoding, anchor);
    }
    deliver_masked(core, view, anchor);
    for (struct link *link; (link = view->paced.next) != &view->paced;) {
        fall_behind(core, CONTAINER_OF(link, struct cursor, bookmark.spot.link), anchor, core->seq_shown, view->changes_before);
    }
    if (near_of(view) != NULL) {
        near_of(view)->walks = false;
    }
    view_end_turn(view);
}

static bool show_changes(struct core *core) {
    const struct ledger *ledger = &core->ledger;
    for (size_t i = 0; i < ledger->change_count; i++) {
        struct frame *frame = arena_take(&core->arena, sizeof *frame);
        if (frame == NULL) {
            return false;
        }
        *frame = (struct frame){.change = &ledger->changes[i]};
        if (!views_show(&core->views, &ledger->changes[i], frame, &core->arena)) {
            return false;
        }
    }
    return true;
}

void delivery_show_turn(struct core *core) {
    assert(core->sliced_count == 0 && "what the last turn handed out was pulled or dropped");
    arena_reset(&core->arena, ARENA_KEEP_BYTES);
    views_begin_turn(&core->views);
    bool shown = show_changes(core);
    assert(shown && "memory ran out with views half moved: stop, the journal has everything");
    (void)shown;
    for (struct link *link; (link = list_pop(&core->views.dirty)) != NULL;) {
        deliver_view(core, CONTAINER_OF(link, struct view, dirty));
    }
    core->seq_shown = core->ledger.seq;
}

/* ---- a piece for one session, made in core->piece behind room for its header ---- */

static void begin_piece(struct core *core) {
    core->pieces++;
    core->marked = false;
    buffer_clear(&core->piece, 4 * core->limits.block_bytes);
    (void)buffer_extend(&core->piece, FRAME_HEADER_BYTES_MAX);
}

static bool piece_is_full(const struct core *core) {
    return core->piece.bytes >= core->limits.block_bytes;
}

static void put_bytes(struct core *core, const struct session *session, struct span message) {
    struct buffer *piece = &core->piece;
    if (session->encoding == ENCODING_JSON && piece->bytes > FRAME_HEADER_BYTES_MAX) {
        buffer_put_byte(piece, '\n');
    }
    buffer_put_span(piece, message);
}

/* ---- slices that are not simply pulled ---- */

static void forget_slices(struct core *core, struct session *session) {
    core->sliced_count -= session->slices != NULL;
    session->slices = NULL;
    session->slices_end = &session->slices;
    session->slice_count = 0;
    session->merges = false;
}

void delivery_drop_slices(struct core *core, struct session *session) {
    for (const struct slice *slice = session->slices; slice != NULL; slice = slice->next) {
        struct cursor *cursor = slice->cursor;
        if (cursor->complete && slice->at != slice->block->end) {
            core->metrics.fell_behind++;
            fall_behind(core, cursor, view_spot_of(cursor->view, slice->seq_before), slice->seq_before, slice->changes_before);
        }
    }
    forget_slices(core, session);
}

/* What comes next: the lowest seq that some slice has not given yet, and of that the form that serves all of the session's views: the
   whole document for one that it enters, a removal only if it left them all. NULL: all are done. */
static const struct mention *next_mention(const struct session *session) {
    static const int8_t order[FORMS] = {[FORM_ENTER] = 2, [FORM_CHANGE] = 1, [FORM_LEFT] = 0};
    const struct mention *next = NULL;
    for (const struct slice *slice = session->slices; slice != NULL; slice = slice->next) {
        if (slice->at == slice->block->end) {
            continue;
        }
        const int64_t seq = slice->at->frame->change->seq;
        if (next == NULL || seq < next->frame->change->seq ||
            (seq == next->frame->change->seq && order[slice->at->form] > order[next->form])) {
            next = slice->at;
        }
    }
    return next;
}

static void pass_frame(const struct session *session, const struct frame *frame) {
    for (struct slice *slice = session->slices; slice != NULL; slice = slice->next) {
        if (slice->at != slice->block->end && slice->at->frame == frame) {
            slice->at = slice->at->next;
            slice->seq_before = frame->change->seq;
            slice->changes_before++;
            delivery_slice_taken(slice->cursor, frame->change->seq);
        }
    }
}

/* The session's views remember the piece being made, so that what leaves one can be looked for in the others. */
static void mark_views(struct core *core, const struct session *session) {
    core->marked = true;
    for (struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        struct subscription *subscription = CONTAINER_OF(link, struct subscription, of_session);
        for (uint32_t i = 0; i < subscription->cursor_count; i++) {
            struct cursor *cursor = &subscription->cursors[i];
            cursor->reader = cursor->view->piece == core->pieces ? cursor->view->reader : NULL;
            cursor->view->piece = core->pieces;
            cursor->view->reader = cursor;
        }
    }
}

/* The cursor's view holds the topic, and the client was sent it as it is now: nothing of it stands behind the cursor. */
static bool has_sent(const struct cursor *cursor, struct place *place) {
    if (near_of(place->view) != NULL) {
        const struct visit *visit = CONTAINER_OF(place, struct visit, place);
        return visit->shown && (cursor->complete || !link_is_listed(&place->spot.link));
    }
    return place->spot.why == AHORA_WHY_NONE && (cursor->complete || place->seq <= cursor->seq);
}

/* Has another view of the session sent the topic? Then it did not leave. One that still has to send it will, whatever is said now. */
static bool is_held_elsewhere(struct core *core, const struct session *session, const struct view *view, struct topic *topic) {
    if (session->cursor_count < 2) {
        return false;
    }
    if (!core->marked) {
        mark_views(core, session);
    }
    for (struct link *link = topic->watches.next; link != &topic->watches; link = link->next) {
        struct place *place = CONTAINER_OF(link, struct place, of_topic);
        if (place->view == view || place->view->piece != core->pieces) {
            continue;
        }
        for (const struct cursor *reader = place->view->reader; reader != NULL; reader = reader->reader) {
            if (has_sent(reader, place)) {
                return true;
            }
        }
    }
    return false;
}

void delivery_merge_slices(struct core *core, struct session *session) {
    begin_piece(core);
    const struct mention *mention = next_mention(session);
    for (; mention != NULL && !piece_is_full(core); mention = next_mention(session)) {
        struct frame *frame = mention->frame;
        struct span bytes = encoded_frame(frame, session->mask, mention->form, session->encoding);
        bool news = mention->form != FORM_LEFT || !is_held_elsewhere(core, session, NULL, frame->change->topic);
        pass_frame(session, frame);
        if (news) {
            put_bytes(core, session, bytes);
            core->metrics.deliveries++;
            core->metrics.deliveries_live++;
        }
    }
    if (mention == NULL) {
        forget_slices(core, session);
    }
}

/* ---- the walk ---- */

static void put_message(struct core *core, struct session *session, const struct reply *reply, int64_t sse_id) {
    put_bytes(core, session, delivery_encode(core, session->encoding, reply, sse_id));
}

/* A whole document, which others have just been told, or will be: a crowd that joins asks for the same ones. */
static void put_document(struct core *core, struct session *session, const struct reply *reply, int64_t sse_id) {
    const bool is_shared = session->encoding == ENCODING_JSON && session->mask == NULL;
    struct span bytes;
    if (is_shared && encoded_find(&core->encoded, reply->seq, &bytes)) {
        core->metrics.encodings_shared++;
        put_bytes(core, session, bytes);
        return;
    }
    bytes = delivery_encode(core, session->encoding, reply, sse_id);
    core->metrics.encodings++;
    put_bytes(core, session, bytes);
    if (is_shared) {
        encoded_keep(&core->encoded, reply->seq, bytes);
    }
}

/* A Server-Sent Events id resumes the whole stream, so it is only told where this one cursor is all there is to it. */
static int64_t sse_id_of(const struct cursor *cursor, int64_t seq) {
    return cursor->subscription->cursor_count == 1 ? seq : 0;
}

/* Every removal since is news, also of a topic that this cursor never passed: the client may have heard of it before an earlier removal,
   or through another of its subscriptions. */
static bool is_news(const struct cursor *cursor, struct place *place) {
    if (place->spot.why == AHORA_WHY_NONE) {
        return true;
    }
    return near_of(cursor->view) != NULL ? CONTAINER_OF(place, struct visit, place)->held : place->seq > cursor->removals_after;
}

static void pass(struct core *core, struct cursor *cursor, struct place *place) {
    const bool near = near_of(cursor->view) != NULL;
    struct session *session = cursor->subscription->session;
    if (is_news(cursor, place)) {
        const struct reply reply = reply_of_place(core, session->mask, place);
        const bool left = reply.op == REPLY_REMOVE && reply.why == AHORA_WHY_LEFT;
        if (reply.op == REPLY_SET) {
            put_document(core, session, &reply, sse_id_of(cursor, place->seq));
        } else if (!left || !is_held_elsewhere(core, session, cursor->view, place->topic)) {
            put_message(core, session, &reply, sse_id_of(cursor, place->seq));
        }
        cursor->delivered += near ? CONTAINER_OF(place, struct visit, place)->changed : place->seq > cursor->counts_after;
        core->metrics.deliveries++;
    }
    cursor->seq = place->seq;
    if (near) {
        near_passed(CONTAINER_OF(place, struct visit, place));
        return;
    }
    bookmark_pass(cursor->view, &cursor->bookmark, place);
}

static void finish_cursor(struct core *core, struct cursor *cursor) {
    uint64_t changes = cursor->view->changes - cursor->changes_seen;
    if (changes > cursor->delivered) {
        cursor->subscription->skipped += changes - cursor->delivered;
    }
    become_complete(core, cursor);
}

/* True: the cursor stands at the end of its view. */
static bool walk_cursor(struct core *core, struct cursor *cursor) {
    while (!piece_is_full(core)) {
        struct place *place = bookmark_next(cursor->view, &cursor->bookmark);
        if (place == NULL) {
            finish_cursor(core, cursor);
            return true;
        }
        pass(core, cursor, place);
    }
    return false;
}

/* Removals that this cursor has not passed are forgotten: only a new snapshot is right. */
static bool has_missed_removals(const struct cursor *cursor) {
    return !cursor->complete && cursor->view->floor > cursor->seq && cursor->view->floor > cursor->removals_after;
}

static void resync(struct core *core, struct subscription *subscription) {
    const struct reply reply = {.op = REPLY_SUBSCRIBED, .id = subscription->id, .resumed = false};
    put_message(core, subscription->session, &reply, 0);
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        bookmark_lift(&subscription->cursors[i].bookmark);
    }
    core->metrics.resyncs++;
    delivery_start(core, subscription, -1);
}

static void announce_live(struct core *core, struct subscription *subscription) {
    const struct reply reply = {
        .op = REPLY_LIVE, .id = subscription->id, .seq = core->seq_shown, .skipped = (int64_t)subscription->skipped};
    put_message(core, subscription->session, &reply, core->seq_shown);
    core->metrics.skipped += subscription->skipped;
    subscription->session->skipped += subscription->skipped;
    subscription->skipped = 0;
    subscription->announced = true;
    subscription->walked_ms = core->mono_ms;
}

static void walk_subscription(struct core *core, struct subscription *subscription) {
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        if (has_missed_removals(&subscription->cursors[i])) {
            resync(core, subscription);
            break;
        }
    }
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        struct cursor *cursor = &subscription->cursors[i];
        if (!cursor->complete && !walk_cursor(core, cursor)) {
            return;
        }
    }
    link_remove(&subscription->behind);
    announce_live(core, subscription);
}

void delivery_restart(struct core *core, struct subscription *subscription) {
    const struct reply reply = {.op = REPLY_SUBSCRIBED, .id = subscription->id, .resumed = false};
    core->metrics.subscriptions_live -= is_live(subscription);
    heap_clear(&core->paces, &subscription->pace);
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        bookmark_lift(&subscription->cursors[i].bookmark);
    }
    session_reply(core, subscription->session, &reply);
    delivery_start(core, subscription, -1);
}

/* ---- denial ---- */

/* Documents that are taken back one by one: past it the client has to forget everything. */
#define DENIED_MAX 10000

/* May the client hold it by this cursor? What came into being behind a cursor that is behind was never sent. */
static bool may_hold(const struct cursor *cursor, struct place *place) {
    if (near_of(cursor->view) != NULL) {
        return CONTAINER_OF(place, struct visit, place)->held;
    }
    if (cursor->complete) {
        return place->spot.why == AHORA_WHY_NONE;
    }
    return place->topic->seq_created <= cursor->seq && (place->spot.why == AHORA_WHY_NONE || place->seq > cursor->seq);
}

static bool deny_place(struct core *core, struct cursor *cursor, struct place *place, size_t *count) {
    struct session *session = cursor->subscription->session;
    const struct topic *topic = place->topic;
    if (!may_hold(cursor, place) || is_held_elsewhere(core, session, NULL, place->topic)) {
        return true;
    }
    const struct reply reply = {
        .op = REPLY_REMOVE, .topic = topic_path(topic), .ref = topic->ref, .seq = topic->seq, .why = AHORA_WHY_DENIED};
    session_reply(core, session, &reply);
    return ++*count < DENIED_MAX && session->close_code == 0;
}

static bool deny_cursor(struct core *core, struct cursor *cursor, size_t *count) {
    struct near *near = near_of(cursor->view);
    if (near != NULL) {
        for (struct link *link = near->visits.next, *next; link != &near->visits; link = next) {
            next = link->next;
            if (!deny_place(core, cursor, &CONTAINER_OF(link, struct visit, of_near)->place, count)) {
                return false;
            }
        }
        return true;
    }
    for (struct place *place = view_place_after(cursor->view, &cursor->view->order), *next; place != NULL; place = next) {
        next = view_place_after(cursor->view, &place->spot.link);
        if (!deny_place(core, cursor, place, count)) {
            return false;
        }
    }
    return true;
}

bool delivery_deny(struct core *core, struct subscription *subscription) {
    size_t count = 0;
    core->pieces++; /* the views of this session are to be marked anew, without this subscription */
    core->marked = false;
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        if (!deny_cursor(core, &subscription->cursors[i], &count)) {
            return false;
        }
    }
    return true;
}

/* ---- all that is behind ---- */

bool delivery_walk(struct core *core, struct session *session) {
    if (list_is_empty(&session->behind)) {
        return false;
    }
    begin_piece(core);
    while (!list_is_empty(&session->behind) && !piece_is_full(core)) {
        struct link *first = session->behind.next;
        walk_subscription(core, CONTAINER_OF(first, struct subscription, behind));
        if (link_is_listed(first) && session->behind.next == first) { /* not done: the others have their turn */
            link_remove(first);
            list_append(&session->behind, first);
        }
    }
    assert(!core->piece.failed);
    return core->piece.bytes > FRAME_HEADER_BYTES_MAX;
}

int64_t delivery_complete_seq(const struct core *core, const struct session *session) {
    int64_t complete = core->seq_shown;
    for (const struct link *link = session->subscriptions.next; link != &session->subscriptions; link = link->next) {
        const struct subscription *subscription = (const struct subscription *)(const void *)link;
        static_assert(offsetof(struct subscription, of_session) == 0, "the link comes first");
        for (uint32_t i = 0; i < subscription->cursor_count && subscription->announced; i++) {
            const struct cursor *cursor = &subscription->cursors[i];
            if (!cursor->complete && cursor->seq < complete) {
                complete = cursor->seq;
            }
        }
    }
    return complete;
}
