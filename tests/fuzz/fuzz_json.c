/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Any bytes as JSON. What the short way takes the long way takes too, and writes the same. What is accepted must pass the check and mean the same after being written; what is refused leaves no trace.
 */
#include "proto/json.h"
#include "proto/json_plain.h"
#include "proto/pack.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void compare_ways(struct span text, unsigned depth_max, size_t values_max, size_t bytes_max) {
    struct buffer plain, tree;

    buffer_init(&plain, bytes_max);
    buffer_init(&tree, bytes_max);
    if (json_plain_to_pack(text, depth_max, values_max, &plain)) {
        enum ahora_code code = json_tree_to_pack(text, depth_max, values_max, &tree, NULL);
        assert(code == AHORA_OK && span_equal(buffer_span(&plain), buffer_span(&tree)));
    } else {
        assert(plain.bytes == 0 && !plain.failed);
    }
    buffer_fini(&plain);
    buffer_fini(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct buffer packed, text, reread;
    const char *detail = NULL;
    size_t used = 0;

    compare_ways(span_of(data, bytes), AHORA_DEPTH_MAX, SIZE_MAX, 16 * bytes + 16);
    compare_ways(span_of(data, bytes), 2, 4, bytes);
    buffer_init(&packed, 16 * bytes + 16);
    if (json_to_pack(span_of(data, bytes), AHORA_DEPTH_MAX, &packed, &detail) != AHORA_OK) {
        assert(packed.bytes == 0 && !packed.failed && detail != NULL);
        buffer_fini(&packed);
        return 0;
    }
    enum pack_fault fault = pack_check(buffer_span(&packed), AHORA_DEPTH_MAX, &used);
    assert(fault == PACK_FINE && used == packed.bytes);
    buffer_init(&text, 64 * bytes + 64);
    buffer_init(&reread, 16 * bytes + 16);
    json_put(&text, buffer_span(&packed));
    enum ahora_code code = json_to_pack(buffer_span(&text), AHORA_DEPTH_MAX, &reread, NULL);
    assert(code == AHORA_OK && span_equal(buffer_span(&packed), buffer_span(&reread)));
    buffer_fini(&packed);
    buffer_fini(&text);
    buffer_fini(&reread);
    return 0;
}
