/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Any bytes through the check. What it accepts must be walked to its very end by every reader, and come back the same from JSON.
 */
#include "proto/json.h"
#include "proto/pack.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define DEPTH_MAX 32

/* Appends the value at the reader again, item by item, so that equal values get equal bytes. */
static void copy(struct pack_reader *reader, struct buffer *out) {
    uint32_t count;

    switch (pack_peek(reader)) {
    case PACK_NIL:
        pack_read_nil(reader);
        pack_put_nil(out);
        break;
    case PACK_BOOL:
        pack_put_bool(out, pack_read_bool(reader));
        break;
    case PACK_INT:
        pack_put_int(out, pack_read_int(reader));
        break;
    case PACK_FLOAT:
        pack_put_float(out, pack_read_float(reader));
        break;
    case PACK_TEXT:
        pack_put_text(out, pack_read_text(reader));
        break;
    case PACK_LIST:
        count = pack_read_list(reader);
        pack_put_list(out, count);
        for (uint32_t i = 0; i < count; i++) {
            copy(reader, out);
        }
        break;
    case PACK_MAP:
        count = pack_read_map(reader);
        pack_put_map(out, count);
        for (uint32_t i = 0; i < count; i++) {
            struct span key = pack_read_text(reader);

            pack_put_text(out, key);
            copy(reader, out);
        }
        break;
    case PACK_END:
    case PACK_ILLEGAL:
        assert(!"a checked value holds neither");
    }
    assert(!reader->failed);
}

/* Readers must stay inside of bytes that were never checked, too. */
static void read_unchecked(struct span bytes) {
    struct pack_reader reader = pack_reader_of(bytes);

    pack_skip(&reader);
    pack_find(bytes, "id");
    reader = pack_reader_of(bytes);
    for (uint32_t count = pack_read_list(&reader); count > 0 && !reader.failed; count--) {
        pack_read_text(&reader);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct buffer copied, text, reread;
    size_t used = 0;

    read_unchecked(span_of(data, bytes));
    if (pack_check(span_of(data, bytes), DEPTH_MAX, &used) != PACK_FINE) {
        return 0;
    }
    assert(used > 0 && used <= bytes);
    struct pack_reader reader = pack_reader_of(span_of(data, used));
    assert(pack_skip(&reader).bytes == used);

    buffer_init(&copied, 16 * bytes + 64);
    buffer_init(&text, 64 * bytes + 64);
    buffer_init(&reread, 16 * bytes + 64);
    reader = pack_reader_of(span_of(data, used));
    copy(&reader, &copied);
    assert(reader.at == reader.end && !copied.failed);
    json_put(&text, span_of(data, used));
    assert(!text.failed);
    enum ahora_code code = json_to_pack(buffer_span(&text), DEPTH_MAX, &reread, NULL);
    assert(code == AHORA_OK);
    assert(span_equal(buffer_span(&copied), buffer_span(&reread)));
    buffer_fini(&copied);
    buffer_fini(&text);
    buffer_fini(&reread);
    return 0;
}
