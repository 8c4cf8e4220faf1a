/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/goals.h"

#include "bench/page_part.h"
#include "bench/svg.h"
#include "bench/target.h"

#include <math.h>
#include <string.h>

#define AT_LEAST false
#define AT_MOST true
#define FIRST_OF(...)                                                                                                          \
    { __VA_ARGS__ }

/* The words of a goal and what it is compared with, so that no figure is written twice: `unit` of the words in that of the metric. */
#define FIGURE(before, figure, after, unit) .text = before #figure after, .limit = (figure) * (double)(unit)
#define WORDS(words) .text = words, .limit = 1

#define GOAL(column_, text_and_limit, entries_, metric_, is_at_most_, base_)                                                   \
    .column = column_, text_and_limit, .entries = entries_, .metric = metric_, .is_at_most = is_at_most_, .base = base_

/* Of what should not grow: two runs of the same differ by a fifth. */
#define UNCHANGED(text_, entry_, x_, x_base_)                                                                                  \
    {                                                                                                                          \
        GOAL("growth", FIGURE(text_ " (", 1.25, ")", 1), FIRST_OF(entry_), "cpu_per_delivery", AT_MOST, BASE_POINT),           \
            .x = x_, .x_base = x_base_                                                                                         \
    }

static const struct goal goals[] = {
    {GOAL("A", WORDS("ahead of Bun"), FIRST_OF("peers-a-fanout"), "deliveries", AT_LEAST, BASE_BUN)},
    {GOAL("A", FIGURE("stretch: ", 0.9, " of raw", 1), FIRST_OF("peers-a-fanout", "a-fanout"), "deliveries", AT_LEAST,
          BASE_RAW)},
    {GOAL("A1", FIGURE("", 0.90, " of raw", 1), FIRST_OF("peers-a1-pingfan", "a1-pingfan"), "deliveries", AT_LEAST, BASE_RAW)},
    {GOAL("A1", WORDS("ahead of every peer"), FIRST_OF("peers-a1-pingfan"), "deliveries", AT_LEAST, BASE_BEST_PEER)},
    {GOAL("B", FIGURE("", 1.3, " times Bun", 1), FIRST_OF("peers-b-spread"), "deliveries", AT_LEAST, BASE_BUN)},
    {GOAL("B", FIGURE("stretch: ", 0.8, " of raw", 1), FIRST_OF("peers-b-spread", "b-spread"), "deliveries", AT_LEAST,
          BASE_RAW)},
    {GOAL("C", FIGURE("p99 at most ", 1.1, " of raw", 1), FIRST_OF("peers-c-crowd", "c-crowd"), "p99", AT_MOST, BASE_RAW)},
    {GOAL("D", FIGURE("p50 at most ", 1.15, " of raw", 1), FIRST_OF("peers-d-latency", "d-latency"), "p50", AT_MOST, BASE_RAW)},
    {GOAL("D", WORDS("p99 below every peer"), FIRST_OF("peers-d-latency"), "p99", AT_MOST, BASE_BEST_PEER)},
    {GOAL("E", FIGURE("at most ", 1.8, " KB for a connection", 1000), FIRST_OF("peers-e-idle", "e-idle"), "pss_per_connection",
          AT_MOST, BASE_NONE)},
    {GOAL("F", FIGURE("at most ", 35, " us of processor time for a join", 1), FIRST_OF("peers-f-join", "f-join"),
          "cpu_per_join", AT_MOST, BASE_NONE)},
    {GOAL("F", FIGURE("10,000 joins in ", 600, " ms", 1), FIRST_OF("peers-f-join", "f-join"), "time", AT_MOST, BASE_NONE)},
    {GOAL("G", FIGURE("", 1.0, " M changes/s, answered when applied", 1e6), FIRST_OF("peers-g-applied-1", "g-applied"),
          "accepted", AT_LEAST, BASE_NONE)},
    {GOAL("G", FIGURE("", 0.4, " M changes/s of NDJSON, answered when applied", 1e6), FIRST_OF("peers-g-ndjson"), "accepted",
          AT_LEAST, BASE_NONE)},
    {GOAL("G", FIGURE("", 0.5, " M changes/s of 4 producers, answered when on disk", 1e6),
          FIRST_OF("peers-g-durable-4", "g-durable"), "accepted", AT_LEAST, BASE_NONE)},
    {GOAL("G", FIGURE("p99 of these answers below ", 2, " ms at 100,000 changes/s", 1), FIRST_OF("peers-g-paced", "g-paced"),
          "p99", AT_MOST, BASE_NONE)},
    {GOAL("a million topics", FIGURE("at most ", 600, " B each beside the document", 1), FIRST_OF("peers-topics"),
          "memory_per_topic", AT_MOST, BASE_NONE),
     .other = "document"},
    {GOAL("a million topics", FIGURE("ready ", 2, " s after start", 1000), FIRST_OF("peers-topics"), "ready", AT_MOST,
          BASE_NONE)},
    {GOAL("as many subscribers as files", FIGURE("one change reaches all in ", 1.1, " of raw's time", 1),
          FIRST_OF("peers-e-many"), "reach_all", AT_MOST, BASE_RAW)},
    {GOAL("as many subscribers as files", FIGURE("stretch: ", 25, ",000 connections/s accepted (and joined)", 1000),
          FIRST_OF("peers-e-many"), "joins", AT_LEAST, BASE_NONE)},
    {GOAL("slow readers", FIGURE("1,000 good ones' p99 at most ", 1.1, " of what it is alone", 1), FIRST_OF("peers-slow-1000"),
          "p99", AT_MOST, BASE_OWN),
     .other = "p99_alone"},
    {GOAL("slow readers", FIGURE("memory flat: grows by at most ", 1, " MiB meanwhile", 1048576), FIRST_OF("peers-slow-1000"),
          "memory_growth", AT_MOST, BASE_NONE)},
    UNCHANGED("a delivery with a million topics costs what it costs with 1,000", "sweep-topics", 1e6, 1000),
    UNCHANGED("with 10,000 sessions what it costs with 1,000", "sweep-subs", 10000, 1000),
    UNCHANGED("with 100,000 subscriptions what it costs with 10,000", "sweep-subscriptions", 100000, 10000),
    UNCHANGED("with 8 patterns that select it what it costs with 1", "sweep-patterns", 8, 1),
    UNCHANGED("with 64 subscriptions of a session what it costs with 1", "sweep-views", 64, 1),
};

