/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Reading `derive` and `history` of a kind's x-ahora. */
#include "broker/core/derive.h"
#include "broker/core/word_slots.h"

struct compile {
    struct derive *derive;
    struct schema *schema;
    struct violations *errors;
};

static void complain(const struct compile *compile, const struct pointer *place, const char *text) {
    violations_add(compile->errors, place, "%s", text);
}

static struct span text_of(struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    return pack_is(value, PACK_TEXT) ? pack_read_text(&reader) : (struct span){0};
}

static uint32_t map_begin(struct pack_reader *reader, struct span value) {
    *reader = pack_reader_of(value);
    return pack_is(value, PACK_MAP) ? pack_read_map(reader) : 0;
}

static uint32_t list_begin(struct pack_reader *reader, struct span value) {
    *reader = pack_reader_of(value);
    return pack_is(value, PACK_LIST) ? pack_read_list(reader) : 0;
}

/* Keys besides these are mistakes. */
static void refuse_others(const struct compile *compile, const struct pointer *place, struct span map,
                          const char *const *keys) {
    struct pack_reader reader;
    for (uint32_t count = map_begin(&reader, map); count > 0; count--) {
        const struct pointer at = {.up = place, .key = pack_read_text(&reader)};
        const char *const *key = keys;
        while (*key != NULL && !span_is(at.key, *key)) {
            key++;
        }
        if (*key == NULL) {
            complain(compile, &at, "is not known here");
        }
        (void)pack_skip(&reader);
    }
}

static uint32_t find_field(const struct compile *compile, const struct pointer *place, struct span name) {
    const uint32_t field = schema_find(compile->schema, &compile->schema->nodes[0], name);
    if (field == WORD_NONE) {
        complain(compile, place, "must name a field among the properties");
    }
    return field;
}

/* The field that the key of this map names. */
static uint32_t field_at(const struct compile *compile, const struct pointer *place, struct span map, const char *key) {
    const struct pointer at = {.up = place, .key = span_of_text(key)};
    return find_field(compile, &at, text_of(pack_find(map, key)));
}

static bool add_value(const struct compile *compile, const struct pointer *place, struct span packed) {
    struct derive *derive = compile->derive;
    const struct scalar value = scalar_of(packed);
    if (value.type == PACK_LIST || value.type == PACK_MAP || value.type == PACK_END || value.type == PACK_NIL) {
        complain(compile, place, "must be text, a number or a boolean");
        return false;
    }
    if (derive->value_count == DERIVE_VALUES_MAX) {
        complain(compile, place, "the rules hold too many values");
        return false;
    }
    derive->values[derive->value_count++] = value;
    return true;
}

static uint32_t add_values(const struct compile *compile, const struct pointer *place, struct span list) {
    struct pack_reader reader;
    uint32_t added = 0;
    if (!pack_is(list, PACK_LIST)) {
        complain(compile, place, "must be a list");
    }
    for (uint32_t count = list_begin(&reader, list); count > 0 && add_value(compile, place, pack_skip(&reader)); count--) {
        added++;
    }
    return added;
}

/* ---- conditions ---- */

static enum derive_op op_named(struct span name) {
    static const char *const names[DERIVE_OPS] = {"eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"};
    for (int op = 0; op < DERIVE_OPS; op++) {
        if (span_is(name, names[op])) {
            return (enum derive_op)op;
        }
    }
    return DERIVE_OPS;
}

/* {"field": "limited_at", "default": 2} */
static void read_reference(const struct compile *compile, const struct pointer *place, struct span value,
                           struct derive_condition *condition) {
    static const char *const keys[] = {"field", "default", NULL};
    const struct pointer at = {.up = place, .key = span_of_text("default")};
    refuse_others(compile, place, value, keys);
    condition->other = field_at(compile, place, value, "field");
    const struct span fallback = pack_find(value, "default");
    condition->value_count = fallback.bytes > 0 && add_value(compile, &at, fallback);
}

static void read_operand(const struct compile *compile, const struct pointer *place, struct span value,
                         struct derive_condition *condition) {
    condition->value_first = compile->derive->value_count;
    if (condition->op == DERIVE_OPS) {
        complain(compile, place, "must be one of eq, ne, lt, lte, gt, gte, in, exists");
    } else if (condition->op == DERIVE_IN) {
        condition->value_count = add_values(compile, place, value);
    } else if (condition->op == DERIVE_EXISTS && !pack_is(value, PACK_BOOL)) {
        complain(compile, place, "must be true or false");
    } else if (pack_is(value, PACK_MAP) && condition->op != DERIVE_EXISTS) {
        read_reference(compile, place, value, condition);
    } else {
        condition->value_count = add_value(compile, place, value);
    }
}

