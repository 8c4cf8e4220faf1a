/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The first line is read as a `where`, the second as a `near`, the others as documents. Whatever is accepted must judge each document as a
 * second, naive reading by jansson does, and be found by its index; what is refused must say where.
 */
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/circle.h"
#include "broker/core/grid.h"
#include "broker/core/octree.h"
#include "broker/core/where_index.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct text {
    struct span span;
    struct buffer packed;
    json_t *json; /* NULL: not legal */
};

static struct text next_text(struct span *rest) {
    const uint8_t *end = rest->bytes == 0 ? NULL : memchr(rest->data, '\n', rest->bytes);
    struct text text = {.span = span_of(rest->data, end == NULL ? rest->bytes : (size_t)(end - rest->data))};
    const char *detail = NULL;
    *rest = end == NULL ? span_of(rest->data, 0) : span_of(end + 1, rest->bytes - text.span.bytes - 1);
    buffer_init(&text.packed, 1 << 20);
    if (json_to_pack(text.span, AHORA_DEPTH_MAX, &text.packed, &detail) == AHORA_OK) {
        text.json = json_loadb((const char *)text.span.data, text.span.bytes, JSON_DECODE_ANY, NULL);
        assert(text.json != NULL);
    }
    return text;
}

static void text_fini(struct text *text) {
    buffer_fini(&text->packed);
    json_decref(text->json);
}

/* ---- the naive `where` ---- */

/* Field names are simple here: those with a dot, a slash or a tilde are left to the paths below, cut by hand. */
static const json_t *find(const json_t *document, const char *field) {
    const bool pointer = field[0] == '/';
    const char *rest = pointer ? field + 1 : field;
    const json_t *at = document;
    for (bool more = true; more && at != NULL;) {
        char name[2048];
        size_t bytes = 0;
        for (; *rest != '\0' && *rest != (pointer ? '/' : '.'); rest++) {
            char c = *rest;
            if (pointer && c == '~') {
                c = *++rest == '0' ? '~' : '/';
            }
            name[bytes++] = c;
        }
        name[bytes] = '\0';
        more = *rest != '\0';
        rest += more;
        at = json_is_object(at) ? json_object_get(at, name) : NULL;
    }
    return at;
}

static long double number_of(const json_t *value) { /* 64 bits of mantissa hold every integer and every double */
    return json_is_integer(value) ? (long double)json_integer_value(value) : (long double)json_real_value(value);
}

static bool equal(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) {
        return number_of(a) == number_of(b);
    }
    return !json_is_object(a) && !json_is_array(a) && json_equal(a, b);
}

static bool less(const json_t *a, const json_t *b) {
    return json_is_number(a) ? number_of(a) < number_of(b) : strcmp(json_string_value(a), json_string_value(b)) < 0;
}

static bool holds(const json_t *value, const char *op, const json_t *operand) {
    if (strcmp(op, "exists") == 0) {
        return (value != NULL) == json_is_true(operand);
    }
    if (strcmp(op, "eq") == 0 || strcmp(op, "ne") == 0) {
        return (value != NULL && equal(value, operand)) == (op[0] == 'e');
    }
    if (strcmp(op, "in") == 0) {
        size_t index;
        json_t *one;
        bool found = false;
        json_array_foreach(operand, index, one) {
            found = found || (value != NULL && equal(value, one));
        }
        return found;
    }
    if (value == NULL || json_is_number(value) != json_is_number(operand) || json_is_string(value) != json_is_string(operand)) {
        return false;
    }
    const bool orders = op[0] == 'l' ? less(value, operand) : less(operand, value);
    return orders || (op[2] == 'e' && equal(value, operand));
}

static bool matches(const json_t *where, const json_t *document) {
    const char *field;
    const char *op;
    json_t *condition;
    json_t *operand;
    json_object_foreach((json_t *)(uintptr_t)where, field, condition) {
        json_object_foreach(condition, op, operand) {
            if (!holds(find(document, field), op, operand)) {
                return false;
            }
        }
    }
    return true;
}

