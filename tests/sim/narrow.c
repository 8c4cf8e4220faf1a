/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/sim/narrow.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/pack.h"

enum { EQ, NE, LT, LTE, GT, GTE, IN, EXISTS, OPS };
static const char *const op_names[OPS] = {"eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"};

/* ---- drawing ---- */

static struct mark_value draw_value(struct dice *dice, bool ordered) {
    for (;;) {
        struct mark_value value =
            dice_chance(dice, 500) ? (struct mark_value){MARK_INT, dice_between(dice, 0, 9)} : paper_draw_scalar(dice);
        if (!ordered || value.mark == MARK_INT || value.mark == MARK_TEXT) {
            return value;
        }
    }
}

static void draw_condition(struct narrow_condition *condition, struct dice *dice) {
    *condition = (struct narrow_condition){
        .op = (unsigned)dice_below(dice, OPS),
        .field = dice_chance(dice, 600) ? 0 : (unsigned)dice_below(dice, PAPER_FIELDS),
        .inside = -1,
        .count = 1,
    };
    if (condition->field >= 4 && dice_chance(dice, 800)) {
        condition->inside = (int)dice_below(dice, PAPER_SUBFIELDS);
    }
    if (condition->op == IN) {
        condition->count = (unsigned)dice_between(dice, 1, NARROW_VALUES);
    }
    for (unsigned i = 0; i < condition->count; i++) {
        condition->values[i] = draw_value(dice, condition->op >= LT && condition->op <= GTE);
    }
    if (condition->op == EXISTS) {
        condition->values[0] = (struct mark_value){MARK_TRUE, dice_chance(dice, 700)};
    }
}

/* A map has no key twice: one condition for each field. */
static bool is_repeated(const struct sim_narrow *narrow, unsigned index) {
    const struct narrow_condition *condition = &narrow->conditions[index];
    for (unsigned i = 0; i < index; i++) {
        if (narrow->conditions[i].field == condition->field && narrow->conditions[i].inside == condition->inside) {
            return true;
        }
    }
    return false;
}

void narrow_draw_circle(struct narrow_circle *circle, struct dice *dice, bool with_limit) {
    static const int64_t radii[] = {50000, 107000, 120000, 154000, 300000, 1000000, 9000000, 19999000};
    *circle = (struct narrow_circle){
        .wanted = true,
        .lat = paper_draw_lat(dice),
        .lon = paper_draw_lon(dice),
        .radius_m = radii[dice_below(dice, sizeof radii / sizeof radii[0])],
        .limit = with_limit && dice_chance(dice, 400) ? dice_between(dice, 1, 4) : 0,
    };
}

void narrow_draw(struct sim_narrow *narrow, struct dice *dice, bool with_limit) {
    *narrow = (struct sim_narrow){0};
    const unsigned which = (unsigned)dice_below(dice, 5);
    if (which < 3) {
        narrow->count = dice_chance(dice, 700) ? 1 : (unsigned)dice_between(dice, 1, NARROW_CONDITIONS);
        for (unsigned i = 0; i < narrow->count; i++) {
            do {
                draw_condition(&narrow->conditions[i], dice);
            } while (is_repeated(narrow, i));
        }
    }
    if (which >= 2) {
        narrow_draw_circle(&narrow->near, dice, with_limit);
    }
}

bool narrow_is_any(const struct sim_narrow *narrow) {
    return narrow->count > 0 || narrow->near.wanted;
}

/* ---- judging ---- */

static struct mark_value value_at(const struct narrow_condition *condition, const struct paper *paper) {
    const struct paper_field *field = &paper->fields[condition->field];
    if (condition->inside < 0) {
        return field->value;
    }
    return field->value.mark == MARK_MAP ? field->inside[condition->inside] : (struct mark_value){0};
}

static int order_of(struct mark_value a, struct mark_value b) {
    if (a.mark == MARK_INT) {
        return (a.number > b.number) - (a.number < b.number);
    }
    char left[PAPER_TEXT_BYTES];
    char right[PAPER_TEXT_BYTES];
    const size_t left_bytes = paper_text(a.number, left);
    const size_t right_bytes = paper_text(b.number, right);
    const int order = memcmp(left, right, left_bytes < right_bytes ? left_bytes : right_bytes);
    return order != 0 ? order : (left_bytes > right_bytes) - (left_bytes < right_bytes);
}

static bool is_one_of(const struct narrow_condition *condition, struct mark_value value) {
    for (unsigned i = 0; i < condition->count; i++) {
        if (value.mark == condition->values[i].mark && value.mark != MARK_MAP && value.mark != MARK_ABSENT &&
            value.number == condition->values[i].number) {
            return true;
        }
    }
    return false;
}

static bool holds(const struct narrow_condition *condition, const struct paper *paper) {
    const struct mark_value value = value_at(condition, paper);
    switch (condition->op) {
    case EQ:
    case IN:
        return is_one_of(condition, value);
    case NE:
        return !is_one_of(condition, value);
    case EXISTS:
        return (value.mark != MARK_ABSENT) == (condition->values[0].number != 0);
    default:
        break;
    }
    if (value.mark != condition->values[0].mark) {
        return false;
    }
    const int order = order_of(value, condition->values[0]);
    return condition->op == LT ? order < 0 : condition->op == LTE ? order <= 0 : condition->op == GT ? order > 0 : order >= 0;
}

