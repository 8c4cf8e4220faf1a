/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/screen.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/pack.h"

#define PLAIN_ROWS 10
#define LINE_BYTES 512

/* ---- reading ---- */

static int64_t find_int(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_INT ? pack_read_int(&reader) : 0;
}

static bool find_bool(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    return pack_peek(&reader) == PACK_BOOL && pack_read_bool(&reader);
}

bool look_read(struct look *look, struct span status) {
    const struct {
        const char *map, *key;
        int64_t *value;
    } rows[] = {
        {NULL, "seq", &look->seq},
        {NULL, "changes", &look->changes},
        {NULL, "changes_refused", &look->refused},
        {NULL, "deliveries", &look->deliveries},
        {NULL, "skipped", &look->skipped},
        {NULL, "connections", &look->connections},
        {NULL, "sessions", &look->sessions},
        {NULL, "subscriptions", &look->subscriptions},
        {NULL, "topics", &look->topics},
        {NULL, "documents_bytes", &look->documents_bytes},
        {"memory", "rss_bytes", &look->rss_bytes},
        {"store", "seq_durable", &look->seq_durable},
        {"store", "seq_checkpoint", &look->seq_checkpoint},
        {"store", "journal_bytes", &look->journal_bytes},
    };
    struct pack_reader reader = pack_reader_of(status);
    if (pack_peek(&reader) != PACK_MAP || pack_find(status, "seq").bytes == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i].value = find_int(rows[i].map == NULL ? status : pack_find(status, rows[i].map), rows[i].key);
    }
    look->full = find_bool(pack_find(status, "store"), "full");
    look->draining = find_bool(status, "draining");
    return true;
}

/* ---- writing ---- */

struct pen {
    struct buffer *out;
    unsigned rows_left;
    unsigned columns; /* 0: a pipe */
    bool color;
};

/* "1.2M": three digits are enough to see. */
static const char *short_number(char text[16], double value) {
    static const char units[] = {' ', 'k', 'M', 'G', 'T'};
    size_t unit = 0;
    while (value >= 1000 && unit < sizeof(units) - 1) {
        value /= 1000;
        unit++;
    }
    snprintf(text, 16,
             unit == 0 && value == (double)(int64_t)value ? "%.0f%c"
             : value < 100                                ? "%.1f%c"
                                                          : "%.0f%c",
             value, units[unit]);
    if (unit == 0) {
        text[strlen(text) - 1] = '\0';
    }
    return text;
}

/* One line, cut to the screen by characters (the names of topics are ASCII, and so is all of ours). */
static void put_line(struct pen *pen, const char *color, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put_line(struct pen *pen, const char *color, const char *format, ...) {
    char text[LINE_BYTES];
    va_list arguments;
    if (pen->rows_left == 0) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c >= ' ' && *c <= '~' ? *c : '?'; /* nothing from the network drives the terminal */
    }
    if (pen->columns > 0 && strlen(text) > pen->columns) {
        text[pen->columns] = '\0';
    }
    buffer_put_text(pen->out, pen->color ? color : "");
    buffer_put_text(pen->out, text);
    buffer_put_text(pen->out, pen->color && color[0] != '\0' ? "\33[0m" : "");
    pen->rows_left--;
    buffer_put_text(pen->out, pen->columns == 0 ? "\n" : pen->rows_left > 0 ? "\33[K\r\n" : "\33[K");
}

static double rate(const struct picture *picture, int64_t now, int64_t before) {
    int64_t ms = picture->now.at_ms - picture->before.at_ms;
    return picture->before.at_ms == 0 || ms <= 0 || now < before ? 0 : (double)(now - before) * 1000 / (double)ms;
}

static void put_figures(struct pen *pen, const struct picture *picture) {
    const struct look *now = &picture->now;
    const struct look *before = &picture->before;
    char a[16], b[16], c[16], d[16];
    put_line(pen, "", "rates     %8s changes/s   %8s deliveries/s   %8s skipped/s   %8s refused/s",
             short_number(a, rate(picture, now->changes, before->changes)),
             short_number(b, rate(picture, now->deliveries, before->deliveries)),
             short_number(c, rate(picture, now->skipped, before->skipped)),
             short_number(d, rate(picture, now->refused, before->refused)));
    put_line(pen, "", "holds     %8s topics      %8s sessions       %8s subscriptions", short_number(a, (double)now->topics),
             short_number(b, (double)now->sessions), short_number(c, (double)now->subscriptions));
    put_line(pen, "", "memory    %8sB resident   %8sB documents     %8s connections", short_number(a, (double)now->rss_bytes),
             short_number(b, (double)now->documents_bytes), short_number(c, (double)now->connections));
    put_line(pen, now->full ? "\33[31m" : "", "store     %8s behind disk %8s behind checkpoint %8sB journal%s",
             short_number(a, (double)(now->seq - now->seq_durable)), short_number(b, (double)(now->seq - now->seq_checkpoint)),
             short_number(c, (double)now->journal_bytes), now->full ? "   FULL" : "");
}

static void put_hot(struct pen *pen, const struct picture *picture, size_t count) {
    const struct hot_topic *list[64];
    size_t listed = picture->hot == NULL ? 0 : hot_list(picture->hot, list, count < 64 ? count : 64);
    put_line(pen, "\33[2m", "hottest topics%s", listed == 0 ? ": none changes" : "");
    for (size_t i = 0; i < listed; i++) {
        put_line(pen, "", "%8.1f/s  %s", list[i]->count / picture->hot_seconds, list[i]->name);
    }
}

static void put_sessions(struct pen *pen, const struct picture *picture, size_t count) {
    if (picture->session_count == 0) {
        return;
    }
    put_line(pen, "\33[2m", "slowest sessions");
    for (size_t i = 0; i < picture->session_count && i < count; i++) {
        put_line(pen, "", "  %s", picture->sessions[i].text);
    }
}

void screen_put(struct buffer *out, const struct picture *picture, unsigned rows, unsigned columns, bool color) {
    bool pipe = rows == 0;
    struct pen pen = {out, pipe ? 1000 : rows, pipe ? 0 : columns, color};
    buffer_put_text(out, pipe ? "" : "\33[H");
    put_line(&pen, "\33[36m", "ahora top  %s  seq %" PRId64 "%s%s", picture->server, picture->now.seq,
             picture->now.draining ? "  DRAINING" : "", pipe ? "" : "   (q quits)");
    if (picture->trouble != NULL) {
        put_line(&pen, "\33[33m", "%s", picture->trouble);
    }
    put_figures(&pen, picture);
    size_t sessions = pipe ? PLAIN_ROWS : picture->session_count == 0 ? 0 : pen.rows_left / 2;
    sessions = sessions > picture->session_count ? picture->session_count : sessions;
    size_t wanted = pen.rows_left > sessions + 2 ? pen.rows_left - (sessions > 0 ? sessions + 1 : 0) - 1 : 0;
    put_hot(&pen, picture, pipe ? PLAIN_ROWS : wanted);
    put_sessions(&pen, picture, sessions);
    buffer_put_text(out, pipe ? "\n" : "\33[J");
}
