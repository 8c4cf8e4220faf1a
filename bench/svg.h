/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Line plots as inline SVG. Colours come from the page's style: a line has the class "line-N". */
#ifndef BENCH_SVG_H
#define BENCH_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SVG_LINES_MAX 8
#define SVG_POINTS_MAX 64

enum svg_scale {
    SVG_LINEAR, /* from 0 */
    SVG_LOG,
    SVG_NINES, /* percent: as far from 90 to 99 as from 99 to 99.9 */
};

struct svg_line {
    const char *name;
    unsigned style;
    size_t count;
    double x[SVG_POINTS_MAX];
    double y[SVG_POINTS_MAX];
};

struct svg_plot {
    const char *title;
    const char *x_label;
    const char *y_label;
    enum svg_scale x_scale;
    enum svg_scale y_scale;
    size_t line_count;
    struct svg_line lines[SVG_LINES_MAX];
    bool has_dots;
};

/* Nothing if there are no points. */
void svg_write(FILE *out, const struct svg_plot *plot);

/* 1.5 M, 12 k, 0.03: short, for ticks and tables. */
void svg_format(char *out, size_t out_bytes, double value);

/* Text as it may stand in a page. */
void svg_write_text(FILE *out, const char *text);

#endif
