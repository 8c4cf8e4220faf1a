/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * One producer's part of the real event traces: a few gzip'ed files, one after the other, loaded into memory once and then only
 * read, so that any thread may. It keeps each event's data twice: as the file has it (for the expected state) and as it is sent.
 *
 * The two differ in one place. In the traces a patch overwrites a nested `position` whole, while the protocol's patch is RFC 7396
 * and merges it: a bus that reports no speed this time would keep its old one. So if a patch names a place without a speed, the speed
 * is sent as null, which removes it. A few buses report a speed alone: they have not moved, and keep their place. The expected state
 * is computed by the traces' own rule.
 */
#ifndef AHORA_TESTS_TRACE_H
#define AHORA_TESTS_TRACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/bytes.h"
#include "tests/support/codec.h"

#define TRACE_FILES_MAX 4

enum event_op {
    EVENT_SET,
    EVENT_PATCH,
    EVENT_ADJUST,
    EVENT_DELETE,
    EVENT_OPS,
};

struct event {
    uint32_t topic; /* index into topics */
    enum event_op op;
    size_t data; /* offsets into the trace's text; 0 bytes for a delete */
    size_t data_bytes;
    size_t sent;
    size_t sent_bytes;
};

struct trace_topic {
    char *name;
    json_t *expected; /* NULL: does not exist (yet, or any more) */
    int64_t seq;      /* of its last published change, as the broker answered; written by the producer */
};

struct trace {
    const char *name;
    enum codec codec; /* of the data to be sent */
    struct event *events;
    size_t event_count;
    size_t event_capacity;
    struct trace_topic *topics;
    size_t topic_count;
    size_t topic_capacity;
    uint32_t *index; /* open addressing: topic + 1, 0 for free */
    size_t index_size;
    struct bytes text;
    size_t repaired; /* events in which something no kind allows was left out */
    bool has_adjusts;
    bool has_keys; /* what is sent again must be known: orders would note their steps twice */
    size_t folded; /* events that `expected` stands for */
};

/* Appends a file's events, at most `limit` (0: all). False, with a line on stderr, on anything unexpected in it. */
bool trace_load(struct trace *trace, const char *path, size_t limit);
void trace_fini(struct trace *trace);

/* "set" ... */
const char *event_op_name(enum event_op op);

/* NULL if the trace has no such topic. */
struct trace_topic *trace_find(const struct trace *trace, const char *topic);

/*
 * Moves the expected state on to the first `count` events, by the rules of the traces' README and nothing of the broker. The check
 * calls it while no event beyond `count` is acknowledged.
 */
void trace_fold(struct trace *trace, size_t count);

#endif
