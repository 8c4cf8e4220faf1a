/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Simulation of shards: the same script is played on one core, and on two and five of which all but the first follow. At the end each
 * subscriber holds the same, whatever the number of cores; on the way none sees a topic go back, a patch on what it does not hold, or a read
 * that is older than what anybody was told to be published.
 *
 *   shards --seeds A..B | --seed N
 */
#include "tests/shards/reader.h"

#include "broker/core/topic.h"
#include "proto/pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITERS 6
#define READERS 24
#define OBSERVERS 2 /* of the demand; the last of the readers */
#define STEPS 150

/* What a subscriber holds in the end, the same for every number of cores. */
struct outcome {
    struct buffer held[READERS]; /* topic and document, one behind the other */
};

struct play {
    struct world world;
    struct dice script; /* decides what is published; the world's own dice decide when it arrives */
    struct reader writers[WRITERS];
    struct reader readers[READERS + OBSERVERS];
    size_t said[WRITERS];
    int64_t told; /* the highest seq that any writer was told of */
};

static uint64_t sum_resumed, sum_resynced, sum_skipped, sum_refused;

/* ---- the script ---- */

/* A topic belongs to one writer, so its changes are in one order however the writers' mails cross. */
static void put_change(struct dice *dice, unsigned writer, char *out, size_t bytes) {
    static const char *const ops[] = {"set", "set", "patch", "adjust", "adjust", "touch", "delete"};
    const char *op = ops[dice_below(dice, sizeof ops / sizeof ops[0])];
    unsigned topic = (unsigned)(dice_below(dice, TOPICS / WRITERS) * WRITERS + writer);
    int64_t n = dice_between(dice, 0, 99);
    char name[32];
    topic_name(topic, name);
    bool has_data = strcmp(op, "touch") != 0 && strcmp(op, "delete") != 0;
    char data[80] = "";
    if (has_data) {
        (void)snprintf(data, sizeof data, ",\"data\":{\"n\":%" PRId64 "%s}", n,
                       strcmp(op, "adjust") == 0 ? "" : ",\"m\":{\"k\":1}");
    }
    (void)snprintf(out, bytes, "{\"op\":\"%s\",\"topic\":\"%s\",\"at\":7%s}", op, name, data);
}

static void write_some(struct play *play, unsigned index) {
    static const char *const acks[] = {"durable", "applied", "none"};
    struct reader *writer = &play->writers[index];
    const char *ack = acks[dice_below(&play->script, 3)];
    int64_t count = dice_between(&play->script, 1, 6);
    char line[2048];
    size_t used = (size_t)snprintf(line, sizeof line, "{\"op\":\"pub\",\"id\":1,\"ack\":\"%s\",\"changes\":[", ack);
    for (int64_t i = 0; i < count; i++) {
        char change[256];
        put_change(&play->script, index, change, sizeof change);
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", i > 0 ? "," : "", change);
    }
    (void)snprintf(line + used, sizeof line - used, "]}");
    play->said[index] += strcmp(ack, "none") != 0;
    reader_say(writer, line);
}

/* What anybody was told to be published is what everybody reads. */
static void ask(struct play *play, struct reader *reader) {
    if (reader->asked > reader->got) {
        return;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        play->told = play->writers[i].acked > play->told ? play->writers[i].acked : play->told;
    }
    reader->asked_after = play->told;
    reader->asked++;
    reader_say(reader, "{\"op\":\"get\",\"id\":9,\"match\":\"order/*\",\"limit\":1}");
}

static void disturb(struct play *play, struct reader *reader) {
    struct dice *dice = &play->world.dice;
    if (dice_chance(dice, 60)) {
        reader_stall(reader, !reader->stalled);
    }
    if (dice_chance(dice, 25)) {
        reader_cut(reader);
        reader_open(reader, dice_below(dice, SHARDS_MAX));
    }
    if (dice_chance(dice, 40)) {
        ask(play, reader);
    }
}

/* ---- the end ---- */

