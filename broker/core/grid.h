/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * From a place to the circles that may hold it. Space, not the map, is cut into cubes, in levels of doubling size; a circle stands in the
 * at most eight cubes around it at the level whose cubes are no smaller than it. So neither pole nor antimeridian is special, and to look
 * costs one look for each level in use, however many circles there are. Owned by one narrowing, one thread.
 */
#ifndef CORE_GRID_H
#define CORE_GRID_H

#include "broker/base/list.h"
#include "broker/base/table.h"
#include "broker/core/circle.h"
#include "broker/core/tree.h"

#define GRID_LEVEL_MIN 5  /* cubes of 32 m */
#define GRID_LEVEL_MAX 25 /* of 33,554 km: one holds a whole octant */
#define GRID_CELLS_OF_CIRCLE 8

struct grid_cell;

/* A circle in one of its cells. */
struct grid_entry {
    struct link of_cell;
    struct grid_cell *cell;
    void *owner;
};

/* Embedded in what owns the circle. */
struct grid_spot {
    struct grid_entry entries[GRID_CELLS_OF_CIRCLE];
    unsigned count;
    unsigned level;
};

struct grid {
    struct table cells;
    const struct table_key *key; /* borrowed */
    size_t level_counts[GRID_LEVEL_MAX + 1];
    uint32_t levels; /* bits of those in use */
};

bool grid_init(struct grid *grid, const struct table_key *key); /* false: no memory */
void grid_fini(struct grid *grid);                              /* no circle may be left */

/* False: no memory, it does not stand anywhere. */
bool grid_add(struct grid *grid, struct grid_spot *spot, const struct circle *circle, void *owner);
void grid_remove(struct grid *grid, struct grid_spot *spot); /* harmless for a zeroed spot */

/* Appends the owners of all circles that may hold the point, each once: those that do, and some around. */
void grid_find(const struct grid *grid, const struct point *point, struct tree_found *found);

#endif
