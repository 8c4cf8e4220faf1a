/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/request.h"
#include "broker/core/slice.h"
#include "broker/core/state.h"
#include "broker/core/telling.h"
#include "broker/core/walk.h"
#include "proto/utf8.h"

/* Answers may pass outbox_bytes_max by the last one, never by more than this: one `get` or `published` in JSON. */
#define OUTBOX_SLACK_BYTES ((size_t)16 * 1024 * 1024)

/* Topics that the requests of one turn may make us visit, by new views, reads and resumes: about 10 ms. */
#define WORK_MAX 100000

/* Input that waits is at most one message that was being worked on, and what the socket had already given us: one read of it, a few messages. */
#define INBOX_MESSAGES 4
#define INBOX_READ_BYTES ((size_t)1024 * 1024)

#define CACHE_LINE_BYTES 64

/* ---- life ---- */

struct session *session_open(struct core *core, enum encoding encoding, const char *principal, void *owner) {
    size_t principal_bytes = strnlen(principal, KEY_TEXT_BYTES_MAX - AHORA_KEY_BYTES_MAX - 1);
    struct session *session = malloc(sizeof *session + principal_bytes + 1);
    if (session == NULL) {
        return NULL;
    }
    *session = (struct session){
        .owner = owner,
        .encoding = encoding,
        .number = core->session_numbers += core->session_step,
        .opened_ms = core->mono_ms,
        .greeted = encoding == ENCODING_SSE,
        .allowance = {core->limits.publish_rate_max, core->mono_ms},
        .messages = {core->limits.message_rate_max, core->mono_ms},
        .received = {core->limits.receive_rate_max, core->mono_ms},
    };
    memcpy(session->principal, principal, principal_bytes);
    session->principal[principal_bytes] = '\0';
    list_init(&session->subscriptions);
    list_init(&session->behind);
    list_init(&session->publications);
    session->slices_end = &session->slices;
    buffer_init(&session->outbox, core->limits.outbox_bytes_max + OUTBOX_SLACK_BYTES);
    buffer_init(&session->inbox, INBOX_MESSAGES * core->limits.message_bytes_max + INBOX_READ_BYTES);
    int64_t due = core->mono_ms + (session->greeted ? core->limits.beat_ms / 2 : core->limits.hello_ms);
    if (!heap_set(&core->timers, &session->timer, due)) {
        free(session);
        return NULL;
    }
    list_append(&core->sessions, &session->all);
    core->metrics.sessions++;
    core->metrics.sessions_total++;
    return session;
}

void session_set_public(struct core *core, struct session *session) {
    session->is_public = true;
    session->messages.left = core->limits.public_message_rate_max;
    session->received.left = core->limits.public_receive_rate_max;
}

static void drop_publications(struct core *core, struct session *session) {
    for (struct link *link; (link = list_pop(&session->publications)) != NULL;) {
        struct publication *publication = CONTAINER_OF(link, struct publication, of_session);
        core_cancel(core, &publication->ticket);
        free(publication);
    }
}

void session_close(struct core *core, struct session *session) {
    core->sliced_count -= session->slices != NULL;
    for (struct link *link; (link = list_pop(&session->subscriptions)) != NULL;) {
        subscription_end(core, CONTAINER_OF(link, struct subscription, of_session));
    }
    drop_publications(core, session);
    session_rights_fini(core, session);
    if (core->ledger.follows) {
        follow_leave(core, session);
    } else if (session->source != NULL) {
        source_leave(&core->ledger.sources, session->source, core->mono_ms);
    }
    heap_clear(&core->timers, &session->timer);
    link_remove(&session->all);
    link_remove(&session->ready);
    link_remove(&session->stalled_input);
    link_remove(&session->named);
    buffer_fini(&session->outbox);
    buffer_fini(&session->inbox);
    free(session);
    core->metrics.sessions--;
}

void *session_owner(const struct session *session) {
    return session->owner;
}

