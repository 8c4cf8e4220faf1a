/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Any bytes as stored records: what is read lies within them, and written again gives the same bytes.
 */
#include "broker/core/record.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_inside(struct span part, const uint8_t *data, size_t bytes) {
    assert(part.bytes == 0 || (part.data >= data && part.data + part.bytes <= data + bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct span rest = {data, bytes};
    struct buffer again;
    struct record record;
    buffer_init(&again, bytes);
    while (record_read(&rest, &record)) {
        check_inside(record.topic, data, bytes);
        check_inside(record.key, data, bytes);
        check_inside(record.data, data, bytes);
        record_put(&again, &record);
        assert(!again.failed);
    }
    size_t used = bytes - rest.bytes;
    assert(again.bytes == used && (used == 0 || memcmp(again.data, data, used) == 0));
    buffer_fini(&again);
    return 0;
}
