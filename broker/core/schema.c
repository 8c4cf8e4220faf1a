/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/schema.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/word_slots.h"

/* One document being held against a schema. */
struct check {
    const struct schema *schema;
    struct violations *violations;
};

uint32_t schema_find(const struct schema *schema, const struct schema_node *node, struct span name) {
    if (node->slot_count == 0) {
        return WORD_NONE;
    }
    const uint8_t *slots = schema->slots + node->slot_first;
    const struct schema_property *properties = schema->properties + node->property_first;
    for (uint32_t slot = word_hash(name);; slot++) {
        slot &= node->slot_count - 1;
        if (slots[slot] == 0) {
            return WORD_NONE;
        }
        if (span_equal(properties[slots[slot] - 1].name, name)) {
            return slots[slot] - 1U;
        }
    }
}

const struct schema_node *schema_node_of(const struct schema *schema, uint32_t root_property) {
    assert(root_property < schema->nodes[0].property_count);
    return &schema->nodes[schema->properties[schema->nodes[0].property_first + root_property].node];
}

/* ---- sentences ---- */

static const struct {
    enum schema_type type;
    const char *text;
} type_texts[] = {{SCHEMA_OBJECT, "a map"},    {SCHEMA_ARRAY, "a list"},       {SCHEMA_STRING, "text"},
                  {SCHEMA_NUMBER, "a number"}, {SCHEMA_INTEGER, "an integer"}, {SCHEMA_BOOLEAN, "true or false"},
                  {SCHEMA_NULL, "null"}};

static void say_types(const struct check *check, const struct pointer *place, uint8_t types) {
    char text[VIOLATION_DETAIL_BYTES_MAX + 1] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof type_texts / sizeof type_texts[0] && used < sizeof text; i++) {
        const bool said = type_texts[i].type == SCHEMA_INTEGER && (types & SCHEMA_NUMBER);
        if ((types & type_texts[i].type) && !said) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? " or " : "", type_texts[i].text);
        }
    }
    violations_add(check->violations, place, "must be %s", text);
}

static size_t scalar_say(char *text, size_t bytes, const struct scalar *scalar) {
    switch (scalar->type) {
    case PACK_INT:
        return (size_t)snprintf(text, bytes, "%" PRId64, scalar->integer);
    case PACK_FLOAT:
        return (size_t)snprintf(text, bytes, "%.15g", scalar->number);
    case PACK_TEXT:
        return (size_t)snprintf(text, bytes, "%.*s", (int)scalar->text.bytes, (const char *)scalar->text.data);
    case PACK_BOOL:
        return (size_t)snprintf(text, bytes, "%s", scalar->truth ? "true" : "false");
    default:
        return (size_t)snprintf(text, bytes, "null");
    }
}

static void say_values(const struct check *check, const struct pointer *place, const struct scalar *values, uint32_t count) {
    char text[VIOLATION_DETAIL_BYTES_MAX + 1] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < count && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", i == 0 ? "" : i + 1 == count ? " or " : ", ");
        if (used < sizeof text) {
            used += scalar_say(text + used, sizeof text - used, &values[i]);
        }
    }
    violations_add(check->violations, place, "must be %s%s", count > 1 ? "one of " : "", text);
}

static void say_bound(const struct check *check, const struct pointer *place, const char *which, const struct scalar *bound) {
    char text[32];
    (void)scalar_say(text, sizeof text, bound);
    violations_add(check->violations, place, "must be at %s %s", which, text);
}

/* ---- scalars ---- */

static bool is_among(const struct scalar *values, uint32_t count, const struct scalar *value) {
    for (uint32_t i = 0; i < count; i++) {
        if (scalar_equal(&values[i], value)) {
            return true;
        }
    }
    return false;
}

static void check_values(const struct check *check, const struct schema_node *node, const struct pointer *place,
                         const struct scalar *value) {
    const struct scalar *values = check->schema->values;
    if (node->value_count > 0 && !is_among(values + node->value_first, node->value_count, value)) {
        say_values(check, place, values + node->value_first, node->value_count);
    }
    if (node->constant > 0 && !scalar_equal(&values[node->constant - 1], value)) {
        say_values(check, place, &values[node->constant - 1], 1);
    }
}

static void check_number(const struct check *check, const struct schema_node *node, const struct pointer *place,
                         const struct scalar *value) {
    int order;
    if (node->minimum.type != PACK_END && scalar_compare(value, &node->minimum, &order) && order < 0) {
        say_bound(check, place, "least", &node->minimum);
    }
    if (node->maximum.type != PACK_END && scalar_compare(value, &node->maximum, &order) && order > 0) {
        say_bound(check, place, "most", &node->maximum);
    }
}

