/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A kind is compiled in two steps: schema_compile reads what is JSON Schema, and this file reads `x-ahora`, whose pointers are followed
 * through the finished table:
 *
 *   address, fresh_ms, expire_ms, private, position
 *   checks     what JSON Schema cannot say without patterns and conditions: each becomes a form or a bound of a field, or a rule between
 *              two fields of one object
 *   derive, history    derive_compile.c
 */
#include "broker/core/kind_compile.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/core/schema_compile.h"
#include "broker/core/word_slots.h"

struct compile {
    struct kind *kind;
    struct violations *errors;
    struct schema_rule rules[SCHEMA_RULES_MAX]; /* as they are found; laid out by node at the end */
    uint32_t rule_count;
};

static void complain(const struct compile *compile, const struct pointer *place, const char *text) {
    violations_add(compile->errors, place, "%s", text);
}

static struct span text_of(struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    return pack_is(value, PACK_TEXT) ? pack_read_text(&reader) : (struct span){0};
}

/* ---- pointers ---- */

/* A field, found by a pointer such as /rates/X/amount where X is a star: the field of any entry. */
struct target {
    uint32_t node;
    uint32_t parent;   /* the object it is a property of */
    uint32_t property; /* its place there; WORD_NONE: it is no property but any entry */
};

static struct span next_step(struct span *rest) {
    const uint8_t *slash = rest->bytes > 1 ? memchr(rest->data + 1, '/', rest->bytes - 1) : NULL;
    const size_t bytes = slash == NULL ? rest->bytes : (size_t)(slash - rest->data);
    const struct span step = span_of(rest->data + 1, bytes - 1);
    *rest = span_of(rest->data + bytes, rest->bytes - bytes);
    return step;
}

static bool follow(const struct compile *compile, const struct pointer *place, struct span pointer, struct target *target) {
    const struct schema *schema = &compile->kind->schema;
    *target = (struct target){.property = WORD_NONE};
    struct span rest = pointer;
    while (rest.bytes > 0 && rest.data[0] == '/') {
        const struct span step = next_step(&rest);
        const struct schema_node *node = &schema->nodes[target->node];
        const bool any = span_is(step, "*") && node->others != SCHEMA_NODE_NONE;
        const uint32_t property = any ? WORD_NONE : schema_find(schema, node, step);
        if (!any && property == WORD_NONE) {
            break;
        }
        target->parent = target->node;
        target->property = property;
        target->node = any ? node->others : schema->properties[node->property_first + property].node;
        if (rest.bytes == 0) {
            return true;
        }
    }
    complain(compile, place, "must be a pointer to a field among the properties, such as /price");
    return false;
}

static bool follow_key(const struct compile *compile, const struct pointer *place, struct span map, const char *key,
                       struct target *target) {
    const struct pointer at = {.up = place, .key = span_of_text(key)};
    return follow(compile, &at, text_of(pack_find(map, key)), target);
}

/* ---- checks ---- */

static void add_rule(struct compile *compile, const struct pointer *place, struct schema_rule rule) {
    if (compile->rule_count == SCHEMA_RULES_MAX) {
        complain(compile, place, "too many checks");
        return;
    }
    compile->rules[compile->rule_count++] = rule;
}

static void set_form(struct compile *compile, const struct target *target, enum text_form form) {
    struct schema_node *node = &compile->kind->schema.nodes[target->node];
    node->form = (uint8_t)form;
    node->has_limits = true;
}

static bool are_siblings(const struct compile *compile, const struct pointer *place, const struct target *a,
                         const struct target *b) {
    const bool fine = a->parent == b->parent && a->property != WORD_NONE && b->property != WORD_NONE;
    if (!fine) {
        complain(compile, place, "must name two fields of the same object");
    }
    return fine;
}

/* {"money": "/price", "currency": "/price_currency"} */
static void read_money(struct compile *compile, const struct pointer *place, struct span check) {
    struct target amount, currency;
    if (follow_key(compile, place, check, "money", &amount) && follow_key(compile, place, check, "currency", &currency) &&
        are_siblings(compile, place, &amount, &currency)) {
        set_form(compile, &amount, TEXT_FORM_MONEY);
        set_form(compile, &currency, TEXT_FORM_CURRENCY);
        add_rule(compile, place, (struct schema_rule){RULE_NEEDS, amount.parent, amount.property, currency.property});
    }
}

