/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/suite.h"

#include "bench/goals.h"
#include "bench/page.h"
#include "bench/report.h"
#include "bench/svg.h"
#include "bench/threshold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORDS_MAX 48

struct suite {
    const struct harness *harness;
    const struct options *options;
    char folder[300];
    char cells[320];
    struct suite_outcome outcome;
    size_t total;
    size_t done;
    size_t measured;
    int64_t spent_ns; /* on what was measured */
};

/* One run of an entry, at one point of a sweep, on one target. */
struct job {
    const struct entry *entry;
    const struct point *point; /* NULL: no sweep */
    const struct target *target;
    int run;
};

bool suite_names_are_valid(const struct options *options) {
    for (size_t i = 1; i < options->scenario_count; i++) {
        if (plan_find(options->scenarios[i]) == NULL && strcmp(options->scenarios[i], "report") != 0) {
            fprintf(stderr, "ahora-bench: suite %s: want bench, peers, sweeps or report\n", options->scenarios[i]);
            return false;
        }
    }
    if (options->scenario_count < 2) {
        fprintf(stderr, "ahora-bench: suite: want bench, peers, sweeps or report\n");
    }
    return options->scenario_count >= 2;
}

/* ---- options of a job ---- */

bool suite_options(const struct options *given, char *text, struct options *out) {
    char program[] = "ahora-bench";
    char *words[WORDS_MAX] = {program};
    int count = 1;
    struct options entry = {.topics = 0};
    for (char *at = text; *at != '\0' && count < WORDS_MAX;) {
        size_t bytes = strcspn(at, " ");
        bool last = at[bytes] == '\0';
        at[bytes] = '\0';
        if (bytes > 0) {
            words[count++] = at;
        }
        at += bytes + !last;
    }
    if (!options_parse(&entry, count, words)) {
        return false;
    }
    *out = *given;
    options_fill(out, &entry);
    out->no_pin |= entry.no_pin;
    out->targets = NULL;
    return true;
}

static void write_words(const struct job *job, char *out, size_t out_bytes) {
    snprintf(out, out_bytes, "%s%s%s", job->entry->options, job->point != NULL ? " " : "",
             job->point != NULL ? job->point->options : "");
}

static void write_command(const struct suite *suite, const struct job *job, char *out, size_t out_bytes) {
    char words[200];
    write_words(job, words, sizeof words);
    bool splits = scenario_find(job->entry->scenario)->splitting == SPLITS && strstr(words, "--brokers") == NULL;
    char loads[32] = "";
    if (suite->options->loads > 1 && splits) {
        snprintf(loads, sizeof loads, " --loads %lld", (long long)suite->options->loads);
    }
    snprintf(out, out_bytes, "ahora-bench %s %s%s%s --target %s", job->entry->scenario, words,
             suite->options->quick ? " --quick" : "", loads, job->target->name);
}

/* What makes a cell another one: what was done, with which bench, and with which program. */
static void write_key(const struct job *job, const char *command, const char *program, char *out, size_t out_bytes) {
    struct stat own = {.st_size = 0};
    struct stat status = {.st_size = 0};
    stat("/proc/self/exe", &own);
    stat(program, &status);
    snprintf(out, out_bytes, "%s | run %d | %s %lld %lld | %lld %lld", command, job->run, AHORA_VERSION, (long long)own.st_size,
             (long long)own.st_mtime, (long long)status.st_size, (long long)status.st_mtime);
}

static void write_path(const struct suite *suite, const struct job *job, char *out, size_t out_bytes) {
    char x[32] = "";
    if (job->point != NULL) {
        snprintf(x, sizeof x, "-%.0f", job->point->x);
    }
    snprintf(out, out_bytes, "%s/%s%s-%s-%d.json", suite->cells, job->entry->id, x, job->target->name, job->run);
}

/* ---- what this program can ---- */

static bool says(const char *program, const char *word) {
    char command[600];
    char line[512];
    bool found = false;
    snprintf(command, sizeof command, "'%s' --help 2>&1 </dev/null", program);
    FILE *said = popen(command, "r");
    while (said != NULL && fgets(line, sizeof line, said) != NULL) {
        found |= strstr(line, word) != NULL;
    }
    if (said != NULL) {
        pclose(said);
    }
    return found;
}

static const char *missing_in(const struct job *job, const char *program) {
    bool wants_shards = job->point != NULL && strstr(job->point->options, "--shards") != NULL;
    return wants_shards && !says(program, "--shards") ? "this ahorad has no --shards" : NULL;
}

/* ---- a job ---- */

static void show(const struct suite *suite, const struct job *job) {
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    double left = suite->measured > 0
                      ? (double)suite->spent_ns / (double)suite->measured * (double)(suite->total - suite->done) / 1e9
                      : 0;
    fprintf(stderr, "\r%70s\r[%zu/%zu] %02.0f:%02.0f left  %s on %s, run %d\n", "", suite->done, suite->total,
            (left - (double)((int)left % 60)) / 60, (double)((int)left % 60), job->entry->id, job->target->name, job->run);
}

