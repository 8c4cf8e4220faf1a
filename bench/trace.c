/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/trace.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LINE_BYTES_MAX 8192
#define OPS "spad" /* set patch adjust delete */

/* Makes room for `wanted` items of an array; false: out of memory. */
static bool make_room(void *array, size_t item_bytes, size_t wanted, size_t *room) {
    if (wanted <= *room) {
        return true;
    }
    size_t larger = *room > 0 ? *room : 1024;
    while (larger < wanted) {
        larger *= 2;
    }
    void *at;
    memcpy(&at, array, sizeof at);
    at = realloc(at, larger * item_bytes);
    if (at == NULL) {
        return false;
    }
    memcpy(array, &at, sizeof at);
    *room = larger;
    return true;
}

/* ---- topics ---- */

static uint32_t *slot_of(const struct trace *trace, const char *topic) {
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *at = topic; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * UINT64_C(1099511628211);
    }
    size_t place = hash & (trace->index_size - 1);
    while (trace->index[place] != 0 && strcmp(trace->topics[trace->index[place] - 1], topic) != 0) {
        place = (place + 1) & (trace->index_size - 1);
    }
    return &trace->index[place];
}

static bool grow_index(struct trace *trace) {
    free(trace->index);
    trace->index_size = trace->index_size == 0 ? 1024 : 2 * trace->index_size;
    trace->index = calloc(trace->index_size, sizeof *trace->index);
    for (uint32_t i = 0; trace->index != NULL && i < trace->topic_count; i++) {
        *slot_of(trace, trace->topics[i]) = i + 1;
    }
    return trace->index != NULL;
}

static bool intern(struct trace *trace, const char *topic, uint32_t *out) {
    if (2 * (size_t)trace->topic_count >= trace->index_size && !grow_index(trace)) {
        return false;
    }
    uint32_t *slot = slot_of(trace, topic);
    size_t room = trace->topic_room;
    if (*slot == 0) {
        if (!make_room(&trace->topics, sizeof *trace->topics, trace->topic_count + 1, &room)) {
            return false;
        }
        trace->topic_room = (uint32_t)room;
        trace->topics[trace->topic_count] = strdup(topic);
        if (trace->topics[trace->topic_count] == NULL) {
            return false;
        }
        *slot = ++trace->topic_count;
    }
    *out = *slot - 1;
    return true;
}

/* ---- events ---- */

static bool add_data(struct trace *trace, const json_t *data, struct event *event) {
    char *text = json_dumps(data, JSON_COMPACT);
    size_t bytes = text != NULL ? strlen(text) - 2 : 0; /* without its braces */
    bool added = text != NULL && make_room(&trace->text, 1, trace->text_bytes + bytes, &trace->text_room);
    if (added) {
        memcpy(trace->text + trace->text_bytes, text + 1, bytes);
        event->data = trace->text_bytes;
        event->bytes = (uint32_t)bytes;
        trace->text_bytes += bytes;
    }
    free(text);
    return added;
}

static bool add_event(struct trace *trace, const json_t *line) {
    static const char *const names[] = {"set", "patch", "adjust", "delete"};
    const char *topic = json_string_value(json_object_get(line, "topic"));
    const char *op = json_string_value(json_object_get(line, "op"));
    const json_t *data = json_object_get(line, "data");
    struct event event = {.op = 0};
    for (size_t i = 0; op != NULL && i < sizeof names / sizeof names[0]; i++) {
        event.op = strcmp(op, names[i]) == 0 ? OPS[i] : event.op;
    }
    if (topic == NULL || event.op == 0 || json_is_object(data) != (event.op != 'd')) {
        return false;
    }
    if (!intern(trace, topic, &event.topic) || (data != NULL && !add_data(trace, data, &event)) ||
        !make_room(&trace->events, sizeof *trace->events, trace->event_count + 1, &trace->event_room)) {
        return false;
    }
    trace->events[trace->event_count++] = event;
    return true;
}

bool trace_add_line(struct trace *trace, const char *text) {
    json_t *line = json_loads(text, 0, NULL);
    bool added = line != NULL && add_event(trace, line);
    json_decref(line);
    return added;
}

static bool load_file(struct trace *trace, const char *path, size_t limit) {
    gzFile file = gzopen(path, "rb");
    char line[LINE_BYTES_MAX];
    bool is_good = file != NULL;
    while (is_good && trace->event_count < limit && gzgets(file, line, sizeof line) != NULL) {
        is_good = trace_add_line(trace, line);
    }
    if (file != NULL) {
        gzclose(file);
    }
    return is_good;
}

/* ---- the folder ---- */

static const char *wanted_part;

static int is_wanted(const struct dirent *entry) {
    const char *end = strstr(entry->d_name, ".ndjson.gz");
    return end != NULL && strstr(entry->d_name, wanted_part) != NULL;
}

bool trace_load(struct trace *trace, const char *folder, const char *part, size_t limit, const char **why) {
    struct dirent **entries = NULL;
    bool is_good = true;
    wanted_part = part;
    int count = scandir(folder, &entries, is_wanted, alphasort);
    for (int i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        is_good = is_good && load_file(trace, path, limit);
        free(entries[i]);
    }
    free(entries);
    *why = count < 0    ? "there is no folder of traces"
           : count == 0 ? "no trace has such a name"
                        : "a trace is not what it should be";
    return is_good && count > 0 && trace->event_count > 0;
}

void trace_fini(struct trace *trace) {
    for (uint32_t i = 0; i < trace->topic_count; i++) {
        free(trace->topics[i]);
    }
    free(trace->topics);
    free(trace->events);
    free(trace->index);
    free(trace->text);
    *trace = (struct trace){.events = NULL};
}
