/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "clients/cli/print.h"

#define BAR_CELLS 30
#define BAR_EVERY_MS 200
#define LINE_EVERY_MS 5000

void progress_start(struct progress *progress, int64_t now_ms) {
    *progress = (struct progress){.terminal = print_is_terminal(stderr), .started_ms = now_ms, .shown_ms = now_ms};
}

void progress_clear(struct progress *progress) {
    if (progress->drawn) {
        fputs("\r\33[K", stderr);
        progress->drawn = false;
    }
}

static void draw_bar(double part) {
    char bar[BAR_CELLS + 1];
    for (unsigned i = 0; i < BAR_CELLS; i++) {
        bar[i] = i < (unsigned)(part * BAR_CELLS) ? '#' : ' ';
    }
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\33[K[%s] ", bar);
}

/* Time left, supposing that the rest goes as the part before: "0:12", or "?" at the very start. */
static void format_left(char text[24], int64_t elapsed_ms, double part) {
    double seconds = part > 0.001 ? (double)elapsed_ms / 1000 * (1 - part) / part : -1;
    if (seconds < 0 || seconds > 1e9) {
        snprintf(text, 24, "?");
        return;
    }
    snprintf(text, 24, "%" PRId64 ":%02d", (int64_t)seconds / 60, (int)((int64_t)seconds % 60));
}

void progress_show(struct progress *progress, int64_t now_ms, double part, uint64_t count) {
    int64_t since = now_ms - progress->shown_ms;
    if (since < (progress->terminal ? BAR_EVERY_MS : LINE_EVERY_MS)) {
        return;
    }
    char left[24];
    format_left(left, now_ms - progress->started_ms, part);
    double rate = (double)(count - progress->shown_count) * 1000 / (double)since;
    if (progress->terminal) {
        draw_bar(part);
        progress->drawn = true;
    }
    fprintf(stderr, "%s%3.0f%%  %" PRIu64 " changes  %.0f/s  %s left%s", progress->terminal ? "" : "ahora: ", part * 100, count,
            rate, left, progress->terminal ? "" : "\n");
    fflush(stderr);
    progress->shown_ms = now_ms;
    progress->shown_count = count;
}
