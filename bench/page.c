/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/page.h"

#include "bench/goals.h"
#include "bench/machine.h"
#include "bench/page_part.h"
#include "bench/page_style.h"
#include "bench/svg.h"
#include "bench/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS_SHOWN 16
#define NARROW_COLUMNS 3 /* so few targets leave room for the figures beside the plot */

/* ---- standings ---- */

static bool is_peer(const struct target *target) {
    return target->programs[0] != NULL;
}

static void compare(const struct entry *entry, struct standing *out) {
    double own = out->has[0] ? out->values[0] : 0;
    double best = 0;
    for (size_t i = 1; target_at(i) != NULL && own > 0; i++) {
        if (!out->has[i] || out->values[i] <= 0) {
            continue;
        }
        if (target_at(i)->is_secure) {
            continue; /* ahora once more */
        }
        if (!is_peer(target_at(i))) {
            out->to_raw = own / out->values[i];
        } else if (best == 0 || (entry->is_less_better ? out->values[i] < best : out->values[i] > best)) {
            best = out->values[i];
            out->best_peer = target_at(i)->name;
            out->to_best_peer = own / best;
        }
    }
}

bool page_standing(const struct cells *cells, const struct entry *entry, struct standing *out) {
    *out = (struct standing){.unit = ""};
    bool any = false;
    for (size_t i = 0; target_at(i) != NULL && i < TARGETS_SHOWN; i++) {
        out->has[i] = cells_median(cells, entry->id, target_at(i)->name, -1, entry->metric, &out->values[i]);
        any |= out->has[i];
        const struct cell *cell = cells_find(cells, entry->id, target_at(i)->name);
        double value;
        if (cell != NULL) {
            cell_metric(cell, entry->metric, &value, &out->unit);
        }
    }
    compare(entry, out);
    return any || cells_find(cells, entry->id, NULL) != NULL;
}

