/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What arrives: the mark of a document, and the few answers a run waits for. */
#include "bench/dialect.h"

#include "include/ahora/protocol.h"
#include "proto/pack.h"

#include <string.h>

static uint64_t read_big_endian(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

static uint64_t read_digits(const uint8_t *at) {
    uint64_t value = 0;
    for (int i = 0; i < DIALECT_DIGITS; i++) {
        value = value * 10 + (uint64_t)(at[i] - '0');
    }
    return value;
}

/* Around the mark: `"#":` n `,"t":` t, or a1 '#' cf n a1 't' cf t. */
static bool is_text_mark(const uint8_t *mark, const uint8_t *end) {
    return end - mark >= 3 + DIALECT_DIGITS + 5 + DIALECT_DIGITS && mark[-1] == '"' && mark[1] == '"' && mark[2] == ':' &&
           memcmp(mark + 3 + DIALECT_DIGITS, ",\"t\":", 5) == 0;
}

static bool is_packed_mark(const uint8_t *mark, const uint8_t *end) {
    return end - mark >= 2 + 8 + 3 + 8 && mark[-1] == 0xa1 && mark[1] == 0xcf && mark[10] == 0xa1 && mark[11] == 't' &&
           mark[12] == 0xcf;
}

static bool is_mark(const struct dialect *dialect, const uint8_t *mark, const uint8_t *end) {
    return dialect->decimal ? is_text_mark(mark, end) : is_packed_mark(mark, end);
}

static const uint8_t *find_mark(const struct dialect *dialect, const uint8_t *at, const uint8_t *end) {
    while (at < end) {
        const uint8_t *mark = memchr(at + 1, '#', (size_t)(end - at) - 1);
        if (mark == NULL || is_mark(dialect, mark, end)) {
            return mark;
        }
        at = mark;
    }
    return NULL;
}

/*
 * Messages of a run are alike, so the next mark is as far away as the last was. Nothing is passed over by that: between the two there
 * would have to be a whole message, which is longer than half the distance.
 */
const uint8_t *dialect_find_document(const struct dialect *dialect, const uint8_t *at, const uint8_t *end, struct stamp *out,
                                     size_t *stride) {
    const size_t behind = dialect->decimal ? 3 + DIALECT_DIGITS + 5 + DIALECT_DIGITS : 2 + 8 + 3 + 8;
    const uint8_t *mark = NULL;
    if (*stride > behind && (size_t)(end - at) > *stride - behind && at[*stride - behind] == '#' &&
        is_mark(dialect, at + (*stride - behind), end)) {
        mark = at + (*stride - behind);
    } else {
        mark = find_mark(dialect, at, end);
    }
    if (mark == NULL) {
        return NULL;
    }
    uint64_t number = dialect->decimal ? read_digits(mark + 3) : read_big_endian(mark + 2);
    uint64_t time = dialect->decimal ? read_digits(mark + 3 + DIALECT_DIGITS + 5) : read_big_endian(mark + 13);
    number &= ~DIALECT_WIDE;
    out->topic = (uint32_t)(number >> COUNT_BITS);
    out->count = number & ((UINT64_C(1) << COUNT_BITS) - 1);
    out->sent_ns = (int64_t)(time & ~DIALECT_WIDE);
    *stride = (size_t)(mark - at) + behind;
    return mark + behind;
}

/* What opens an answer, and what stands before its number; an empty text: the number follows at once. */
struct answer_marks {
    const char *mark;
    const char *then;
};

static const struct answer_marks packed_marks[] = {
    [ANSWER_LIVE] = {"\xa2op\xa4live", "\xa3seq"},
    [ANSWER_SKIPPED] = {"\xa7skipped", ""},
    [ANSWER_RESUMED] = {"\xa7resumed\xc3", NULL},
    [ANSWER_PUBLISHED] = {"\xa2op\xa9published", "\xa2id"},
    [ANSWER_PONG] = {"\xa2op\xa4pong", "\xa2id"},
    [ANSWER_ERROR] = {"\xa5"
                      "error",
                      NULL},
};

static const struct answer_marks text_marks[] = {
    [ANSWER_LIVE] = {"\"op\":\"live\"", "\"seq\":"}, [ANSWER_SKIPPED] = {"\"skipped\":", ""},
    [ANSWER_RESUMED] = {"\"resumed\":true", NULL},   [ANSWER_PUBLISHED] = {"\"op\":\"published\"", "\"id\":"},
    [ANSWER_PONG] = {"\"op\":\"pong\"", "\"id\":"},  [ANSWER_ERROR] = {"\"error\"", NULL},
};

/* The yardstick answers in frames of a letter and 8 bytes. */
static const char raw_letters[] = {[ANSWER_LIVE] = 'L', [ANSWER_PUBLISHED] = 'A', [ANSWER_PONG] = 'Q', [ANSWER_ERROR] = 0};

static bool find_raw_answer(enum answer_kind kind, struct span payload, size_t *at, uint64_t *number) {
    if (*at > 0 || payload.bytes != 9 || raw_letters[kind] == 0 || payload.data[0] != (uint8_t)raw_letters[kind]) {
        return false;
    }
    *number = read_big_endian(payload.data + 1) & ~DIALECT_WIDE;
    *at = payload.bytes;
    return true;
}

static uint64_t read_number(const struct dialect *dialect, const uint8_t *at, const uint8_t *end) {
    uint64_t value = 0;
    if (!dialect->decimal) {
        struct pack_reader reader = pack_reader_of(span_of(at, (size_t)(end - at)));
        value = (uint64_t)pack_read_int(&reader);
        return reader.failed ? 0 : value & ~DIALECT_WIDE;
    }
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
    }
    return value & ~DIALECT_WIDE;
}

