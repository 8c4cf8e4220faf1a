/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/svg.h"

#include <math.h>
#include <string.h>

#define WIDTH 620.0
#define HEIGHT 300.0
#define LEFT 62.0
#define RIGHT 18.0
#define TOP 34.0
#define BOTTOM 44.0
#define NINES_MAX 99.999
#define TICKS_MAX 16

struct axis {
    enum svg_scale scale;
    double low; /* transformed */
    double high;
    double from; /* pixels */
    double to;
};

void svg_write_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

void svg_format(char *out, size_t out_bytes, double value) {
    static const struct {
        double scale;
        const char *suffix;
    } scales[] = {{1e9, " G"}, {1e6, " M"}, {1e4, " k"}};
    double size = fabs(value);
    double shown = value;
    const char *suffix = "";
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        if (size >= scales[i].scale) {
            shown = value / (scales[i].scale == 1e4 ? 1e3 : scales[i].scale);
            suffix = scales[i].suffix;
            break;
        }
    }
    double digits = fabs(shown);
    int places = digits >= 100 || shown == floor(shown) ? 0 : digits >= 10 ? 1 : digits >= 1 ? 2 : 3;
    snprintf(out, out_bytes, "%.*f%s", places, shown, suffix);
}

/* ---- axes ---- */

static double transformed(enum svg_scale scale, double value) {
    switch (scale) {
    case SVG_LOG:
        return log10(value > 1e-9 ? value : 1e-9);
    case SVG_NINES:
        return -log10(1 - (value < NINES_MAX ? value : NINES_MAX) / 100);
    case SVG_LINEAR:
        break;
    }
    return value;
}

static double pixel_of(const struct axis *axis, double value) {
    double share = (transformed(axis->scale, value) - axis->low) / (axis->high - axis->low);
    return axis->from + share * (axis->to - axis->from);
}

static void widen(struct axis *axis, double value, bool *is_first) {
    double at = transformed(axis->scale, value);
    axis->low = *is_first || at < axis->low ? at : axis->low;
    axis->high = *is_first || at > axis->high ? at : axis->high;
    *is_first = false;
}

static bool fit(const struct svg_plot *plot, struct axis *x, struct axis *y) {
    bool x_first = true;
    bool y_first = true;
    for (size_t i = 0; i < plot->line_count; i++) {
        for (size_t p = 0; p < plot->lines[i].count; p++) {
            widen(x, plot->lines[i].x[p], &x_first);
            widen(y, plot->lines[i].y[p], &y_first);
        }
    }
    for (struct axis *axis = x; axis != NULL; axis = axis == x ? y : NULL) {
        if (axis->scale == SVG_LINEAR) {
            axis->low = 0;
            axis->high = axis->high > 0 ? axis->high * 1.08 : 1;
        } else if (axis->scale == SVG_NINES) {
            axis->low = 0;
            axis->high = transformed(SVG_NINES, NINES_MAX);
        } else {
            double room = (axis->high - axis->low) * 0.04 + 0.02;
            axis->low -= room;
            axis->high += room;
        }
    }
    return !x_first;
}

/* ---- ticks ---- */

static size_t ticks_linear(const struct axis *axis, double *ticks) {
    double step = pow(10, floor(log10(axis->high / 4)));
    while (axis->high / step > 6) {
        step *= axis->high / step > 12 ? 5 : 2;
    }
    size_t count = 0;
    for (double at = 0; at <= axis->high && count < TICKS_MAX; at += step) {
        ticks[count++] = at;
    }
    return count;
}

static size_t ticks_log(const struct axis *axis, double *ticks) {
    static const double dense[] = {1, 2, 5};
    double decades = axis->high - axis->low;
    size_t steps = decades < 2.5 ? 3 : 1;
    double stride = decades > 8 ? 2 : 1;
    size_t count = 0;
    for (double decade = floor(axis->low); decade <= axis->high; decade += stride) {
        for (size_t i = 0; i < steps && count < TICKS_MAX; i++) {
            double at = dense[i] * pow(10, decade);
            if (log10(at) >= axis->low && log10(at) <= axis->high) {
                ticks[count++] = at;
            }
        }
    }
    return count;
}

static size_t ticks_of(const struct axis *axis, double *ticks) {
    static const double nines[] = {0, 50, 90, 99, 99.9, 99.99, 99.999};
    if (axis->scale == SVG_NINES) {
        memcpy(ticks, nines, sizeof nines);
        return sizeof nines / sizeof nines[0];
    }
    return axis->scale == SVG_LOG ? ticks_log(axis, ticks) : ticks_linear(axis, ticks);
}

