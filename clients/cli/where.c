/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/where.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/pack.h"

#define PARTS_MAX 256

/* One operator of one field. */
struct part {
    struct span field;
    const char *op;
    struct span value; /* packed; in parts.values */
};

struct parts {
    struct part items[PARTS_MAX];
    unsigned count;
    struct buffer values[PARTS_MAX];
    unsigned value_count;
};

/* The longer ones first. */
static const struct {
    const char *sign, *op;
} signs[] = {{"<=", "lte"}, {">=", "gte"}, {"!=", "ne"}, {"==", "eq"}, {"<", "lt"}, {">", "gt"}, {"=", "eq"}};

static struct span keep(struct parts *parts, struct span text) {
    struct buffer *value = &parts->values[parts->value_count++];
    const char *detail = NULL;
    buffer_init(value, 65536);
    if (json_to_pack(text, AHORA_DEPTH_MAX, value, &detail) != AHORA_OK) {
        pack_put_text(value, text);
    }
    return buffer_span(value);
}

static bool add(struct parts *parts, struct span field, const char *op, struct span value) {
    if (parts->count == PARTS_MAX || field.bytes == 0) {
        return false;
    }
    parts->items[parts->count++] = (struct part){field, op, value};
    return true;
}

static bool add_map(struct parts *parts, struct span text) {
    struct pack_reader reader = pack_reader_of(keep(parts, text));
    if (pack_peek(&reader) != PACK_MAP) {
        return false;
    }
    for (uint32_t fields = pack_read_map(&reader); fields > 0; fields--) {
        struct span field = pack_read_text(&reader);
        if (pack_peek(&reader) != PACK_MAP) {
            return false;
        }
        for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
            struct span name = pack_read_text(&reader);
            static const char *const ops[] = {"eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"};
            const char *op = NULL;
            for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
                op = span_is(name, ops[i]) ? ops[i] : op;
            }
            if (op == NULL || !add(parts, field, op, pack_skip(&reader))) {
                return false;
            }
        }
    }
    return true;
}

static bool add_condition(struct parts *parts, const char *text) {
    if (parts->value_count == PARTS_MAX) {
        return false;
    }
    if (text[0] == '{') {
        return add_map(parts, span_of_text(text));
    }
    const char *at = strpbrk(text + (text[0] == '!'), "<>=!");
    if (at == NULL) {
        const bool absent = text[0] == '!';
        return add(parts, span_of_text(text + absent), "exists", keep(parts, span_of_text(absent ? "false" : "true")));
    }
    for (unsigned i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (strncmp(at, signs[i].sign, strlen(signs[i].sign)) == 0) {
            struct span value = keep(parts, span_of_text(at + strlen(signs[i].sign)));
            return add(parts, span_of(text, (size_t)(at - text)), signs[i].op, value);
        }
    }
    return false;
}

static bool is_first_of_field(const struct parts *parts, unsigned index) {
    for (unsigned i = 0; i < index; i++) {
        if (span_equal(parts->items[i].field, parts->items[index].field)) {
            return false;
        }
    }
    return true;
}

/* What several conditions say of one field goes into one map. */
static void put_map(const struct parts *parts, struct buffer *out) {
    uint32_t fields = 0;
    for (unsigned i = 0; i < parts->count; i++) {
        fields += is_first_of_field(parts, i);
    }
    pack_put_map(out, fields);
    for (unsigned i = 0; i < parts->count; i++) {
        if (!is_first_of_field(parts, i)) {
            continue;
        }
        uint32_t operators = 0;
        for (unsigned j = i; j < parts->count; j++) {
            operators += span_equal(parts->items[j].field, parts->items[i].field);
        }
        pack_put_text(out, parts->items[i].field);
        pack_put_map(out, operators);
        for (unsigned j = i; j < parts->count; j++) {
            if (span_equal(parts->items[j].field, parts->items[i].field)) {
                pack_put_key(out, parts->items[j].op);
                pack_put_raw(out, parts->items[j].value);
            }
        }
    }
}

bool where_read(const char *const *texts, unsigned count, struct ahora_bytes *value, const char **detail) {
    struct parts *parts = calloc(1, sizeof(*parts));
    struct buffer out;
    size_t used;
    buffer_init(&out, 65536);
    bool good = parts != NULL;
    for (unsigned i = 0; good && i < count; i++) {
        good = add_condition(parts, texts[i]);
    }
    *detail = "a condition is FIELD>=VALUE (= != < <= > >=), FIELD, !FIELD, or a map as JSON";
    if (good) {
        put_map(parts, &out);
        good = !out.failed && pack_check(buffer_span(&out), AHORA_DEPTH_MAX, &used) == PACK_FINE;
        *detail = "two conditions say the same of one field";
    }
    for (unsigned i = 0; parts != NULL && i < parts->value_count; i++) {
        buffer_fini(&parts->values[i]);
    }
    free(parts);
    if (!good) {
        buffer_fini(&out);
        return false;
    }
    *value = (struct ahora_bytes){out.data, out.bytes};
    return true;
}