/* Characters, not bytes: what is no continuation of one. */
static uint32_t length_of(struct span text) {
    uint32_t count = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        count += (text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

static void check_text(const struct check *check, const struct schema_node *node, const struct pointer *place,
                       struct span text) {
    if (node->length_min > 0 || node->length_max < UINT32_MAX) {
        const uint32_t length = length_of(text);
        if (length < node->length_min) {
            violations_add(check->violations, place, "must have at least %u characters", node->length_min);
        }
        if (length > node->length_max) {
            violations_add(check->violations, place, "must have at most %u characters", node->length_max);
        }
    }
    if (node->form != TEXT_FORM_NONE && !text_form_fits((enum text_form)node->form, text)) {
        violations_add(check->violations, place, "must be %s", text_form_text((enum text_form)node->form));
    }
    const bool begins = text.bytes >= node->prefix.bytes &&
                        (node->prefix.bytes == 0 || memcmp(text.data, node->prefix.data, node->prefix.bytes) == 0);
    if (!begins) {
        violations_add(check->violations, place, "must begin with %.*s", (int)node->prefix.bytes,
                       (const char *)node->prefix.data);
    }
}

/* ---- maps and lists ---- */

static void check_value(const struct check *check, const struct schema_node *node, const struct pointer *place,
                        struct pack_reader *reader);

static void check_count(const struct check *check, const struct pointer *place, uint32_t count, uint32_t min, uint32_t max,
                        const char *what) {
    if (count < min) {
        violations_add(check->violations, place, "must have at least %u %s", min, what);
    }
    if (count > max) {
        violations_add(check->violations, place, "must have at most %u %s", max, what);
    }
}

static void check_list(const struct check *check, const struct schema_node *node, const struct pointer *place,
                       struct pack_reader *reader) {
    const uint32_t count = pack_read_list(reader);
    check_count(check, place, count, node->items_min, node->items_max, "items");
    for (uint32_t i = 0; i < count && !violations_are_full(check->violations); i++) {
        const struct pointer item = {.up = place, .index = i};
        if (node->items == SCHEMA_NODE_NONE) {
            (void)pack_skip(reader);
        } else {
            check_value(check, &check->schema->nodes[node->items], &item, reader);
        }
    }
}

static void check_other(const struct check *check, const struct schema_node *node, const struct pointer *place,
                        struct pack_reader *reader) {
    if (node->closed) {
        violations_add(check->violations, place, "is not a field of this kind");
    }
    if (node->closed || node->others == SCHEMA_NODE_NONE) {
        (void)pack_skip(reader);
    } else {
        check_value(check, &check->schema->nodes[node->others], place, reader);
    }
}

static void check_property(const struct check *check, const struct schema_property *property, const struct pointer *place,
                           struct pack_reader *reader) {
    if (property->derived) {
        (void)pack_skip(reader);
    } else {
        check_value(check, &check->schema->nodes[property->node], place, reader);
    }
}

static void check_required(const struct check *check, const struct schema_node *node, const struct pointer *place,
                           uint64_t seen) {
    const struct schema_property *properties = check->schema->properties; /* NULL: none is declared anywhere */
    for (uint64_t missing = node->required & ~seen; missing != 0; missing &= missing - 1) {
        const uint32_t property = node->property_first + (uint32_t)__builtin_ctzll(missing);
        const struct pointer field = {.up = place, .key = properties[property].name};
        violations_add(check->violations, &field, "is required");
    }
}

/* A field that is null says nothing, as one that is not there. */
static bool says_something(const struct schema_fields *fields, uint32_t place, struct scalar *value) {
    if (!(fields->seen >> place & 1)) {
        return false;
    }
    *value = scalar_of(fields->values[place]);
    return value->type != PACK_NIL;
}

static void check_rule(const struct check *check, const struct schema_node *node, const struct schema_rule *rule,
                       const struct pointer *place, const struct schema_fields *fields) {
    const struct schema_property *properties = check->schema->properties + node->property_first;
    const struct pointer second = {.up = place, .key = properties[rule->second].name};
    struct scalar first_value, second_value;
    if (!says_something(fields, rule->first, &first_value)) {
        return;
    }
    const struct span first = properties[rule->first].name;
    const bool there = says_something(fields, rule->second, &second_value);
    int order;
    if (rule->what == RULE_NEEDS && !there) {
        violations_add(check->violations, &second, "is required with %.*s", (int)first.bytes, (const char *)first.data);
    } else if (rule->what == RULE_ASCENDS && there && scalar_compare(&first_value, &second_value, &order) && order > 0) {
        violations_add(check->violations, &second, "must not be less than %.*s", (int)first.bytes, (const char *)first.data);
    }
}

static void check_rules(const struct check *check, const struct schema_node *node, const struct pointer *place,
                        const struct schema_fields *fields) {
    check_required(check, node, place, fields->seen);
    for (uint32_t i = 0; i < node->rule_count; i++) {
        check_rule(check, node, &check->schema->rules[node->rule_first + i], place, fields);
    }
}

/* Fills `fields`, which only counts where `seen` says so: it need not be zeroed. */
static void check_map(const struct check *check, const struct schema_node *node, const struct pointer *place,
                      struct pack_reader *reader, struct schema_fields *fields) {
    const uint32_t count = pack_read_map(reader);
    fields->seen = 0;
    check_count(check, place, count, 0, node->entries_max, "entries");
    for (uint32_t i = 0; i < count && !violations_are_full(check->violations); i++) {
        const struct span key = pack_read_text(reader);
        const uint32_t index = schema_find(check->schema, node, key);
        const struct pointer field = {.up = place, .key = key};
        if (index == WORD_NONE) {
            check_other(check, node, &field, reader);
            continue;
        }
        const uint8_t *start = reader->at;
        check_property(check, &check->schema->properties[node->property_first + index], &field, reader);
        fields->seen |= UINT64_C(1) << index;
        fields->values[index] = span_of(start, (size_t)(reader->at - start));
    }
    if (!violations_are_full(check->violations)) {
        check_rules(check, node, place, fields);
    }
}

/* Never inlined into check_value, which calls itself: the fields need their room on the stack only where a map is. */
__attribute__((noinline)) static void check_inner_map(const struct check *check, const struct schema_node *node,
                                                      const struct pointer *place, struct pack_reader *reader) {
    struct schema_fields fields;
    check_map(check, node, place, reader, &fields);
}

/* ---- any value ---- */

static uint8_t types_of(enum pack_type type, const struct scalar *value) {
    int64_t whole;
    switch (type) {
    case PACK_NIL:
        return SCHEMA_NULL;
    case PACK_BOOL:
        return SCHEMA_BOOLEAN;
    case PACK_INT:
        return SCHEMA_INTEGER | SCHEMA_NUMBER;
    case PACK_FLOAT:
        return scalar_is_whole(value, &whole) || value->number >= 9e18 || value->number <= -9e18
                   ? SCHEMA_INTEGER | SCHEMA_NUMBER /* past 2^53 every float is whole */
                   : SCHEMA_NUMBER;
    case PACK_TEXT:
        return SCHEMA_STRING;
    case PACK_LIST:
        return SCHEMA_ARRAY;
    case PACK_MAP:
        return SCHEMA_OBJECT;
    case PACK_END:
    case PACK_ILLEGAL:
        break;
    }
    return 0;
}

static void check_scalar(const struct check *check, const struct schema_node *node, const struct pointer *place,
                         const struct scalar *value) {
    if (!(types_of(value->type, value) & node->types)) {
        say_types(check, place, node->types);
        return;
    }
    if (!node->has_limits) {
        return;
    }
    check_values(check, node, place, value);
    if (value->type == PACK_TEXT) {
        check_text(check, node, place, value->text);
    } else {
        check_number(check, node, place, value);
    }
}

static void check_value(const struct check *check, const struct schema_node *node, const struct pointer *place,
                        struct pack_reader *reader) {
    const struct scalar value = scalar_read(reader);
    const enum pack_type type = value.type;
    if (type != PACK_LIST && type != PACK_MAP) {
        check_scalar(check, node, place, &value);
        return;
    }
    if (!(types_of(type, NULL) & node->types)) {
        say_types(check, place, node->types);
        (void)pack_skip(reader);
        return;
    }
    if (node->value_count > 0 || node->constant > 0) {
        const struct scalar none = {.type = type};
        check_values(check, node, place, &none);
    }
    if (type == PACK_LIST) {
        check_list(check, node, place, reader);
    } else {
        check_inner_map(check, node, place, reader);
    }
}

bool schema_check(const struct schema *schema, struct span document, struct schema_fields *fields,
                  struct violations *violations) {
    const struct check check = {schema, violations};
    struct pack_reader reader = pack_reader_of(document);
    violations->count = 0;
    fields->seen = 0;
    if (!schema->is_open) {
        check_map(&check, &schema->nodes[0], NULL, &reader, fields);
    }
    assert(!reader.failed || violations->count > 0);
    return violations->count == 0;
}

bool schema_check_field(const struct schema *schema, uint32_t root_property, struct span value, struct violations *violations) {
    const struct check check = {schema, violations};
    struct pack_reader reader = pack_reader_of(value);
    violations->count = 0;
    check_value(&check, schema_node_of(schema, root_property), NULL, &reader);
    return violations->count == 0;
}

void schema_fini(struct schema *schema) {
    free(schema->nodes);
    free(schema->properties);
    free(schema->values);
    free(schema->rules);
    free(schema->slots);
    *schema = (struct schema){0};
}
