/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Bytes are read as lists of changes, turns and time; the ledger and the simulation's model must answer alike and end alike.
 *
 * Each byte chooses; past the end every choice is 0, so any input is a whole run.
 */
#include "broker/core/ledger.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pack.h"
#include "tests/sim/kinds.h"
#include "tests/sim/model.h"
#include "tests/sim/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define LIST_MAX 6
#define LISTS_MAX 200

struct run {
    const uint8_t *at, *end;
    struct limits limits;
    struct metrics metrics;
    struct table_key key;
    struct ledger ledger;
    struct model model;
};

/* The model reports through these; here a difference is a crash. */
void report_note(enum event event) {
    (void)event;
}

void report_failure(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}

static unsigned choose(struct run *run, unsigned below) {
    return run->at == run->end ? 0 : *run->at++ % below;
}

static int64_t choose_number(struct run *run) {
    static const int64_t numbers[] = {0, 1, -1, 5, -5, 127, 128, -33, 70000, INT64_MAX, INT64_MIN, INT64_MAX - 1};
    return numbers[choose(run, sizeof numbers / sizeof numbers[0])];
}

static struct mark_value choose_scalar(struct run *run) {
    static const enum mark marks[] = {MARK_ABSENT, MARK_INT, MARK_NIL, MARK_TEXT, MARK_TRUE, MARK_INT};
    struct mark_value value = {.mark = marks[choose(run, 6)]};
    if (value.mark == MARK_INT) {
        value.number = choose_number(run);
    } else if (value.mark == MARK_TEXT) {
        value.number = (int64_t)choose(run, 200);
    }
    return value;
}

static void choose_paper(struct run *run, struct paper *paper) {
    for (unsigned i = 0; i < PAPER_FIELDS; i++) {
        struct paper_field *field = &paper->fields[i];
        field->value = choose_scalar(run);
        if (i < 4 || field->value.mark != MARK_TRUE) {
            continue;
        }
        field->value.mark = MARK_MAP;
        for (unsigned j = 0; j < PAPER_SUBFIELDS; j++) {
            field->inside[j] = choose_scalar(run);
        }
    }
}

static void choose_wish(struct run *run, struct wish *wish) {
    const unsigned flags = choose(run, 256);
    *wish = (struct wish){.op = (enum change_op)choose(run, CHANGE_OPS), .topic = (int)choose(run, run->model.topic_count)};
    (void)snprintf(wish->path, sizeof wish->path, "%s", run->model.topics[wish->topic].path);
    if (wish->op <= CHANGE_ADJUST) {
        choose_paper(run, &wish->data);
    }
    if (flags & 1) {
        (void)snprintf(wish->key, sizeof wish->key, "k%u", choose(run, 6));
    }
    wish->has_if_seq = (flags & 6) == 6;
    wish->if_seq = wish->has_if_seq ? choose(run, 40) : 0;
    wish->has_at = flags & 8;
    wish->at = wish->has_at ? 1000 * (int64_t)choose(run, 256) : 0;
    wish->if_newer = flags & 16;
    wish->has_fresh_ms = flags & 32;
    wish->fresh_ms = wish->has_fresh_ms ? choose(run, 256) : 0;
    if ((flags & 192) == 192) {
        wish->fault = (enum ahora_code[]){AHORA_BAD_MESSAGE, AHORA_BAD_TOPIC, AHORA_UNKNOWN_KIND}[choose(run, 3)];
        const char *path = wish->fault == AHORA_UNKNOWN_KIND ? "boats/a"
                           : wish->fault == AHORA_BAD_TOPIC  ? "stock//a"
                                                             : "stock/a";
        (void)snprintf(wish->path, sizeof wish->path, "%s", path);
    }
}

static void compare(struct span result, const struct verdict *verdict) {
    struct span error = pack_find(result, "error");
    struct pack_reader code = pack_reader_of(pack_find(error, "code"));
    struct pack_reader seq = pack_reader_of(pack_find(error.data == NULL ? result : error, "seq"));
    if (error.data == NULL) {
        MUST(verdict->code == AHORA_OK && pack_read_int(&seq) == verdict->seq, "accepted, or with another seq");
        return;
    }
    MUST(span_is(pack_read_text(&code), ahora_code_name(verdict->code)), "must be %s", ahora_code_name(verdict->code));
    MUST(verdict->code != AHORA_CONFLICT || pack_read_int(&seq) == verdict->seq, "a conflict with another seq");
}

