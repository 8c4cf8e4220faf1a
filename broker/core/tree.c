/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct tree_node *node_create(struct tree_node *parent, struct span text) {
    assert(text.bytes <= AHORA_SEGMENT_BYTES_MAX);
    struct tree_node *node = malloc(sizeof *node + text.bytes);
    if (node == NULL) {
        return NULL;
    }
    *node = (struct tree_node){.parent = parent, .bytes = (uint8_t)text.bytes};
    list_init(&node->children);
    list_init(&node->sibling);
    if (text.bytes > 0) {
        memcpy(node->text, text.data, text.bytes);
    }
    return node;
}

bool tree_init(struct tree *tree, const struct table_key *key) {
    *tree = (struct tree){.key = key};
    tree->root = node_create(NULL, (struct span){0});
    return tree->root != NULL && table_init(&tree->nodes);
}

void tree_fini(struct tree *tree) {
    assert(tree->root == NULL || list_is_empty(&tree->root->children));
    free(tree->root);
    table_fini(&tree->nodes);
    *tree = (struct tree){0};
}

static uint64_t hash_of(const struct tree *tree, const struct tree_node *parent, struct span text) {
    uint8_t bytes[sizeof parent->hashed.hash + AHORA_SEGMENT_BYTES_MAX];
    memcpy(bytes, &parent->hashed.hash,
           sizeof parent->hashed.hash); /* the parent by its own hash: addresses differ from run to run */
    memcpy(bytes + sizeof parent->hashed.hash, text.data, text.bytes);
    return table_hash(tree->key, bytes, sizeof parent->hashed.hash + text.bytes);
}

static struct tree_node *child_of(const struct tree *tree, const struct tree_node *parent, struct span text) {
    struct table_node *hashed = table_first(&tree->nodes, hash_of(tree, parent, text));
    for (; hashed != NULL; hashed = table_next(hashed)) {
        struct tree_node *node = CONTAINER_OF(hashed, struct tree_node, hashed);
        if (node->parent == parent && span_equal(span_of(node->text, node->bytes), text)) {
            return node;
        }
    }
    return NULL;
}

static struct tree_node *add_child(struct tree *tree, struct tree_node *parent, struct span text) {
    struct tree_node *node = node_create(parent, text);
    if (node == NULL || !table_insert(&tree->nodes, &node->hashed, hash_of(tree, parent, text))) {
        free(node);
        return NULL;
    }
    list_append(&parent->children, &node->sibling);
    return node;
}

/* Removes the node and its ancestors as far as nothing needs them. */
static void prune(struct tree *tree, struct tree_node *node) {
    while (node != tree->root && node->value == NULL && list_is_empty(&node->children)) {
        struct tree_node *parent = node->parent;
        link_remove(&node->sibling);
        table_remove(&tree->nodes, &node->hashed);
        free(node);
        node = parent;
    }
}

struct tree_node *tree_add(struct tree *tree, const struct name *path) {
    struct tree_node *node = tree->root;
    for (unsigned i = 0; i < path->count; i++) {
        struct tree_node *child = child_of(tree, node, path->segments[i]);
        if (child == NULL) {
            child = add_child(tree, node, path->segments[i]);
        }
        if (child == NULL) {
            prune(tree, node);
            return NULL;
        }
        node = child;
    }
    return node;
}

struct tree_node *tree_find(const struct tree *tree, const struct name *path) {
    struct tree_node *node = tree->root;
    for (unsigned i = 0; i < path->count && node != NULL; i++) {
        node = child_of(tree, node, path->segments[i]);
    }
    return node != NULL && node->value != NULL ? node : NULL;
}

/* The node that the path of whole segments leads to, or NULL. */
static const struct tree_node *walk(const struct tree *tree, struct span path) {
    const struct tree_node *node = tree->root;
    while (node != NULL && path.bytes > 0) {
        const uint8_t *slash = memchr(path.data, '/', path.bytes);
        const size_t bytes = slash == NULL ? path.bytes : (size_t)(slash - path.data);
        node = bytes > AHORA_SEGMENT_BYTES_MAX ? NULL : child_of(tree, node, span_of(path.data, bytes));
        path = slash == NULL ? (struct span){0} : span_of(slash + 1, path.bytes - bytes - 1);
    }
    return node;
}

