/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* People with a circle each, what they say to the broker and hear from it, and whether that is right. In MessagePack. */
#ifndef BENCH_TOWN_H
#define BENCH_TOWN_H

#include "bench/motion.h"
#include "bench/run.h"

/* What a circle holds of a unit. */
struct held {
    uint32_t unit;
    uint64_t version;
    bool is_there; /* false: it has left */
};

struct circle {
    struct connection connection; /* first */
    struct place centre;
    struct held *held;
    uint32_t held_count;
    uint32_t held_room;
    uint64_t gaps;
    uint64_t skipped;
    bool is_live;
    bool is_moving; /* between `move` and its `live`: both places count */
    bool has_moved;
};

struct town {
    struct run *run;
    struct dialect dialect;
    struct producer *producer;
    struct circle *circles;
    uint32_t circle_count;
    uint32_t live_count;
    uint32_t moving_count;
    double radius_m;
    bool is_refused;
    uint64_t entered;
    uint64_t left;
};

/* Its dialect. False: out of memory. */
bool town_init_dialect(struct town *town);

/* Starts to connect; it subscribes when it can. */
bool town_open_circle(struct town *town, uint32_t number);

/* To another place, once. */
void town_move_circle(struct town *town, uint32_t number);

#endif
