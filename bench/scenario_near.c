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
#include "bench/motion.h"
#include "bench/scenario.h"

#include "include/ahora/protocol.h"
#include "proto/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_PREFIX "service/unit/"
#define HELD_MAX 512         /* units in one circle */
#define MOVED_CIRCLE 1000000 /* circle n moves to the place of circle n + this */
#define MOVE_SHARE 10        /* one circle in so many moves, once */
#define SUBSCRIPTION 1
#define MOVE_ID 2

/* What a circle holds of a unit. */
struct held {
    uint32_t unit;
    uint64_t version;
    bool is_there; /* false: it has left */
};

struct circle {
    struct connection connection; /* first */
    struct place centre;
    struct held *held;
    uint32_t held_count;
    uint32_t held_room;
    uint64_t gaps;
    uint64_t skipped;
    bool is_live;
    bool is_moving; /* between `move` and its `live`: both places count */
    bool has_moved;
};

struct town {
    struct run *run;
    struct dialect dialect;
    struct producer *producer;
    struct circle *circles;
    uint32_t circle_count;
    uint32_t live_count;
    uint32_t moving_count;
    double radius_m;
    bool is_refused;
    uint64_t entered;
    uint64_t left;
};

/* ---- what is said ---- */

/* {"op":"set","topic":…,"data":{"#":n,"t":t,"position":{"lat":…,"lon":…}}}, with holes where the numbers go. */
static bool build_dialect(struct town *town) {
    if (!dialect_init(&town->dialect, DIALECT_MSGPACK, DOCUMENT_BYTES_MIN, "applied")) {
        return false;
    }
    struct phrase *change = &town->dialect.change;
    struct buffer *out = &change->bytes;
    buffer_clear(out, 4096);
    pack_put_map(out, 3);
    pack_put_key(out, "op");
    pack_put_key(out, "set");
    pack_put_key(out, "topic");
    pack_put_key(out, UNIT_PREFIX "0000000");
    change->topic_at = out->bytes - TOPIC_DIGITS;
    pack_put_key(out, "data");
    pack_put_map(out, 3);
    pack_put_key(out, "#");
    change->number_at = out->bytes + 1;
    pack_put_int(out, (int64_t)DIALECT_WIDE);
    pack_put_key(out, "t");
    change->time_at = out->bytes + 1;
    pack_put_int(out, (int64_t)DIALECT_WIDE);
    pack_put_key(out, "position");
    pack_put_map(out, 2);
    pack_put_key(out, "lat");
    change->lat_at = out->bytes + 1;
    pack_put_float(out, 0.1);
    pack_put_key(out, "lon");
    change->lon_at = out->bytes + 1;
    pack_put_float(out, 0.1);
    return !out->failed;
}

static void put_near(struct buffer *message, struct place centre, double radius_m) {
    pack_put_key(message, "near");
    pack_put_map(message, 3);
    pack_put_key(message, "lat");
    pack_put_float(message, centre.lat);
    pack_put_key(message, "lon");
    pack_put_float(message, centre.lon);
    pack_put_key(message, "radius_m");
    pack_put_int(message, (int64_t)radius_m);
}

static void say(struct circle *circle, struct buffer *message) {
    dialect_put_frame_head(circle->connection.dialect, &circle->connection.out, message->bytes);
    buffer_put_span(&circle->connection.out, buffer_span(message));
    buffer_fini(message);
    connection_flush(&circle->connection);
}

static void say_sub(struct circle *circle, double radius_m) {
    struct buffer message;
    buffer_init(&message, 4096);
    pack_put_map(&message, 1);
    pack_put_key(&message, "op");
    pack_put_key(&message, "hello");
    pack_put_map(&message, 4);
    pack_put_key(&message, "op");
    pack_put_key(&message, "sub");
    pack_put_key(&message, "id");
    pack_put_int(&message, SUBSCRIPTION);
    pack_put_key(&message, "match");
    pack_put_key(&message, UNIT_PREFIX "*");
    put_near(&message, circle->centre, radius_m);
    say(circle, &message);
}

/* `id` is the subscription's. */
static void say_move(struct circle *circle, double radius_m) {
    struct buffer message;
    buffer_init(&message, 4096);
    pack_put_map(&message, 3);
    pack_put_key(&message, "op");
    pack_put_key(&message, "move");
    pack_put_key(&message, "id");
    pack_put_int(&message, SUBSCRIPTION);
    put_near(&message, circle->centre, radius_m);
    say(circle, &message);
}

/* ---- what is heard ---- */

static struct held *held_of(struct circle *circle, uint32_t unit) {
    for (uint32_t i = 0; i < circle->held_count; i++) {
        if (circle->held[i].unit == unit) {
            return &circle->held[i];
        }
    }
    if (circle->held_count == circle->held_room) {
        uint32_t room = circle->held_room > 0 ? 2 * circle->held_room : 8;
        struct held *held = room <= HELD_MAX ? realloc(circle->held, room * sizeof *held) : NULL;
        if (held == NULL) {
            return NULL;
        }
        circle->held = held;
        circle->held_room = room;
    }
    circle->held[circle->held_count] = (struct held){.unit = unit};
    return &circle->held[circle->held_count++];
}