const struct goal *goal_at(size_t index) {
    return index < sizeof goals / sizeof goals[0] ? &goals[index] : NULL;
}

/* ---- judging ---- */

static bool find_best_peer(const struct cells *cells, const struct goal *goal, const char *entry, double *out,
                           const char **name) {
    bool any = false;
    for (size_t i = 0; target_at(i) != NULL; i++) {
        double value;
        bool is_peer = target_at(i)->programs[0] != NULL;
        if (!is_peer || !cells_median(cells, entry, target_at(i)->name, -1, goal->metric, &value)) {
            continue;
        }
        if (!any || (goal->is_at_most ? value < *out : value > *out)) {
            *out = value;
            *name = target_at(i)->name;
        }
        any = true;
    }
    return any;
}

static bool find_base(const struct cells *cells, const struct goal *goal, const char *entry, double *out, const char **peer) {
    const char *own = target_at(0)->name;
    *out = 1;
    switch (goal->base) {
    case BASE_NONE:
        return true;
    case BASE_RAW:
        return cells_median(cells, entry, "raw", -1, goal->metric, out);
    case BASE_BUN:
        return cells_median(cells, entry, "bun", -1, goal->metric, out);
    case BASE_BEST_PEER:
        return find_best_peer(cells, goal, entry, out, peer);
    case BASE_OWN:
        return cells_median(cells, entry, own, -1, goal->other, out);
    case BASE_POINT:
        return cells_median(cells, entry, own, goal->x_base, goal->metric, out);
    }
    return false;
}

static bool measure(const struct cells *cells, const struct goal *goal, const char *entry, struct goal_standing *out) {
    const char *own = target_at(0)->name;
    const char *peer = NULL;
    double value;
    double base;
    double less = 0;
    bool is_point = goal->base == BASE_POINT;
    if (!cells_median(cells, entry, own, is_point ? goal->x : -1, goal->metric, &value) ||
        !find_base(cells, goal, entry, &base, &peer) || base <= 0) {
        return false;
    }
    if (goal->base == BASE_NONE && goal->other != NULL && !cells_median(cells, entry, own, -1, goal->other, &less)) {
        return false;
    }
    *out = (struct goal_standing){.measured = (value - less) / base, .unit = "", .peer = peer, .entry = entry};
    out->is_load_bound = cells_have_note(cells, entry, own, LOAD_BOUND);
    if (goal->base == BASE_NONE) {
        cell_metric(cells_find(cells, entry, own), goal->metric, &value, &out->unit);
    }
    bool is_enough = goal->is_at_most ? out->measured <= goal->limit : out->measured >= goal->limit;
    out->state = is_enough ? GOAL_MET : GOAL_MISSED;
    return true;
}

struct goal_standing goal_standing(const struct cells *cells, const struct goal *goal) {
    struct goal_standing standing = {.state = GOAL_UNKNOWN, .unit = ""};
    for (size_t i = 0; i < GOAL_ENTRIES_MAX && goal->entries[i] != NULL; i++) {
        if (measure(cells, goal, goal->entries[i], &standing)) {
            break;
        }
    }
    return standing;
}

