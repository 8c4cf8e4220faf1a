/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/sim/report.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    uint64_t seed;
    uint64_t hash;
    uint64_t passed;
    uint64_t counts[EVENTS];
    bool verbose;
    bool repeat;
} report;

static const char *const names[EVENTS] = {
    [EVENT_SET] = "set",
    [EVENT_PATCH] = "patch",
    [EVENT_REMOVE] = "remove",
    [EVENT_LIVE] = "live",
    [EVENT_BEAT] = "beat",
    [EVENT_SNAPSHOT] = "snapshot",
    [EVENT_SUBSCRIBED] = "subscribed",
    [EVENT_RESUMED] = "resumed",
    [EVENT_RESUME_REFUSED] = "resume_refused",
    [EVENT_RESYNC] = "resync",
    [EVENT_FELL_BEHIND] = "fell_behind",
    [EVENT_SKIPPED] = "skipped",
    [EVENT_SKIPPED_EXACT] = "skipped_checked",
    [EVENT_CONFLATED] = "conflated",
    [EVENT_OVERLAP] = "overlapping",
    [EVENT_PACED] = "paced",
    [EVENT_CHOKED] = "choked",
    [EVENT_CUT_FRAME] = "frame_cut",
    [EVENT_YIELD] = "yield",
    [EVENT_SHORT_WAY] = "short_way",
    [EVENT_INPUT_WAITED] = "input_waited",
    [EVENT_UNSUBSCRIBED] = "unsubscribed",
    [EVENT_RESUBSCRIBED] = "resubscribed",
    [EVENT_ACK_DURABLE] = "ack_durable",
    [EVENT_ACK_APPLIED] = "ack_applied",
    [EVENT_ACK_NONE] = "ack_none",
    [EVENT_TICKET] = "ticket",
    [EVENT_ATOMIC_KEPT] = "atomic_kept",
    [EVENT_ATOMIC_ABORTED] = "atomic_aborted",
    [EVENT_KEY_REPEATED] = "key_repeated",
    [EVENT_CONFLICT] = "conflict",
    [EVENT_SUPERSEDED] = "superseded",
    [EVENT_OUT_OF_RANGE] = "out_of_range",
    [EVENT_INVALID] = "invalid",
    [EVENT_DERIVED] = "derived",
    [EVENT_NOT_FOUND] = "not_found",
    [EVENT_TOO_LARGE] = "too_large",
    [EVENT_TOO_MANY] = "too_many",
    [EVENT_OVERLOADED] = "overloaded",
    [EVENT_STORE_FULL] = "store_full",
    [EVENT_RATE_LIMITED] = "rate_limited",
    [EVENT_REMOVAL_FORGOTTEN] = "removal_forgotten",
    [EVENT_RECREATED] = "recreated",
    [EVENT_PROCESS_CRASH] = "process_crash",
    [EVENT_MACHINE_CRASH] = "machine_crash",
    [EVENT_TURN_LOST] = "turn_lost",
    [EVENT_COMPACTED] = "compacted",
    [EVENT_DRAIN] = "drain",
    [EVENT_BAD_MESSAGE] = "bad_message",
    [EVENT_NO_HELLO] = "no_hello",
    [EVENT_CLOCK_BACK] = "clock_back",
    [EVENT_QUIET] = "quiet_check",
    [EVENT_WHERE] = "where",
    [EVENT_NEAR] = "near",
    [EVENT_NEAREST] = "nearest_checked",
    [EVENT_LEFT] = "left",
    [EVENT_MOVED] = "moved",
    [EVENT_NARROW_REFUSED] = "narrow_refused",
    [EVENT_WHERE_RESUMED] = "where_resumed",
    [EVENT_NEAR_RESUMED] = "near_resumed",
    [EVENT_BORDER] = "on_the_border",
    [EVENT_STALE] = "stale",
    [EVENT_FRESH_AGAIN] = "fresh_again",
    [EVENT_EXPIRED] = "expired",
    [EVENT_LOST] = "lost",
    [EVENT_SOURCE_LOST] = "source_lost",
    [EVENT_SOURCE_BACK] = "source_back",
    [EVENT_DUE_BOUNDED] = "due_bounded",
    [EVENT_DUE_WAITED] = "due_waited",
};

static void tell_how_to_repeat(void) {
    printf("seed %" PRIu64 " failed; repeat it with: build/tests/sim --seed %" PRIu64 " -v\n%" PRIu64 " passed, 1 failed\n",
           report.seed, report.seed, report.passed);
    (void)fflush(stdout);
}

/* An assertion in the broker (it has said which on stderr) or worse. Nothing runs afterwards, so stdio may be used. */
static void on_abort(int number) {
    (void)number;
    tell_how_to_repeat();
    _exit(1);
}

void report_begin(uint64_t seed, bool verbose) {
    report.seed = seed;
    report.verbose = verbose;
    report.hash = UINT64_C(0xcbf29ce484222325);
    (void)signal(SIGABRT, on_abort);
    void (*before)(int) = signal(SIGSEGV, on_abort);
    if (before != SIG_DFL && before != on_abort) { /* a sanitizer tells more */
        (void)signal(SIGSEGV, before);
    }
}

void report_end(void) {
    report.passed++;
}

uint64_t report_passed(void) {
    return report.passed;
}

void report_note(enum event event) {
    report.counts[event] += !report.repeat;
}

void report_forget_coverage_of_repeat(bool repeat) {
    report.repeat = repeat;
}

/* FNV-1a over words: not a checksum, only a trace that differs when a run does. */
void report_trace(const void *data, size_t bytes) {
    const uint8_t *at = data;
    for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t), at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        report.hash = (report.hash ^ word) * UINT64_C(0x100000001b3);
        report.hash ^= report.hash >> 29;
    }
    for (; bytes > 0; bytes--) {
        report.hash = (report.hash ^ *at++) * UINT64_C(0x100000001b3);
    }
}

uint64_t report_hash(void) {
    return report.hash;
}

void report_line(const char *format, ...) {
    if (!report.verbose) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
}

void report_failure(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
    tell_how_to_repeat();
    _exit(1);
}

bool report_coverage(void) {
    bool complete = true;
    printf("met:");
    for (int event = 0; event < EVENTS; event++) {
        printf(" %s=%" PRIu64, names[event], report.counts[event]);
        complete = complete && report.counts[event] > 0;
    }
    (void)putchar('\n');
    for (int event = 0; event < EVENTS; event++) {
        if (report.counts[event] == 0) {
            printf("never happened: %s\n", names[event]);
        }
    }
    return complete;
}
