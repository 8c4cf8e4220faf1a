/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How long to wait before connecting again: full jitter, a random time in [0, min(20 s, 0.5 s * 2^n)] before attempt n, so that a
 * thousand clients that lost the same broker do not return in step. A value; randomness is the caller's.
 */
#ifndef CLIENT_BACKOFF_H
#define CLIENT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LAST_MS 20000

struct backoff {
    unsigned attempts; /* since the last reset */
};

void backoff_reset(struct backoff *backoff);

/* The wait before the next attempt in ms; `random` is any 64 random bits. Counts the attempt. */
int64_t backoff_next_ms(struct backoff *backoff, uint64_t random);

#endif