static void read_condition(const struct compile *compile, const struct pointer *place, uint32_t field, struct span value) {
    struct derive *derive = compile->derive;
    struct pack_reader reader;
    uint32_t count = map_begin(&reader, value);
    if (count == 0) {
        complain(compile, place, "must be a map from operator to value");
    }
    for (; count > 0; count--) {
        const struct pointer at = {.up = place, .key = pack_read_text(&reader)};
        if (derive->condition_count == DERIVE_CONDITIONS_MAX) {
            complain(compile, place, "too many conditions");
            return;
        }
        struct derive_condition *condition = &derive->conditions[derive->condition_count++];
        *condition = (struct derive_condition){.field = field, .op = op_named(at.key), .other = WORD_NONE};
        read_operand(compile, &at, pack_skip(&reader), condition);
    }
}

static void read_when(const struct compile *compile, const struct pointer *place, struct span when) {
    const struct pointer at = {.up = place, .key = span_of_text("when")};
    struct pack_reader reader;
    if (when.bytes > 0 && !pack_is(when, PACK_MAP)) {
        complain(compile, &at, "must be a map from field to condition");
    }
    for (uint32_t count = map_begin(&reader, when); count > 0; count--) {
        const struct pointer field = {.up = &at, .key = pack_read_text(&reader)};
        read_condition(compile, &field, find_field(compile, &field, field.key), pack_skip(&reader));
    }
}

/* ---- rules ---- */

/* What a rule gives must be legal: nobody looks at it later. */
static void check_value(const struct compile *compile, const struct pointer *place, uint32_t field, struct span value) {
    struct violations wrong;
    if (field != WORD_NONE && !schema_check_field(compile->schema, field, value, &wrong)) {
        violations_add(compile->errors, place, "does not fit the field: it %s", wrong.items[0].detail);
    }
}

static void read_rule(const struct compile *compile, const struct pointer *place, uint32_t field, struct span value) {
    static const char *const keys[] = {"when", "value", NULL};
    struct derive *derive = compile->derive;
    const struct pointer at = {.up = place, .key = span_of_text("value")};
    if (derive->rule_count == DERIVE_RULES_MAX || !pack_is(value, PACK_MAP)) {
        complain(compile, place, pack_is(value, PACK_MAP) ? "too many rules" : "must be a map");
        return;
    }
    refuse_others(compile, place, value, keys);
    struct derive_rule *rule = &derive->rules[derive->rule_count++];
    *rule = (struct derive_rule){.condition_first = derive->condition_count, .value = pack_find(value, "value")};
    read_when(compile, place, pack_find(value, "when"));
    rule->condition_count = derive->condition_count - rule->condition_first;
    const struct scalar given = scalar_of(rule->value);
    if (given.type == PACK_END || given.type == PACK_LIST || given.type == PACK_MAP || given.type == PACK_NIL) {
        complain(compile, &at, "must be text, a number or a boolean");
        return;
    }
    check_value(compile, &at, field, rule->value);
}

static void mark_derived(const struct compile *compile, const struct pointer *place, uint32_t field) {
    struct schema *schema = compile->schema;
    if (field == WORD_NONE) {
        return;
    }
    struct schema_property *property = &schema->properties[schema->nodes[0].property_first + field];
    if (property->derived || (schema->nodes[0].required >> field & 1)) {
        complain(compile, place, property->derived ? "is written twice" : "is written by the broker: it cannot be required");
    }
    property->derived = true;
}

static void read_keep(const struct compile *compile, const struct pointer *place, struct derive_field *field,
                      struct span keep) {
    const struct pointer at = {.up = place, .key = span_of_text("keep")};
    struct pack_reader reader;
    field->keep_first = compile->derive->value_count;
    if (keep.bytes == 0) {
        return;
    }
    field->keep_count = add_values(compile, &at, keep);
    for (uint32_t count = list_begin(&reader, keep); count > 0; count--) {
        check_value(compile, &at, field->field, pack_skip(&reader));
    }
}

static void read_field(const struct compile *compile, const struct pointer *place, struct span value) {
    static const char *const keys[] = {"field", "keep", "rules", NULL};
    struct derive *derive = compile->derive;
    const struct pointer at = {.up = place, .key = span_of_text("rules")};
    if (derive->field_count == DERIVE_FIELDS_MAX || !pack_is(value, PACK_MAP)) {
        complain(compile, place, pack_is(value, PACK_MAP) ? "too many derived fields" : "must be a map");
        return;
    }
    refuse_others(compile, place, value, keys);
    struct derive_field *field = &derive->fields[derive->field_count++];
    *field = (struct derive_field){.field = field_at(compile, place, value, "field"), .rule_first = derive->rule_count};
    mark_derived(compile, place, field->field);
    read_keep(compile, place, field, pack_find(value, "keep"));
    const struct span rules = pack_find(value, "rules");
    struct pack_reader reader;
    const uint32_t count = list_begin(&reader, rules);
    if (count == 0) {
        complain(compile, &at, "must be a list of rules");
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pointer rule = {.up = &at, .index = i};
        read_rule(compile, &rule, field->field, pack_skip(&reader));
    }
    field->rule_count = derive->rule_count - field->rule_first;
}