bool dialect_find_answer(const struct dialect *dialect, enum answer_kind kind, struct span payload, size_t *at,
                         uint64_t *number) {
    if (dialect->name == DIALECT_RAW) {
        return find_raw_answer(kind, payload, at, number);
    }
    if (dialect->peer != NULL) {
        return false;
    }
    const struct answer_marks *marks = dialect->decimal ? &text_marks[kind] : &packed_marks[kind];
    const uint8_t *end = payload.data + payload.bytes;
    const uint8_t *found = memmem(payload.data + *at, payload.bytes - *at, marks->mark, strlen(marks->mark));
    if (found == NULL) {
        return false;
    }
    found += strlen(marks->mark);
    *number = 0;
    const uint8_t *then = NULL;
    if (marks->then != NULL && (then = memmem(found, (size_t)(end - found), marks->then, strlen(marks->then))) != NULL) {
        *number = read_number(dialect, then + strlen(marks->then), end);
    }
    *at = (size_t)(found - payload.data);
    return true;
}

bool dialect_find_epoch(const struct dialect *dialect, struct span payload, char *out, size_t out_bytes) {
    const char *mark = dialect->decimal ? "\"epoch\":\""
                                        : "\xa5"
                                          "epoch";
    const uint8_t *found = memmem(payload.data, payload.bytes, mark, strlen(mark));
    if (found == NULL || dialect->name == DIALECT_RAW || dialect->peer != NULL) {
        return false;
    }
    found += strlen(mark) + !dialect->decimal; /* an epoch is shorter than 32 bytes: a head of one */
    size_t bytes = 0;
    const uint8_t *end = payload.data + payload.bytes;
    size_t bytes_max = dialect->decimal ? AHORA_EPOCH_BYTES_MAX : found[-1] & 0x1fu;
    while (bytes < bytes_max && found + bytes < end && bytes + 1 < out_bytes && found[bytes] != '"') {
        out[bytes] = (char)found[bytes];
        bytes++;
    }
    out[bytes] = '\0';
    return bytes > 0;
}
