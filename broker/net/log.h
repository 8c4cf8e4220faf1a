/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The log: one line per event on stderr, `time level event key=value …`, for an operator who was not there. Nothing per message.
 * A line may be written from any thread.
 */
#ifndef NET_LOG_H
#define NET_LOG_H

#include <stdint.h>

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
    LOG_LEVELS,
};

struct log {
    enum log_level level; /* this and everything graver is written */
};

/* What repeats is told at most once in LOG_LIMIT_MS, with the number of times it was kept quiet meanwhile. Zero it first. */
#define LOG_LIMIT_MS 10000

struct log_limit {
    int64_t next_ms;
    uint64_t quiet;
};

const char *log_level_name(enum log_level level);

/* `format` gives the key=value part, without a line end; bytes below a space in it become '?'. */
void log_event(const struct log *log, enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void log_event_limited(const struct log *log, struct log_limit *limit, int64_t now_ms, enum log_level level, const char *event,
                       const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
