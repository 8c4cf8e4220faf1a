/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `where` and `near` of the model: drawn, written into messages, and judged again in the plainest way. It shares no code with the broker's:
 * distances come from the haversine formula, order from loops.
 */
#ifndef SIM_NARROW_H
#define SIM_NARROW_H

#include "broker/core/limits.h"
#include "tests/sim/paper.h"

#define NARROW_CONDITIONS 3
#define NARROW_VALUES 3

/* By the names of their operators in narrow.c. */
struct narrow_condition {
    unsigned op;
    unsigned field;
    int inside; /* -1: the field itself */
    unsigned count;
    struct mark_value values[NARROW_VALUES];
};

struct narrow_circle {
    bool wanted;
    int64_t lat, lon;
    int64_t radius_m;
    int64_t limit; /* 0: none */
};

struct sim_narrow {
    unsigned count;
    struct narrow_condition conditions[NARROW_CONDITIONS];
    struct narrow_circle near;
};

/* How a document stands to it. On the border the broker may hold it or not, by what was before. */
enum standing {
    STANDING_OUT,
    STANDING_BORDER,
    STANDING_IN,
};

void narrow_draw(struct sim_narrow *narrow, struct dice *dice, bool with_limit);
void narrow_draw_circle(struct narrow_circle *circle, struct dice *dice, bool with_limit);
bool narrow_is_any(const struct sim_narrow *narrow);

enum standing narrow_judge(const struct sim_narrow *narrow, const struct paper *paper, const struct limits *limits);

/* From the centre, in metres; the paper has a position. */
double narrow_distance(const struct narrow_circle *circle, const struct paper *paper);

/* The packed `where` and `near`. */
void narrow_put_where(struct buffer *out, const struct sim_narrow *narrow, struct dice *dice);
void narrow_put_near(struct buffer *out, const struct narrow_circle *circle);

/* One that must be refused. */
void narrow_put_wrong_where(struct buffer *out, struct dice *dice);
void narrow_put_wrong_near(struct buffer *out, struct dice *dice);

#endif
