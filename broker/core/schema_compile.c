/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/schema_compile.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/core/word_slots.h"

struct compile {
    struct schema *schema;
    struct violations *errors;
    bool no_memory;
};

/* One schema on its way into a node. */
struct draft {
    struct compile *compile;
    uint32_t node;
    unsigned depth;
    const struct pointer *place;
    struct span required; /* looked at when the properties are known */
    struct span required_key;
};

void *schema_grow(void *items, uint32_t count, size_t item_bytes) {
    if (count > 0 && (count < 8 || (count & (count - 1)) != 0)) {
        return items; /* the last doubling left room: 8, 16, 32 … */
    }
    const size_t capacity = count == 0 ? 8 : 2 * (size_t)count;
    return realloc(items, capacity * item_bytes);
}

static void complain(const struct draft *draft, struct span key, const char *text) {
    const struct pointer at = {.up = draft->place, .key = key};
    violations_add(draft->compile->errors, &at, "%s", text);
}

static struct schema_node *node_of(const struct draft *draft) {
    return &draft->compile->schema->nodes[draft->node];
}

static struct span text_of(struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    return pack_read_text(&reader);
}

/* ---- room in the table; what does not fit is an error, and the node 0 stands for it ---- */

static uint32_t add_node(struct compile *compile, const struct pointer *place) {
    struct schema *schema = compile->schema;
    if (schema->node_count == SCHEMA_NODES_MAX) {
        violations_add(compile->errors, place, "the schema is too large: more than %d fields in all", SCHEMA_NODES_MAX);
        return 0;
    }
    struct schema_node *nodes = schema_grow(schema->nodes, schema->node_count, sizeof *nodes);
    if (nodes == NULL) {
        compile->no_memory = true;
        return 0;
    }
    schema->nodes = nodes;
    nodes[schema->node_count] = (struct schema_node){
        .types = SCHEMA_ANY,
        .minimum.type = PACK_END,
        .maximum.type = PACK_END,
        .length_max = UINT32_MAX,
        .items_max = UINT32_MAX,
        .entries_max = UINT32_MAX,
    };
    return schema->node_count++;
}

static bool add_value(const struct draft *draft, struct span key, struct span packed) {
    struct schema *schema = draft->compile->schema;
    const struct scalar value = scalar_of(packed);
    if (value.type == PACK_LIST || value.type == PACK_MAP) {
        complain(draft, key, "may hold texts, numbers, booleans and null only");
        return false;
    }
    if (schema->value_count == SCHEMA_VALUES_MAX) {
        complain(draft, key, "the schema is too large: more than 1024 values in `enum` and `const`");
        return false;
    }
    struct scalar *values = schema_grow(schema->values, schema->value_count, sizeof *values);
    if (values == NULL) {
        draft->compile->no_memory = true;
        return false;
    }
    schema->values = values;
    values[schema->value_count++] = value;
    return true;
}

/* ---- keywords ---- */

static void read_text(struct draft *draft, struct span key, struct span value) {
    if (!pack_is(value, PACK_TEXT)) {
        complain(draft, key, "must be text");
    }
}

static void read_anything(struct draft *draft, struct span key, struct span value) {
    (void)draft;
    (void)key;
    (void)value;
}

static void read_list(struct draft *draft, struct span key, struct span value) {
    if (!pack_is(value, PACK_LIST)) {
        complain(draft, key, "must be a list");
    }
}

static void read_dialect(struct draft *draft, struct span key, struct span value) {
    static const char *const dialects[] = {"https://json-schema.org/draft/2020-12/schema",
                                           "http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-07/schema"};
    const struct span text = pack_is(value, PACK_TEXT) ? text_of(value) : (struct span){0};
    for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++) {
        if (span_is(text, dialects[i])) {
            return;
        }
    }
    complain(draft, key, "must be https://json-schema.org/draft/2020-12/schema or http://json-schema.org/draft-07/schema#");
}

