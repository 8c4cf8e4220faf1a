/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/telling.h"

#include <assert.h>

#include "broker/core/state.h"

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

struct span telling_encode(struct core *core, enum encoding encoding, const struct reply *reply, int64_t seq) {
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

size_t telling_frame_header(enum encoding encoding, uint8_t *end, size_t payload_bytes) {
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

struct reply telling_of_change(struct core *core, const struct mask *mask, const struct change *change, enum form form) {
    struct reply reply = {.seq = change->seq, .at = change->at, .ref = change->topic->ref};
    if (change->document == NULL || form == FORM_LEFT) {
        reply.op = REPLY_REMOVE;
        reply.topic = topic_path(change->topic);
        reply.why = form == FORM_LEFT ? AHORA_WHY_LEFT : change->why;
        return reply;
    }
    if (telling_is_patch(change, form)) {
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
struct reply telling_of_place(struct core *core, const struct mask *mask, const struct place *place) {
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
