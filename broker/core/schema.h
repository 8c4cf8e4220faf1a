/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * A JSON Schema as a table, and documents held against it. The keywords are those that mean the same in draft-07 and 2020-12
 * (docs/kinds.md); schema_compile.c makes the table, once; schema_check walks a packed document along it, reading each value once
 * and allocating nothing. Constant after compiling, any thread.
 */
#ifndef CORE_SCHEMA_H
#define CORE_SCHEMA_H

#include "broker/core/scalar.h"
#include "broker/core/text_form.h"
#include "broker/core/violations.h"

/* So much may a schema be, whoever wrote it: what it costs to hold a document against it has a bound. */
#define SCHEMA_BYTES_MAX 65536   /* of its text */
#define SCHEMA_DEPTH_MAX 4       /* levels of objects and lists, the document itself and the scalars in it included */
#define SCHEMA_PROPERTIES_MAX 64 /* of one object: a set of them is one word */
#define SCHEMA_NODES_MAX 1024    /* of one schema */
#define SCHEMA_VALUES_MAX 1024   /* in all `enum` and `const` of one schema */
#define SCHEMA_RULES_MAX 64      /* `checks` of one schema */

enum schema_type {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_STRING = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_OBJECT = 64,
    SCHEMA_ANY = 127,
};

#define SCHEMA_NODE_NONE 0 /* the root, which is nobody's child */

struct schema_node {
    uint8_t types;                  /* enum schema_type */
    uint8_t form;                   /* enum text_form */
    bool closed;                    /* no other fields than `properties` */
    bool has_limits;                /* something besides types is to be looked at */
    struct scalar minimum, maximum; /* PACK_END: none */
    uint32_t length_min, length_max;
    uint32_t items_min, items_max; /* of a list */
    uint32_t entries_max;          /* of a map */
    struct span prefix;
    uint32_t value_first, value_count; /* enum; none: anything */
    uint32_t constant;                 /* place of its value plus one; 0: none */
    uint32_t items;                    /* node; SCHEMA_NODE_NONE: anything */
    uint32_t others;                   /* node of additional properties; SCHEMA_NODE_NONE: anything */
    uint32_t property_first, property_count;
    uint32_t slot_first, slot_count; /* in schema->slots */
    uint64_t required;               /* by place among the properties */
    uint32_t rule_first, rule_count; /* between properties of this object */
};

struct schema_property {
    struct span name;
    uint32_t node;
    bool derived; /* the broker writes it: what a producer says is not looked at */
};

/* Between two properties of one object, by their places. */
struct schema_rule {
    enum { RULE_NEEDS, RULE_ASCENDS } what; /* with `first` there must be `second`; `first` must not exceed `second` */
    uint32_t node;
    uint32_t first, second;
};

struct schema {
    struct schema_node *nodes; /* [0] is the document */
    struct schema_property *properties;
    struct scalar *values;
    struct schema_rule *rules;
    uint8_t *slots;
    uint32_t node_count, property_count, value_count, rule_count, slot_count;
    bool is_open; /* every map is legal */
};

/* The document's own fields that the schema names, by their places; `seen` says which there are. */
struct schema_fields {
    uint64_t seen;
    struct span values[SCHEMA_PROPERTIES_MAX];
};

/* True if the packed map is legal. `fields` is filled in any case that is; what is wrong is noted until the list is full. */
bool schema_check(const struct schema *schema, struct span document, struct schema_fields *fields,
                  struct violations *violations);

/* One field's value alone, as schema_check sees it. */
bool schema_check_field(const struct schema *schema, uint32_t root_property, struct span value, struct violations *violations);

/* The place of a property among those of that node, WORD_NONE if it has none such. */
uint32_t schema_find(const struct schema *schema, const struct schema_node *node, struct span name);

const struct schema_node *schema_node_of(const struct schema *schema, uint32_t root_property);

void schema_fini(struct schema *schema);

#endif