static bool measure(struct suite *suite, const struct job *job, const char *program, struct result *result) {
    char words[200];
    struct options options;
    write_words(job, words, sizeof words);
    if (!suite_options(suite->options, words, &options)) {
        return false;
    }
    result->skipped = missing_in(job, program);
    result->scenario = job->entry->scenario;
    result->target = job->target->name;
    result->number = job->run;
    if (result->skipped == NULL) {
        harness_run(suite->harness, scenario_find(job->entry->scenario), &options, job->target, result);
    }
    return true;
}

static void say_result(const struct job *job, const struct result *result) {
    char text[32] = "";
    const struct metric *metric = result_find(result, job->entry->metric != NULL ? job->entry->metric : job->entry->plotted[0],
                                              strlen(job->entry->metric != NULL ? job->entry->metric : job->entry->plotted[0]));
    if (metric != NULL) {
        svg_format(text, sizeof text, metric->value);
    }
    char place[48] = "";
    if (job->point != NULL) {
        snprintf(place, sizeof place, " %.0f", job->point->x);
    }
    const char *why = result->skipped != NULL ? result->skipped : result->invalid != NULL ? result->invalid : "";
    printf("  %-18s%s %-10s run %d  %s %s%s%s%s\n", job->entry->id, place, job->target->name, job->run,
           metric != NULL ? metric->name : "", text, metric != NULL && metric->unit[0] != '\0' ? " " : "",
           metric != NULL ? metric->unit : "", result->note != NULL ? ", " LOAD_BOUND : "");
    if (why[0] != '\0') {
        printf("    %s: %s\n", result->skipped != NULL ? "skipped" : "INVALID", why);
    }
    fflush(stdout);
}

static bool run_and_keep(struct suite *suite, const struct job *job, const char *program, const char *key, const char *path) {
    struct result *result = calloc(1, sizeof *result);
    char version[128];
    if (result == NULL) {
        return false;
    }
    target_version(job->target, program, version, sizeof version);
    write_command(suite, job, result->command, sizeof result->command);
    int64_t begin = clock_ns();
    bool fine = measure(suite, job, program, result);
    suite->spent_ns += result->skipped == NULL ? clock_ns() - begin : 0;
    suite->measured += result->skipped == NULL;
    suite->outcome.is_invalid |= result->invalid != NULL;
    suite->outcome.is_missed |= suite->options->threshold != NULL && result->skipped == NULL &&
                                !threshold_holds(suite->options->threshold, result, stderr);
    fine = fine && !run_is_interrupted();
    if (fine) {
        struct cell_head head = {.entry = job->entry->id,
                                 .key = key,
                                 .version = version,
                                 .x = job->point != NULL ? job->point->x : 0,
                                 .run = job->run};
        struct cell cell = cell_of(&head, result);
        fine = cell_write(&cell, path);
        cell_fini(&cell);
        say_result(job, result);
    }
    free(result);
    return fine;
}

static bool run_job(struct suite *suite, const struct job *job) {
    char program[512] = "";
    char command[300];
    char key[1024];
    char path[600];
    struct cell cell;
    bool there = harness_program(suite->harness, suite->options, job->target, program, sizeof program);
    write_command(suite, job, command, sizeof command);
    write_key(job, command, there ? program : "", key, sizeof key);
    write_path(suite, job, path, sizeof path);
    show(suite, job);
    suite->done++;
    if (!suite->options->fresh && cell_read(&cell, path, key)) {
        bool valid = cell_is_valid(&cell);
        cell_fini(&cell);
        if (valid) {
            return true;
        }
    }
    return run_and_keep(suite, job, program, key, path);
}

/* ---- a plan ---- */

static size_t point_count(const struct entry *entry) {
    size_t count = 0;
    while (count < POINTS_MAX && entry->points[count].options != NULL) {
        count++;
    }
    return count;
}

static bool is_wanted(const struct suite *suite, const struct target *target) {
    const struct target *wanted[TARGETS_MAX];
    size_t count;
    if (suite->options->targets == NULL || !harness_list_targets(suite->options->targets, wanted, &count)) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (wanted[i] == target) {
            return true;
        }
    }
    return false;
}