void session_kick(struct core *core, struct session *session, int close_code, const char *reason) {
    if (session->close_code != 0) {
        return;
    }
    session->close_code = close_code;
    session->close_reason = reason;
    slices_drop(core, session); /* they are not pulled any more */
    buffer_clear(&session->inbox, 0);
    session_mark_ready(core, session);
}

int session_close_code(const struct session *session, const char **reason) {
    *reason = session->close_reason;
    /* Who publishes, then closes, or while the broker stops, still hears what became of it. */
    bool in_peace = session->close_code == AHORA_CLOSE_GOING_AWAY || session->close_code == AHORA_CLOSE_NORMAL;
    bool owes = session->outbox.bytes > 0 || (in_peace && session->publication_count > 0);
    return owes ? 0 : session->close_code;
}

bool session_is_kicked(const struct session *session) {
    return session->close_code != 0;
}

void session_mark_ready(struct core *core, struct session *session) {
    if (!session->choked && !link_is_listed(&session->ready)) {
        list_append(&core->ready, &session->ready);
    }
}

/* ---- output ---- */

static void put_framed(struct core *core, struct session *session, struct span payload) {
    uint8_t header[FRAME_HEADER_BYTES_MAX];
    size_t header_bytes = telling_frame_header(session->encoding, header + sizeof header, payload.bytes);
    (void)core;
    size_t before = session->outbox.bytes;
    buffer_put(&session->outbox, header + sizeof header - header_bytes, header_bytes);
    buffer_put_span(&session->outbox, payload);
    if (session->outbox.failed) {
        buffer_cut(&session->outbox, before);
        session_kick(core, session, AHORA_CLOSE_TRY_AGAIN_LATER, ahora_code_name(AHORA_OVERLOADED));
    }
}

void session_reply(struct core *core, struct session *session, const struct reply *reply) {
    put_framed(core, session, telling_encode(core, session->encoding, reply, 0));
    session_mark_ready(core, session);
}

void session_reply_error(struct core *core, struct session *session, int64_t id, enum ahora_code code, const char *detail) {
    const struct reply reply = {
        .op = REPLY_ERROR, .id = id, .code = code, .detail = span_of_text(detail == NULL ? ahora_code_name(code) : detail)};
    core->metrics.errors[code]++;
    session_reply(core, session, &reply);
}

void session_reply_retry(struct core *core, struct session *session, int64_t id, enum ahora_code code, const char *detail,
                         int64_t retry_ms) {
    const struct reply reply = {
        .op = REPLY_ERROR, .id = id, .code = code, .detail = span_of_text(detail), .retry_ms = retry_ms};
    core->metrics.errors[code]++;
    session_reply(core, session, &reply);
}

/* `invalid`, and which part of the message is at fault. */
void session_reply_fault(struct core *core, struct session *session, int64_t id, const struct request_fault *fault) {
    struct buffer *errors = &core->items;
    buffer_clear(errors, core->limits.block_bytes);
    pack_put_list(errors, 1);
    pack_put_map(errors, 2);
    pack_put_key(errors, "pointer");
    pack_put_text(errors, span_of_text(fault->pointer));
    pack_put_key(errors, "detail");
    pack_put_text(errors, span_of_text(fault->detail));
    const struct reply reply = {.op = REPLY_ERROR,
                                .id = id,
                                .code = AHORA_INVALID,
                                .detail = span_of_text(fault->detail),
                                .errors = buffer_span(errors)};
    core->metrics.errors[AHORA_INVALID]++;
    session_reply(core, session, &reply);
}

/* Hands the outbox over; the session starts an empty one. */
static struct span take_outbox(struct core *core, struct session *session) {
    struct buffer taken = session->outbox;
    buffer_init(&session->outbox, taken.bytes_max);
    buffer_fini(&core->piece);
    core->piece = taken;
    return buffer_span(&core->piece);
}

