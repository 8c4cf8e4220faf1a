/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Real events to replay: gzip'ed NDJSON files of {t, topic, op, data}, loaded into memory before anything is measured. */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
    uint32_t topic; /* index into topics */
    char op;        /* s(et) p(atch) a(djust) d(elete) */
    uint32_t bytes; /* of its data, without the braces around it */
    size_t data;    /* offset into text */
};

struct trace {
    struct event *events;
    size_t event_count;
    size_t event_room;
    char **topics;
    uint32_t topic_count;
    uint32_t topic_room;
    uint32_t *index; /* open addressing: topic + 1, 0 for free */
    size_t index_size;
    char *text;
    size_t text_bytes;
    size_t text_room;
};

/* Loads the files of the folder with `part` in their names, in the order of their names, at most `limit` events in all. False, with *why: no
   such folder or file, or not what it should be. */
bool trace_load(struct trace *trace, const char *folder, const char *part, size_t limit, const char **why);
void trace_fini(struct trace *trace);

/* One line; for tests. False: no event. */
bool trace_add_line(struct trace *trace, const char *line);

#endif
