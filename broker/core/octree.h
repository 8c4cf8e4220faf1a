/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * From a circle to the places in it: points in space, in cubes that are cut in eight when they hold many. To look costs what is found and
 * the cubes on the border; to add, move or take away a point costs its depth, at most OCTREE_DEPTH_MAX. Points are walked in the order
 * of their arrival in a cube, so a walk repeats exactly. Owned by one narrowing, one thread.
 */
#ifndef CORE_OCTREE_H
#define CORE_OCTREE_H

#include "broker/base/list.h"
#include "broker/core/circle.h"
#include "broker/core/tree.h"

#define OCTREE_DEPTH_MAX 20 /* cubes of 16 m: what is closer stays in one */

struct octree_node;

/* A point that can be found. */
struct beacon {
    struct link of_node;
    struct octree_node *node;
    struct point point;
    void *owner;
    uint64_t looked; /* the owner's: when it was last looked at */
};

struct octree {
    struct octree_node *root;
    size_t count;
};

void octree_fini(struct octree *octree); /* a zeroed one is empty; no point may be left */

/* The beacon has its point. False: no memory, it is not in. */
bool octree_add(struct octree *octree, struct beacon *beacon);
void octree_remove(struct octree *octree, struct beacon *beacon);

/* False: no memory, it is out. */
bool octree_move(struct octree *octree, struct beacon *beacon, const struct point *point);

/* Appends the beacons whose chord to the centre is at most so long. */
void octree_find(const struct octree *octree, const struct point *centre, double chord, struct tree_found *found);

#endif
