/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/grid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct cell_key {
    int32_t level, x, y, z;
};

struct grid_cell {
    struct table_node hashed;
    struct cell_key key;
    struct link entries;
};

bool grid_init(struct grid *grid, const struct table_key *key) {
    *grid = (struct grid){.key = key};
    return table_init(&grid->cells);
}

void grid_fini(struct grid *grid) {
    assert(grid->levels == 0);
    table_fini(&grid->cells);
    *grid = (struct grid){0};
}

/* Which cube a coordinate falls into. */
static int32_t cube_of(double coordinate, unsigned level) {
    const double cubes = coordinate / (double)(UINT64_C(1) << level);
    const int32_t whole = (int32_t)cubes; /* towards zero */
    return cubes < (double)whole ? whole - 1 : whole;
}

static uint64_t hash_of(const struct grid *grid, const struct cell_key *key) {
    return table_hash(grid->key, key, sizeof *key);
}

static struct grid_cell *cell_find(const struct grid *grid, const struct cell_key *key) {
    struct table_node *node = table_first(&grid->cells, hash_of(grid, key));
    for (; node != NULL; node = table_next(node)) {
        struct grid_cell *cell = CONTAINER_OF(node, struct grid_cell, hashed);
        if (memcmp(&cell->key, key, sizeof *key) == 0) {
            return cell;
        }
    }
    return NULL;
}

static struct grid_cell *cell_get(struct grid *grid, const struct cell_key *key) {
    struct grid_cell *cell = cell_find(grid, key);
    if (cell != NULL) {
        return cell;
    }
    cell = malloc(sizeof *cell);
    if (cell == NULL) {
        return NULL;
    }
    *cell = (struct grid_cell){.key = *key};
    list_init(&cell->entries);
    if (!table_insert(&grid->cells, &cell->hashed, hash_of(grid, key))) {
        free(cell);
        return NULL;
    }
    return cell;
}

static bool enter_cell(struct grid *grid, struct grid_spot *spot, const struct cell_key *key, void *owner) {
    struct grid_cell *cell = cell_get(grid, key);
    if (cell == NULL) {
        return false;
    }
    struct grid_entry *entry = &spot->entries[spot->count++];
    *entry = (struct grid_entry){.cell = cell, .owner = owner};
    list_append(&cell->entries, &entry->of_cell);
    return true;
}

/* The lowest level whose cubes are as wide as the circle: it then reaches into two in each direction at most. */
static unsigned level_of(const struct circle *circle) {
    unsigned level = GRID_LEVEL_MIN;
    while (level < GRID_LEVEL_MAX && (double)(UINT64_C(1) << level) < 2 * circle->chord) {
        level++;
    }
    return level;
}

static bool enter_cells(struct grid *grid, struct grid_spot *spot, const struct circle *circle, void *owner) {
    const struct point *at = &circle->centre;
    const double reach = circle->chord;
    const unsigned level = spot->level;
    const int32_t x_last = cube_of(at->x + reach, level);
    const int32_t y_last = cube_of(at->y + reach, level);
    const int32_t z_last = cube_of(at->z + reach, level);
    for (int32_t x = cube_of(at->x - reach, level); x <= x_last; x++) {
        for (int32_t y = cube_of(at->y - reach, level); y <= y_last; y++) {
            for (int32_t z = cube_of(at->z - reach, level); z <= z_last; z++) {
                const struct cell_key key = {(int32_t)level, x, y, z};
                if (spot->count == GRID_CELLS_OF_CIRCLE || !enter_cell(grid, spot, &key, owner)) {
                    assert(spot->count < GRID_CELLS_OF_CIRCLE && "two cubes in each direction");
                    return false;
                }
            }
        }
    }
    return true;
}

bool grid_add(struct grid *grid, struct grid_spot *spot, const struct circle *circle, void *owner) {
    assert(spot->count == 0);
    spot->level = level_of(circle);
    grid->level_counts[spot->level]++;
    grid->levels |= UINT32_C(1) << spot->level;
    if (!enter_cells(grid, spot, circle, owner)) {
        grid_remove(grid, spot);
        return false;
    }
    return true;
}

void grid_remove(struct grid *grid, struct grid_spot *spot) {
    if (spot->level == 0) {
        return;
    }
    for (unsigned i = 0; i < spot->count; i++) {
        struct grid_cell *cell = spot->entries[i].cell;
        link_remove(&spot->entries[i].of_cell);
        if (list_is_empty(&cell->entries)) {
            table_remove(&grid->cells, &cell->hashed);
            free(cell);
        }
    }
    assert(grid->level_counts[spot->level] > 0);
    if (--grid->level_counts[spot->level] == 0) {
        grid->levels &= ~(UINT32_C(1) << spot->level);
    }
    spot->count = 0;
    spot->level = 0;
}

void grid_find(const struct grid *grid, const struct point *point, struct tree_found *found) {
    for (uint32_t left = grid->levels; left != 0; left &= left - 1) {
        const unsigned level = (unsigned)__builtin_ctz(left);
        const struct cell_key key = {(int32_t)level, cube_of(point->x, level), cube_of(point->y, level),
                                     cube_of(point->z, level)};
        struct grid_cell *cell = cell_find(grid, &key);
        if (cell == NULL) {
            continue;
        }
        for (struct link *link = cell->entries.next; link != &cell->entries; link = link->next) {
            tree_found_add(found, CONTAINER_OF(link, struct grid_entry, of_cell)->owner);
        }
    }
}