static void check_against_ledger(struct play *play, const struct reader *reader) {
    struct name pattern;
    struct selection selection = {0};
    const char *detail = NULL;
    MUST(core_parse_pattern(play->world.shards[0].core, span_of_text(reader->pattern), &pattern, &detail) == AHORA_OK, "%s",
         detail);
    struct core *first = play->world.shards[0].core;
    MUST(core_select(first, &pattern, 1, (struct span){0}, 0, &selection) == AHORA_OK, "no memory");
    size_t count = 0;
    for (unsigned i = 0; i < TOPICS; i++) {
        count += reader->held[i].data.bytes > 0;
    }
    MUST(count == selection.count, "reader %u holds %zu topics of %s, there are %zu", reader->number, count, reader->pattern,
         selection.count);
    for (size_t i = 0; i < selection.count; i++) {
        const struct topic *topic = selection.topics[i];
        struct span path = topic_path(topic);
        const struct held *held = NULL;
        for (unsigned k = 0; k < TOPICS; k++) {
            char name[32];
            topic_name(k, name);
            held = span_is(path, name) ? &reader->held[k] : held;
        }
        MUST(held != NULL && held->seq == topic->seq, "reader %u holds another version", reader->number);
        MUST(span_equal(buffer_span(&held->data), document_span(topic->document)), "reader %u holds another document",
             reader->number);
    }
    selection_fini(first, &selection);
}

/* Some of a pattern's readers want to hear less often. */
static int every_of(unsigned reader) {
    return reader % 3 == 0 ? 40 * (int)(1 + reader % 5) : 0;
}

static int64_t integer(struct span document, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(document, key));
    return pack_read_int(&reader);
}

/* Each pattern is told with all its readers that are there and the finest of their wishes, on whichever cores they are; without readers it is
   told no more. */
static void check_demand(const struct play *play, const struct reader *observer) {
    for (unsigned i = 0; i < PATTERNS; i++) {
        int64_t subscribers = 0;
        int64_t finest = INT64_MAX;
        for (unsigned k = i; k < READERS; k += PATTERNS) {
            if (play->readers[k].session != NULL) {
                subscribers++;
                finest = every_of(k) < finest ? every_of(k) : finest;
            }
        }
        const struct span told = buffer_span(&observer->held[TOPICS + i].data);
        MUST((told.bytes > 0) == (subscribers > 0), "observer %u is %stold of %s, which %" PRId64 " follow", observer->number,
             told.bytes > 0 ? "" : "not ", reader_patterns[i], subscribers);
        MUST(
            subscribers == 0 || (integer(told, "subscribers") == subscribers && integer(told, "every_ms") == finest),
            "observer %u is told of %" PRId64 " readers of %s every %" PRId64 " ms, there are %" PRId64 " every %" PRId64 " ms",
            observer->number, integer(told, "subscribers"), reader_patterns[i], integer(told, "every_ms"), subscribers, finest);
    }
}

static void check_demand_of_all(const struct play *play) {
    for (unsigned i = READERS; i < READERS + OBSERVERS; i++) {
        check_demand(play, &play->readers[i]);
    }
}

/* Some readers go for good, of one pattern all: the demand sinks, and when it has lingered, the pattern is gone. */
static void leave(struct play *play) {
    const unsigned deserted = (unsigned)dice_below(&play->script, PATTERNS);
    for (unsigned i = 0; i < READERS; i++) {
        if (i % PATTERNS == deserted || dice_chance(&play->script, 300)) {
            reader_cut(&play->readers[i]);
        }
    }
    world_settle(&play->world);
    check_demand_of_all(play);
}

static void note_outcome(const struct reader *reader, struct buffer *out) {
    for (unsigned i = 0; i < TOPICS; i++) {
        const struct held *held = &reader->held[i];
        buffer_put_byte(out, held->data.bytes > 0 ? (uint8_t)i : 0xff);
        if (held->data.bytes > 0) {
            buffer_put_span(out, buffer_span(&held->data));
        }
    }
}