/* ---- showing ---- */

static bool is_any_known(const struct cells *cells) {
    for (size_t i = 0; goal_at(i) != NULL; i++) {
        if (goal_standing(cells, goal_at(i)).state != GOAL_UNKNOWN) {
            return true;
        }
    }
    return false;
}

static void write_measured(const struct goal *goal, const struct goal_standing *standing, char *out, size_t out_bytes) {
    static const char *const of[] = {
        [BASE_NONE] = "", [BASE_RAW] = " of raw", [BASE_BUN] = " of bun", [BASE_OWN] = " of it", [BASE_POINT] = " of it"};
    char value[32] = "–";
    if (standing->state == GOAL_UNKNOWN) {
        snprintf(out, out_bytes, "–");
        return;
    }
    if (goal->base == BASE_NONE) {
        svg_format(value, sizeof value, standing->measured);
        snprintf(out, out_bytes, "%s%s%s", value, standing->unit[0] == '/' || standing->unit[0] == '\0' ? "" : " ",
                 standing->unit);
    } else {
        snprintf(out, out_bytes, "%.2f%s%s", standing->measured, standing->peer != NULL ? " of " : of[goal->base],
                 standing->peer != NULL ? standing->peer : "");
    }
    size_t used = strlen(out);
    snprintf(out + used, out_bytes - used, "%s", standing->is_load_bound ? " (" LOAD_BOUND ")" : "");
}

static void write_verdict(const struct goal *goal, const struct goal_standing *standing, char *out, size_t out_bytes) {
    if (standing->state == GOAL_MISSED) {
        snprintf(out, out_bytes, "missed by %.0f %%", ceil(100 * fabs(standing->measured / goal->limit - 1)));
    } else {
        snprintf(out, out_bytes, "%s", standing->state == GOAL_MET ? "met" : "not measured");
    }
}

static bool is_of_entry(const struct goal *goal, const char *entry) {
    for (size_t i = 0; i < GOAL_ENTRIES_MAX && goal->entries[i] != NULL; i++) {
        if (strcmp(goal->entries[i], entry) == 0) {
            return true;
        }
    }
    return false;
}

const char *goals_words(const char *entry, char out[GOAL_WORDS_MAX]) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; goal_at(i) != NULL; i++) {
        if (is_of_entry(goal_at(i), entry) && used < GOAL_WORDS_MAX) {
            used += (size_t)snprintf(out + used, GOAL_WORDS_MAX - used, "%s%s", used > 0 ? "; " : "", goal_at(i)->text);
        }
    }
    return out;
}

void goals_put(FILE *out, const struct cells *cells) {
    static const char *const classes[] = {[GOAL_UNKNOWN] = "none", [GOAL_MET] = "good", [GOAL_MISSED] = "bad"};
    if (!is_any_known(cells)) {
        return;
    }
    fputs("<h2 id=\"goals\">goals</h2>\n<div "
          "class=\"card\"><table><thead><tr><th></th><th>goal</th><th>measured</th><th></th></tr>"
          "</thead><tbody>\n",
          out);
    for (size_t i = 0; goal_at(i) != NULL; i++) {
        char text[96];
        const struct goal *goal = goal_at(i);
        struct goal_standing standing = goal_standing(cells, goal);
        page_put(out, "<tr><td>", goal->column, "</td>");
        page_put(out, "<td class=\"goal\">", goal->text, "</td>");
        write_measured(goal, &standing, text, sizeof text);
        if (standing.entry != NULL) {
            page_put(out, "<td><a href=\"#", standing.entry, "\">");
            page_put(out, "", text, "</a></td>");
        } else {
            page_put(out, "<td class=\"none\">", text, "</td>");
        }
        write_verdict(goal, &standing, text, sizeof text);
        page_put(out, "<td class=\"", classes[standing.state], "\">");
        page_put(out, "", text, "</td></tr>\n");
    }
    fputs("</tbody></table></div>\n", out);
}

void goals_print(FILE *out, const struct cells *cells) {
    if (!is_any_known(cells)) {
        return;
    }
    fprintf(out, "\n| goals | | measured | |\n|---|---|--:|---|\n");
    for (size_t i = 0; goal_at(i) != NULL; i++) {
        char measured[96];
        char verdict[48];
        const struct goal *goal = goal_at(i);
        struct goal_standing standing = goal_standing(cells, goal);
        write_measured(goal, &standing, measured, sizeof measured);
        write_verdict(goal, &standing, verdict, sizeof verdict);
        fprintf(out, "| %s | %s | %s | %s |\n", goal->column, goal->text, measured, verdict);
    }
}
