/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/name.h"

#include <assert.h>
#include <string.h>

#define TOKEN_DIGITS_MAX 16

static bool is_letter_or_digit(uint8_t byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

/* A-Z a-z 0-9 - _ . ~ : @ =, a bit for each of the first 128 bytes. */
static bool is_segment_byte(uint8_t byte) {
    static const uint32_t allowed[4] = {0, 0x27ff6000, 0x87ffffff, 0x47fffffe};
    return byte < 128 && (allowed[byte / 32] >> byte % 32 & 1);
}

const char *name_segment_fault(struct span segment) {
    if (segment.bytes == 0) {
        return "a segment is empty";
    }
    if (segment.bytes > AHORA_SEGMENT_BYTES_MAX) {
        return "a segment is longer than 64 bytes";
    }
    if (segment.data[0] == '.' && (segment.bytes == 1 || (segment.bytes == 2 && segment.data[1] == '.'))) {
        return "a segment is `.` or `..`";
    }
    for (size_t i = 0; i < segment.bytes; i++) {
        if (!is_segment_byte(segment.data[i])) {
            return segment.data[i] == '*' ? "`*` is allowed only as a whole segment of a pattern"
                                          : "a segment holds a character outside A-Z a-z 0-9 - _ . ~ : @ =";
        }
    }
    return NULL;
}

static const char *cut(struct span text, struct name *name) {
    size_t start = 0;

    *name = (struct name){.text = text};
    if (text.bytes > AHORA_TOPIC_BYTES_MAX) {
        return "longer than 255 bytes";
    }
    for (size_t i = 0; i <= text.bytes; i++) {
        if (i < text.bytes && text.data[i] != '/') {
            continue;
        }
        if (name->count == AHORA_SEGMENTS_MAX) {
            return "more than 8 segments";
        }
        name->segments[name->count++] = text.bytes == 0 ? text : span_of(text.data + start, i - start);
        start = i + 1;
    }
    return NULL;
}

#define DEMAND "$demand"

bool name_is_own(const struct name *name) {
    return name->segments[0].bytes > 0 && name->segments[0].data[0] == '$';
}

static const char *segments_fault(struct name *name, bool may_be_wild) {
    bool own = may_be_wild && span_is(name->segments[0], DEMAND);
    for (unsigned i = own ? 1 : 0; i < name->count; i++) {
        bool deep = may_be_wild && span_is(name->segments[i], "**");
        bool wild = deep || (may_be_wild && span_is(name->segments[i], "*"));
        const char *fault = wild ? NULL : name_segment_fault(name->segments[i]);

        if (deep && i + 1 < name->count) {
            fault = "`**` is allowed only at the end";
        }
        if (fault != NULL) {
            return fault;
        }
        name->wild |= wild;
        name->deep |= deep;
    }
    bool follows_all = name->deep && name->count == 1;
    return name->count >= AHORA_SEGMENTS_MIN || follows_all ? NULL : "fewer than 2 segments";
}

static enum ahora_code parse(struct span text, struct name *name, const char **detail, enum ahora_code refusal) {
    struct name parsed;
    const char *fault = cut(text, &parsed);

    fault = fault == NULL ? segments_fault(&parsed, refusal == AHORA_BAD_PATTERN) : fault;
    if (fault != NULL) {
        if (detail != NULL) {
            *detail = fault;
        }
        return refusal;
    }
    *name = parsed;
    return AHORA_OK;
}

enum ahora_code name_parse_topic(struct span text, struct name *name, const char **detail) {
    return parse(text, name, detail, AHORA_BAD_TOPIC);
}

enum ahora_code name_parse_held(struct span text, struct name *name, const char **detail) {
    bool own = text.bytes > sizeof DEMAND && memcmp(text.data, DEMAND "/", sizeof DEMAND) == 0;
    if (!own) {
        return name_parse_topic(text, name, detail);
    }
    if (parse(text, name, detail, AHORA_BAD_PATTERN) != AHORA_OK) {
        return AHORA_BAD_TOPIC;
    }
    name->wild = false;
    name->deep = false;
    return AHORA_OK;
}

enum ahora_code name_parse_pattern(struct span text, struct name *name, const char **detail) {
    return parse(text, name, detail, AHORA_BAD_PATTERN);
}

bool name_equal(const struct name *a, const struct name *b) {
    return span_equal(a->text, b->text);
}

bool name_matches(const struct name *pattern, const struct name *topic) {
    unsigned fixed = pattern->deep ? pattern->count - 1 : pattern->count;

    assert(!topic->wild);
    if (pattern->deep ? topic->count <= fixed : topic->count != fixed) {
        return false;
    }
    if (name_is_own(topic) && pattern->segments[0].data[0] == '*') {
        return false;
    }
    for (unsigned i = 0; i < fixed; i++) {
        struct span wanted = pattern->segments[i];

        /* A segment of a topic that holds a star holds nothing else, so whatever starts with one is the wildcard. */
        if (wanted.data[0] != '*' && !span_equal(wanted, topic->segments[i])) {
            return false;
        }
    }
    return true;
}

static bool seq_parse(struct span digits, int64_t *seq) {
    int64_t number = 0;

    if (digits.bytes == 0 || digits.bytes > TOKEN_DIGITS_MAX || (digits.data[0] == '0' && digits.bytes > 1)) {
        return false;
    }
    for (size_t i = 0; i < digits.bytes; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        number = number * 10 + (digits.data[i] - '0');
    }
    *seq = number;
    return number <= AHORA_SEQ_MAX;
}

bool token_parse(struct span text, struct token *token) {
    size_t epoch_bytes = 0;
    int64_t seq;

    while (epoch_bytes < text.bytes && is_letter_or_digit(text.data[epoch_bytes])) {
        epoch_bytes++;
    }
    if (epoch_bytes == 0 || epoch_bytes > AHORA_EPOCH_BYTES_MAX || epoch_bytes == text.bytes || text.data[epoch_bytes] != '-') {
        return false;
    }
    size_t digits_at = epoch_bytes + 1;
    if (!seq_parse(span_of(text.data + digits_at, text.bytes - digits_at), &seq)) {
        return false;
    }
    *token = (struct token){.seq = seq};
    memcpy(token->epoch, text.data, epoch_bytes);
    return true;
}

void token_put(struct buffer *out, const char *epoch, int64_t seq) {
    assert(seq >= 0 && seq <= AHORA_SEQ_MAX);
    buffer_put_text(out, epoch);
    buffer_put_byte(out, '-');
    buffer_put_decimal(out, seq);
}
