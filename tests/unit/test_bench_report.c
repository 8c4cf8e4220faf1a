/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What was measured is kept, reused only if it is still true, and shown as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <unistd.h>

#include "bench/goals.h"
#include "bench/motion.h"
#include "bench/page.h"
#include "bench/report.h"
#include "bench/suite.h"
#include "bench/svg.h"
#include "bench/trace.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s", "/tmp/ahora-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static int drop_folder(void **state) {
    (void)state;
    return nftw(folder, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A cell of the first entry of `bench`, whose main metric is deliveries. */
static struct cell make_cell(const char *target, int run, double deliveries, const char *invalid) {
    struct result *result = calloc(1, sizeof *result);
    result->scenario = "fanout";
    result->target = target;
    result->invalid = invalid;
    snprintf(result->setting, sizeof result->setting, "<1 topic> & \"more\"");
    snprintf(result->command, sizeof result->command, "ahora-bench fanout --target %s", target);
    for (uint64_t i = 1; i <= 1000; i++) {
        histogram_record(&result->histogram, i * 1000);
    }
    result_put(result, "deliveries", deliveries, "/s");
    result_put(result, "lost", 0, "");
    struct cell_head head = {.entry = "a-fanout", .key = "k", .version = "v1", .run = run};
    struct cell cell = cell_of(&head, result);
    free(result);
    return cell;
}

static void put_cell(const char *name, const char *target, int run, double deliveries, const char *invalid) {
    struct cell cell = make_cell(target, run, deliveries, invalid);
    assert_true(cell_write(&cell, path_of(name)));
    cell_fini(&cell);
}

static void a_cell_comes_back_as_it_was(void **state) {
    (void)state;
    put_cell("a.json", "ahora", 1, 1234567.5, NULL);
    struct cell cell;
    double value;
    const char *unit;
    assert_true(cell_read(&cell, path_of("a.json"), "k"));
    assert_true(cell_is_valid(&cell));
    assert_true(cell_metric(&cell, "deliveries", &value, &unit));
    assert_true(value == 1234567.5);
    assert_string_equal(unit, "/s");
    assert_string_equal(cell_text(&cell, "target"), "ahora");
    assert_true(cell_text(&cell, "date")[0] != '\0');
    assert_false(cell_metric(&cell, "p99", &value, NULL));
    const json_t *curve = json_object_get(cell.json, "curve");
    const json_t *last = json_array_get(curve, json_array_size(curve) - 1);
    assert_true(json_number_value(json_array_get(last, 0)) == 100);
    assert_true(json_number_value(json_array_get(last, 1)) == 1.0); /* a million nanoseconds */
    cell_fini(&cell);
}

static void another_key_or_a_damaged_file_is_not_reused(void **state) {
    (void)state;
    struct cell cell;
    put_cell("a.json", "ahora", 1, 1, NULL);
    assert_false(cell_read(&cell, path_of("a.json"), "another"));
    assert_false(cell_read(&cell, path_of("none.json"), "k"));
    assert_int_equal(truncate(path_of("a.json"), 40), 0);
    assert_false(cell_read(&cell, path_of("a.json"), "k"));
    assert_int_equal(access(path_of("a.json.new"), F_OK), -1);
}

static void medians_are_of_valid_runs(void **state) {
    (void)state;
    struct cells cells = {.items = NULL};
    double value;
    put_cell("1.json", "ahora", 1, 100, NULL);
    put_cell("2.json", "ahora", 2, 300, NULL);
    put_cell("3.json", "ahora", 3, 200, NULL);
    put_cell("4.json", "ahora", 4, 9000, "late");
    put_cell("5.json", "raw", 1, 400, NULL);
    cells_load(&cells, folder);
    assert_int_equal(cells.count, 5);
    assert_true(cells_median(&cells, "a-fanout", "ahora", -1, "deliveries", &value));
    assert_true(value == 200);
    assert_false(cells_median(&cells, "a-fanout", "bun", -1, "deliveries", &value));
    assert_false(cells_median(&cells, "other", "ahora", -1, "deliveries", &value));
    cells_fini(&cells);
}

static void ratios_are_to_raw_and_to_the_best_peer(void **state) {
    (void)state;
    struct cells cells = {.items = NULL};
    struct standing standing;
    const struct entry *entry = &plan_find("bench")->entries[0];
    cells_add(&cells, make_cell("ahora", 1, 300, NULL));
    cells_add(&cells, make_cell("raw", 1, 400, NULL));
    cells_add(&cells, make_cell("bun", 1, 150, NULL));
    cells_add(&cells, make_cell("nats", 1, 200, NULL));
    cells_add(&cells, make_cell("redis", 1, 9999, "a promise was broken"));
    assert_true(page_standing(&cells, entry, &standing));
    assert_true(standing.to_raw == 0.75);
    assert_true(standing.to_best_peer == 1.5);
    assert_string_equal(standing.best_peer, "nats");
    cells_fini(&cells);
}

static char *read_file(const char *path) {
    static char text[200000];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[bytes] = '\0';
    return text;
}

static void the_page_stands_alone_and_escapes_what_it_shows(void **state) {
    (void)state;
    struct cells cells = {.items = NULL};
    cells_add(&cells, make_cell("ahora", 1, 1.5e6, NULL));
    cells_add(&cells, make_cell("raw", 1, 2e6, NULL));
    cells_add(&cells, make_cell("raw", 2, 0, "the <generator> was late"));
    assert_true(page_write(path_of("report.html"), &cells));
    const char *page = read_file(path_of("report.html"));
    assert_non_null(strstr(page, "&lt;1 topic&gt; &amp; &quot;more&quot;"));
    assert_non_null(strstr(page, "the &lt;generator&gt; was late"));
    assert_non_null(strstr(page, "1.50 M"));
    assert_non_null(strstr(page, "0.75"));
    assert_non_null(strstr(page, "<svg"));
    static const char *const foreign[] = {"http:", "https:", "src=", "<script", "@import", "url(", "nan", "inf\""};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_null(strstr(page, foreign[i]));
    }
    assert_non_null(strstr(page, "</html>"));
    cells_fini(&cells);
}

