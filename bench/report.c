/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/report.h"

#include "bench/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define RUNS_MAX 64

void report_print_machine(FILE *out) {
    char cpu[128];
    char date[32];
    struct utsname system;
    machine_cpu(cpu, sizeof cpu);
    machine_date(date, sizeof date);
    uname(&system);
    fprintf(out, "ahora-bench %s, %s\n%ld cores, %s, %s %s\n", AHORA_VERSION, date, sysconf(_SC_NPROCESSORS_ONLN), cpu,
            system.sysname, system.release);
    fprintf(out, "Compare only within one report: figures of such machines move by a fifth from hour to hour.\n");
}

/* ---- table ---- */

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The median over the valid runs of a target; false if there is none. */
static bool median_of(const struct result *const *results, size_t count, const char *target, const char *name, double *out) {
    double values[RUNS_MAX];
    size_t found = 0;
    for (size_t i = 0; i < count && found < RUNS_MAX; i++) {
        const struct metric *metric = result_find(results[i], name, strlen(name));
        if (metric != NULL && strcmp(results[i]->target, target) == 0) {
            values[found++] = metric->value;
        }
    }
    if (found == 0) {
        return false;
    }
    qsort(values, found, sizeof values[0], compare_doubles);
    *out = found % 2 == 1 ? values[found / 2] : (values[found / 2 - 1] + values[found / 2]) / 2;
    return true;
}

static void format_value(char *out, size_t out_bytes, double value) {
    double size = value < 0 ? -value : value;
    if (size >= 1e6) {
        snprintf(out, out_bytes, "%.2f M", value / 1e6);
    } else if (size >= 1e4) {
        snprintf(out, out_bytes, "%.1f k", value / 1e3);
    } else if (size >= 100 || value == (double)(int64_t)value) {
        snprintf(out, out_bytes, "%.0f", value);
    } else {
        snprintf(out, out_bytes, "%.3f", value);
    }
}

static size_t list_targets(const struct result *const *results, size_t count, const char **targets) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t known = 0;
        while (known < found && strcmp(targets[known], results[i]->target) != 0) {
            known++;
        }
        if (known == found && found < TARGETS_MAX) {
            targets[found++] = results[i]->target;
        }
    }
    return found;
}

/* The yardstick, or whoever is last. */
static size_t reference_of(const char *const *targets, size_t target_count) {
    for (size_t i = 1; i < target_count; i++) {
        if (strcmp(targets[i], "raw") == 0) {
            return i;
        }
    }
    return target_count - 1;
}

static void print_row(FILE *out, const struct result *const *results, size_t count, const char *const *targets,
                      size_t target_count, const struct metric *metric) {
    double first = 0;
    double last = 0;
    size_t reference = reference_of(targets, target_count);
    bool has_first = false;
    bool has_last = false;
    fprintf(out, "  %-20s", metric->name);
    for (size_t i = 0; i < target_count; i++) {
        char text[32] = "-";
        double value = 0;
        bool found = median_of(results, count, targets[i], metric->name, &value);
        if (found) {
            format_value(text, sizeof text, value);
        }
        fprintf(out, " %12s", text);
        if (i == 0) {
            first = value;
            has_first = found;
        }
        if (i == reference) {
            last = value;
            has_last = found;
        }
    }
    if (target_count > 1 && has_first && has_last && last != 0) {
        fprintf(out, " %9.3f", first / last);
    } else if (target_count > 1 && metric->unit[0] != '\0') {
        fprintf(out, " %9s", "");
    }
    fprintf(out, "%s%s\n", metric->unit[0] != '\0' ? "  " : "", metric->unit);
}

