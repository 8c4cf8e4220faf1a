/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One pass over the bytes with a small stack, one frame for each list or map that is open.
 *
 * What is usual is passed over in line, short text eight bytes at a time; whatever that does not take is looked at closely, so that it
 * alone decides what is refused, and how.
 *
 * Keys of a map are kept in its frame and compared as they come, which is the fastest for the few keys a document has. A map
 * too wide for that is walked a second time when it is complete, with a hash table. Such maps may nest, so a hostile message
 * is walked at most depth_max times; the table is a key_index, whose keys cannot be made to collide.
 */
#include "proto/key_index.h"
#include "proto/pack.h"
#include "proto/pack_head.h"
#include "proto/utf8.h"

#include "include/ahora/protocol.h"

#include <assert.h>
#include <endian.h>

/* 16 keys are at most 120 comparisons of a length, all in the frame. */
#define KEYS_COMPARED_MAX 16

struct frame {
    bool is_map;
    uint32_t count;
    uint32_t left;
    const uint8_t *body; /* the first item or key */
    struct span keys[KEYS_COMPARED_MAX];
};

struct check {
    const uint8_t *at;
    const uint8_t *end;
    unsigned depth;
    unsigned depth_max;
    struct frame frames[PACK_DEPTH_LIMIT];
};

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS UINT64_C(0x0101010101010101)

/* High bits of those bytes of the eight at `at` that are not from 0x01 to 0x7f: they have it, or get it by a borrow when one is taken
   from each. A borrow goes on to bytes that follow, so only the first bit that is set tells which byte it is. */
static inline uint64_t odd_bits(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    word = le64toh(word);
    return ((word - LOW_BITS) | word) & HIGH_BITS;
}

/* All from 0x01 to 0x7f. Bytes past the text, up to `readable`, may be loaded, but do not count. False: look at each. */
static inline bool text_is_plain(const uint8_t *at, size_t bytes, const uint8_t *readable) {
    if (bytes < 8) {
        return bytes == 0 || (readable - at >= 8 && odd_bits(at) << (64 - 8 * bytes) == 0);
    }
    uint64_t odd = odd_bits(at + bytes - 8); /* what it shares with the word before is looked at twice */
    for (size_t i = 0; i + 8 < bytes; i += 8) {
        odd |= odd_bits(at + i);
    }
    return odd == 0;
}

static bool text_is_legal(const uint8_t *at, const uint8_t *end) {
    while (at < end) {
        if (end - at >= 8 && odd_bits(at) == 0) {
            at += 8;
            continue;
        }
        if (*at >= 0x01 && *at < 0x80) {
            at++;
            continue;
        }
        unsigned bytes = *at == 0 ? 0 : utf8_sequence_bytes(at, (size_t)(end - at));
        if (bytes == 0) {
            return false;
        }
        at += bytes;
    }
    return true;
}

static bool keys_repeat(const struct span *keys, uint32_t count) {
    struct key_index index;

    key_index_init(&index, keys);
    for (uint32_t i = 0; i < count; i++) {
        if (!key_index_add(&index, i)) {
            return true;
        }
    }
    return false;
}

/* A complete map, all of it already found legal but for keys that repeat. */
static bool wide_map_repeats(const struct check *check, const struct frame *frame) {
    struct span keys[AHORA_MAP_ENTRIES_MAX];
    struct pack_reader reader = {.at = frame->body, .end = check->at};

    assert(frame->count <= AHORA_MAP_ENTRIES_MAX);
    for (uint32_t i = 0; i < frame->count; i++) {
        keys[i] = pack_read_text(&reader);
        pack_skip(&reader);
    }
    assert(!reader.failed);
    return keys_repeat(keys, frame->count);
}

static enum pack_fault check_text(struct check *check, struct pack_head head) {
    if (head.count > (size_t)(check->end - head.body)) {
        return PACK_TRUNCATED;
    }
    check->at = head.body + head.count;
    return text_is_legal(head.body, check->at) ? PACK_FINE : PACK_BAD_TEXT;
}

static enum pack_fault enter(struct check *check, struct pack_head head) {
    bool is_map = head.type == PACK_MAP;

    if ((uint64_t)head.count * (is_map ? 2 : 1) > (uint64_t)(check->end - head.body)) {
        return PACK_TRUNCATED;
    }
    if (check->depth == check->depth_max) {
        return PACK_TOO_DEEP;
    }
    if (is_map && head.count > AHORA_MAP_ENTRIES_MAX) {
        return PACK_TOO_WIDE;
    }
    struct frame *frame = &check->frames[check->depth++];
    frame->is_map = is_map;
    frame->count = frame->left = head.count;
    frame->body = check->at = head.body;
    return PACK_FINE;
}

static enum pack_fault check_value(struct check *check) {
    struct pack_head head = pack_head_read(check->at, check->end);

