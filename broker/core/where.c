/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/where.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[WHERE_OPS] = {"eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"};

const char *where_op_name(enum where_op op) {
    assert((unsigned)op < WHERE_OPS);
    return op_names[op];
}

/* ---- faults ---- */

static void put_char(struct request_fault *fault, size_t *at, char c) {
    if (*at + 1 < sizeof fault->pointer) {
        fault->pointer[(*at)++] = c;
        fault->pointer[*at] = '\0';
    }
}

/* A part of a JSON pointer (RFC 6901 section 3). Cut before a character that does not fit whole: it stays UTF-8. */
static void put_part(struct request_fault *fault, size_t *at, struct span part) {
    size_t bytes = part.bytes < 120 ? part.bytes : 120;
    while (bytes < part.bytes && bytes > 0 && (part.data[bytes] & 0xc0) == 0x80) {
        bytes--;
    }
    put_char(fault, at, '/');
    for (size_t i = 0; i < bytes; i++) {
        const char c = (char)part.data[i];
        if (c == '~' || c == '/') {
            put_char(fault, at, '~');
            put_char(fault, at, c == '~' ? '0' : '1');
        } else {
            put_char(fault, at, c);
        }
    }
}

void request_fault_set(struct request_fault *fault, const char *detail, const char *root, struct span field, const char *last) {
    size_t at = 0;
    fault->pointer[0] = '\0';
    fault->detail = detail;
    put_part(fault, &at, span_of_text(root));
    if (field.data != NULL) {
        put_part(fault, &at, field);
    }
    if (last != NULL) {
        put_part(fault, &at, span_of_text(last));
    }
}

/* ---- values ---- */

/* 2^63 as a double: the first float above all integers. */
#define INTEGERS_END 9223372036854775808.0

static struct where_value value_of_float(double number) {
    struct where_value value = {.type = WHERE_NUMBER};
    if (number >= -INTEGERS_END && number < INTEGERS_END && (double)(int64_t)number == number) {
        value.as.integer = (int64_t)number;
    } else {
        value.is_float = true;
        value.as.number = number;
    }
    return value;
}

struct where_value where_value_of(struct span packed) {
    struct pack_reader reader = pack_reader_of(packed);
    struct where_value value = {.type = WHERE_OTHER};
    switch (pack_peek(&reader)) {
    case PACK_NIL:
        value.type = WHERE_NULL;
        break;
    case PACK_BOOL:
        value.type = WHERE_BOOL;
        value.as.truth = pack_read_bool(&reader);
        break;
    case PACK_INT:
        value.type = WHERE_NUMBER;
        value.as.integer = pack_read_int(&reader);
        break;
    case PACK_FLOAT:
        return value_of_float(pack_read_float(&reader));
    case PACK_TEXT:
        value.type = WHERE_TEXT;
        value.text = pack_read_text(&reader);
        break;
    case PACK_LIST:
    case PACK_MAP:
    case PACK_END:
    case PACK_ILLEGAL:
        break;
    }
    return value;
}

/* A float here is no integer of 64 bits: it has a fraction, or lies beyond them. */
static int order_integer_float(int64_t integer, double number) {
    if (number >= INTEGERS_END) {
        return -1;
    }
    if (number < -INTEGERS_END) {
        return 1;
    }
    int64_t whole = (int64_t)number; /* towards zero */
    if (integer != whole) {
        return integer < whole ? -1 : 1;
    }
    return number > (double)whole ? -1 : 1;
}

static int order_numbers(const struct where_value *a, const struct where_value *b) {
    if (a->is_float && b->is_float) {
        return (a->as.number > b->as.number) - (a->as.number < b->as.number);
    }
    if (a->is_float) {
        return -order_integer_float(b->as.integer, a->as.number);
    }
    if (b->is_float) {
        return order_integer_float(a->as.integer, b->as.number);
    }
    return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
}

