/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/octree.h"

#include <assert.h>
#include <stdlib.h>

/* A cube is cut when it holds more than SPLIT points, and made one again when no more than JOIN are left: between the two nothing
   happens, so a point that comes and goes costs nothing. */
#define SPLIT 16
#define JOIN 8

/* A power of two above the Earth's radius, so that the middle of every cube is a number without rounding. */
#define ROOT_HALF_M 8388608.0

struct octree_node {
    struct octree_node *parent;
    struct octree_node *children[8]; /* of one that is cut; NULL where nothing is */
    struct link points;              /* of one that is not */
    struct point centre;
    double half; /* of its side */
    size_t count;
    unsigned depth;
    bool cut;
};

static struct octree_node *node_create(struct octree_node *parent, unsigned octant) {
    struct octree_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    list_init(&node->points);
    node->parent = parent;
    node->half = ROOT_HALF_M;
    if (parent != NULL) {
        const double half = parent->half / 2;
        node->half = half;
        node->depth = parent->depth + 1;
        node->centre = (struct point){
            parent->centre.x + (octant & 1 ? half : -half),
            parent->centre.y + (octant & 2 ? half : -half),
            parent->centre.z + (octant & 4 ? half : -half),
        };
        parent->children[octant] = node;
    }
    return node;
}

static unsigned octant_of(const struct octree_node *node, const struct point *point) {
    return (point->x >= node->centre.x ? 1U : 0) | (point->y >= node->centre.y ? 2U : 0) |
           (point->z >= node->centre.z ? 4U : 0);
}

static void put_point(struct octree_node *node, struct beacon *beacon) {
    list_append(&node->points, &beacon->of_node);
    beacon->node = node;
}

/* Takes an empty node away, and those above it that hold nothing else. */
static void drop_empty(struct octree *octree, struct octree_node *node) {
    while (node != NULL && node->count == 0) {
        struct octree_node *parent = node->parent;
        if (parent == NULL) {
            octree->root = NULL;
        } else {
            for (unsigned i = 0; i < 8; i++) {
                parent->children[i] = parent->children[i] == node ? NULL : parent->children[i];
            }
        }
        free(node);
        node = parent;
    }
}

/* Points of a node that is cut go into its children. False: no memory, all is as before. */
static bool cut(struct octree_node *node) {
    struct octree_node *children[8] = {0};
    node->cut = true;
    for (struct link *link = node->points.next; link != &node->points; link = link->next) {
        const unsigned octant = octant_of(node, &CONTAINER_OF(link, struct beacon, of_node)->point);
        if (children[octant] == NULL && (children[octant] = node_create(node, octant)) == NULL) {
            for (unsigned i = 0; i < 8; i++) {
                free(children[i]);
                node->children[i] = NULL;
            }
            node->cut = false;
            return false;
        }
    }
    for (struct link *link; (link = list_pop(&node->points)) != NULL;) {
        struct beacon *beacon = CONTAINER_OF(link, struct beacon, of_node);
        struct octree_node *child = children[octant_of(node, &beacon->point)];
        child->count++;
        put_point(child, beacon);
    }
    return true;
}

/* The leaf where the point belongs, made and cut as needed; NULL: no memory. */
static struct octree_node *leaf_for(struct octree *octree, const struct point *point) {
    if (octree->root == NULL && (octree->root = node_create(NULL, 0)) == NULL) {
        return NULL;
    }
    struct octree_node *node = octree->root;
    while (node->cut || (node->count >= SPLIT && node->depth < OCTREE_DEPTH_MAX)) {
        if (!node->cut && !cut(node)) {
            return NULL;
        }
        const unsigned octant = octant_of(node, point);
        struct octree_node *child = node->children[octant];
        if (child == NULL) {
            return node_create(node, octant);
        }
        node = child;
    }
    return node;
}

bool octree_add(struct octree *octree, struct beacon *beacon) {
    struct octree_node *leaf = leaf_for(octree, &beacon->point);
    if (leaf == NULL) {
        drop_empty(octree, octree->root);
        return false;
    }
    put_point(leaf, beacon);
    for (struct octree_node *node = leaf; node != NULL; node = node->parent) {
        node->count++;
    }
    octree->count++;
    return true;
}

/* A node that was cut takes back the few points that are left; its children are leaves then, because none of them holds more. */
static void join(struct octree_node *node) {
    for (unsigned i = 0; i < 8; i++) {
        struct octree_node *child = node->children[i];
        if (child == NULL) {
            continue;
        }
        assert(!child->cut && "it was joined when it came to hold so few");
        for (struct link *link; (link = list_pop(&child->points)) != NULL;) {
            put_point(node, CONTAINER_OF(link, struct beacon, of_node));
        }
        node->children[i] = NULL;
        free(child);
    }
    node->cut = false;
}

void octree_remove(struct octree *octree, struct beacon *beacon) {
    struct octree_node *leaf = beacon->node;
    assert(leaf != NULL && !leaf->cut);
    link_remove(&beacon->of_node);
    beacon->node = NULL;
    octree->count--;
    for (struct octree_node *node = leaf; node != NULL; node = node->parent) {
        node->count--;
        if (node->cut && node->count <= JOIN) {
            join(node);
            leaf = node;
        }
    }
    drop_empty(octree, leaf);
}

static bool covers(const struct octree_node *node, const struct point *point) {
    return point->x >= node->centre.x - node->half && point->x < node->centre.x + node->half &&
           point->y >= node->centre.y - node->half && point->y < node->centre.y + node->half &&
           point->z >= node->centre.z - node->half && point->z < node->centre.z + node->half;
}

bool octree_move(struct octree *octree, struct beacon *beacon, const struct point *point) {
    if (covers(beacon->node, point)) {
        beacon->point = *point;
        return true;
    }
    octree_remove(octree, beacon);
    beacon->point = *point;
    return octree_add(octree, beacon);
}

/* How far a coordinate lies outside the cube. */
static double outside(double at, double centre, double half) {
    const double off = at > centre ? at - centre : centre - at;
    return off > half ? off - half : 0;
}

/* The recursion is at most OCTREE_DEPTH_MAX deep. */
static void find_in(const struct octree_node *node, const struct point *centre, double chord, struct tree_found *found) {
    const double x = outside(centre->x, node->centre.x, node->half);
    const double y = outside(centre->y, node->centre.y, node->half);
    const double z = outside(centre->z, node->centre.z, node->half);
    if (x * x + y * y + z * z > chord * chord) {
        return;
    }
    for (unsigned i = 0; node->cut && i < 8; i++) {
        if (node->children[i] != NULL) {
            find_in(node->children[i], centre, chord, found);
        }
    }
    for (struct link *link = node->points.next; link != &node->points; link = link->next) {
        struct beacon *beacon = CONTAINER_OF(link, struct beacon, of_node);
        if (point_chord(&beacon->point, centre) <= chord) {
            tree_found_add(found, beacon);
        }
    }
}

void octree_find(const struct octree *octree, const struct point *centre, double chord, struct tree_found *found) {
    if (octree->root != NULL) {
        find_in(octree->root, centre, chord, found);
    }
}

void octree_fini(struct octree *octree) {
    assert(octree->count == 0 && octree->root == NULL);
    *octree = (struct octree){0};
}
