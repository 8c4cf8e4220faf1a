/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Cuts a stream of bytes into lines (NDJSON). Pure. A line longer than the bound is dropped as a whole and reported once, so that the
 * stream can go on behind it. Empty lines are passed over; "\r\n" ends a line as "\n" does.
 */
#ifndef NET_NDJSON_H
#define NET_NDJSON_H

#include "proto/buffer.h"

struct ndjson {
    struct buffer rest; /* the beginning of a line whose end has not arrived */
    size_t line_bytes_max;
    bool dropping; /* inside a line that is too long */
    bool handed;   /* `rest` holds the line handed out last */
};

enum ndjson_item {
    NDJSON_NONE, /* everything taken, more must come */
    NDJSON_LINE,
    NDJSON_TOO_LONG, /* a line was dropped */
    NDJSON_NO_MEMORY,
};

void ndjson_init(struct ndjson *ndjson, size_t line_bytes_max);
void ndjson_fini(struct ndjson *ndjson);

/* Takes bytes off the front of *bytes, up to the next line. *line is good until the next call. */
enum ndjson_item ndjson_next(struct ndjson *ndjson, struct span *bytes, struct span *line);

/* A line has begun and not ended. */
bool ndjson_is_inside(const struct ndjson *ndjson);

/* At the end of the stream: a last line without a line end. */
enum ndjson_item ndjson_last(struct ndjson *ndjson, struct span *line);

#endif
