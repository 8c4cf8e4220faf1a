/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Fields that the broker writes: derived ones (ordered rules, the first that holds gives the value) and the history of another field.
 * They follow from the document, its predecessor, and what the change said, so that the same input gives the same bytes.
 */
#ifndef CORE_DERIVE_H
#define CORE_DERIVE_H

#include "broker/core/schema.h"

#define DERIVE_FIELDS_MAX 8
#define DERIVE_RULES_MAX 64 /* of one kind */
#define DERIVE_CONDITIONS_MAX 128
#define DERIVE_VALUES_MAX 256
#define HISTORY_ENTRIES_MAX 32
#define HISTORY_COPIES_MAX 4

enum derive_op { DERIVE_EQ, DERIVE_NE, DERIVE_LT, DERIVE_LTE, DERIVE_GT, DERIVE_GTE, DERIVE_IN, DERIVE_EXISTS, DERIVE_OPS };

/* Every condition but `exists` needs the field to be there. */
struct derive_condition {
    uint32_t field; /* among the document's properties, as all below */
    enum derive_op op;
    uint32_t other;                    /* compare with that field; WORD_NONE: with the values */
    uint32_t value_first, value_count; /* with `other`: what it counts as when absent, or none */
};

struct derive_rule {
    uint32_t condition_first, condition_count; /* all must hold */
    struct span value;                         /* packed */
};

struct derive_field {
    uint32_t field;
    uint32_t keep_first, keep_count; /* values of a producer that stay */
    uint32_t rule_first, rule_count;
};

/* What of the change an entry takes along, and under which name. */
struct history_copy {
    struct span name;
    uint32_t from;
};

struct history {
    uint32_t field;
    uint32_t of;
    uint32_t entries_max; /* 0: the kind keeps none */
    struct history_copy copies[HISTORY_COPIES_MAX];
    uint32_t copy_count;
};

struct derive {
    struct derive_field fields[DERIVE_FIELDS_MAX];
    struct derive_rule rules[DERIVE_RULES_MAX];
    struct derive_condition conditions[DERIVE_CONDITIONS_MAX];
    struct scalar values[DERIVE_VALUES_MAX];
    uint32_t field_count, rule_count, condition_count, value_count;
    struct history history;
};

/* How many fields the broker writes in all; 0: nothing to do. */
uint32_t derive_count(const struct derive *derive);

/* The place of the n-th of them among the document's properties. */
uint32_t derive_property(const struct derive *derive, uint32_t index);

/* Whether the n-th of them follows from what the predecessor holds there, too. */
bool derive_needs_old(const struct derive *derive, uint32_t index);

/* What the n-th of them must be: a packed value that points into the document, the rules or `history`; empty: the field is not to be.
   `old`: what the predecessor holds there. `said`: the map the change brought. A history is written into `out`, emptied before. */
struct span derive_value(const struct derive *derive, const struct schema *schema, uint32_t index,
                         const struct schema_fields *fields, struct span old, struct span said, int64_t at, struct buffer *out);

/* Reads `derive` and `history` of x-ahora (empty spans: none) and marks their fields in the schema. False: see `errors`. */
bool derive_compile(struct derive *derive, struct schema *schema, struct span rules, struct span history,
                    const struct pointer *place, struct violations *errors);

#endif
