/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/shards/reader.h"

#include "broker/core/document.h"
#include "proto/json.h"
#include "proto/pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const reader_patterns[PATTERNS] = {"**",          "stock/**",  "stock/a/*", "order/*",
                                               "service/x/*", "stock/b/*", "stock/*/*", "order/**"};

void topic_name(unsigned topic, char name[32]) {
    static const char *const groups[] = {"stock/a", "stock/b", "order", "service/x"};
    (void)snprintf(name, 32, "%s/%u", groups[topic % 4], topic);
}

static unsigned topic_number(struct span name) {
    size_t at = name.bytes;
    while (at > 0 && name.data[at - 1] != '/') {
        at--;
    }
    return (unsigned)strtoul((const char *)name.data + at, NULL, 10);
}

/* ---- reading messages ---- */

static int64_t integer(struct span message, const char *key) {
    struct span value = pack_find(message, key);
    struct pack_reader reader = pack_reader_of(value);
    return value.bytes == 0 ? 0 : pack_read_int(&reader);
}

static struct span text(struct span message, const char *key) {
    struct span value = pack_find(message, key);
    struct pack_reader reader = pack_reader_of(value);
    return value.bytes == 0 ? (struct span){0} : pack_read_text(&reader);
}

static bool is_true(struct span message, const char *key) {
    struct span value = pack_find(message, key);
    struct pack_reader reader = pack_reader_of(value);
    return value.bytes > 0 && pack_read_bool(&reader);
}

static struct held *held_of(struct reader *reader, struct span name) {
    static const char own[] = "$demand/";
    const size_t own_bytes = sizeof own - 1;
    for (unsigned i = 0; name.data[0] == '$' && i < PATTERNS; i++) {
        if (name.bytes > own_bytes && span_is(span_of(name.data + own_bytes, name.bytes - own_bytes), reader_patterns[i])) {
            return &reader->held[TOPICS + i];
        }
    }
    unsigned topic = topic_number(name);
    MUST(topic < TOPICS, "reader %u heard of a topic nobody wrote", reader->number);
    return &reader->held[topic];
}

/* The rules: no topic goes back; what is not newer is known already. False: nothing new. */
static bool is_newer(const struct reader *reader, const struct held *held, int64_t seq) {
    MUST(seq >= held->seq, "reader %u: seq %" PRId64 " after %" PRId64, reader->number, seq, held->seq);
    return seq > held->seq;
}

static void on_set(struct reader *reader, struct span message) {
    struct held *held = held_of(reader, text(message, "topic"));
    held->ref = integer(message, "ref");
    if (!is_newer(reader, held, integer(message, "seq"))) {
        return;
    }
    held->seq = integer(message, "seq");
    buffer_cut(&held->data, 0);
    buffer_put_span(&held->data, pack_find(message, "data"));
}

static void on_patch(struct reader *reader, struct span message) {
    int64_t ref = integer(message, "ref");
    struct held *held = reader->held;
    while (held < reader->held + HELD && held->ref != ref) {
        held++;
    }
    MUST(held < reader->held + HELD && held->data.bytes > 0, "reader %u: a patch on what it does not hold", reader->number);
    if (!is_newer(reader, held, integer(message, "seq"))) {
        return;
    }
    held->seq = integer(message, "seq");
    struct span patch = pack_find(message, "data");
    if (patch.bytes == 0) {
        return; /* a touch */
    }
    struct buffer merged;
    buffer_init(&merged, 65536);
    MUST(document_merge(&merged, buffer_span(&held->data), patch) == AHORA_OK, "reader %u: a patch that fits nothing",
         reader->number);
    buffer_fini(&held->data);
    held->data = merged;
}

static void on_remove(struct reader *reader, struct span message) {
    struct held *held = held_of(reader, text(message, "topic"));
    if (is_newer(reader, held, integer(message, "seq"))) {
        held->seq = integer(message, "seq");
        buffer_cut(&held->data, 0);
    }
}

static void forget_all(struct reader *reader) {
    for (unsigned i = 0; i < HELD; i++) {
        buffer_cut(&reader->held[i].data, 0);
        reader->held[i].seq = 0;
    }
}

static void on_subscribed(struct reader *reader, struct span message) {
    reader->is_live = false;
    if (is_true(message, "resumed")) {
        reader->resumed++;
        return;
    }
    reader->resynced++;
    forget_all(reader);
}

static void on_live(struct reader *reader, struct span message) {
    int64_t seq = integer(message, "seq");
    MUST(seq >= reader->token, "reader %u: live went back from %" PRId64 " to %" PRId64, reader->number, reader->token, seq);
    reader->token = seq;
    reader->is_live = true;
    reader->skipped += (uint64_t)integer(message, "skipped");
}