void report_print_table(FILE *out, const struct result *const *results, size_t count, const char *about) {
    const char *targets[TARGETS_MAX];
    size_t target_count = list_targets(results, count, targets);
    if (count == 0) {
        return;
    }
    fprintf(out, "\n%s: %s\n  %s\n  %s\n  %-20s", results[0]->scenario, about, results[0]->setting, results[0]->command, "");
    for (size_t i = 0; i < target_count; i++) {
        fprintf(out, " %12s", targets[i]);
    }
    fprintf(out, " %s%s\n", target_count > 1 ? "1st / " : "",
            target_count > 1 ? targets[reference_of(targets, target_count)] : "");
    const struct result *fullest = results[0];
    for (size_t i = 1; i < count; i++) {
        fullest = results[i]->metric_count > fullest->metric_count ? results[i] : fullest;
    }
    for (size_t i = 0; i < fullest->metric_count; i++) {
        print_row(out, results, count, targets, target_count, &fullest->metrics[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (results[i]->skipped != NULL && results[i]->number == 1) {
            fprintf(out, "  skipped: %s: %s\n", results[i]->target, results[i]->skipped);
        }
        if (results[i]->invalid != NULL) {
            fprintf(out, "  INVALID: run %d on %s: %s\n", results[i]->number, results[i]->target, results[i]->invalid);
        }
        if (results[i]->note != NULL) {
            fprintf(out, "  %s: run %d on %s: %s\n", results[i]->note, results[i]->number, results[i]->target,
                    LOAD_BOUND_ABOUT);
        }
    }
}

/* ---- files ---- */

static FILE *open_file(const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "ahora-bench: %s: %s\n", path, strerror(errno));
    }
    return file;
}

static bool close_file(FILE *file, const char *path) {
    bool written = ferror(file) == 0;
    written = fclose(file) == 0 && written;
    if (!written) {
        fprintf(stderr, "ahora-bench: %s could not be written\n", path);
    }
    return written;
}

static void put_json_text(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
    }
    fputc('"', out);
}

static void put_json_member(FILE *out, const char *key, const char *text) {
    fprintf(out, ",\"%s\":", key);
    put_json_text(out, text);
}

static void put_json_run(FILE *out, const struct result *result) {
    fprintf(out, "{\"run\":%d,\"valid\":%s", result->number, result->invalid == NULL ? "true" : "false");
    put_json_member(out, "scenario", result->scenario);
    put_json_member(out, "target", result->target);
    put_json_member(out, "setting", result->setting);
    put_json_member(out, "command", result->command);
    if (result->invalid != NULL) {
        put_json_member(out, "invalid", result->invalid);
    }
    if (result->note != NULL) {
        put_json_member(out, "note", result->note);
    }
    fprintf(out, ",\"metrics\":{");
    for (size_t i = 0; i < result->metric_count; i++) {
        const struct metric *metric = &result->metrics[i];
        fprintf(out, "%s\"%s\":{\"value\":%.17g,\"unit\":\"%s\"}", i > 0 ? "," : "", metric->name, metric->value, metric->unit);
    }
    fprintf(out, "}}");
}

bool report_write_json(const char *path, const struct result *const *results, size_t count) {
    char cpu[128];
    char date[32];
    struct utsname system;
    FILE *out = open_file(path);
    if (out == NULL) {
        return false;
    }
    machine_cpu(cpu, sizeof cpu);
    machine_date(date, sizeof date);
    uname(&system);
    fprintf(out, "{\"version\":\"%s\",\"date\":\"%s\",\"cores\":%ld", AHORA_VERSION, date, sysconf(_SC_NPROCESSORS_ONLN));
    put_json_member(out, "cpu", cpu);
    put_json_member(out, "kernel", system.release);
    fprintf(out, ",\"runs\":[");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s\n", i > 0 ? "," : "");
        put_json_run(out, results[i]);
    }
    fprintf(out, "\n]}\n");
    return close_file(out, path);
}

bool report_write_csv(const char *path, const struct result *const *results, size_t count) {
    FILE *out = open_file(path);
    if (out == NULL) {
        return false;
    }
    fprintf(out, "scenario,target,run,valid,metric,value,unit,note\n");
    for (size_t i = 0; i < count; i++) {
        for (size_t m = 0; m < results[i]->metric_count; m++) {
            const struct metric *metric = &results[i]->metrics[m];
            fprintf(out, "%s,%s,%d,%s,%s,%.17g,%s,%s\n", results[i]->scenario, results[i]->target, results[i]->number,
                    results[i]->invalid == NULL ? "true" : "false", metric->name, metric->value, metric->unit,
                    results[i]->note != NULL ? results[i]->note : "");
        }
    }
    return close_file(out, path);
}

bool report_write_hgrm(const char *prefix, const struct result *result) {
    char path[512];
    snprintf(path, sizeof path, "%s-%s-%s-%d.hgrm", prefix, result->scenario, result->target, result->number);
    FILE *out = open_file(path);
    if (out == NULL) {
        return false;
    }
    histogram_print_hgrm(&result->histogram, out, 1e6);
    return close_file(out, path);
}
