/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/backoff.h"

void backoff_reset(struct backoff *backoff) {
    backoff->attempts = 0;
}

/* 0.5 s * 2^attempts, at most 20 s: the sixth doubling is past the bound, so the shift stays small. */
static int64_t ceiling_ms(unsigned attempts) {
    int64_t ms = attempts < 6 ? (int64_t)BACKOFF_FIRST_MS << attempts : BACKOFF_LAST_MS;
    return ms < BACKOFF_LAST_MS ? ms : BACKOFF_LAST_MS;
}

int64_t backoff_next_ms(struct backoff *backoff, uint64_t random) {
    int64_t ceiling = ceiling_ms(backoff->attempts);
    if (backoff->attempts < UINT32_MAX) {
        backoff->attempts++;
    }
    /* The modulo's bias is below 2^-49 with 64 bits over at most 20,001 values. */
    return (int64_t)(random % (uint64_t)(ceiling + 1));
}