static void format_tick(char *out, size_t out_bytes, const struct axis *axis, double value) {
    if (axis->scale == SVG_NINES) {
        snprintf(out, out_bytes, "%g %%", value);
    } else if (value >= 1e9) {
        snprintf(out, out_bytes, "%g G", value / 1e9);
    } else if (value >= 1e6) {
        snprintf(out, out_bytes, "%g M", value / 1e6);
    } else if (value >= 1e4) {
        snprintf(out, out_bytes, "%g k", value / 1e3);
    } else {
        snprintf(out, out_bytes, "%g", value);
    }
}

static void write_ticks(FILE *out, const struct axis *x, const struct axis *y) {
    double ticks[TICKS_MAX];
    char text[32];
    for (size_t i = 0, count = ticks_of(x, ticks); i < count; i++) {
        double at = pixel_of(x, ticks[i]);
        format_tick(text, sizeof text, x, ticks[i]);
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", at, TOP, at, HEIGHT - BOTTOM);
        fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", at, HEIGHT - BOTTOM + 15,
                text);
    }
    for (size_t i = 0, count = ticks_of(y, ticks); i < count; i++) {
        double at = pixel_of(y, ticks[i]);
        format_tick(text, sizeof text, y, ticks[i]);
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", LEFT, at, WIDTH - RIGHT, at);
        fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 7, at + 4, text);
    }
}

/* ---- lines ---- */

static void write_line(FILE *out, const struct svg_plot *plot, const struct svg_line *line, const struct axis *x,
                       const struct axis *y) {
    fprintf(out, "<path class=\"line line-%u\" d=\"", line->style);
    for (size_t i = 0; i < line->count; i++) {
        fprintf(out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', pixel_of(x, line->x[i]), pixel_of(y, line->y[i]));
    }
    fprintf(out, "\"><title>");
    svg_write_text(out, line->name);
    fprintf(out, "</title></path>\n");
    for (size_t i = 0; plot->has_dots && i < line->count; i++) {
        char text[32];
        svg_format(text, sizeof text, line->y[i]);
        fprintf(out, "<circle class=\"dot dot-%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>", line->style,
                pixel_of(x, line->x[i]), pixel_of(y, line->y[i]));
        svg_write_text(out, line->name);
        fprintf(out, ": %s</title></circle>\n", text);
    }
}

static void write_legend(FILE *out, const struct svg_plot *plot) {
    double at = LEFT;
    for (size_t i = 0; i < plot->line_count; i++) {
        const struct svg_line *line = &plot->lines[i];
        if (line->count == 0) {
            continue;
        }
        fprintf(out, "<line class=\"line line-%u\" x1=\"%.1f\" y1=\"22\" x2=\"%.1f\" y2=\"22\"/>", line->style, at, at + 16);
        fprintf(out, "<text class=\"name\" x=\"%.1f\" y=\"26\">", at + 20);
        svg_write_text(out, line->name);
        fprintf(out, "</text>\n");
        at += 32 + 6.6 * (double)strlen(line->name);
    }
}

void svg_write(FILE *out, const struct svg_plot *plot) {
    struct axis x = {.scale = plot->x_scale, .from = LEFT, .to = WIDTH - RIGHT};
    struct axis y = {.scale = plot->y_scale, .from = HEIGHT - BOTTOM, .to = TOP};
    if (!fit(plot, &x, &y)) {
        return;
    }
    fprintf(out, "<figure><figcaption>");
    svg_write_text(out, plot->title);
    fprintf(out, "</figcaption><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    svg_write_text(out, plot->title);
    fprintf(out, "\">\n");
    write_legend(out, plot);
    write_ticks(out, &x, &y);
    for (size_t i = 0; i < plot->line_count; i++) {
        if (plot->lines[i].count > 0) {
            write_line(out, plot, &plot->lines[i], &x, &y);
        }
    }
    fprintf(out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8);
    svg_write_text(out, plot->x_label);
    fprintf(out, "</text>\n<text class=\"label\" x=\"%.1f\" y=\"12\" text-anchor=\"end\">", WIDTH - RIGHT);
    svg_write_text(out, plot->y_label);
    fprintf(out, "</text></svg></figure>\n");
}
