/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The summary as a table that docs and terminals show alike. */
#include "bench/goals.h"
#include "bench/page.h"
#include "bench/svg.h"
#include "bench/target.h"

static bool is_shown(const struct cells *cells, const struct plan *plan, const char *target) {
    for (size_t i = 0; i < plan->count; i++) {
        if (cells_find(cells, plan->entries[i].id, target) != NULL) {
            return true;
        }
    }
    return false;
}

static void print_ratio(FILE *out, double ratio, const char *of) {
    if (ratio <= 0) {
        fprintf(out, " – |");
    } else {
        fprintf(out, " %.2f%s%s |", ratio, of != NULL ? " " : "", of != NULL ? of : "");
    }
}

static void print_row(FILE *out, const struct cells *cells, const struct plan *plan, const struct entry *entry) {
    struct standing standing;
    if (!page_standing(cells, entry, &standing)) {
        return;
    }
    fprintf(out, "| %s; %s%s%s |", entry->title, entry->metric, standing.unit[0] != '\0' ? ", " : "", standing.unit);
    for (size_t i = 0; target_at(i) != NULL; i++) {
        char text[32] = "–";
        if (!is_shown(cells, plan, target_at(i)->name)) {
            continue;
        }
        if (standing.has[i]) {
            svg_format(text, sizeof text, standing.values[i]);
        }
        bool is_bound = standing.has[i] && cells_have_note(cells, entry->id, target_at(i)->name, LOAD_BOUND);
        fprintf(out, " %s%s |", text, is_bound ? " (" LOAD_BOUND ")" : "");
    }
    print_ratio(out, standing.to_raw, NULL);
    print_ratio(out, standing.to_best_peer, standing.best_peer);
    char goals[GOAL_WORDS_MAX];
    fprintf(out, " %s |\n", goals_words(entry->id, goals));
}

void page_print_summary(FILE *out, const struct cells *cells, const struct plan *plan) {
    fprintf(out, "| %s |", plan->title);
    size_t columns = 0;
    for (size_t i = 0; target_at(i) != NULL; i++) {
        if (is_shown(cells, plan, target_at(i)->name)) {
            fprintf(out, " %s |", target_at(i)->name);
            columns++;
        }
    }
    fprintf(out, " to raw | to best peer | goal |\n|---|");
    for (size_t i = 0; i < columns + 2; i++) {
        fprintf(out, "--:|");
    }
    fprintf(out, "---|\n");
    for (size_t i = 0; i < plan->count; i++) {
        print_row(out, cells, plan, &plan->entries[i]);
    }
}
