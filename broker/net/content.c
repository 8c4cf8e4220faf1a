/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/content.h"

#include "broker/net/broker.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The media type without its parameters. */
static struct span media_type(const struct http_head *head) {
    struct span type = http_header_find(head, "content-type");
    for (size_t i = 0; i < type.bytes; i++) {
        if (type.data[i] == ';' || type.data[i] == ' ' || type.data[i] == '\t') {
            type.bytes = i;
        }
    }
    return type;
}

bool content_is(const struct http_head *head, const char *type) {
    struct span given = media_type(head);
    return given.bytes == strlen(type) && strncasecmp((const char *)given.data, type, given.bytes) == 0;
}

/*
 * Anything that ends in "json". With PUT and PATCH also no type, and the one that curl sends if told nothing. With POST a browser
 * would send those to us from any page, without asking first, so there the type has to be said.
 */
static bool is_json(const struct http_head *head) {
    struct span given = media_type(head);
    if (head->method != HTTP_POST && (given.bytes == 0 || content_is(head, "application/x-www-form-urlencoded"))) {
        return true;
    }
    return given.bytes >= 4 && strncasecmp((const char *)given.data + given.bytes - 4, "json", 4) == 0;
}

static enum ahora_code check_packed(struct span body, unsigned depth_max, const char **detail) {
    size_t used;
    enum pack_fault fault = pack_check(body, depth_max, &used);
    if (fault != PACK_FINE || used != body.bytes) {
        *detail = fault != PACK_FINE ? pack_fault_text(fault) : "there is more than one value";
        return AHORA_BAD_MESSAGE;
    }
    return AHORA_OK;
}

enum ahora_code content_read_body(struct exchange *exchange, unsigned depth_max, struct buffer *out, const char **detail) {
    struct span body = buffer_span(&exchange->body);
    enum ahora_code code;
    if (content_is(&exchange->head, "application/msgpack") || content_is(&exchange->head, "application/vnd.msgpack")) {
        code = check_packed(body, depth_max, detail);
        if (code == AHORA_OK) {
            buffer_put_span(out, body);
        }
    } else if (is_json(&exchange->head)) {
        code = json_to_pack_bounded(body, depth_max, JSON_VALUES_MAX, out, detail);
    } else {
        exchange_problem(exchange, &(struct problem){.status = 415,
                                                     .code = AHORA_BAD_MESSAGE,
                                                     .detail = "the body must be JSON or application/msgpack"});
        return AHORA_BAD_MESSAGE;
    }
    if (code != AHORA_OK || out->failed) {
        code = code != AHORA_OK ? code : AHORA_TOO_LARGE;
        exchange_refuse(exchange, code, *detail != NULL ? *detail : "the body is malformed");
    }
    return code;
}

bool content_parse_ack(struct span text, enum ack *ack) {
    static const char *const names[] = {[ACK_DURABLE] = "durable", [ACK_APPLIED] = "applied", [ACK_NONE] = "none"};
    for (int i = 0; i < 3; i++) {
        if (span_is(text, names[i])) {
            *ack = (enum ack)i;
            return true;
        }
    }
    return false;
}

void content_put_item(struct buffer *out, const struct topic *topic, const struct rights *rights) {
    struct buffer scratch;
    buffer_init(&scratch, SIZE_MAX / 2);
    const struct span shown = topic_shown(topic, rights == NULL ? (struct span){0} : rights->mask, &scratch);
    buffer_put_text(out, "{\"topic\":");
    json_put_text(out, topic_path(topic));
    buffer_put_text(out, ",\"seq\":");
    buffer_put_decimal(out, topic->seq);
    buffer_put_text(out, ",\"at\":");
    buffer_put_decimal(out, topic->at);
    buffer_put_text(out, ",\"data\":");
    json_put(out, shown);
    out->failed |= scratch.failed;
    buffer_fini(&scratch);
    if (topic->stale) {
        buffer_put_text(out, ",\"stale\":true");
    }
    buffer_put_text(out, "}");
}

static int64_t find_int(struct span map, const char *key) {
    struct span value = pack_find(map, key);
    if (value.bytes == 0) {
        return 0;
    }
    struct pack_reader reader = pack_reader_of(value);
    return pack_read_int(&reader);
}

static struct span find_text(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : (struct span){NULL, 0};
}

void content_answer_error(struct exchange *exchange, struct span error) {
    struct span code = find_text(error, "code");
    struct span detail = find_text(error, "detail");
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)(detail.bytes < 250 ? detail.bytes : 250),
             detail.data != NULL ? (const char *)detail.data : "");
    exchange_problem(exchange, &(struct problem){.code = ahora_code_parse((const char *)code.data, code.bytes),
                                                 .detail = text,
                                                 .errors = pack_find(error, "errors"),
                                                 .seq = find_int(error, "seq"),
                                                 .retry_ms = find_int(error, "retry_ms")});
}

static bool refuse_pattern(struct exchange *exchange, const char *detail) {
    exchange_refuse(exchange, AHORA_BAD_PATTERN, detail);
    return false;
}

static bool read_pattern(struct exchange *exchange, struct span text, struct name *pattern) {
    const char *detail = "";
    enum ahora_code code = core_parse_pattern(exchange->broker->core, text, pattern, &detail);
    if (code == AHORA_OK && !rights_cover(exchange->rights, core_kinds(exchange->broker->core), pattern)) {
        code = AHORA_FORBIDDEN;
        detail = "the pattern reaches beyond what may be read";
    }
    if (code != AHORA_OK) {
        exchange_refuse(exchange, code, detail);
    }
    return code == AHORA_OK;
}

bool content_read_patterns(struct exchange *exchange, struct buffer *text, struct name *patterns, size_t *count) {
    size_t count_max = core_limits(exchange->broker->core)->patterns_max;
    size_t ends[CONTENT_PATTERNS_MAX];
    struct span query = exchange->head.query;
    struct span key;
    struct span value;
    *count = 0;
    while (http_query_next(&query, &key, &value)) {
        if (!span_is(key, "match")) {
            continue;
        }
        if (*count == count_max || *count == CONTENT_PATTERNS_MAX) {
            return refuse_pattern(exchange, "too many patterns");
        }
        if (!http_percent_decode(value, true, text)) {
            return refuse_pattern(exchange, "a pattern is malformed");
        }
        ends[(*count)++] = text->bytes;
    }
    if (*count == 0) {
        buffer_put_text(text, "**");
        ends[(*count)++] = text->bytes;
    }
    /* Only now, as the text may have moved while it grew. */
    for (size_t i = 0; i < *count; i++) {
        size_t start = i == 0 ? 0 : ends[i - 1];
        if (!read_pattern(exchange, (struct span){text->data + start, ends[i] - start}, &patterns[i])) {
            return false;
        }
    }
    return true;
}

bool content_may_narrow(struct exchange *exchange, const struct name *patterns, size_t count, const struct filter *filter) {
    const struct kinds *kinds = core_kinds(exchange->broker->core);
    bool shown = rights_show_where(exchange->rights, filter->where);
    for (size_t i = 0; i < count && filter->circle != NULL; i++) {
        shown = shown && rights_show_place(exchange->rights, kinds, &patterns[i]);
    }
    if (!shown) {
        exchange_refuse(exchange, AHORA_FORBIDDEN, "`where` or `near` looks at fields that are not shown");
    }
    return shown;
}