/* core->piece belongs to the walk again, if an outbox was lent there. */
static void own_piece(struct core *core) {
    if (core->piece.bytes_max != SIZE_MAX) {
        buffer_fini(&core->piece);
        buffer_init(&core->piece, SIZE_MAX);
    }
}

/* What delivery made in core->piece, with its header in front. */
static struct span framed_piece(struct core *core, const struct session *session) {
    uint8_t *payload = core->piece.data + FRAME_HEADER_BYTES_MAX;
    size_t payload_bytes = core->piece.bytes - FRAME_HEADER_BYTES_MAX;
    size_t header_bytes = telling_frame_header(session->encoding, payload, payload_bytes);
    return span_of(payload - header_bytes, header_bytes + payload_bytes);
}

static struct span take_first_slice(struct core *core, struct session *session) {
    const struct slice *slice = session->slices;
    session->slices = slice->next;
    if (session->slices == NULL) {
        session->slices_end = &session->slices;
        session->slice_count = 0;
        core->sliced_count--;
    }
    slice_taken(slice, slice->block->seq_last);
    core->metrics.deliveries += slice->block->messages;
    core->metrics.deliveries_live += slice->block->messages;
    return span_of(slice->block->data, slice->block->bytes);
}

static struct span take_slice(struct core *core, struct session *session) {
    if (!session->merges) {
        return take_first_slice(core, session);
    }
    own_piece(core);
    slices_merge(core, session); /* may come to nothing: what left one view is held by another */
    return core->piece.bytes > FRAME_HEADER_BYTES_MAX ? framed_piece(core, session) : (struct span){0};
}

static struct span take_walk(struct core *core, struct session *session) {
    own_piece(core);
    return walk_session(core, session) ? framed_piece(core, session) : (struct span){0};
}

static struct span next_piece(struct core *core, struct session *session) {
    if (session->outbox.bytes > 0) {
        return take_outbox(core, session);
    }
    if (session->close_code != 0) {
        return (struct span){0};
    }
    if (session->slices != NULL) {
        struct span piece = take_slice(core, session);
        if (piece.bytes > 0) {
            return piece;
        }
    }
    if (core->ledger.change_count > 0) { /* a walk would show what is not stored yet */
        if (!list_is_empty(&session->behind)) {
            session_mark_ready(core, session);
        }
        return (struct span){0};
    }
    return take_walk(core, session);
}

bool session_pull(struct core *core, struct session *session, struct span *piece) {
    if (session->choked) {
        return false;
    }
    if (session->outbox.bytes > 0 && core->ledger.change_count > 0) { /* answers may tell of changes not stored yet */
        session_mark_ready(core, session);
        return false;
    }
    *piece = next_piece(core, session);
    session->wrote |= piece->bytes > 0;
    if (session->outbox.bytes == 0 && session->inbox.bytes > 0 && !link_is_listed(&session->stalled_input)) {
        list_append(&core->inputs, &session->stalled_input);
    }
    return piece->bytes > 0;
}

size_t session_peek(const struct session *session, struct span *pieces, size_t max) {
    const struct slice *slice = session->slices;
    const bool has_others =
        session->merges || session->outbox.bytes > 0 || session->inbox.bytes > 0 || !list_is_empty(&session->behind);
    if (slice == NULL || has_others || session->close_code != 0 || session->choked) {
        return 0;
    }
    size_t count = 0;
    for (; slice != NULL && count < max; slice = slice->next) {
        pieces[count++] = span_of(slice->block->data, slice->block->bytes);
    }
    return count;
}

bool session_took(struct core *core, struct session *session, size_t count) {
    for (; count > 0; count--) {
        (void)take_first_slice(core, session);
        session->wrote = true;
    }
    return session_may_have_more(session);
}

bool session_may_have_more(const struct session *session) {
    return session->outbox.bytes > 0 || session->slices != NULL || !list_is_empty(&session->behind);
}

void session_set_choked(struct core *core, struct session *session, bool choked) {
    session->choked = choked;
    if (!choked) {
        session_mark_ready(core, session);
        return;
    }
    link_remove(&session->ready);
    slices_drop(core, session);
}