    switch (head.type) {
    case PACK_END:
        return PACK_TRUNCATED;
    case PACK_ILLEGAL:
        return PACK_ILLEGAL_TYPE;
    case PACK_TEXT:
        return check_text(check, head);
    case PACK_LIST:
    case PACK_MAP:
        return enter(check, head);
    case PACK_NIL:
    case PACK_BOOL:
    case PACK_INT:
    case PACK_FLOAT:
        break;
    }
    check->at = head.body;
    return PACK_FINE;
}

static enum pack_fault check_key(struct check *check, struct span *key) {
    struct pack_head head = pack_head_read(check->at, check->end);

    if (head.type != PACK_TEXT) {
        return head.type == PACK_END ? PACK_TRUNCATED : PACK_BAD_KEY;
    }
    *key = span_of(head.body, head.count);
    return check_text(check, head);
}

/* Notes the newest key of a map that is not too wide for that. */
static inline bool key_repeats(struct frame *frame, struct span key) {
    const uint32_t index = frame->count - frame->left;

    for (uint32_t i = 0; i < index; i++) {
        if (span_equal(frame->keys[i], key)) {
            return true;
        }
    }
    frame->keys[index] = key;
    return false;
}

/* Behind the value at `at` if it is a usual one: no list, map or float, and plain if it is a text. NULL: look closer. */
static inline const uint8_t *pass_plain(const uint8_t *at, const uint8_t *end) {
    const size_t bytes = at == end ? 0 : pack_plain_bytes(at, (size_t)(end - at));

    if (bytes == 0) {
        return NULL;
    }
    const size_t head_bytes = *at == 0xd9 ? 2 : 1;
    const bool is_text = (*at & 0xe0) == 0xa0 || *at == 0xd9;
    return !is_text || text_is_plain(at + head_bytes, bytes - head_bytes, end) ? at + bytes : NULL;
}

/* The key at check->at, which then is behind it. */
static inline enum pack_fault pass_key(struct check *check, struct frame *frame) {
    const uint8_t *at = check->at;
    const uint8_t *behind = at < check->end && (*at & 0xe0) == 0xa0 ? pass_plain(at, check->end) : NULL;
    enum pack_fault fault = PACK_FINE;
    struct span key;

    if (behind != NULL) {
        key = span_of(at + 1, (size_t)(behind - at - 1));
        check->at = behind;
    } else {
        fault = check_key(check, &key);
    }
    if (fault == PACK_FINE && frame->count <= KEYS_COMPARED_MAX && key_repeats(frame, key)) {
        fault = PACK_REPEATED_KEY;
    }
    return fault;
}

/* What the newest frame holds, up to its end or to a list or map in it. */
static enum pack_fault check_inside(struct check *check) {
    struct frame *frame = &check->frames[check->depth - 1];
    enum pack_fault fault = PACK_FINE;

    while (frame->left > 0) {
        fault = frame->is_map ? pass_key(check, frame) : PACK_FINE;
        frame->left--;
        if (fault != PACK_FINE) {
            return fault;
        }
        const uint8_t *behind = pass_plain(check->at, check->end);
        if (behind == NULL) {
            return check_value(check);
        }
        check->at = behind;
    }
    return PACK_FINE;
}

/* Closes what is complete. */
static enum pack_fault leave(struct check *check) {
    while (check->depth > 0 && check->frames[check->depth - 1].left == 0) {
        const struct frame *frame = &check->frames[--check->depth];

        if (frame->is_map && frame->count > KEYS_COMPARED_MAX && wide_map_repeats(check, frame)) {
            return PACK_REPEATED_KEY;
        }
    }
    return PACK_FINE;
}

enum pack_fault pack_check(struct span bytes, unsigned depth_max, size_t *used) {
    struct pack_reader reader = pack_reader_of(bytes);
    struct check check; /* the frames are filled as they are entered */
    enum pack_fault fault;

    assert(depth_max <= PACK_DEPTH_LIMIT);
    check.at = reader.at;
    check.end = reader.end;
    check.depth = 0;
    check.depth_max = depth_max;
    fault = check_value(&check);
    while (fault == PACK_FINE && (fault = leave(&check)) == PACK_FINE && check.depth > 0) {
        fault = check_inside(&check);
    }
    if (fault == PACK_FINE) {
        *used = (size_t)(check.at - reader.at);
    }
    return fault;
}

const char *pack_fault_text(enum pack_fault fault) {
    static const char *const texts[] = {
        [PACK_FINE] = "legal",
        [PACK_TRUNCATED] = "ends inside a value",
        [PACK_ILLEGAL_TYPE] = "holds a binary, an extension, an integer above 2^63-1, NaN or infinity",
        [PACK_BAD_TEXT] = "holds text that is not UTF-8, or a NUL",
        [PACK_BAD_KEY] = "holds a map key that is not text",
        [PACK_REPEATED_KEY] = "repeats a key in a map",
        [PACK_TOO_DEEP] = "nests too deep",
        [PACK_TOO_WIDE] = "holds a map with too many entries",
    };

    assert(fault < sizeof(texts) / sizeof(texts[0]));
    return texts[fault];
}
