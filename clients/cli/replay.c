/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * `ahora replay`: traces as producers.
 *
 * The files start together: the next event is the one with the smallest t of all. An event is published when its time has come
 * (--speed, --rate) and its producer has room; topics are shared out among the producers by a hash, so that one topic's changes
 * keep their order. Waiting for time is a timer, waiting for room an answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clients/cli/commands.h"
#include "clients/cli/feeder.h"
#include "clients/cli/print.h"
#include "clients/cli/progress.h"
#include "clients/cli/trace.h"

#define TRACES_MAX 64
#define TURN_CHANGES 4000 /* between two looks at the sockets */
#define REFUSALS_SHOWN 20 /* the rest is only counted */
#define LINE_BITS 48      /* of a feeder's line number; the trace's index is above */

struct replay {
    struct cli *cli;
    struct trace traces[TRACES_MAX];
    bool ended[TRACES_MAX];
    unsigned trace_count;
    struct feeder feeders[PRODUCERS_MAX];
    unsigned feeder_count;
    uv_timer_t timer;
    uv_timer_t ticker;
    struct progress progress;
    int64_t started_ms; /* of this round */
    uint64_t round_sent;
    uint64_t bad;
    uint64_t refused_by[AHORA_CODES];
    uint64_t refused;
    bool pumping;
};

static struct replay replay;

static int64_t now_ms(void) {
    return (int64_t)(uv_hrtime() / 1000000);
}

/* ---- what comes next ---- */

static void say_line(const char *name, uint64_t line, const char *what) {
    progress_clear(&replay.progress);
    fprintf(stderr, "ahora: %s:%" PRIu64 ": %s\n", name, line, what);
}

/* Moves a trace to its next good event. */
static void advance(unsigned index) {
    struct trace *trace = &replay.traces[index];
    enum trace_step step;
    while ((step = trace_next(trace)) == TRACE_BAD) {
        if (replay.bad++ < REFUSALS_SHOWN) {
            say_line(trace->name, trace->line, trace->detail);
        }
    }
    replay.ended[index] = step == TRACE_END;
}

/* The trace whose event is next, trace_count at the end. On a tie the first file wins, as they were named. */
static unsigned earliest(void) {
    unsigned found = replay.trace_count;
    for (unsigned i = 0; i < replay.trace_count; i++) {
        if (!replay.ended[i] && (found == replay.trace_count || replay.traces[i].t < replay.traces[found].t)) {
            found = i;
        }
    }
    return found;
}

static struct feeder *feeder_of(const struct trace *trace) {
    struct pack_reader reader = pack_reader_of(pack_find(buffer_span(&trace->change), "topic"));
    struct span topic = pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : span_of(NULL, 0);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < topic.bytes; i++) {
        hash = (hash ^ topic.data[i]) * UINT64_C(0x100000001b3);
    }
    return &replay.feeders[(hash >> 32) % replay.feeder_count];
}

/* Milliseconds until the event may go, 0: now. */
static int64_t wait_ms(const struct trace *trace) {
    const struct options *options = &replay.cli->options;
    double due = 0;
    if (options->rate > 0) {
        due = (double)replay.round_sent * 1000 / options->rate;
    } else if (options->speed > 0) {
        due = (double)trace->t / options->speed;
    }
    double wait = due - (double)(now_ms() - replay.started_ms);
    return wait <= 0 ? 0 : wait > 60000 ? 60000 : (int64_t)wait + 1;
}

/* ---- moving on ---- */

static void pump(void);

static void on_timer(uv_timer_t *timer) {
    (void)timer;
    pump();
}

static void flush_all(void) {
    for (unsigned i = 0; i < replay.feeder_count; i++) {
        feeder_flush(&replay.feeders[i]);
    }
}

static void start_round(void) {
    replay.started_ms = now_ms();
    replay.round_sent = 0;
    for (unsigned i = 0; i < replay.trace_count; i++) {
        advance(i);
    }
}

static void end_round(void) {
    flush_all();
    for (unsigned i = 0; i < replay.feeder_count; i++) {
        if (!feeder_is_done(&replay.feeders[i])) {
            return;
        }
    }
    if (!replay.cli->options.loop) {
        cli_end(replay.cli, CLI_FINE);
        return;
    }
    for (unsigned i = 0; i < replay.trace_count; i++) {
        trace_rewind(&replay.traces[i]);
    }
    start_round();
    uv_timer_start(&replay.timer, on_timer, 0, 0);
}

static void publish(struct feeder *feeder, unsigned index) {
    struct trace *trace = &replay.traces[index];
    const char *detail = feeder_add(feeder, buffer_span(&trace->change), (uint64_t)index << LINE_BITS | trace->line);
    if (detail != NULL && replay.bad++ < REFUSALS_SHOWN) {
        say_line(trace->name, trace->line, detail);
    }
    replay.round_sent++;
    advance(index);
}

/* One turn: as many events as may go now, at most TURN_CHANGES. */
static void pump_turn(void) {
    for (unsigned i = 0; i < TURN_CHANGES; i++) {
        unsigned next = earliest();
        if (next == replay.trace_count) {
            end_round();
            return;
        }
        int64_t wait = wait_ms(&replay.traces[next]);
        struct feeder *feeder = feeder_of(&replay.traces[next]);
        if (wait > 0 || !feeder_has_room(feeder)) {
            flush_all();
            if (wait > 0) {
                uv_timer_start(&replay.timer, on_timer, (uint64_t)wait, 0);
            }
            return;
        }
        publish(feeder, next);
    }
    uv_timer_start(&replay.timer, on_timer, 0, 0);
}