static bool has_target(const struct cells *cells, const struct plan *plan, const char *target) {
    for (size_t i = 0; i < plan->count; i++) {
        if (cells_find(cells, plan->entries[i].id, target) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_plan(const struct cells *cells, const struct plan *plan) {
    return has_target(cells, plan, NULL);
}

/* ---- the summary ---- */

static void put_summary_row(FILE *out, const struct cells *cells, const struct plan *plan, const struct entry *entry) {
    struct standing standing;
    double largest = 0;
    if (!page_standing(cells, entry, &standing)) {
        return;
    }
    size_t known = 0;
    for (size_t i = 0; i < TARGETS_SHOWN; i++) {
        known += standing.has[i];
        largest = standing.has[i] && standing.values[i] > largest ? standing.values[i] : largest;
    }
    largest = known > 1 ? largest : 0; /* nothing to compare it with */
    fprintf(out, "<tr><td><a href=\"#%s\">", entry->id);
    svg_write_text(out, entry->title);
    page_put(out, "</a><br><small>", entry->metric, "");
    page_put(out, standing.unit[0] != '\0' ? ", " : "", standing.unit,
             entry->is_less_better ? ", less is better</small></td>" : "</small></td>");
    for (size_t i = 0; target_at(i) != NULL; i++) {
        if (has_target(cells, plan, target_at(i)->name)) {
            page_put_value(out, cells, entry->id, target_at(i), standing.has[i], standing.values[i], largest);
        }
    }
    page_put_ratio(out, standing.to_raw, entry->is_less_better, NULL);
    if (has_target(cells, plan, "bun") || has_target(cells, plan, "nats")) {
        page_put_ratio(out, standing.to_best_peer, entry->is_less_better, standing.best_peer);
    }
    char goals[GOAL_WORDS_MAX];
    page_put(out, "<td class=\"goal\">", goals_words(entry->id, goals), "</td></tr>\n");
}

static void put_target_heads(FILE *out, const struct cells *cells, const struct plan *plan) {
    for (size_t i = 0; target_at(i) != NULL; i++) {
        if (has_target(cells, plan, target_at(i)->name)) {
            page_put(out, "<th title=\"", target_at(i)->about, "\">");
            page_put(out, "", target_at(i)->name, "</th>");
        }
    }
}

static void put_summary(FILE *out, const struct cells *cells, const struct plan *plan) {
    fputs("<div class=\"card\"><table><thead><tr><th></th>", out);
    put_target_heads(out, cells, plan);
    fputs("<th>to raw</th>", out);
    if (has_target(cells, plan, "bun") || has_target(cells, plan, "nats")) {
        fputs("<th>to best peer</th>", out);
    }
    fputs("<th>goal</th></tr></thead><tbody>\n", out);
    for (size_t i = 0; i < plan->count; i++) {
        put_summary_row(out, cells, plan, &plan->entries[i]);
    }
    fputs("</tbody></table></div>\n", out);
}

/* ---- one entry ---- */

static void fill_curve(struct svg_line *line, const struct cell *cell) {
    const json_t *curve = json_object_get(cell->json, "curve");
    const json_t *point;
    size_t i;
    json_array_foreach(curve, i, point) {
        if (line->count < SVG_POINTS_MAX) {
            line->x[line->count] = json_number_value(json_array_get(point, 1));
            line->y[line->count] = json_number_value(json_array_get(point, 0));
            line->count++;
        }
    }
}

static void put_curve_plot(FILE *out, const struct cells *cells, const struct entry *entry) {
    static struct svg_plot plot;
    plot = (struct svg_plot){.title = "Share of all that took at most so long (first valid run)",
                             .x_label = "milliseconds",
                             .y_label = "",
                             .x_scale = SVG_LOG,
                             .y_scale = SVG_NINES};
    for (size_t i = 0; target_at(i) != NULL && i < SVG_LINES_MAX; i++) {
        const struct cell *cell = cells_find(cells, entry->id, target_at(i)->name);
        if (cell != NULL && cell_is_valid(cell)) {
            plot.lines[plot.line_count].name = target_at(i)->name;
            plot.lines[plot.line_count].style = (unsigned)i;
            fill_curve(&plot.lines[plot.line_count++], cell);
        }
    }
    svg_write(out, &plot);
}

static void put_metrics(FILE *out, const struct cells *cells, const struct plan *plan, const struct entry *entry) {
    const struct cell *fullest = page_fullest(cells, entry->id);
    if (fullest == NULL) {
        return;
    }
    const char *name;
    json_t *ignored;
    fputs("<table><thead><tr><th></th>", out);
    put_target_heads(out, cells, plan);
    fputs("</tr></thead><tbody>\n", out);
    json_object_foreach(json_object_get(fullest->json, "metrics"), name, ignored) {
        const char *unit = "";
        double value;
        cell_metric(fullest, name, &value, &unit);
        page_put(out, "<tr><td>", name, " <small>");
        page_put(out, "", unit, "</small></td>");
        for (size_t i = 0; target_at(i) != NULL; i++) {
            if (has_target(cells, plan, target_at(i)->name)) {
                bool has = cells_median(cells, entry->id, target_at(i)->name, -1, name, &value);
                page_put_value(out, cells, entry->id, target_at(i), has, value, -1);
            }
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table>", out);
}

static size_t count_targets(const struct cells *cells, const struct plan *plan) {
    size_t count = 0;
    for (size_t i = 0; target_at(i) != NULL; i++) {
        count += has_target(cells, plan, target_at(i)->name);
    }
    return count;
}

static void put_entry(FILE *out, const struct cells *cells, const struct plan *plan, const struct entry *entry) {
    if (cells_find(cells, entry->id, NULL) == NULL) {
        return;
    }
    page_put_entry_head(out, cells, entry);
    page_put_notes(out, cells, entry);
    size_t columns = count_targets(cells, plan);
    fputs("<div class=\"plots\"><div>", out);
    put_curve_plot(out, cells, entry);
    fputs(columns <= NARROW_COLUMNS ? "</div><div class=\"figures\">" : "</div></div>", out);
    fprintf(out, "<details%s><summary>All figures (medians of the valid runs)</summary>",
            columns <= NARROW_COLUMNS ? " open" : "");
    put_metrics(out, cells, plan, entry);
    fputs(columns <= NARROW_COLUMNS ? "</details></div></div></div>\n" : "</details></div>\n", out);
}

/* ---- the page ---- */

static void put_versions(FILE *out, const struct cells *cells) {
    for (size_t i = 0; target_at(i) != NULL; i++) {
        for (size_t c = 0; c < cells->count; c++) {
            const struct cell *cell = &cells->items[c];
            if (strcmp(cell_text(cell, "target"), target_at(i)->name) == 0 && cell_text(cell, "target_version")[0] != '\0') {
                page_put(out, "<dt>", target_at(i)->name, "</dt>");
                page_put(out, "<dd>", cell_text(cell, "target_version"), " <small>");
                page_put(out, "", target_at(i)->about, "</small></dd>\n");
                break;
            }
        }
    }
}

static void put_head(FILE *out, const struct cells *cells) {
    char text[256];
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>ahora: benchmarks</title><style>\n",
          out);
    for (size_t i = 0; i < sizeof page_style / sizeof page_style[0]; i++) {
        fputs(page_style[i], out);
    }
    fputs(
        "</style></head><body><main>\n<h1>ahora: benchmarks</h1>\n<p class=\"soft\">Server on one core, load on another, over "
        "loopback. Compare within one run: figures of a machine like this move by a fifth from hour to hour. Every run checked "
        "that "
        "nothing was lost, doubled or out of order.</p>\n<dl>",
        out);
    machine_date(text, sizeof text);
    page_put(out, "<dt>written</dt><dd>", text, "</dd>");
    machine_text(text, sizeof text);
    page_put(out, "<dt>machine</dt><dd>", text, "</dd>\n");
    put_versions(out, cells);
    fputs("</dl>\n", out);
}

bool page_write(const char *path, const struct cells *cells) {
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        fprintf(stderr, "ahora-bench: %s: %s\n", path, strerror(errno));
        return false;
    }
    put_head(out, cells);
    goals_put(out, cells);
    for (size_t p = 0; plan_at(p) != NULL; p++) {
        const struct plan *plan = plan_at(p);
        if (!has_plan(cells, plan)) {
            continue;
        }
        bool sweeps = plan->entries[0].x_name != NULL;
        page_put(out, "<h2>", plan->title, "</h2>\n");
        if (!sweeps) {
            put_summary(out, cells, plan);
        }
        for (size_t i = 0; i < plan->count; i++) {
            if (sweeps) {
                page_put_sweep(out, cells, &plan->entries[i]);
            } else {
                put_entry(out, cells, plan, &plan->entries[i]);
            }
        }
    }
    fputs("</main></body></html>\n", out);
    bool written = ferror(out) == 0;
    written = fclose(out) == 0 && written;
    if (!written) {
        fprintf(stderr, "ahora-bench: %s could not be written\n", path);
    }
    return written;
}