/* {"ascending": ["/from_at", "/until_at"]} */
static void read_ascending(struct compile *compile, const struct pointer *place, struct span check) {
    const struct pointer at = {.up = place, .key = span_of_text("ascending")};
    const struct span list = pack_find(check, "ascending");
    struct pack_reader reader = pack_reader_of(list);
    struct target fields[2];
    if (!pack_is(list, PACK_LIST) || pack_read_list(&reader) != 2) {
        complain(compile, &at, "must be a list of two pointers");
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (!follow(compile, &at, text_of(pack_skip(&reader)), &fields[i])) {
            return;
        }
    }
    if (are_siblings(compile, &at, &fields[0], &fields[1])) {
        add_rule(compile, &at, (struct schema_rule){RULE_ASCENDS, fields[0].parent, fields[0].property, fields[1].property});
    }
}

/* {"entries": "/rates", "max": 16} */
static void read_entries(struct compile *compile, const struct pointer *place, struct span check) {
    const struct pointer at = {.up = place, .key = span_of_text("max")};
    const struct scalar max = scalar_of(pack_find(check, "max"));
    int64_t count = 0;
    struct target target;
    if (!scalar_is_whole(&max, &count) || count < 0 || count > AHORA_MAP_ENTRIES_MAX) {
        complain(compile, &at, "must be from 0 to 1024");
    } else if (follow_key(compile, place, check, "entries", &target)) {
        compile->kind->schema.nodes[target.node].entries_max = (uint32_t)count;
    }
}

/* {"prefix": "https://", "of": "/tracking_url"} */
static void read_prefix(struct compile *compile, const struct pointer *place, struct span check) {
    const struct pointer at = {.up = place, .key = span_of_text("prefix")};
    const struct span prefix = text_of(pack_find(check, "prefix"));
    struct target target;
    if (prefix.bytes == 0) {
        complain(compile, &at, "must be text");
    } else if (follow_key(compile, place, check, "of", &target)) {
        compile->kind->schema.nodes[target.node].prefix = prefix;
        compile->kind->schema.nodes[target.node].has_limits = true;
    }
}

static void read_check(struct compile *compile, const struct pointer *place, struct span check) {
    static const struct {
        const char *keys[2];
        void (*read)(struct compile *compile, const struct pointer *place, struct span check);
    } checks[] = {
        {{"money", "currency"}, read_money},
        {{"ascending", NULL}, read_ascending},
        {{"entries", "max"}, read_entries},
        {{"prefix", "of"}, read_prefix},
    };
    struct pack_reader reader = pack_reader_of(check);
    const uint32_t count = pack_is(check, PACK_MAP) ? pack_read_map(&reader) : 0;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const bool first = pack_find(check, checks[i].keys[0]).bytes > 0;
        const bool second = checks[i].keys[1] == NULL || pack_find(check, checks[i].keys[1]).bytes > 0;
        if (first && second && count == 1 + (checks[i].keys[1] != NULL)) {
            checks[i].read(compile, place, check);
            return;
        }
    }
    complain(compile, place, "must be {money, currency}, {ascending}, {entries, max} or {prefix, of}");
}

static void read_checks(struct compile *compile, const struct pointer *place, struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    if (!pack_is(value, PACK_LIST)) {
        complain(compile, place, "must be a list");
        return;
    }
    const uint32_t count = pack_read_list(&reader);
    for (uint32_t i = 0; i < count; i++) {
        const struct pointer at = {.up = place, .index = i};
        read_check(compile, &at, pack_skip(&reader));
    }
}

/* Rules of one node stand side by side, in the order in which they were written. */
static bool lay_rules(struct compile *compile) {
    struct schema *schema = &compile->kind->schema;
    if (compile->rule_count == 0) {
        return true;
    }
    schema->rules = calloc(compile->rule_count, sizeof *schema->rules);
    if (schema->rules == NULL) {
        return false;
    }
    for (uint32_t node = 0; node < schema->node_count; node++) {
        schema->nodes[node].rule_first = schema->rule_count;
        for (uint32_t i = 0; i < compile->rule_count; i++) {
            if (compile->rules[i].node == node) {
                schema->rules[schema->rule_count++] = compile->rules[i];
                schema->nodes[node].rule_count++;
            }
        }
    }
    assert(schema->rule_count == compile->rule_count);
    return true;
}

