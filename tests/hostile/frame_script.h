/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Scripts of frames (rfc6455.h) turned into bytes. A script that is malformed ends the test. */
#ifndef TESTS_HOSTILE_FRAME_SCRIPT_H
#define TESTS_HOSTILE_FRAME_SCRIPT_H

#include <stdbool.h>

#include "tests/support/bytes.h"

enum script_step {
    SCRIPT_BYTES, /* `out` has more to send */
    SCRIPT_PAUSE,
    SCRIPT_EOF,
    SCRIPT_END,
};

/* Works on the next word of *script, which moves past it. Bytes are appended to `out`. */
enum script_step script_next(const char **script, struct bytes *out);

/* Appends the pieces of a payload up to the next blank; returns what is behind them. */
const char *script_payload(const char *text, struct bytes *out);

#endif