static bool position_of(const struct paper *paper, double *lat, double *lon) {
    const struct paper_field *field = &paper->fields[PAPER_POSITION];
    const struct mark_value *at = field->inside;
    if (field->value.mark != MARK_MAP || at[PAPER_LAT].mark != MARK_INT || at[PAPER_LON].mark != MARK_INT) {
        return false;
    }
    *lat = (double)at[PAPER_LAT].number;
    *lon = (double)at[PAPER_LON].number;
    return *lat >= -90 && *lat <= 90 && *lon >= -180 && *lon <= 180;
}

double narrow_distance(const struct narrow_circle *circle, const struct paper *paper) {
    const double radians = acos(-1) / 180;
    double lat = 0;
    double lon = 0;
    (void)position_of(paper, &lat, &lon);
    const double half_lat = sin((lat - (double)circle->lat) * radians / 2);
    const double half_lon = sin((lon - (double)circle->lon) * radians / 2);
    const double part = half_lat * half_lat + cos(lat * radians) * cos((double)circle->lat * radians) * half_lon * half_lon;
    return 2 * 6371008.8 * asin(part >= 1 ? 1 : sqrt(part));
}

enum standing narrow_judge(const struct sim_narrow *narrow, const struct paper *paper, const struct limits *limits) {
    for (unsigned i = 0; i < narrow->count; i++) {
        if (!holds(&narrow->conditions[i], paper)) {
            return STANDING_OUT;
        }
    }
    double lat = 0;
    double lon = 0;
    if (!narrow->near.wanted) {
        return STANDING_IN;
    }
    if (!position_of(paper, &lat, &lon)) {
        return STANDING_OUT;
    }
    const double radius = (double)narrow->near.radius_m;
    const double share = radius * (double)limits->near_margin_percent / 100;
    const double margin = share > (double)limits->near_margin_m ? share : (double)limits->near_margin_m;
    const double distance = narrow_distance(&narrow->near, paper);
    return distance < radius - 1 ? STANDING_IN : distance > radius + margin + 1 ? STANDING_OUT : STANDING_BORDER;
}

/* ---- writing ---- */

static void put_field(struct buffer *out, const struct narrow_condition *condition, struct dice *dice) {
    char text[64];
    if (condition->inside < 0) {
        (void)snprintf(text, sizeof text, "%s%s", dice_chance(dice, 200) ? "/" : "", paper_field_name(condition->field));
    } else {
        const bool pointer = dice_chance(dice, 300);
        (void)snprintf(text, sizeof text, "%s%s%s%s", pointer ? "/" : "", paper_field_name(condition->field),
                       pointer ? "/" : ".", paper_subfield_name((unsigned)condition->inside));
    }
    pack_put_key(out, text);
}

static void put_operand(struct buffer *out, const struct narrow_condition *condition) {
    if (condition->op == EXISTS) {
        pack_put_bool(out, condition->values[0].number != 0);
        return;
    }
    if (condition->op == IN) {
        pack_put_list(out, condition->count);
    }
    for (unsigned i = 0; i < condition->count; i++) {
        paper_put_scalar(out, condition->values[i]);
    }
}

void narrow_put_where(struct buffer *out, const struct sim_narrow *narrow, struct dice *dice) {
    pack_put_map(out, narrow->count);
    for (unsigned i = 0; i < narrow->count; i++) {
        put_field(out, &narrow->conditions[i], dice);
        pack_put_map(out, 1);
        pack_put_key(out, op_names[narrow->conditions[i].op]);
        put_operand(out, &narrow->conditions[i]);
    }
}

void narrow_put_near(struct buffer *out, const struct narrow_circle *circle) {
    pack_put_map(out, circle->limit > 0 ? 4 : 3);
    pack_put_key(out, "lat");
    pack_put_int(out, circle->lat);
    pack_put_key(out, "lon");
    pack_put_int(out, circle->lon);
    pack_put_key(out, "radius_m");
    pack_put_int(out, circle->radius_m);
    if (circle->limit > 0) {
        pack_put_key(out, "limit");
        pack_put_int(out, circle->limit);
    }
}

static void put_wrong(struct buffer *out, const char *op, int which) {
    pack_put_map(out, 1);
    pack_put_key(out, "available");
    pack_put_map(out, 1);
    pack_put_key(out, op);
    if (which == 0) {
        pack_put_list(out, 0);
    } else {
        pack_put_nil(out);
    }
}

void narrow_put_wrong_where(struct buffer *out, struct dice *dice) {
    switch (dice_below(dice, 6)) {
    case 0:
        pack_put_map(out, 0);
        return;
    case 1:
        put_wrong(out, "like", 1);
        return;
    case 2:
        put_wrong(out, "in", 0);
        return;
    case 3:
        put_wrong(out, "exists", 1);
        return;
    case 4:
        put_wrong(out, "eq", 0);
        return;
    default:
        put_wrong(out, "lt", 1);
    }
}

void narrow_put_wrong_near(struct buffer *out, struct dice *dice) {
    struct narrow_circle circle;
    narrow_draw_circle(&circle, dice, false);
    switch (dice_below(dice, 4)) {
    case 0:
        circle.lat = 91;
        break;
    case 1:
        circle.lon = -181;
        break;
    case 2:
        circle.radius_m = 0;
        break;
    default:
        circle.radius_m = 20000001;
    }
    narrow_put_near(out, &circle);
}
