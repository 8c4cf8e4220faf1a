/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Circles: distances against the haversine formula, what is no circle, and the two indexes against a look at each. */
#include "broker/core/circle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/grid.h"
#include "broker/core/octree.h"
#include "proto/json.h"
#include "tests/sim/dice.h"

static double haversine(double lat_a, double lon_a, double lat_b, double lon_b) {
    const double radians = acos(-1) / 180;
    const double half_lat = sin((lat_b - lat_a) * radians / 2);
    const double half_lon = sin((lon_b - lon_a) * radians / 2);
    const double part = half_lat * half_lat + cos(lat_a * radians) * cos(lat_b * radians) * half_lon * half_lon;
    return 2 * EARTH_RADIUS_M * asin(part >= 1 ? 1 : sqrt(part));
}

static double draw_degrees(struct dice *dice, double most) {
    return (double)dice_between(dice, -1000000000, 1000000000) / 1e9 * most;
}

static void a_chord_tells_the_distance(void **state) {
    (void)state;
    struct dice dice = {1};
    for (int i = 0; i < 20000; i++) {
        const double lat = draw_degrees(&dice, 90);
        const double lon = draw_degrees(&dice, 180);
        const double off = i % 2 == 0 ? 1e-4 : 180;
        double lat_b = fmax(-90, fmin(90, lat + draw_degrees(&dice, off)));
        double lon_b = fmax(-180, fmin(180, lon + draw_degrees(&dice, off)));
        struct point a;
        struct point b;
        assert_true(point_of(lat, lon, &a) && point_of(lat_b, lon_b, &b));
        const double right = haversine(lat, lon, lat_b, lon_b);
        const double told = chord_to_distance(point_chord(&a, &b));
        assert_true(fabs(told - right) <= 1e-6 + right * 1e-7);
        assert_true(fabs(chord_of_distance(right) - point_chord(&a, &b)) <= 1e-6 + right * 1e-7);
    }
    assert_true(fabs(haversine(0, 0, 0, 1) - 111195.08) < 0.1);
}

static void the_seams_are_no_seams(void **state) {
    (void)state;
    struct point a;
    struct point b;
    assert_true(point_of(10, 180, &a) && point_of(10, -180, &b));
    assert_true(point_chord(&a, &b) < 1e-6);
    assert_true(point_of(10, 179.999, &a) && point_of(10, -179.999, &b));
    assert_true(fabs(chord_to_distance(point_chord(&a, &b)) - haversine(10, 0, 10, 0.002)) < 0.01);
    assert_true(point_of(90, 12, &a) && point_of(90, -100, &b));
    assert_true(point_chord(&a, &b) < 1e-6);
    assert_true(point_of(-89.99, 0, &a) && point_of(-89.99, 180, &b));
    assert_true(fabs(chord_to_distance(point_chord(&a, &b)) - haversine(0, 0, 0.02, 0)) < 0.01);
}

static void pack(struct buffer *out, const char *json) {
    const char *detail = NULL;
    buffer_init(out, SIZE_MAX);
    assert_int_equal(json_to_pack(span_of_text(json), AHORA_DEPTH_MAX, out, &detail), AHORA_OK);
}

