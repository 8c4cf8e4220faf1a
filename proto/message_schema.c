/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/message_schema.h"

#include <assert.h>
#include <string.h>

#include "proto/json.h"
#include "proto/message_field.h"

/* What stands in a field is more than its type says: a key, where needed the operation it is for, and the component that holds it. */
struct named_shape {
    const char *key;
    const char *op; /* NULL: any */
    const char *schema;
};

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define LIST_OF(name) "{\"type\":\"array\",\"items\":" REF(name) "}"

static const struct named_shape shapes[] = {
    {"topic", NULL, REF("Topic")},
    {"seq", NULL, REF("Seq")},
    {"if_seq", NULL, REF("Seq")},
    {"at", NULL, REF("Instant")},
    {"now", NULL, REF("Instant")},
    {"since", NULL, REF("Token")},
    {"match", NULL, REF("Match")},
    {"where", NULL, REF("Where")},
    {"near", "move", REF("Center")},
    {"near", NULL, REF("Near")},
    {"data", "set", REF("Document")},
    {"data", NULL, "{\"type\":\"object\"}"},
    {"limits", NULL, "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\",\"minimum\":0}}"},
    {"items", NULL, LIST_OF("Item")},
    {"results", NULL, LIST_OF("Result")},
    {"errors", NULL, LIST_OF("Fault")},
    {"key", NULL, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":64}"},
    {"code", NULL, REF("ErrorCode")},
    {"changes", NULL, "{\"type\":\"array\",\"minItems\":1,\"maxItems\":1000,\"items\":" REF("Change") "}"},
};

_Static_assert(AHORA_KEY_BYTES_MAX == 64 && AHORA_CHANGES_MAX == 1000, "they stand in the shapes above");

static const char *shape_of(struct span key, const char *op) {
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (span_is(key, shapes[i].key) && (shapes[i].op == NULL || strcmp(shapes[i].op, op) == 0)) {
            return shapes[i].schema;
        }
    }
    return NULL;
}

static void put_words(struct buffer *out, const struct words *words) {
    buffer_put_text(out, "{\"enum\":[");
    for (unsigned i = 0; i < words->count; i++) {
        buffer_put_text(out, i > 0 ? "," : "");
        json_put_text(out, words->spans[i]);
    }
    buffer_put_text(out, "]}");
}

/* From 1: none of them is absence, and never travels. */
static void put_whys(struct buffer *out) {
    buffer_put_text(out, "{\"enum\":[");
    for (int why = AHORA_WHY_NONE + 1; why <= AHORA_WHY_DENIED; why++) {
        buffer_put_text(out, why > AHORA_WHY_NONE + 1 ? "," : "");
        json_put_text(out, span_of_text(ahora_why_name((enum ahora_why)why)));
    }
    buffer_put_text(out, "]}");
}

void message_codes_schema(struct buffer *out, int status) {
    bool first = true;
    buffer_put_text(out, "{\"enum\":[");
    for (int code = AHORA_OK + 1; code < AHORA_CODES; code++) {
        if (status == 0 || ahora_code_status((enum ahora_code)code) == status) {
            buffer_put_text(out, first ? "" : ",");
            json_put_text(out, span_of_text(ahora_code_name((enum ahora_code)code)));
            first = false;
        }
    }
    buffer_put_text(out, "]}");
}

static void put_type(struct buffer *out, const struct field *field) {
    switch (field->type) {
    case FIELD_WORD:
        put_words(out, field->words);
        return;
    case FIELD_CODE:
        message_codes_schema(out, 0);
        return;
    case FIELD_WHY:
        put_whys(out);
        return;
    case FIELD_TEXT:
        buffer_put_text(out, "{\"type\":\"string\"}");
        return;
    case FIELD_POSITIVE:
        buffer_put_text(out, "{\"type\":\"integer\",\"minimum\":1}");
        return;
    case FIELD_COUNT:
        buffer_put_text(out, "{\"type\":\"integer\",\"minimum\":0}");
        return;
    case FIELD_BOOL:
        buffer_put_text(out, "{\"type\":\"boolean\"}");
        return;
    case FIELD_ANY:
        buffer_put_text(out, "{}");
        return;
    case FIELD_MAP:
        buffer_put_text(out, "{\"type\":\"object\"}");
        return;
    case FIELD_LIST:
    case FIELD_PATTERNS:
    case FIELD_CHANGES:
        buffer_put_text(out, "{\"type\":\"array\"}");
        return;
    }
}

/* `op` stands for the first field, which is always the operation itself; without one (a change) the field's words do. */
static void put_field(struct buffer *out, const struct field *field, unsigned index, const char *op) {
    json_put_text(out, field->key);
    buffer_put_text(out, ":");
    const char *shape = shape_of(field->key, op);
    if (index == 0 && op[0] != '\0') {
        buffer_put_text(out, "{\"const\":");
        json_put_text(out, span_of_text(op));
        buffer_put_text(out, "}");
    } else if (shape != NULL) {
        buffer_put_text(out, shape);
    } else {
        put_type(out, field);
    }
}

static void put_required(struct buffer *out, const struct message_shape *shape) {
    bool first = true;
    buffer_put_text(out, ",\"required\":[");
    for (unsigned i = 0; i < shape->table->count; i++) {
        if ((shape->required & FIELD_BIT(i)) != 0) {
            buffer_put_text(out, first ? "" : ",");
            json_put_text(out, shape->table->fields[i].key);
            first = false;
        }
    }
    buffer_put_text(out, "]");
}

static void put_schema(struct buffer *out, const struct message_shape *shape, const char *op) {
    bool first = true;
    buffer_put_text(out, "{\"type\":\"object\"");
    put_required(out, shape);
    buffer_put_text(out, ",\"properties\":{");
    for (unsigned i = 0; i < shape->table->count; i++) {
        if (((shape->required | shape->optional) & FIELD_BIT(i)) != 0) {
            buffer_put_text(out, first ? "" : ",");
            put_field(out, &shape->table->fields[i], i, op);
            first = false;
        }
    }
    buffer_put_text(out, "}}");
}

const char *message_request_name(unsigned op) {
    struct message_shape shape;
    return message_request_shape(op, &shape) ? shape.name : NULL;
}

const char *message_reply_name(unsigned op) {
    struct message_shape shape;
    return message_reply_shape(op, &shape) ? shape.name : NULL;
}

void message_request_schema(struct buffer *out, unsigned op) {
    struct message_shape shape;
    bool found = message_request_shape(op, &shape);
    assert(found);
    put_schema(out, &shape, shape.name);
}

void message_reply_schema(struct buffer *out, unsigned op) {
    struct message_shape shape;
    bool found = message_reply_shape(op, &shape);
    assert(found);
    put_schema(out, &shape, shape.name);
}

void message_change_schema(struct buffer *out) {
    struct message_shape shape;
    message_change_shape(&shape);
    put_schema(out, &shape, "");
}
