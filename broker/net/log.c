/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOG_LINE_BYTES_MAX 1024

static const char *const level_names[LOG_LEVELS] = {"error", "warn", "info", "debug"};

const char *log_level_name(enum log_level level) {
    assert(level < LOG_LEVELS);
    return level_names[level];
}

static size_t put_time(char *line, size_t bytes) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(line, bytes, "%Y-%m-%dT%H:%M:%S", &utc);
    return used + (size_t)snprintf(line + used, bytes - used, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

/* One write per line, so that lines of other processes on the same terminal do not mix with ours. */
__attribute__((format(printf, 3, 0))) static void write_line(enum log_level level, const char *event, const char *format,
                                                             va_list arguments, uint64_t quiet) {
    char fields[LOG_LINE_BYTES_MAX];
    char line[LOG_LINE_BYTES_MAX + 128];
    vsnprintf(fields, sizeof fields, format, arguments);
    size_t used = put_time(line, sizeof line);
    int more = snprintf(line + used, sizeof line - used, " %s %s%s%s", level_names[level], event, fields[0] ? " " : "", fields);
    used += more > 0 ? (size_t)more : 0;
    if (used > sizeof line - 40) {
        used = sizeof line - 40;
    }
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    if (quiet != 0) {
        used += (size_t)snprintf(line + used, sizeof line - used, " quiet=%llu", (unsigned long long)quiet);
    }
    line[used++] = '\n';
    fwrite(line, 1, used, stderr);
    fflush(stderr);
}

void log_event(const struct log *log, enum log_level level, const char *event, const char *format, ...) {
    if (level > log->level) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    write_line(level, event, format, arguments, 0);
    va_end(arguments);
}

void log_event_limited(const struct log *log, struct log_limit *limit, int64_t now_ms, enum log_level level, const char *event,
                       const char *format, ...) {
    if (level > log->level) {
        return;
    }
    if (now_ms < limit->next_ms) {
        limit->quiet++;
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    write_line(level, event, format, arguments, limit->quiet);
    va_end(arguments);
    limit->next_ms = now_ms + LOG_LIMIT_MS;
    limit->quiet = 0;
}
