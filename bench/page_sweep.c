/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Sweeps: a plot for each metric, over what grows. */
#include "bench/page_part.h"
#include "bench/svg.h"

#include <string.h>

static void fill_sweep(struct svg_line *line, const struct cells *cells, const struct entry *entry, const char *target,
                       const char *metric) {
    for (size_t i = 0; i < POINTS_MAX && entry->points[i].options != NULL; i++) {
        double value;
        if (cells_median(cells, entry->id, target, entry->points[i].x, metric, &value)) {
            line->x[line->count] = entry->points[i].x;
            line->y[line->count++] = value;
        }
    }
}

static const char *unit_of(const struct cells *cells, const char *entry, const char *metric) {
    const struct cell *cell = page_fullest(cells, entry);
    const char *unit = "";
    double value;
    if (cell != NULL) {
        cell_metric(cell, metric, &value, &unit);
    }
    return unit;
}

static void put_sweep_plot(FILE *out, const struct cells *cells, const struct entry *entry, const char *metric) {
    static struct svg_plot plot;
    char title[96];
    snprintf(title, sizeof title, "%s, %s", metric, unit_of(cells, entry->id, metric));
    plot = (struct svg_plot){.title = title, .x_label = entry->x_name, .y_label = "", .x_scale = SVG_LOG, .has_dots = true};
    plot.y_scale = strcmp(metric, "server_memory") == 0 ? SVG_LOG : SVG_LINEAR; /* grows as far as what it is drawn over */
    for (size_t i = 0; target_at(i) != NULL && plot.line_count < SVG_LINES_MAX; i++) {
        struct svg_line *line = &plot.lines[plot.line_count];
        line->name = target_at(i)->name;
        line->style = (unsigned)i;
        fill_sweep(line, cells, entry, line->name, metric);
        plot.line_count += line->count > 0;
    }
    svg_write(out, &plot);
}

void page_put_sweep(FILE *out, const struct cells *cells, const struct entry *entry) {
    if (cells_find(cells, entry->id, NULL) == NULL) {
        return;
    }
    page_put_entry_head(out, cells, entry);
    page_put(out, "<p class=\"note\">Expected: ", entry->expected, "</p>\n");
    page_put_notes(out, cells, entry);
    fputs("<div class=\"plots\">", out);
    for (size_t i = 0; i < METRICS_SHOWN_MAX && entry->plotted[i] != NULL; i++) {
        put_sweep_plot(out, cells, entry, entry->plotted[i]);
    }
    fputs("</div></div>\n", out);
}
