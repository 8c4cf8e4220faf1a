/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/topic.h"

#include <assert.h>

#include "proto/pack.h"

struct span topic_path(const struct topic *topic) {
    return span_of(topic->path, topic->path_bytes);
}

bool topic_is_removed(const struct topic *topic) {
    return topic->document == NULL;
}

void topic_put_item(struct buffer *out, const struct topic *topic) {
    assert(!topic_is_removed(topic));
    pack_put_map(out, topic->stale ? 5 : 4);
    pack_put_key(out, "topic");
    pack_put_text(out, topic_path(topic));
    pack_put_key(out, "seq");
    pack_put_int(out, topic->seq);
    pack_put_key(out, "at");
    pack_put_int(out, topic->at);
    pack_put_key(out, "data");
    pack_put_raw(out, document_span(topic->document));
    if (topic->stale) {
        pack_put_key(out, "stale");
        pack_put_bool(out, true);
    }
}
