/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/c/token.h"

#include <string.h>

#include "include/ahora/protocol.h"
#include "proto/json.h"
#include "proto/pack.h"

#define CLAIMS_BYTES_MAX 16384

/* The value of a base64url digit (RFC 4648 section 5), -1 for anything else. */
static int digit_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Four digits are three bytes; what is left of the last ones is dropped. */
static void put_decoded(struct buffer *out, const char *text, size_t count) {
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) {
            out->failed = true;
            return;
        }
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            buffer_put_byte(out, (uint8_t)(bits >> held));
        }
    }
}

/* `exp` is a NumericDate: seconds, perhaps with a fraction. */
static int64_t expiry_of(struct span claims) {
    struct pack_reader reader = pack_reader_of(pack_find(claims, "exp"));
    enum pack_type type = pack_peek(&reader);
    if (type != PACK_INT && type != PACK_FLOAT) {
        return -1;
    }
    double seconds = pack_read_float(&reader);
    return seconds > 0 && seconds < 1e12 ? (int64_t)(seconds * 1000) : -1;
}

int64_t token_expires_at(const char *token) {
    const char *claims = strchr(token, '.');
    const char *end = claims == NULL ? NULL : strchr(claims + 1, '.');
    if (end == NULL) {
        return -1;
    }
    struct buffer text;
    struct buffer packed;
    buffer_init(&text, CLAIMS_BYTES_MAX);
    buffer_init(&packed, CLAIMS_BYTES_MAX);
    put_decoded(&text, claims + 1, (size_t)(end - claims) - 1);
    int64_t at = -1;
    if (!text.failed && json_to_pack(buffer_span(&text), AHORA_DEPTH_MAX, &packed, NULL) == AHORA_OK) {
        at = expiry_of(buffer_span(&packed));
    }
    buffer_fini(&text);
    buffer_fini(&packed);
    return at;
}