/* ---- address ---- */

/* `{sku}`: anything; `{stay_date}`: a date; else itself. */
static bool read_segment(struct address *address, unsigned index, struct span segment) {
    if (segment.bytes >= 3 && segment.data[0] == '{' && segment.data[segment.bytes - 1] == '}') {
        const struct span name = span_of(segment.data + 1, segment.bytes - 2);
        const size_t ending = strlen("_date");
        address->dates[index] =
            span_is(name, "date") || (name.bytes > ending && memcmp(name.data + name.bytes - ending, "_date", ending) == 0);
        return memchr(name.data, '{', name.bytes) == NULL && memchr(name.data, '}', name.bytes) == NULL;
    }
    address->literals[index] = segment;
    return segment.bytes > 0 && memchr(segment.data, '{', segment.bytes) == NULL &&
           memchr(segment.data, '}', segment.bytes) == NULL;
}

static const char *address_fault(struct address *address, struct span name, struct span text) {
    struct span rest = text;
    while (rest.bytes > 0) {
        const uint8_t *slash = memchr(rest.data, '/', rest.bytes);
        const struct span segment = span_of(rest.data, slash == NULL ? rest.bytes : (size_t)(slash - rest.data));
        if (address->count == AHORA_SEGMENTS_MAX) {
            return "has more than 8 segments";
        }
        if (!read_segment(address, address->count++, segment)) {
            return "must be segments such as {sku}, or literal ones";
        }
        rest = slash == NULL ? (struct span){0} : span_of(slash + 1, rest.bytes - segment.bytes - 1);
    }
    if (address->count < AHORA_SEGMENTS_MIN) {
        return "has fewer than 2 segments";
    }
    return span_equal(address->literals[0], name) ? NULL : "must begin with the name of the kind, which is that of its file";
}

static void add_address(struct compile *compile, const struct pointer *place, struct span text) {
    struct kind *kind = compile->kind;
    struct name legal;
    if (kind->address_count == KIND_ADDRESSES_MAX) {
        complain(compile, place, "has more than 8 forms");
        return;
    }
    struct address *address = &kind->addresses[kind->address_count++];
    const char *fault = address_fault(address, span_of_text(kind->name), text);
    if (fault != NULL) {
        complain(compile, place, fault);
        return;
    }
    for (unsigned i = 1; i < address->count; i++) { /* a literal that no topic can have */
        char topic[2 + AHORA_SEGMENT_BYTES_MAX];
        const struct span literal = address->literals[i];
        if (literal.data != NULL && literal.bytes <= AHORA_SEGMENT_BYTES_MAX) {
            memcpy(topic, "k/", 2);
            memcpy(topic + 2, literal.data, literal.bytes);
        }
        if (literal.data != NULL && (literal.bytes > AHORA_SEGMENT_BYTES_MAX ||
                                     name_parse_topic(span_of(topic, 2 + literal.bytes), &legal, NULL) != AHORA_OK)) {
            complain(compile, place, "holds a segment that no topic can have");
        }
    }
}

static void read_address(struct compile *compile, const struct pointer *place, struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    uint32_t count = pack_is(value, PACK_LIST) ? pack_read_list(&reader) : 1;
    if (count == 0) {
        complain(compile, place, "must be text, or a list of texts");
    }
    for (; count > 0; count--) {
        const struct span item = pack_skip(&reader);
        if (!pack_is(item, PACK_TEXT)) {
            complain(compile, place, "must be text, or a list of texts");
            return;
        }
        add_address(compile, place, text_of(item));
    }
}

/* ---- the rest of x-ahora ---- */

static void read_ms(const struct compile *compile, const struct pointer *place, struct span value, int64_t *out) {
    const struct scalar number = scalar_of(value);
    if (number.type != PACK_INT || number.integer < 0 || number.integer > AHORA_SEQ_MAX) {
        complain(compile, place, "must be milliseconds: an integer from 0 on");
        return;
    }
    *out = number.integer;
}

static void read_fresh(struct compile *compile, const struct pointer *place, struct span value) {
    read_ms(compile, place, value, &compile->kind->fresh_ms);
}