static void on_published(struct reader *reader, struct span message) {
    struct pack_reader results = pack_reader_of(pack_find(message, "results"));
    reader->published++;
    for (uint32_t left = pack_read_list(&results); left > 0; left--) {
        struct span result = pack_skip(&results);
        int64_t seq = integer(result, "seq");
        reader->refused += seq == 0;
        reader->acked = seq > reader->acked ? seq : reader->acked;
    }
}

static void on_message(struct reader *reader, struct span message) {
    struct span op = text(message, "op");
    if (span_is(op, "set")) {
        on_set(reader, message);
    } else if (span_is(op, "patch")) {
        on_patch(reader, message);
    } else if (span_is(op, "remove")) {
        on_remove(reader, message);
    } else if (span_is(op, "subscribed")) {
        on_subscribed(reader, message);
    } else if (span_is(op, "live")) {
        on_live(reader, message);
    } else if (span_is(op, "published")) {
        on_published(reader, message);
    } else if (span_is(op, "snapshot")) {
        MUST(integer(message, "seq") >= reader->asked_after, "reader %u read seq %" PRId64 " when %" PRId64 " was told",
             reader->number, integer(message, "seq"), reader->asked_after);
        reader->got++;
    } else {
        MUST(!span_is(op, "error"), "reader %u: an error", reader->number);
    }
}

static void on_lines(struct reader *reader, struct span payload) {
    struct buffer packed;
    buffer_init(&packed, 1 << 20);
    while (payload.bytes > 0) {
        const uint8_t *end = memchr(payload.data, '\n', payload.bytes);
        size_t bytes = end == NULL ? payload.bytes : (size_t)(end - payload.data);
        const char *detail = NULL;
        buffer_cut(&packed, 0);
        MUST(json_to_pack(span_of(payload.data, bytes), AHORA_DEPTH_MAX, &packed, &detail) == AHORA_OK, "no JSON: %s", detail);
        on_message(reader, buffer_span(&packed));
        bytes += end != NULL;
        payload = span_of(payload.data + bytes, payload.bytes - bytes);
    }
    buffer_fini(&packed);
}

static void pull(struct core *core, struct session *session) {
    struct reader *reader = session_owner(session);
    struct span piece;
    while (!reader->stalled && session_pull(core, session, &piece)) {
        while (piece.bytes > 0) {
            MUST(piece.data[0] == 0x81 && piece.data[1] < 127, "a frame of another kind");
            size_t header = piece.data[1] < 126 ? 2 : 4;
            size_t payload = header == 2 ? piece.data[1] : (size_t)(piece.data[2] << 8 | piece.data[3]);
            on_lines(reader, span_of(piece.data + header, payload));
            piece = span_of(piece.data + header + payload, piece.bytes - header - payload);
        }
    }
}

/* ---- life ---- */

void reader_init(struct reader *reader, struct world *world, unsigned number, const char *pattern, int every_ms) {
    *reader =
        (struct reader){.pull = pull, .world = world, .number = number, .pattern = pattern, .every_ms = every_ms, .token = -1};
    for (unsigned i = 0; i < HELD; i++) {
        buffer_init(&reader->held[i].data, 65536);
    }
}

static struct core *core_of(const struct reader *reader) {
    return reader->world->shards[reader->shard].core;
}

void reader_say(struct reader *reader, const char *line) {
    world_catch_up(reader->world, reader->shard);
    session_receive(core_of(reader), reader->session, span_of_text(line));
}

void reader_open(struct reader *reader, size_t shard) {
    reader->shard = shard % reader->world->shard_count;
    reader->session = session_open(core_of(reader), ENCODING_JSON, "p", reader);
    MUST(reader->session != NULL, "no memory");
    reader->stalled = false;
    reader->is_live = false;
    reader->asked = reader->got;
    for (unsigned i = 0; i < HELD; i++) {
        reader->held[i].ref = 0;
    }
    reader_say(reader, "{\"op\":\"hello\"}");
    if (reader->pattern == NULL) {
        return;
    }
    char since[48] = "";
    char line[200];
    if (reader->token >= 0) {
        (void)snprintf(since, sizeof since, ",\"since\":\"e-%" PRId64 "\"", reader->token);
    }
    (void)snprintf(line, sizeof line, "{\"op\":\"sub\",\"id\":1,\"match\":\"%s\",\"every_ms\":%d%s}", reader->pattern,
                   reader->every_ms, since);
    reader_say(reader, line);
}

void reader_cut(struct reader *reader) {
    if (reader->session != NULL) {
        session_close(core_of(reader), reader->session);
        reader->session = NULL;
    }
}

void reader_stall(struct reader *reader, bool stalled) {
    if (reader->stalled != stalled) {
        reader->stalled = stalled;
        session_set_choked(core_of(reader), reader->session, stalled);
    }
}

void reader_fini(struct reader *reader) {
    reader_cut(reader);
    for (unsigned i = 0; i < HELD; i++) {
        buffer_fini(&reader->held[i].data);
    }
}