/* Targets take turns, so that what the machine does meanwhile hits all alike. Counts if `counts`, else runs. */
static bool each_job(struct suite *suite, const struct entry *entry, bool counts) {
    const struct target *targets[TARGETS_MAX];
    size_t target_count;
    size_t points = point_count(entry);
    int runs = suite->options->runs > 0 ? (int)suite->options->runs : entry->runs;
    if (!harness_list_targets(entry->targets, targets, &target_count)) {
        return false;
    }
    for (int run = 1; run <= runs; run++) {
        for (size_t p = 0; p < (points > 0 ? points : 1); p++) {
            for (size_t t = 0; t < target_count; t++) {
                struct job job = {
                    .entry = entry, .point = points > 0 ? &entry->points[p] : NULL, .target = targets[t], .run = run};
                if (!is_wanted(suite, targets[t])) {
                    continue;
                }
                suite->total += counts;
                if (!counts && !run_job(suite, &job)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* ---- the report ---- */

static bool write_json(const char *path, const struct cells *cells) {
    json_t *all = json_array();
    for (size_t i = 0; i < cells->count; i++) {
        json_array_append(all, cells->items[i].json);
    }
    bool written = json_dump_file(all, path, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) == 0;
    json_decref(all);
    return written;
}

static bool write_csv(const char *path, const struct cells *cells) {
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return false;
    }
    fprintf(out, "entry,scenario,target,run,x,valid,date,metric,value,unit,note\n");
    for (size_t i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->items[i];
        const char *name;
        json_t *ignored;
        json_object_foreach(json_object_get(cell->json, "metrics"), name, ignored) {
            double value = 0;
            const char *unit = "";
            cell_metric(cell, name, &value, &unit);
            fprintf(out, "%s,%s,%s,%.0f,%.0f,%s,%s,%s,%.12g,%s,%s\n", cell_text(cell, "entry"), cell_text(cell, "scenario"),
                    cell_text(cell, "target"), cell_number(cell, "run"), cell_number(cell, "x"),
                    cell_is_valid(cell) ? "true" : "false", cell_text(cell, "date"), name, value, unit,
                    cell_text(cell, "note"));
        }
    }
    bool written = ferror(out) == 0;
    return fclose(out) == 0 && written;
}

static bool write_summary(const char *path, const struct cells *cells) {
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return false;
    }
    report_print_machine(out);
    goals_print(out, cells);
    for (size_t i = 0; plan_at(i) != NULL; i++) {
        const struct plan *plan = plan_at(i);
        bool any = false;
        for (size_t e = 0; e < plan->count; e++) {
            any |= plan->entries[e].x_name == NULL && cells_find(cells, plan->entries[e].id, NULL) != NULL;
        }
        if (any) {
            fputc('\n', out);
            page_print_summary(out, cells, plan);
        }
    }
    bool written = ferror(out) == 0;
    return fclose(out) == 0 && written;
}

static bool write_report(const struct suite *suite) {
    char path[400];
    struct cells cells = {.items = NULL};
    cells_load(&cells, suite->cells);
    snprintf(path, sizeof path, "%s/report.html", suite->folder);
    bool written = page_write(path, &cells);
    printf("report: %s\n", path);
    snprintf(path, sizeof path, "%s/report.json", suite->folder);
    written = write_json(path, &cells) && written;
    snprintf(path, sizeof path, "%s/report.csv", suite->folder);
    written = write_csv(path, &cells) && written;
    snprintf(path, sizeof path, "%s/report.txt", suite->folder);
    written = write_summary(path, &cells) && written;
    cells_fini(&cells);
    if (!written) {
        fprintf(stderr, "ahora-bench: the report could not be written to %s\n", suite->folder);
    }
    return written;
}

/* ---- all ---- */

static bool make_folder(const char *path) {
    char part[320];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(part, 0777);
        *slash = '/';
    }
    if (mkdir(part, 0777) == 0 || errno == EEXIST) {
        return true;
    }
    fprintf(stderr, "ahora-bench: %s: %s\n", path, strerror(errno));
    return false;
}

static bool run_plans(struct suite *suite, bool counts) {
    for (size_t i = 1; i < suite->options->scenario_count; i++) {
        const struct plan *plan = plan_find(suite->options->scenarios[i]);
        for (size_t e = 0; plan != NULL && e < plan->count; e++) {
            if (!each_job(suite, &plan->entries[e], counts)) {
                return false;
            }
        }
    }
    return true;
}

struct suite_outcome suite_run(const struct harness *harness, const struct options *options) {
    struct suite suite = {.harness = harness, .options = options};
    snprintf(suite.folder, sizeof suite.folder, "%s", options->out != NULL ? options->out : "bench/out");
    snprintf(suite.cells, sizeof suite.cells, "%s/cells", suite.folder);
    if (!make_folder(suite.cells)) {
        return suite.outcome;
    }
    run_plans(&suite, true);
    bool ran = run_plans(&suite, false);
    if (run_is_interrupted()) {
        printf("interrupted at %zu of %zu cells; the same command goes on from here\n", suite.done, suite.total);
    } else {
        printf("%zu cells, %zu measured now, the others kept\n", suite.total, suite.measured);
    }
    suite.outcome.is_done = write_report(&suite) && ran;
    return suite.outcome;
}
