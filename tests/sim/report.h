/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What a run tells: its trace hash, what it met, and the first thing that was wrong. One process plays one seed at a time, so this is
 * the one place with state of the whole program: an assertion inside the broker must be able to name the seed.
 */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What must have happened somewhere in many seeds: a simulation that never meets it tests nothing about it. */
enum event {
    EVENT_SET,
    EVENT_PATCH,
    EVENT_REMOVE,
    EVENT_LIVE,
    EVENT_BEAT,
    EVENT_SNAPSHOT,
    EVENT_SUBSCRIBED,
    EVENT_RESUMED,
    EVENT_RESUME_REFUSED,
    EVENT_RESYNC,
    EVENT_FELL_BEHIND,
    EVENT_SKIPPED,
    EVENT_SKIPPED_EXACT,
    EVENT_CONFLATED,
    EVENT_OVERLAP,
    EVENT_PACED,
    EVENT_CHOKED,
    EVENT_CUT_FRAME,
    EVENT_YIELD,
    EVENT_SHORT_WAY,
    EVENT_INPUT_WAITED,
    EVENT_UNSUBSCRIBED,
    EVENT_RESUBSCRIBED,
    EVENT_ACK_DURABLE,
    EVENT_ACK_APPLIED,
    EVENT_ACK_NONE,
    EVENT_TICKET,
    EVENT_ATOMIC_KEPT,
    EVENT_ATOMIC_ABORTED,
    EVENT_KEY_REPEATED,
    EVENT_CONFLICT,
    EVENT_SUPERSEDED,
    EVENT_OUT_OF_RANGE,
    EVENT_INVALID,
    EVENT_DERIVED,
    EVENT_NOT_FOUND,
    EVENT_TOO_LARGE,
    EVENT_TOO_MANY,
    EVENT_OVERLOADED,
    EVENT_STORE_FULL,
    EVENT_RATE_LIMITED,
    EVENT_REMOVAL_FORGOTTEN,
    EVENT_RECREATED,
    EVENT_PROCESS_CRASH,
    EVENT_MACHINE_CRASH,
    EVENT_TURN_LOST,
    EVENT_COMPACTED,
    EVENT_DRAIN,
    EVENT_BAD_MESSAGE,
    EVENT_NO_HELLO,
    EVENT_CLOCK_BACK,
    EVENT_QUIET,
    EVENT_WHERE,
    EVENT_NEAR,
    EVENT_NEAREST,
    EVENT_LEFT,
    EVENT_MOVED,
    EVENT_NARROW_REFUSED,
    EVENT_WHERE_RESUMED,
    EVENT_NEAR_RESUMED,
    EVENT_BORDER,
    EVENT_STALE,
    EVENT_FRESH_AGAIN,
    EVENT_EXPIRED,
    EVENT_LOST,
    EVENT_SOURCE_LOST,
    EVENT_SOURCE_BACK,
    EVENT_DUE_BOUNDED,
    EVENT_DUE_WAITED,
    EVENTS,
};

void report_begin(uint64_t seed, bool verbose);
void report_note(enum event event);
void report_trace(const void *data, size_t bytes);
uint64_t report_hash(void);

/* A line of the run, only with -v. */
void report_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says what is wrong and how to see it again, and ends the program. */
_Noreturn void report_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the counts. False if something never happened. */
bool report_coverage(void);
void report_forget_coverage_of_repeat(bool repeat); /* a seed played twice counts once */
uint64_t report_passed(void);
void report_end(void);

#define MUST(condition, ...)                                                                                                   \
    do {                                                                                                                       \
        if (!(condition)) {                                                                                                    \
            report_failure(__VA_ARGS__);                                                                                       \
        }                                                                                                                      \
    } while (0)

#endif
