/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/token.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- SHA-256 (FIPS 180-4) ---- */

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t word, unsigned bits) {
    return word >> bits | word << (32 - bits);
}

static void add_block(uint32_t state[8], const uint8_t block[64]) {
    uint32_t words[64];
    uint32_t s[8];
    for (int i = 0; i < 16; i++) {
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
                   block[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        const uint32_t a = rotate(words[i - 15], 7) ^ rotate(words[i - 15], 18) ^ words[i - 15] >> 3;
        const uint32_t b = rotate(words[i - 2], 17) ^ rotate(words[i - 2], 19) ^ words[i - 2] >> 10;
        words[i] = words[i - 16] + a + words[i - 7] + b;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        const uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                             constants[i] + words[i];
        const uint32_t two =
            (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void token_sha256(const void *data, size_t bytes, uint8_t digest[32]) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const uint8_t *at = data;
    uint8_t last[128] = {0};
    size_t left = bytes;
    for (; left >= 64; left -= 64, at += 64) {
        add_block(state, at);
    }
    const size_t padded = left < 56 ? 64 : 128;
    memcpy(last, at, left);
    last[left] = 0x80;
    for (int i = 0; i < 8; i++) {
        last[padded - 1 - (size_t)i] = (uint8_t)((uint64_t)bytes * 8 >> (8 * i));
    }
    for (size_t i = 0; i < padded; i += 64) {
        add_block(state, last + i);
    }
    for (int i = 0; i < 32; i++) {
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

/* RFC 2104, for keys of at most 64 bytes. */
static void hmac(const char *secret, const char *text, uint8_t digest[32]) {
    const size_t secret_bytes = strlen(secret);
    const size_t text_bytes = strlen(text);
    uint8_t *inner = calloc(1, 64 + text_bytes);
    uint8_t outer[64 + 32] = {0};
    assert(inner != NULL && secret_bytes <= 64);
    memcpy(inner, secret, secret_bytes);
    memcpy(outer, secret, secret_bytes);
    for (int i = 0; i < 64; i++) {
        inner[i] ^= 0x36;
        outer[i] ^= 0x5c;
    }
    memcpy(inner + 64, text, text_bytes);
    token_sha256(inner, 64 + text_bytes, outer + 64);
    token_sha256(outer, sizeof outer, digest);
    free(inner);
}

/* ---- base64url ---- */

static void put_base64url(char *out, size_t *at, const void *data, size_t bytes) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *in = data;
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t count = bytes - i < 3 ? bytes - i : 3;
        const uint32_t bits = (uint32_t)in[i] << 16 | (count > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (count > 2 ? in[i + 2] : 0);
        for (size_t j = 0; j <= count; j++) {
            assert(*at + 2 < TOKEN_BYTES_MAX);
            out[(*at)++] = alphabet[bits >> (18 - 6 * j) & 63];
        }
    }
    out[*at] = '\0';
}

void token_make(const char *secret, const char *header, const char *claims, char out[TOKEN_BYTES_MAX]) {
    uint8_t digest[32];
    size_t at = 0;
    put_base64url(out, &at, header, strlen(header));
    out[at++] = '.';
    put_base64url(out, &at, claims, strlen(claims));
    hmac(secret, out, digest);
    out[at++] = '.';
    put_base64url(out, &at, digest, sizeof digest);
}
