/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Paths by segment. The same tree serves twice: topics, searched by a pattern, and patterns, searched by a topic.
 * A node holds a value if a path ends there; nodes without value or children vanish. Children are found by hash and walked in the
 * order of their arrival, so a walk repeats exactly. Owned by one ledger or one set of views, one thread.
 */
#ifndef CORE_TREE_H
#define CORE_TREE_H

#include "broker/base/list.h"
#include "broker/base/table.h"
#include "proto/name.h"

struct tree_node {
    struct table_node hashed; /* by parent and text */
    struct tree_node *parent;
    struct link children;
    struct link sibling;
    void *value;
    uint8_t bytes;
    char text[];
};

struct tree {
    struct table nodes;
    struct tree_node *root;
    const struct table_key *key; /* borrowed */
};

bool tree_init(struct tree *tree, const struct table_key *key); /* false: no memory */
void tree_fini(struct tree *tree);                              /* every value must be gone */

/* The node of the path, made if missing; NULL: no memory. The caller sets its value. */
struct tree_node *tree_add(struct tree *tree, const struct name *path);
struct tree_node *tree_find(const struct tree *tree, const struct name *path); /* NULL if absent */

/* The hash of the node of the path, whether it is there or not, if that of its parent is; what is above the last of them is kept in `trail`, for paths come with
   their like. False: it would be made together with its parent. */
struct tree_trail {
    const struct tree_node *parent;
    struct span prefix; /* borrowed, of the path before */
};

bool tree_foresee(const struct tree *tree, struct tree_trail *trail, struct span path, uint64_t *hash);

/* Takes the value away, and what nodes it alone kept. */
void tree_drop(struct tree *tree, struct tree_node *node);

/* Values found, in a list that grows; `failed`: no memory, what is there is incomplete. */
struct tree_found {
    void **values;
    size_t count;
    size_t capacity;
    bool failed;
};

void tree_found_fini(struct tree_found *found);
void tree_found_add(struct tree_found *found, void *value); /* NULL is not added */

/* Appends the values of all paths that the pattern selects; a star in front selects nothing that starts with "$". Cost: the branches the pattern can reach. */
void tree_select(const struct tree *tree, const struct name *pattern, struct tree_found *found);

/* Appends all values there are. */
void tree_select_all(const struct tree *tree, struct tree_found *found);

/* In a tree of patterns: appends the values of all patterns that select the topic. Cost: at most 3^segments, in practice a few. */
void tree_match(const struct tree *tree, const struct name *topic, struct tree_found *found);

#endif
