/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Topics, patterns and tokens as text (protocol.md section 1). Pure functions.
 *
 * A topic has 2 to 8 segments of [A-Za-z0-9-_.~:@=]{1,64}, never "." or "..", 255 bytes in all. In a pattern a whole segment
 * may be "*", and the last may be "**" (one or more segments); the single segment "**" follows everything.
 *
 * Beside what clients write the broker holds topics of its own: "$demand/" and a pattern. A pattern reaches them only if its first segment
 * is "$demand": a star there stands for no segment that starts with "$".
 */
#ifndef PROTO_NAME_H
#define PROTO_NAME_H

#include "include/ahora/protocol.h"
#include "proto/buffer.h"

/* A checked topic or pattern, cut into segments that point into the caller's bytes. */
struct name {
    struct span text;
    struct span segments[AHORA_SEGMENTS_MAX];
    unsigned count;
    bool wild; /* holds * or ** */
    bool deep; /* ends in ** */
};

/* AHORA_OK or AHORA_BAD_TOPIC; *detail, if not NULL, says why (static text). `name` is untouched on failure. */
enum ahora_code name_parse_topic(struct span text, struct name *name, const char **detail);

/* The same for a topic that the broker may hold: also "$demand/" and a pattern. Its stars are segments like any other, `wild` is false. */
enum ahora_code name_parse_held(struct span text, struct name *name, const char **detail);

/* AHORA_OK or AHORA_BAD_PATTERN. Every topic is a pattern too. */
enum ahora_code name_parse_pattern(struct span text, struct name *name, const char **detail);

/* NULL if the text is legal as a segment of a topic, so also as the name of a source; else what is wrong with it (static text). */
const char *name_segment_fault(struct span text);

/* Does the first segment start with "$"? */
bool name_is_own(const struct name *name);

bool name_equal(const struct name *a, const struct name *b);
bool name_matches(const struct name *pattern, const struct name *topic);

struct token {
    char epoch[AHORA_EPOCH_BYTES_MAX + 1];
    int64_t seq;
};

/* "<epoch>-<seq>"; false if it is not of that form. Surrounding quotes (an ETag) are the caller's business. */
bool token_parse(struct span text, struct token *token);
void token_put(struct buffer *out, const char *epoch, int64_t seq);

#endif
