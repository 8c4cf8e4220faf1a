/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Fixed-width integers in stored bytes, whatever the machine: little end first, or big end first where bytes must sort. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void bytes_put_u32(uint8_t *at, uint32_t number) {
    number = htole32(number);
    memcpy(at, &number, sizeof number);
}

static inline uint32_t bytes_get_u32(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return le32toh(number);
}

static inline void bytes_put_u64(uint8_t *at, uint64_t number) {
    number = htole64(number);
    memcpy(at, &number, sizeof number);
}

static inline uint64_t bytes_get_u64(const uint8_t *at) {
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return le64toh(number);
}

/* Bytes in the order of the numbers. */
static inline void bytes_put_u64_sorting(uint8_t *at, uint64_t number) {
    number = htobe64(number);
    memcpy(at, &number, sizeof number);
}

static inline uint64_t bytes_get_u64_sorting(const uint8_t *at) {
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return be64toh(number);
}

#endif
