/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/town.h"

#include "proto/pack.h"

#include <stdlib.h>
#include <string.h>

#define UNIT_PREFIX "service/unit/"
#define HELD_MAX 512         /* units in one circle */
#define MOVED_CIRCLE 1000000 /* circle n moves to the place of circle n + this */
#define SUBSCRIPTION 1

/* ---- what is said ---- */

/* {"op":"set","topic":…,"data":{"#":n,"t":t,"position":{"lat":…,"lon":…}}}, with holes where the numbers go. */
bool town_init_dialect(struct town *town) {
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

/* The next `remove` at or behind `at`: where it is, and of which unit; NULL: none. It names its topic. */
static const uint8_t *find_left(const uint8_t *at, const uint8_t *end, uint32_t *unit) {
    static const char mark[] = "\xa2op\xa6remove";
    size_t prefix_bytes = strlen(UNIT_PREFIX);
    const uint8_t *found = memmem(at, (size_t)(end - at), mark, sizeof mark - 1);
    const uint8_t *topic = found != NULL ? memmem(found, (size_t)(end - found), UNIT_PREFIX, prefix_bytes) : NULL;
    if (topic == NULL || (size_t)(end - topic) < prefix_bytes + TOPIC_DIGITS) {
        return NULL;
    }
    *unit = 0;
    for (size_t i = 0; i < TOPIC_DIGITS; i++) {
        *unit = *unit * 10 + (uint32_t)(topic[prefix_bytes + i] - '0');
    }
    return found;
}

static void count_left(struct town *town, struct circle *circle, uint32_t unit) {
    struct held *held = held_of(circle, unit);
    if (held != NULL) {
        town->left += held->is_there;
        held->is_there = false;
    }
}

/* Documents and removals in the order in which they stand: a unit may leave and come back within one frame. */
static void take_units(struct town *town, struct circle *circle, struct span payload) {
    const uint8_t *end = payload.data + payload.bytes;
    uint32_t unit = 0;
    struct stamp stamp;
    const uint8_t *left = find_left(payload.data, end, &unit);
    for (const uint8_t *at = payload.data;;) {
        size_t stride = 0; /* removals stand between documents: how far the last was says nothing */
        at = dialect_find_document(&town->dialect, at, end, &stamp, &stride);
        if (at == NULL) {
            break;
        }
        for (; left != NULL && left < at; left = find_left(left + 1, end, &unit)) {
            count_left(town, circle, unit);
        }
        count_unit(town, circle, &stamp);
    }
    for (; left != NULL; left = find_left(left + 1, end, &unit)) {
        count_left(town, circle, unit);
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
    take_units(town, circle, payload);
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

/* ---- circles ---- */

bool town_open_circle(struct town *town, uint32_t number) {
    struct circle *circle = &town->circles[number];
    struct run *run = town->run;
    circle->centre = motion_centre(number);
    circle->connection.calls = &calls;
    circle->connection.dialect = &town->dialect;
    circle->connection.is_secure = run->server.target->is_secure;
    circle->connection.context = town;
    return connection_open(&circle->connection, run->epoll_fd, &run->server.load_address, run->server.authority);
}

void town_move_circle(struct town *town, uint32_t number) {
    struct circle *circle = &town->circles[number];
    circle->centre = motion_centre(number + MOVED_CIRCLE);
    circle->is_moving = true;
    circle->has_moved = true;
    town->moving_count++;
    say_move(circle, town->radius_m);
}