void session_yield(struct core *core, struct session *session) {
    slices_drop(core, session);
    session_mark_ready(core, session);
}

static void fetch_lines(const void *memory, size_t count) {
    for (size_t i = 0; memory != NULL && i < count; i++) {
        __builtin_prefetch((const char *)memory + i * CACHE_LINE_BYTES);
    }
}

/* What the next ones touch is on its way while this one is served: of thousands, none is in the cache any more. */
static void fetch_ahead(struct core *core) {
    struct link *next = core->ready.next;
    if (next != &core->ready) {
        fetch_lines(CONTAINER_OF(next, struct session, ready)->owner, 2);
        fetch_lines(next->next, 3);
    }
}

struct session *core_next_ready(struct core *core) {
    struct link *link = list_pop(&core->ready);
    if (link == NULL) {
        return NULL;
    }
    fetch_ahead(core);
    return CONTAINER_OF(link, struct session, ready);
}

/* ---- input ---- */

bool session_is_producer(const struct session *session) {
    return session->is_producer;
}

bool session_wants_read(const struct session *session) {
    return session->inbox.bytes == 0 && session->close_code == 0;
}

static bool may_go_on(struct core *core, const struct session *session) {
    const bool has_room = session->publication_count < core->limits.publishes_max;
    core->metrics.publishes_held += !has_room;
    return session->close_code == 0 && session->outbox.bytes < core->limits.outbox_bytes_max && has_room &&
           core->work < WORK_MAX && !session->is_claiming && (session->posted_count == 0 || core_wants_changes(core));
}

static void refuse_bytes(struct core *core, struct session *session, const char *detail) {
    session_reply_error(core, session, 0, AHORA_BAD_MESSAGE, detail);
    session_kick(core, session, AHORA_CLOSE_BAD_MESSAGE, ahora_code_name(AHORA_BAD_MESSAGE));
}

/* RFC 6455 section 8.1 has a code of its own for text that is not UTF-8; whether that was it is looked at only when something was wrong. */
static void refuse_text(struct core *core, struct session *session, struct span line, const char *detail) {
    if (utf8_is_legal(line)) {
        refuse_bytes(core, session, detail);
        return;
    }
    session_reply_error(core, session, 0, AHORA_BAD_MESSAGE, detail);
    session_kick(core, session, AHORA_CLOSE_NOT_UTF8, ahora_code_name(AHORA_BAD_MESSAGE));
}

/* Takes one message off the front of *input. False: it stays, and has to wait. */
static bool take_packed(struct core *core, struct session *session, struct span *input) {
    size_t used = 0;
    enum pack_fault fault = pack_check(*input, AHORA_DEPTH_MAX, &used);
    if (fault != PACK_FINE) {
        refuse_bytes(core, session, pack_fault_text(fault));
        return true;
    }
    if (!request_handle(core, session, span_of(input->data, used))) {
        return false;
    }
    *input = span_of(input->data + used, input->bytes - used);
    return true;
}

