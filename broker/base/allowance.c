/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/allowance.h"

#define SECOND_MS 1000

void allowance_init(struct allowance *allowance, int64_t rate, int64_t now_ms) {
    *allowance = (struct allowance){.left = rate, .filled_ms = now_ms};
}

int64_t allowance_left(struct allowance *allowance, int64_t rate, int64_t now_ms) {
    if (rate == 0) {
        return INT64_MAX;
    }
    int64_t passed_ms = now_ms - allowance->filled_ms;
    int64_t missing = rate - allowance->left;
    if (passed_ms / SECOND_MS > missing / rate) { /* long enough to fill it, whatever is owed */
        allowance_init(allowance, rate, now_ms);
        return rate;
    }
    int64_t added = passed_ms * rate / SECOND_MS;
    if (added >= missing) {
        allowance_init(allowance, rate, now_ms);
    } else {
        allowance->left += added;
        allowance->filled_ms += added * SECOND_MS / rate; /* parts of one are not lost */
    }
    return allowance->left;
}

int64_t allowance_take(struct allowance *allowance, int64_t rate, int64_t now_ms, int64_t count) {
    int64_t left = allowance_left(allowance, rate, now_ms);
    if (left <= 0) {
        return (1 - left) * SECOND_MS / rate + 1;
    }
    if (rate > 0) {
        allowance->left -= count;
    }
    return 0;
}
