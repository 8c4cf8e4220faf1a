/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/range.h"

#include "broker/core/date.h"

#include <stdio.h>
#include <string.h>

#define ALL_DAYS 0x7f

/* One range on its way to changes. */
struct range {
    struct change_request change;
    struct name name;
    int64_t start, end;
    unsigned days; /* bit 0: Monday */
};

struct expansion {
    const struct range_options *options;
    struct range_fault *fault;
    struct buffer *out;
    uint32_t count;
    uint32_t index; /* of the range */
};

static bool refuse(struct expansion *expansion, enum ahora_code code, const char *field, const char *detail) {
    expansion->fault->code = code;
    expansion->fault->detail = detail;
    snprintf(expansion->fault->pointer, sizeof expansion->fault->pointer, "/changes/%u%s%s", expansion->index,
             field[0] != '\0' ? "/" : "", field);
    return false;
}

static bool read_date(struct expansion *expansion, struct span map, const char *key, int64_t *days) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    if (pack_peek(&reader) != PACK_TEXT || !date_parse(pack_read_text(&reader), days)) {
        return refuse(expansion, AHORA_INVALID, key, "must be a date such as 2027-05-01");
    }
    return true;
}

static unsigned day_named(struct span name) {
    static const char *const names[7] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    for (unsigned day = 0; day < 7; day++) {
        if (span_is(name, names[day])) {
            return 1U << day;
        }
    }
    return 0;
}

static bool read_days(struct expansion *expansion, struct span map, unsigned *days) {
    const struct span list = pack_find(map, "days");
    struct pack_reader reader = pack_reader_of(list);
    *days = list.bytes == 0 ? ALL_DAYS : 0;
    if (list.bytes == 0) {
        return true;
    }
    bool fine = pack_peek(&reader) == PACK_LIST;
    for (uint32_t left = fine ? pack_read_list(&reader) : 0; fine && left > 0; left--) {
        const unsigned day = pack_peek(&reader) == PACK_TEXT ? day_named(pack_read_text(&reader)) : 0;
        fine = day != 0;
        *days |= day;
    }
    return (fine && *days != 0) || refuse(expansion, AHORA_INVALID, "days", "must be a list of mon tue wed thu fri sat sun");
}

static bool read_range(struct expansion *expansion, struct span map, struct range *range) {
    const char *detail = NULL;
    struct pack_reader reader = pack_reader_of(map);
    const enum ahora_code shape = change_decode(&reader, &range->change, &detail);
    if (shape != AHORA_OK) {
        return refuse(expansion, shape, "", detail);
    }
    if (range->change.has_if_seq || range->change.key.data != NULL) {
        return refuse(expansion, AHORA_BAD_MESSAGE, "", "a range takes neither `if_seq` nor `key`; there is Idempotency-Key");
    }
    const enum ahora_code code = name_parse_topic(range->change.topic, &range->name, &detail);
    if (code != AHORA_OK) {
        return refuse(expansion, code, "topic", detail);
    }
    const struct kind *kind = kinds_find(expansion->options->kinds, range->name.segments[0]);
    if (kind == NULL) {
        return refuse(expansion, AHORA_UNKNOWN_KIND, "topic", "the first segment names no declared kind");
    }
    if (!kind_ends_in_date(kind, range->name.count + 1) || range->change.topic.bytes + 1 + DATE_BYTES > AHORA_TOPIC_BYTES_MAX) {
        return refuse(expansion, AHORA_BAD_TOPIC, "topic", "with a date behind it, this is no topic of its kind");
    }
    if (!range->change.has_at) { /* one instant for all nights */
        range->change.has_at = true;
        range->change.at = expansion->options->wall_ms;
    }
    if (!read_date(expansion, map, "start", &range->start) || !read_date(expansion, map, "end", &range->end) ||
        !read_days(expansion, map, &range->days)) {
        return false;
    }
    return range->start <= range->end || refuse(expansion, AHORA_INVALID, "end", "must not lie before `start`");
}

static void put_night(struct expansion *expansion, struct range *range, int64_t day) {
    const struct range_options *options = expansion->options;
    char topic[AHORA_TOPIC_BYTES_MAX];
    char key[AHORA_KEY_BYTES_MAX + 1];
    const size_t bytes = range->name.text.bytes;
    memcpy(topic, range->name.text.data, bytes);
    topic[bytes] = '/';
    date_put(topic + bytes + 1, day);
    range->change.topic = span_of(topic, bytes + 1 + DATE_BYTES);
    if (options->key.data != NULL) {
        const int key_bytes =
            snprintf(key, sizeof key, "%.*s@%u", (int)options->key.bytes, (const char *)options->key.data, expansion->count);
        range->change.key = span_of(key, (size_t)key_bytes);
    }
    change_put(expansion->out, &range->change);
    expansion->count++;
}

static bool put_nights(struct expansion *expansion, struct range *range) {
    const uint32_t before = expansion->count;
    for (int64_t day = range->start; day <= range->end; day++) {
        if (!(range->days >> date_weekday(day) & 1)) {
            continue;
        }
        if ((int64_t)expansion->count >= expansion->options->nights_max) {
            return refuse(expansion, AHORA_TOO_MANY, "end", "the ranges have more nights than one call may");
        }
        put_night(expansion, range, day);
        if (expansion->out->failed) {
            return refuse(expansion, AHORA_TOO_LARGE, "data", "written for each night this is too large");
        }
    }
    return expansion->count > before || refuse(expansion, AHORA_INVALID, "days", "none of these days lies in the range");
}

bool range_expand(const struct range_options *options, struct span ranges, struct buffer *out, uint32_t *count,
                  struct range_fault *fault) {
    struct expansion expansion = {.options = options, .fault = fault, .out = out};
    struct pack_reader reader = pack_reader_of(ranges);
    for (uint32_t left = pack_read_list(&reader); left > 0; left--, expansion.index++) {
        struct range range = {.days = ALL_DAYS};
        if (!read_range(&expansion, pack_skip(&reader), &range) || !put_nights(&expansion, &range)) {
            return false;
        }
    }
    *count = expansion.count;
    return true;
}
