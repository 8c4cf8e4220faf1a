/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A pattern and a topic, parted by a line break, matched here and by a naive matcher that knows nothing of segments cut
 * beforehand; and a grammar check that is written the other way round.
 */
#include "proto/name.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Bytes up to the next slash. */
static size_t segment_bytes(struct span text) {
    const uint8_t *slash = text.bytes == 0 ? NULL : memchr(text.data, '/', text.bytes);

    return slash == NULL ? text.bytes : (size_t)(slash - text.data);
}

/* What follows the first segment and its slash; data NULL if there was no slash. */
static struct span rest_of(struct span text) {
    size_t bytes = segment_bytes(text);

    return bytes == text.bytes ? span_of(NULL, 0) : span_of(text.data + bytes + 1, text.bytes - bytes - 1);
}

/* Both texts are legal; data NULL is the end of one. */
static bool naive_matches(struct span pattern, struct span topic) {
    if (pattern.data == NULL || topic.data == NULL) {
        return pattern.data == NULL && topic.data == NULL;
    }
    if (span_is(pattern, "**")) {
        return true;
    }
    struct span wanted = span_of(pattern.data, segment_bytes(pattern));
    struct span found = span_of(topic.data, segment_bytes(topic));
    return (span_is(wanted, "*") || span_equal(wanted, found)) && naive_matches(rest_of(pattern), rest_of(topic));
}

static bool segment_is_legal(struct span segment) {
    if (segment.bytes < 1 || segment.bytes > 64 || span_is(segment, ".") || span_is(segment, "..")) {
        return false;
    }
    for (size_t i = 0; i < segment.bytes; i++) {
        uint8_t byte = segment.data[i];
        bool other = byte == '-' || byte == '_' || byte == '.' || byte == '~' || byte == ':' || byte == '@' || byte == '=';

        if (!other && !(byte >= '0' && byte <= '9') && !((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z')) {
            return false;
        }
    }
    return true;
}

static bool naive_is_name(struct span text, bool pattern) {
    unsigned count = 0;

    if (text.bytes > 255) {
        return false;
    }
    if (pattern && span_is(text, "**")) {
        return true;
    }
    for (struct span rest = text;; rest = rest_of(rest)) {
        struct span segment = span_of(rest.data, segment_bytes(rest));
        bool last = segment.bytes == rest.bytes;
        bool wild = pattern && (span_is(segment, "*") || (last && span_is(segment, "**")));
        bool own = pattern && count == 0 && span_is(segment, "$demand");

        count++;
        if (!wild && !own && !segment_is_legal(segment)) {
            return false;
        }
        if (last) {
            return count >= 2 && count <= 8;
        }
    }
}

static void run_token(struct span text) {
    struct token token;
    struct buffer written;

    if (token_parse(text, &token)) {
        buffer_init(&written, AHORA_TOKEN_BYTES_MAX);
        token_put(&written, token.epoch, token.seq);
        assert(span_equal(buffer_span(&written), text));
        buffer_fini(&written);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const uint8_t *line = bytes == 0 ? NULL : memchr(data, '\n', bytes);
    size_t first = line == NULL ? bytes : (size_t)(line - data);
    struct span left = span_of(data, first);
    struct span right = line == NULL ? span_of(NULL, 0) : span_of(line + 1, bytes - first - 1);
    struct name pattern, topic;

    run_token(left);
    bool is_pattern = name_parse_pattern(left, &pattern, NULL) == AHORA_OK;
    bool is_topic = name_parse_topic(right, &topic, NULL) == AHORA_OK;
    assert(is_pattern == naive_is_name(left, true));
    assert(is_topic == naive_is_name(right, false));
    if (is_pattern && is_topic) {
        assert(name_matches(&pattern, &topic) == naive_matches(left, right));
    }
    bool is_held = name_parse_held(right, &topic, NULL) == AHORA_OK;
    assert(is_held || !is_topic);
    if (is_pattern && is_held) { /* stars at the start pass the broker's own topics by */
        bool passes_by = right.data[0] == '$' && left.data[0] == '*';
        assert(name_matches(&pattern, &topic) == (!passes_by && naive_matches(left, right)));
    }
    return 0;
}
