/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Places on Earth and circles around them. The Earth is a sphere of the mean radius; a place is the point where its position pierces it,
 * in metres from the centre. Two places are as far apart as their chord is long: |a - b| = 2 R sin(d / 2R), which is the haversine
 * formula, has no seam at the poles or the antimeridian, and is exact to a micrometre for neighbours as for antipodes. Pure.
 */
#ifndef CORE_CIRCLE_H
#define CORE_CIRCLE_H

#include "broker/core/kind.h"
#include "broker/core/limits.h"
#include "broker/core/where.h"

#define EARTH_RADIUS_M 6371008.8 /* mean radius R1 of WGS84 (IUGG) */
#define CIRCLE_RADIUS_M_MAX 20000000.0

struct point {
    double x, y, z;
};

/* `near`: a document inside stays inside until it is farther away than leave_m, so that jitter on the border does not flicker. */
struct circle {
    double lat, lon, radius_m;
    uint32_t limit; /* the nearest so many; 0: all */
    struct point centre;
    double chord;       /* of the radius */
    double leave_chord; /* of the radius and its margin */
};

/* False: not a position (NaN, out of -90..90 and -180..180). */
bool point_of(double lat, double lon, struct point *point);

/* Where the document is: `position` {lat, lon}, or `lat` and `lon` of a document without `position`. False: nowhere. */
bool point_of_document(struct span document, struct point *point);

/* The same where its kind says that it is (`x-ahora.position`), if the kind says so and it is there. */
bool point_of_kind(const struct kind *kind, struct span document, struct point *point);

double point_chord(const struct point *a, const struct point *b);

/* The length of the way on the surface. */
double chord_to_distance(double chord);
double chord_of_distance(double distance_m);

/* Reads a packed value as `near`. What is missing is taken from `old`, if there is one (move). AHORA_OK, AHORA_INVALID with *fault. */
enum ahora_code circle_parse(struct span near, const struct limits *limits, const struct circle *old, struct circle *circle,
                             struct request_fault *fault);

#endif
