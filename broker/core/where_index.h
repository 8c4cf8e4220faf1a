/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * From a document to the `where`s that may match it. Each stands under one of its conditions, the most telling: a value it must equal,
 * else one of a few values, else a bound, else a field that must be there. To look costs the fields of the document and what is found, not
 * how many there are. Those with no such condition (only `ne` and `exists: false`) are all looked at, and bounded in number.
 * Owned by one narrowing, one thread.
 */
#ifndef CORE_WHERE_INDEX_H
#define CORE_WHERE_INDEX_H

#include "broker/base/list.h"
#include "broker/base/table.h"
#include "broker/core/tree.h"
#include "broker/core/where.h"

struct where_field;

/* A bound, in a list sorted by its value. */
struct where_bound {
    const struct where_value *value;
    void *owner;
};

struct where_bounds {
    struct where_bound *items;
    size_t count;
    size_t capacity;
};

struct where_index {
    const struct table_key *key; /* borrowed */
    struct table fields;         /* by parent and name */
    struct table values;         /* by field and value */
    struct where_field *root;
    struct link scans; /* those that must all be looked at */
    size_t scan_count;
};

struct where_entry;

/* Where one `where` stands; embedded in what owns it. */
struct where_spot {
    const struct where *where; /* borrowed, longer than it stands here; NULL: nowhere */
    const struct condition *anchor;
    struct where_field *field;
    struct where_entry *entries; /* one for each value of the anchor */
    void *owner;
    struct link scan; /* in index->scans, or in a field's list of those that only ask whether it exists */
};

bool where_index_init(struct where_index *index, const struct table_key *key); /* false: no memory */
void where_index_fini(struct where_index *index);                              /* nothing may be left */

/* Would it have to be looked at for every change? */
bool where_needs_scan(const struct where *where);

/* False: no memory, it does not stand anywhere. */
bool where_index_add(struct where_index *index, struct where_spot *spot, const struct where *where, void *owner);
void where_index_remove(struct where_index *index, struct where_spot *spot); /* harmless for a zeroed spot */

/* Appends the owners of all that may match the document, each once. */
void where_index_find(const struct where_index *index, struct span document, struct tree_found *found);

#endif
