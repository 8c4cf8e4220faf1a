/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/document.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/field_map.h"
#include "proto/pack.h"

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

/* What becomes of each field, found before anything is written: one look for each field of the patch. */
struct plan {
    uint32_t count;                          /* fields of the result */
    uint32_t patched[AHORA_MAP_ENTRIES_MAX]; /* of each field of the target: where in the patch its new value is, 0: it stays */
    bool is_new[AHORA_MAP_ENTRIES_MAX];      /* of each field of the patch: only the patch has it, and not as null */
};

/* Never part of merge(), which calls itself: the fields need their room on the stack once, not at each depth. */
__attribute__((noinline)) static void plan_merge(struct plan *plan, struct span target, struct span patch) {
    struct pack_reader reader = pack_reader_of(patch);
    const uint32_t patch_count = pack_read_map(&reader);
    struct field_map fields;
    field_map_read(&fields, target, patch_count);
    plan->count = fields.count;
    memset(plan->patched, 0, fields.count * sizeof *plan->patched);
    assert(patch_count <= AHORA_MAP_ENTRIES_MAX && "pack_check bounded it");
    for (uint32_t i = 0; i < patch_count; i++) {
        const uint32_t place = field_map_find(&fields, pack_read_text(&reader));
        const struct span value = pack_skip(&reader);
        const bool removes = pack_is(value, PACK_NIL);
        plan->is_new[i] = place == FIELD_MAP_NONE && !removes;
        plan->count += plan->is_new[i];
        if (place != FIELD_MAP_NONE) {
            plan->patched[place] = (uint32_t)(value.data - patch.data);
            plan->count -= removes;
        }
    }
}

static bool merge(struct buffer *out, struct span target, struct span patch, unsigned depth);

/* The value that a field gets: `patched` replaces `old`, except that maps merge. */
static bool put_field(struct buffer *out, struct span key, struct span old, struct span patched, unsigned depth) {
    pack_put_text(out, key);
    if (!pack_is(patched, PACK_MAP)) {
        pack_put_raw(out, patched);
        return true;
    }
    bool both = old.data != NULL && pack_is(old, PACK_MAP);
    return merge(out, both ? old : span_of(empty_map, sizeof empty_map), patched, depth - 1);
}

static bool put_old_fields(struct buffer *out, const struct plan *plan, struct span target, struct span patch, unsigned depth) {
    struct pack_reader reader = pack_reader_of(target);
    const uint32_t count = pack_read_map(&reader);
    for (uint32_t i = 0; i < count; i++) {
        struct span key = pack_read_text(&reader);
        struct span old = pack_skip(&reader);
        if (plan->patched[i] == 0) {
            pack_put_text(out, key);
            pack_put_raw(out, old);
            continue;
        }
        struct pack_reader at = pack_reader_of(span_of(patch.data + plan->patched[i], patch.bytes - plan->patched[i]));
        struct span patched = pack_skip(&at);
        if (!pack_is(patched, PACK_NIL) && !put_field(out, key, old, patched, depth)) {
            return false;
        }
    }
    return true;
}

static bool put_new_fields(struct buffer *out, const struct plan *plan, struct span patch, unsigned depth) {
    struct pack_reader reader = pack_reader_of(patch);
    const uint32_t count = pack_read_map(&reader);
    for (uint32_t i = 0; i < count; i++) {
        struct span key = pack_read_text(&reader);
        struct span patched = pack_skip(&reader);
        if (plan->is_new[i] && !put_field(out, key, (struct span){0}, patched, depth)) {
            return false;
        }
    }
    return true;
}

static bool merge(struct buffer *out, struct span target, struct span patch, unsigned depth) {
    assert(depth > 0 && "pack_check bounded the depth of both");
    struct plan plan;
    plan_merge(&plan, target, patch);
    if (plan.count > AHORA_MAP_ENTRIES_MAX) {
        return false;
    }
    pack_put_map(out, plan.count);
    return put_old_fields(out, &plan, target, patch, depth) && put_new_fields(out, &plan, patch, depth);
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