static bool is_blank(struct span line) {
    for (size_t i = 0; i < line.bytes; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

static bool take_line(struct core *core, struct session *session, struct span *input) {
    const uint8_t *newline = memchr(input->data, '\n', input->bytes);
    size_t bytes = newline == NULL ? input->bytes : (size_t)(newline - input->data);
    struct span line = span_of(input->data, bytes);
    size_t used = newline == NULL ? bytes : bytes + 1;
    if (!is_blank(line)) {
        const char *detail = NULL;
        buffer_clear(&core->inbound, core->limits.block_bytes);
        enum ahora_code code = json_to_pack_bounded(line, AHORA_DEPTH_MAX, JSON_VALUES_MAX, &core->inbound, &detail);
        if (code == AHORA_TOO_LARGE) {
            session_reply_error(core, session, 0, code, detail);
            session_kick(core, session, AHORA_CLOSE_TOO_BIG, ahora_code_name(code));
        } else if (code != AHORA_OK) {
            refuse_text(core, session, line, detail);
        } else if (!request_handle(core, session, buffer_span(&core->inbound))) {
            return false;
        }
    }
    *input = span_of(input->data + used, input->bytes - used);
    return true;
}

/* Works on the input as far as answers and publications have room; returns what is left. */
static struct span process(struct core *core, struct session *session, struct span input) {
    bool taken = true;
    while (input.bytes > 0 && taken && may_go_on(core, session)) {
        taken = session->encoding == ENCODING_JSON ? take_line(core, session, &input) : take_packed(core, session, &input);
    }
    if (!taken && session->posted_count == 0 && !session->is_claiming && !link_is_listed(&session->stalled_input)) {
        list_append(&core->inputs, &session->stalled_input); /* it waits for the end of this turn alone */
    }
    return session->close_code != 0 ? (struct span){0} : input;
}

/* Input that waits only because this turn did enough goes on in the next. */
static void wait_for_work(struct core *core, struct session *session) {
    if (core->work >= WORK_MAX && session->inbox.bytes > 0 && !link_is_listed(&session->stalled_input)) {
        list_append(&core->inputs, &session->stalled_input);
    }
}

static void keep_input(struct core *core, struct session *session, struct span rest) {
    if (session->encoding == ENCODING_JSON && session->inbox.bytes > 0) {
        buffer_put_byte(&session->inbox, '\n');
    }
    buffer_put_span(&session->inbox, rest);
    if (session->inbox.failed) {
        session_kick(core, session, AHORA_CLOSE_TOO_MANY, ahora_code_name(AHORA_TOO_MANY));
    }
}

void session_receive(struct core *core, struct session *session, struct span message) {
    assert(message.bytes <= core->limits.message_bytes_max && "the caller bounds messages");
    if (session->close_code != 0) {
        return;
    }
    if (message.bytes == 0) {
        refuse_bytes(core, session, "an empty message");
        return;
    }
    if (session->inbox.bytes > 0) {
        keep_input(core, session, message);
        return;
    }
    struct span rest = process(core, session, message);
    if (rest.bytes > 0) {
        keep_input(core, session, rest);
        wait_for_work(core, session);
    }
}

void session_receive_packed(struct core *core, struct session *session, struct span messages) {
    struct span rest = process(core, session, messages);
    if (rest.bytes > 0) {
        keep_input(core, session, rest);
        wait_for_work(core, session);
    }
}

void session_process_inbox(struct core *core, struct session *session) {
    struct span rest = process(core, session, buffer_span(&session->inbox));
    buffer_consume(&session->inbox, session->inbox.bytes - rest.bytes);
    if (session->inbox.bytes == 0) {
        buffer_clear(&session->inbox, 0);
    }
    wait_for_work(core, session);
    session_mark_ready(core, session); /* the caller asks again whether to read */
}

/* ---- time ---- */

static void beat(struct core *core, struct session *session) {
    const struct reply reply = {.op = REPLY_BEAT, .seq = walk_complete_seq(core, session), .now = core->wall_ms};
    core->metrics.beats++;
    session_reply(core, session, &reply);
}

void session_timer_due(struct core *core, struct session *session) {
    if (!session->greeted) {
        core->metrics.hello_timeouts++;
        session_kick(core, session, AHORA_CLOSE_NO_HELLO, "no_hello");
        heap_clear(&core->timers, &session->timer);
        return;
    }
    /* Looked at twice in beat_ms: a session that heard nothing in between is told, so it never waits longer than beat_ms. */
    if (!session->wrote && !session->choked && session->close_code == 0) {
        beat(core, session);
    }
    session->wrote = false;
    bool set = heap_set(&core->timers, &session->timer, core->mono_ms + core->limits.beat_ms / 2);
    assert(set && "moving a timer needs no memory");
    (void)set;
}
