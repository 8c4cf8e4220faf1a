/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A recorded trace: NDJSON, plain or gzip'ed, one {"t": ms since its start, "topic", "op", "data"} a line, ordered by t.
 * The events of a trace are read one at a time; memory is one line. A patch in a trace overwrites nested maps whole: it comes out as the
 * merge patch that does the same (whole.h).
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <zlib.h>

#include "clients/cli/whole.h"
#include "proto/buffer.h"

#define TRACE_LINE_BYTES_MAX 1048576

enum trace_step {
    TRACE_EVENT, /* `t` and `change` are the next event */
    TRACE_BAD,   /* line `line` is no event: `detail` says why */
    TRACE_END,
};

struct trace {
    const char *name;
    gzFile file;
    int64_t file_bytes; /* on disk */
    bool broken;        /* nothing can be read after what was told as TRACE_BAD */
    uint64_t line;
    int64_t t;
    struct buffer change; /* the packed line */
    struct buffer merged; /* the same as a merge patch, while it is made */
    struct whole whole;
    const char *detail;
    char *text; /* TRACE_LINE_BYTES_MAX + 2 */
};

/* NULL, or why not. `name` is borrowed. */
const char *trace_open(struct trace *trace, const char *name);
void trace_close(struct trace *trace);

enum trace_step trace_next(struct trace *trace);
void trace_rewind(struct trace *trace);

/* Bytes of the file read so far. */
int64_t trace_offset(const struct trace *trace);

#endif