static void pump(void) {
    if (!replay.pumping && !replay.cli->ended) {
        replay.pumping = true;
        pump_turn();
        replay.pumping = false;
    }
}

static void on_answer(void *owner) {
    (void)owner;
    pump();
}

static void on_refused(void *owner, uint64_t line, const struct ahora_result *result) {
    (void)owner;
    replay.refused_by[result->code]++;
    if (replay.refused++ < REFUSALS_SHOWN) {
        char what[320];
        snprintf(what, sizeof(what), "%s %.*s", ahora_code_name(result->code), (int)result->detail.bytes,
                 result->detail.bytes > 0 ? (const char *)result->detail.data : "");
        say_line(replay.traces[line >> LINE_BITS].name, line & ((UINT64_C(1) << LINE_BITS) - 1), what);
    }
}

/* ---- figures ---- */

static double part_done(void) {
    int64_t done = 0;
    int64_t all = 0;
    for (unsigned i = 0; i < replay.trace_count; i++) {
        all += replay.traces[i].file_bytes;
        done += replay.ended[i] ? replay.traces[i].file_bytes : trace_offset(&replay.traces[i]);
    }
    return all == 0 ? 1 : (double)done / (double)all;
}

struct totals {
    uint64_t added;
    uint64_t accepted;
    uint64_t refused;
    uint64_t unknown;
};

static struct totals totals(void) {
    struct totals sum = {0};
    for (unsigned i = 0; i < replay.feeder_count; i++) {
        sum.added += replay.feeders[i].added;
        sum.accepted += replay.feeders[i].accepted;
        sum.refused += replay.feeders[i].refused;
        sum.unknown += replay.feeders[i].unknown;
    }
    return sum;
}

static void on_tick(uv_timer_t *timer) {
    (void)timer;
    if (!replay.cli->ended) {
        struct totals sum = totals();
        progress_show(&replay.progress, now_ms(), part_done(), sum.accepted + sum.refused + sum.unknown);
    }
}

static enum cli_exit summarize(void) {
    progress_clear(&replay.progress);
    struct totals sum = totals();
    double seconds = (double)(now_ms() - replay.progress.started_ms) / 1000;
    uint64_t unsent = sum.added - sum.accepted - sum.refused - sum.unknown;
    fprintf(stderr,
            "ahora: %" PRIu64 " changes accepted in %.1f s (%.0f/s), %" PRIu64 " refused, %" PRIu64
            " of unknown outcome, %" PRIu64 " not sent, %" PRIu64 " bad lines\n",
            sum.accepted, seconds, seconds > 0 ? (double)sum.accepted / seconds : 0, sum.refused, sum.unknown, unsent,
            replay.bad);
    for (unsigned code = 1; code < AHORA_CODES; code++) {
        if (replay.refused_by[code] > 0) {
            fprintf(stderr, "ahora:   %" PRIu64 " × %s\n", replay.refused_by[code], ahora_code_name(code));
        }
    }
    return sum.refused + replay.bad > 0 ? CLI_REFUSED : sum.unknown > 0 ? CLI_PARTIAL : CLI_FINE;
}

/* ---- beginning and end ---- */

static void on_interrupt(struct cli *cli) {
    cli_end(cli, cli->options.loop ? CLI_FINE : CLI_PARTIAL);
}

static bool open_traces(const struct cli *cli) {
    for (int i = 0; i < cli->argc; i++) {
        const char *why = trace_open(&replay.traces[i], cli->argv[i]);
        replay.trace_count++;
        if (why != NULL) {
            cli_say("%s: %s", cli->argv[i], why);
            return false;
        }
    }
    return true;
}

static void start_feeders(struct cli *cli) {
    replay.feeder_count = cli->client_count;
    for (unsigned i = 0; i < replay.feeder_count; i++) {
        feeder_init(&replay.feeders[i], cli->clients[i]);
        replay.feeders[i].ack = cli->options.ack;
        replay.feeders[i].on_answer = on_answer;
        replay.feeders[i].on_refused = on_refused;
    }
}

static void close_all(void) {
    for (unsigned i = 0; i < replay.feeder_count; i++) {
        feeder_fini(&replay.feeders[i]);
    }
    for (unsigned i = 0; i < replay.trace_count; i++) {
        trace_close(&replay.traces[i]);
    }
}

static int run(struct cli *cli) {
    if (!cli_connect(cli, (unsigned)cli->options.producers)) {
        return cli_run(cli);
    }
    start_feeders(cli);
    uv_timer_init(&cli->loop, &replay.timer);
    uv_timer_init(&cli->loop, &replay.ticker);
    uv_timer_start(&replay.timer, on_timer, 0, 0);
    uv_timer_start(&replay.ticker, on_tick, 200, 200);
    progress_start(&replay.progress, now_ms());
    start_round();
    int code = cli_run(cli);
    if (cli->connected == 0) {
        return code;
    }
    enum cli_exit outcome = summarize();
    return code != CLI_FINE ? code : (int)outcome;
}

int command_replay(struct cli *cli) {
    replay.cli = cli;
    cli->on_interrupt = on_interrupt;
    int code = open_traces(cli) ? run(cli) : CLI_USAGE;
    close_all();
    return code;
}