static bool is_derived(const struct compile *compile, uint32_t field) {
    const struct schema *schema = compile->schema;
    return field != WORD_NONE && schema->properties[schema->nodes[0].property_first + field].derived;
}

/* Rules look at what producers say: what the broker writes is not known yet. */
static void check_conditions(const struct compile *compile, const struct pointer *place) {
    const struct derive *derive = compile->derive;
    for (uint32_t i = 0; i < derive->condition_count; i++) {
        const struct derive_condition *condition = &derive->conditions[i];
        if (is_derived(compile, condition->field) || is_derived(compile, condition->other)) {
            complain(compile, place, "a rule looks at a field that the broker writes itself");
            return;
        }
    }
}

/* ---- history ---- */

/* An entry holds scalars, so that a history nests no deeper than itself. */
static void check_is_scalar(const struct compile *compile, const struct pointer *place, uint32_t field) {
    if (field == WORD_NONE) {
        return;
    }
    const struct schema_node *node = schema_node_of(compile->schema, field);
    const bool listed = node->value_count > 0 || node->constant > 0;
    if (!listed && (node->types & (SCHEMA_ARRAY | SCHEMA_OBJECT))) {
        complain(compile, place, "must name a field that is text, a number or a boolean");
    }
}

static void read_copies(const struct compile *compile, const struct pointer *place, struct span with) {
    struct history *history = &compile->derive->history;
    const struct pointer at = {.up = place, .key = span_of_text("with")};
    struct pack_reader reader;
    if (with.bytes > 0 && !pack_is(with, PACK_MAP)) {
        complain(compile, &at, "must be a map from name to field");
    }
    for (uint32_t count = map_begin(&reader, with); count > 0; count--) {
        const struct pointer copy = {.up = &at, .key = pack_read_text(&reader)};
        if (history->copy_count == HISTORY_COPIES_MAX) {
            complain(compile, &at, "more than 4 fields");
            return;
        }
        if (span_is(copy.key, "at")) {
            complain(compile, &copy, "every entry has an `at` already");
        }
        const uint32_t from = find_field(compile, &copy, text_of(pack_skip(&reader)));
        check_is_scalar(compile, &copy, from);
        history->copies[history->copy_count++] = (struct history_copy){.name = copy.key, .from = from};
    }
}

static void read_history(const struct compile *compile, const struct pointer *place, struct span value) {
    static const char *const keys[] = {"field", "of", "max", "with", NULL};
    struct history *history = &compile->derive->history;
    const struct pointer at = {.up = place, .key = span_of_text("max")};
    if (!pack_is(value, PACK_MAP)) {
        complain(compile, place, "must be a map");
        return;
    }
    refuse_others(compile, place, value, keys);
    const struct scalar max = scalar_of(pack_find(value, "max"));
    int64_t entries = HISTORY_ENTRIES_MAX;
    if (max.type != PACK_END && (!scalar_is_whole(&max, &entries) || entries < 1 || entries > HISTORY_ENTRIES_MAX)) {
        complain(compile, &at, "must be from 1 to 32");
        return;
    }
    history->entries_max = (uint32_t)entries;
    history->field = field_at(compile, place, value, "field");
    history->of = field_at(compile, place, value, "of");
    mark_derived(compile, place, history->field);
    check_is_scalar(compile, place, history->of);
    if (history->field == history->of) {
        complain(compile, place, "a history cannot be of itself");
    }
    read_copies(compile, place, pack_find(value, "with"));
}

bool derive_compile(struct derive *derive, struct schema *schema, struct span rules, struct span history,
                    const struct pointer *place, struct violations *errors) {
    const struct compile compile = {derive, schema, errors};
    const struct pointer at_rules = {.up = place, .key = span_of_text("derive")};
    const struct pointer at_history = {.up = place, .key = span_of_text("history")};
    const uint32_t before = errors->count;
    struct pack_reader reader;
    *derive = (struct derive){0};
    if (rules.bytes > 0 && !pack_is(rules, PACK_LIST)) {
        complain(&compile, &at_rules, "must be a list");
    }
    const uint32_t count = list_begin(&reader, rules);
    for (uint32_t i = 0; i < count; i++) {
        const struct pointer field = {.up = &at_rules, .index = i};
        read_field(&compile, &field, pack_skip(&reader));
    }
    if (history.bytes > 0) {
        read_history(&compile, &at_history, history);
    }
    check_conditions(&compile, &at_rules);
    return errors->count == before;
}
