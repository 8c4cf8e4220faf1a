/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/page_part.h"

#include "bench/svg.h"

#include <string.h>

#define NEARLY 0.9   /* as good: runs differ by that much */
#define APART_S 3600 /* cells of one entry that are further apart than this are said to be */

void page_put(FILE *out, const char *before, const char *text, const char *behind) {
    fputs(before, out);
    svg_write_text(out, text);
    fputs(behind, out);
}

static const char *reason_of(const struct cell *cell) {
    const char *skipped = cell_text(cell, "skipped");
    return skipped[0] != '\0' ? skipped : cell_text(cell, "invalid");
}

/* A cell of a table: the value, a bar of its share of the largest; or a dash and why. */
void page_put_value(FILE *out, const struct cells *cells, const char *entry, const struct target *target, bool has,
                    double value, double largest) {
    char text[32];
    const struct cell *cell = cells_find(cells, entry, target->name);
    if (!has) {
        page_put(out, "<td class=\"none\" title=\"", cell != NULL ? reason_of(cell) : "not run", "\">–</td>");
        return;
    }
    svg_format(text, sizeof text, value);
    fprintf(out, "<td%s>%s", target == target_at(0) ? " class=\"own\"" : "", text);
    if (largest >= 0 && cells_have_note(cells, entry, target->name, LOAD_BOUND)) {
        fputs(" <small title=\"" LOAD_BOUND_ABOUT "\">" LOAD_BOUND "</small>", out);
    }
    if (largest > 0 && value > 0) {
        fprintf(out, "<i style=\"width:%.1f%%\"></i>", 90 * value / largest);
    }
    fputs("</td>", out);
}

void page_put_ratio(FILE *out, double ratio, bool is_less_better, const char *of) {
    if (ratio <= 0) {
        fputs("<td class=\"none\">–</td>", out);
        return;
    }
    double lead = is_less_better ? 1 / ratio : ratio;
    fprintf(out, "<td class=\"%s\">%.2f", lead >= 1 ? "good" : lead >= NEARLY ? "even" : "bad", ratio);
    if (of != NULL) {
        page_put(out, " <small>", of, "</small>");
    }
    fputs("</td>", out);
}

const struct cell *page_fullest(const struct cells *cells, const char *entry) {
    const struct cell *fullest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < cells->count; i++) {
        size_t size = json_object_size(json_object_get(cells->items[i].json, "metrics"));
        if (strcmp(cell_text(&cells->items[i], "entry"), entry) == 0 && size > most) {
            fullest = &cells->items[i];
            most = size;
        }
    }
    return fullest;
}

static void put_load_bound(FILE *out, const struct cells *cells, const struct entry *entry) {
    for (size_t i = 0; target_at(i) != NULL; i++) {
        if (cells_have_note(cells, entry->id, target_at(i)->name, LOAD_BOUND)) {
            page_put(out, "<p class=\"note bad\">", target_at(i)->name, ": " LOAD_BOUND ": " LOAD_BOUND_ABOUT "</p>\n");
        }
    }
}

/* Why there are dashes, which runs do not count, and which say less than they seem to. */
void page_put_notes(FILE *out, const struct cells *cells, const struct entry *entry) {
    double first = 0;
    double last = 0;
    for (size_t i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->items[i];
        if (strcmp(cell_text(cell, "entry"), entry->id) != 0) {
            continue;
        }
        double at = cell_number(cell, "at");
        first = first == 0 || at < first ? at : first;
        last = at > last ? at : last;
        if (cell_is_valid(cell) || (cell_number(cell, "run") > 1 && cell_text(cell, "skipped")[0] != '\0')) {
            continue;
        }
        bool skipped = cell_text(cell, "skipped")[0] != '\0';
        fprintf(out, "<p class=\"note%s\">", skipped ? "" : " bad");
        page_put(out, "", cell_text(cell, "target"), ": ");
        if (entry->x_name != NULL) {
            fprintf(out, "%.0f %s%s", cell_number(cell, "x"), entry->x_name, skipped ? ": " : ", ");
        }
        if (!skipped) {
            fprintf(out, "run %.0f does not count: ", cell_number(cell, "run"));
        }
        page_put(out, "", reason_of(cell), "</p>\n");
    }
    put_load_bound(out, cells, entry);
    if (last - first > APART_S) {
        fprintf(out, "<p class=\"note bad\">These runs are up to %.1f hours apart: ratios between them mean less.</p>\n",
                (last - first) / 3600);
    }
}

void page_put_entry_head(FILE *out, const struct cells *cells, const struct entry *entry) {
    const struct cell *shown = cells_find(cells, entry->id, "ahora");
    shown = shown != NULL && cell_is_valid(shown) ? shown : cells_find(cells, entry->id, NULL);
    fprintf(out, "<div class=\"card\" id=\"%s\">", entry->id);
    page_put(out, "<h3>", entry->title, "</h3>");
    if (entry->x_name == NULL) {
        page_put(out, "<p class=\"note\">", cell_text(shown, "setting"), "</p>");
    }
    page_put(out, "<p class=\"note\"><code>", cell_text(shown, "command"), "</code> · ");
    page_put(out, "", cell_text(shown, "date"), "</p>\n");
}
