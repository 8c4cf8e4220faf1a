/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/ndjson.h"

#include <assert.h>
#include <string.h>

/* Kept between lines: more would stay with every quiet stream. */
#define REST_KEEP_BYTES 4096

void ndjson_init(struct ndjson *ndjson, size_t line_bytes_max) {
    assert(line_bytes_max > 0);
    memset(ndjson, 0, sizeof *ndjson);
    buffer_init(&ndjson->rest, line_bytes_max + 1); /* the CR of a line of exactly the bound */
    ndjson->line_bytes_max = line_bytes_max;
}

void ndjson_fini(struct ndjson *ndjson) {
    buffer_fini(&ndjson->rest);
}

static struct span without_cr(struct span line) {
    if (line.bytes > 0 && line.data[line.bytes - 1] == '\r') {
        line.bytes--;
    }
    return line;
}

/* A whole line: hand it out, pass it over, or report it. */
static enum ndjson_item judge(struct ndjson *ndjson, struct span bytes, struct span *line) {
    bool dropped = ndjson->dropping;
    ndjson->dropping = false;
    *line = without_cr(bytes);
    if (dropped || line->bytes > ndjson->line_bytes_max) {
        return NDJSON_TOO_LONG;
    }
    return line->bytes > 0 ? NDJSON_LINE : NDJSON_NONE;
}

/* The beginning of a line is kept until the rest arrives. */
static enum ndjson_item keep(struct ndjson *ndjson, struct span part) {
    if (ndjson->dropping) {
        return NDJSON_NONE;
    }
    if (ndjson->rest.bytes + part.bytes > ndjson->line_bytes_max + 1) {
        ndjson->dropping = true;
        buffer_clear(&ndjson->rest, 0);
        return NDJSON_NONE;
    }
    buffer_put_span(&ndjson->rest, part);
    return ndjson->rest.failed ? NDJSON_NO_MEMORY : NDJSON_NONE;
}

/* The line that was handed out last may stand in `rest`: it is used now. */
static void forget_handed(struct ndjson *ndjson) {
    if (ndjson->handed) {
        ndjson->handed = false;
        buffer_clear(&ndjson->rest, REST_KEEP_BYTES);
    }
}

enum ndjson_item ndjson_next(struct ndjson *ndjson, struct span *bytes, struct span *line) {
    forget_handed(ndjson);
    while (bytes->bytes > 0) {
        const uint8_t *end = memchr(bytes->data, '\n', bytes->bytes);
        struct span part = {bytes->data, end == NULL ? bytes->bytes : (size_t)(end - bytes->data)};
        size_t used = part.bytes + (end == NULL ? 0 : 1);
        bytes->data += used;
        bytes->bytes -= used;
        if (end == NULL) {
            return keep(ndjson, part);
        }
        enum ndjson_item item = NDJSON_NONE;
        if (ndjson->rest.bytes == 0) {
            item = judge(ndjson, part, line);
        } else {
            if (keep(ndjson, part) == NDJSON_NO_MEMORY) {
                return NDJSON_NO_MEMORY;
            }
            item = judge(ndjson, buffer_span(&ndjson->rest), line);
        }
        ndjson->handed = true;
        if (item != NDJSON_NONE) {
            return item;
        }
        ndjson->handed = false;
        buffer_clear(&ndjson->rest, REST_KEEP_BYTES);
    }
    return NDJSON_NONE;
}

bool ndjson_is_inside(const struct ndjson *ndjson) {
    return ndjson->dropping || (ndjson->rest.bytes > 0 && !ndjson->handed);
}

enum ndjson_item ndjson_last(struct ndjson *ndjson, struct span *line) {
    forget_handed(ndjson);
    return judge(ndjson, buffer_span(&ndjson->rest), line);
}
