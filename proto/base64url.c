/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* -1: not in the alphabet. */
static int value_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct span text, struct buffer *out) {
    uint32_t bits = 0;
    unsigned count = 0;
    if (text.bytes % 4 == 1) {
        return false;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        const int value = value_of(text.data[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_put_byte(out, (uint8_t)(bits >> count));
            bits &= (1u << count) - 1;
        }
    }
    return bits == 0 && !out->failed;
}

void base64url_put(struct buffer *out, struct span bytes) {
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < bytes.bytes; i++) {
        bits = bits << 8 | bytes.data[i];
        for (count += 8; count >= 6; count -= 6) {
            buffer_put_byte(out, (uint8_t)alphabet[bits >> (count - 6) & 63]);
        }
        bits &= (1u << count) - 1;
    }
    if (count > 0) {
        buffer_put_byte(out, (uint8_t)alphabet[bits << (6 - count) & 63]);
    }
}
