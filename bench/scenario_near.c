/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Units on the move, and people who follow what is near them: a circle each, some of which move too. Checked by the rules of motion.h and
 * nothing of the broker: every version inside a circle arrives there once and in order, nothing outside does, and in the end each circle
 * holds the units that are in it. In MessagePack.
 */
#include "bench/load.h"
#include "bench/scenario.h"
#include "bench/town.h"

#include <stdio.h>
#include <stdlib.h>

#define MOVE_SHARE 10 /* one circle in so many moves, once */

/* ---- the town ---- */

static void publish_unit(struct town *town, uint32_t unit, int64_t due_ns) {
    uint64_t version = ++town->run->topics[unit].published;
    struct place place = motion_of(unit, version);
    struct stamp stamp = {.topic = unit, .count = version, .sent_ns = due_ns, .lat = place.lat, .lon = place.lon};
    producer_put(town->run, town->producer, &stamp, 1);
}

static bool wait_for_answers(struct town *town, uint64_t in_flight_max) {
    uint64_t acked = 0;
    connection_flush(&town->producer->connection);
    for (int64_t until = clock_ns() + PATIENCE_NS; producer_in_flight(town->producer) > in_flight_max;) {
        run_poll(town->run, NS_PER_MS);
        if (town->producer->acked != acked) {
            acked = town->producer->acked;
            until = clock_ns() + PATIENCE_NS;
        }
        if (town->run->failure != NULL || clock_ns() > until) {
            run_fail(town->run, "the units could not be placed");
            return false;
        }
    }
    return true;
}

static bool place_units(struct town *town) {
    struct run *run = town->run;
    if (!producer_open(run, town->producer, &town->dialect)) {
        return false;
    }
    for (uint32_t unit = 0; unit < run->topic_count; unit++) {
        publish_unit(town, unit, clock_ns());
        if (unit % 256 == 255 && !wait_for_answers(town, 256)) {
            return false;
        }
    }
    return wait_for_answers(town, 0) && run->refused == 0;
}

/* The first alone: if circles are refused, nobody else needs to ask. */
static bool open_circles(struct town *town) {
    struct run *run = town->run;
    uint32_t opened = 0;
    int64_t until = clock_ns() + PATIENCE_NS;
    for (uint32_t live = 0; town->live_count < town->circle_count;) {
        uint32_t window = town->live_count == 0 ? 1 : (uint32_t)run->options->window;
        while (opened < town->circle_count && opened - town->live_count < window) {
            if (!town_open_circle(town, opened++)) {
                run_fail(run, "a connection could not be opened");
                return false;
            }
        }
        run_poll(run, NS_PER_MS);
        run_note(run, "circles", town->live_count, (double)town->live_count / town->circle_count);
        until = live != town->live_count ? clock_ns() + PATIENCE_NS : until;
        live = town->live_count;
        if (run->failure != NULL || clock_ns() > until) {
            run_fail(run, "not all circles became live");
            return false;
        }
    }
    return true;
}

/* One circle in ten moves, spread over the phase. */
static void move_circles(struct town *town, double done, uint32_t *moved) {
    uint32_t movers = town->circle_count / MOVE_SHARE;
    while (*moved < movers && (double)*moved < done * movers) {
        uint32_t number = (*moved)++ * MOVE_SHARE;
        town_move_circle(town, number);
    }
}

static void drive(struct town *town, struct schedule *schedule, int64_t duration_ns, const char *what, bool moves) {
    struct run *run = town->run;
    int64_t rate = run->options->rate;
    uint32_t moved = 0;
    int64_t begin = schedule->begin_ns + (int64_t)((double)schedule->sent * 1e9 / (double)rate);
    while (run->failure == NULL) {
        int64_t due = schedule->begin_ns + (int64_t)((double)schedule->sent * 1e9 / (double)rate);
        int64_t now = clock_ns();
        if (due >= begin + duration_ns) {
            return;
        }
        if (due > now) {
            connection_flush(&town->producer->connection);
            run_poll(run, due - now);
            run_note(run, what, run->tally.deliveries, (double)(now - begin) / (double)duration_ns);
            continue;
        }
        run->tally.late += now - due > LATE_NS;
        publish_unit(town, (uint32_t)(schedule->sent % run->topic_count), due);
        schedule->sent++;
        if (moves) {
            move_circles(town, (double)(now - begin) / (double)duration_ns, &moved);
        }
        if (schedule->sent % 64 == 0) {
            connection_flush(&town->producer->connection);
            run_poll(run, 0);
        }
    }
}

/* ---- the verdict ---- */

