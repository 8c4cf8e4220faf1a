/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Units on the move in a town, and circles around places in it. Where a unit is at its version n follows from its number and n alone, so
 * that for every delivery, and for every one that is missing, it can be said whether it belongs into a circle.
 */
#ifndef BENCH_MOTION_H
#define BENCH_MOTION_H

#include <stdbool.h>
#include <stdint.h>

struct place {
    double lat;
    double lon;
};

/* Each unit goes round on a course of its own of 300 m radius, 40 m a version. */
struct place motion_of(uint32_t unit, uint64_t version);

/* Where circle number n is in the beginning; it may be moved to place n + 1000000 or so. */
struct place motion_centre(uint32_t circle);

/* On a sphere of the earth's mean radius. */
double motion_metres(struct place a, struct place b);

enum whereabouts {
    OUTSIDE,
    AT_THE_EDGE, /* within the margin, where it depends on where it came from */
    INSIDE,
};

enum whereabouts motion_whereabouts(struct place centre, double radius_m, struct place at);

#endif