static void finish(struct play *play, struct outcome *outcome) {
    for (unsigned i = 0; i < READERS + OBSERVERS; i++) {
        reader_stall(&play->readers[i], false);
    }
    world_settle(&play->world);
    for (unsigned i = 0; i < WRITERS; i++) {
        MUST(play->writers[i].published == play->said[i], "writer %u has %zu answers to %zu publishes", i,
             play->writers[i].published, play->said[i]);
        sum_refused += play->writers[i].refused;
    }
    MUST(!core_has_batches_away(play->world.shards[0].core), "a batch never came back");
    check_demand_of_all(play);
    for (unsigned i = 0; i < READERS; i++) {
        struct reader *reader = &play->readers[i];
        MUST(reader->is_live, "reader %u is not live", i);
        check_against_ledger(play, reader);
        note_outcome(reader, &outcome->held[i]);
        sum_resumed += reader->resumed;
        sum_resynced += reader->resynced;
        sum_skipped += reader->skipped;
    }
    leave(play);
}

static void play_one(uint64_t seed, size_t shard_count, struct outcome *outcome) {
    static struct play play; /* large */
    world_name_run(seed, shard_count);
    play = (struct play){.script = {seed}};
    world_init(&play.world, seed, shard_count);
    for (unsigned i = 0; i < WRITERS; i++) {
        reader_init(&play.writers[i], &play.world, i, NULL, 0);
        reader_open(&play.writers[i], i);
    }
    for (unsigned i = 0; i < READERS + OBSERVERS; i++) {
        const bool observes = i >= READERS;
        reader_init(&play.readers[i], &play.world, i, observes ? "$demand/**" : reader_patterns[i % PATTERNS],
                    observes ? 0 : every_of(i));
        reader_open(&play.readers[i], i / 2);
    }
    for (int i = 0; i < STEPS; i++) {
        write_some(&play, (unsigned)dice_below(&play.script, WRITERS));
        for (unsigned k = 0; k < READERS + OBSERVERS; k++) {
            disturb(&play, &play.readers[k]);
        }
        world_step(&play.world);
    }
    finish(&play, outcome);
    for (unsigned i = 0; i < WRITERS; i++) {
        reader_fini(&play.writers[i]);
    }
    for (unsigned i = 0; i < READERS + OBSERVERS; i++) {
        reader_fini(&play.readers[i]);
    }
    world_fini(&play.world);
}

static void play_seed(uint64_t seed) {
    static const size_t counts[] = {1, 2, 5};
    struct outcome outcomes[3];
    for (size_t i = 0; i < 3; i++) {
        for (unsigned k = 0; k < READERS; k++) {
            buffer_init(&outcomes[i].held[k], 1 << 20);
        }
        play_one(seed, counts[i], &outcomes[i]);
    }
    for (size_t i = 1; i < 3; i++) {
        for (unsigned k = 0; k < READERS; k++) {
            MUST(span_equal(buffer_span(&outcomes[i].held[k]), buffer_span(&outcomes[0].held[k])),
                 "reader %u ends with something else than with one core", k);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        for (unsigned k = 0; k < READERS; k++) {
            buffer_fini(&outcomes[i].held[k]);
        }
    }
}

int main(int count, char **arguments) {
    uint64_t first = 1;
    uint64_t last = 300;
    for (int i = 1; i + 1 < count; i += 2) {
        char *end = NULL;
        first = strtoull(arguments[i + 1], &end, 10);
        last = strncmp(end, "..", 2) == 0 ? strtoull(end + 2, NULL, 10) : first;
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        play_seed(seed);
    }
    printf("resumed %" PRIu64 ", new snapshots %" PRIu64 ", versions skipped %" PRIu64 ", changes refused %" PRIu64 "\n",
           sum_resumed, sum_resynced, sum_skipped, sum_refused);
    printf("%" PRIu64 " passed, 0 failed\n", last - first + 1);
    return sum_resumed > 0 && sum_resynced > 0 && sum_skipped > 0 && sum_refused > 0 ? 0 : 1;
}
