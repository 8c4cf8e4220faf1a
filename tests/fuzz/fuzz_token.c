/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Any bytes as a token, and any JSON as the claims of one: what is let through is legal MessagePack, base64url has one text for each
 * row of bytes, and rights that are made keep to their bounds and cover nothing if nothing is granted.
 */
#include "broker/core/rights.h"
#include "proto/base64url.h"
#include "proto/json.h"
#include "proto/jws.h"
#include "proto/pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_legal(const struct buffer *packed) {
    size_t used;
    check(pack_check(buffer_span(packed), 16, &used) == PACK_FINE && used == packed->bytes);
}

static void try_token(struct span token) {
    struct jws jws;
    if (jws_read(token, JWS_BYTES_MAX, &jws) == JWS_FINE) {
        check_legal(&jws.header);
        check_legal(&jws.claims);
        check(jws.alg != JWS_NONE && jws.signature.bytes > 0);
    }
    jws_fini(&jws);
}

static void try_base64url(struct span text) {
    struct buffer bytes;
    struct buffer again;
    buffer_init(&bytes, text.bytes + 1);
    buffer_init(&again, 2 * text.bytes + 4);
    if (base64url_decode(text, &bytes)) {
        base64url_put(&again, buffer_span(&bytes));
        check(span_equal(buffer_span(&again), text));
    }
    buffer_fini(&bytes);
    buffer_fini(&again);
}

static void try_rights(struct span text) {
    static struct kinds *kinds;
    static const char *const asked[] = {"**", "order/**", "order/x", "*/x", "$demand/**"};
    struct buffer claims;
    const char *detail;
    struct rights *rights;
    kinds = kinds == NULL ? kinds_builtin() : kinds;
    buffer_init(&claims, 1 << 20);
    if (json_to_pack(text, 8, &claims, &detail) == AHORA_OK) {
        const struct rights_claims made = {
            .principal = span_of_text("u"), .claims = buffer_span(&claims), .ahora = pack_find(buffer_span(&claims), "ahora")};
        if (rights_create(&made, &rights, &detail) == AHORA_OK) {
            check(rights->sub_count <= RIGHTS_PATTERNS_MAX && rights->pub_count <= RIGHTS_PATTERNS_MAX);
            for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
                struct name name;
                check(name_parse_pattern(span_of_text(asked[i]), &name, NULL) == AHORA_OK);
                check(!rights_cover(rights, kinds, &name) || rights->sub_count > 0);
            }
            rights_unref(rights);
        }
    }
    buffer_fini(&claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const struct span input = span_of(data, bytes);
    try_token(input);
    try_base64url(input);
    try_rights(input);
    return 0;
}
