/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/batch.h"

#include <stdio.h>
#include <string.h>

static void append_text_packed(struct bytes *out, const char *text) {
    size_t size = strlen(text);
    uint8_t head[3] = {0xda, (uint8_t)(size >> 8), (uint8_t)size}; /* str 16 */
    bytes_append(out, head, sizeof head);
    bytes_append(out, text, size);
}

static void append_change(const struct trace *trace, const struct event *event, struct bytes *out) {
    const char *data = bytes_data(&trace->text) + event->sent;
    const char *topic = trace->topics[event->topic].name;
    char key[64];
    snprintf(key, sizeof key, "%s-%zu", trace->name, (size_t)(event - trace->events));
    if (trace->codec == CODEC_MSGPACK) {
        uint8_t head = (uint8_t)((event->sent_bytes > 0 ? 0x83 : 0x82) + trace->has_keys);
        bytes_append(out, &head, 1);
        if (trace->has_keys) {
            append_text_packed(out, "key");
            append_text_packed(out, key);
        }
        append_text_packed(out, "op");
        append_text_packed(out, event_op_name(event->op));
        append_text_packed(out, "topic");
        append_text_packed(out, topic);
        if (event->sent_bytes > 0) {
            append_text_packed(out, "data");
            bytes_append(out, data, event->sent_bytes);
        }
        return;
    }
    bytes_append_text(out, "{");
    if (trace->has_keys) {
        bytes_printf(out, "\"key\":\"%s\",", key);
    }
    bytes_append_text(out, "\"op\":\"");
    bytes_append_text(out, event_op_name(event->op));
    bytes_append_text(out, "\",\"topic\":\"");
    bytes_append_text(out, topic); /* no byte of a topic needs an escape */
    bytes_append_text(out, event->sent_bytes > 0 ? "\",\"data\":" : "\"");
    bytes_append(out, data, event->sent_bytes);
    bytes_append_text(out, "}");
}

static void append_publish_head(enum codec codec, size_t count, size_t id, const char *ack, struct bytes *out) {
    if (codec == CODEC_JSON) {
        bytes_printf(out, "{\"op\":\"pub\",\"id\":%zu,\"ack\":\"%s\",\"changes\":[", id, ack);
        return;
    }
    uint8_t id_bytes[5] = {0xce, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    uint8_t count_bytes[3] = {0xdc, (uint8_t)(count >> 8), (uint8_t)count};
    bytes_append(out, "\x84", 1);
    append_text_packed(out, "op");
    append_text_packed(out, "pub");
    append_text_packed(out, "id");
    bytes_append(out, id_bytes, sizeof id_bytes);
    append_text_packed(out, "ack");
    append_text_packed(out, ack);
    append_text_packed(out, "changes");
    bytes_append(out, count_bytes, sizeof count_bytes);
}

void batch_append_publish(const struct trace *trace, size_t first, size_t count, size_t id, const char *ack,
                          struct bytes *out) {
    bool is_json = trace->codec == CODEC_JSON;
    append_publish_head(trace->codec, count, id, ack, out);
    for (size_t i = 0; i < count; i++) {
        bytes_append(out, ",", i > 0 && is_json ? 1 : 0);
        append_change(trace, &trace->events[first + i], out);
    }
    bytes_append_text(out, is_json ? "]}" : "");
}

void batch_append_lines(const struct trace *trace, size_t first, size_t count, struct bytes *out) {
    for (size_t i = 0; i < count; i++) {
        append_change(trace, &trace->events[first + i], out);
        bytes_append(out, "\n", 1);
    }
}
