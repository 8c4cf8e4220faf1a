/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/trace.h"
#include "tests/traces/derived.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LINE_BYTES_MAX 4096

static const char *const op_names[EVENT_OPS] = {"set", "patch", "adjust", "delete"};

const char *event_op_name(enum event_op op) {
    return op_names[op];
}

/* ---- topics ---- */

static uint64_t text_hash(const char *text) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    }
    return hash;
}

/* The topic's place in the index, or the free one where it belongs. */
static uint32_t *index_slot(const struct trace *trace, const char *topic) {
    size_t at = text_hash(topic) & (trace->index_size - 1);
    while (trace->index[at] != 0 && strcmp(trace->topics[trace->index[at] - 1].name, topic) != 0) {
        at = (at + 1) & (trace->index_size - 1);
    }
    return &trace->index[at];
}

static void index_grow(struct trace *trace) {
    free(trace->index);
    trace->index_size = trace->index_size == 0 ? 1024 : trace->index_size * 2;
    trace->index = calloc(trace->index_size, sizeof *trace->index);
    assert(trace->index != NULL);
    for (size_t i = 0; i < trace->topic_count; i++) {
        *index_slot(trace, trace->topics[i].name) = (uint32_t)i + 1;
    }
}

static uint32_t topic_intern(struct trace *trace, const char *topic) {
    if (trace->topic_count * 2 >= trace->index_size) {
        index_grow(trace);
    }
    uint32_t *slot = index_slot(trace, topic);
    if (*slot != 0) {
        return *slot - 1;
    }
    if (trace->topic_count == trace->topic_capacity) {
        trace->topic_capacity = trace->topic_capacity == 0 ? 1024 : trace->topic_capacity * 2;
        trace->topics = realloc(trace->topics, trace->topic_capacity * sizeof *trace->topics);
        assert(trace->topics != NULL);
    }
    trace->topics[trace->topic_count] = (struct trace_topic){.name = strdup(topic)};
    *slot = (uint32_t)++trace->topic_count;
    return *slot - 1;
}

struct trace_topic *trace_find(const struct trace *trace, const char *topic) {
    uint32_t place = trace->index_size > 0 ? *index_slot(trace, topic) : 0;
    return place > 0 ? &trace->topics[place - 1] : NULL;
}

/* ---- loading ---- */

static size_t text_add(struct trace *trace, const json_t *value, enum codec codec, size_t *size) {
    size_t start = bytes_size(&trace->text);
    codec_encode(codec, value, &trace->text);
    *size = bytes_size(&trace->text) - start;
    return start;
}

/* See the head of trace.h. */
static bool position_is_whole(const json_t *position) {
    return json_object_get(position, "lat") != NULL;
}

/* `data` is the file's, changed in place. */
static void position_complete(json_t *data) {
    json_t *position = json_object_get(data, "position");
    if (position_is_whole(position) && json_object_get(position, "speed") == NULL) {
        json_object_set_new(position, "speed", json_null());
    }
}

/* One booking of the hotels has a negative rate, which no price may be: the ten nights it covers change without one. */
static void price_repair(struct trace *trace, json_t *data) {
    const char *price = json_string_value(json_object_get(data, "price"));
    if (price != NULL && price[0] == '-') {
        json_object_del(data, "price");
        trace->repaired++;
    }
}

static bool event_parse(struct trace *trace, json_t *line, struct event *event) {
    const char *topic = json_string_value(json_object_get(line, "topic"));
    const char *op = json_string_value(json_object_get(line, "op"));
    json_t *data = json_object_get(line, "data");
    if (topic == NULL || op == NULL) {
        return false;
    }
    event->op = EVENT_SET;
    while (event->op < EVENT_OPS && strcmp(op, op_names[event->op]) != 0) {
        event->op++;
    }
    if (event->op == EVENT_OPS || json_is_object(data) != (event->op != EVENT_DELETE)) {
        return false;
    }
    event->topic = topic_intern(trace, topic);
    trace->has_adjusts |= event->op == EVENT_ADJUST;
    if (data != NULL) {
        price_repair(trace, data);
        event->data = text_add(trace, data, CODEC_MSGPACK, &event->data_bytes);
        if (event->op == EVENT_PATCH) {
            position_complete(data);
        }
        event->sent = text_add(trace, data, trace->codec, &event->sent_bytes);
    }
    return true;
}