static void apply_list(struct run *run) {
    struct wish wishes[LIST_MAX];
    struct verdict verdicts[LIST_MAX];
    const unsigned count = 1 + choose(run, LIST_MAX);
    const bool atomic = choose(run, 2) == 1;
    struct buffer changes;
    struct buffer results;
    buffer_init(&changes, SIZE_MAX);
    buffer_init(&results, SIZE_MAX);
    pack_put_list(&changes, count);
    for (unsigned i = 0; i < count; i++) {
        choose_wish(run, &wishes[i]);
        wish_put(&changes, &wishes[i]);
    }
    const char *principal = choose(run, 2) == 0 ? "p" : "q";
    model_apply(&run->model, principal, NO_SOURCE, wishes, count, atomic, verdicts);
    ledger_apply(&run->ledger, principal, NULL, buffer_span(&changes), count, atomic, &results);
    size_t used = 0;
    MUST(pack_check(buffer_span(&results), AHORA_DEPTH_MAX, &used) == PACK_FINE && used == results.bytes,
         "results are not legal");
    MUST(results.bytes <= 3 + (size_t)count * LEDGER_RESULT_BYTES_MAX, "results past their bound");
    struct pack_reader reader = pack_reader_of(buffer_span(&results));
    MUST(pack_read_list(&reader) == count, "not a result for each");
    for (unsigned i = 0; i < count; i++) {
        compare(pack_skip(&reader), &verdicts[i]);
    }
    buffer_fini(&changes);
    buffer_fini(&results);
}

static void check_state(const struct run *run) {
    const struct ledger *ledger = &run->ledger;
    MUST(ledger->seq == run->model.seq, "seq");
    MUST(ledger->records.bytes == run->model.records_bytes, "bytes of records");
    MUST(ledger->topic_count == model_topics(&run->model) && ledger->removal_count == model_removals(&run->model), "counts");
    MUST(ledger->documents_bytes == model_documents_bytes(&run->model), "bytes of documents");
    MUST(ledger->keys.table.count == run->model.key_count, "keys");
    for (unsigned i = 0; i < run->model.topic_count; i++) {
        const struct topic *topic = ledger_find(ledger, span_of_text(run->model.topics[i].path));
        const struct version *version = model_at(&run->model, i, run->model.seq);
        const bool exists = version != NULL && !version->removed;
        MUST((topic != NULL && !topic_is_removed(topic)) == exists, "existence");
        struct paper paper;
        MUST(!exists || (topic->seq == version->seq && topic->at == version->at && topic->fresh_ms == version->fresh_ms &&
                         topic->seq_created == version->seq_created && paper_read(document_span(topic->document), &paper) &&
                         paper_equal(&paper, &version->paper)),
             "a document");
    }
}

static void end_turn(struct run *run) {
    ledger_forget_records(&run->ledger);
    ledger_end_turn(&run->ledger);
    for (struct topic *topic; (topic = ledger_surplus(&run->ledger)) != NULL;) {
        ledger_forget(&run->ledger, topic);
    }
    model_turn_stored(&run->model);
    MUST(run->ledger.seq_floor == run->model.floor, "the floor");
    const int64_t ahead_ms = 100 * (int64_t)choose(run, 10);
    run->model.mono_ms = run->ledger.mono_ms += ahead_ms;
    run->model.wall_ms = run->ledger.wall_ms += 10 * ahead_ms - 2000;
    run->model.room = run->ledger.room = choose(run, 4) == 3 ? 40 * (size_t)choose(run, 20) : SIZE_MAX / 2;
    keys_expire(&run->ledger.keys, run->ledger.mono_ms, 1000);
    model_expire_keys(&run->model);
}

static void start(struct run *run, const uint8_t *data, size_t bytes) {
    static const char *const paths[] = {"stock/a", "stock/a/b", "room/a", "room/b", "order/a", "service/a/b"};
    *run = (struct run){.at = data, .end = data + bytes};
    limits_default(&run->limits);
    run->limits.document_bytes_max = choose(run, 2) == 0 ? 65536 : 100;
    run->limits.removals_max = choose(run, 2) == 0 ? 65536 : 1;
    run->limits.topics_max = choose(run, 2) == 0 ? 100 : 3;
    run->limits.documents_bytes_max = choose(run, 2) == 0 ? 1 << 20 : 400;
    run->limits.keys_max = choose(run, 2) == 0 ? 1000 : 3;
    run->limits.key_ms = 1000;
    table_key_init(&run->key, 1);
    bool fine = ledger_init(&run->ledger, &run->limits, sim_kinds(), &run->key, &run->metrics);
    assert(fine);
    (void)fine;
    run->model.limits = &run->limits;
    model_start(&run->model);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        model_add_topic(&run->model, paths[i]);
    }
    run->model.wall_ms = run->ledger.wall_ms = 100000;
    run->model.room = run->ledger.room = SIZE_MAX / 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct run run;
    start(&run, data, bytes);
    for (int lists = 0; lists < LISTS_MAX && run.at != run.end; lists++) {
        apply_list(&run);
        check_state(&run);
        if (choose(&run, 3) == 0) {
            end_turn(&run);
        }
    }
    ledger_fini(&run.ledger);
    model_fini(&run.model);
    return 0;
}
