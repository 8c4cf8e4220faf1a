/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What a session's socket takes, as lines: the messages of its JSON frames, one each, without the frames. Include cmocka first. */
#ifndef TESTS_UNIT_HEAR_H
#define TESTS_UNIT_HEAR_H

#include "broker/core/core.h"

#include <string.h>

/* Everything there is to hear now; good until the next call. */
static inline char *hear_lines(struct core *core, struct session *session) {
    static char text[1 << 20];
    size_t bytes = 0;
    struct span piece;
    while (session_pull(core, session, &piece)) {
        while (piece.bytes > 0) {
            assert_int_equal(piece.data[0], 0x81);
            const size_t header = piece.data[1] < 126 ? 2 : 4;
            const size_t payload = header == 2 ? piece.data[1] : (size_t)(piece.data[2] << 8 | piece.data[3]);
            assert_true(payload > 0 && piece.data[1] < 127 && header + payload <= piece.bytes);
            assert_true(bytes + payload + 2 < sizeof text);
            memcpy(text + bytes, piece.data + header, payload);
            bytes += payload;
            text[bytes++] = '\n';
            piece = span_of(piece.data + header + payload, piece.bytes - header - payload);
        }
    }
    text[bytes] = '\0';
    return text;
}

#endif
