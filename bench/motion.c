/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/motion.h"

#include <math.h>

#define PI 3.14159265358979323846
#define EARTH_M 6371008.8
#define METRES_PER_DEGREE (EARTH_M * PI / 180)
#define TOWN_LAT 48.0 /* the corner of a square */
#define TOWN_LON 11.3
#define TOWN_M 40000.0
#define COURSE_M 300.0
#define STEP_M 40.0
#define EDGE_SHARE 0.001  /* of a distance: what rounding may decide */
#define MARGIN_SHARE 0.05 /* docs/protocol.md, views: who is inside leaves only beyond a margin */
#define MARGIN_M 10.0

static uint64_t mixed(uint64_t value) { /* splitmix64 */
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static double share_of(uint64_t value) {
    return (double)(mixed(value) >> 11) / (double)(UINT64_C(1) << 53);
}

static struct place place_at(double north_m, double east_m) {
    double lat = TOWN_LAT + north_m / METRES_PER_DEGREE;
    return (struct place){.lat = lat, .lon = TOWN_LON + east_m / (METRES_PER_DEGREE * cos(TOWN_LAT * PI / 180))};
}

struct place motion_of(uint32_t unit, uint64_t version) {
    double angle = 2 * PI * share_of(3 * (uint64_t)unit + 2) + (double)version * STEP_M / COURSE_M;
    return place_at(TOWN_M * share_of(3 * (uint64_t)unit) + COURSE_M * sin(angle),
                    TOWN_M * share_of(3 * (uint64_t)unit + 1) + COURSE_M * cos(angle));
}

struct place motion_centre(uint32_t circle) {
    uint64_t seed = UINT64_C(1) << 40 | (uint64_t)circle << 1;
    return place_at(TOWN_M * share_of(seed), TOWN_M * share_of(seed + 1));
}

double motion_metres(struct place a, struct place b) { /* haversine */
    double north = sin((b.lat - a.lat) * PI / 360);
    double east = sin((b.lon - a.lon) * PI / 360);
    double chord = north * north + cos(a.lat * PI / 180) * cos(b.lat * PI / 180) * east * east;
    return 2 * EARTH_M * asin(sqrt(chord < 1 ? chord : 1));
}

enum whereabouts motion_whereabouts(struct place centre, double radius_m, struct place at) {
    double metres = motion_metres(centre, at);
    double margin_m = MARGIN_SHARE * radius_m > MARGIN_M ? MARGIN_SHARE * radius_m : MARGIN_M;
    if (metres < radius_m * (1 - EDGE_SHARE)) {
        return INSIDE;
    }
    return metres > (radius_m + margin_m) * (1 + EDGE_SHARE) ? OUTSIDE : AT_THE_EDGE;
}