static void read_expire(struct compile *compile, const struct pointer *place, struct span value) {
    read_ms(compile, place, value, &compile->kind->expire_ms);
}

static void read_private(struct compile *compile, const struct pointer *place, struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    if (!pack_is(value, PACK_BOOL)) {
        complain(compile, place, "must be true or false");
        return;
    }
    compile->kind->is_private = pack_read_bool(&reader);
}

static void read_position(struct compile *compile, const struct pointer *place, struct span value) {
    const struct schema *schema = &compile->kind->schema;
    struct target target;
    struct span rest = text_of(value);
    if (!follow(compile, place, rest, &target)) {
        return;
    }
    const struct schema_node *node = &schema->nodes[target.node];
    if (schema_find(schema, node, span_of_text("lat")) == WORD_NONE ||
        schema_find(schema, node, span_of_text("lon")) == WORD_NONE) {
        complain(compile, place, "must point to a map whose properties are lat and lon");
        return;
    }
    struct field_path *path = &compile->kind->position;
    while (rest.bytes > 0 && path->count < FIELD_PATH_MAX) {
        path->keys[path->count++] = next_step(&rest);
    }
    for (uint32_t i = 0; i < path->count; i++) {
        if (span_is(path->keys[i], "*")) {
            complain(compile, place, "must point to one field");
        }
    }
}

static void read_later(struct compile *compile, const struct pointer *place, struct span value) {
    (void)compile; /* derive_compile reads it */
    (void)place;
    (void)value;
}

static void read_extension(struct compile *compile, const struct pointer *place, struct span value) {
    static const struct {
        const char *key;
        void (*read)(struct compile *compile, const struct pointer *place, struct span value);
    } keys[] = {
        {"address", read_address},   {"fresh_ms", read_fresh}, {"expire_ms", read_expire}, {"private", read_private},
        {"position", read_position}, {"checks", read_checks},  {"derive", read_later},     {"history", read_later},
    };
    const size_t key_count = sizeof keys / sizeof keys[0];
    struct pack_reader reader = pack_reader_of(value);
    for (uint32_t count = pack_read_map(&reader); count > 0; count--) {
        const struct pointer at = {.up = place, .key = pack_read_text(&reader)};
        const struct span item = pack_skip(&reader);
        size_t i = 0;
        while (i < key_count && !span_is(at.key, keys[i].key)) {
            i++;
        }
        if (i < key_count) {
            keys[i].read(compile, &at, item);
        } else {
            complain(compile, &at, "is not known here");
        }
    }
}

bool kind_compile(struct kind *kind, struct span name, struct violations *errors) {
    struct compile compile = {.kind = kind, .errors = errors};
    const struct pointer place = {.key = span_of_text("x-ahora")};
    struct name legal;
    char topic[AHORA_SEGMENT_BYTES_MAX + 2];
    if (name.bytes > 0 && name.bytes <= AHORA_SEGMENT_BYTES_MAX) {
        memcpy(kind->name, name.data, name.bytes);
    }
    memcpy(topic, kind->name, strlen(kind->name));
    memcpy(topic + strlen(kind->name), "/x", 2);
    if (kind->name[0] == '\0' || name_parse_topic(span_of(topic, strlen(kind->name) + 2), &legal, NULL) != AHORA_OK) {
        violations_add(errors, NULL, "a kind is named by its file: 1 to 64 of A-Z a-z 0-9 - _ . ~ : @ =, then .json");
        return false;
    }
    if (!schema_compile(&kind->schema, buffer_span(&kind->packed), errors)) {
        return false;
    }
    const struct span extension = pack_find(buffer_span(&kind->packed), "x-ahora");
    if (!pack_is(extension, PACK_MAP) || pack_find(extension, "address").bytes == 0) {
        complain(&compile, &place, "must be a map with at least an `address`");
        return false;
    }
    read_extension(&compile, &place, extension);
    if (errors->count == 0) {
        (void)derive_compile(&kind->derive, &kind->schema, pack_find(extension, "derive"), pack_find(extension, "history"),
                             &place, errors);
    }
    if (errors->count == 0 && !lay_rules(&compile)) {
        complain(&compile, NULL, "no memory");
    }
    return errors->count == 0;
}
