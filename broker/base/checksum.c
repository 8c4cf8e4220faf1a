/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/checksum.h"

#include <assert.h>
#include <xxhash.h>

uint64_t checksum_of(const void *data, size_t bytes, uint64_t seed) {
    assert(data != NULL || bytes == 0);
    return XXH3_64bits_withSeed(data, bytes, seed);
}
