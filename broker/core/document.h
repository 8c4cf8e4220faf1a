/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A document: an immutable, counted MessagePack map. A change makes a new one; frames, records and subscribers share it.
 * The same shape carries the difference a change made (an RFC 7396 merge patch).
 */
#ifndef CORE_DOCUMENT_H
#define CORE_DOCUMENT_H

#include "include/ahora/protocol.h"
#include "proto/buffer.h"
#include "proto/message.h"

struct document {
    uint32_t refs;
    uint32_t bytes;
    uint8_t data[];
};

struct document *document_create(struct span map); /* copies; NULL: no memory */
struct document *document_ref(struct document *document);
void document_unref(struct document *document); /* NULL is fine */
struct span document_span(const struct document *document);

/*
 * Appends `target` with the merge patch applied (RFC 7396 section 2): null removes, maps merge, everything else replaces. Fields keep
 * their order, new ones follow. An empty `target` counts as {}. Fails by out->failed. AHORA_INVALID: a map of the
 * result would have more than AHORA_MAP_ENTRIES_MAX entries; AHORA_TOO_LARGE: out->failed.
 */
enum ahora_code document_merge(struct buffer *out, struct span target, struct span patch);

#endif
