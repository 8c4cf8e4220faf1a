/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The checksum of everything stored: XXH3, 64 bits. It finds accidents, not attacks; a secret seed makes it hard to forge.
 * Pure, safe from any thread. To cover several pieces, give the checksum of the first as the seed of the second.
 */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum_of(const void *data, size_t bytes, uint64_t seed);

#endif