static void a_document_is_where_it_says(void **state) {
    (void)state;
    static const struct {
        const char *document;
        bool placed;
    } cases[] = {
        {"{\"position\":{\"lat\":1,\"lon\":2.5}}", true},
        {"{\"lat\":1,\"lon\":2}", true},
        {"{\"position\":{\"lat\":1,\"lon\":2},\"lat\":\"x\",\"lon\":7}", true},
        {"{\"position\":{\"lat\":-90,\"lon\":-180}}", true},
        {"{}", false},
        {"{\"position\":null,\"lat\":1,\"lon\":2}", false},
        {"{\"position\":{\"lat\":1}}", false},
        {"{\"position\":{\"lat\":\"1\",\"lon\":2}}", false},
        {"{\"position\":{\"lat\":90.001,\"lon\":2}}", false},
        {"{\"position\":{\"lat\":1,\"lon\":-180.5}}", false},
        {"{\"position\":[1,2]}", false},
        {"{\"lat\":1}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer packed;
        struct point point;
        pack(&packed, cases[i].document);
        assert_int_equal(point_of_document(buffer_span(&packed), &point), cases[i].placed);
        buffer_fini(&packed);
    }
    struct point point;
    assert_false(point_of(NAN, 0, &point));
    assert_false(point_of(0, INFINITY, &point));
}

static void a_kind_says_where_its_position_is(void **state) {
    (void)state;
    const struct kind kind = {.position = {.keys = {span_of_text("courier"), span_of_text("at")}, .count = 2}};
    static const struct {
        const char *json;
        double lat; /* 0: nowhere */
    } cases[] = {
        {"{\"courier\":{\"at\":{\"lat\":10,\"lon\":20}},\"position\":{\"lat\":30,\"lon\":40}}", 10},
        {"{\"courier\":{\"at\":{\"lat\":10}},\"position\":{\"lat\":30,\"lon\":40}}", 30},
        {"{\"courier\":5,\"position\":{\"lat\":30,\"lon\":40}}", 30},
        {"{\"courier\":{\"at\":null}}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer packed;
        struct point point;
        struct point expected;
        const char *detail = NULL;
        buffer_init(&packed, 1000);
        assert_int_equal(json_to_pack(span_of_text(cases[i].json), 16, &packed, &detail), AHORA_OK);
        assert_int_equal(point_of_kind(&kind, buffer_span(&packed), &point), cases[i].lat != 0);
        if (cases[i].lat != 0) {
            assert_true(point_of(cases[i].lat, cases[i].lat + 10, &expected));
            assert_true(point_chord(&point, &expected) < 0.001);
        }
        buffer_fini(&packed);
    }
}

static void an_impossible_circle_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *near, *pointer;
    } cases[] = {
        {"{\"lat\":1,\"lon\":2,\"radius_m\":3}", NULL},
        {"{\"lat\":90,\"lon\":-180,\"radius_m\":20000000,\"limit\":1000}", NULL},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":0.001,\"color\":1}", NULL},
        {"[]", "/near"},
        {"{\"lon\":2,\"radius_m\":3}", "/near/lat"},
        {"{\"lat\":1,\"radius_m\":3}", "/near/lon"},
        {"{\"lat\":1,\"lon\":2}", "/near/radius_m"},
        {"{\"lat\":90.1,\"lon\":2,\"radius_m\":3}", "/near/lat"},
        {"{\"lat\":\"1\",\"lon\":2,\"radius_m\":3}", "/near/lat"},
        {"{\"lat\":1,\"lon\":181,\"radius_m\":3}", "/near/lon"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":0}", "/near/radius_m"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":-1}", "/near/radius_m"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":20000001}", "/near/radius_m"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":null}", "/near/radius_m"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":3,\"limit\":0}", "/near/limit"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":3,\"limit\":1.0}", "/near/limit"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":3,\"limit\":1001}", "/near/limit"},
        {"{\"lat\":1,\"lon\":2,\"radius_m\":3,\"limit\":4294967297}", "/near/limit"},
    };
    struct limits limits;
    limits_default(&limits);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer packed;
        struct circle circle;
        struct request_fault fault = {0};
        pack(&packed, cases[i].near);
        enum ahora_code code = circle_parse(buffer_span(&packed), &limits, NULL, &circle, &fault);
        assert_int_equal(code, cases[i].pointer == NULL ? AHORA_OK : AHORA_INVALID);
        if (cases[i].pointer != NULL) {
            assert_string_equal(fault.pointer, cases[i].pointer);
        }
        buffer_fini(&packed);
    }
}

static void a_move_keeps_what_it_does_not_say(void **state) {
    (void)state;
    struct limits limits;
    struct buffer packed;
    struct circle old;
    struct circle circle;
    struct request_fault fault;
    limits_default(&limits);
    pack(&packed, "{\"lat\":1,\"lon\":2,\"radius_m\":300,\"limit\":5}");
    assert_int_equal(circle_parse(buffer_span(&packed), &limits, NULL, &old, &fault), AHORA_OK);
    buffer_fini(&packed);
    pack(&packed, "{\"lat\":7}");
    assert_int_equal(circle_parse(buffer_span(&packed), &limits, &old, &circle, &fault), AHORA_OK);
    assert_true(circle.lat == 7 && circle.lon == 2 && circle.radius_m == 300 && circle.limit == 5);
    assert_true(point_chord(&circle.centre, &old.centre) > 1000);
    buffer_fini(&packed);
}

static void the_margin_is_a_share_and_at_least_so_much(void **state) {
    (void)state;
    struct limits limits;
    limits_default(&limits);
    static const struct {
        const char *near;
        double leave_m;
    } cases[] = {{"{\"lat\":1,\"lon\":2,\"radius_m\":1000}", 1050}, {"{\"lat\":1,\"lon\":2,\"radius_m\":50}", 60}};
    for (size_t i = 0; i < 2; i++) {
        struct buffer packed;
        struct circle circle;
        struct request_fault fault;
        pack(&packed, cases[i].near);
        assert_int_equal(circle_parse(buffer_span(&packed), &limits, NULL, &circle, &fault), AHORA_OK);
        assert_true(fabs(chord_to_distance(circle.leave_chord) - cases[i].leave_m) < 1e-6);
        buffer_fini(&packed);
    }
}

/* ---- the indexes ---- */

static struct circle circle_at(double lat, double lon, double radius_m) {
    struct circle circle = {.lat = lat, .lon = lon, .radius_m = radius_m, .chord = chord_of_distance(radius_m)};
    assert_true(point_of(lat, lon, &circle.centre));
    return circle;
}

/* Mostly around one place, so that circles overlap; some anywhere. */
static void draw_place(struct dice *dice, double *lat, double *lon) {
    static const double places[][2] = {{52.5, 13.4}, {90, 0}, {-90, 0}, {0, 180}, {0, -180}};
    const unsigned which = (unsigned)dice_below(dice, 7);
    *lat = which < 5 ? places[which][0] : draw_degrees(dice, 90);
    *lon = which < 5 ? places[which][1] : draw_degrees(dice, 180);
    *lat = fmax(-90, fmin(90, *lat + draw_degrees(dice, 0.2)));
    *lon = fmax(-180, fmin(180, *lon + draw_degrees(dice, 0.2)));
}