static uint8_t type_named(struct span name) {
    static const struct {
        const char *name;
        uint8_t types;
    } types[] = {{"object", SCHEMA_OBJECT},
                 {"array", SCHEMA_ARRAY},
                 {"string", SCHEMA_STRING},
                 {"integer", SCHEMA_INTEGER},
                 {"boolean", SCHEMA_BOOLEAN},
                 {"null", SCHEMA_NULL},
                 {"number", SCHEMA_NUMBER | SCHEMA_INTEGER}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (span_is(name, types[i].name)) {
            return types[i].types;
        }
    }
    return 0;
}

static void read_type(struct draft *draft, struct span key, struct span value) {
    static const char wrong[] = "must be one or a list of object, array, string, number, integer, boolean, null";
    struct pack_reader reader = pack_reader_of(value);
    uint32_t count = pack_is(value, PACK_LIST) ? pack_read_list(&reader) : 1;
    uint8_t types = 0;
    if (count == 0) {
        complain(draft, key, wrong);
        return;
    }
    for (; count > 0; count--) {
        const struct span item = pack_skip(&reader);
        const uint8_t type = pack_is(item, PACK_TEXT) ? type_named(text_of(item)) : 0;
        if (type == 0) {
            complain(draft, key, wrong);
            return;
        }
        types |= type;
    }
    node_of(draft)->types = types;
}

static void read_enum(struct draft *draft, struct span key, struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    uint32_t count = pack_is(value, PACK_LIST) ? pack_read_list(&reader) : 0;
    if (count == 0) {
        complain(draft, key, "must be a list that is not empty");
    }
    node_of(draft)->value_first = draft->compile->schema->value_count;
    for (; count > 0 && add_value(draft, key, pack_skip(&reader)); count--) {
        node_of(draft)->value_count++;
    }
}

static void read_const(struct draft *draft, struct span key, struct span value) {
    if (add_value(draft, key, value)) {
        node_of(draft)->constant = draft->compile->schema->value_count;
    }
}

static void read_number(const struct draft *draft, struct span key, struct span value, struct scalar *out) {
    const struct scalar number = scalar_of(value);
    if (!scalar_is_number(&number)) {
        complain(draft, key, "must be a number");
        return;
    }
    *out = number;
}

static void read_minimum(struct draft *draft, struct span key, struct span value) {
    read_number(draft, key, value, &node_of(draft)->minimum);
}

static void read_maximum(struct draft *draft, struct span key, struct span value) {
    read_number(draft, key, value, &node_of(draft)->maximum);
}

static void read_count(const struct draft *draft, struct span key, struct span value, uint32_t *out) {
    const struct scalar number = scalar_of(value);
    int64_t count = 0;
    if (!scalar_is_whole(&number, &count) || count < 0 || count > INT32_MAX) {
        complain(draft, key, "must be an integer from 0 on");
        return;
    }
    *out = (uint32_t)count;
}

static void read_length_min(struct draft *draft, struct span key, struct span value) {
    read_count(draft, key, value, &node_of(draft)->length_min);
}

static void read_length_max(struct draft *draft, struct span key, struct span value) {
    read_count(draft, key, value, &node_of(draft)->length_max);
}

static void read_items_min(struct draft *draft, struct span key, struct span value) {
    read_count(draft, key, value, &node_of(draft)->items_min);
}

static void read_items_max(struct draft *draft, struct span key, struct span value) {
    read_count(draft, key, value, &node_of(draft)->items_max);
}

static void read_format(struct draft *draft, struct span key, struct span value) {
    const enum text_form form = pack_is(value, PACK_TEXT) ? text_form_find(text_of(value)) : TEXT_FORM_NONE;
    if (form == TEXT_FORM_NONE) {
        complain(draft, key, "must be date, uri or uuid");
        return;
    }
    node_of(draft)->form = (uint8_t)form;
}

static uint32_t compile_node(struct compile *compile, const struct pointer *place, struct span packed, unsigned depth);

