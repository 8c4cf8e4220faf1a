/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Bytes are read as the JSON text of a kind, a NUL, and MessagePack documents one behind the other. The kind compiles or is refused with
 * a reason; of a compiled one every legal document takes the shape: what comes out is legal bytes, keeps its bound, is legal for its kind,
 * and taking the shape again changes nothing.
 */
#include "broker/core/shape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define DOCUMENT_BYTES_MAX 4096

static void check_output(const struct kind *kind, const struct shape_output *output) {
    struct shaper again;
    struct shape_output twice;
    const char *detail = NULL;
    size_t used = 0;
    assert(output->document.bytes <= DOCUMENT_BYTES_MAX);
    assert(pack_check(output->document, AHORA_DEPTH_MAX, &used) == PACK_FINE && used == output->document.bytes);
    shaper_init(&again, DOCUMENT_BYTES_MAX);
    const struct shape_input input = {
        .kind = kind, .next = output->document, .old = output->document, .said = output->document, .at = 2};
    assert(shaper_run(&again, &input, &twice, &detail) == AHORA_OK);
    assert(span_equal(twice.document, output->document));
    shaper_fini(&again);
}

static void shape(const struct kind *kind, struct shaper *shaper, struct span document, struct span old) {
    const bool is_patch = old.bytes > 0 && document.bytes % 2 == 0;
    const struct shape_input input = {
        .kind = kind, .next = document, .old = old, .said = document, .is_patch = is_patch, .at = 1};
    struct shape_output output;
    const char *detail = NULL;
    size_t used = 0;
    const enum ahora_code code = shaper_run(shaper, &input, &output, &detail);
    if (code != AHORA_OK) {
        assert(code == AHORA_INVALID || code == AHORA_TOO_LARGE);
        assert(detail != NULL && shaper->violations.count <= VIOLATIONS_MAX);
        for (uint32_t i = 0; i < shaper->violations.count; i++) {
            const struct violation *violation = &shaper->violations.items[i];
            assert(violation->detail[0] != '\0' && strlen(violation->pointer) <= VIOLATION_POINTER_BYTES_MAX);
        }
        return;
    }
    assert(!is_patch || (pack_check(output.patch, AHORA_DEPTH_MAX, &used) == PACK_FINE && used == output.patch.bytes));
    check_output(kind, &output);
}

static void shape_all(const struct kind *kind, struct span rest) {
    struct shaper shaper;
    struct span old = {0};
    size_t used = 0;
    shaper_init(&shaper, DOCUMENT_BYTES_MAX);
    while (rest.bytes > 0 && pack_check(rest, AHORA_DOCUMENT_DEPTH_MAX, &used) == PACK_FINE) {
        const struct span document = span_of(rest.data, used);
        struct pack_reader reader = pack_reader_of(document);
        if (pack_peek(&reader) == PACK_MAP && document.bytes <= DOCUMENT_BYTES_MAX) {
            shape(kind, &shaper, document, old);
            old = document;
        }
        rest = span_of(rest.data + used, rest.bytes - used);
    }
    shaper_fini(&shaper);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const uint8_t *end = bytes > 0 ? memchr(data, '\0', bytes) : NULL;
    const size_t json_bytes = end == NULL ? bytes : (size_t)(end - data);
    struct violations errors;
    struct kind kind;
    if (kind_init(&kind, span_of_text("k"), span_of(data, json_bytes), &errors)) {
        assert(errors.count == 0);
        if (end != NULL) {
            shape_all(&kind, span_of(end + 1, bytes - json_bytes - 1));
        }
    } else {
        assert(errors.count > 0 && errors.items[0].detail[0] != '\0');
    }
    kind_fini(&kind);
    return 0;
}
