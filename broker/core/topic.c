/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/topic.h"

#include <assert.h>

#include "broker/core/mask.h"
#include "proto/pack.h"

struct span topic_path(const struct topic *topic) {
    return span_of(topic->path, topic->path_bytes);
}

bool topic_is_removed(const struct topic *topic) {
    return topic->document == NULL;
}

void topic_put_item(struct buffer *out, const struct topic *topic, struct span mask) {
    assert(!topic_is_removed(topic));
    pack_put_map(out, topic->stale ? 5 : 4);
    pack_put_key(out, "topic");
    pack_put_text(out, topic_path(topic));
    pack_put_key(out, "seq");
    pack_put_int(out, topic->seq);
    pack_put_key(out, "at");
    pack_put_int(out, topic->at);
    pack_put_key(out, "data");
    if (mask.data == NULL) {
        pack_put_raw(out, document_span(topic->document));
    } else {
        mask_put(out, mask, document_span(topic->document));
    }
    if (topic->stale) {
        pack_put_key(out, "stale");
        pack_put_bool(out, true);
    }
}

struct span topic_shown(const struct topic *topic, struct span mask, struct buffer *scratch) {
    if (mask.data == NULL) {
        return document_span(topic->document);
    }
    buffer_clear(scratch, scratch->bytes_max);
    mask_put(scratch, mask, document_span(topic->document));
    return buffer_span(scratch);
}
