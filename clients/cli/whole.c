/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/whole.h"

#include <string.h>

#include "proto/pack.h"

static bool is_map(struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    return value.bytes > 0 && pack_peek(&reader) == PACK_MAP;
}

static struct span field_of(const struct whole_member *member) {
    return span_of(member->field, member->field_bytes);
}

static struct span name_of(const struct whole_member *member) {
    return span_of(member->name, member->name_bytes);
}

static bool has(struct span map, struct span name) {
    struct pack_reader reader = pack_reader_of(map);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        if (span_equal(pack_read_text(&reader), name)) {
            return true;
        }
        pack_skip(&reader);
    }
    return false;
}

static bool learn_member(struct whole *whole, struct span field, struct span name) {
    for (size_t i = 0; i < whole->count; i++) {
        if (span_equal(field_of(&whole->members[i]), field) && span_equal(name_of(&whole->members[i]), name)) {
            return true;
        }
    }
    if (whole->count == WHOLE_MEMBERS_MAX || field.bytes > WHOLE_NAME_BYTES_MAX || name.bytes > WHOLE_NAME_BYTES_MAX) {
        return false;
    }
    struct whole_member *member = &whole->members[whole->count++];
    member->field_bytes = (uint8_t)field.bytes;
    member->name_bytes = (uint8_t)name.bytes;
    memcpy(member->field, field.data, field.bytes);
    memcpy(member->name, name.data, name.bytes);
    return true;
}

static bool learn_map(struct whole *whole, struct span field, struct span map) {
    struct pack_reader reader = pack_reader_of(map);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        if (!learn_member(whole, field, pack_read_text(&reader))) {
            return false;
        }
        pack_skip(&reader);
    }
    return true;
}

static uint32_t missing_count(const struct whole *whole, struct span field, struct span map) {
    uint32_t count = 0;
    for (size_t i = 0; i < whole->count; i++) {
        count += span_equal(field_of(&whole->members[i]), field) && !has(map, name_of(&whole->members[i]));
    }
    return count;
}

/* Learns from all nested maps of `data`; *missing counts what a patch leaves out. */
static bool learn(struct whole *whole, struct span data, uint32_t *missing) {
    struct pack_reader reader = pack_reader_of(data);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        struct span field = pack_read_text(&reader);
        struct span value = pack_skip(&reader);
        if (is_map(value)) {
            if (!learn_map(whole, field, value)) {
                return false;
            }
            *missing += missing_count(whole, field, value);
        }
    }
    return true;
}

static void put_whole_map(const struct whole *whole, struct span field, struct span map, struct buffer *out) {
    struct pack_reader reader = pack_reader_of(map);
    uint32_t count = pack_read_map(&reader);
    pack_put_map(out, count + missing_count(whole, field, map));
    buffer_put(out, reader.at, (size_t)(reader.end - reader.at)); /* its members as they are */
    for (size_t i = 0; i < whole->count; i++) {
        if (span_equal(field_of(&whole->members[i]), field) && !has(map, name_of(&whole->members[i]))) {
            pack_put_text(out, name_of(&whole->members[i]));
            pack_put_nil(out);
        }
    }
}

static void put_data(const struct whole *whole, struct span data, struct buffer *out) {
    struct pack_reader reader = pack_reader_of(data);
    uint32_t count = pack_read_map(&reader);
    pack_put_map(out, count);
    for (; count > 0; count--) {
        struct span field = pack_read_text(&reader);
        struct span value = pack_skip(&reader);
        pack_put_text(out, field);
        if (is_map(value)) {
            put_whole_map(whole, field, value, out);
        } else {
            pack_put_raw(out, value);
        }
    }
}

static void put_event(const struct whole *whole, struct span event, struct buffer *out) {
    struct pack_reader reader = pack_reader_of(event);
    uint32_t count = pack_read_map(&reader);
    pack_put_map(out, count);
    for (; count > 0; count--) {
        struct span key = pack_read_text(&reader);
        struct span value = pack_skip(&reader);
        pack_put_text(out, key);
        if (span_is(key, "data")) {
            put_data(whole, value, out);
        } else {
            pack_put_raw(out, value);
        }
    }
}

bool whole_complete(struct whole *whole, struct span event, struct buffer *out) {
    buffer_clear(out, 65536);
    struct span data = pack_find(event, "data");
    uint32_t missing = 0;
    if (!is_map(data)) {
        return true;
    }
    if (!learn(whole, data, &missing)) {
        return false;
    }
    struct pack_reader op = pack_reader_of(pack_find(event, "op"));
    if (missing > 0 && span_is(pack_read_text(&op), "patch")) {
        put_event(whole, event, out);
    }
    return !out->failed;
}