static void read_items(struct draft *draft, struct span key, struct span value) {
    const struct pointer at = {.up = draft->place, .key = key};
    const uint32_t node = compile_node(draft->compile, &at, value, draft->depth + 1);
    node_of(draft)->items = node;
}

static void read_additional(struct draft *draft, struct span key, struct span value) {
    if (pack_is(value, PACK_BOOL)) {
        struct pack_reader reader = pack_reader_of(value);
        node_of(draft)->closed = !pack_read_bool(&reader);
        return;
    }
    const struct pointer at = {.up = draft->place, .key = key};
    const uint32_t node = compile_node(draft->compile, &at, value, draft->depth + 1);
    node_of(draft)->others = node;
}

/* All names first: the properties of one object stand side by side, those of inner objects behind them. */
static bool reserve_properties(struct draft *draft, struct span value, uint32_t count) {
    struct schema *schema = draft->compile->schema;
    struct pack_reader reader = pack_reader_of(value);
    (void)pack_read_map(&reader);
    node_of(draft)->property_first = schema->property_count;
    node_of(draft)->property_count = count;
    for (; count > 0; count--) {
        struct schema_property *properties = schema_grow(schema->properties, schema->property_count, sizeof *properties);
        if (properties == NULL) {
            draft->compile->no_memory = true;
            return false;
        }
        schema->properties = properties;
        properties[schema->property_count++] = (struct schema_property){.name = pack_read_text(&reader)};
        (void)pack_skip(&reader);
    }
    return true;
}

static bool index_properties(struct draft *draft) {
    struct schema *schema = draft->compile->schema;
    struct schema_node *node = node_of(draft);
    const uint32_t slot_count = word_slots_for(node->property_count);
    uint8_t *slots = realloc(schema->slots, schema->slot_count + slot_count);
    if (slots == NULL) {
        draft->compile->no_memory = true;
        return false;
    }
    schema->slots = slots;
    node->slot_first = schema->slot_count;
    node->slot_count = slot_count;
    memset(slots + schema->slot_count, 0, slot_count);
    schema->slot_count += slot_count;
    for (uint32_t i = 0; i < node->property_count; i++) {
        word_slots_add(slots + node->slot_first, slot_count, schema->properties[node->property_first + i].name, i);
    }
    return true;
}

static void read_properties(struct draft *draft, struct span key, struct span value) {
    struct schema *schema = draft->compile->schema;
    const struct pointer at = {.up = draft->place, .key = key};
    struct pack_reader reader = pack_reader_of(value);
    const uint32_t count = pack_is(value, PACK_MAP) ? pack_read_map(&reader) : UINT32_MAX;
    if (count > SCHEMA_PROPERTIES_MAX) {
        complain(draft, key, count == UINT32_MAX ? "must be a map" : "has more than 64 properties");
        return;
    }
    if (count == 0 || !reserve_properties(draft, value, count) || !index_properties(draft)) {
        return;
    }
    const uint32_t first = node_of(draft)->property_first;
    for (uint32_t i = 0; i < count; i++) {
        const struct pointer field = {.up = &at, .key = pack_read_text(&reader)};
        const uint32_t node = compile_node(draft->compile, &field, pack_skip(&reader), draft->depth + 1);
        schema->properties[first + i].node = node;
    }
}

static void read_required(struct draft *draft, struct span key, struct span value) {
    draft->required_key = key;
    draft->required = value;
    read_list(draft, key, value);
}

static void finish_required(struct draft *draft) {
    if (!pack_is(draft->required, PACK_LIST)) {
        return;
    }
    const struct schema *schema = draft->compile->schema;
    struct pack_reader reader = pack_reader_of(draft->required);
    for (uint32_t count = pack_read_list(&reader); count > 0; count--) {
        const struct span item = pack_skip(&reader);
        const uint32_t place = pack_is(item, PACK_TEXT) ? schema_find(schema, node_of(draft), text_of(item)) : WORD_NONE;
        if (place == WORD_NONE) {
            complain(draft, draft->required_key, "names something that is not among the properties");
            continue;
        }
        node_of(draft)->required |= UINT64_C(1) << place;
    }
}

