/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Masks: which fields of a document are shown. A mask is a packed map of fields: nil where all below is shown, a map where only part
 * of it is. It is canonical: equal masks have equal bytes.
 *
 *     fields ["available", "position.lat"]   ▶   {"available": nil, "position": {"lat": nil}}
 *
 * What holds for every document and patch: masking what a patch makes is the same as applying the masked patch to the masked document.
 * So a subscriber who is sent masked patches has what a reader of the masked document gets. Pure.
 */
#ifndef CORE_MASK_H
#define CORE_MASK_H

#include "proto/pack.h"

#define MASK_FIELDS_MAX 64
#define MASK_DEPTH_MAX 8
#define MASK_BYTES_MAX 4096

/* `fields`: packed list of names, dotted paths, or JSON pointers, as in `where`. NULL, or what is wrong with it (static text). */
const char *mask_compile(struct span fields, struct buffer *mask);

/* Appends what is shown of the document, a packed map. */
void mask_put(struct buffer *out, struct span mask, struct span document);

/* Appends what a merge patch does to what is shown. False: nothing, and nothing is appended. */
bool mask_put_patch(struct buffer *out, struct span mask, struct span patch);

/* Is all that the path leads to shown? */
bool mask_shows(struct span mask, const struct span *path, size_t depth);

#endif