static double draw_radius(struct dice *dice) {
    return fmin(CIRCLE_RADIUS_M_MAX, pow(10, (double)dice_between(dice, 0, 7300) / 1000));
}

#define CIRCLES 300

static void the_grid_finds_all_circles_around_a_point(void **state) {
    (void)state;
    struct dice dice = {3};
    struct table_key key;
    struct grid grid;
    static struct grid_spot spots[CIRCLES];
    struct circle circles[CIRCLES];
    table_key_init(&key, 1);
    assert_true(grid_init(&grid, &key));
    memset(spots, 0, sizeof spots);
    for (int round = 0; round < 6000; round++) {
        const unsigned which = (unsigned)dice_below(&dice, CIRCLES);
        double lat;
        double lon;
        draw_place(&dice, &lat, &lon);
        grid_remove(&grid, &spots[which]);
        circles[which] = circle_at(lat, lon, draw_radius(&dice));
        if (dice_chance(&dice, 900)) {
            assert_true(grid_add(&grid, &spots[which], &circles[which], &spots[which]));
        }
        struct point point;
        struct tree_found found = {0};
        draw_place(&dice, &lat, &lon);
        assert_true(point_of(lat, lon, &point));
        grid_find(&grid, &point, &found);
        for (unsigned i = 0; i < CIRCLES; i++) {
            unsigned times = 0;
            for (size_t j = 0; j < found.count; j++) {
                times += found.values[j] == &spots[i];
            }
            assert_true(times <= 1);
            if (spots[i].level > 0 && point_chord(&point, &circles[i].centre) <= circles[i].chord) {
                assert_int_equal(times, 1);
            }
        }
        tree_found_fini(&found);
    }
    for (unsigned i = 0; i < CIRCLES; i++) {
        grid_remove(&grid, &spots[i]);
    }
    grid_fini(&grid);
}

#define POINTS 500

static void the_octree_finds_just_the_points_in_a_circle(void **state) {
    (void)state;
    struct dice dice = {5};
    struct octree octree = {0};
    static struct beacon beacons[POINTS];
    memset(beacons, 0, sizeof beacons);
    for (int round = 0; round < 12000; round++) {
        struct beacon *beacon = &beacons[dice_below(&dice, POINTS)];
        struct point point;
        double lat;
        double lon;
        draw_place(&dice, &lat, &lon);
        assert_true(point_of(lat, lon, &point));
        if (round % 3000 > 2000 && beacon->node != NULL) { /* nearly all go, and come back */
            octree_remove(&octree, beacon);
        } else if (beacon->node == NULL) {
            beacon->point = point;
            assert_true(octree_add(&octree, beacon));
        } else {
            assert_true(octree_move(&octree, beacon, &point));
        }
        draw_place(&dice, &lat, &lon);
        const struct circle circle = circle_at(lat, lon, draw_radius(&dice));
        struct tree_found found = {0};
        octree_find(&octree, &circle.centre, circle.chord, &found);
        size_t inside = 0;
        for (unsigned i = 0; i < POINTS; i++) {
            inside += beacons[i].node != NULL && point_chord(&beacons[i].point, &circle.centre) <= circle.chord;
        }
        assert_int_equal(found.count, inside);
        tree_found_fini(&found);
    }
    for (unsigned i = 0; i < POINTS; i++) {
        if (beacons[i].node != NULL) {
            octree_remove(&octree, &beacons[i]);
        }
    }
    octree_fini(&octree);
}

static void a_thousand_points_may_be_one(void **state) {
    (void)state;
    struct octree octree = {0};
    struct beacon *beacons = calloc(1000, sizeof *beacons);
    struct tree_found found = {0};
    for (int i = 0; i < 1000; i++) {
        assert_true(point_of(52.5, 13.4, &beacons[i].point));
        assert_true(octree_add(&octree, &beacons[i]));
    }
    octree_find(&octree, &beacons[0].point, 1, &found);
    assert_int_equal(found.count, 1000);
    for (int i = 0; i < 1000; i++) {
        octree_remove(&octree, &beacons[i]);
    }
    octree_fini(&octree);
    tree_found_fini(&found);
    free(beacons);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_says_where_its_position_is),
        cmocka_unit_test(a_chord_tells_the_distance),
        cmocka_unit_test(the_seams_are_no_seams),
        cmocka_unit_test(a_document_is_where_it_says),
        cmocka_unit_test(an_impossible_circle_is_refused),
        cmocka_unit_test(a_move_keeps_what_it_does_not_say),
        cmocka_unit_test(the_margin_is_a_share_and_at_least_so_much),
        cmocka_unit_test(the_grid_finds_all_circles_around_a_point),
        cmocka_unit_test(the_octree_finds_just_the_points_in_a_circle),
        cmocka_unit_test(a_thousand_points_may_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