static void check_where(const struct where *where, const struct text *text, const struct text *document) {
    struct table_key key;
    struct where_index index;
    struct where_spot spot = {0};
    struct tree_found found = {0};
    const bool right = matches(text->json, document->json);
    assert(where_matches(where, buffer_span(&document->packed)) == right);
    table_key_init(&key, 1);
    bool fine = where_index_init(&index, &key) && where_index_add(&index, &spot, where, &spot);
    assert(fine);
    (void)fine;
    where_index_find(&index, buffer_span(&document->packed), &found);
    assert(found.count <= 1 && (found.count == 1 || !right));
    where_index_remove(&index, &spot);
    where_index_fini(&index);
    tree_found_fini(&found);
}

/* ---- the naive `near` ---- */

static bool position_of(const json_t *document, double *lat, double *lon) {
    const json_t *position = json_object_get(document, "position");
    position = position == NULL ? document : position;
    const json_t *north = json_object_get(position, "lat");
    const json_t *east = json_object_get(position, "lon");
    *lat = json_number_value(north);
    *lon = json_number_value(east);
    return json_is_number(north) && json_is_number(east) && fabs(*lat) <= 90 && fabs(*lon) <= 180;
}

static double haversine(double lat_a, double lon_a, double lat_b, double lon_b) {
    const double radians = acos(-1) / 180;
    const double half_lat = sin((lat_b - lat_a) * radians / 2);
    const double half_lon = sin((lon_b - lon_a) * radians / 2);
    const double part = half_lat * half_lat + cos(lat_a * radians) * cos(lat_b * radians) * half_lon * half_lon;
    return 2 * EARTH_RADIUS_M * asin(part >= 1 ? 1 : sqrt(part));
}

static void check_near(const struct circle *circle, const struct text *document) {
    double lat;
    double lon;
    struct point point;
    const bool placed = position_of(document->json, &lat, &lon);
    assert(point_of_document(buffer_span(&document->packed), &point) == placed);
    if (!placed) {
        return;
    }
    const double distance = haversine(circle->lat, circle->lon, lat, lon);
    const double slack = 1e-3 + distance * 1e-6;
    const bool inside = point_chord(&point, &circle->centre) <= circle->chord;
    assert(fabs(distance - circle->radius_m) <= slack || inside == (distance < circle->radius_m));

    struct table_key key;
    struct grid grid;
    struct grid_spot spot = {0};
    struct octree octree = {0};
    struct beacon beacon = {.point = point};
    struct tree_found circles = {0};
    struct tree_found points = {0};
    table_key_init(&key, 1);
    bool fine = grid_init(&grid, &key) && grid_add(&grid, &spot, circle, &spot) && octree_add(&octree, &beacon);
    assert(fine);
    (void)fine;
    grid_find(&grid, &point, &circles);
    octree_find(&octree, &circle->centre, circle->chord, &points);
    assert((circles.count == 1 || !inside) && points.count == inside);
    grid_remove(&grid, &spot);
    grid_fini(&grid);
    octree_remove(&octree, &beacon);
    octree_fini(&octree);
    tree_found_fini(&circles);
    tree_found_fini(&points);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct limits limits;
    struct span rest = span_of(data, bytes);
    struct text where_text = next_text(&rest);
    struct text near_text = next_text(&rest);
    struct where *where = NULL;
    struct circle circle;
    struct request_fault fault = {0};
    limits_default(&limits);
    limits.where_bytes_max = 2000;
    enum ahora_code where_code = AHORA_INVALID;
    enum ahora_code near_code = AHORA_INVALID;
    if (where_text.json != NULL) {
        where_code = where_parse(buffer_span(&where_text.packed), &limits, &where, &fault);
        assert(where_code == AHORA_OK || (where_code == AHORA_INVALID && fault.pointer[0] == '/' && fault.detail != NULL));
    }
    if (near_text.json != NULL) {
        near_code = circle_parse(buffer_span(&near_text.packed), &limits, NULL, &circle, &fault);
        assert(near_code == AHORA_OK || (near_code == AHORA_INVALID && fault.pointer[0] == '/' && fault.detail != NULL));
    }
    for (int documents = 0; documents < 8 && rest.bytes > 0; documents++) {
        struct text document = next_text(&rest);
        if (json_is_object(document.json) && where_code == AHORA_OK) {
            check_where(where, &where_text, &document);
        }
        if (json_is_object(document.json) && near_code == AHORA_OK) {
            check_near(&circle, &document);
        }
        text_fini(&document);
    }
    where_unref(where);
    text_fini(&where_text);
    text_fini(&near_text);
    return 0;
}
