/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A monotonic clock for this program that can be set forward, so that a test need not sit out the growing waits between attempts to connect.
 * It takes the place of libc's clock_gettime for libuv, too. One thread sets it.
 */
#ifndef TESTS_CLIENT_FAST_H
#define TESTS_CLIENT_FAST_H

#include <stdint.h>

void fast_forward(int64_t ms);
int64_t fast_real_ms(void); /* monotonic, not set forward: for a test's patience */

#endif