/* ---- a schema ---- */

struct keyword {
    const char *name;
    void (*read)(struct draft *draft, struct span key, struct span value);
    bool of_root; /* of the whole only */
};

static const struct keyword keywords[] = {
    {"type", read_type, false},
    {"description", read_text, false},
    {"minimum", read_minimum, false},
    {"maximum", read_maximum, false},
    {"enum", read_enum, false},
    {"properties", read_properties, false},
    {"required", read_required, false},
    {"additionalProperties", read_additional, false},
    {"items", read_items, false},
    {"minItems", read_items_min, false},
    {"maxItems", read_items_max, false},
    {"const", read_const, false},
    {"minLength", read_length_min, false},
    {"maxLength", read_length_max, false},
    {"format", read_format, false},
    {"title", read_text, false},
    {"examples", read_list, false},
    {"default", read_anything, false},
    {"$id", read_text, true},
    {"$schema", read_dialect, true},
    {"x-ahora", read_anything, true},
};

static void read_keyword(struct draft *draft, struct span key, struct span value) {
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (span_is(key, keywords[i].name)) {
            if (keywords[i].of_root && draft->depth > 1) {
                complain(draft, key, "stands at the top of a schema only");
            } else {
                keywords[i].read(draft, key, value);
            }
            return;
        }
    }
    complain(draft, key, "is not a keyword of kinds");
}

static bool has_limits(const struct schema_node *node) {
    return node->value_count > 0 || node->constant > 0 || node->minimum.type != PACK_END || node->maximum.type != PACK_END ||
           node->length_min > 0 || node->length_max < UINT32_MAX || node->form != TEXT_FORM_NONE;
}

static uint32_t compile_node(struct compile *compile, const struct pointer *place, struct span packed, unsigned depth) {
    struct pack_reader reader = pack_reader_of(packed);
    if (depth > SCHEMA_DEPTH_MAX) {
        violations_add(compile->errors, place, "lies deeper than %d levels", SCHEMA_DEPTH_MAX);
        return 0;
    }
    if (pack_peek(&reader) != PACK_MAP) {
        violations_add(compile->errors, place, "must be a schema: a map");
        return 0;
    }
    struct draft draft = {.compile = compile, .node = add_node(compile, place), .depth = depth, .place = place};
    if (draft.node == 0 && depth > 1) {
        return 0;
    }
    for (uint32_t count = pack_read_map(&reader); count > 0 && !compile->no_memory; count--) {
        const struct span key = pack_read_text(&reader);
        read_keyword(&draft, key, pack_skip(&reader));
    }
    finish_required(&draft);
    node_of(&draft)->has_limits = has_limits(node_of(&draft));
    return draft.node;
}

static void check_root(struct compile *compile) {
    const struct schema_node *root = &compile->schema->nodes[0];
    if (!(root->types & SCHEMA_OBJECT)) {
        violations_add(compile->errors, NULL, "documents are maps: `type` must be object");
    }
    if (root->value_count > 0 || root->constant > 0) {
        violations_add(compile->errors, NULL, "`enum` and `const` are for fields");
    }
}

bool schema_compile(struct schema *schema, struct span packed, struct violations *errors) {
    struct compile compile = {.schema = schema, .errors = errors};
    *schema = (struct schema){0};
    errors->count = 0;
    (void)compile_node(&compile, NULL, packed, 1);
    if (errors->count == 0 && !compile.no_memory) {
        check_root(&compile);
        schema->is_open = schema->node_count == 1 && schema->property_count == 0 && !schema->nodes[0].closed;
    }
    if (compile.no_memory) {
        violations_add(errors, NULL, "no memory");
    }
    return errors->count == 0;
}
