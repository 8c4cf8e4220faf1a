/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/derive.h"

#include <assert.h>

#include "broker/core/word_slots.h"

/* ---- conditions ---- */

static bool is_there(const struct schema_fields *fields, uint32_t field) {
    return fields->seen >> field & 1;
}

static struct scalar value_of(const struct schema_fields *fields, uint32_t field) {
    return is_there(fields, field) ? scalar_of(fields->values[field]) : (struct scalar){.type = PACK_END};
}

/* What the condition compares with: another field if it is there, else its first value. */
static struct scalar other_of(const struct derive *derive, const struct derive_condition *condition,
                              const struct schema_fields *fields) {
    if (condition->other != WORD_NONE && is_there(fields, condition->other)) {
        return scalar_of(fields->values[condition->other]);
    }
    return condition->value_count > 0 ? derive->values[condition->value_first] : (struct scalar){.type = PACK_END};
}

static bool is_among(const struct derive *derive, const struct derive_condition *condition, const struct scalar *value) {
    for (uint32_t i = 0; i < condition->value_count; i++) {
        if (scalar_equal(value, &derive->values[condition->value_first + i])) {
            return true;
        }
    }
    return false;
}

static bool has_order(enum derive_op op, int order) {
    return op == DERIVE_LT ? order < 0 : op == DERIVE_LTE ? order <= 0 : op == DERIVE_GT ? order > 0 : order >= 0;
}

static bool holds(const struct derive *derive, const struct derive_condition *condition, const struct schema_fields *fields) {
    const struct scalar value = value_of(fields, condition->field);
    if (condition->op == DERIVE_EXISTS) {
        return (value.type != PACK_END) == derive->values[condition->value_first].truth;
    }
    if (value.type == PACK_END) {
        return false;
    }
    const struct scalar other = other_of(derive, condition, fields);
    int order;
    switch (condition->op) {
    case DERIVE_EQ:
        return scalar_equal(&value, &other);
    case DERIVE_NE:
        return !scalar_equal(&value, &other);
    case DERIVE_IN:
        return is_among(derive, condition, &value);
    default:
        return scalar_compare(&value, &other, &order) && has_order(condition->op, order);
    }
}

static bool rule_holds(const struct derive *derive, const struct derive_rule *rule, const struct schema_fields *fields) {
    for (uint32_t i = 0; i < rule->condition_count; i++) {
        if (!holds(derive, &derive->conditions[rule->condition_first + i], fields)) {
            return false;
        }
    }
    return true;
}

/* A producer's value that stays, else that of the first rule that holds. */
static struct span value_by_rules(const struct derive *derive, const struct derive_field *field,
                                  const struct schema_fields *fields) {
    const struct scalar said = value_of(fields, field->field);
    for (uint32_t i = 0; i < field->keep_count; i++) {
        if (scalar_equal(&said, &derive->values[field->keep_first + i])) {
            return fields->values[field->field];
        }
    }
    for (uint32_t i = 0; i < field->rule_count; i++) {
        const struct derive_rule *rule = &derive->rules[field->rule_first + i];
        if (rule_holds(derive, rule, fields)) {
            return rule->value;
        }
    }
    return (struct span){0};
}

/* ---- history ---- */

static uint32_t count_entries(struct span list) {
    struct pack_reader reader = pack_reader_of(list);
    return pack_peek(&reader) == PACK_LIST ? pack_read_list(&reader) : 0;
}

/* The newest entry of a list that we wrote; empty if there is none. */
static struct span last_entry(struct span list) {
    struct pack_reader reader = pack_reader_of(list);
    struct span entry = {0};
    if (pack_peek(&reader) == PACK_LIST) {
        for (uint32_t count = pack_read_list(&reader); count > 0; count--) {
            entry = pack_skip(&reader);
        }
    }
    return entry;
}

static struct span name_of(const struct schema *schema, uint32_t field) {
    return schema->properties[schema->nodes[0].property_first + field].name;
}

/* What the change itself said: what the document still holds of an earlier one belongs to that. */
static struct span copied(const struct schema *schema, const struct history_copy *copy, struct span said,
                          const struct schema_fields *fields) {
    struct pack_reader reader = pack_reader_of(pack_find_key(said, name_of(schema, copy->from)));
    const enum pack_type type = pack_peek(&reader);
    return type == PACK_END || type == PACK_NIL || !is_there(fields, copy->from) ? (struct span){0}
                                                                                 : fields->values[copy->from];
}

static void put_entry(const struct history *history, const struct schema *schema, const struct schema_fields *fields,
                      struct span said, int64_t at, struct buffer *out) {
    uint32_t count = 2;
    for (uint32_t i = 0; i < history->copy_count; i++) {
        count += copied(schema, &history->copies[i], said, fields).bytes > 0;
    }
    pack_put_map(out, count);
    pack_put_text(out, name_of(schema, history->of));
    pack_put_raw(out, fields->values[history->of]);
    pack_put_key(out, "at");
    pack_put_int(out, at);
    for (uint32_t i = 0; i < history->copy_count; i++) {
        const struct span value = copied(schema, &history->copies[i], said, fields);
        if (value.bytes > 0) {
            pack_put_text(out, history->copies[i].name);
            pack_put_raw(out, value);
        }
    }
}

static struct span grown_history(const struct history *history, const struct schema *schema, const struct schema_fields *fields,
                                 struct span old, struct span said, int64_t at, struct buffer *out) {
    const struct span last = pack_find_key(last_entry(old), name_of(schema, history->of));
    if (!is_there(fields, history->of) || (last.bytes > 0 && span_equal(last, fields->values[history->of]))) {
        return old;
    }
    const uint32_t held = count_entries(old);
    const uint32_t dropped = held < history->entries_max ? 0 : held - history->entries_max + 1;
    struct pack_reader reader = pack_reader_of(old);
    buffer_cut(out, 0);
    pack_put_list(out, held - dropped + 1);
    if (held > 0) {
        (void)pack_read_list(&reader);
    }
    for (uint32_t i = 0; i < held; i++) {
        const struct span entry = pack_skip(&reader);
        if (i >= dropped) {
            pack_put_raw(out, entry);
        }
    }
    put_entry(history, schema, fields, said, at, out);
    return buffer_span(out);
}

/* ---- all of them ---- */

uint32_t derive_count(const struct derive *derive) {
    return derive->field_count + (derive->history.entries_max > 0);
}

uint32_t derive_property(const struct derive *derive, uint32_t index) {
    return index < derive->field_count ? derive->fields[index].field : derive->history.field;
}

bool derive_needs_old(const struct derive *derive, uint32_t index) {
    return index >= derive->field_count;
}

struct span derive_value(const struct derive *derive, const struct schema *schema, uint32_t index,
                         const struct schema_fields *fields, struct span old, struct span said, int64_t at,
                         struct buffer *out) {
    assert(index < derive_count(derive));
    if (index < derive->field_count) {
        return value_by_rules(derive, &derive->fields[index], fields);
    }
    return grown_history(&derive->history, schema, fields, old, said, at, out);
}
