/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/json.h"
#include "proto/pack.h"

const char *trace_open(struct trace *trace, const char *name) {
    struct stat info;
    *trace = (struct trace){.name = name};
    buffer_init(&trace->change, TRACE_LINE_BYTES_MAX);
    buffer_init(&trace->merged, 2 * TRACE_LINE_BYTES_MAX);
    errno = 0;
    trace->file = gzopen(name, "rbe");
    trace->text = malloc(TRACE_LINE_BYTES_MAX + 2);
    if (trace->file == NULL || trace->text == NULL || stat(name, &info) != 0) {
        return strerror(errno == 0 ? ENOMEM : errno);
    }
    gzbuffer(trace->file, 131072);
    trace->file_bytes = info.st_size;
    return NULL;
}

void trace_close(struct trace *trace) {
    if (trace->file != NULL) {
        gzclose(trace->file);
    }
    buffer_fini(&trace->change);
    buffer_fini(&trace->merged);
    free(trace->text);
    *trace = (struct trace){0};
}

int64_t trace_offset(const struct trace *trace) {
    return gzoffset(trace->file);
}

void trace_rewind(struct trace *trace) {
    gzrewind(trace->file);
    trace->broken = false;
    trace->line = 0;
}

static enum trace_step bad(struct trace *trace, const char *detail) {
    trace->detail = detail;
    return TRACE_BAD;
}

static void skip_line(struct trace *trace) {
    while (gzgets(trace->file, trace->text, TRACE_LINE_BYTES_MAX + 2) != NULL && strchr(trace->text, '\n') == NULL) {
    }
}

/* The end of a file that is cut short or damaged shows as an error of zlib, once. */
static enum trace_step end_of(struct trace *trace) {
    int error = Z_OK;
    gzerror(trace->file, &error);
    if (error != Z_OK && error != Z_STREAM_END && !trace->broken) {
        trace->broken = true;
        return bad(trace, "the file is damaged or cut short");
    }
    return TRACE_END;
}

static enum trace_step make_whole(struct trace *trace) {
    if (!whole_complete(&trace->whole, buffer_span(&trace->change), &trace->merged)) {
        return bad(trace, "nested maps with too many or too long member names");
    }
    if (trace->merged.bytes > 0) {
        struct buffer change = trace->change;
        trace->change = trace->merged;
        trace->merged = change;
    }
    return TRACE_EVENT;
}

enum trace_step trace_next(struct trace *trace) {
    size_t bytes;
    do {
        if (trace->broken || gzgets(trace->file, trace->text, TRACE_LINE_BYTES_MAX + 2) == NULL) {
            return end_of(trace);
        }
        trace->line++;
        bytes = strlen(trace->text);
        if (bytes > TRACE_LINE_BYTES_MAX && trace->text[bytes - 1] != '\n') {
            skip_line(trace);
            return bad(trace, "line too long");
        }
        bytes -= bytes > 0 && trace->text[bytes - 1] == '\n';
    } while (bytes == 0);
    buffer_clear(&trace->change, 65536);
    const char *detail = "line too long";
    if (json_to_pack(span_of(trace->text, bytes), AHORA_DEPTH_MAX + 1, &trace->change, &detail) != AHORA_OK) {
        return bad(trace, detail);
    }
    struct pack_reader t = pack_reader_of(pack_find(buffer_span(&trace->change), "t"));
    trace->t = pack_peek(&t) == PACK_INT ? pack_read_int(&t) : -1;
    return trace->t < 0 ? bad(trace, "no \"t\" of 0 or more") : make_whole(trace);
}