static bool line_load(struct trace *trace, const char *text) {
    if (trace->event_count == trace->event_capacity) {
        trace->event_capacity = trace->event_capacity == 0 ? 4096 : trace->event_capacity * 2;
        trace->events = realloc(trace->events, trace->event_capacity * sizeof *trace->events);
        assert(trace->events != NULL);
    }
    struct event *event = &trace->events[trace->event_count];
    *event = (struct event){0};
    json_t *line = json_loads(text, 0, NULL);
    bool is_good = line != NULL && event_parse(trace, line, event);
    json_decref(line);
    trace->event_count += is_good;
    return is_good;
}

bool trace_load(struct trace *trace, const char *path, size_t limit) {
    gzFile file = gzopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "check-traces: cannot open %s\n", path);
        return false;
    }
    char text[LINE_BYTES_MAX];
    bool is_good = true;
    for (size_t count = 0; is_good && (limit == 0 || count < limit) && gzgets(file, text, sizeof text) != NULL; count++) {
        is_good = line_load(trace, text);
        if (!is_good) {
            fprintf(stderr, "check-traces: %s, line %zu is not an event: %.80s\n", path, count + 1, text);
        }
    }
    int error = Z_OK;
    const char *why = gzerror(file, &error);
    if (error != Z_OK && error != Z_STREAM_END) {
        fprintf(stderr, "check-traces: %s: %s\n", path, why);
        is_good = false;
    }
    gzclose(file);
    return is_good;
}

void trace_fini(struct trace *trace) {
    for (size_t i = 0; i < trace->topic_count; i++) {
        free(trace->topics[i].name);
        json_decref(trace->topics[i].expected);
    }
    free(trace->topics);
    free(trace->events);
    free(trace->index);
    bytes_fini(&trace->text);
    *trace = (struct trace){0};
}

/* ---- the expected state ---- */

static void topic_adjust(json_t *document, json_t *data) {
    const char *field;
    json_t *amount;
    json_object_foreach(data, field, amount) {
        json_int_t old = json_integer_value(json_object_get(document, field));
        json_object_set_new(document, field, json_integer(old + json_integer_value(amount)));
    }
}

static void topic_patch(json_t *document, json_t *data) {
    json_t *position = json_object_get(data, "position");
    if (position != NULL && !position_is_whole(position)) {
        json_t *merged = json_copy(json_object_get(document, "position"));
        json_object_update(merged, position);
        json_object_set_new(data, "position", merged);
    }
    json_object_update(document, data);
}

static void event_fold(struct trace *trace, const struct event *event) {
    struct trace_topic *topic = &trace->topics[event->topic];
    json_t *data = NULL;
    if (event->op != EVENT_DELETE) {
        size_t offset = 0;
        bool is_bad;
        data = codec_decode(CODEC_MSGPACK, bytes_data(&trace->text) + event->data, event->data_bytes, &offset, &is_bad);
        assert(data != NULL);
    }
    /* The README's promise: a topic begins with a set. */
    assert(event->op == EVENT_SET || topic->expected != NULL);
    json_t *old = json_deep_copy(topic->expected);
    if (event->op == EVENT_ADJUST) {
        topic_adjust(topic->expected, data);
    } else if (event->op == EVENT_PATCH) {
        topic_patch(topic->expected, data);
    } else {
        json_decref(topic->expected);
        topic->expected = json_incref(data);
    }
    if (topic->expected != NULL) {
        derived_write(topic->name, topic->expected, old);
    }
    json_decref(old);
    json_decref(data);
}

void trace_fold(struct trace *trace, size_t count) {
    assert(count <= trace->event_count && count >= trace->folded);
    for (; trace->folded < count; trace->folded++) {
        event_fold(trace, &trace->events[trace->folded]);
    }
}
