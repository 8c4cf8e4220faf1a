/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/utf8.h"

/* By its first byte, how many bytes a sequence has, and the range of its second (RFC 3629 section 4). */
unsigned utf8_sequence_bytes(const uint8_t *at, size_t left) {
    static const struct {
        uint8_t first, last, second_min, second_max, bytes;
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (at[0] < rows[i].first || at[0] > rows[i].last) {
            continue;
        }
        if (rows[i].bytes > left || at[1] < rows[i].second_min || at[1] > rows[i].second_max) {
            return 0;
        }
        for (unsigned j = 2; j < rows[i].bytes; j++) {
            if ((at[j] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return rows[i].bytes;
    }
    return 0;
}

bool utf8_is_legal(struct span text) {
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.bytes;
    while (at < end) {
        unsigned bytes = *at < 0x80 ? 1 : utf8_sequence_bytes(at, (size_t)(end - at));
        if (bytes == 0) {
            return false;
        }
        at += bytes;
    }
    return true;
}