static int order_texts(struct span a, struct span b) {
    int order = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

int where_value_order(const struct where_value *a, const struct where_value *b) {
    if (a->type != b->type) {
        return a->type < b->type ? -1 : 1;
    }
    switch (a->type) {
    case WHERE_BOOL:
        return a->as.truth - b->as.truth;
    case WHERE_NUMBER:
        return order_numbers(a, b);
    case WHERE_TEXT:
        return order_texts(a->text, b->text);
    case WHERE_NULL:
    case WHERE_OTHER:
        break;
    }
    return 0;
}

static bool is_scalar(const struct where_value *value) {
    return value->type != WHERE_OTHER;
}

static bool has_order(const struct where_value *value) {
    return value->type == WHERE_NUMBER || value->type == WHERE_TEXT;
}

/* ---- matching ---- */

struct span condition_find(const struct condition *condition, struct span document) {
    struct span at = document;
    for (uint32_t i = 0; i < condition->depth && at.data != NULL; i++) {
        at = pack_find_key(at, condition->path[i]);
    }
    return at;
}

static bool is_among(const struct condition *condition, const struct where_value *value) {
    uint32_t low = 0;
    for (uint32_t high = condition->value_count; low < high;) {
        uint32_t middle = (low + high) / 2;
        int order = where_value_order(&condition->values[middle], value);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static bool holds_order(const struct condition *condition, const struct where_value *value) {
    if (value->type != condition->values[0].type) {
        return false;
    }
    int order = where_value_order(value, &condition->values[0]);
    switch (condition->op) {
    case WHERE_LT:
        return order < 0;
    case WHERE_LTE:
        return order <= 0;
    case WHERE_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool condition_holds(const struct condition *condition, struct span document) {
    struct span packed = condition_find(condition, document);
    if (condition->op == WHERE_EXISTS) {
        return (packed.data != NULL) == condition->wanted;
    }
    struct where_value value = {.type = WHERE_OTHER};
    if (packed.data != NULL) {
        value = where_value_of(packed);
    }
    switch (condition->op) {
    case WHERE_EQ:
    case WHERE_IN:
        return is_scalar(&value) && is_among(condition, &value);
    case WHERE_NE:
        return !is_scalar(&value) || !is_among(condition, &value);
    default:
        return holds_order(condition, &value);
    }
}

bool where_matches(const struct where *where, struct span document) {
    for (uint32_t i = 0; i < where->count; i++) {
        if (!condition_holds(&where->conditions[i], document)) {
            return false;
        }
    }
    return true;
}

/* ---- reading: each condition is written in its canonical form; these are sorted; the result is read back ---- */

/* What reading needs while it lasts. */
struct draft {
    const struct limits *limits;
    struct request_fault *fault;
    struct buffer bytes;                     /* canonical conditions, side by side, as they came */
    size_t starts[WHERE_CONDITIONS_MAX + 1]; /* where each begins */
    uint32_t count;
    struct where_value values[WHERE_VALUES_MAX]; /* of the condition being read */
    uint8_t key[WHERE_BYTES_MAX];                /* a part of a pointer without its escapes */
};

static enum ahora_code refuse(struct draft *draft, const char *detail, struct span field, const char *op) {
    request_fault_set(draft->fault, detail, "where", field, op);
    return AHORA_INVALID;
}

/* One part of a JSON pointer without its escapes; false: a ~ that is none. */
static bool put_pointer_part(struct draft *draft, struct span part) {
    size_t bytes = 0;
    for (size_t i = 0; i < part.bytes; i++) {
        uint8_t c = part.data[i];
        if (c == '~') {
            if (++i == part.bytes || (part.data[i] != '0' && part.data[i] != '1')) {
                return false;
            }
            c = part.data[i] == '0' ? '~' : '/';
        }
        draft->key[bytes++] = c;
    }
    pack_put_text(&draft->bytes, span_of(draft->key, bytes));
    return true;
}

/* `a.b` or `/a/b` as a list of keys. */
static bool put_path(struct draft *draft, struct span field) {
    const bool is_pointer = field.bytes > 0 && field.data[0] == '/';
    const uint8_t mark = is_pointer ? '/' : '.';
    struct span rest = is_pointer ? span_of(field.data + 1, field.bytes - 1) : field;
    uint32_t depth = 1;
    for (size_t i = 0; i < rest.bytes; i++) {
        depth += rest.data[i] == mark;
    }
    if (depth > WHERE_DEPTH_MAX) {
        return false;
    }
    pack_put_list(&draft->bytes, depth);
    for (uint32_t i = 0; i < depth; i++) {
        const uint8_t *end = rest.bytes == 0 ? NULL : memchr(rest.data, mark, rest.bytes);
        struct span part = span_of(rest.data, end == NULL ? rest.bytes : (size_t)(end - rest.data));
        if (is_pointer) {
            if (!put_pointer_part(draft, part)) {
                return false;
            }
        } else if (part.bytes == 0) {
            return false;
        } else {
            pack_put_text(&draft->bytes, part);
        }
        rest = end == NULL ? rest : span_of(end + 1, rest.bytes - part.bytes - 1);
    }
    return true;
}

static void put_value(struct buffer *out, const struct where_value *value) {
    switch (value->type) {
    case WHERE_NULL:
    case WHERE_OTHER:
        pack_put_nil(out);
        return;
    case WHERE_BOOL:
        pack_put_bool(out, value->as.truth);
        return;
    case WHERE_NUMBER:
        if (value->is_float) {
            pack_put_float(out, value->as.number);
        } else {
            pack_put_int(out, value->as.integer);
        }
        return;
    case WHERE_TEXT:
        pack_put_text(out, value->text);
        return;
    }
}

static int by_value(const void *a, const void *b) {
    return where_value_order(a, b);
}

/* The list of an `in`, sorted and without repetitions; 0 and a fault if it is none. */
static uint32_t read_values(struct draft *draft, struct span packed, struct span field) {
    struct pack_reader reader = pack_reader_of(packed);
    if (pack_peek(&reader) != PACK_LIST) {
        refuse(draft, "`in` takes a list", field, "in");
        return 0;
    }
    uint32_t count = pack_read_list(&reader);
    if (count == 0 || count > draft->limits->where_values_max || count > WHERE_VALUES_MAX) {
        refuse(draft, count == 0 ? "`in` takes a list of at least one value" : "too many values in one `in`", field, "in");
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        draft->values[i] = where_value_of(pack_skip(&reader));
        if (!is_scalar(&draft->values[i])) {
            refuse(draft, "`in` takes a list of null, booleans, numbers and texts", field, "in");
            return 0;
        }
    }
    qsort(draft->values, count, sizeof draft->values[0], by_value);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < count; i++) {
        if (where_value_order(&draft->values[kept - 1], &draft->values[i]) != 0) {
            draft->values[kept++] = draft->values[i];
        }
    }
    return kept;
}

/* The values of one condition into draft->values; 0 and a fault if they are of a wrong type. */
static uint32_t read_operand(struct draft *draft, enum where_op op, struct span packed, struct span field) {
    if (op == WHERE_IN) {
        return read_values(draft, packed, field);
    }
    const struct where_value value = where_value_of(packed);
    draft->values[0] = value;
    const char *detail = NULL;
    if (op == WHERE_EXISTS) {
        detail = value.type == WHERE_BOOL ? NULL : "`exists` takes true or false";
    } else if (op == WHERE_EQ || op == WHERE_NE) {
        detail = is_scalar(&value) ? NULL : "`eq` and `ne` take null, a boolean, a number or a text";
    } else {
        detail = has_order(&value) ? NULL : "`lt`, `lte`, `gt` and `gte` take a number or a text";
    }
    if (detail != NULL) {
        refuse(draft, detail, field, op_names[op]);
        return 0;
    }
    return 1;
}

static int find_op(struct span name) {
    for (int op = 0; op < WHERE_OPS; op++) {
        if (span_is(name, op_names[op])) {
            return op;
        }
    }
    return -1;
}

static enum ahora_code read_condition(struct draft *draft, struct span field, struct span name, struct span packed) {
    const int op = find_op(name);
    if (op < 0) {
        return refuse(draft, "unknown operator: eq, ne, lt, lte, gt, gte, in and exists are known", field, NULL);
    }
    if (draft->count >= draft->limits->where_conditions_max || draft->count >= WHERE_CONDITIONS_MAX) {
        return refuse(draft, "too many conditions", (struct span){0}, NULL);
    }
    const uint32_t count = read_operand(draft, (enum where_op)op, packed, field);
    if (count == 0) {
        return AHORA_INVALID;
    }
    draft->starts[draft->count++] = draft->bytes.bytes;
    if (!put_path(draft, field)) {
        return refuse(draft, "the field is no path: `a`, `a.b` or `/a/b`, at most 8 names deep", field, NULL);
    }
    pack_put_int(&draft->bytes, op == WHERE_IN && count == 1 ? WHERE_EQ : op);
    pack_put_list(&draft->bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        put_value(&draft->bytes, &draft->values[i]);
    }
    return AHORA_OK;
}

static enum ahora_code read_conditions(struct draft *draft, struct span map) {
    struct pack_reader reader = pack_reader_of(map);
    if (pack_peek(&reader) != PACK_MAP) {
        return refuse(draft, "`where` must be a map", (struct span){0}, NULL);
    }
    if (map.bytes > draft->limits->where_bytes_max || map.bytes > WHERE_BYTES_MAX) {
        return refuse(draft, "`where` is too large", (struct span){0}, NULL);
    }
    for (uint32_t fields = pack_read_map(&reader); fields > 0; fields--) {
        struct span field = pack_read_text(&reader);
        if (pack_peek(&reader) != PACK_MAP) {
            return refuse(draft, "a condition must be a map of operator to value", field, NULL);
        }
        uint32_t operators = pack_read_map(&reader);
        if (operators == 0) {
            return refuse(draft, "a condition must have an operator", field, NULL);
        }
        for (; operators > 0; operators--) {
            struct span name = pack_read_text(&reader);
            enum ahora_code code = read_condition(draft, field, name, pack_skip(&reader));
            if (code != AHORA_OK) {
                return code;
            }
        }
    }
    return draft->count == 0 ? refuse(draft, "`where` has no condition", (struct span){0}, NULL) : AHORA_OK;
}

static struct span draft_condition(const struct draft *draft, uint32_t index) {
    return span_of(draft->bytes.data + draft->starts[index], draft->starts[index + 1] - draft->starts[index]);
}

static int by_bytes(const void *a, const void *b) {
    return order_texts(*(const struct span *)a, *(const struct span *)b);
}

static void read_back(struct where *where) {
    struct pack_reader reader = pack_reader_of(where->canonical);
    struct where_value *values = where->values;
    for (uint32_t i = 0; i < where->count; i++) {
        struct condition *condition = &where->conditions[i];
        condition->depth = pack_read_list(&reader);
        for (uint32_t j = 0; j < condition->depth; j++) {
            condition->path[j] = pack_read_text(&reader);
        }
        condition->op = (enum where_op)pack_read_int(&reader);
        condition->value_count = pack_read_list(&reader);
        condition->values = values;
        for (uint32_t j = 0; j < condition->value_count; j++) {
            *values++ = where_value_of(pack_skip(&reader));
        }
        condition->wanted = condition->op == WHERE_EXISTS && condition->values[0].as.truth;
    }
    assert(!reader.failed && reader.at == reader.end);
}

static uint32_t count_values(struct span condition) {
    struct pack_reader reader = pack_reader_of(condition);
    pack_skip(&reader);
    pack_skip(&reader);
    return pack_read_list(&reader);
}

/* One block: the struct, its conditions, their values, the canonical bytes. */
static struct where *where_create(struct draft *draft) {
    struct span sorted[WHERE_CONDITIONS_MAX];
    draft->starts[draft->count] = draft->bytes.bytes;
    for (uint32_t i = 0; i < draft->count; i++) {
        sorted[i] = draft_condition(draft, i);
    }
    qsort(sorted, draft->count, sizeof sorted[0], by_bytes);
    uint32_t count = 0;
    uint32_t values = 0;
    size_t bytes = 0;
    for (uint32_t i = 0; i < draft->count; i++) {
        if (count == 0 || !span_equal(sorted[count - 1], sorted[i])) {
            sorted[count++] = sorted[i];
            values += count_values(sorted[i]);
            bytes += sorted[i].bytes;
        }
    }
    struct where *where = calloc(1, sizeof *where + count * sizeof *where->conditions + values * sizeof *where->values + bytes);
    if (where == NULL) {
        return NULL;
    }
    where->refs = 1;
    where->count = count;
    where->conditions = (struct condition *)(void *)(where + 1);
    where->values = (struct where_value *)(void *)(where->conditions + count);
    uint8_t *at = (uint8_t *)(where->values + values);
    where->canonical = span_of(at, bytes);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(at, sorted[i].data, sorted[i].bytes);
        at += sorted[i].bytes;
    }
    read_back(where);
    return where;
}

enum ahora_code where_parse(struct span map, const struct limits *limits, struct where **where, struct request_fault *fault) {
    struct draft *draft = malloc(sizeof *draft);
    *where = NULL;
    if (draft == NULL) {
        return AHORA_OVERLOADED;
    }
    draft->limits = limits;
    draft->fault = fault;
    draft->count = 0;
    /* Each operator repeats the path of its field, which the request has once. */
    buffer_init(&draft->bytes, (size_t)WHERE_BYTES_MAX * (WHERE_OPS + 1) + (size_t)16 * WHERE_CONDITIONS_MAX);
    enum ahora_code code = read_conditions(draft, map);
    if (code == AHORA_OK && !draft->bytes.failed) {
        *where = where_create(draft);
    }
    if (code == AHORA_OK && *where == NULL) {
        code = AHORA_OVERLOADED;
    }
    buffer_fini(&draft->bytes);
    free(draft);
    return code;
}

struct where *where_ref(struct where *where) {
    where->refs++;
    return where;
}

void where_unref(struct where *where) {
    if (where != NULL && --where->refs == 0) {
        free(where);
    }
}