/* What is not as it must be in the end: units inside that are not held in their newest version, units outside that are. */
static uint64_t count_wrong(const struct town *town, const struct circle *circle) {
    uint64_t wrong = 0;
    uint64_t inside = 0;
    uint64_t held_inside = 0;
    for (uint32_t unit = 0; unit < town->run->topic_count; unit++) {
        struct place place = motion_of(unit, town->run->topics[unit].published);
        inside += motion_whereabouts(circle->centre, town->radius_m, place) == INSIDE;
    }
    for (uint32_t i = 0; i < circle->held_count; i++) {
        const struct held *held = &circle->held[i];
        uint64_t newest = town->run->topics[held->unit].published;
        enum whereabouts whereabouts = motion_whereabouts(circle->centre, town->radius_m, motion_of(held->unit, newest));
        held_inside += whereabouts == INSIDE && held->is_there && held->version == newest;
        wrong += whereabouts == OUTSIDE && held->is_there;
    }
    return wrong + inside - held_inside;
}

/* Every tenth circle and the first hundred: to look at all of ten thousand units for each takes long. */
static uint64_t count_wrong_in_all(const struct town *town) {
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < town->circle_count; i += i < 100 ? 1 : 10) {
        wrong += count_wrong(town, &town->circles[i]);
    }
    return wrong;
}

static void judge(struct town *town, struct result *result) {
    struct run *run = town->run;
    uint64_t wrong = count_wrong_in_all(town);
    for (int64_t until = clock_ns() + PATIENCE_NS; run->failure == NULL && wrong > 0 && clock_ns() < until;) {
        for (int64_t pause = clock_ns() + 200 * NS_PER_MS; clock_ns() < pause;) {
            run_poll(run, NS_PER_MS);
        }
        wrong = count_wrong_in_all(town);
    }
    uint64_t lost = wrong;
    uint64_t conflated = 0;
    for (uint32_t i = 0; i < town->circle_count; i++) {
        const struct circle *circle = &town->circles[i];
        lost += circle->gaps > circle->skipped ? circle->gaps - circle->skipped : 0;
        conflated += circle->gaps < circle->skipped ? circle->gaps : circle->skipped;
    }
    result_put(result, "entered", (double)town->entered, "");
    result_put(result, "left", (double)town->left, "");
    run_put_promises(run, result, lost, conflated);
}

static void play_town(struct town *town, struct result *result) {
    struct run *run = town->run;
    const struct options *options = run->options;
    struct schedule schedule = {.begin_ns = clock_ns()};
    drive(town, &schedule, options->warmup_ms * NS_PER_MS, "warming up", false);
    run_mark(run, RECORD_DELIVERIES);
    drive(town, &schedule, options->duration_ms * NS_PER_MS, "measuring", true);
    struct tally tally = run_tally(run);
    run->recording = RECORD_NOTHING;
    connection_flush(&town->producer->connection);
    result_put_percentiles(result);
    tally.reads = 0;
    tally.received = 0;
    load_put_deliveries(result, &tally);
    if (!wait_for_answers(town, 0)) {
        return;
    }
    judge(town, result);
}

static bool make_town(struct town *town) {
    town->producer = calloc(1, sizeof *town->producer);
    town->circles = calloc(town->circle_count, sizeof *town->circles);
    if (town->producer == NULL || town->circles == NULL) {
        return false;
    }
    town->producer->connection.fd = -1;
    for (uint32_t i = 0; i < town->circle_count; i++) {
        town->circles[i].connection.fd = -1;
    }
    return town_init_dialect(town);
}

static void close_town(struct town *town) {
    for (uint32_t i = 0; town->circles != NULL && i < town->circle_count; i++) {
        connection_close(&town->circles[i].connection);
        free(town->circles[i].held);
    }
    if (town->producer != NULL) {
        connection_close(&town->producer->connection);
    }
    free(town->circles);
    free(town->producer);
    dialect_fini(&town->dialect);
}

bool play_near(struct run *run, struct result *result) {
    const struct options *options = run->options;
    struct town town = {.run = run, .circle_count = (uint32_t)options->subscribers, .radius_m = (double)options->radius};
    snprintf(result->setting, sizeof result->setting,
             "%lld units, %lld circles of %lld m, one in %d moves, %lld moves/s on schedule", (long long)options->topics,
             (long long)options->subscribers, (long long)options->radius, MOVE_SHARE, (long long)options->rate);
    bool played = make_town(&town) && place_units(&town) && open_circles(&town);
    if (played) {
        play_town(&town, result);
    } else if (town.is_refused) {
        result->skipped = "this broker refuses near: it is not in this version";
    }
    close_town(&town);
    return played;
}
