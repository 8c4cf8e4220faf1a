/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/document.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct document *document_create(struct span map) {
    assert(map.bytes <= UINT32_MAX);
    struct document *document = malloc(sizeof *document + map.bytes);
    if (document == NULL) {
        return NULL;
    }
    document->refs = 1;
    document->bytes = (uint32_t)map.bytes;
    memcpy(document->data, map.data, map.bytes);
    return document;
}

struct document *document_ref(struct document *document) {
    document->refs++;
    return document;
}

void document_unref(struct document *document) {
    if (document == NULL) {
        return;
    }
    assert(document->refs > 0);
    if (--document->refs == 0) {
        free(document);
    }
}

struct span document_span(const struct document *document) {
    return span_of(document->data, document->bytes);
}

/* ---- merge patch ---- */

static const uint8_t empty_map[] = {0x80};

static bool is_type(struct span value, enum pack_type type) {
    struct pack_reader reader = pack_reader_of(value);
    return pack_peek(&reader) == type;
}

/* What the merge leaves of `target`'s entries, plus those that only `patch` has. */
static uint32_t merged_count(struct span target, struct span patch) {
    struct pack_reader reader = pack_reader_of(target);
    uint32_t count = pack_read_map(&reader);
    reader = pack_reader_of(patch);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        struct span key = pack_read_text(&reader);
        bool removes = is_type(pack_skip(&reader), PACK_NIL);
        bool exists = pack_find_key(target, key).data != NULL;
        if (removes && exists) {
            count--;
        } else if (!removes && !exists) {
            count++;
        }
    }
    return count;
}

static bool merge(struct buffer *out, struct span target, struct span patch, unsigned depth);

/* The value that a field gets: `patched` replaces `old`, except that maps merge. */
static bool put_field(struct buffer *out, struct span key, struct span old, struct span patched, unsigned depth) {
    pack_put_text(out, key);
    if (!is_type(patched, PACK_MAP)) {
        pack_put_raw(out, patched);
        return true;
    }
    bool both = old.data != NULL && is_type(old, PACK_MAP);
    return merge(out, both ? old : span_of(empty_map, sizeof empty_map), patched, depth - 1);
}

static bool put_old_fields(struct buffer *out, struct span target, struct span patch, unsigned depth) {
    struct pack_reader reader = pack_reader_of(target);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        struct span key = pack_read_text(&reader);
        struct span old = pack_skip(&reader);
        struct span patched = pack_find_key(patch, key);
        if (patched.data == NULL) {
            pack_put_text(out, key);
            pack_put_raw(out, old);
        } else if (!is_type(patched, PACK_NIL) && !put_field(out, key, old, patched, depth)) {
            return false;
        }
    }
    return true;
}

static bool put_new_fields(struct buffer *out, struct span target, struct span patch, unsigned depth) {
    struct pack_reader reader = pack_reader_of(patch);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        struct span key = pack_read_text(&reader);
        struct span patched = pack_skip(&reader);
        if (!is_type(patched, PACK_NIL) && pack_find_key(target, key).data == NULL &&
            !put_field(out, key, (struct span){0}, patched, depth)) {
            return false;
        }
    }
    return true;
}

static bool merge(struct buffer *out, struct span target, struct span patch, unsigned depth) {
    assert(depth > 0 && "pack_check bounded the depth of both");
    uint32_t count = merged_count(target, patch);
    if (count > AHORA_MAP_ENTRIES_MAX) {
        return false;
    }
    pack_put_map(out, count);
    return put_old_fields(out, target, patch, depth) && put_new_fields(out, target, patch, depth);
}

enum ahora_code document_merge(struct buffer *out, struct span target, struct span patch) {
    if (target.bytes == 0) {
        target = span_of(empty_map, sizeof empty_map);
    }
    if (!merge(out, target, patch, AHORA_DEPTH_MAX + 1)) {
        return AHORA_INVALID;
    }
    return out->failed ? AHORA_TOO_LARGE : AHORA_OK;
}