/* Versions between what was held and what came, that were inside and did not come. */
static uint64_t count_missed(const struct town *town, const struct circle *circle, const struct held *held, uint64_t version) {
    uint64_t missed = 0;
    for (uint64_t v = held->version + 1; v < version; v++) {
        missed += motion_whereabouts(circle->centre, town->radius_m, motion_of(held->unit, v)) == INSIDE;
    }
    return missed;
}

static void count_unit(struct town *town, struct circle *circle, const struct stamp *stamp) {
    struct run *run = town->run;
    struct held *held = held_of(circle, stamp->topic);
    if (held == NULL || stamp->topic >= run->topic_count) {
        run->strays++;
        return;
    }
    if (!circle->is_moving &&
        motion_whereabouts(circle->centre, town->radius_m, motion_of(stamp->topic, stamp->count)) == OUTSIDE) {
        run->strays++;
    }
    if (stamp->count <= held->version && (held->is_there || stamp->count < held->version)) {
        run->duplicates += stamp->count == held->version && !circle->is_moving;
        run->inversions += stamp->count < held->version;
        return;
    }
    if (circle->is_live && !circle->is_moving && held->version > 0 && !circle->has_moved) {
        circle->gaps += count_missed(town, circle, held, stamp->count);
    }
    town->entered += !held->is_there && circle->is_live;
    held->version = stamp->count;
    held->is_there = true;
    if (circle->is_live) {
        run->tally.deliveries++;
    }
    if (circle->is_live && !circle->is_moving && run->recording == RECORD_DELIVERIES && stamp->count > 1) {
        int64_t age_ns = run->now_ns - stamp->sent_ns;
        histogram_record(run->histogram, age_ns > 0 ? (uint64_t)age_ns : 0);
    }
}

/* A `remove` names its topic. */
static void count_left(struct town *town, struct circle *circle, struct span payload) {
    static const char mark[] = "\xa2op\xa6remove";
    const uint8_t *at = payload.data;
    const uint8_t *end = payload.data + payload.bytes;
    while ((at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1)) != NULL) {
        const uint8_t *topic = memmem(at, (size_t)(end - at), UNIT_PREFIX, strlen(UNIT_PREFIX));
        at += sizeof mark - 1;
        if (topic == NULL || end - topic < (ptrdiff_t)(strlen(UNIT_PREFIX) + TOPIC_DIGITS)) {
            return;
        }
        uint32_t unit = 0;
        for (int i = 0; i < TOPIC_DIGITS; i++) {
            unit = unit * 10 + (uint32_t)(topic[strlen(UNIT_PREFIX) + (size_t)i] - '0');
        }
        struct held *held = held_of(circle, unit);
        if (held != NULL) {
            town->left += held->is_there;
            held->is_there = false;
        }
    }
}

static void on_unit_frame(struct connection *connection, struct span payload) {
    struct town *town = connection->context;
    struct circle *circle = (struct circle *)connection;
    size_t from = 0;
    uint64_t number;
    if (dialect_find_answer(&town->dialect, ANSWER_ERROR, payload, &from, &number)) {
        town->is_refused |= memmem(payload.data, payload.bytes, "invalid", 7) != NULL;
        run_fail(town->run, "a circle got an error");
        return;
    }
    const uint8_t *end = payload.data + payload.bytes;
    size_t stride = 0;
    struct stamp stamp;
    for (const uint8_t *at = payload.data; (at = dialect_find_document(&town->dialect, at, end, &stamp, &stride)) != NULL;) {
        count_unit(town, circle, &stamp);
    }
    count_left(town, circle, payload);
    from = 0;
    while (dialect_find_answer(&town->dialect, ANSWER_SKIPPED, payload, &from, &number)) {
        circle->skipped += number;
    }
    from = 0;
    if (dialect_find_answer(&town->dialect, ANSWER_LIVE, payload, &from, &number)) {
        town->live_count += !circle->is_live;
        town->moving_count -= circle->is_moving;
        circle->is_live = true;
        circle->is_moving = false;
    }
}

static void on_circle_open(struct connection *connection) {
    struct town *town = connection->context;
    say_sub((struct circle *)connection, town->radius_m);
}

static void on_circle_close(struct connection *connection, const char *why) {
    struct town *town = connection->context;
    run_fail(town->run, why);
}

static const struct connection_calls calls = {
    .on_open = on_circle_open, .on_frame = on_unit_frame, .on_close = on_circle_close};

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

static bool open_circle(struct town *town, uint32_t number) {
    struct circle *circle = &town->circles[number];
    struct run *run = town->run;
    circle->centre = motion_centre(number);
    circle->connection.calls = &calls;
    circle->connection.dialect = &town->dialect;
    circle->connection.context = town;
    return connection_open(&circle->connection, run->epoll_fd, &run->server.address, run->server.authority);
}

/* The first alone: if circles are refused, nobody else needs to ask. */
static bool open_circles(struct town *town) {
    struct run *run = town->run;
    uint32_t opened = 0;
    int64_t until = clock_ns() + PATIENCE_NS;
    for (uint32_t live = 0; town->live_count < town->circle_count;) {
        uint32_t window = town->live_count == 0 ? 1 : (uint32_t)run->options->window;
        while (opened < town->circle_count && opened - town->live_count < window) {
            if (!open_circle(town, opened++)) {
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
        struct circle *circle = &town->circles[number];
        circle->centre = motion_centre(number + MOVED_CIRCLE);
        circle->is_moving = true;
        circle->has_moved = true;
        town->moving_count++;
        say_move(circle, town->radius_m);
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
    return build_dialect(town);
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