/* ---- a full generator ---- */

static struct result *make_loaded(double share) {
    struct result *result = calloc(1, sizeof *result);
    result->scenario = "fanout";
    result->target = "ahora";
    result->number = 1;
    result_put(result, "deliveries", 1e6, "/s");
    result_put(result, "load_share", share, "%");
    result_judge_load(result);
    return result;
}

static void only_a_full_core_of_the_load_is_noted(void **state) {
    (void)state;
    static const struct {
        double share;
        bool is_noted;
    } cases[] = {{0, false}, {94.9, false}, {LOAD_BOUND_SHARE, true}, {99.8, true}, {130, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result *result = make_loaded(cases[i].share);
        assert_true((result->note != NULL) == cases[i].is_noted);
        free(result);
    }
    struct result *none = calloc(1, sizeof *none);
    result_judge_load(none);
    assert_null(none->note);
    free(none);
}

static void every_form_of_the_report_says_that_the_load_was_full(void **state) {
    (void)state;
    struct result *result = make_loaded(99.8);
    const struct result *const results[] = {result};
    assert_true(report_write_json(path_of("r.json"), results, 1));
    assert_non_null(strstr(read_file(path_of("r.json")), "\"note\":\"load-bound\""));
    assert_true(report_write_csv(path_of("r.csv"), results, 1));
    assert_non_null(strstr(read_file(path_of("r.csv")), "fanout,ahora,1,true,deliveries,1000000,/s,load-bound\n"));
    FILE *file = fopen(path_of("r.txt"), "w");
    report_print_table(file, results, 1, "about");
    fclose(file);
    assert_non_null(strstr(read_file(path_of("r.txt")), "load-bound: run 1 on ahora"));

    struct cells cells = {.items = NULL};
    struct cell_head head = {.entry = "a-fanout", .key = "k", .version = "v1", .run = 1};
    cells_add(&cells, cell_of(&head, result));
    assert_true(cells_have_note(&cells, "a-fanout", "ahora", LOAD_BOUND));
    assert_false(cells_have_note(&cells, "a-fanout", "raw", LOAD_BOUND));
    assert_true(page_write(path_of("r.html"), &cells));
    assert_non_null(strstr(read_file(path_of("r.html")), "ahora: load-bound: "));
    file = fopen(path_of("s.txt"), "w");
    page_print_summary(file, &cells, plan_find("bench"));
    fclose(file);
    assert_non_null(strstr(read_file(path_of("s.txt")), " (load-bound) |"));
    cells_fini(&cells);
    free(result);
}

/* ---- goals ---- */

static void add_metric(struct cells *cells, const char *entry, const char *target, double x, const char *metric, double value) {
    struct result *result = calloc(1, sizeof *result);
    result->scenario = "any";
    result->target = target;
    result_put(result, metric, value, "ms");
    struct cell_head head = {.entry = entry, .key = "k", .version = "v1", .x = x, .run = 1};
    cells_add(cells, cell_of(&head, result));
    free(result);
}

static struct goal_standing stand(const struct cells *cells, const char *text) {
    for (size_t i = 0; goal_at(i) != NULL; i++) {
        if (strcmp(goal_at(i)->text, text) == 0) {
            return goal_standing(cells, goal_at(i));
        }
    }
    fail_msg("no goal: %s", text);
    return (struct goal_standing){.state = GOAL_UNKNOWN};
}

static void goals_are_met_missed_or_not_known(void **state) {
    (void)state;
    struct cells cells = {.items = NULL};
    assert_int_equal(stand(&cells, "ready 2 s after start").state, GOAL_UNKNOWN);
    add_metric(&cells, "peers-topics", "ahora", 0, "ready", 2001);
    assert_int_equal(stand(&cells, "ready 2 s after start").state, GOAL_MISSED);
    add_metric(&cells, "peers-f-join", "ahora", 0, "time", 600);
    assert_int_equal(stand(&cells, "10,000 joins in 600 ms").state, GOAL_MET);

    /* The best peer in a latency is the one with the least; the yardstick is no peer. */
    add_metric(&cells, "peers-d-latency", "ahora", 0, "p99", 10);
    assert_int_equal(stand(&cells, "p99 below every peer").state, GOAL_UNKNOWN);
    add_metric(&cells, "peers-d-latency", "raw", 0, "p99", 1);
    assert_int_equal(stand(&cells, "p99 below every peer").state, GOAL_UNKNOWN);
    add_metric(&cells, "peers-d-latency", "redis", 0, "p99", 20);
    assert_int_equal(stand(&cells, "p99 below every peer").state, GOAL_MET);
    add_metric(&cells, "peers-d-latency", "nats", 0, "p99", 8);
    struct goal_standing standing = stand(&cells, "p99 below every peer");
    assert_int_equal(standing.state, GOAL_MISSED);
    assert_true(standing.measured == 1.25);
    assert_string_equal(standing.peer, "nats");

    /* Without the peers' plan, the shorter one says what it knows. */
    add_metric(&cells, "c-crowd", "ahora", 0, "p99", 105);
    add_metric(&cells, "c-crowd", "raw", 0, "p99", 100);
    standing = stand(&cells, "p99 at most 1.1 of raw");
    assert_int_equal(standing.state, GOAL_MET);
    assert_string_equal(standing.entry, "c-crowd");

    /* Another point of the same sweep. */
    add_metric(&cells, "sweep-views", "ahora", 1, "cpu_per_delivery", 10);
    add_metric(&cells, "sweep-views", "ahora", 64, "cpu_per_delivery", 12);
    assert_int_equal(stand(&cells, "with 64 subscriptions of a session what it costs with 1 (1.25)").state, GOAL_MET);
    cells_fini(&cells);
}

static void runs_that_do_not_count_reach_no_goal(void **state) {
    (void)state;
    struct cells cells = {.items = NULL};
    cells_add(&cells, make_cell("ahora", 1, 900, "late"));
    cells_add(&cells, make_cell("raw", 1, 900, NULL));
    assert_int_equal(stand(&cells, "stretch: 0.9 of raw").state, GOAL_UNKNOWN);
    cells_add(&cells, make_cell("ahora", 2, 810, NULL));
    assert_int_equal(stand(&cells, "stretch: 0.9 of raw").state, GOAL_MET);
    assert_true(page_write(path_of("report.html"), &cells));
    const char *page = read_file(path_of("report.html"));
    assert_non_null(strstr(page, "0.90 of raw"));
    assert_non_null(strstr(page, "<td class=\"good\">met</td>"));
    assert_non_null(strstr(page, "not measured"));
    cells_fini(&cells);
}

static void an_entry_is_shown_with_all_its_goals(void **state) {
    (void)state;
    char words[GOAL_WORDS_MAX];
    assert_string_equal(goals_words("peers-a-fanout", words), "ahead of Bun; stretch: 0.9 of raw");
    assert_string_equal(goals_words("e-idle", words), "at most 1.8 KB for a connection");
    assert_string_equal(goals_words("churn", words), "");
}

/* Each goal names entries there are, and of sweeps points there are. */
static bool has_point(const struct entry *entry, double x) {
    for (size_t i = 0; i < POINTS_MAX && entry->points[i].options != NULL; i++) {
        if (entry->points[i].x == x) {
            return true;
        }
    }
    return false;
}

static const struct entry *find_entry(const char *id) {
    for (size_t p = 0; plan_at(p) != NULL; p++) {
        for (size_t e = 0; e < plan_at(p)->count; e++) {
            if (strcmp(plan_at(p)->entries[e].id, id) == 0) {
                return &plan_at(p)->entries[e];
            }
        }
    }
    return NULL;
}

static void goals_ask_for_what_plans_measure(void **state) {
    (void)state;
    for (size_t g = 0; goal_at(g) != NULL; g++) {
        const struct goal *goal = goal_at(g);
        assert_non_null(goal->entries[0]);
        for (size_t i = 0; i < GOAL_ENTRIES_MAX && goal->entries[i] != NULL; i++) {
            const struct entry *entry = find_entry(goal->entries[i]);
            assert_non_null(entry);
            assert_true(goal->base != BASE_POINT || (has_point(entry, goal->x) && has_point(entry, goal->x_base)));
        }
    }
}

static void plots_of_any_numbers_are_finite(void **state) {
    (void)state;
    static const double values[] = {0, 1e-12, 1, 5, 5, 1e12, 100};
    for (enum svg_scale x = SVG_LINEAR; x <= SVG_NINES; x++) {
        for (enum svg_scale y = SVG_LINEAR; y <= SVG_NINES; y++) {
            for (size_t count = 0; count <= sizeof values / sizeof values[0]; count++) {
                static struct svg_plot plot;
                plot = (struct svg_plot){
                    .title = "t", .x_label = "x", .y_label = "y", .x_scale = x, .y_scale = y, .has_dots = true};
                plot.line_count = 1;
                plot.lines[0].name = "n";
                plot.lines[0].count = count;
                for (size_t i = 0; i < count; i++) {
                    plot.lines[0].x[i] = values[i];
                    plot.lines[0].y[i] = values[count - 1 - i];
                }
                FILE *file = fopen(path_of("plot.svg"), "w");
                svg_write(file, &plot);
                fclose(file);
                const char *text = read_file(path_of("plot.svg"));
                assert_null(strstr(text, "nan"));
                assert_null(strstr(text, "inf"));
                assert_true((count == 0) == (text[0] == '\0'));
            }
        }
    }
}

/* ---- plans ---- */

static void entries_of_all_plans_can_be_run(void **state) {
    (void)state;
    for (size_t p = 0; plan_at(p) != NULL; p++) {
        for (size_t e = 0; e < plan_at(p)->count; e++) {
            const struct entry *entry = &plan_at(p)->entries[e];
            const struct target *targets[TARGETS_MAX];
            size_t count;
            assert_non_null(scenario_find(entry->scenario));
            assert_true(harness_list_targets(entry->targets, targets, &count) && count > 0);
            assert_true(entry->runs > 0);
            assert_true(entry->x_name != NULL ? entry->plotted[0] != NULL && entry->expected != NULL : entry->metric != NULL);
            for (size_t i = 0; i < POINTS_MAX; i++) {
                char words[200];
                struct options given = {.topics = 0};
                struct options options;
                if (i > 0 && entry->points[i].options == NULL) {
                    break;
                }
                snprintf(words, sizeof words, "%s %s", entry->options,
                         entry->points[i].options != NULL ? entry->points[i].options : "");
                assert_true(suite_options(&given, words, &options));
            }
            for (size_t other = 0; other < e; other++) {
                assert_string_not_equal(plan_at(p)->entries[other].id, entry->id);
            }
        }
    }
}

static void the_command_line_wins_over_an_entry(void **state) {
    (void)state;
    struct options given = {.duration_ms = 50};
    struct options options;
    char words[] = "--duration 2s  -c 10 --no-pin --server-args=--shards=2";
    assert_true(suite_options(&given, words, &options));
    assert_int_equal(options.duration_ms, 50);
    assert_int_equal(options.subscribers, 10);
    assert_true(options.no_pin);
    assert_string_equal(options.server_arguments, "--shards=2");
}

/* ---- what scenarios judge by ---- */

static void circles_know_who_is_in_them(void **state) {
    (void)state;
    struct place place = {48, 11.3};
    struct place east = {48, 11.3 + 1000 / (111195.0797 * 0.6691306064)}; /* cos 48 degrees */
    assert_true(motion_metres(place, east) > 999.9 && motion_metres(place, east) < 1000.1);
    assert_int_equal(motion_whereabouts(place, 1100, east), INSIDE);
    assert_int_equal(motion_whereabouts(place, 990, east), AT_THE_EDGE); /* it may have been inside before */
    assert_int_equal(motion_whereabouts(place, 900, east), OUTSIDE);
    for (uint32_t unit = 0; unit < 100; unit++) { /* a version is a step of 40 m */
        double step = motion_metres(motion_of(unit, 5), motion_of(unit, 6));
        assert_true(step > 38 && step < 41);
    }
}

static void events_of_traces_are_told_apart(void **state) {
    (void)state;
    struct trace trace = {.events = NULL};
    assert_true(
        trace_add_line(&trace, "{\"t\":0,\"topic\":\"stock/1/a\",\"op\":\"set\",\"data\":{\"available\":5,\"name\":\"x\"}}"));
    assert_true(trace_add_line(&trace, "{\"t\":1,\"topic\":\"stock/1/b\",\"op\":\"patch\",\"data\":{}}"));
    assert_true(trace_add_line(&trace, "{\"t\":2,\"topic\":\"stock/1/a\",\"op\":\"delete\"}"));
    assert_false(trace_add_line(&trace, "{\"t\":2,\"topic\":\"stock/1/a\",\"op\":\"delete\",\"data\":{}}"));
    assert_false(trace_add_line(&trace, "{\"t\":2,\"topic\":\"stock/1/a\",\"op\":\"adjust\"}"));
    assert_false(trace_add_line(&trace, "{\"t\":2,\"topic\":\"stock/1/a\",\"op\":\"touch\",\"data\":{}}"));
    assert_false(trace_add_line(&trace, "not json"));
    assert_int_equal(trace.event_count, 3);
    assert_int_equal(trace.topic_count, 2);
    assert_int_equal(trace.events[2].topic, trace.events[0].topic);
    assert_int_equal(trace.events[1].bytes, 0);
    assert_memory_equal(trace.text + trace.events[0].data, "\"available\":5,\"name\":\"x\"", trace.events[0].bytes);
    trace_fini(&trace);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_cell_comes_back_as_it_was),
        IN_A_FOLDER(another_key_or_a_damaged_file_is_not_reused),
        IN_A_FOLDER(medians_are_of_valid_runs),
        cmocka_unit_test(ratios_are_to_raw_and_to_the_best_peer),
        IN_A_FOLDER(the_page_stands_alone_and_escapes_what_it_shows),
        cmocka_unit_test(only_a_full_core_of_the_load_is_noted),
        IN_A_FOLDER(every_form_of_the_report_says_that_the_load_was_full),
        cmocka_unit_test(goals_are_met_missed_or_not_known),
        IN_A_FOLDER(runs_that_do_not_count_reach_no_goal),
        cmocka_unit_test(an_entry_is_shown_with_all_its_goals),
        cmocka_unit_test(goals_ask_for_what_plans_measure),
        IN_A_FOLDER(plots_of_any_numbers_are_finite),
        cmocka_unit_test(entries_of_all_plans_can_be_run),
        cmocka_unit_test(the_command_line_wins_over_an_entry),
        cmocka_unit_test(circles_know_who_is_in_them),
        cmocka_unit_test(events_of_traces_are_told_apart),
    };
    return cmocka_run_group_tests_name("bench report", tests, NULL, NULL);
}