bool tree_foresee(const struct tree *tree, struct tree_trail *trail, struct span path, uint64_t *hash) {
    size_t at = path.bytes; /* of the last segment */
    while (at > 0 && path.data[at - 1] != '/') {
        at--;
    }
    const struct span prefix = {path.data, at > 0 ? at - 1 : 0};
    const struct span last = {path.data + at, path.bytes - at};
    if (trail->parent == NULL || !span_equal(prefix, trail->prefix)) {
        trail->parent = walk(tree, prefix);
        trail->prefix = prefix;
    }
    if (trail->parent == NULL || last.bytes > AHORA_SEGMENT_BYTES_MAX) {
        return false;
    }
    *hash = hash_of(tree, trail->parent, last);
    return true;
}

void tree_drop(struct tree *tree, struct tree_node *node) {
    node->value = NULL;
    prune(tree, node);
}

void tree_found_fini(struct tree_found *found) {
    free(found->values);
    *found = (struct tree_found){0};
}

void tree_found_add(struct tree_found *found, void *value) {
    if (value == NULL || found->failed) {
        return;
    }
    if (found->count == found->capacity) {
        size_t capacity = found->capacity == 0 ? 16 : 2 * found->capacity;
        void **values = realloc(found->values, capacity * sizeof *values);
        if (values == NULL) {
            found->failed = true;
            return;
        }
        found->values = values;
        found->capacity = capacity;
    }
    found->values[found->count++] = value;
}

/* Everything below the node. A path has at most AHORA_SEGMENTS_MAX segments: so deep is the recursion. */
static void select_below(const struct tree_node *node, struct tree_found *found) {
    for (struct link *link = node->children.next; link != &node->children; link = link->next) {
        const struct tree_node *child = CONTAINER_OF(link, struct tree_node, sibling);
        tree_found_add(found, child->value);
        select_below(child, found);
    }
}

/* Topics of the broker's own, at the top of the tree: stars pass them by. */
static bool is_own(const struct tree_node *node) {
    return node->parent != NULL && node->parent->parent == NULL && node->bytes > 0 && node->text[0] == '$';
}

/* Everything below the root but the broker's own. */
static void select_deep(const struct tree_node *node, struct tree_found *found) {
    for (struct link *link = node->children.next; link != &node->children; link = link->next) {
        const struct tree_node *child = CONTAINER_OF(link, struct tree_node, sibling);
        if (!is_own(child)) {
            tree_found_add(found, child->value);
            select_below(child, found);
        }
    }
}

void tree_select_all(const struct tree *tree, struct tree_found *found) {
    select_below(tree->root, found);
}

static void select_from(const struct tree *tree, const struct tree_node *node, const struct name *pattern, unsigned at,
                        struct tree_found *found) {
    if (at == pattern->count) {
        tree_found_add(found, node->value);
        return;
    }
    struct span segment = pattern->segments[at];
    if (span_is(segment, "**")) {
        select_deep(node, found);
        return;
    }
    if (!span_is(segment, "*")) {
        const struct tree_node *child = child_of(tree, node, segment);
        if (child != NULL) {
            select_from(tree, child, pattern, at + 1, found);
        }
        return;
    }
    for (struct link *link = node->children.next; link != &node->children; link = link->next) {
        const struct tree_node *child = CONTAINER_OF(link, struct tree_node, sibling);
        if (!is_own(child)) {
            select_from(tree, child, pattern, at + 1, found);
        }
    }
}

void tree_select(const struct tree *tree, const struct name *pattern, struct tree_found *found) {
    select_from(tree, tree->root, pattern, 0, found);
}

static void match_from(const struct tree *tree, const struct tree_node *node, const struct name *topic, unsigned at,
                       struct tree_found *found) {
    if (at == topic->count) {
        tree_found_add(found, node->value);
        return;
    }
    const bool own = at == 0 && name_is_own(topic);
    const struct tree_node *deep = own ? NULL : child_of(tree, node, span_of_text("**"));
    if (deep != NULL) {
        tree_found_add(found, deep->value);
    }
    const struct tree_node *any = own ? NULL : child_of(tree, node, span_of_text("*"));
    if (any != NULL) {
        match_from(tree, any, topic, at + 1, found);
    }
    const struct tree_node *exact = child_of(tree, node, topic->segments[at]);
    if (exact != NULL && exact != any && exact != deep) { /* the broker's own topics hold stars */
        match_from(tree, exact, topic, at + 1, found);
    }
}

void tree_match(const struct tree *tree, const struct name *topic, struct tree_found *found) {
    match_from(tree, tree->root, topic, 0, found);
}
