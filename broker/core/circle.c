/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/circle.h"

#include <math.h>

#define RADIANS_A_DEGREE 0.017453292519943295

bool point_of(double lat, double lon, struct point *point) {
    if (!(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180)) { /* NaN fails too */
        return false;
    }
    const double latitude = lat * RADIANS_A_DEGREE;
    const double longitude = lon * RADIANS_A_DEGREE;
    const double ring = EARTH_RADIUS_M * cos(latitude);
    *point = (struct point){ring * cos(longitude), ring * sin(longitude), EARTH_RADIUS_M * sin(latitude)};
    return true;
}

static bool read_number(struct span map, const char *key, double *number) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    *number = pack_read_float(&reader);
    return !reader.failed;
}

bool point_of_document(struct span document, struct point *point) {
    struct span position = pack_find(document, "position");
    double lat;
    double lon;
    if (position.data == NULL) {
        position = document;
    }
    return read_number(position, "lat", &lat) && read_number(position, "lon", &lon) && point_of(lat, lon, point);
}

bool point_of_kind(const struct kind *kind, struct span document, struct point *point) {
    const struct field_path *path = &kind->position;
    struct span position = document;
    double lat;
    double lon;
    for (uint32_t i = 0; i < path->count && position.data != NULL; i++) {
        struct pack_reader reader = pack_reader_of(position);
        position = pack_peek(&reader) == PACK_MAP ? pack_find_key(position, path->keys[i]) : (struct span){0};
    }
    if (path->count > 0 && position.data != NULL && read_number(position, "lat", &lat) && read_number(position, "lon", &lon)) {
        return point_of(lat, lon, point);
    }
    return point_of_document(document, point);
}

double point_chord(const struct point *a, const struct point *b) {
    const double x = a->x - b->x;
    const double y = a->y - b->y;
    const double z = a->z - b->z;
    return sqrt(x * x + y * y + z * z);
}

double chord_to_distance(double chord) {
    const double half = chord / (2 * EARTH_RADIUS_M);
    return 2 * EARTH_RADIUS_M * asin(half < 1 ? half : 1);
}

/* No distance is longer than half way around. */
double chord_of_distance(double distance_m) {
    const double half = distance_m / (2 * EARTH_RADIUS_M);
    return half < 1.5707963267948966 ? 2 * EARTH_RADIUS_M * sin(half) : 2 * EARTH_RADIUS_M;
}

/* ---- reading ---- */

static enum ahora_code refuse(struct request_fault *fault, const char *detail, const char *key) {
    request_fault_set(fault, detail, "near", (struct span){0}, key);
    return AHORA_INVALID;
}

/* A number into *out, which keeps what it has if the key is missing. False: not a number. */
static bool read_optional(struct span near, const char *key, double *out) {
    return pack_find(near, key).data == NULL || read_number(near, key, out);
}

static bool read_limit(struct span near, const struct limits *limits, uint32_t *limit) {
    struct span packed = pack_find(near, "limit");
    if (packed.data == NULL) {
        return true;
    }
    struct pack_reader reader = pack_reader_of(packed);
    const int64_t wanted = pack_read_int(&reader);
    *limit = (uint32_t)wanted;
    return !reader.failed && wanted >= 1 && (uint64_t)wanted <= limits->near_limit_max;
}

enum ahora_code circle_parse(struct span near, const struct limits *limits, const struct circle *old, struct circle *circle,
                             struct request_fault *fault) {
    struct pack_reader reader = pack_reader_of(near);
    *circle = old != NULL ? *old : (struct circle){.lat = NAN, .lon = NAN, .radius_m = NAN};
    if (pack_peek(&reader) != PACK_MAP) {
        return refuse(fault, "`near` must be a map", NULL);
    }
    if (!read_optional(near, "lat", &circle->lat) || !(circle->lat >= -90 && circle->lat <= 90)) {
        return refuse(fault, "`lat` must be a number from -90 to 90", "lat");
    }
    if (!read_optional(near, "lon", &circle->lon) || !(circle->lon >= -180 && circle->lon <= 180)) {
        return refuse(fault, "`lon` must be a number from -180 to 180", "lon");
    }
    if (!read_optional(near, "radius_m", &circle->radius_m) ||
        !(circle->radius_m > 0 && circle->radius_m <= CIRCLE_RADIUS_M_MAX)) {
        return refuse(fault, "`radius_m` must be a number above 0 and at most 20000000", "radius_m");
    }
    if (!read_limit(near, limits, &circle->limit)) {
        return refuse(fault, "`limit` must be an integer of at least 1, and no more than the broker keeps", "limit");
    }
    const double share = circle->radius_m * (double)limits->near_margin_percent / 100;
    const double margin = share > (double)limits->near_margin_m ? share : (double)limits->near_margin_m;
    circle->chord = chord_of_distance(circle->radius_m);
    circle->leave_chord = chord_of_distance(circle->radius_m + margin);
    (void)point_of(circle->lat, circle->lon, &circle->centre);
    return AHORA_OK;
}
